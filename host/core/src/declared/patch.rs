//! JSON merge patches (RFC 7396), made.

use serde_json::{Map, Value};

/// The patch that makes `wanted` of `found`. Neither has a null: a patch cannot put one.
#[must_use]
pub fn merge_patch(found: &Map<String, Value>, wanted: &Map<String, Value>) -> Map<String, Value> {
    let gone = found.keys().filter(|key| !wanted.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let mut patch: Map<String, Value> = gone.collect();
    for (key, after) in wanted {
        match (found.get(key), after) {
            (Some(before), after) if before == after => {}
            (Some(Value::Object(before)), Value::Object(after)) => {
                patch.insert(key.clone(), merge_patch(before, after).into());
            }
            (_, after) => {
                patch.insert(key.clone(), after.clone());
            }
        }
    }
    patch
}
