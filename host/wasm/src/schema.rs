//! How much work a schema may make. A schema is a guest's word, and a short one can ask for more than the lifetime of a
//! machine: each of thirty definitions that refers to the next one twice doubles the work of the last.

use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Schemas that checking one value may come by, each reference followed as often as it is there.
const STEPS_MAX: u64 = 10_000;
/// One inside the other, references included.
const DEPTH_MAX: usize = 64;

/// Checks that references lead to places in this document by pointer, that none leads back to itself, and that following
/// all of them stays within bounds.
///
/// # Errors
/// What it refers to, or how much work it would be.
pub(crate) fn check_work(schema: &Value) -> Result<(), String> {
    let mut work = Work { schema, known: HashMap::new(), open: HashSet::new() };
    let steps = work.steps(schema, 0)?;
    if steps > STEPS_MAX {
        return Err(format!("checking against it takes more than {STEPS_MAX} steps"));
    }
    Ok(())
}

struct Work<'s> {
    schema: &'s Value,
    /// Steps behind a reference that was followed before: else finding out would be the work itself.
    known: HashMap<&'s str, u64>,
    /// References that are being followed.
    open: HashSet<&'s str>,
}

impl<'s> Work<'s> {
    fn steps(&mut self, value: &'s Value, depth: usize) -> Result<u64, String> {
        if depth > DEPTH_MAX {
            return Err(format!("it is more than {DEPTH_MAX} levels deep"));
        }
        match value {
            Value::Object(object) => object.iter().try_fold(1_u64, |steps, (key, value)| {
                let more = match value.as_str() {
                    Some(target) if matches!(key.as_str(), "$ref" | "$dynamicRef" | "$recursiveRef") => {
                        self.behind(key, target, depth)?
                    }
                    _ => self.steps(value, depth + 1)?,
                };
                Ok(steps.saturating_add(more))
            }),
            Value::Array(items) => {
                items.iter().try_fold(1_u64, |steps, item| Ok(steps.saturating_add(self.steps(item, depth + 1)?)))
            }
            _ => Ok(1),
        }
    }

    fn behind(&mut self, key: &str, target: &'s str, depth: usize) -> Result<u64, String> {
        let Some(pointer) = target.strip_prefix('#') else {
            return Err(format!("{key} to another document: {target}"));
        };
        if let Some(steps) = self.known.get(target) {
            return Ok(*steps);
        }
        let schema = self.schema;
        let place = schema.pointer(pointer).ok_or_else(|| format!("{key} leads nowhere: {target}"))?;
        if !self.open.insert(target) {
            return Err(format!("{key} leads back to itself: {target}"));
        }
        let steps = self.steps(place, depth + 1)?;
        self.open.remove(target);
        self.known.insert(target, steps);
        Ok(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Definitions that each refer to the next one twice.
    fn bomb(levels: usize) -> Value {
        let twice = |n: usize| json!({"allOf": [{"$ref": format!("#/$defs/d{n}")}, {"$ref": format!("#/$defs/d{n}")}]});
        let mut definitions = serde_json::Map::new();
        for n in 0..levels {
            definitions.insert(format!("d{n}"), if n + 1 < levels { twice(n + 1) } else { json!({"type": "object"}) });
        }
        json!({"type": "object", "$defs": definitions, "allOf": [{"$ref": "#/$defs/d0"}]})
    }

    #[test]
    fn work_is_bounded_before_any_of_it_is_done() {
        let shared = json!({"type": "object", "$defs": {"a b": {"type": "string"}},
            "properties": {"x": {"$ref": "#/$defs/a b"}, "y": {"$ref": "#/$defs/a b"}}});
        for good in [json!({}), json!({"type": "object"}), shared, bomb(8)] {
            assert_eq!(check_work(&good), Ok(()), "{good}");
        }
        let mut deep = json!({"type": "object"});
        for _ in 0..40 {
            deep = json!({"properties": {"x": deep}});
        }
        for (bad, why) in [
            (bomb(16), "steps"),
            (bomb(30), "levels deep"),
            (deep, "levels deep"),
            (json!({"properties": {"x": {"$ref": "#"}}}), "itself"),
            (json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}), "itself"),
            (json!({"$recursiveRef": "#"}), "itself"),
            (json!({"$ref": "#/$defs/nothing"}), "nowhere"),
            (json!({"$ref": "#anchor"}), "nowhere"),
            (json!({"$ref": "https://example.com/a"}), "another document"),
        ] {
            let said = check_work(&bad).unwrap_err();
            assert!(said.contains(why), "{why}: {said}");
        }
    }
}
