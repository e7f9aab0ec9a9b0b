//! The rules of identity, as data: which namespaces join records, how strongly, and what stops them.

use super::Identity;
use crate::model::EntityName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Rules for one kind of thing (persons, accounts ...). Published as a whole: a change is a new version, tried on the
/// stored records before it holds (`what_if`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "IdentityRules")]
#[serde(deny_unknown_fields)]
pub struct Rules {
    pub version: u32,
    /// A namespace that is not here names things for look-up and joins nothing.
    pub namespaces: BTreeMap<String, NamespaceRules>,
    /// Most different identities in one profile: a link that would make more is refused.
    pub identities_max: u32,
    /// Most records of one vendor instance in one profile; absent: any number. One system rarely knows somebody twice,
    /// so a small number is the strongest guard against collapse, and keeps true duplicates apart as well.
    #[serde(default)]
    pub instance_records_max: Option<u32>,
    /// Most records that hang together in any way. Where there are more, only firm namespaces join; where they alone
    /// connect more, none does. So no graph is ever larger than this, and every step is bounded.
    pub connected_records_max: u32,
}

/// How one namespace joins records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamespaceRules {
    /// Smaller is stronger: its links are made first, so that weaker ones are refused where the two disagree.
    pub priority: u32,
    /// Whether records that share a value are one. Off, a namespace still names for look-up, and its `values_max` still
    /// keeps apart what differs: a last name, a country.
    pub joins: bool,
    /// Whether it joins where too many records hang together.
    #[serde(default)]
    pub firm: bool,
    /// Most different values in one profile; absent: any number.
    #[serde(default)]
    pub values_max: Option<u32>,
    /// Most records that may share a value. A value of more is shared by different people, and joins nobody.
    pub records_max: u32,
    /// Fields whose values are of this namespace, beside those that the model marks: of the model, or custom attributes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// Values that join nobody: exact, or with `*` for any text (`info@*`). Upper and lower case are the same.
    #[serde(default)]
    pub blocked: Vec<String>,
}

/// What a value may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Joins,
    /// Found by it, not joined by it.
    LookUp,
    Blocked,
}

/// Why rules cannot be taken: where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct RulesProblem {
    pub path: String,
    pub problem: String,
}

impl Rules {
    /// Those that hold for an entity until others are published.
    #[must_use]
    pub fn usual(entity: &EntityName) -> Self {
        if *entity == EntityName::PERSON { Self::person() } else { Self::keyed() }
    }

    /// For persons: keys before devices before addresses. An address that more than ten records carry is a shared one.
    #[must_use]
    pub fn person() -> Self {
        let email = NamespaceRules { records_max: 10, values_max: Some(10), ..NamespaceRules::weak(30) };
        let ecid = NamespaceRules { records_max: 10, ..NamespaceRules::weak(20) };
        Self {
            namespaces: [
                (Identity::SOURCE_KEY.to_owned(), NamespaceRules::firm(10)),
                (Identity::ECID.to_owned(), ecid),
                (Identity::EMAIL.to_owned(), email),
            ]
            .into(),
            ..Self::keyed()
        }
    }

    /// For accounts, opportunities and the rest: by key only.
    #[must_use]
    pub fn keyed() -> Self {
        Self {
            version: 1,
            namespaces: [(Identity::SOURCE_KEY.to_owned(), NamespaceRules::firm(10))].into(),
            identities_max: 200,
            instance_records_max: None,
            connected_records_max: 1_000,
        }
    }

    /// What an identity may do under these rules.
    #[must_use]
    pub fn standing(&self, identity: &Identity) -> Standing {
        match self.namespaces.get(&identity.namespace) {
            _ if stands_for_nothing(&identity.value) => Standing::Blocked,
            None => Standing::LookUp,
            Some(rules) if rules.blocked.iter().any(|pattern| matches(pattern, &identity.value)) => Standing::Blocked,
            Some(rules) if rules.joins => Standing::Joins,
            Some(_) => Standing::LookUp,
        }
    }

