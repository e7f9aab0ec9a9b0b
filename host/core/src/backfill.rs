//! Reading streams anew: all of one, or what is of a span of days, beside the runs that follow its changes; or from the
//! start, in their place.
//!
//! What is read anew is dated by the vendor, so it neither undoes what came since nor is counted twice. A reading beside
//! keeps its place in its own run, and the stream's place is not touched; a reset moves the stream's place, and nothing
//! else reads it meanwhile. Where it is asked for, what a whole reading did not find is taken to be deleted: the only way to
//! learn of deletions where a vendor tells of none.

use crate::page::Cursor;
use crate::time::parse_date;
use crate::{Fault, FaultKind, Millis};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Share of a stream's records, in percent, that may be taken to be deleted unless the request says otherwise.
pub const DELETIONS_MAX_PERCENT: u8 = 20;

/// What changed so shortly before a reading began, or since, is not taken to be deleted because that did not find it: it may
/// have come by another run, and a vendor's clock may be behind. In milliseconds.
const SLACK_MS: Millis = 600_000;

/// What is read anew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Backfill")]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// The first day, in UTC: `2026-01-31`. Absent: from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The last day, in UTC. Absent: up to now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The stream's own place begins anew, too: for one that cannot go on from where it is.
    #[serde(default)]
    pub reset: bool,
    /// What is not found any more is deleted.
    #[serde(default)]
    pub infer_deletions: bool,
    /// Share of a stream's records, in percent, that may be deleted so; if more are missing, none is. 20 unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletions_max_percent: Option<u8>,
}

/// A run that reads anew, as it is stored in the run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfill {
    pub wish: Wish,
    /// Where the stream that is being read is.
    #[serde(default)]
    pub place: Place,
}

/// Where a reading anew is, within one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// The connector goes on here; `None`: from the start.
    Reading(Option<KeptCursor>),
    /// All was read; records after this number are still to be looked at.
    Deleting(i64),
}

impl Default for Place {
    fn default() -> Self {
        Self::Reading(None)
    }
}

/// A cursor in a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptCursor {
    state_version: u32,
    base64: String,
}

impl From<&Cursor> for KeptCursor {
    fn from(cursor: &Cursor) -> Self {
        Self { state_version: cursor.state_version, base64: STANDARD.encode(&cursor.bytes) }
    }
}

impl KeptCursor {
    /// # Errors
    /// `internal` `cursor.kept`: the document was damaged.
    pub fn cursor(&self) -> Result<Cursor, Fault> {
        let bytes = STANDARD.decode(&self.base64).map_err(|error| {
            Fault::new(FaultKind::Internal, "cursor.kept", format!("the run's place cannot be read: {error}"))
                .action("Cancel the run and begin another.")
        })?;
        Ok(Cursor { state_version: self.state_version, bytes })
    }
}

/// Where a connector's configuration says which span of time it reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "SpecWindow")]
#[serde(deny_unknown_fields)]
pub struct WindowSpec {
    /// The key of the first day: a date in UTC, as text.
    pub from: String,
    /// The key of the last day. With it, a reading ends with that day and follows no changes.
    pub to: String,
    /// Streams that go by it; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<String>,
}

