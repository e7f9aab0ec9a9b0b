//! Where reading stands: everything between two calls is in here.
//!
//! ```text
//! Idle -> Window { by REST, or by a bulk job } -> (Tidy) -> Idle
//! ```

use crate::usage::Usage;
use serde::{Deserialize, Serialize};

/// Version of this form; raise it when a field changes its meaning, and migrate.
pub(crate) const VERSION: u32 = 1;

/// Where one stream stands. Times in seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// Everything that carries a time up to here was read; absent: nothing yet.
    pub(crate) read_to: Option<i64>,
    pub(crate) phase: Phase,
    /// What the vendor last said of its day's calls.
    pub(crate) usage: Option<Usage>,
    /// Which columns were read last.
    pub(crate) columns: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    /// Caught up.
    #[default]
    Idle,
    Window(Window),
    /// The window was read; its job is still at the vendor.
    Tidy {
        job: String,
    },
}

/// The records that changed in a span of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Window {
    /// After this; absent: from the beginning.
    pub(crate) from: Option<i64>,
    /// Up to this, included.
    pub(crate) to: i64,
    pub(crate) way: Way,
    /// Records read so far, and how many there may be.
    pub(crate) records: u64,
    pub(crate) total: Option<u64>,
    /// Jobs that came to nothing, and the last of them.
    pub(crate) failures: u32,
    pub(crate) failure: Option<Failure>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Way {
    Rest(Place),
    /// No job: it has to be created.
    Bulk(Option<Job>),
}

/// Where a query by REST goes on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    /// The next page, as the vendor named it.
    pub(crate) next: Option<String>,
    /// The last record that was read: its time in milliseconds and its id. Where to go on if the page is no longer known.
    pub(crate) after: Option<(i64, String)>,
    /// The object takes no bulk jobs, or was refused one.
    pub(crate) only_rest: bool,
}

/// A job that came to nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Failure {
    pub(crate) at: i64,
    pub(crate) reason: String,
}

/// A query job at the vendor, and the file of its results that is being read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Job {
    pub(crate) id: String,
    /// The version it was made with: its results can be had with no other.
    pub(crate) version: String,
    pub(crate) complete: bool,
    /// Looks at its state so far.
    pub(crate) polls: u32,
    /// Records it has, as the vendor says.
    pub(crate) announced: Option<u64>,
    /// Records read of all its files, and of the present one.
    pub(crate) records: u64,
    pub(crate) file_records: u64,
    /// The present file: its number, where it begins, and bytes that were read of it.
    pub(crate) file: u32,
    pub(crate) locator: Option<String>,
    pub(crate) offset: u64,
}

impl Job {
    pub(crate) fn created(id: String, version: &str) -> Self {
        Self {
            id,
            version: version.to_owned(),
            complete: false,
            polls: 0,
            announced: None,
            records: 0,
            file_records: 0,
            file: 0,
            locator: None,
            offset: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use attiva_connector::Cursor;

    #[test]
    fn a_cursor_survives_the_way_there_and_back() {
        let window = |way| Window {
            from: Some(1),
            to: 2,
            way,
            records: 3,
            total: Some(4),
            failures: 1,
            failure: Some(Failure { at: 1, reason: "r".into() }),
        };
        let place = Place { next: Some("/n".into()), after: Some((5, "i".into())), only_rest: true };
        let phases = [
            Phase::Idle,
            Phase::Tidy { job: "750".into() },
            Phase::Window(window(Way::Rest(place))),
            Phase::Window(window(Way::Bulk(None))),
            Phase::Window(window(Way::Bulk(Some(Job::created("750".into(), "68.0"))))),
        ];
        for phase in phases {
            let usage = Some(Usage { used: 1, max: 2, at: 3 });
            let state = State { read_to: Some(1), phase, usage, columns: Some(u64::MAX) };
            let cursor = Cursor::encode(VERSION, &state).unwrap();
            assert_eq!(cursor.decode::<State>(VERSION).unwrap(), state);
        }
    }
}
