//! What has to become of what was found.

use super::order::in_order;
use super::{Kind, Thing};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One thing that has to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub kind: Kind,
    pub name: String,
    pub step: Step,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    Create,
    Change(Vec<Difference>),
    /// It cannot be changed in this: another one is made, and takes its place.
    Replace(Vec<Difference>),
    Remove,
}

/// A place at which two bodies differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// A JSON pointer.
    pub at: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

/// How what is wanted and what was found differ.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparison {
    /// In the order in which they can be done: what others refer to comes first, removals last and the other way round.
    pub changes: Vec<Change>,
    /// What was found and nobody wants.
    pub extra: Vec<(Kind, String)>,
}

/// Compares; with `remove`, what nobody wants is removed where it can be. Each name of a kind stands once on each side.
#[must_use]
pub fn compare(wanted: &[Thing], found: &[Thing], remove: bool) -> Comparison {
    let by_name = |things: &[Thing]| -> BTreeMap<(Kind, String), Map<String, Value>> {
        things.iter().map(|it| ((it.kind, it.name.clone()), it.body.clone())).collect()
    };
    let there = by_name(found);
    let mut changes = Vec::new();
    for thing in in_order(wanted) {
        let Thing { kind, name, body } = thing;
        let step = match there.get(&(*kind, name.clone())) {
            None => Step::Create,
            Some(before) => match differences(&looked_at(*kind, before, body), body) {
                none if none.is_empty() => continue,
                some if is_changeable(*kind, &some) => Step::Change(some),
                some => Step::Replace(some),
            },
        };
        changes.push(Change { kind: *kind, name: name.clone(), step });
    }
    let named = by_name(wanted);
    let surplus: Vec<Thing> =
        found.iter().filter(|it| !named.contains_key(&(it.kind, it.name.clone()))).cloned().collect();
    let mut extra = Vec::new();
    for thing in in_order(&surplus).into_iter().rev() {
        if remove && thing.kind.is_removable() {
            changes.push(Change { kind: thing.kind, name: thing.name.clone(), step: Step::Remove });
        } else {
            extra.push((thing.kind, thing.name.clone()));
        }
    }
    Comparison { changes, extra }
}

/// Without what the wanted body leaves alone.
fn looked_at(kind: Kind, found: &Map<String, Value>, wanted: &Map<String, Value>) -> Map<String, Value> {
    let is_left = |key: &String| kind.left_alone().contains(&key.as_str()) && !wanted.contains_key(key);
    found.iter().filter(|(key, _)| !is_left(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn is_changeable(kind: Kind, differences: &[Difference]) -> bool {
    let Some(keys) = kind.changeable() else { return true };
    let key = |difference: &Difference| difference.at.split('/').nth(1).unwrap_or_default().to_owned();
    differences.iter().all(|it| keys.contains(&key(it).as_str()))
}

fn differences(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Difference> {
    let mut found = Vec::new();
    of_objects("", before, after, &mut found);
    found
}

fn of_objects(at: &str, before: &Map<String, Value>, after: &Map<String, Value>, found: &mut Vec<Difference>) {
    let added = after.keys().filter(|key| !before.contains_key(*key));
    for key in before.keys().chain(added) {
        let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        of_values(&at, before.get(key), after.get(key), found);
    }
}

fn of_values(at: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => of_objects(at, before, after, found),
        // Lists of one length differ in items; of others, an item more in front would make all of them differ.
        (Some(Value::Array(before)), Some(Value::Array(after))) if before.len() == after.len() => {
            for (i, (before, after)) in before.iter().zip(after).enumerate() {
                of_values(&format!("{at}/{i}"), Some(before), Some(after), found);
            }
        }
        (before, after) => {
            found.push(Difference { at: at.to_owned(), before: before.cloned(), after: after.cloned() });
        }
    }
}
