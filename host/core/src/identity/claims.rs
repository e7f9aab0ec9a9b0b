//! What names the thing a record speaks of: read from its row by the roles of the model's fields.

use super::Identity;
use crate::key::SourceKey;
use crate::model::{EntityKind, Role};
use crate::value::Value;
use std::borrow::Cow;

/// An identity, and the field of the record that says it: half of a link's evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub identity: Identity,
    /// `source_key` for the record's own key, else a field of the model or a custom attribute.
    pub field: Cow<'static, str>,
}

/// A value that should have named somebody and does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimProblem {
    pub field: &'static str,
    pub problem: String,
}

/// Most identities of one record; those of further devices are left out.
pub const CLAIMS_MAX: usize = 20;

/// The identities of a record, its own key first, each once. A value that is none is reported and left out: a wrong
/// address is no reason to lose a record.
#[must_use]
pub fn claims(kind: EntityKind, source_key: &str, row: &[Value]) -> (Vec<Claim>, Vec<ClaimProblem>) {
    let own = Claim { identity: Identity::source_key(source_key), field: Identity::SOURCE_KEY.into() };
    let (mut claims, mut problems) = (vec![own], Vec::new());
    for (field, value) in kind.entity().fields.iter().zip(row) {
        let named = match field.role {
            Role::Plain | Role::Reference => continue,
            Role::Email => texts(value).map(|text| (text, email(text))).collect(),
            Role::Ecid => texts(value).map(|text| (text, ecid(text))).collect(),
            Role::SameAs => texts(value).map(|text| (text, same_as(text))).collect::<Vec<_>>(),
        };
        for (text, identity) in named {
            match identity {
                Err(_) if text.trim().is_empty() => {}
                Err(problem) => problems.push(ClaimProblem { field: field.name, problem }),
                Ok(identity) if claims.iter().any(|c| c.identity == identity) => {}
                Ok(_) if claims.len() == CLAIMS_MAX => {
                    let problem = format!("a record has at most {CLAIMS_MAX} identities: the rest is left out");
                    if problems.last().is_none_or(|p: &ClaimProblem| p.problem != problem) {
                        problems.push(ClaimProblem { field: field.name, problem });
                    }
                }
                Ok(identity) => claims.push(Claim { identity, field: field.name.into() }),
            }
        }
    }
    (claims, problems)
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let list: &[String] = if let Value::TextList(list) = value { list } else { &[] };
    value.as_text().into_iter().chain(list.iter().map(String::as_str))
}

fn email(text: &str) -> Result<Identity, String> {
    Identity::email(text).ok_or_else(|| "is no e-mail address".to_owned())
}

fn ecid(text: &str) -> Result<Identity, String> {
    Identity::ecid(text).ok_or_else(|| "is no ECID: 38 digits".to_owned())
}

fn same_as(text: &str) -> Result<Identity, String> {
    SourceKey::read(text).map(|key| Identity::source_key(&key.to_string())).map_err(|problem| problem.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PERSON, person_slot};

    fn row(values: &[(&str, Value)]) -> Vec<Value> {
        let mut row = vec![Value::Null; PERSON.len()];
        for (name, value) in values {
            row[person_slot(name).unwrap()] = value.clone();
        }
        row
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn a_record_is_named_by_its_key_and_what_its_fields_say() {
        let device = "1".repeat(38);
        let row = row(&[
            ("email", text(" Ann@X.com")),
            ("external_key", text("003A@00D1.Salesforce")),
            ("converted_contact_key", text("003A@00D1.Salesforce")),
            ("account_key", text("7.mkto_org@1.Marketo")),
            ("ecids", Value::TextList(vec![device.clone(), "123".into(), String::new()])),
        ]);
        let (claims, problems) = claims(EntityKind::Person, "7@1.Marketo", &row);
        let said: Vec<(&str, &str)> = claims.iter().map(|c| (&*c.field, c.identity.value.as_str())).collect();
        assert_eq!(
            said,
            [
                ("source_key", "7@1.Marketo"),
                ("email", "ann@x.com"),
                ("external_key", "003A@00D1.Salesforce"),
                ("ecids", device.as_str()),
            ]
        );
        assert_eq!(problems, [ClaimProblem { field: "ecids", problem: "is no ECID: 38 digits".into() }]);
    }

    #[test]
    fn what_names_nobody_is_reported() {
        let row = row(&[("email", text("nobody")), ("external_key", text("null@00D1.Salesforce"))]);
        let (claims, problems) = claims(EntityKind::Person, "7@1.Marketo", &row);
        assert_eq!(claims.len(), 1);
        assert_eq!(problems.iter().map(|p| p.field).collect::<Vec<_>>(), ["email", "external_key"]);
    }

    #[test]
    fn a_record_with_a_hundred_devices_keeps_the_first() {
        let devices = (0..100).map(|i| format!("{i:038}")).skip(1).collect();
        let (claims, problems) =
            claims(EntityKind::Person, "7@1.Marketo", &row(&[("ecids", Value::TextList(devices))]));
        assert_eq!((claims.len(), problems.len()), (CLAIMS_MAX, 1));
        assert_eq!(claims[1].identity.value, format!("{:038}", 1));
    }
}
