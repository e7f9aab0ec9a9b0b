//! What members are known by: the vendor's words for one, and ours.

use crate::ledger::Row;
use crate::{DataType, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// A member as a page told it: what it is compared by, and how it is shown. Nobody's values are kept: a member may be a
/// stranger's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadMember {
    /// A key for each identifier, the vendor's first one first; none: there is nothing to know it by.
    pub keys: Vec<u64>,
    pub shown: String,
}

/// Identifiers of a member at most; a vendor has one or two.
const IDENTIFIERS_MAX: usize = 16;
/// Characters of a name that is shown.
const SHOWN_MAX: usize = 200;

/// What is kept of a member; `identifiers`: values by field, as the vendor has them.
#[must_use]
pub fn read_member(identifiers: &[(String, String)]) -> ReadMember {
    let told = || identifiers.iter().filter(|(_, value)| !value.trim().is_empty()).take(IDENTIFIERS_MAX);
    let shown: Vec<String> = told().map(|(field, value)| format!("{field} {}", masked(value.trim()))).collect();
    ReadMember {
        keys: told().map(|(field, value)| key(field, value)).collect(),
        shown: shown.join(", ").chars().take(SHOWN_MAX).collect(),
    }
}

/// What tells a person is not shown: of an address its first letter and its domain, of a hash its beginning.
fn masked(value: &str) -> String {
    match value.rsplit_once('@') {
        Some((name, domain)) => format!("{}…@{domain}", name.chars().next().unwrap_or('…')),
        None if is_hash(value) => value.chars().take(8).chain(['…']).collect(),
        None => value.to_owned(),
    }
}

fn is_hash(value: &str) -> bool {
    value.len() >= 32 && value.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Keys that a member of ours may be found by, where the vendor tells members by these fields: by what the vendor called
/// it, and by the row that was acknowledged, as it is and as a hash of it.
#[must_use]
pub fn known_by(fields: &BTreeSet<String>, member_id: Option<&str>, held: Option<&Row>) -> Vec<u64> {
    let mut keys = Vec::new();
    for field in fields {
        keys.extend(member_id.map(|id| key(field, id)));
        for value in held.and_then(|row| row.get(field)).map(texts).unwrap_or_default() {
            keys.push(key(field, &value));
            keys.push(key(field, &hex::encode(Sha256::digest(normal(&value)))));
        }
    }
    keys
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::TextList(items) => items.clone(),
        single => match single.clone().cast(DataType::Text) {
            Some(Value::Text(text)) => vec![text],
            _ => Vec::new(),
        },
    }
}

/// 64 bits of a hash that is the same in every version and on every machine. Two of a million members share one with a
/// chance of one in forty million.
fn key(field: &str, value: &str) -> u64 {
    let mut hash = Sha256::new();
    hash.update(field);
    hash.update([0_u8]);
    hash.update(normal(value));
    hash.finalize().iter().take(8).fold(0, |key, byte| (key << 8) | u64::from(*byte))
}

/// Vendors keep addresses with other capitals than they were sent.
fn normal(value: &str) -> String {
    value.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(identifiers: &[(&str, &str)]) -> ReadMember {
        let owned: Vec<_> = identifiers.iter().map(|(f, v)| ((*f).to_owned(), (*v).to_owned())).collect();
        read_member(&owned)
    }

    fn fields() -> BTreeSet<String> {
        ["email", "id"].map(str::to_owned).into()
    }

    fn row(field: &str, value: Value) -> Row {
        Row::from([(field.to_owned(), value)])
    }

    #[test]
    fn a_member_is_known_by_the_vendors_name_for_it_or_by_its_row() {
        let there = told(&[("id", "17"), ("email", "Ann@X.com")]);
        let finds = |id: Option<&str>, row: Option<Row>| {
            known_by(&fields(), id, row.as_ref()).iter().any(|key| there.keys.contains(key))
        };
        assert!(finds(Some("17"), None), "by its id, whichever field the vendor tells it by");
        assert!(finds(None, Some(row("email", Value::Text(" ann@x.COM".into())))));
        assert!(finds(None, Some(row("id", Value::Integer(17)))));
        assert!(finds(None, Some(row("email", Value::TextList(vec!["b@x.com".into(), "ann@x.com".into()])))));
        assert!(!finds(Some("18"), Some(row("email", Value::Text("bob@x.com".into())))));
        assert!(!finds(None, Some(row("name", Value::Text("ann@x.com".into())))), "nobody is told by a name");
        assert!(!finds(None, None));
    }

    #[test]
    fn who_is_kept_as_a_hash_is_known_by_it() {
        let hash = hex::encode(Sha256::digest("ann@x.com"));
        let there = told(&[("email", &hash)]);
        let keys = known_by(&fields(), None, Some(&row("email", Value::Text("Ann@x.com".into()))));
        assert!(keys.iter().any(|key| there.keys.contains(key)));
        assert_eq!(there.shown.chars().count(), "email ".len() + 9, "{}", there.shown);
    }

    #[test]
    fn what_is_shown_of_a_stranger_tells_nobody() {
        assert_eq!(told(&[("id", "17"), ("email", "ann.lee@x.com")]).shown, "id 17, email a…@x.com");
        assert_eq!(told(&[("email", " ")]), ReadMember { keys: Vec::new(), shown: String::new() });
    }
}
