//! A profile's values: for each field one record's, chosen by rule, and why it was that one. Deterministic: of equals,
//! the record whose source key comes first.

mod policy;

pub use policy::{FieldRule, MergePolicy, PolicyProblem, Survivorship};

use crate::id::PinId;
use crate::key::SourceKey;
use crate::{Millis, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::cmp::Reverse;

/// A record as the model sees it: one value per field of the entity, null where the record has none.
#[derive(Debug, Clone, PartialEq)]
pub struct MappedRecord {
    pub source_key: String,
    /// When the source last changed it.
    pub at: Millis,
    pub row: Vec<Value>,
}

/// A choice that somebody made for a field. It hangs on a record, not on a profile: where the record goes, in a merge or
/// a split, the choice goes with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    pub source_key: String,
    /// A field of the model.
    pub field: String,
    /// The value the field is to have, null to keep it empty; absent: what the record says, as long as it says something.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    pub by: String,
    pub at: Millis,
}

impl Pin {
    /// One for each record and field: a later choice takes the place of an earlier one.
    #[must_use]
    pub fn id(&self) -> PinId {
        // No source key and no field's name holds a NUL.
        PinId::founded_by(&format!("{}\0{}", self.source_key, self.field))
    }
}

/// A null that is there is not a value that is absent.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Why a profile has a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    pub value: Value,
    /// Position of the record that gave it; `None` where none did: no record has one, or somebody set it.
    pub from: Option<usize>,
    pub why: Why,
}

/// How a value won.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "SurvivalWhy")]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// No record has a value.
    Nothing,
    /// One record has a value.
    Only,
    /// The newest of the records that have one, and all others are older.
    Newest,
    /// Of the newest, which are of one time, the first by source key.
    FirstKey,
    /// Its source comes before those of the others.
    Precedence,
    /// Somebody chose it.
    Pinned,
}

/// Merges records into one row, field by field. `pins`: those of any of the records; others are passed over.
#[must_use]
pub fn merge<R: Borrow<MappedRecord>>(records: &[R], survivorship: &Survivorship, pins: &[Pin]) -> Vec<Chosen> {
    let mut merged: Vec<Chosen> = (0..survivorship.len()).map(|slot| choose(records, slot, survivorship)).collect();
    for (slot, pin) in effective(pins, records, survivorship) {
        if let (Some(place), Some(chosen)) = (merged.get_mut(slot), pinned(records, slot, pin)) {
            *place = chosen;
        }
    }
    merged
}

fn choose<R: Borrow<MappedRecord>>(records: &[R], slot: usize, survivorship: &Survivorship) -> Chosen {
    // What decides: the rank of the source, the newest time, the source key. The smallest wins.
    let weigh = |record: &MappedRecord| (survivorship.rank(slot, &record.source_key), Reverse(record.at));
    let mut best: Option<Candidate<'_>> = None;
    // The strongest of those that lost: it tells why the winner won.
    let mut second: Option<(usize, Reverse<Millis>)> = None;
    for (from, record) in records.iter().map(Borrow::borrow).enumerate() {
        let Some(value) = record.row.get(slot).filter(|value| !value.is_null()) else { continue };
        let candidate = Candidate { weight: weigh(record), key: &record.source_key, from, value };
        let beaten = match &best {
            None => None,
            Some(other) if (candidate.weight, candidate.key) < (other.weight, other.key) => Some(other.weight),
            Some(_) => {
                second = Some(second.map_or(candidate.weight, |s| s.min(candidate.weight)));
                continue;
            }
        };
        second = beaten.or(second);
        best = Some(candidate);
    }
    let Some(Candidate { weight, from, value, .. }) = best else {
        return Chosen { value: Value::Null, from: None, why: Why::Nothing };
    };
    let why = match second {
        None => Why::Only,
        Some(second) if second.0 != weight.0 => Why::Precedence,
        Some(second) if second.1 != weight.1 => Why::Newest,
        Some(_) => Why::FirstKey,
    };
    Chosen { value: value.clone(), from: Some(from), why }
}

struct Candidate<'a> {
    weight: (usize, Reverse<Millis>),
    key: &'a str,
    from: usize,
    value: &'a Value,
}

/// The pin of each field by slot: where two are in one profile since, the newest; of one time, that of the first source
/// key.
#[must_use]
pub fn effective<'a, R: Borrow<MappedRecord>>(
    pins: &'a [Pin],
    records: &[R],
    survivorship: &Survivorship,
) -> Vec<(usize, &'a Pin)> {
    let here = |pin: &&Pin| records.iter().any(|record| record.borrow().source_key == pin.source_key);
    let mut of: Vec<(usize, &Pin)> =
        pins.iter().filter(here).filter_map(|pin| Some((survivorship.slot(&pin.field)?, pin))).collect();
    of.sort_by(|(a, p), (b, q)| a.cmp(b).then(q.at.cmp(&p.at)).then(p.source_key.cmp(&q.source_key)));
    of.dedup_by_key(|(slot, _)| *slot);
    of
}

fn pinned<R: Borrow<MappedRecord>>(records: &[R], slot: usize, pin: &Pin) -> Option<Chosen> {
    if let Some(value) = &pin.value {
        return Some(Chosen { value: value.clone(), from: None, why: Why::Pinned });
    }
    let from = records.iter().position(|record| record.borrow().source_key == pin.source_key)?;
    let value = records.get(from)?.borrow().row.get(slot).filter(|value| !value.is_null())?;
    Some(Chosen { value: value.clone(), from: Some(from), why: Why::Pinned })
}

/// Whether a source key is of a source: `Salesforce` for all of a kind, `00D1.Salesforce` for one instance.
fn is_of(source: &str, source_key: &str) -> bool {
    let Some(instance) = SourceKey::instance_of(source_key) else { return false };
    instance == source || instance.rsplit_once('.').is_some_and(|(_, system)| system == source)
}

#[cfg(test)]
mod tests;
