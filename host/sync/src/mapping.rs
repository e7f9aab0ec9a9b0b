//! Native record to entity: a stream's mapping, checked against the stream's columns and the entity's fields, and
//! compiled once.

use attiva_core::config::Connection;
use attiva_core::merge::MappedRecord;
use attiva_core::model::{EntityName, Layout, LayoutField, Role};
use attiva_core::ports::connector::Stream;
use attiva_core::ports::store::StoredRecord;
use attiva_core::record::Fields;
use attiva_core::spec::MappingSpec;
use attiva_core::{DataType, Millis, Value};
use attiva_expr::{Program, Scope};
use std::borrow::Cow;
use std::sync::Arc;

/// The compiled mapping of one stream.
pub(crate) struct StreamMapping {
    layout: Arc<Layout>,
    columns: Vec<String>,
    /// Values after those of the columns: what every record of the connection has.
    constants: Vec<Value>,
    fields: Vec<MappedField>,
    /// What could not be compiled, and why: those fields stay null.
    pub(crate) problems: Vec<MappingProblem>,
}

struct MappedField {
    slot: usize,
    /// Slots of the native record, as the stream's columns are in order.
    reads: Vec<usize>,
    text: String,
    to: LayoutField,
    program: Program,
}

/// What a mapping may name beside the record: the vendor instance, and the connection's configuration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Constants {
    instance: [Value; 2],
    config: Vec<(String, Value)>,
}

impl Constants {
    /// `keys`: those that the configuration may have; what is not set is null. Single values only, as text.
    pub(crate) fn new(connection: &Connection, keys: Vec<String>) -> Self {
        let text = |value: Option<&serde_json::Value>| match value {
            Some(serde_json::Value::String(text)) => Value::Text(text.clone()),
            Some(value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_))) => Value::Text(value.to_string()),
            _ => Value::Null,
        };
        let config = keys.into_iter().map(|key| {
            let value = text(connection.configuration.get(&key));
            (key, value)
        });
        let instance = [&connection.instance.id, &connection.instance.system].map(|part| Value::Text(part.clone()));
        Self { instance, config: config.collect() }
    }

    /// What of the configuration a mapping reads, and what that is.
    pub(crate) fn read_by(&self, spec: &MappingSpec) -> String {
        let is_read = |key: &str| spec.fields.values().any(|text| text.contains(&format!("config.{key}")));
        let read = self.config.iter().filter(|(key, _)| is_read(key));
        read.map(|(key, value)| format!("{key}={}\n", value.as_text().unwrap_or_default())).collect()
    }

    fn scope(&self, stream: &Stream) -> Scope {
        let text = |name: &str| (name.to_owned(), DataType::Text);
        Scope::new()
            .root("record", stream.columns.iter().map(|c| (c.name.clone(), c.data_type)))
            .root("instance", ["id", "system"].map(text))
            .root("config", self.config.iter().map(|(key, _)| text(key)))
    }

    fn values(&self) -> Vec<Value> {
        self.instance.iter().chain(self.config.iter().map(|(_, value)| value)).cloned().collect()
    }
}

/// A record as its mapping makes it.
pub(crate) struct Mapped {
    pub(crate) row: Vec<Value>,
    /// Fields that could not be computed, not be cast without loss, or may not hold what came out: they are null.
    pub(crate) failed: Vec<Cow<'static, str>>,
}

impl StreamMapping {
    /// Compiles what can be: a mapping that names a column this vendor instance does not have loses that field, and
    /// says so.
    pub(crate) fn compile(spec: &MappingSpec, stream: &Stream, layout: Arc<Layout>, constants: &Constants) -> Self {
        let columns: Vec<String> = stream.columns.iter().map(|c| c.name.clone()).collect();
        let scope = constants.scope(stream);
        let mut mapping =
            Self { layout, columns, constants: constants.values(), fields: Vec::new(), problems: Vec::new() };
        for (target, text) in &spec.fields {
            match compile_field(&mapping.layout, target, text, &scope) {
                Ok(field) => mapping.fields.push(field),
                Err(problems) => mapping.problems.extend(problems),
            }
        }
        mapping
    }

    pub(crate) fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// The fields that are made of a column, as the model names them; `None`: there is no such column.
    pub(crate) fn made_of(&self, column: &str) -> Option<Vec<String>> {
        let slot = self.columns.iter().position(|name| name == column)?;
        let made = self.fields.iter().filter(|field| field.reads.contains(&slot));
        Some(made.map(|field| format!("{}.{}", self.entity(), field.to.name)).collect())
    }

