//! Where a version of a plugin goes on, if another one has read before it. State is migrated on a copy; what the older
//! version had stays until the newer one has committed pages, so that there is a way back.

use crate::{Fault, FaultKind};

/// How many pages the newer version has to commit until the older one's state is let go.
pub const PAGES_UNTIL_SETTLED: u32 = 10;

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the state that is stored, in the form it has.
    Stored,
    /// With the state that is stored, brought into the present form first.
    StoredMigrated,
    /// With what was kept of that state version; what newer versions have read since is read again.
    Kept { state_version: u32 },
    /// With what was kept of that state version, brought into the present form first.
    KeptMigrated { state_version: u32 },
}

/// The stored state is newer than the plugin that is to read it, and nothing older was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored state has version {stored}, and this version of the plugin knows {wanted} at most")]
pub struct TooNew {
    pub stored: u32,
    pub wanted: u32,
}

impl TooNew {
    /// What the operator can do about it.
    #[must_use]
    pub fn fault(&self, what: &str) -> Fault {
        Fault::new(FaultKind::Config, "plugin.state-too-new", format!("{what}: {self}"))
            .action("Use the plugin version that wrote it, or a newer one. Nothing was changed.")
    }
}

/// Decides where a plugin whose states have version `wanted` begins. `kept` are the versions of the states that were
/// kept, in any order.
///
/// # Errors
/// [`TooNew`].
pub fn start(stored: u32, kept: &[u32], wanted: u32) -> Result<Start, TooNew> {
    if stored == wanted {
        return Ok(Start::Stored);
    }
    if stored < wanted {
        return Ok(Start::StoredMigrated);
    }
    match kept.iter().copied().filter(|version| *version <= wanted).max() {
        Some(state_version) if state_version == wanted => Ok(Start::Kept { state_version }),
        Some(state_version) => Ok(Start::KeptMigrated { state_version }),
        None => Err(TooNew { stored, wanted }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_begins_where_it_can_read() {
        let cases = [
            (1, &[][..], 1, Ok(Start::Stored)),
            (1, &[], 3, Ok(Start::StoredMigrated)),
            (3, &[1], 3, Ok(Start::Stored)),
            (3, &[2, 1], 1, Ok(Start::Kept { state_version: 1 })),
            (3, &[1, 2], 2, Ok(Start::Kept { state_version: 2 })),
            (4, &[1, 3], 2, Ok(Start::KeptMigrated { state_version: 1 })),
            (3, &[], 2, Err(TooNew { stored: 3, wanted: 2 })),
            (4, &[3], 2, Err(TooNew { stored: 4, wanted: 2 })),
        ];
        for (stored, kept, wanted, expected) in cases {
            assert_eq!(start(stored, kept, wanted), expected, "{stored} {kept:?} {wanted}");
        }
    }
}
