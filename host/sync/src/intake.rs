//! A page's rows as changes of records, or as events.

use crate::field_errors::{FieldErrors, VALUE};
use crate::mapping::{Mapped, StreamMapping};
use attiva_core::event::{EventChange, EventReader};
use attiva_core::guardrail::{Guardrails, Verdict};
use attiva_core::id::ConnectionId;
use attiva_core::key::{Instance, SourceKey};
use attiva_core::model::EntityName;
use attiva_core::page::{Page, Reject, RowKind};
use attiva_core::ports::store::{FieldError, Sighting};
use attiva_core::record::{Fields, RecordChange};
use attiva_core::{Fault, FaultKind, Millis, Value};
use std::sync::Arc;

/// Turns each row into a change of its record, in the page's order. `now` stands for times the vendor did not give.
pub(crate) fn changes(page: &Page, instance: &Instance, now: Millis) -> Result<Vec<RecordChange>, Fault> {
    let names: Vec<Arc<str>> = page.rows.columns.iter().map(|c| Arc::from(c.name.as_str())).collect();
    (0..page.rows.len).map(|row| change(page, &names, row, instance, now)).collect()
}

/// Where rows come from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) connection: &'a ConnectionId,
    pub(crate) stream: &'a str,
}

/// What changes come to: records or events, with what else their mapping makes of them.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) records: Vec<RecordChange>,
    pub(crate) events: Vec<EventChange>,
    pub(crate) stages: Vec<Sighting>,
    /// What cannot be taken.
    pub(crate) rejects: Vec<Reject>,
    /// What cannot be mapped.
    pub(crate) errors: Vec<FieldError>,
}

/// Takes changes by their stream's mapping, within the sandbox's limits.
pub(crate) fn take(
    changes: Vec<RecordChange>,
    mapping: Option<&StreamMapping>,
    from: Origin<'_>,
    limits: Guardrails,
    now: Millis,
) -> Taken {
    match mapping {
        Some(mapping) if EventReader::reads(mapping.entity()) => {
            let (events, rejects, errors) = events(changes, mapping, from, limits, now);
            Taken { events, rejects, errors, ..Taken::default() }
        }
        mapping => {
            let (records, rejects) = within(changes, &limits);
            let stages = mapping.map(|mapping| stages(&records, mapping, now)).unwrap_or_default();
            Taken { records, stages, rejects, ..Taken::default() }
        }
    }
}

/// Makes events of rows; what cannot be taken goes to the rejects, what cannot be mapped to the errors.
fn events(
    changes: Vec<RecordChange>,
    mapping: &StreamMapping,
    from: Origin<'_>,
    limits: Guardrails,
    now: Millis,
) -> (Vec<EventChange>, Vec<Reject>, Vec<FieldError>) {
    let reader = EventReader::new(mapping.layout(), limits, from.stream);
    let mut rejects = Vec::new();
    let mut events = Vec::with_capacity(changes.len());
    let mut errors = FieldErrors::default();
    for change in changes {
        let Mapped { row, failed } = mapping.row(&change.fields, now);
        if change.kind == RowKind::Full {
            for field in failed {
                errors.note(from.connection, from.stream, &field, VALUE, &change.source_key);
            }
        }
        match reader.read(change, &row) {
            Ok(event) => events.push(event),
            Err(reject) => rejects.push(reject),
        }
    }
    (events, rejects, errors.finish(now))
}

/// The stages that rows of opportunities say, late ones among them: what the record says by now is only the newest.
fn stages(changes: &[RecordChange], mapping: &StreamMapping, now: Millis) -> Vec<Sighting> {
    if *mapping.entity() != EntityName::OPPORTUNITY {
        return Vec::new();
    }
    let Some(slot) = mapping.layout().slot("stage") else { return Vec::new() };
    let sighting = |change: &RecordChange| {
        let row = mapping.row(&change.fields, now).row;
        let stage = row.get(slot)?.as_text()?.to_owned();
        Some(Sighting { source_key: change.source_key.clone(), stage, at: change.at })
    };
    changes.iter().filter_map(sighting).collect()
}

fn change(
    page: &Page,
    names: &[Arc<str>],
    row: usize,
    instance: &Instance,
    now: Millis,
) -> Result<RecordChange, Fault> {
    let malformed =
        || Fault::new(FaultKind::Internal, "page.length", "the page has fewer keys, kinds or times than rows");
    let kind = *page.kinds.get(row).ok_or_else(malformed)?;
    let at = *page.source_times.get(row).ok_or_else(malformed)?;
    if row >= arrow_array::Array::len(&page.keys) {
        return Err(malformed());
    }
    let merged_into = page.merges.iter().find(|(r, _)| *r == row).map(|(_, key)| SourceKey::format(key, instance));
    Ok(RecordChange {
        source_key: SourceKey::format(page.keys.value(row), instance),
        kind,
        at: if at == 0 { now } else { at },
        dated: at != 0,
        fields: fields(page, names, row, kind),
        merged_into,
    })
}

