//! Records that are sent, not read: what a client says of a thing in the model's own words, as changes of records.

use crate::key::{Instance, SourceKey};
use crate::model::Layout;
use crate::page::RowKind;
use crate::record::{Fields, RecordChange};
use crate::value::{DataType, Value};
use crate::{Millis, time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use std::sync::Arc;

/// One record as it is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SentRecord {
    /// Names the record within its system: sent again, it is the same record.
    pub id: String,
    /// When it became so at its source, ISO 8601; absent: now. An older one never overwrites a newer one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    #[serde(default)]
    pub kind: SentKind,
    /// By the names the model's schema has.
    #[serde(default)]
    pub fields: Map<String, Json>,
}

/// What a record that was sent says of those fields that it leaves out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SentKind {
    /// That they are empty.
    #[default]
    Full,
    /// Nothing.
    Patch,
    /// The record is gone.
    Deleted,
}

/// Why a record is not taken. The place is within the record: `/fields/amount`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct SentProblem {
    pub place: String,
    pub problem: String,
}

fn problem(place: impl Into<String>, problem: impl Into<String>) -> SentProblem {
    SentProblem { place: place.into(), problem: problem.into() }
}

/// Reads a record. `bytes_max`: most bytes of its fields as JSON.
///
/// # Errors
/// Everything that is wrong with it.
pub fn change(
    sent: &SentRecord,
    instance: &Instance,
    layout: &Layout,
    bytes_max: Option<u64>,
    now: Millis,
) -> Result<RecordChange, Vec<SentProblem>> {
    let mut problems = Vec::new();
    if let Err(wrong) = SourceKey::new(&sent.id, instance) {
        problems.push(problem("/id", wrong.to_string()));
    }
    let at = match sent.at.as_deref().map(time::parse_timestamp) {
        None => now,
        Some(Some(at)) if at > 0 => at,
        Some(_) => {
            problems.push(problem("/at", "is no instant of ISO 8601 after 1970: 2026-11-28T09:30:00Z"));
            now
        }
    };
    if let Some(max) = bytes_max {
        let bytes = Json::Object(sent.fields.clone()).to_string().len() as u64;
        if bytes > max {
            problems.push(problem("/fields", format!("has {bytes} bytes; a record has at most {max} (record.bytes)")));
        }
    }
    if sent.kind == SentKind::Deleted && !sent.fields.is_empty() {
        problems.push(problem("/fields", "must be empty for a record that is gone"));
    }
    let fields: Vec<Option<(Arc<str>, Value)>> =
        sent.fields.iter().map(|(name, json)| field(layout, name, json, &mut problems)).collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    let kind = match sent.kind {
        SentKind::Full => RowKind::Full,
        SentKind::Patch => RowKind::Patch,
        SentKind::Deleted => RowKind::Tombstone,
    };
    let said = fields.into_iter().flatten().filter(|(_, value)| kind == RowKind::Patch || !value.is_null());
    let fields: Fields = said.collect();
    let dated = sent.at.is_some();
    Ok(RecordChange { source_key: SourceKey::format(&sent.id, instance), kind, at, dated, fields, merged_into: None })
}

fn field(layout: &Layout, name: &str, json: &Json, problems: &mut Vec<SentProblem>) -> Option<(Arc<str>, Value)> {
    let place = || format!("/fields/{}", name.replace('~', "~0").replace('/', "~1"));
    let Some((_, field)) = layout.find(name) else {
        problems.push(problem(place(), format!("{} has no such field", layout.entity())));
        return None;
    };
    if field.derived {
        problems.push(problem(place(), "is worked out by Attiva, and nobody sends it"));
        return None;
    }
    let Some(value) = value(json, field.data_type) else {
        problems.push(problem(place(), wanted(field.data_type)));
        return None;
    };
    if let Err(wrong) = field.accepts(&value) {
        problems.push(problem(place(), wrong.to_string()));
        return None;
    }
    Some((Arc::from(name), value))
}

/// A value that somebody gives to a field of an entity, null for none.
///
/// # Errors
/// What is wrong with the field or the value.
pub fn value_of(layout: &Layout, name: &str, json: &Json) -> Result<Value, String> {
    let mut problems = Vec::new();
    match field(layout, name, json, &mut problems) {
        Some((_, value)) => Ok(value),
        None => Err(problems.pop().map(|problem| problem.problem).unwrap_or_default()),
    }
}

