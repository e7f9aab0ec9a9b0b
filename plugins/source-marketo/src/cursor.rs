//! Where reading stands: everything between two calls is in here.
//!
//! ```text
//! (no cursor) -> History: window by window { create -> enqueue -> await -> read } -> Changes <-> Deletions
//! ```

use serde::{Deserialize, Serialize};

/// Version of this form; raise it when a field changes its meaning, and migrate.
pub(crate) const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    pub(crate) chains: Chains,
    pub(crate) phase: Phase,
    /// While history is read: when changes are, and how far they are.
    #[serde(default)]
    pub(crate) beside: Beside,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) meanwhile: Option<Phase>,
}

/// Changes are read while history is: see `beside`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Beside {
    /// When changes are read next, in seconds.
    pub(crate) next: i64,
    /// They are being read.
    pub(crate) busy: bool,
}

/// Both chains are begun before history is: what changes while it is read is not lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Chains {
    pub(crate) changes: Chain,
    pub(crate) deletions: Chain,
}

/// A chain of activity pages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Chain {
    /// Where the next page begins.
    pub(crate) token: String,
    /// Everything before this time, in seconds, was read: where to begin anew if Marketo no longer knows the token.
    pub(crate) since: i64,
    /// Pages in a row that named no other place to go on, although there was more.
    pub(crate) still: u32,
    /// How far it went back for what was filed late.
    #[serde(default)]
    pub(crate) late: Late,
}

/// Up to where a chain may have passed by what was filed late. Dates are Marketo's, in seconds; its clock need not be ours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Late {
    /// The date of the newest activity that was read: what is filed with a later one is in a page to come.
    pub(crate) newest: i64,
    /// Up to which date the chain went back.
    pub(crate) done: i64,
    /// When by our clock there was no more, first since it last went back, and the newest date then.
    pub(crate) end: Option<(i64, i64)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::large_enum_variant, reason = "a call has one or two of them")]
pub(crate) enum Phase {
    /// All persons, by export.
    History(History),
    /// New and changed persons, and merges.
    Changes(Work),
    /// Deleted persons. After the last page the next run begins with changes again.
    Deletions,
}

/// All persons created from the start date to the moment reading began, window by window. Times in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct History {
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// Where the present window begins.
    pub(crate) window: i64,
    /// The window's export; absent: not yet created.
    pub(crate) job: Option<Job>,
    /// Exports of this window that came to nothing.
    pub(crate) failures: u32,
    /// The last of them.
    pub(crate) failure: Option<Failure>,
    /// Records read so far, without the present job's.
    pub(crate) records: u64,
    /// The exports of a day are spent: until when none is ordered or started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rests_until: Option<i64>,
    /// What is read by REST pages meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) slice: Option<Slice>,
    /// How it went so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pace: Option<Pace>,
}

/// A day of activities that REST pages bring. Times in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Slice {
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// Which ten types are read, and where they are.
    pub(crate) at: usize,
    pub(crate) chain: Chain,
    pub(crate) records: u64,
}

/// What the windows since a moment came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pace {
    /// That moment, in seconds, and the window then.
    pub(crate) since: i64,
    pub(crate) window: i64,
    /// Windows that had records, the bytes of their files, and of the last one.
    pub(crate) filled: u64,
    pub(crate) bytes: u64,
    pub(crate) last_bytes: u64,
    /// Seconds in which the exports of a day were spent.
    pub(crate) rested: i64,
}

/// An export that came to nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Failure {
    pub(crate) at: i64,
    pub(crate) reason: String,
}

/// One export at Marketo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) stage: Stage,
    /// Bytes of the file that were read, always to the end of a record.
    pub(crate) offset: u64,
    /// Records read, rejects included, and how many Marketo announced.
    pub(crate) records: u64,
    pub(crate) announced: Option<u64>,
    /// How often the file was not there although the job was completed, and how often it came damaged.
    pub(crate) missing: u32,
    pub(crate) damaged: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stage {
    /// Created, which starts nothing.
    Created,
    /// Started, or believed to be; its file is not yet here.
    Enqueued,
    /// The file is in the spool.
    Fetched,
}

