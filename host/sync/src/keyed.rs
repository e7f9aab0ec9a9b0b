//! Keyed streams: what a vendor has no list of is read by keys that records of another stream hold.
//!
//! Keys are taken from the other stream's records in the order of their changes: every record once, and each again when
//! it changed. How far that is stands in the stream's cursor, before the connector's own, so that rows, keys and cursor
//! move at once. While the connector has more of these keys, it gets the same again. When there are none left it is
//! called without any, until it has no more of its own.

use crate::engine::{Inner, read};
use crate::outlook::in_proportion;
use attiva_core::config::Connection;
use attiva_core::page::{Cursor, Page};
use attiva_core::ports::connector::Stream;
use attiva_core::ports::store::{Feed, Kind, Seq, StoredRecord};
use attiva_core::record::Presence;
use attiva_core::{Fault, FaultKind, Value};
use std::collections::BTreeSet;

/// Keys in one call: what vendors take in one question.
const KEYS_MAX: u32 = 300;
/// Records looked at in one turn.
const SCANNED: usize = 500;
/// Bytes of the position.
const POSITION: usize = size_of::<Seq>();

/// The stream and column that a stream takes its keys from, if it does.
pub(crate) fn keyed_by(
    inner: &Inner,
    connection: &Connection,
    stream: &str,
) -> Result<Option<(String, String)>, Fault> {
    let Some(catalog) = inner.store.document(Kind::Catalog, connection.id.as_str())? else { return Ok(None) };
    let streams: Vec<Stream> = read(catalog.body)?;
    Ok(streams.into_iter().find(|s| s.name == stream).and_then(|s| s.keyed_by))
}

/// Where a keyed stream is: how far its keys were taken, and the connector's own cursor.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Position {
    pub(crate) taken: Seq,
    pub(crate) cursor: Option<Cursor>,
}

impl Position {
    /// # Errors
    /// `internal` `cursor.keyed`: the cursor is none of a keyed stream.
    pub(crate) fn of(stored: Option<&Cursor>) -> Result<Self, Fault> {
        let Some(stored) = stored else { return Ok(Self::default()) };
        let foreign = || Fault::new(FaultKind::Internal, "cursor.keyed", "the cursor is none of a keyed stream");
        let (taken, own) = stored.bytes.split_first_chunk::<POSITION>().ok_or_else(foreign)?;
        let cursor = Cursor { state_version: stored.state_version, bytes: own.to_vec() };
        Ok(Self { taken: Seq::from_le_bytes(*taken), cursor: Some(cursor) })
    }

    fn before(taken: Seq, own: &Cursor) -> Cursor {
        let mut bytes = taken.to_le_bytes().to_vec();
        bytes.extend_from_slice(&own.bytes);
        Cursor { state_version: own.state_version, bytes }
    }
}

/// Keys for one call, and how far they were taken from.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Keys {
    pub(crate) keys: Vec<String>,
    pub(crate) taken: Seq,
}

impl Keys {
    /// What the connector answered to these keys, as a page of the stream: moved on once it has no more of them, and the
    /// last only when it was called without any.
    pub(crate) fn settle(&self, before: &Position, mut page: Page) -> Page {
        let taken = if page.more && !self.keys.is_empty() { before.taken } else { self.taken };
        page.next = Position::before(taken, &page.next);
        page.more = page.more || !self.keys.is_empty();
        page
    }

    /// Says how far the keys are taken: how much of what is stored was looked through for them. `of` is whose they are, where
    /// more of that comes still.
    pub(crate) fn say(&self, page: &mut Page, newest: Seq, of: Option<&str>) {
        let said = page.estimate.as_mut().filter(|_| !self.keys.is_empty() && newest > 0);
        if let Some(estimate) = said {
            let percent = self.taken.min(newest).saturating_mul(100) / newest;
            estimate.phase.push_str(&format!("; looked through {percent} % of what is stored for keys"));
            if let Some(of) = of {
                estimate.phase.push_str(&format!(", and of {of} more comes still"));
            }
        }
    }

    /// The calls for the keys of what is stored and was not looked through, as these keys took so many; nothing while the
    /// connector has more of these.
    pub(crate) fn calls_left(&self, before: &Position, page: &Page, newest: Seq, calls: u64) -> Option<u64> {
        let are_done = !page.more && !self.keys.is_empty();
        let left = newest.saturating_sub(self.taken);
        in_proportion(left, calls, self.taken.saturating_sub(before.taken)).filter(|_| are_done)
    }
}

