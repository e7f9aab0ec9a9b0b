//! A profile's values: for each field the newest record that has one. Deterministic: of equal times, the record
//! whose source key comes first.

use crate::{Millis, Value};

/// A record as the model sees it: one value per field of the entity, null where the record has none.
#[derive(Debug, Clone, PartialEq)]
pub struct MappedRecord {
    pub source_key: String,
    pub at: Millis,
    pub row: Vec<Value>,
}

/// Why a profile has a value: which record gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    pub value: Value,
    /// Position in the records given; `None` for a null that no record contradicts.
    pub from: Option<usize>,
}

/// Merges records into one row, field by field.
#[must_use]
pub fn merge(records: &[MappedRecord], fields: usize) -> Vec<Chosen> {
    (0..fields).map(|slot| choose(records, slot)).collect()
}

fn choose(records: &[MappedRecord], slot: usize) -> Chosen {
    let candidates = records.iter().enumerate().filter(|(_, r)| r.row.get(slot).is_some_and(|v| !v.is_null()));
    let newest = candidates.max_by(|(_, a), (_, b)| a.at.cmp(&b.at).then_with(|| b.source_key.cmp(&a.source_key)));
    match newest {
        Some((from, record)) => Chosen { value: record.row[slot].clone(), from: Some(from) },
        None => Chosen { value: Value::Null, from: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, at: Millis, row: &[Option<&str>]) -> MappedRecord {
        let row = row.iter().map(|v| v.map_or(Value::Null, |s| Value::Text(s.into()))).collect();
        MappedRecord { source_key: key.into(), at, row }
    }

    #[test]
    fn newest_wins_field_by_field_and_null_never_does() {
        let records = [record("b", 10, &[Some("b0"), Some("b1"), None]), record("a", 20, &[Some("a0"), None, None])];
        let merged = merge(&records, 3);
        assert_eq!(merged[0], Chosen { value: Value::Text("a0".into()), from: Some(1) });
        assert_eq!(merged[1], Chosen { value: Value::Text("b1".into()), from: Some(0) });
        assert_eq!(merged[2], Chosen { value: Value::Null, from: None });
    }

    #[test]
    fn of_equals_the_first_key_wins_in_any_order() {
        let (a, b) = (record("a", 10, &[Some("a")]), record("b", 10, &[Some("b")]));
        for records in [[a.clone(), b.clone()], [b, a]] {
            assert_eq!(merge(&records, 1)[0].value, Value::Text("a".into()));
        }
    }
}
