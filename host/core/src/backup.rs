//! What a backup is made of, and whether one can be restored.
//!
//! A backup is a folder: a copy of every sandbox's database, each of a moment of its own; then a copy of the control
//! database, which is of the latest moment of all, so that no erasure which a sandbox knows of is unknown to it; the
//! plugins' components; keys; and a manifest, which is written last.

use crate::Millis;
use crate::id::BackupId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The version of the form of backups, and the newest that is known.
pub const FORMAT: u32 = 1;
/// What the manifest is called in its folder.
pub const MANIFEST: &str = "manifest.json";

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// The version of the host that made it.
    pub attiva: String,
    pub id: BackupId,
    pub began_at: Millis,
    pub ended_at: Millis,
    /// Without it, connections' secrets are entered anew after a restore, unless their key comes from elsewhere.
    pub has_seal_key: bool,
    pub files: Vec<BackupFile>,
}

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BackupFile {
    /// Within the folder.
    pub path: String,
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
    /// Of a database: what is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<BackupDatabase>,
}

/// What is in the copy of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BackupDatabase {
    /// Everything that was acknowledged before is in it.
    pub at: Millis,
    /// The version of its schema.
    pub schema: u32,
    /// Of a sandbox: every change up to this number of its sequence is in it, and none beyond. Of the control database 0.
    pub sequence: u64,
}

/// What a file of a backup is, by its place in it: nothing else is put into a data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileKind<'a> {
    Control,
    /// Of the sandbox with this id.
    Sandbox(&'a str),
    /// Of this name in its folder.
    Plugin(&'a str),
    /// Of this name in its folder.
    Key(&'a str),
}

pub const CONTROL: &str = "control.db";
/// The key of erasures' hashes: without it, a restored host would not know whom it has to forget.
pub const TOMBSTONE_KEY: &str = "tombstone.key";
/// The key of connections' secrets.
pub const SEAL_KEY: &str = "seal.key";

impl BackupFile {
    /// `None`: it has no place in a backup.
    #[must_use]
    pub fn kind(&self) -> Option<FileKind<'_>> {
        let parts: Vec<&str> = self.path.split('/').collect();
        let plain = |text: &str| {
            !text.is_empty()
                && text.len() <= 64
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        match parts.as_slice() {
            [CONTROL] => Some(FileKind::Control),
            ["sandboxes", id, "store.db"] if plain(id) => Some(FileKind::Sandbox(id)),
            ["plugins", name] if name.strip_suffix(".wasm").is_some_and(plain) => Some(FileKind::Plugin(name)),
            ["keys", name @ (TOMBSTONE_KEY | SEAL_KEY)] => Some(FileKind::Key(name)),
            _ => None,
        }
    }
}

/// Why a backup cannot be restored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("the backup has the form {0}, and this version knows {FORMAT}")]
    TooNew(u32),
    #[error("`{0}` has no place in a backup")]
    Stray(String),
    #[error("`{0}` stands in the manifest twice")]
    Twice(String),
    #[error("the backup has no `{0}`")]
    Lacks(&'static str),
}

impl Manifest {
    /// Whether it is one that can be restored, as far as the manifest tells.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), Unusable> {
        if self.format > FORMAT {
            return Err(Unusable::TooNew(self.format));
        }
        let mut seen = BTreeSet::new();
        for file in &self.files {
            if file.kind().is_none() {
                return Err(Unusable::Stray(file.path.clone()));
            }
            if !seen.insert(file.path.as_str()) {
                return Err(Unusable::Twice(file.path.clone()));
            }
        }
        if !seen.contains(CONTROL) {
            return Err(Unusable::Lacks(CONTROL));
        }
        if !seen.contains("keys/tombstone.key") {
            return Err(Unusable::Lacks("keys/tombstone.key"));
        }
        Ok(())
    }

    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    #[must_use]
    pub fn sandboxes(&self) -> usize {
        self.files.iter().filter(|file| matches!(file.kind(), Some(FileKind::Sandbox(_)))).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(paths: &[&str]) -> Manifest {
        let file = |path: &&str| BackupFile { path: (*path).into(), bytes: 1, sha256: String::new(), database: None };
        let (id, files) = (BackupId::new(0, [0; 6]), paths.iter().map(file).collect());
        Manifest { format: 1, attiva: "0.1.0".into(), id, began_at: 0, ended_at: 0, has_seal_key: false, files }
    }

    const WHOLE: [&str; 2] = ["control.db", "keys/tombstone.key"];

    #[test]
    fn nothing_of_a_backup_leaves_its_place() {
        for good in ["sandboxes/org_1-default/store.db", "plugins/00ff.wasm", "keys/seal.key"] {
            assert_eq!(manifest(&[&WHOLE[..], &[good]].concat()).check(), Ok(()), "{good}");
        }
        for bad in [
            "",
            "/control.db",
            "../control.db",
            "sandboxes/../store.db",
            "sandboxes//store.db",
            "sandboxes/a/b/store.db",
            "sandboxes/a/other.db",
            "plugins/../x.wasm",
            "plugins/.wasm",
            "plugins/a.so",
            "keys/aot.key",
            "keys/../x",
        ] {
            assert_eq!(manifest(&[&WHOLE[..], &[bad]].concat()).check(), Err(Unusable::Stray(bad.into())));
        }
    }

    #[test]
    fn what_is_newer_or_not_whole_is_refused() {
        assert_eq!(manifest(&WHOLE).check(), Ok(()));
        assert_eq!(Manifest { format: 2, ..manifest(&WHOLE) }.check(), Err(Unusable::TooNew(2)));
        assert_eq!(manifest(&["keys/tombstone.key"]).check(), Err(Unusable::Lacks("control.db")));
        assert_eq!(manifest(&["control.db"]).check(), Err(Unusable::Lacks("keys/tombstone.key")));
        let twice = manifest(&["control.db", "control.db", "keys/tombstone.key"]);
        assert_eq!(twice.check(), Err(Unusable::Twice("control.db".into())));
    }
}
