//! The stored JSON of bodies and attributes. Much of an ingest's time goes here, so bodies have a reader of their own,
//! and a row that says what is stored already is recognised by its text.

use crate::failure::Outcome;
use attiva_core::record::{Body, Fields, Presence, RecordChange};
use attiva_core::{Millis, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// A body as `attiva_core::record::Body` writes itself.
pub(super) fn body_text(body: &Body) -> Outcome<String> {
    Ok(serde_json::to_string(body)?)
}

/// The text of the body that a full row makes, if nothing newer is known of any field.
pub(super) fn full_row_text(change: &RecordChange) -> Outcome<String> {
    #[derive(Serialize)]
    struct Plain<'a> {
        at: Millis,
        fields: &'a Fields,
    }
    Ok(serde_json::to_string(&Plain { at: change.at, fields: &change.fields })?)
}

/// How much later a full row, as `full_row_text` has it, says just what `stored` says: equal bodies have equal texts but
/// for the time. `None`: it says something else or says it earlier, or that is not to be seen from the text.
pub(super) fn restated_after(stored: &str, row: &str) -> Option<Millis> {
    let ((then, stored), (now, row)) = (time_and_rest(stored)?, time_and_rest(row)?);
    (then <= now && stored == row).then_some(now.saturating_sub(then))
}

fn time_and_rest(text: &str) -> Option<(Millis, &str)> {
    let (at, rest) = text.strip_prefix("{\"at\":")?.split_once(',')?;
    Some((at.parse().ok()?, rest))
}

/// Reads bodies. The bodies of a stream have mostly the same fields in the same order, so each takes its names from the
/// one before it, which spares an allocation per field.
#[derive(Debug, Default)]
pub(super) struct BodyReader {
    names: Vec<Arc<str>>,
}

impl BodyReader {
    pub(super) fn read(&mut self, text: &str) -> Outcome<Body> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let body = deserializer.deserialize_map(BodyVisitor(&mut self.names))?;
        deserializer.end()?;
        Ok(body)
    }
}

struct BodyVisitor<'a>(&'a mut Vec<Arc<str>>);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "kebab-case")]
enum Part {
    At,
    Fields,
    Patched,
    Presence,
}

impl<'de> Visitor<'de> for BodyVisitor<'_> {
    type Value = Body;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a stored body")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body, A::Error> {
        let (mut at, mut fields) = (None, None);
        let (mut patched, mut presence) = (Vec::new(), Presence::Live);
        while let Some(part) = map.next_key()? {
            match part {
                Part::At => at = Some(map.next_value()?),
                Part::Fields => fields = Some(map.next_value_seed(FieldsSeed(&mut *self.0))?),
                Part::Patched => patched = map.next_value()?,
                Part::Presence => presence = map.next_value()?,
            }
        }
        let at = at.ok_or_else(|| A::Error::missing_field("at"))?;
        let fields = fields.ok_or_else(|| A::Error::missing_field("fields"))?;
        Ok(Body { at, fields, patched, presence })
    }
}

struct FieldsSeed<'a>(&'a mut Vec<Arc<str>>);

impl<'de> DeserializeSeed<'de> for FieldsSeed<'_> {
    type Value = Fields;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Fields, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldsSeed<'_> {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("named values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::with_capacity(self.0.len());
        while let Some(name) = map.next_key_seed(NameSeed { names: self.0, position: fields.len() })? {
            fields.push((name, map.next_value()?));
        }
        Ok(fields.into_iter().collect())
    }
}

/// The name at a position: that of the body before, if it is the same.
struct NameSeed<'a> {
    names: &'a mut Vec<Arc<str>>,
    position: usize,
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Arc<str>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Arc<str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Arc<str>, E> {
        if let Some(name) = self.names.get(self.position)
            && **name == *text
        {
            return Ok(Arc::clone(name));
        }
        let name: Arc<str> = Arc::from(text);
        self.names.truncate(self.position);
        self.names.push(Arc::clone(&name));
        Ok(name)
    }
}

/// Attributes as one object, in their order.
pub(super) fn attributes_text(attributes: &[(String, Value)]) -> Outcome<String> {
    let mut bytes = Vec::with_capacity(32 * attributes.len() + 2);
    let mut serializer = serde_json::Serializer::new(&mut bytes);
    serializer.collect_map(attributes.iter().map(|(name, value)| (name, value)))?;
    String::from_utf8(bytes).map_err(crate::failure::corrupt)
}

/// Some of the attributes; the rest is passed over, which takes a fraction of reading it.
pub(super) fn attributes_of(text: &str, names: &BTreeSet<String>) -> Outcome<Vec<(String, Value)>> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Ok(Wanted(names).deserialize(&mut deserializer)?)
}

