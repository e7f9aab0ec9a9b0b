//! The stored JSON of bodies and attributes.

use crate::failure::Outcome;
use attiva_core::Value;
use attiva_core::record::Body;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::Serializer;

pub(super) fn body(text: &str) -> Outcome<Body> {
    Ok(serde_json::from_str(text)?)
}

pub(super) fn body_text(body: &Body) -> Outcome<String> {
    Ok(serde_json::to_string(body)?)
}

/// Attributes as one object, in their order.
pub(super) fn attributes_text(attributes: &[(String, Value)]) -> Outcome<String> {
    let mut bytes = Vec::with_capacity(32 * attributes.len() + 2);
    let mut serializer = serde_json::Serializer::new(&mut bytes);
    serializer.collect_map(attributes.iter().map(|(name, value)| (name, value)))?;
    String::from_utf8(bytes).map_err(crate::failure::corrupt)
}

pub(super) fn attributes(text: &str) -> Outcome<Vec<(String, Value)>> {
    struct Pairs;
    impl<'de> Visitor<'de> for Pairs {
        type Value = Vec<(String, Value)>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
