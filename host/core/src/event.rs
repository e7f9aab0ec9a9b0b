//! What happened, as it goes into the store: when, of what type, and who it was, read from a mapped row of an activity.

use crate::guardrail::{Guardrails, Verdict};
use crate::identity::{ClaimReader, Identity};
use crate::key::SourceKey;
use crate::model::{EntityKind, EntityName, Layout};
use crate::page::{Reject, RowKind};
use crate::record::{Fields, RecordChange};
use crate::{Millis, Value};
use std::sync::Arc;

/// One row of a stream of events, on its way into the store.
#[derive(Debug, Clone, PartialEq)]
pub struct EventChange {
    /// Names the event: told again, it is the same one.
    pub source_key: String,
    /// When the source last changed it; never 0. What is older than what is known is stale.
    pub at: Millis,
    /// The vendor said when. The time of reading says nothing of what was known already.
    pub dated: bool,
    /// `None`: the source took it back.
    pub event: Option<Event>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub time: Millis,
    pub event_type: String,
    /// Who it was, the firmest first. It happened to the person whom the first of these names that names anybody.
    pub subjects: Vec<Identity>,
    /// The mapped row: non-null attributes of the model, but for the time and the type.
    pub attributes: Vec<(String, Value)>,
    /// The row as it came.
    pub native: Fields,
}

/// Makes events of a stream's rows.
#[derive(Debug, Clone)]
pub struct EventReader {
    layout: Arc<Layout>,
    claims: ClaimReader,
    guardrails: Guardrails,
    /// The type of an event that says none.
    stream: String,
}

impl EventReader {
    /// Whether records of an entity are events, and make no profiles.
    #[must_use]
    pub fn reads(entity: &EntityName) -> bool {
        entity.kind() == Some(EntityKind::Activity)
    }

    /// `layout`: that of activities.
    #[must_use]
    pub fn new(layout: &Arc<Layout>, guardrails: Guardrails, stream: &str) -> Self {
        let claims = ClaimReader::of_model(layout);
        Self { layout: Arc::clone(layout), claims, guardrails, stream: stream.to_owned() }
    }

    /// An event of a row and of what its mapping makes of it.
    ///
    /// # Errors
    /// Why it is not taken: it names nobody, is too large, or is told in part.
    pub fn read(&self, change: RecordChange, row: &[Value]) -> Result<EventChange, Reject> {
        let RecordChange { source_key, kind, at, dated, fields: native, .. } = change;
        let event = match kind {
            RowKind::Tombstone | RowKind::Merge => None,
            RowKind::Patch => {
                return Err(reject(&source_key, "event.part", None, "an event is told as a whole".into(), &native));
            }
            RowKind::Full => Some(self.event(&source_key, at, native, row)?),
        };
        Ok(EventChange { source_key, at, dated, event })
    }

    fn event(&self, source_key: &str, at: Millis, native: Fields, row: &[Value]) -> Result<Event, Reject> {
        self.fits(source_key, &native)?;
        let subjects = self.subjects(row);
        if subjects.is_empty() {
            let said = "it names no person: neither by a key, nor by a device, nor by an address";
            return Err(reject(source_key, "event.nobody", Some("person_key"), said.into(), &native));
        }
        let time = match self.value(row, "time") {
            Some(Value::Timestamp(time)) => *time,
            _ => at,
        };
        let event_type = self.value(row, "type").and_then(Value::as_text).unwrap_or(&self.stream).to_owned();
        let named = self.layout.fields().iter().zip(row);
        let kept = named.filter(|(field, value)| !value.is_null() && field.name != "time" && field.name != "type");
        let attributes = kept.map(|(field, value)| (field.name.to_string(), value.clone())).collect();
        Ok(Event { time, event_type, subjects, attributes, native })
    }

    fn value<'a>(&self, row: &'a [Value], name: &str) -> Option<&'a Value> {
        self.layout.slot(name).and_then(|slot| row.get(slot))
    }

    /// The key of the person's record alone, where there is one: the source knows whom it means. Else every device, and
    /// then the address.
    fn subjects(&self, row: &[Value]) -> Vec<Identity> {
        if let Some(key) = self.value(row, "person_key").and_then(Value::as_text).and_then(SourceKey::parse) {
            return vec![Identity::source_key(&key.to_string())];
        }
        // The event's own key is no person's.
        let (claims, _) = self.claims.read("", row);
        let mut subjects: Vec<Identity> = claims.into_iter().skip(1).map(|claim| claim.identity).collect();
        subjects.sort_by_key(|identity| identity.namespace != Identity::ECID);
        subjects
    }

    fn fits(&self, source_key: &str, native: &Fields) -> Result<(), Reject> {
        let bytes = native.iter().map(|(name, value)| name.len() + size(value)).sum();
        self.within("event.bytes", "event.too-large", source_key, None, bytes, native)?;
        for (name, value) in native.iter() {
            if let Value::TextList(list) = value {
                self.within("event.list_items", "event.list-too-long", source_key, Some(name), list.len(), native)?;
            }
        }
        Ok(())
    }

    fn within(
        &self,
        limit: &str,
        code: &str,
        source_key: &str,
        field: Option<&str>,
        measured: usize,
        native: &Fields,
    ) -> Result<(), Reject> {
        match self.guardrails.check(limit, measured as u64) {
            Verdict::Over(_, said) => Err(reject(source_key, code, field, said, native)),
            Verdict::Within | Verdict::Warn(_) => Ok(()),
        }
    }
}