/// What a page of activities left to do, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Work {
    /// Persons to read again: id, and when they changed in milliseconds.
    pub(crate) read: Vec<(i64, i64)>,
    /// Persons merged away: id, id of the one that lives on, and when in milliseconds.
    pub(crate) merged: Vec<(i64, i64, i64)>,
    /// Marketo has further pages.
    pub(crate) more: bool,
}

/// Where the activities are: history first, then chain by chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActivitiesState {
    pub(crate) chains: Vec<TypeChain>,
    /// The chain to go on with.
    pub(crate) at: usize,
    pub(crate) history: Option<History>,
    #[serde(default)]
    pub(crate) beside: Beside,
}

/// A chain of at most ten types.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TypeChain {
    pub(crate) types: Vec<i64>,
    pub(crate) chain: Chain,
}

/// Members of programs: history by extract of ten programs each, then those who changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MembersState {
    pub(crate) chain: Chain,
    pub(crate) history: Option<History>,
    #[serde(default)]
    pub(crate) beside: Beside,
    /// To read again: program, person, and when in milliseconds; by program.
    pub(crate) work: Vec<(i64, i64, i64)>,
    pub(crate) more: bool,
    /// Where history is in the list of programs.
    #[serde(default, skip_serializing_if = "ProgramsPlace::is_begin")]
    pub(crate) programs: ProgramsPlace,
}

/// A place in the list of programs, which moves when one is deleted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProgramsPlace {
    /// Behind the last program that was taken, as the list was then.
    pub(crate) offset: i64,
    /// The last ones that were taken.
    pub(crate) taken: Vec<i64>,
    /// The window of the last export, and its programs: what came to nothing is ordered again.
    pub(crate) ordered: Option<(i64, Vec<i64>)>,
}

impl ProgramsPlace {
    fn is_begin(&self) -> bool {
        *self == Self::default()
    }
}

/// Who is on the static lists: list by list, then who came and went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListMembersState {
    pub(crate) chain: Chain,
    /// When reading began, in milliseconds: what was found on a list is of then, so that whatever came later counts.
    pub(crate) since_ms: i64,
    pub(crate) walk: Option<ListWalk>,
}

/// Where the walk through the lists is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListWalk {
    /// The lists of this page of lists that are still to be read; the first may be half done.
    pub(crate) lists: Vec<i64>,
    pub(crate) members_token: Option<String>,
    /// The next page of lists. Absent at the beginning, and at the end.
    pub(crate) lists_token: Option<String>,
    pub(crate) begun: bool,
    /// How many lists there are, how many were read to their end and how many members those had; absent: not yet counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) total: Option<u64>,
    #[serde(default)]
    pub(crate) done: u64,
    #[serde(default)]
    pub(crate) members: u64,
    /// Lists are being counted: so many so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) counted: Option<u64>,
    /// The lists that were read, and whether this pass through the pages of lists had several, and one that none before had.
    #[serde(default)]
    pub(crate) read: ReadLists,
    #[serde(default)]
    pub(crate) several: bool,
    #[serde(default)]
    pub(crate) found: bool,
}

/// Ids of lists, in order. They are kept as the distances between them, which are few digits each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<i64>", into = "Vec<i64>")]
pub(crate) struct ReadLists(Vec<i64>);

impl ReadLists {
    /// So many have room in a cursor. Of an instance with more, those beyond are not remembered.
    const MAX: usize = 8_000;

    pub(crate) fn contains(&self, list: i64) -> bool {
        self.0.binary_search(&list).is_ok()
    }

    /// Whether it is remembered.
    pub(crate) fn add(&mut self, list: i64) -> bool {
        match self.0.binary_search(&list) {
            Ok(_) => true,
            Err(_) if self.0.len() >= Self::MAX => false,
            Err(at) => {
                self.0.insert(at, list);
                true
            }
        }
    }
}

impl From<Vec<i64>> for ReadLists {
    fn from(distances: Vec<i64>) -> Self {
        let mut id = 0_i64;
        Self(
            distances
                .into_iter()
                .map(|distance| {
                    id = id.saturating_add(distance);
                    id
                })
                .collect(),
        )
    }
}

impl From<ReadLists> for Vec<i64> {
    fn from(lists: ReadLists) -> Self {
        let mut before = 0;
        lists.0.into_iter().map(|id| id - std::mem::replace(&mut before, id)).collect()
    }
}