impl Wish {
    #[must_use]
    pub fn has_window(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    /// What is wrong with it: a field, and the problem.
    ///
    /// # Errors
    /// The first problem.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let day = |field: &'static str, text: Option<&str>| match text.map(parse_date) {
            Some(None) => Err((field, "must be a day such as 2026-01-31".to_owned())),
            Some(day) => Ok(day),
            None => Ok(None),
        };
        let (from, to) = (day("/from", self.from.as_deref())?, day("/to", self.to.as_deref())?);
        if let (Some(from), Some(to)) = (from, to)
            && to < from
        {
            return Err(("/to", "comes before the first day".to_owned()));
        }
        if self.has_window() && self.reset {
            return Err(("/reset", "begins the stream anew: leave `from` and `to` out".to_owned()));
        }
        if self.has_window() && self.infer_deletions {
            return Err(("/infer_deletions", "needs all of a stream: leave `from` and `to` out".to_owned()));
        }
        match self.deletions_max_percent {
            Some(_) if !self.infer_deletions => {
                Err(("/deletions_max_percent", "says nothing without `infer_deletions`".to_owned()))
            }
            Some(percent) if percent > 100 => Err(("/deletions_max_percent", "must be 0 to 100".to_owned())),
            Some(_) | None => Ok(()),
        }
    }

    /// The connection's configuration, as the connector is given it for this reading.
    ///
    /// # Errors
    /// `backfill.window`: the connector cannot read a span of this stream.
    pub fn configured(
        &self,
        spec: Option<&WindowSpec>,
        streams: &[String],
        configuration: &serde_json::Value,
    ) -> Result<serde_json::Value, Fault> {
        let mut configured = configuration.clone();
        if !self.has_window() {
            return Ok(configured);
        }
        let reads =
            |spec: &&WindowSpec| spec.streams.is_empty() || streams.iter().all(|stream| spec.streams.contains(stream));
        let (Some(spec), Some(keys)) = (spec.filter(reads), configured.as_object_mut()) else {
            let message = format!("the connector cannot read a span of days of {}", streams.join(", "));
            return Err(Fault::new(FaultKind::Unsupported, "backfill.window", message)
                .action("Read all of the stream anew: leave `from` and `to` out.")
                .field("/from"));
        };
        for (key, day) in [(&spec.from, &self.from), (&spec.to, &self.to)] {
            if let Some(day) = day {
                keys.insert(key.clone(), day.clone().into());
            }
        }
        Ok(configured)
    }

    /// Whether so many of a stream's records may be taken to be deleted.
    ///
    /// # Errors
    /// `backfill.deletions`: nobody is deleted.
    pub fn may_delete(&self, stream: &str, missing: u64, live: u64) -> Result<(), Fault> {
        let percent = u64::from(self.deletions_max_percent.unwrap_or(DELETIONS_MAX_PERCENT));
        if u128::from(missing) * 100 <= u128::from(live) * u128::from(percent) {
            return Ok(());
        }
        let message = format!(
            "{missing} of the {live} records of `{stream}` were not found any more, over {percent} %; none was deleted"
        );
        Err(Fault::new(FaultKind::Data, "backfill.deletions", message).action(
            "See whether the vendor still lets its user see all of them; if they are gone, ask again with a higher deletions_max_percent.",
        ))
    }
}

impl Backfill {
    #[must_use]
    pub fn new(wish: Wish) -> Self {
        Self { wish, place: Place::default() }
    }

    /// What a page that was read leaves to do: whether there is more of the stream, and where.
    #[must_use]
    pub fn after_page(&self, more: bool, next: &Cursor) -> (bool, Place) {
        match (more, self.wish.infer_deletions) {
            (true, _) => (true, Place::Reading(Some(next.into()))),
            (false, true) => (true, Place::Deleting(0)),
            (false, false) => (false, Place::default()),
        }
    }

    /// Whether a record that the reading did not find is gone.
    #[must_use]
    pub fn is_gone(changed_at: Millis, began: Millis) -> bool {
        changed_at <= began.saturating_sub(SLACK_MS)
    }