    /// What its records are of.
    pub(crate) fn entity(&self) -> &EntityName {
        self.layout.entity()
    }

    /// Maps a stored record. The second part names what failed.
    pub(crate) fn map(&self, record: &StoredRecord, now: Millis) -> (MappedRecord, Vec<Cow<'static, str>>) {
        let Mapped { row, failed } = self.row(&record.body.fields, now);
        let at = record.body.changed_at();
        (MappedRecord { source_key: record.source_key.clone(), at, row }, failed)
    }

    pub(crate) fn row(&self, fields: &Fields, now: Millis) -> Mapped {
        let column = |name: &String| fields.get(name).cloned().unwrap_or(Value::Null);
        let native: Vec<Value> = self.columns.iter().map(column).chain(self.constants.iter().cloned()).collect();
        let mut row = vec![Value::Null; self.layout.len()];
        let mut failed = Vec::new();
        for field in &self.fields {
            let value = field.program.evaluate(&native, now).ok().and_then(|v| v.cast(field.to.data_type));
            match (value.filter(|value| may_hold(&field.to, value)), row.get_mut(field.slot)) {
                (Some(value), Some(place)) => *place = value,
                _ => failed.push(field.to.name.clone()),
            }
        }
        Mapped { row, failed }
    }

    /// Fields of the entity that it fills.
    pub(crate) fn mapped(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| &*field.to.name)
    }

    /// The expression that a field of the model comes from.
    pub(crate) fn expression(&self, slot: usize) -> Option<&str> {
        self.fields.iter().find(|field| field.slot == slot).map(|field| field.text.as_str())
    }
}

/// Addresses and devices that name nobody are kept as they came: identity passes over them, and says so.
fn may_hold(field: &LayoutField, value: &Value) -> bool {
    matches!(field.role, Role::Email | Role::Ecid) || field.accepts(value).is_ok()
}

fn compile_field(layout: &Layout, target: &str, text: &str, scope: &Scope) -> Result<MappedField, Vec<MappingProblem>> {
    let found = layout.find(target).ok_or_else(|| {
        let names = layout.fields().iter().map(|field| &*field.name);
        let message = format!("{} has no field `{target}`", layout.entity());
        MappingProblem::new(target, MappingProblem::NO_FIELD, message, attiva_expr::closest(target, names))
    });
    let found = found.and_then(|(slot, field)| match field.derived {
        true => Err(MappingProblem::new(
            target,
            MappingProblem::DERIVED,
            format!("`{target}` is worked out by Attiva, and no mapping gives it"),
            None,
        )),
        false => Ok((slot, field)),
    });
    let checked = attiva_expr::check(text, scope);
    match (found, checked) {
        (Ok((slot, to)), Ok(checked)) => {
            let (text, reads) = (text.to_owned(), checked.slots().to_vec());
            Ok(MappedField { slot, reads, text, to: to.clone(), program: checked.compile() })
        }
        (found, checked) => {
            let of_text = checked.err().unwrap_or_default();
            let of_text = of_text.into_iter().map(|problem| MappingProblem::of_expression(target, problem));
            Err(found.err().into_iter().chain(of_text).collect())
        }
    }
}

/// Something wrong with a mapping: which field, and where in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingProblem {
    /// Of the entity; empty: the entity itself.
    pub field: String,
    /// Stable: `mapping.no-field`, `mapping.entity`, or what the expression's check says.
    pub code: &'static str,
    pub message: String,
    /// Line and column in the expression, from 1; `None`: it is not about the expression.
    pub place: Option<(u32, u32)>,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

impl MappingProblem {
    /// The entity does not have the field.
    pub const NO_FIELD: &'static str = "mapping.no-field";
    /// The field is worked out by Attiva.
    pub const DERIVED: &'static str = "mapping.derived";
    /// The entity is none that the stream can be mapped to.
    pub const ENTITY: &'static str = "mapping.entity";

    fn new(field: &str, code: &'static str, message: String, suggestion: Option<&str>) -> Self {
        let message = match suggestion {
            Some(suggestion) => format!("{message}; did you mean `{suggestion}`?"),
            None => message,
        };
        Self { field: field.to_owned(), code, message, place: None, suggestion: suggestion.map(str::to_owned) }
    }

    pub(crate) fn of_entity(message: String, suggestion: Option<&str>) -> Self {
        Self::new("", Self::ENTITY, message, suggestion)
    }

