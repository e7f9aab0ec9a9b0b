//! Whether a value may stand in a field: what a mapping's result is checked against, so that a wrong value is an error of
//! that field and not a surprise in a segment.

use super::{Field, Role};
use crate::identity::Identity;
use crate::key::{KeyProblem, SourceKey};
use crate::value::{DataType, Value};

/// Why a value may not stand in a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldProblem {
    #[error("is {given:?}, and the field is {wanted:?}")]
    Type { wanted: DataType, given: DataType },
    #[error("is none of {}", .0.join(", "))]
    NotAllowed(Vec<String>),
    #[error(transparent)]
    Key(#[from] KeyProblem),
    #[error("is no e-mail address")]
    Email,
    #[error("has an item that is no ECID: 38 digits")]
    Ecid,
    #[error("is no currency: three capitals of ISO 4217")]
    Currency,
}

impl Field {
    /// Null may stand anywhere.
    pub fn accepts(&self, value: &Value) -> Result<(), FieldProblem> {
        let Some(given) = value.data_type() else { return Ok(()) };
        if given != self.data_type {
            return Err(FieldProblem::Type { wanted: self.data_type, given });
        }
        if let Some(text) = value.as_text() {
            return self.accepts_text(text);
        }
        match (self.role, value) {
            (Role::Reference, Value::TextList(list)) => {
                Ok(list.iter().try_for_each(|item| SourceKey::read(item).map(drop))?)
            }
            (Role::Ecid, Value::TextList(list)) if list.iter().any(|item| Identity::ecid(item).is_none()) => {
                Err(FieldProblem::Ecid)
            }
            _ => Ok(()),
        }
    }

    fn accepts_text(&self, text: &str) -> Result<(), FieldProblem> {
        if !self.values.is_empty() && !self.values.contains(&text) {
            return Err(FieldProblem::NotAllowed(self.values.iter().map(|v| (*v).to_owned()).collect()));
        }
        let currency = self.path.ends_with("urrencyCode");
        match self.role {
            Role::SameAs | Role::Reference | Role::Key => Ok(SourceKey::read(text).map(drop)?),
            Role::Email if Identity::email(text).is_none() => Err(FieldProblem::Email),
            Role::Plain if currency && !(text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase())) => {
                Err(FieldProblem::Currency)
            }
            Role::Plain | Role::Email | Role::Ecid => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{EntityKind, slot};
    use super::*;

    #[test]
    fn values_are_of_the_type_and_name_what_they_should() {
        let check = |kind: EntityKind, field: &str, value: Value| {
            kind.entity().fields[slot(kind, field).unwrap()].accepts(&value)
        };
        let text = |text: &str| Value::Text(text.into());
        let person = |field: &str, value: Value| check(EntityKind::Person, field, value);
        let number = FieldProblem::Type { wanted: DataType::Integer, given: DataType::Text };
        assert_eq!(person("person_score", text("7")), Err(number));
        assert_eq!(person("person_score", Value::Null), Ok(()));
        assert_eq!(person("person_type", text("Lead")), Ok(()));
        assert_eq!(
            person("person_type", text("lead")),
            Err(FieldProblem::NotAllowed(vec!["Lead".into(), "Contact".into()]))
        );
        assert_eq!(person("external_key", text("003@00D.Salesforce")), Ok(()));
        assert_eq!(person("external_key", text("003")), Err(FieldProblem::Key(KeyProblem::Shape)));
        assert_eq!(
            person("account_key", text("null@1.M")),
            Err(FieldProblem::Key(KeyProblem::NoRecord("null".into())))
        );
        assert_eq!(person("email", text("nobody")), Err(FieldProblem::Email));
        assert_eq!(person("ecids", Value::TextList(vec!["1".repeat(38), "2".into()])), Err(FieldProblem::Ecid));
        assert_eq!(person("ecids", Value::TextList(vec!["1".repeat(38)])), Ok(()));
        let related = |keys: &[&str]| {
            let keys = keys.iter().map(|key| (*key).to_owned()).collect();
            check(EntityKind::Account, "related_account_keys", Value::TextList(keys))
        };
        assert_eq!((related(&[]), related(&["1@m.S", "2@m.S"])), (Ok(()), Ok(())));
        assert_eq!(related(&["1@m.S", "2"]), Err(FieldProblem::Key(KeyProblem::Shape)));
        let currency = |code: &str| check(EntityKind::Opportunity, "amount_currency", text(code));
        assert_eq!((currency("EUR"), currency("euro")), (Ok(()), Err(FieldProblem::Currency)));
    }
}