    /// The same, of records that were looked at; `None`: those were the last.
    #[must_use]
    pub fn after_records(last: Option<i64>) -> (bool, Place) {
        (last.is_some(), last.map(Place::Deleting).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wish(json: serde_json::Value) -> Wish {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn what_cannot_be_wished_is_refused_by_its_place() {
        for (wrong, place) in [
            (json!({"from": "yesterday"}), "/from"),
            (json!({"to": "2026-02-30"}), "/to"),
            (json!({"from": "2026-02-01", "to": "2026-01-31"}), "/to"),
            (json!({"from": "2026-02-01", "reset": true}), "/reset"),
            (json!({"to": "2026-02-01", "infer_deletions": true}), "/infer_deletions"),
            (json!({"deletions_max_percent": 5}), "/deletions_max_percent"),
            (json!({"infer_deletions": true, "deletions_max_percent": 101}), "/deletions_max_percent"),
        ] {
            assert_eq!(wish(wrong.clone()).check().map_err(|(field, _)| field), Err(place), "{wrong}");
        }
        for right in [
            json!({}),
            json!({"from": "2026-01-31", "to": "2026-01-31"}),
            json!({"reset": true, "infer_deletions": true, "deletions_max_percent": 100}),
        ] {
            assert_eq!(wish(right.clone()).check(), Ok(()), "{right}");
        }
    }

    #[test]
    fn a_span_of_days_becomes_the_connectors_own_keys() {
        let spec = WindowSpec { from: "start".into(), to: "end".into(), streams: vec!["a".into()] };
        let (of, has) = (|name: &str| vec![name.to_owned()], json!({"id": 1, "start": "2006-01-01"}));
        let january = wish(json!({"from": "2026-01-01", "to": "2026-01-31"}));
        let configured = january.configured(Some(&spec), &of("a"), &has).unwrap();
        assert_eq!(configured, json!({"id": 1, "start": "2026-01-01", "end": "2026-01-31"}));
        let since = wish(json!({"from": "2026-01-01"})).configured(Some(&spec), &of("a"), &has).unwrap();
        assert_eq!(since, json!({"id": 1, "start": "2026-01-01"}));
        assert_eq!(january.configured(Some(&spec), &of("b"), &has).unwrap_err().code, "backfill.window");
        assert_eq!(january.configured(None, &of("a"), &has).unwrap_err().kind, FaultKind::Unsupported);
        assert_eq!(wish(json!({})).configured(None, &of("b"), &has).unwrap(), has);
    }

    #[test]
    fn too_many_missing_records_delete_nobody() {
        let asked = wish(json!({"infer_deletions": true}));
        assert_eq!(asked.may_delete("a", 20, 100), Ok(()));
        assert_eq!(asked.may_delete("a", 0, 0), Ok(()));
        assert_eq!(asked.may_delete("a", 21, 100).unwrap_err().code, "backfill.deletions");
        let all = wish(json!({"infer_deletions": true, "deletions_max_percent": 100}));
        assert_eq!(all.may_delete("a", 100, 100), Ok(()));
    }

    #[test]
    fn its_place_survives_the_way_there_and_back() {
        let cursor = Cursor { state_version: 3, bytes: vec![0, 255, 7] };
        let (more, place) = Backfill::new(wish(json!({}))).after_page(true, &cursor);
        assert!(more);
        let kept: Place = serde_json::from_str(&serde_json::to_string(&place).unwrap()).unwrap();
        let Place::Reading(Some(kept)) = kept else { panic!("{kept:?}") };
        assert_eq!(kept.cursor().unwrap(), cursor);
        let damaged = KeptCursor { state_version: 1, base64: "!".into() };
        assert_eq!(damaged.cursor().unwrap_err().code, "cursor.kept");
    }

    #[test]
    fn what_came_while_it_was_read_is_not_gone() {
        let began = 10 * SLACK_MS;
        assert!(Backfill::is_gone(began - SLACK_MS, began));
        assert!(!Backfill::is_gone(began - SLACK_MS + 1, began), "the vendor's clock may be behind");
        assert!(!Backfill::is_gone(began + 1, began));
    }

    #[test]
    fn deletions_come_after_the_last_page_and_only_where_asked_for() {
        let cursor = Cursor { state_version: 1, bytes: vec![] };
        let plain = Backfill::new(wish(json!({})));
        let infers = Backfill::new(wish(json!({"infer_deletions": true})));
        assert_eq!(plain.after_page(false, &cursor), (false, Place::Reading(None)));
        assert_eq!(infers.after_page(false, &cursor), (true, Place::Deleting(0)));
        assert_eq!(Backfill::after_records(Some(7)), (true, Place::Deleting(7)));
        assert_eq!(Backfill::after_records(None), (false, Place::Reading(None)));
    }
}