/// JSON as a value of a type, without loss; `None` for what is none.
fn value(json: &Json, to: DataType) -> Option<Value> {
    match (to, json) {
        (_, Json::Null) => Some(Value::Null),
        (DataType::Json, json) => Some(Value::Json(json.to_string())),
        (DataType::Boolean, Json::Bool(b)) => Some(Value::Boolean(*b)),
        (DataType::Integer, Json::Number(n)) => n.as_i64().map(Value::Integer),
        (DataType::Float, Json::Number(n)) => n.as_f64().filter(|f| f.is_finite()).map(Value::Float),
        // The text of a number is exact where it has no exponent; another is sent as text.
        (DataType::Decimal, Json::Number(n)) => Value::Text(n.to_string()).cast(DataType::Decimal),
        (DataType::Text, Json::String(text)) => Some(Value::Text(text.clone())),
        (DataType::Decimal | DataType::Date | DataType::Timestamp, Json::String(text)) => {
            Value::Text(text.clone()).cast(to)
        }
        (DataType::TextList, Json::Array(items)) => {
            let texts: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
            texts.map(Value::TextList)
        }
        _ => None,
    }
}

fn wanted(data_type: DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "must be true or false",
        DataType::Integer => "must be a whole number of 64 bits",
        DataType::Decimal => "must be a number, or one as text: \"1250000.50\"",
        DataType::Float => "must be a number",
        DataType::Text => "must be text",
        DataType::Bytes => "cannot be sent",
        DataType::Date => "must be a day: \"2026-11-28\"",
        DataType::Timestamp => "must be an instant of ISO 8601: \"2026-11-28T09:30:00Z\"",
        DataType::TextList => "must be a list of texts",
        DataType::Json => "must be JSON",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EntityKind;
    use serde_json::json;

    fn read(entity: EntityKind, sent: Json) -> Result<RecordChange, Vec<SentProblem>> {
        let sent: SentRecord = serde_json::from_value(sent).unwrap();
        let instance = Instance { system: "Web".into(), id: "shop".into() };
        change(&sent, &instance, &Layout::of(entity), Some(500), 99)
    }

    #[test]
    fn what_is_sent_becomes_a_change_in_the_models_types() {
        let sent = json!({"id": "7", "at": "1970-01-01T00:00:01Z", "fields": {
            "name": "Deal", "amount": "1250000.50", "probability": 12.5, "is_closed": false,
            "expected_close_date": "1970-01-02", "created_date": "1970-01-01T00:00:02Z",
            "account_key": "1@shop.Web", "stage": null}});
        let change = read(EntityKind::Opportunity, sent).unwrap();
        assert_eq!((change.source_key.as_str(), change.at, change.kind), ("7@shop.Web", 1000, RowKind::Full));
        let field = |name: &str| change.fields.get(name).cloned();
        assert_eq!(field("amount"), Some(Value::Decimal("1250000.50".into())));
        assert_eq!(field("probability"), Some(Value::Decimal("12.5".into())));
        assert_eq!(field("is_closed"), Some(Value::Boolean(false)));
        assert_eq!(field("expected_close_date"), Some(Value::Date(1)));
        assert_eq!(field("created_date"), Some(Value::Timestamp(2000)));
        assert_eq!(field("stage"), None, "null in a full record need not be kept");
        let patch =
            read(EntityKind::Opportunity, json!({"id": "7", "kind": "patch", "fields": {"stage": null}})).unwrap();
        assert_eq!((patch.at, patch.fields.get("stage")), (99, Some(&Value::Null)));
        let gone = read(EntityKind::Opportunity, json!({"id": "7", "kind": "deleted"})).unwrap();
        assert_eq!((gone.kind, gone.fields.len()), (RowKind::Tombstone, 0));
    }

    #[test]
    fn everything_that_is_wrong_is_named() {
        let places = |sent: Json| -> Vec<String> {
            read(EntityKind::Person, sent).unwrap_err().into_iter().map(|p| p.place).collect()
        };
        let sent = json!({"id": "null", "at": "yesterday", "fields": {
            "shoe_size": 1, "person_score": "many", "person_type": "Friend", "account_key": "x", "departments": "a"}});
        let mut found = places(sent);
        found.sort();
        let fields = ["account_key", "departments", "person_score", "person_type", "shoe_size"];
        let all: Vec<String> = ["/at".to_owned()]
            .into_iter()
            .chain(fields.map(|f| format!("/fields/{f}")))
            .chain(["/id".to_owned()])
            .collect();
        assert_eq!(found, all);
        assert_eq!(places(json!({"id": "1", "kind": "deleted", "fields": {"email": "a@x.com"}})), ["/fields"]);
        let long = "x".repeat(600);
        let wrong = read(EntityKind::Person, json!({"id": "1", "fields": {"company_name": long}})).unwrap_err();
        assert!(wrong[0].problem.contains("at most 500"), "{wrong:?}");
    }
}
