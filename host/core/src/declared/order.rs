//! Which thing comes before which.

use super::{Kind, Thing};
use std::collections::{BTreeMap, BTreeSet};

/// Things so that each comes after what it refers to: by kind, and segments after those whose audiences they ask for.
pub(super) fn in_order(things: &[Thing]) -> Vec<&Thing> {
    let mut sorted: Vec<&Thing> = things.iter().collect();
    sorted.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    let segments: BTreeMap<&str, &Thing> =
        sorted.iter().filter(|it| it.kind == Kind::Segment).map(|it| (it.name.as_str(), *it)).collect();
    let (mut ordered, mut done) = (Vec::with_capacity(sorted.len()), BTreeSet::new());
    for thing in sorted {
        if thing.kind == Kind::Segment {
            after_its_own(thing, &segments, &mut done, &mut ordered);
        } else {
            ordered.push(thing);
        }
    }
    ordered
}

/// Iterative, since a chain of segments may be as long as there are segments. A circle is broken anywhere: the host
/// refuses it.
fn after_its_own<'a>(
    thing: &'a Thing,
    segments: &BTreeMap<&str, &'a Thing>,
    done: &mut BTreeSet<String>,
    ordered: &mut Vec<&'a Thing>,
) {
    let mut open: Vec<(&'a Thing, bool)> = vec![(thing, false)];
    let mut begun = BTreeSet::new();
    while let Some((thing, is_ready)) = open.pop() {
        if done.contains(&thing.name) {
            continue;
        }
        if is_ready {
            done.insert(thing.name.clone());
            ordered.push(thing);
        } else if begun.insert(thing.name.clone()) {
            open.push((thing, true));
            let asked = thing.body.get("expression").and_then(|text| text.as_str()).map(mentions).unwrap_or_default();
            open.extend(asked.iter().rev().filter_map(|name| Some((*segments.get(name.as_str())?, false))));
        }
    }
}

/// The audiences that an expression asks for, as it names them, in their order: what stands in `inAudience("...")`.
#[must_use]
pub fn mentions(expression: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = expression;
    while let Some((_, after)) = rest.split_once("inAudience") {
        rest = after;
        let Some(argument) = after.trim_start().strip_prefix('(').map(str::trim_start) else { continue };
        let Some(quote) = argument.chars().next().filter(|c| matches!(c, '"' | '\'')) else { continue };
        let mut name = String::new();
        let mut escaped = false;
        for c in argument.chars().skip(1) {
            if escaped {
                name.push(c);
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if c == quote {
                if !names.contains(&name) {
                    names.push(name);
                }
                break;
            } else {
                name.push(c);
            }
        }
    }
    names
}
