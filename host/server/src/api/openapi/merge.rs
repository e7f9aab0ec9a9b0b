//! One set of schemas of two: of what is taken and of what is answered. They are of the same types, and most are the same.
//! Where one is not (what may be left out in a request stands in every answer), the one that is taken has another name.

use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

const PREFIX: &str = "#/components/schemas/";
/// What is put behind the name of a type as it is taken.
const SUFFIX: &str = "Input";

/// Both sets as one. References in `inputs` follow.
pub(super) fn merge<K: Ord>(
    taken: Map<String, Value>,
    mut answered: Map<String, Value>,
    inputs: &mut BTreeMap<K, Map<String, Value>>,
) -> Map<String, Value> {
    let renamed = different(&taken, &answered);
    for (name, mut schema) in taken {
        rename(&mut schema, &renamed);
        let name = if renamed.contains(&name) { format!("{name}{SUFFIX}") } else { name };
        answered.insert(name, schema);
    }
    inputs.values_mut().flat_map(Map::values_mut).for_each(|value| rename(value, &renamed));
    answered
}

/// Names that mean something else in one than in the other, themselves or by what they refer to.
fn different(taken: &Map<String, Value>, answered: &Map<String, Value>) -> BTreeSet<String> {
    let both = || taken.iter().filter_map(|(name, schema)| Some((name, schema, answered.get(name)?)));
    let unlike = both().filter(|(_, one, other)| one != other);
    let mut different: BTreeSet<String> = unlike.map(|(name, ..)| name.clone()).collect();
    loop {
        let refers = |schema: &Value| {
            let mut found = false;
            each_reference(schema, &mut |name| found |= different.contains(name));
            found
        };
        let more = both().filter(|(name, schema, _)| !different.contains(*name) && refers(schema));
        let more: Vec<String> = more.map(|(name, ..)| name.clone()).collect();
        if more.is_empty() {
            return different;
        }
        different.extend(more);
    }
}

fn each_reference(value: &Value, found: &mut impl FnMut(&str)) {
    match value {
        Value::Object(map) => {
            if let Some(name) = map.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix(PREFIX)) {
                found(name);
            }
            map.values().for_each(|value| each_reference(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| each_reference(value, found)),
        _ => {}
    }
}

fn rename(value: &mut Value, renamed: &BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(text)) = map.get_mut("$ref")
                && text.strip_prefix(PREFIX).is_some_and(|name| renamed.contains(name))
            {
                text.push_str(SUFFIX);
            }
            map.values_mut().for_each(|value| rename(value, renamed));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| rename(value, renamed)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_differs_has_another_name_and_so_has_what_refers_to_it() {
        let same = json!({ "type": "string" });
        let outer = json!({ "properties": { "a": { "$ref": "#/components/schemas/Inner" } } });
        let taken = set(json!({ "Same": same, "Outer": outer, "Inner": { "type": "object" }, "OnlyTaken": same }));
        let answered = set(json!({ "Same": same, "Outer": outer, "Inner": { "type": "object", "required": ["x"] } }));
        let body = set(json!({ "requestBody": { "schema": { "$ref": "#/components/schemas/Outer" } } }));
        let mut inputs = BTreeMap::from([(1, body)]);
        let merged = merge(taken, answered, &mut inputs);
        let names: Vec<&str> = merged.keys().map(String::as_str).collect();
        assert_eq!(names, ["Inner", "InnerInput", "OnlyTaken", "Outer", "OuterInput", "Same"]);
        assert_eq!(merged["OuterInput"]["properties"]["a"]["$ref"], "#/components/schemas/InnerInput");
        assert_eq!(merged["Outer"]["properties"]["a"]["$ref"], "#/components/schemas/Inner");
        assert_eq!(inputs[&1]["requestBody"]["schema"]["$ref"], "#/components/schemas/OuterInput");
    }
}
