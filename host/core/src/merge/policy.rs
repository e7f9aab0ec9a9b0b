//! The policy of merging, as data, and its form for use.

use super::is_of;
use crate::model::Layout;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which value survives. Published as a whole: a change is a new version, and profiles are merged anew from their
/// records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MergePolicy {
    pub version: u32,
    /// For fields without a rule of their own.
    #[serde(default)]
    pub default: FieldRule,
    #[serde(default)]
    pub fields: BTreeMap<String, FieldRule>,
}

/// How a field's value is chosen. A null never wins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "rule", rename_all = "kebab-case", deny_unknown_fields)]
pub enum FieldRule {
    /// The record that its source changed last.
    #[default]
    Newest,
    /// The first of these sources that has a value, of all others the newest: `Salesforce` for every instance of a
    /// kind, `00D1.Salesforce` for one.
    Precedence { sources: Vec<String> },
}

/// Why a policy cannot be taken: where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct PolicyProblem {
    pub path: String,
    pub problem: String,
}

/// A policy laid out over the fields of an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survivorship {
    layout: Arc<Layout>,
    /// By slot; empty: the newest.
    precedence: Vec<Vec<String>>,
}

impl Survivorship {
    /// The newest for every field.
    #[must_use]
    pub fn newest(layout: &Arc<Layout>) -> Self {
        Self { layout: Arc::clone(layout), precedence: vec![Vec::new(); layout.len()] }
    }

    /// # Errors
    /// Everything that is wrong with the policy.
    pub fn new(layout: &Arc<Layout>, policy: &MergePolicy) -> Result<Self, Vec<PolicyProblem>> {
        let mut problems = Vec::new();
        let usual = sources("default", &policy.default, &mut problems);
        let mut survivorship = Self { layout: Arc::clone(layout), precedence: vec![usual; layout.len()] };
        for (name, rule) in &policy.fields {
            let path = format!("fields.{name}");
            let sources = sources(&path, rule, &mut problems);
            match layout.slot(name).and_then(|slot| survivorship.precedence.get_mut(slot)) {
                Some(place) => *place = sources,
                None => {
                    problems.push(PolicyProblem { path, problem: format!("{} has no such field", layout.entity()) })
                }
            }
        }
        if problems.is_empty() { Ok(survivorship) } else { Err(problems) }
    }

    /// Fields of a row.
    pub(super) fn len(&self) -> usize {
        self.precedence.len()
    }

    pub(super) fn slot(&self, field: &str) -> Option<usize> {
        self.layout.slot(field)
    }

    /// How far down the list the record's source is. Smaller is stronger.
    pub(super) fn rank(&self, slot: usize, source_key: &str) -> usize {
        let sources = self.precedence.get(slot).map_or(&[] as &[String], Vec::as_slice);
        sources.iter().position(|source| is_of(source, source_key)).unwrap_or(sources.len())
    }
}

fn sources(path: &str, rule: &FieldRule, problems: &mut Vec<PolicyProblem>) -> Vec<String> {
    let FieldRule::Precedence { sources } = rule else { return Vec::new() };
    let mut refuse = |problem: String| problems.push(PolicyProblem { path: format!("{path}.sources"), problem });
    if sources.is_empty() {
        refuse("name at least one source, or say `newest`".into());
    }
    for (i, source) in sources.iter().enumerate() {
        let system = source.rsplit_once('.').map_or(source.as_str(), |(_, system)| system);
        if system.is_empty() || !system.bytes().all(|b| b.is_ascii_alphanumeric()) || source.contains('@') {
            refuse(format!("`{source}` is neither a system (`Salesforce`) nor an instance (`00D1.Salesforce`)"));
        }
        if sources.iter().take(i).any(|earlier| earlier == source) {
            refuse(format!("`{source}` stands twice"));
        }
    }
    sources.clone()
}
