//! What data may not be used for: fields are labelled, destinations say what they are for, and what would bring the one to
//! the other is refused with the way it would take. Decides; knows no mapping and no segment.

use crate::consent::check_name;
use crate::id::ConnectionId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A sandbox's labels, and the uses of its destinations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UsagePolicy {
    /// Rises with every publication.
    pub version: u32,
    #[serde(default)]
    pub labels: Vec<Label>,
    #[serde(default)]
    pub destinations: Vec<DestinationUse>,
    #[serde(default)]
    pub segments: SegmentsCount,
}

/// Whether a segment that is built on a field uses it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SegmentsCount {
    /// Who is in the audience tells of the field: it may go nowhere where the field may not.
    #[default]
    AsUse,
    /// Only what is mapped is used.
    Not,
}

/// A field of the model, or a column of a source's stream, and what it is not for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "UsageLabel")]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// `person.person_score`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Instead of a field: what a source calls it. Every field that the stream's mapping makes of it is labelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<SourceColumn>,
    /// `advertising`.
    pub not_for: BTreeSet<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "LabelledColumn")]
#[serde(deny_unknown_fields)]
pub struct SourceColumn {
    pub connection: ConnectionId,
    pub stream: String,
    pub name: String,
}

/// What a destination does with what it gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DestinationUse {
    pub connection: ConnectionId,
    /// Of this kind of target alone; without it, of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    pub uses: BTreeSet<String>,
}

/// What is wrong with a policy, by its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageProblem {
    pub place: String,
    pub problem: String,
}

/// A field of the model that may not be used for something, and how it comes to that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// `person.person_score`.
    pub field: String,
    /// The way to it from what was labelled: `persons.leadScore of con_1`; empty where it was itself.
    pub from: Vec<String>,
    pub not_for: BTreeSet<String>,
}

/// What an activation sends where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow<'a> {
    pub connection: &'a ConnectionId,
    /// The kind of its target.
    pub object: &'a str,
    /// Each mapped field of the destination, and the fields of the model that it is made of.
    pub mapped: Vec<(&'a str, Vec<String>)>,
    /// Segments that decide who is sent, each by its name, with the fields that it reads: the activation's own, and those
    /// whose audiences it asks for.
    pub segments: Vec<(String, Vec<String>)>,
}

/// A use that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "RefusedUse")]
pub struct Violation {
    /// Where it is in the activation: `/mapping/0/expression`, `/segment`.
    pub place: String,
    pub field: String,
    pub not_for: String,
    /// From what was labelled to the target.
    pub path: String,
}

const ENTRIES_MAX: usize = 1_000;

impl Default for UsagePolicy {
    /// Nothing is labelled.
    fn default() -> Self {
        Self { version: 1, labels: Vec::new(), destinations: Vec::new(), segments: SegmentsCount::default() }
    }
}