    /// Everything that is wrong, or nothing.
    pub fn check(&self) -> Result<(), Vec<RulesProblem>> {
        let mut problems = Vec::new();
        let mut at_least = |path: String, value: Option<u32>, least: u32| {
            if value.is_some_and(|v| v < least) {
                problems.push(RulesProblem { path, problem: format!("must be at least {least}") });
            }
        };
        at_least("identities_max".into(), Some(self.identities_max), 2);
        at_least("instance_records_max".into(), self.instance_records_max, 1);
        at_least("connected_records_max".into(), Some(self.connected_records_max), 2);
        for (name, rules) in &self.namespaces {
            at_least(format!("namespaces.{name}.values_max"), rules.values_max, 1);
            at_least(format!("namespaces.{name}.records_max"), Some(rules.records_max), 1);
        }
        for (name, rules) in &self.namespaces {
            if rules.records_max > self.connected_records_max {
                let path = format!("namespaces.{name}.records_max");
                problems.push(RulesProblem { path, problem: "must not be over connected_records_max".into() });
            }
            if let Some(i) = rules.blocked.iter().position(|pattern| pattern.trim_matches('*').is_empty()) {
                let path = format!("namespaces.{name}.blocked[{i}]");
                problems.push(RulesProblem { path, problem: "blocks everything: set `joins` to false instead".into() });
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    pub(super) fn of(&self, namespace: &str) -> Option<&NamespaceRules> {
        self.namespaces.get(namespace)
    }

    /// Whether records that share it are joined at this level, if few enough carry it.
    pub(super) fn joins_at(&self, identity: &Identity, level: super::Level) -> bool {
        let firm = || self.of(&identity.namespace).is_some_and(|rules| rules.firm);
        let reaches = match level {
            super::Level::Full => true,
            super::Level::Firm => firm(),
            super::Level::Alone => false,
        };
        reaches && self.standing(identity) == Standing::Joins
    }
}

impl NamespaceRules {
    fn firm(priority: u32) -> Self {
        Self { firm: true, records_max: 50, ..Self::weak(priority) }
    }

    fn weak(priority: u32) -> Self {
        Self {
            priority,
            joins: true,
            firm: false,
            values_max: None,
            records_max: 10,
            fields: Vec::new(),
            blocked: Vec::new(),
        }
    }
}

/// What systems write where there is no value, and numbers that are nothing but zeros.
fn stands_for_nothing(value: &str) -> bool {
    const WORDS: [&str; 8] = ["null", "nil", "none", "undefined", "anonymous", "invalid", "unknown", "n/a"];
    value.bytes().all(|b| b == b'0' || b == b'-') || WORDS.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// Whether a value is of a pattern, in which `*` stands for any text.
fn matches(pattern: &str, value: &str) -> bool {
    let (pattern, value) = (pattern.to_lowercase(), value.to_lowercase());
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == value };
    let Some(mut value) = value.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match value.find(part) {
            Some(at) => value = value.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    value.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_whole_values_with_stars() {
        for (pattern, value, expected) in [
            ("info@x.com", "INFO@x.com", true),
            ("info@x.com", "info@x.com.org", false),
            ("info@*", "info@x.com", true),
            ("info@*", "ainfo@x.com", false),
            ("*@x.com", "a@x.com", true),
            ("*@x.com", "a@x.com.org", false),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, value), expected, "{pattern} {value}");
        }
    }

    #[test]
    fn words_and_zeros_join_nobody() {
        let rules = Rules::person();
        let standing = |namespace: &str, value: &str| {
            rules.standing(&Identity { namespace: namespace.into(), value: value.into() })
        };
        assert_eq!(standing("email", "a@x.com"), Standing::Joins);
        assert_eq!(standing("shoe", "44"), Standing::LookUp);
        for nothing in ["NULL", "", "0000", "00-00", "n/a", "unknown"] {
            assert_eq!(standing("email", nothing), Standing::Blocked, "{nothing}");
        }
        let mut rules = Rules::person();
        rules.namespaces.get_mut("email").unwrap().blocked.push("info@*".into());
        assert_eq!(rules.standing(&Identity::email("info@x.com").unwrap()), Standing::Blocked);
    }

    #[test]
    fn rules_are_checked_and_refuse_unknown_keys() {
        for rules in [Rules::person(), Rules::keyed()] {
            assert_eq!(rules.check(), Ok(()));
            let text = serde_json::to_string(&rules).unwrap();
            assert_eq!(serde_json::from_str::<Rules>(&text).unwrap(), rules);
            let typo = text.replacen("identities_max", "identities_maximum", 1);
            assert!(serde_json::from_str::<Rules>(&typo).is_err());
        }
        let check = |change: &dyn Fn(&mut Rules), expected: &str| {
            let mut rules = Rules::person();
            change(&mut rules);
            let problems = rules.check().unwrap_err();
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert_eq!(problems[0].path, expected);
        };
        check(&|r| r.identities_max = 1, "identities_max");
        check(&|r| r.instance_records_max = Some(0), "instance_records_max");
        check(&|r| r.namespaces.get_mut("email").unwrap().values_max = Some(0), "namespaces.email.values_max");
        check(&|r| r.namespaces.get_mut("email").unwrap().records_max = 0, "namespaces.email.records_max");
        check(&|r| r.connected_records_max = 49, "namespaces.source_key.records_max");
        check(
            &|r| r.namespaces.get_mut("ecid").unwrap().blocked = vec!["x".into(), "**".into()],
            "namespaces.ecid.blocked[1]",
        );
    }
}
