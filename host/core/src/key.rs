//! The source key: which record of which system. `<id>@<instance>.<Type>`, the identity value everywhere.

use serde::{Deserialize, Serialize};

/// Which vendor instance a connection is: the system's kind and the instance's id there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// `Marketo`, `Salesforce`: letters and digits.
    pub system: String,
    /// The munchkin id, the organisation's id. No `@`.
    pub id: String,
}

/// Names one source record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourceKey {
    pub id: String,
    pub instance: Instance,
}

impl SourceKey {
    /// The text form. The id comes first and may hold anything; the last `@` and the last `.` divide.
    #[must_use]
    pub fn format(id: &str, instance: &Instance) -> String {
        format!("{id}@{}.{}", instance.id, instance.system)
    }

    /// Reads the text form; `None` if a part is missing.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (id, rest) = text.rsplit_once('@')?;
        let (instance, system) = rest.rsplit_once('.')?;
        let whole = !id.is_empty() && !instance.is_empty() && !system.is_empty();
        let named = system.bytes().all(|b| b.is_ascii_alphanumeric());
        (whole && named).then(|| Self {
            id: id.to_owned(),
            instance: Instance { system: system.to_owned(), id: instance.to_owned() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_parts_agree() {
        let instance = Instance { system: "Marketo".into(), id: "123-ABC-456".into() };
        for id in ["7", "7.mkto_org", "a@b.c", "00Q5e"] {
            let text = SourceKey::format(id, &instance);
            let key = SourceKey::parse(&text).unwrap();
            assert_eq!((key.id.as_str(), &key.instance), (id, &instance));
        }
        for bad in ["", "7", "7@", "7@x", "@x.Marketo", "7@x.", "7@.Marketo", "7@x.Mar keto"] {
            assert_eq!(SourceKey::parse(bad), None, "{bad}");
        }
    }
}