impl UsagePolicy {
    /// Everything that is wrong, or nothing. Whether there are such fields and connections is for others to say.
    pub fn check(&self) -> Result<(), Vec<UsageProblem>> {
        let mut problems = Vec::new();
        let mut wrong = |place: String, problem: &str| {
            problems.push(UsageProblem { place, problem: problem.to_owned() });
        };
        for (list, len) in [("labels", self.labels.len()), ("destinations", self.destinations.len())] {
            if len > ENTRIES_MAX {
                wrong(format!("/{list}"), "has more than 1000 entries");
            }
        }
        let mut uses = |place: String, uses: &BTreeSet<String>| {
            let empty = uses.is_empty().then_some("must name at least one use");
            let named =
                uses.iter().find_map(|name| if name == "*" { Some("must be names") } else { check_name(name).err() });
            if let Some(problem) = empty.or(named) {
                wrong(place, problem);
            }
        };
        for (i, label) in self.labels.iter().enumerate() {
            uses(format!("/labels/{i}/not_for"), &label.not_for);
        }
        for (i, destination) in self.destinations.iter().enumerate() {
            uses(format!("/destinations/{i}/uses"), &destination.uses);
        }
        for (i, label) in self.labels.iter().enumerate() {
            if label.field.is_some() == label.column.is_some() {
                wrong(format!("/labels/{i}"), "must have either `field` or `column`");
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// What a target is used for.
    fn uses_of(&self, connection: &ConnectionId, object: &str) -> BTreeSet<&str> {
        let is_it = |of: &&DestinationUse| {
            of.connection == *connection && of.object.as_deref().is_none_or(|named| named == object)
        };
        self.destinations.iter().filter(is_it).flat_map(|of| of.uses.iter().map(String::as_str)).collect()
    }

    /// Every way by which something would be used for what it is not for. `labelled`: the labels, brought to fields.
    #[must_use]
    pub fn violations(&self, labelled: &[Labelled], flow: &Flow<'_>) -> Vec<Violation> {
        let uses = self.uses_of(flow.connection, flow.object);
        let mut found = Vec::new();
        let mut look = |place: String, how: String, reads: &[String]| {
            for label in labelled.iter().filter(|label| reads.contains(&label.field)) {
                for not_for in label.not_for.iter().filter(|not_for| uses.contains(not_for.as_str())) {
                    let target = format!("`{}` of {}, which is for {not_for}", flow.object, flow.connection);
                    let mut path = label.from.clone();
                    path.extend([label.field.clone(), how.clone(), target]);
                    let (place, field, not_for) = (place.clone(), label.field.clone(), not_for.clone());
                    let violation = Violation { place, field, not_for, path: path.join(" -> ") };
                    if !found.contains(&violation) {
                        found.push(violation);
                    }
                }
            }
        };
        if !uses.is_empty() {
            for (i, (field, reads)) in flow.mapped.iter().enumerate() {
                look(format!("/mapping/{i}/expression"), format!("mapping `{field}`"), reads);
            }
            if self.segments == SegmentsCount::AsUse {
                for (segment, reads) in &flow.segments {
                    look("/segment".to_owned(), format!("segment {segment}"), reads);
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn policy(body: serde_json::Value) -> UsagePolicy {
        serde_json::from_value(body).unwrap()
    }

    fn labelled() -> Vec<Labelled> {
        let not_for = |name: &str| BTreeSet::from([name.to_owned()]);
        vec![
            Labelled {
                field: "person.person_score".into(),
                from: vec!["persons.leadScore of con_1".into()],
                not_for: not_for("advertising"),
            },
            Labelled { field: "person.email".into(), from: vec![], not_for: not_for("research") },
        ]
    }

    fn flow(connection: &ConnectionId) -> Flow<'_> {
        Flow {
            connection,
            object: "people",
            mapped: vec![
                ("email", vec!["person.email".into()]),
                ("title", vec!["person.job_title".into(), "person.person_score".into()]),
            ],
            segments: vec![("seg_1 (Hot)".into(), vec!["person.person_score".into()])],
        }
    }

    fn found(policy: &UsagePolicy, connection: &str) -> Vec<(String, String)> {
        let connection = ConnectionId::parse(connection).unwrap();
        policy.violations(&labelled(), &flow(&connection)).into_iter().map(|v| (v.place, v.path)).collect()
    }

    #[test]
    fn what_is_labelled_does_not_go_where_it_is_not_for_by_any_way() {
        let ads = |segments: &str| {
            policy(
                json!({"version": 1, "segments": segments, "destinations": [{"connection": "con_ads", "uses": ["advertising"]}]}),
            )
        };
        let by_mapping = ("/mapping/1/expression".to_owned(),
            "persons.leadScore of con_1 -> person.person_score -> mapping `title` -> `people` of con_ads, which is for advertising".to_owned());
        let by_segment = ("/segment".to_owned(),
            "persons.leadScore of con_1 -> person.person_score -> segment seg_1 (Hot) -> `people` of con_ads, which is for advertising".to_owned());
        assert_eq!(found(&ads("as-use"), "con_ads"), [by_mapping.clone(), by_segment]);
        assert_eq!(found(&ads("not"), "con_ads"), [by_mapping]);
        assert_eq!(found(&ads("as-use"), "con_other"), []);
    }

    #[test]
    fn a_use_may_be_that_of_one_kind_of_target() {
        let of = |object: &str| {
            let destination = json!({"connection": "con_ads", "object": object, "uses": ["research", "mail"]});
            found(&policy(json!({"version": 1, "destinations": [destination]})), "con_ads").len()
        };
        assert_eq!((of("people"), of("companies")), (1, 0));
    }

    #[test]
    fn what_says_nothing_is_refused_by_its_place() {
        let wrong = policy(json!({"version": 1,
            "labels": [{"not_for": ["ads"]}, {"field": "person.email", "not_for": []}, {"field": "person.email", "not_for": ["*"]}],
            "destinations": [{"connection": "con_1", "uses": ["Ads!"]}]}));
        let places: Vec<String> = wrong.check().unwrap_err().into_iter().map(|p| p.place).collect();
        assert_eq!(places, ["/labels/1/not_for", "/labels/2/not_for", "/destinations/0/uses", "/labels/0"]);
        assert_eq!(UsagePolicy::default().check(), Ok(()));
    }
}
