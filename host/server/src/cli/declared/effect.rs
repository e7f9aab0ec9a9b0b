//! What a plan does to the members of targets, as far as it can be told before: asked of the host, by previews and
//! comparisons of segments. What hangs on a change that cannot be previewed is said not to be known, with the reason.

use super::document::Document;
use super::running::{Entry, Running};
use super::wanted::placed;
use crate::cli::{Client, Failure};
use attiva_core::declared::{Change, Comparison, Kind, Step, Thing, mentions};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What becomes of the members of one activation's target.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub(super) struct Effect {
    /// The connection.
    pub(super) destination: String,
    pub(super) target: String,
    pub(super) activation: String,
    /// At most: consent, and what a mapping requires, are asked when it is sent. Absent: not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) enter: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) leave: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stay: Option<u64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) note: String,
}

/// Who enters and leaves an audience.
#[derive(Debug, Clone)]
enum Moves {
    Known { enter: u64, leave: u64, stay: u64 },
    Unknown(String),
}

/// Changes after which anything may be another: whom records are, and what is known of them.
const FOUNDATIONS: [Kind; 5] =
    [Kind::Model, Kind::IdentityRules, Kind::MergePolicy, Kind::AccountMatching, Kind::Mapping];

/// # Errors
/// A rule that the host would refuse, with its place in the files; those of the requests.
pub(super) fn effects(
    comparison: &Comparison,
    wanted: &[Thing],
    documents: &[Document],
    running: &Running,
    client: &Client,
) -> Result<Vec<Effect>, Failure> {
    let asked = Asked { comparison, wanted, documents, running, client };
    let segments = asked.segments()?;
    let mut effects = Vec::new();
    for thing in wanted.iter().filter(|it| it.kind == Kind::Activation) {
        effects.extend(asked.of_activation(thing, &segments)?);
    }
    // Those that no file has live on, with segments that may change.
    for (kind, name) in &comparison.extra {
        if let (Kind::Activation, Some(entry)) = (*kind, running.entry(*kind, name)) {
            effects.extend(asked.of_activation(&entry.thing, &segments)?);
        }
    }
    for change in comparison.changes.iter().filter(|it| it.kind == Kind::Activation && it.step == Step::Remove) {
        if let Some(entry) = running.entry(change.kind, &change.name) {
            let members = asked.members(&part(&entry.thing, "/segment"))?;
            effects.push(effect(&entry.thing, Some(0), members, Some(0), "ends; members that others want stay"));
        }
    }
    Ok(effects)
}

struct Asked<'a> {
    comparison: &'a Comparison,
    wanted: &'a [Thing],
    documents: &'a [Document],
    running: &'a Running,
    client: &'a Client,
}

