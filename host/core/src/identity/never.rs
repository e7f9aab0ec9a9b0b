//! Records that are never one, because somebody said so: how a wrong merge is undone, and stays undone.

use crate::Millis;
use crate::id::NeverLinkId;
use crate::model::EntityName;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// Two records that are different people (accounts ...), whatever they share.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NeverLink {
    /// Of which entity the records are.
    #[serde(default = "person", skip_serializing_if = "is_person")]
    pub entity: EntityName,
    /// Source keys; `a` comes before `b`.
    pub a: String,
    pub b: String,
    pub reason: String,
    /// Who said so.
    pub by: String,
    pub at: Millis,
}

fn person() -> EntityName {
    EntityName::PERSON
}

fn is_person(entity: &EntityName) -> bool {
    *entity == EntityName::PERSON
}

impl NeverLink {
    /// `None` for a record and itself.
    #[must_use]
    pub fn new(entity: &EntityName, a: &str, b: &str, reason: &str, by: &str, at: Millis) -> Option<Self> {
        let (a, b) = if a < b { (a, b) } else { (b, a) };
        let entity = entity.clone();
        (a != b).then(|| Self { entity, a: a.into(), b: b.into(), reason: reason.into(), by: by.into(), at })
    }

    /// One for each pair: whoever says it again says the same.
    #[must_use]
    pub fn id(&self) -> NeverLinkId {
        // No source key and no entity's name holds a NUL.
        let pair = format!("{}\0{}", self.a, self.b);
        NeverLinkId::founded_by(&if is_person(&self.entity) { pair } else { format!("{}\0{pair}", self.entity) })
    }
}

/// Why a division of a profile is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnmergeProblem {
    #[error("`{0}` is not a record of this profile: give source keys that are")]
    NotOfIt(String),
    #[error("`{0}` stands in two groups: give each record one")]
    Twice(String),
    #[error("name at least one record to take out, and leave at least one")]
    Nothing,
}

/// The links that divide a profile into groups. Records in none of the groups form one of their own.
///
/// Every pair across groups is named, so that nothing that joins later can bring two of them together. Within a group
/// nothing is promised: what only hung together through another group falls apart.
pub fn unmerge(
    entity: &EntityName,
    records: &[String],
    groups: &[Vec<String>],
    reason: &str,
    by: &str,
    at: Millis,
) -> Result<Vec<NeverLink>, UnmergeProblem> {
    let mut group_of: HashMap<&str, usize> = HashMap::new();
    for (number, group) in groups.iter().enumerate() {
        for key in group {
            if !records.contains(key) {
                return Err(UnmergeProblem::NotOfIt(key.clone()));
            }
            if group_of.insert(key, number).is_some_and(|other| other != number) {
                return Err(UnmergeProblem::Twice(key.clone()));
            }
        }
    }
    let group = |key: &String| group_of.get(key.as_str()).copied().unwrap_or(groups.len());
    let mut links = Vec::new();
    for (i, a) in records.iter().enumerate() {
        let others = records.iter().skip(i + 1).filter(|b| group(a) != group(b));
        links.extend(others.filter_map(|b| NeverLink::new(entity, a, b, reason, by, at)));
    }
    if links.is_empty() { Err(UnmergeProblem::Nothing) } else { Ok(links) }
}

/// The never-links of a neighbourhood, by record.
#[derive(Debug, Clone, Default)]
pub struct NeverLinks {
    of: HashMap<String, HashSet<String>>,
}

impl NeverLinks {
    pub(super) fn of(&self, key: &str) -> Option<&HashSet<String>> {
        self.of.get(key)
    }
}

impl<'a> FromIterator<&'a NeverLink> for NeverLinks {
    fn from_iter<T: IntoIterator<Item = &'a NeverLink>>(links: T) -> Self {
        let mut of: HashMap<String, HashSet<String>> = HashMap::new();
        for link in links {
            of.entry(link.a.clone()).or_default().insert(link.b.clone());
            of.entry(link.b.clone()).or_default().insert(link.a.clone());
        }
        Self { of }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn every_pair_across_groups_is_kept_apart() {
        let links =
            unmerge(&EntityName::PERSON, &keys("a b c d"), &[keys("a"), keys("c")], "two people", "ann", 5).unwrap();
        let pairs: Vec<(&str, &str)> = links.iter().map(|l| (l.a.as_str(), l.b.as_str())).collect();
        assert_eq!(pairs, [("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("c", "d")]);
        assert_eq!((links[0].reason.as_str(), links[0].by.as_str(), links[0].at), ("two people", "ann", 5));
    }

    #[test]
    fn what_divides_nothing_is_refused() {
        let divide =
            |groups: &[Vec<String>]| unmerge(&EntityName::PERSON, &keys("a b"), groups, "", "", 0).unwrap_err();
        assert_eq!(divide(&[keys("x")]), UnmergeProblem::NotOfIt("x".into()));
        assert_eq!(divide(&[keys("a"), keys("a")]), UnmergeProblem::Twice("a".into()));
        assert_eq!(divide(&[keys("a b")]), UnmergeProblem::Nothing);
        assert_eq!(divide(&[]), UnmergeProblem::Nothing);
    }
}