    fn of_expression(field: &str, problem: attiva_expr::Problem) -> Self {
        let attiva_expr::Problem { code, message, line, column, suggestion } = problem;
        Self { field: field.to_owned(), code, message, place: Some((line, column)), suggestion }
    }
}

impl std::fmt::Display for MappingProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { field, message, place, .. } = self;
        match place {
            Some((line, column)) => write!(f, "{field}:{line}:{column}: {message}"),
            None => write!(f, "{field}: {message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use attiva_core::id::ConnectionId;
    use attiva_core::identity::Level;
    use attiva_core::key::Instance;
    use attiva_core::model::{EntityKind, OPPORTUNITY, person_slot, slot};
    use attiva_core::ports::connector::ColumnSpec;
    use attiva_core::record::Body;

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

    fn constants(configuration: serde_json::Value, keys: &[&str]) -> Constants {
        let connection = Connection {
            id: ConnectionId::new(0, [0; 6]),
            name: String::new(),
            plugin: String::new(),
            configuration,
            instance: Instance { system: "Marketo".into(), id: "m".into() },
            streams: vec![],
            schedule: None,
            schema: attiva_core::drift::SchemaPolicy::default(),
            created_at: 0,
        };
        Constants::new(&connection, keys.iter().map(|key| (*key).to_owned()).collect())
    }

    fn record(fields: &[(&str, Value)]) -> StoredRecord {
        let fields: Fields = fields.iter().map(|(n, v)| (Arc::from(*n), v.clone())).collect();
        StoredRecord {
            number: 1,
            entity: Some(EntityName::PERSON),
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
        let stream = stream(&[("email", DataType::Text), ("score", DataType::Text)]);
        let layout = Layout::of(EntityKind::Person);
        let mapping = StreamMapping::compile(&spec, &stream, layout, &constants(serde_json::json!({}), &[]));
        assert_eq!(mapping.problems.len(), 2, "{:?}", mapping.problems);

        let good = record(&[("email", Value::Text("A@x.com".into())), ("score", Value::Text("7".into()))]);
        let (mapped, failed) = mapping.map(&good, 0);
        assert!(failed.is_empty());
        assert_eq!(mapped.row[person_slot("person_score").unwrap()], Value::Integer(7));
        assert_eq!(mapped.row[person_slot("email").unwrap()], Value::Text("A@x.com".into()));

        let bad = record(&[("score", Value::Text("many".into()))]);
        let (mapped, failed) = mapping.map(&bad, 0);
        assert_eq!(failed, ["person_score"]);
        assert_eq!(mapped.at, 5);
    }

    #[test]
    fn a_mapping_names_the_instance_and_the_configuration() {
        let configuration = serde_json::json!({"crm_org": "00D", "poll": 5, "list": []});
        let constants = constants(configuration, &["crm_org", "poll", "list", "unset"]);
        let fields = [
            ("account_key", "source_key(record.company, instance.id, instance.system)"),
            ("external_key", "source_key(record.crm, config.crm_org, \"Salesforce\")"),
            ("campaign_key", "source_key(record.crm, config.unset, \"Salesforce\")"),
            ("next_step", "config.poll"),
            ("description", "config.list"),
            ("stage", "config.nowhere"),
            ("amount_currency", "record.crm"),
        ];
        let spec = MappingSpec {
            stream: "opportunities".into(),
            entity: "opportunity".into(),
            fields: fields.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
        };
        let stream = stream(&[("company", DataType::Integer), ("crm", DataType::Text)]);
        let layout = Layout::of(EntityKind::Opportunity);
        let mapping = StreamMapping::compile(&spec, &stream, layout, &constants);
        assert_eq!(mapping.problems.len(), 1, "{:?}", mapping.problems);
        let record = record(&[("company", Value::Integer(7)), ("crm", Value::Text("006".into()))]);
        let Mapped { row, failed } = mapping.row(&record.body.fields, 0);
        let value = |name: &str| row[slot(EntityKind::Opportunity, name).unwrap()].clone();
        let text = |text: &str| Value::Text(text.into());
        assert_eq!(row.len(), OPPORTUNITY.len());
        assert_eq!((value("account_key"), value("external_key")), (text("7@m.Marketo"), text("006@00D.Salesforce")));
        assert_eq!((value("campaign_key"), value("description")), (Value::Null, Value::Null));
        assert_eq!((value("next_step"), value("stage")), (text("5"), Value::Null));
        assert_eq!(failed, ["amount_currency"], "what may not stand in the field is an error of it");
    }
}