/// The next keys after a place: different ones, at most as many as a page has rows. None are left if there are none.
pub(crate) async fn next(
    inner: &Inner,
    connection: &Connection,
    (stream, column): &(String, String),
    after: Seq,
    rows_max: u32,
) -> Result<Keys, Fault> {
    let most = usize::try_from(rows_max.clamp(1, KEYS_MAX)).unwrap_or(1);
    let (mut keys, mut taken) = (BTreeSet::new(), after);
    while keys.len() < most {
        let changes = inner.store.changes(Feed::Records, taken, SCANNED)?;
        if changes.is_empty() {
            break;
        }
        let numbers: Vec<i64> = changes.iter().map(|change| change.subject).collect();
        let records = inner.store.records_by_number(&numbers)?;
        for change in &changes {
            if keys.len() == most {
                break;
            }
            let record = records.iter().find(|record| record.number == change.subject);
            let of_stream = record.filter(|r| r.connection == connection.id && r.stream == *stream);
            keys.extend(of_stream.and_then(|record| key(record, column)));
            taken = change.seq;
        }
        // A large store is walked through without holding up the others.
        tokio::task::yield_now().await;
        if inner.stop.is_cancelled() {
            break;
        }
    }
    Ok(Keys { keys: keys.into_iter().collect(), taken })
}

fn key(record: &StoredRecord, column: &str) -> Option<String> {
    if record.body.presence != Presence::Live {
        return None;
    }
    match record.body.fields.get(column)? {
        Value::Text(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(text: &str) -> Cursor {
        Cursor { state_version: 3, bytes: text.into() }
    }

    #[test]
    fn how_far_the_keys_are_taken_is_said() {
        let said = |keys: &[&str], taken, newest| {
            let keys = Keys { keys: keys.iter().map(|key| (*key).to_owned()).collect(), taken };
            let estimate = Some(attiva_core::page::Estimate { phase: "by key".into(), ..Default::default() });
            let mut page = page(estimate);
            keys.say(&mut page, newest, None);
            page.estimate.unwrap().phase
        };
        assert_eq!(said(&["a"], 25, 50), "by key; looked through 50 % of what is stored for keys");
        assert_eq!(said(&["a"], 60, 50), "by key; looked through 100 % of what is stored for keys");
        assert_eq!((said(&[], 25, 50), said(&["a"], 0, 0)), ("by key".into(), "by key".into()));
    }

    #[test]
    fn keys_that_are_left_cost_as_those_that_were_read() {
        let keys = |keys: &[&str]| Keys { keys: keys.iter().map(|key| (*key).to_owned()).collect(), taken: 500 };
        let before = Position { taken: 100, cursor: None };
        let done = Page { more: false, ..page(None) };
        assert_eq!(keys(&["a"]).calls_left(&before, &done, 2_500, 2), Some(10));
        assert_eq!(keys(&["a"]).calls_left(&before, &page(None), 2_500, 2), None, "there is more of these keys");
        assert_eq!(keys(&[]).calls_left(&before, &done, 2_500, 2), None);
        assert_eq!(keys(&["a"]).calls_left(&before, &done, 500, 2), None, "none are left");
    }

    fn page(estimate: Option<attiva_core::page::Estimate>) -> Page {
        Page {
            keys: arrow_array::StringArray::from(Vec::<Option<&str>>::new()),
            kinds: Vec::new(),
            source_times: Vec::new(),
            rows: attiva_core::page::Rows::default(),
            merges: Vec::new(),
            rejects: Vec::new(),
            next: own("c"),
            more: true,
            wait_ms: None,
            estimate,
            warnings: Vec::new(),
        }
    }

    #[test]
    fn a_position_stands_before_the_connectors_own_cursor() {
        let stored = Position::before(7, &own("c"));
        assert_eq!(Position::of(Some(&stored)).unwrap(), Position { taken: 7, cursor: Some(own("c")) });
        assert_eq!(Position::of(None).unwrap(), Position::default());
        assert_eq!(Position::of(Some(&own("short"))).unwrap_err().code, "cursor.keyed");
    }
}
