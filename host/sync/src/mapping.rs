//! Native record to person: the shipped mapping, checked against the stream's columns and compiled once.

use attiva_core::merge::MappedRecord;
use attiva_core::model::{self, PERSON};
use attiva_core::ports::connector::Stream;
use attiva_core::ports::store::StoredRecord;
use attiva_core::spec::MappingSpec;
use attiva_core::{DataType, Millis, Value};
use attiva_expr::{Program, Scope};

/// The compiled mapping of one stream.
pub(crate) struct StreamMapping {
    columns: Vec<String>,
    fields: Vec<MappedField>,
    /// What could not be compiled, and why: those fields stay null.
    pub(crate) problems: Vec<String>,
}

struct MappedField {
    slot: usize,
    text: String,
    to: DataType,
    program: Program,
}

impl StreamMapping {
    /// Compiles what can be: a mapping that names a column this vendor instance does not have loses that field, and
    /// says so.
    pub(crate) fn compile(spec: &MappingSpec, stream: &Stream) -> Self {
        let columns: Vec<String> = stream.columns.iter().map(|c| c.name.clone()).collect();
        let scope = Scope::new().root("record", stream.columns.iter().map(|c| (c.name.clone(), c.data_type)));
        let mut mapping = Self { columns, fields: Vec::new(), problems: Vec::new() };
        for (target, text) in &spec.fields {
            match compile_field(target, text, &scope) {
                Ok(field) => mapping.fields.push(field),
                Err(problem) => mapping.problems.push(format!("{target}: {problem}")),
            }
        }
        mapping
    }

    /// Maps a record to a person's row. A field that cannot be computed, or not be cast without loss, is null and
    /// named in the second part.
    pub(crate) fn map(&self, record: &StoredRecord, now: Millis) -> (MappedRecord, Vec<&'static str>) {
        let native: Vec<Value> =
            self.columns.iter().map(|name| record.body.fields.get(name).cloned().unwrap_or(Value::Null)).collect();
        let mut row = vec![Value::Null; PERSON.len()];
        let mut failed = Vec::new();
        for field in &self.fields {
            let value = field.program.evaluate(&native, now).ok().and_then(|v| v.cast(field.to));
            match (value, row.get_mut(field.slot)) {
                (Some(value), Some(place)) => *place = value,
                _ => failed.extend(PERSON.get(field.slot).map(|f| f.name)),
            }
        }
        let at = record.body.changed_at();
        (MappedRecord { source_key: record.source_key.clone(), at, row }, failed)
    }

    /// The expression that a field of the model comes from.
    pub(crate) fn expression(&self, slot: usize) -> Option<&str> {
        self.fields.iter().find(|field| field.slot == slot).map(|field| field.text.as_str())
    }
}

fn compile_field(target: &str, text: &str, scope: &Scope) -> Result<MappedField, String> {
    let slot = model::person_slot(target).ok_or_else(|| format!("a person has no field `{target}`"))?;
    let checked = attiva_expr::check(text, scope)
        .map_err(|problems| problems.iter().map(|p| p.message.clone()).collect::<Vec<_>>().join("; "))?;
    Ok(MappedField { slot, text: text.to_owned(), to: PERSON[slot].data_type, program: checked.compile() })
}

/// A profile's attributes as a row in the order of the model; names the model does not have are left out.
pub(crate) fn person_row(attributes: &[(String, Value)]) -> Vec<Value> {
    let mut row = vec![Value::Null; PERSON.len()];
    for (name, value) in attributes {
        if let Some(place) = model::person_slot(name).and_then(|slot| row.get_mut(slot)) {
            *place = value.clone();
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use attiva_core::id::ConnectionId;
    use attiva_core::identity::Level;
    use attiva_core::ports::connector::ColumnSpec;
    use attiva_core::record::{Body, Fields};
    use std::sync::Arc;

    fn stream(columns: &[(&str, DataType)]) -> Stream {
        let columns = columns.iter().map(|(name, data_type)| ColumnSpec {
            name: (*name).into(),
            data_type: *data_type,
            nullable: true,
            label: String::new(),
        });
        Stream {
            name: "persons".into(),
            title: String::new(),
            columns: columns.collect(),
            key: "id".into(),
            cursor_column: None,
            deletes: true,
            keyed_by: None,
            suggested: true,
        }
    }

    fn record(fields: &[(&str, Value)]) -> StoredRecord {
        let fields: Fields = fields.iter().map(|(n, v)| (Arc::from(*n), v.clone())).collect();
        StoredRecord {
            number: 1,
            source_key: "1@m.Marketo".into(),
            connection: ConnectionId::new(0, [0; 6]),
            stream: "persons".into(),
            body: Body { at: 5, fields, ..Body::default() },
            profile: None,
            profile_records: 0,
            level: Level::Full,
        }
    }

    #[test]
    fn a_record_becomes_a_person_and_what_fails_is_named() {
        let fields = [
            ("email", "record.email"),
            ("person_score", "record.score"),
            ("country", "record.nowhere"),
            ("shoe_size", "record.email"),
        ];
        let spec = MappingSpec {
            stream: "persons".into(),
            entity: "person".into(),
            fields: fields.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
        };
        let mapping = StreamMapping::compile(&spec, &stream(&[("email", DataType::Text), ("score", DataType::Text)]));
        assert_eq!(mapping.problems.len(), 2, "{:?}", mapping.problems);

        let good = record(&[("email", Value::Text("A@x.com".into())), ("score", Value::Text("7".into()))]);
        let (mapped, failed) = mapping.map(&good, 0);
        assert!(failed.is_empty());
        assert_eq!(mapped.row[model::person_slot("person_score").unwrap()], Value::Integer(7));
        assert_eq!(mapped.row[model::person_slot("email").unwrap()], Value::Text("A@x.com".into()));

        let bad = record(&[("score", Value::Text("many".into()))]);
        let (mapped, failed) = mapping.map(&bad, 0);
        assert_eq!(failed, ["person_score"]);
        assert_eq!(mapped.at, 5);
    }
}