/// Bytes of a value, near enough to how it is kept.
fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) | Value::Json(text) | Value::Decimal(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::TextList(list) => list.iter().map(String::len).sum(),
        Value::Null | Value::Boolean(_) | Value::Date(_) => 4,
        Value::Integer(_) | Value::Float(_) | Value::Timestamp(_) => 8,
    }
}

/// The sample shows whose event it was, not all of what is too large.
fn reject(source_key: &str, code: &str, field: Option<&str>, message: String, native: &Fields) -> Reject {
    const SAMPLE_CHARACTERS: usize = 1_000;
    let sample = serde_json::to_string(native).unwrap_or_default().chars().take(SAMPLE_CHARACTERS).collect();
    Reject { key: Some(source_key.to_owned()), code: code.into(), field: field.map(str::to_owned), message, sample }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ECID: [&str; 2] = ["12345678901234567890123456789012345678", "22345678901234567890123456789012345678"];

    fn reader() -> EventReader {
        EventReader::new(&Layout::of(EntityKind::Activity), Guardrails::default(), "activities")
    }

    fn change(kind: RowKind, fields: &[(&str, Value)]) -> RecordChange {
        let fields = fields.iter().map(|(name, value)| (Arc::from(*name), value.clone())).collect();
        RecordChange { source_key: "5@m.M".into(), kind, at: 70, dated: true, fields, merged_into: None }
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    fn read(row: &[(&str, Value)], fields: &[(&str, Value)]) -> Result<Event, Reject> {
        let row: Vec<(String, Value)> = row.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
        let row = Layout::of(EntityKind::Activity).row(&row);
        reader().read(change(RowKind::Full, fields), &row).map(|change| change.event.unwrap())
    }

    #[test]
    fn the_record_names_the_person_else_devices_and_then_the_address() {
        let ecids = Value::TextList(vec![ECID[0].into(), "none".into(), ECID[1].into()]);
        let anonymous = [("email", text("A@x.com")), ("ecids", ecids)];
        let named = [anonymous.as_slice(), &[("person_key", text("1@m.M"))]].concat();
        assert_eq!(read(&named, &[]).unwrap().subjects, [Identity::source_key("1@m.M")]);
        let subjects = read(&anonymous, &[]).unwrap().subjects;
        let ecid = |n: usize| Identity::ecid(ECID[n]).unwrap();
        assert_eq!(subjects, [ecid(0), ecid(1), Identity::email("a@x.com").unwrap()]);
        let nobody = read(&[("page", text("/"))], &[("a", text("b"))]).unwrap_err();
        assert_eq!((nobody.code.as_str(), nobody.field.as_deref()), ("event.nobody", Some("person_key")));
        assert_eq!((nobody.key.as_deref(), nobody.sample.as_str()), (Some("5@m.M"), "{\"a\":\"b\"}"));
    }

    #[test]
    fn what_says_no_time_or_type_has_those_of_its_row_and_stream() {
        let person = ("person_key", text("1@m.M"));
        let plain = read(std::slice::from_ref(&person), &[]).unwrap();
        assert_eq!((plain.time, plain.event_type.as_str()), (70, "activities"));
        let told = [person.clone(), ("time", Value::Timestamp(9)), ("type", text("web.formFilledOut"))];
        let event = read(&told, &[("n", Value::Integer(1))]).unwrap();
        assert_eq!((event.time, event.event_type.as_str()), (9, "web.formFilledOut"));
        assert_eq!(event.attributes, [("person_key".to_owned(), person.1)], "time and type are apart");
        assert_eq!(event.native.get("n"), Some(&Value::Integer(1)));
    }

    /// `event.bytes` and `event.list_items`, as they are by default.
    #[test]
    fn what_is_too_large_or_told_in_part_is_not_taken() {
        let code = |fields: &[(&str, Value)]| {
            let reject = read(&[("person_key", text("1@m.M"))], fields).unwrap_err();
            (reject.code, reject.field, reject.sample.len() <= 1_000)
        };
        assert_eq!(code(&[("note", text(&"x".repeat(102_400)))]), ("event.too-large".into(), None, true));
        assert!(read(&[("person_key", text("1@m.M"))], &[("note", text(&"x".repeat(102_396)))]).is_ok());
        let list = |items: usize| Value::TextList(vec!["x".into(); items]);
        assert_eq!(code(&[("tags", list(501))]), ("event.list-too-long".into(), Some("tags".into()), true));
        assert!(read(&[("person_key", text("1@m.M"))], &[("tags", list(500))]).is_ok());
        assert_eq!(reader().read(change(RowKind::Patch, &[]), &[]).unwrap_err().code, "event.part");
        assert_eq!(reader().read(change(RowKind::Tombstone, &[]), &[]).unwrap().event, None);
    }
}