/// As `attributes_of`, of the text of an event.
pub(super) fn event_attributes_of(text: &str, names: &BTreeSet<String>) -> Outcome<Vec<(String, Value)>> {
    struct Event<'a>(&'a BTreeSet<String>);
    impl<'de> Visitor<'de> for Event<'_> {
        type Value = Vec<(String, Value)>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an event")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = Vec::new();
            while let Some(part) = map.next_key::<Cow<'de, str>>()? {
                if part == "attributes" {
                    found = map.next_value_seed(Wanted(self.0))?;
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(found)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Ok(deserializer.deserialize_map(Event(names))?)
}

struct Wanted<'a>(&'a BTreeSet<String>);

impl<'de> DeserializeSeed<'de> for Wanted<'_> {
    type Value = Vec<(String, Value)>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Vec<(String, Value)>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("attributes")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::with_capacity(self.0.len());
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if self.0.contains(&*name) {
                pairs.push((name.into_owned(), map.next_value()?));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(pairs)
    }
}

pub(super) fn attributes(text: &str) -> Outcome<Vec<(String, Value)>> {
    struct Pairs;
    impl<'de> Visitor<'de> for Pairs {
        type Value = Vec<(String, Value)>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("attributes")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::with_capacity(32);
            while let Some(pair) = map.next_entry()? {
                pairs.push(pair);
            }
            Ok(pairs)
        }
    }
    Ok(serde_json::Deserializer::from_str(text).deserialize_map(Pairs)?)
}

/// Whether two texts hold the same attributes; their order does not matter.
pub(super) fn same_attributes(old: &str, new: &str) -> Outcome<bool> {
    if old == new {
        return Ok(true);
    }
    // The same pairs in another order take the same room.
    if old.len() != new.len() {
        return Ok(false);
    }
    let (mut old, mut new) = (attributes(old)?, attributes(new)?);
    old.sort_by(|a, b| a.0.cmp(&b.0));
    new.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(old == new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use attiva_core::page::RowKind;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn any_body() -> impl Strategy<Value = Body> {
        let value = prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::Integer), ".*".prop_map(Value::Text)];
        let presence = prop_oneof![Just(Presence::Live), Just(Presence::Deleted), ".*".prop_map(Presence::MergedInto)];
        let name = prop::sample::select(vec!["a", "b", "c", "\"quoted\\"]).prop_map(Arc::<str>::from);
        (any::<Millis>(), vec((name.clone(), value), 0..5), vec((name, any::<Millis>()), 0..2), presence).prop_map(
            |(at, fields, patched, presence)| Body { at, fields: fields.into_iter().collect(), patched, presence },
        )
    }

    proptest! {
        #[test]
        fn bodies_come_back_whatever_was_read_before(bodies in vec(any_body(), 1..6)) {
            let mut reader = BodyReader::default();
            for body in bodies {
                prop_assert_eq!(reader.read(&body_text(&body).unwrap()).unwrap(), body);
            }
        }
    }

    fn row(at: Millis, fields: &[(&str, Value)]) -> RecordChange {
        let fields = fields.iter().map(|(name, value)| (Arc::from(*name), value.clone())).collect();
        RecordChange { source_key: "1@x.M".into(), kind: RowKind::Full, at, dated: true, fields, merged_into: None }
    }

    #[test]
    fn a_full_row_has_the_text_of_its_body() {
        let change = row(5, &[("x", Value::Timestamp(1)), ("y", Value::Null)]);
        let body = Body { at: 5, fields: change.fields.clone(), ..Body::default() };
        assert_eq!(full_row_text(&change).unwrap(), body_text(&body).unwrap());
    }

    #[test]
    fn a_row_restates_only_the_same_at_no_earlier_time() {
        let fields = [("x", Value::Text(",\"at\":9".into()))];
        let stored = full_row_text(&row(10, &fields)).unwrap();
        let after = |at, fields: &[(&str, Value)]| restated_after(&stored, &full_row_text(&row(at, fields)).unwrap());
        assert_eq!((after(10, &fields), after(12, &fields), after(9, &fields)), (Some(0), Some(2), None));
        assert_eq!((after(11, &[("x", Value::Null)]), after(11, &[])), (None, None));
        let gone = Body { at: 10, fields: row(10, &fields).fields, presence: Presence::Deleted, ..Body::default() };
        assert_eq!(restated_after(&body_text(&gone).unwrap(), &full_row_text(&row(11, &fields)).unwrap()), None);
    }

    #[test]
    fn what_was_never_written_is_refused() {
        for bad in
            ["", "{}", "{\"at\":1}", "{\"fields\":{}}", "{\"at\":1,\"fields\":{},\"z\":1}", "{\"at\":1,\"fields\":{}} "]
        {
            assert_eq!(BodyReader::default().read(bad).is_err(), !bad.ends_with(' '), "{bad}");
        }
    }

    #[test]
    fn the_order_of_attributes_says_nothing() {
        let same = |a: &str, b: &str| same_attributes(a, b).unwrap();
        assert!(same("{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}"));
        assert!(!same("{\"a\":1,\"b\":2}", "{\"a\":2,\"b\":1}"));
        assert!(!same("{\"a\":1}", "{\"a\":10}"));
    }
}
