//! From an audience of accounts to persons: which people of each account are meant. Which those are has more than one
//! answer, so an activation says it, by the names that segments have for the ways.

use crate::id::SegmentId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which people of each account of an audience an activation sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expansion {
    /// By any of these ways.
    pub by: Vec<PeopleBy>,
    /// CEL over `person`: of them, only these.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
}

/// A way from an account to its people, by the name that it has in segments of accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeopleBy {
    /// One of the person's records names the account.
    People,
    /// By account-person relation.
    PeopleByRelation,
    /// They are named on one of the account's opportunities.
    PeopleByRole,
    /// No source says it: they were matched to the account.
    MatchedPeople,
}

impl PeopleBy {
    pub const ALL: [Self; 4] = [Self::People, Self::PeopleByRelation, Self::PeopleByRole, Self::MatchedPeople];

    /// As it stands in segments.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::People => "people",
            Self::PeopleByRelation => "people_by_relation",
            Self::PeopleByRole => "people_by_role",
            Self::MatchedPeople => "matched_people",
        }
    }

    /// The same way from the other end: a condition over persons.
    fn rule(self, accounts: &SegmentId) -> String {
        let is_in = |it: &str| format!("{it}.inAudience(\"{accounts}\")");
        match self {
            // Among what segments call the accounts of a person is the one it was matched to, which no record names.
            Self::People => format!("person.components.exists(c, !c.is_matched && {})", is_in("c.account")),
            Self::PeopleByRelation => format!("person.accounts_by_relation.exists(a, {})", is_in("a")),
            Self::PeopleByRole => format!("person.opportunities_by_role.exists(o, {})", is_in("o.account")),
            Self::MatchedPeople => is_in("person.matched_account"),
        }
    }
}

impl Expansion {
    /// The persons as a segment's rule: what an expansion comes to is what that segment would.
    #[must_use]
    pub fn rule(&self, accounts: &SegmentId) -> String {
        let ways: Vec<String> = self.by.iter().map(|way| way.rule(accounts)).collect();
        match &self.only {
            Some(only) => format!("({}) && ({only})", ways.join(" || ")),
            None => ways.join(" || "),
        }
    }

    /// What is wrong with its ways.
    ///
    /// # Errors
    /// The problem with `by`.
    pub fn check(&self) -> Result<(), String> {
        if self.by.is_empty() {
            let names: Vec<&str> = PeopleBy::ALL.into_iter().map(PeopleBy::name).collect();
            return Err(format!("must name at least one of {}", names.join(", ")));
        }
        match self.by.iter().enumerate().find(|(i, way)| self.by[..*i].contains(way)) {
            Some((_, twice)) => Err(format!("names {} twice", twice.name())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expansion(by: &[PeopleBy], only: Option<&str>) -> Expansion {
        Expansion { by: by.to_vec(), only: only.map(str::to_owned) }
    }

    #[test]
    fn it_is_a_rule_over_persons() {
        let accounts = SegmentId::parse("seg_a").unwrap();
        let both = [PeopleBy::People, PeopleBy::MatchedPeople];
        assert_eq!(
            expansion(&both, Some("person.job_title == \"CIO\" || true")).rule(&accounts),
            "(person.components.exists(c, !c.is_matched && c.account.inAudience(\"seg_a\")) || person.matched_account.inAudience(\"seg_a\")) \
             && (person.job_title == \"CIO\" || true)"
        );
    }

    #[test]
    fn ways_are_named_once_and_as_segments_name_them() {
        assert!(expansion(&[], None).check().unwrap_err().contains("people_by_role"));
        let twice = expansion(&[PeopleBy::People, PeopleBy::PeopleByRole, PeopleBy::People], None);
        assert_eq!(twice.check().unwrap_err(), "names people twice");
        assert_eq!(expansion(&PeopleBy::ALL, None).check(), Ok(()));
        for way in PeopleBy::ALL {
            assert_eq!(serde_json::to_value(way).unwrap(), way.name());
        }
    }
}