impl Asked<'_> {
    fn change(&self, kind: Kind, name: &str) -> Option<&Change> {
        self.comparison.changes.iter().find(|it| it.kind == kind && it.name == name)
    }

    fn document(&self, kind: Kind, name: &str) -> Option<&Document> {
        self.documents.iter().find(|it| it.kind == kind && it.name == name)
    }

    /// Of every segment whose audience moves by the plan.
    fn segments(&self) -> Result<BTreeMap<String, Moves>, Failure> {
        let mut moves = BTreeMap::new();
        for change in self.comparison.changes.iter().filter(|it| it.kind == Kind::Segment) {
            if let Some(found) = self.of_segment(change)? {
                moves.insert(change.name.clone(), found);
            }
        }
        // Whoever asks for one that moves follows it.
        let untouched: Vec<&Entry> = self.running.entries.iter().filter(|it| it.thing.kind == Kind::Segment).collect();
        loop {
            let follows = |entry: &&&Entry| {
                let asked = mentions(&part(&entry.thing, "/expression"));
                let moved = asked.into_iter().find(|name| moves.contains_key(name));
                moved.filter(|_| !moves.contains_key(&entry.thing.name))
            };
            let Some((name, of)) = untouched.iter().find_map(|it| Some((it.thing.name.clone(), follows(&it)?))) else {
                break;
            };
            moves.insert(name, Moves::Unknown(format!("follows the segment {of}")));
        }
        Ok(moves)
    }

    fn of_segment(&self, change: &Change) -> Result<Option<Moves>, Failure> {
        let Some(thing) = self.wanted.iter().find(|it| it.kind == change.kind && it.name == change.name) else {
            return Ok(None);
        };
        let expression = part(thing, "/expression");
        if let Some(foundation) = self.comparison.changes.iter().find(|it| FOUNDATIONS.contains(&it.kind)) {
            return Ok(Some(Moves::Unknown(format!("follows {} {}", foundation.kind.name(), foundation.name))));
        }
        let changed = |name: &String| self.change(Kind::Segment, name).is_some();
        if let Some(other) = mentions(&expression).into_iter().find(changed) {
            return Ok(Some(Moves::Unknown(format!("follows the segment {other}"))));
        }
        let moves = match &change.step {
            Step::Create => {
                let mut rule = json!({ "expression": expression, "samples": 0 });
                for key in ["entity", "evaluation", "rank"] {
                    if let Some(said) = thing.body.get(key) {
                        rule[key] = said.clone();
                    }
                }
                let found = self.ask("segments/preview", &rule, change)?;
                Moves::Known { enter: number(&found, "/count"), leave: 0, stay: 0 }
            }
            Step::Change(differences)
                if differences.iter().any(|it| it.at == "/expression" || it.at.starts_with("/rank")) =>
            {
                let id = self.running.id(change.kind, &change.name).unwrap_or_default();
                let mut rule = json!({ "expression": expression, "samples": 0 });
                if let Some(rank) = thing.body.get("rank") {
                    rule["rank"] = rank.clone();
                }
                let found = self.ask(&format!("segments/{id}/compare"), &rule, change)?;
                let [enter, leave, stay] =
                    ["/entering/count", "/leaving/count", "/staying"].map(|pointer| number(&found, pointer));
                Moves::Known { enter, leave, stay }
            }
            _ => return Ok(None),
        };
        Ok(Some(moves))
    }

    fn ask(&self, path: &str, body: &Value, change: &Change) -> Result<Value, Failure> {
        let place = self.document(change.kind, &change.name).map(|it| it.place("/expression")).unwrap_or_default();
        self.client.post(&self.client.scoped(path), body).map_err(|failure| placed(failure, &place))
    }

    /// How many belong to a segment that runs, as it runs.
    fn members(&self, segment: &str) -> Result<Option<u64>, Failure> {
        let Some(id) = self.running.id(Kind::Segment, segment) else { return Ok(None) };
        let found = self.client.get(&self.client.scoped(&format!("segments/{id}")))?;
        Ok(found.get("members").and_then(Value::as_u64))
    }

    fn of_activation(&self, thing: &Thing, segments: &BTreeMap<String, Moves>) -> Result<Vec<Effect>, Failure> {
        let segment = part(thing, "/segment");
        let moves = segments.get(&segment);
        let before = self.running.entry(thing.kind, &thing.name).map(|it| &it.thing);
        let step = self.change(thing.kind, &thing.name).map(|it| &it.step);
        Ok(match (step, before) {
            (Some(Step::Create), _) | (_, None) => {
                let enter = match moves {
                    Some(Moves::Known { enter, stay, .. }) => Some(enter + stay),
                    Some(Moves::Unknown(why)) => return Ok(vec![effect(thing, None, Some(0), Some(0), why)]),
                    None => self.members(&segment)?,
                };
                vec![effect(thing, enter, Some(0), Some(0), "")]
            }
            (Some(Step::Replace(_)), Some(before)) => {
                let after = match moves {
                    Some(Moves::Known { enter, stay, .. }) => Some(enter + stay),
                    Some(Moves::Unknown(_)) => None,
                    None => self.members(&segment)?,
                };
                let held = self.members(&part(before, "/segment"))?;
                if is_same_target(before, thing) {
                    let same = part(before, "/segment") == segment;
                    match (same, moves) {
                        (true, None) => vec![effect(thing, Some(0), Some(0), after, "all are written anew")],
                        (true, Some(Moves::Known { enter, leave, stay })) => {
                            vec![effect(thing, Some(*enter), Some(*leave), Some(*stay), "all are written anew")]
                        }
                        (true, Some(Moves::Unknown(why))) => vec![effect(thing, None, None, None, why)],
                        // Who is in both stays, and nobody has counted them.
                        (false, _) => vec![effect(thing, after, held, None, "at most; who is in both segments stays")],
                    }
                } else {
                    vec![
                        effect(before, Some(0), held, Some(0), "leaves this target"),
                        effect(thing, after, Some(0), Some(0), ""),
                    ]
                }
            }
            (_, Some(_)) => match moves {
                None => Vec::new(),
                Some(Moves::Known { enter, leave, stay }) => {
                    vec![effect(thing, Some(*enter), Some(*leave), Some(*stay), "")]
                }
                Some(Moves::Unknown(why)) => vec![effect(thing, None, None, None, why)],
            },
        })
    }
}

/// Whether a replaced activation goes on to fill what it filled.
pub(super) fn is_same_target(before: &Thing, after: &Thing) -> bool {
    ["/connection", "/target/object", "/target/name"]
        .iter()
        .all(|pointer| part(before, pointer) == part(after, pointer))
}

fn effect(thing: &Thing, enter: Option<u64>, leave: Option<u64>, stay: Option<u64>, note: &str) -> Effect {
    let mut notes: BTreeSet<&str> = [note].into();
    if thing.body.contains_key("expansion") {
        notes.insert("accounts; which people that is, is decided when it is sent");
    }
    notes.remove("");
    Effect {
        destination: part(thing, "/connection"),
        target: part(thing, "/target/name"),
        activation: thing.name.clone(),
        enter,
        leave,
        stay,
        note: notes.into_iter().collect::<Vec<_>>().join("; "),
    }
}

fn part(thing: &Thing, pointer: &str) -> String {
    let mut value = None;
    for (i, key) in pointer.trim_start_matches('/').split('/').enumerate() {
        value = if i == 0 { thing.body.get(key) } else { value.and_then(|it: &Value| it.get(key)) };
    }
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}