fn fields(page: &Page, names: &[Arc<str>], row: usize, kind: RowKind) -> Fields {
    if matches!(kind, RowKind::Tombstone | RowKind::Merge) {
        return Fields::default();
    }
    let columns = names.iter().zip(&page.rows.columns);
    let said = columns.filter_map(|(name, column)| Some((Arc::clone(name), column.get(row)?)));
    // In a full row absent means null, and null need not be kept.
    said.filter(|(_, value)| kind == RowKind::Patch || !value.is_null()).collect()
}

/// Takes out what is over the limit of a record's size: a reject with the reason, and a sample that has room for none of
/// it.
fn within(changes: Vec<RecordChange>, limits: &Guardrails) -> (Vec<RecordChange>, Vec<Reject>) {
    let mut rejects = Vec::new();
    let mut kept = changes;
    kept.retain(|change| match limits.check("record.bytes", bytes(&change.fields)) {
        Verdict::Within | Verdict::Warn(_) => true,
        Verdict::Over(_, message) => {
            let key = Some(change.source_key.clone());
            let largest = change.fields.iter().max_by_key(|(_, value)| size(value)).map(|(name, _)| name.to_string());
            rejects.push(Reject {
                key,
                code: "record.too-large".into(),
                field: largest,
                message,
                sample: String::new(),
            });
            false
        }
    });
    (kept, rejects)
}

/// Bytes of names and values.
fn bytes(fields: &Fields) -> u64 {
    fields.iter().map(|(name, value)| (name.len() + size(value)) as u64).sum()
}

fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Boolean(_) => 1,
        Value::Date(_) => 4,
        Value::Integer(_) | Value::Float(_) | Value::Timestamp(_) => 8,
        Value::Decimal(text) | Value::Text(text) | Value::Json(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::TextList(list) => list.iter().map(String::len).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::StringArray;
    use attiva_core::DataType;
    use attiva_core::page::{Cursor, Rows, column};

    #[test]
    fn rows_become_changes_with_whole_keys_and_times() {
        let page = Page {
            keys: StringArray::from(vec!["1", "2", "3"]),
            kinds: vec![RowKind::Full, RowKind::Patch, RowKind::Merge],
            source_times: vec![5, 0, 7],
            rows: Rows {
                len: 3,
                columns: vec![column("a", DataType::Text, &[Value::Null, Value::Null, Value::Text("x".into())])],
            },
            merges: vec![(2, "1".into())],
            rejects: vec![],
            next: Cursor { state_version: 1, bytes: vec![] },
            more: false,
            wait_ms: None,
            estimate: None,
            warnings: vec![],
        };
        let instance = Instance { system: "Marketo".into(), id: "m".into() };
        let changes = changes(&page, &instance, 99).unwrap();
        assert_eq!(changes[0].source_key, "1@m.Marketo");
        assert_eq!((changes[0].at, changes[0].dated, changes[0].fields.len()), (5, true, 0));
        assert!(!changes[1].dated, "the time of reading");
        assert_eq!((changes[1].at, changes[1].fields.get("a")), (99, Some(&Value::Null)));
        assert_eq!(changes[2].merged_into.as_deref(), Some("1@m.Marketo"));
        assert!(changes[2].fields.is_empty());
        let short = Page { kinds: vec![RowKind::Full], ..page };
        assert_eq!(super::changes(&short, &instance, 99).unwrap_err().code, "page.length");
    }

    #[test]
    fn a_record_over_the_limit_is_a_reject_with_the_reason() {
        let change = |key: &str, text: &str| RecordChange {
            source_key: key.into(),
            kind: RowKind::Full,
            at: 1,
            dated: true,
            fields: [(Arc::from("short"), Value::Boolean(true)), (Arc::from("long"), Value::Text(text.into()))]
                .into_iter()
                .collect(),
            merged_into: None,
        };
        // Names are nine bytes, the boolean one.
        let limits: Guardrails =
            Guardrails::new(&serde_json::from_str(r#"{"record.bytes": {"max": 13}}"#).unwrap()).unwrap();
        let (kept, rejects) = within(vec![change("1@i.S", "abc"), change("2@i.S", "abcd")], &limits);
        assert_eq!(kept.iter().map(|c| c.source_key.as_str()).collect::<Vec<_>>(), ["1@i.S"]);
        let [reject] = &rejects[..] else { panic!("{rejects:?}") };
        assert_eq!((reject.code.as_str(), reject.field.as_deref()), ("record.too-large", Some("long")));
        assert_eq!(reject.key.as_deref(), Some("2@i.S"));
        assert!(reject.message.contains("14, at most 13 (record.bytes)"), "{}", reject.message);
        assert_eq!(within(vec![change("1@i.S", "abcd")], &Guardrails::default()).1, []);
    }
}
