//! The source key: which record of which system. `<id>@<instance>.<Type>`, the identity value everywhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which vendor instance a connection is: the system's kind and the instance's id there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// `Marketo`, `Salesforce`: letters and digits.
    pub system: String,
    /// The munchkin id, the organisation's id. No `@`.
    pub id: String,
}

/// Names one source record. Never collides: two records have the same text only if system, instance and id are the same.
/// A system that numbers kinds of things apart sets them apart in the id (`7.mkto_org`, `7.mkto_acct`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourceKey {
    pub id: String,
    pub instance: Instance,
}

/// Why something is no source key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    #[error("a source key is <id>@<instance>.<Type>")]
    Shape,
    #[error("the id `{0}` stands for no record")]
    NoRecord(String),
    #[error("a source key has at most {} bytes", SourceKey::BYTES_MAX)]
    TooLong,
    #[error("a source key has no control characters, and no space around its parts")]
    Characters,
}

impl SourceKey {
    /// Most bytes of the text form.
    pub const BYTES_MAX: usize = 1024;

    /// What systems and half-filled templates write where there is no id.
    const NO_RECORD: [&str; 5] = ["null", "undefined", "none", "anonymous", "invalid"];

    /// Checks the parts.
    pub fn new(id: &str, instance: &Instance) -> Result<Self, KeyProblem> {
        let Instance { system, id: instance_id } = instance;
        let named = !system.is_empty() && system.bytes().all(|b| b.is_ascii_alphanumeric());
        if id.is_empty() || instance_id.is_empty() || instance_id.contains('@') || !named {
            return Err(KeyProblem::Shape);
        }
        if id.len() + instance_id.len() + system.len() + 2 > Self::BYTES_MAX {
            return Err(KeyProblem::TooLong);
        }
        let plain = |part: &str| part.trim() == part && !part.contains(char::is_control);
        if !plain(id) || !plain(instance_id) {
            return Err(KeyProblem::Characters);
        }
        if Self::NO_RECORD.iter().any(|word| id.eq_ignore_ascii_case(word)) {
            return Err(KeyProblem::NoRecord(id.to_owned()));
        }
        Ok(Self { id: id.to_owned(), instance: instance.clone() })
    }

    /// The text form. The id comes first and may hold anything; the last `@` and the last `.` divide.
    #[must_use]
    pub fn format(id: &str, instance: &Instance) -> String {
        format!("{id}@{}.{}", instance.id, instance.system)
    }

    /// Reads the text form.
    pub fn read(text: &str) -> Result<Self, KeyProblem> {
        let (id, rest) = text.rsplit_once('@').ok_or(KeyProblem::Shape)?;
        let (instance, system) = rest.rsplit_once('.').ok_or(KeyProblem::Shape)?;
        Self::new(id, &Instance { system: system.to_owned(), id: instance.to_owned() })
    }

    /// Reads the text form; `None` if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::read(text).ok()
    }

    /// The part that names the instance, `<instance>.<Type>`: records with the same come from the same place.
    #[must_use]
    pub fn instance_of(text: &str) -> Option<&str> {
        text.rsplit_once('@').map(|(_, instance)| instance)
    }
}

impl std::fmt::Display for SourceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&Self::format(&self.id, &self.instance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_and_parts_agree() {
        let instance = Instance { system: "Marketo".into(), id: "123-ABC-456".into() };
        for id in ["7", "7.mkto_org", "a@b.c", "00Q5e"] {
            let text = SourceKey::format(id, &instance);
            let key = SourceKey::parse(&text).unwrap();
            assert_eq!((key.id.as_str(), &key.instance), (id, &instance));
            assert_eq!((key.to_string(), SourceKey::instance_of(&text)), (text.clone(), Some("123-ABC-456.Marketo")));
        }
    }

    #[test]
    fn what_is_no_key_is_told_apart() {
        use KeyProblem::{Characters, NoRecord, Shape, TooLong};
        for bad in ["", "7", "7@", "7@x", "@x.Marketo", "7@x.", "7@.Marketo", "7@x.Mar keto"] {
            assert_eq!(SourceKey::read(bad), Err(Shape), "{bad}");
        }
        assert_eq!(SourceKey::read("null@x.Marketo"), Err(NoRecord("null".into())));
        assert_eq!(SourceKey::read("7\0@x.Marketo"), Err(Characters));
        assert_eq!(SourceKey::read(" 7@x.Marketo"), Err(Characters));
        assert_eq!(SourceKey::read(&format!("{}@x.Marketo", "7".repeat(1020))), Err(TooLong));
    }

    proptest! {
        /// Equal lead ids of two instances, and a lead, a company and a named account of one id, are different keys.
        #[test]
        fn keys_never_collide(
            a in ("[0-9@.a]{1,4}", "[0-9.-]{1,3}", "[MS][a-z]?"),
            b in ("[0-9@.a]{1,4}", "[0-9.-]{1,3}", "[MS][a-z]?"),
        ) {
            let text = |(id, instance, system): &(String, String, String)| {
                SourceKey::format(id, &Instance { system: system.clone(), id: instance.clone() })
            };
            prop_assert_eq!(text(&a) == text(&b), a == b);
            let key = SourceKey::read(&text(&a)).unwrap();
            prop_assert_eq!((key.id, key.instance.id, key.instance.system), a);
        }
    }
}