/// Something that is read anew as a whole, now and then.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefreshState {
    /// When the last reading began and ended, in seconds.
    pub(crate) began: Option<i64>,
    pub(crate) ended: Option<i64>,
    /// Where the present reading is; absent: none is under way.
    pub(crate) at: Option<Place>,
    /// What the last whole pass through the list found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) found: Option<Found>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    pub(crate) token: Option<String>,
    pub(crate) offset: i64,
    /// Only what changed after this, in seconds.
    pub(crate) since: Option<i64>,
    /// Whether a list had more than one page in this pass, what it found, and how many passes this reading had before.
    #[serde(default)]
    pub(crate) several: bool,
    #[serde(default)]
    pub(crate) found: Found,
    #[serde(default)]
    pub(crate) passes: u32,
}

/// Which records a pass through a list found, in whatever order: their number, and a sum over their keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Found {
    count: u64,
    sum: u64,
}

impl Found {
    pub(crate) fn add(&mut self, key: &str) {
        // FNV-1a, and mixed once more so that sums of like keys are not alike.
        let hash =
            key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        self.count += 1;
        self.sum = self.sum.wrapping_add((hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    }
}

/// Opportunities, or their roles: by keys of others, and by activities that name persons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpportunityState {
    pub(crate) chain: Chain,
}

impl Work {
    pub(crate) fn is_done(&self) -> bool {
        self.read.is_empty() && self.merged.is_empty()
    }

    /// Whether it fits a cursor, with room for the rest: a pair is at most 42 bytes of JSON, a triple 63.
    pub(crate) fn fits(&self) -> bool {
        self.read.len() * 42 + self.merged.len() * 63 <= 48 * 1024
    }
}

impl Job {
    pub(crate) fn created(id: String) -> Self {
        Self { id, stage: Stage::Created, offset: 0, records: 0, announced: None, missing: 0, damaged: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use attiva_connector::Cursor;

    fn state(phase: Phase) -> State {
        let chain = Chain::at("T".repeat(200), i64::MIN);
        let chains = Chains { changes: chain.clone(), deletions: chain };
        State { chains, phase, beside: Beside::default(), meanwhile: None }
    }

    #[test]
    fn a_cursor_survives_the_way_there_and_back() {
        let job = Job { announced: Some(3), ..Job::created("e".into()) };
        let failure = Some(Failure { at: 1, reason: "out of disk".into() });
        let chain = Chain::at("T".into(), 0);
        let slice = Some(Slice { from: 1, to: 2, at: 0, chain, records: 3 });
        let pace = Some(Pace { since: 1, window: 1, filled: 1, bytes: 2, last_bytes: 2, rested: 0 });
        let history =
            History { window: 1, job: Some(job), failures: 1, failure, records: 7, slice, pace, ..History::new(1, 2) };
        for phase in [Phase::History(history), Phase::Changes(Work::default()), Phase::Deletions] {
            let state = state(phase);
            let cursor = Cursor::encode(VERSION, &state).unwrap();
            assert_eq!(cursor.decode::<State>(VERSION).unwrap(), state);
        }
    }

    #[test]
    fn a_cursor_from_before_changes_were_read_beside_history_goes_on() {
        let chain = r#"{"token":"T","since":0,"still":0}"#;
        let old = format!(
            r#"{{"chains":{{"changes":{chain},"deletions":{chain}}},"phase":{{"history":{{"start":1,"end":9,"window":2,"job":null,"failures":0,"failure":null,"records":7}}}}}}"#
        );
        let state: State = serde_json::from_str(&old).unwrap();
        assert_eq!((state.beside, state.meanwhile), (Beside::default(), None));
        assert!(matches!(state.phase, Phase::History(history) if history.records == 7 && history.pace.is_none()));
    }

    #[test]
    fn the_most_work_that_fits_is_a_cursor_the_host_takes() {
        let worst = i64::MIN;
        let mut work = Work::default();
        while work.fits() {
            work.merged.push((worst, worst, worst));
        }
        work.merged.pop();
        assert!(Cursor::encode(VERSION, &state(Phase::Changes(work))).is_ok());
        let mut work = Work::default();
        while work.fits() {
            work.read.push((worst, worst));
        }
        assert!(Cursor::encode(VERSION, &state(Phase::Changes(work))).is_ok());
    }
}
