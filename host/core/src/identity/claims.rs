//! What names the thing a record speaks of: read from its row by the roles of the model's fields, and by the fields that
//! the rules name.

use super::{Identity, Rules, RulesProblem};
use crate::key::SourceKey;
use crate::model::{Layout, Role};
use crate::value::{DataType, Value};
use std::borrow::Cow;
use std::sync::Arc;

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
    pub field: Cow<'static, str>,
    pub problem: String,
}

/// Most identities of one record; those of further devices are left out.
pub const CLAIMS_MAX: usize = 20;

/// Reads the identities of an entity's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimReader {
    layout: Arc<Layout>,
    /// What the rules name beside the model.
    named: Vec<Named>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    namespace: String,
    field: String,
    slot: usize,
}

impl ClaimReader {
    /// By the layout alone.
    #[must_use]
    pub fn of_model(layout: &Arc<Layout>) -> Self {
        Self { layout: Arc::clone(layout), named: Vec::new() }
    }

    /// By the layout and by the fields that the rules name.
    ///
    /// # Errors
    /// Fields that the entity does not have, or that hold what names nobody.
    pub fn new(layout: &Arc<Layout>, rules: &Rules) -> Result<Self, Vec<RulesProblem>> {
        let (mut reader, mut problems) = (Self::of_model(layout), Vec::new());
        for (namespace, field) in
            rules.namespaces.iter().flat_map(|(name, rules)| rules.fields.iter().map(move |field| (name, field)))
        {
            let problem = match layout.find(field) {
                Some((slot, known)) => match known.data_type {
                    DataType::Text | DataType::Integer | DataType::TextList => {
                        reader.named.push(Named { namespace: namespace.clone(), field: field.clone(), slot });
                        continue;
                    }
                    other => format!("`{field}` is {other:?}: only text and whole numbers name somebody"),
                },
                None => format!("{} has no field `{field}`", layout.entity()),
            };
            problems.push(RulesProblem { path: format!("namespaces.{namespace}.fields"), problem });
        }
        if problems.is_empty() { Ok(reader) } else { Err(problems) }
    }

    /// The identities of a record, its own key first, each once. A value that is none is reported and left out: a wrong
    /// address is no reason to lose a record.
    #[must_use]
    pub fn read(&self, source_key: &str, row: &[Value]) -> (Vec<Claim>, Vec<ClaimProblem>) {
        let own = Claim { identity: Identity::source_key(source_key), field: Identity::SOURCE_KEY.into() };
        let mut said = Said { claims: vec![own], problems: Vec::new() };
        // Before the model's own, of which there may be too many.
        for Named { namespace, field, slot } in &self.named {
            let texts = row.get(*slot).into_iter().flat_map(texts);
            texts.for_each(|text| said.note(field.clone().into(), &text, Identity::read(namespace, &text)));
        }
        for (field, value) in self.layout.fields().iter().zip(row) {
            let namespace = match field.role {
                Role::Plain | Role::Reference | Role::Key => continue,
                Role::Email => Identity::EMAIL,
                Role::Ecid => Identity::ECID,
                Role::SameAs => Identity::SOURCE_KEY,
            };
            texts(value).for_each(|text| said.note(field.name.clone(), &text, Identity::read(namespace, &text)));
        }
        (said.claims, said.problems)
    }
}

struct Said {
    claims: Vec<Claim>,
    problems: Vec<ClaimProblem>,
}

impl Said {
    fn note(&mut self, field: Cow<'static, str>, text: &str, identity: Result<Identity, String>) {
        match identity {
            Err(_) if text.trim().is_empty() => {}
            Err(problem) => self.problems.push(ClaimProblem { field, problem }),
            Ok(identity) if self.claims.iter().any(|c| c.identity == identity) => {}
            Ok(_) if self.claims.len() == CLAIMS_MAX => {
                let problem = format!("a record has at most {CLAIMS_MAX} identities: the rest is left out");
                if self.problems.last().is_none_or(|p| p.problem != problem) {
                    self.problems.push(ClaimProblem { field, problem });
                }
            }
            Ok(identity) => self.claims.push(Claim { identity, field }),
        }
    }
}

fn texts(value: &Value) -> impl Iterator<Item = Cow<'_, str>> {
    let list: &[String] = if let Value::TextList(list) = value { list } else { &[] };
    let number = if let Value::Integer(number) = value { Some(Cow::from(number.to_string())) } else { None };
    value.as_text().map(Cow::from).into_iter().chain(number).chain(list.iter().map(Cow::from))
}

impl Identity {
    /// An identity in the form it is kept in: addresses, devices and keys in theirs, everything else trimmed and in lower
    /// case.
    ///
    /// # Errors
    /// What the text is not.
    pub fn read(namespace: &str, text: &str) -> Result<Self, String> {
        match namespace {
            Self::EMAIL => Self::email(text).ok_or_else(|| "is no e-mail address".to_owned()),
            Self::ECID => Self::ecid(text).ok_or_else(|| "is no ECID: 38 digits".to_owned()),
            Self::SOURCE_KEY => {
                SourceKey::read(text).map(|key| Self::source_key(&key.to_string())).map_err(|e| e.to_string())
            }
            _ => {
                let value = text.trim().to_lowercase();
                let fits =
                    !value.is_empty() && value.len() <= SourceKey::BYTES_MAX && !value.contains(char::is_control);
                fits.then(|| Self { namespace: namespace.to_owned(), value }).ok_or_else(|| "names nobody".to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::custom::{Custom, CustomAttribute, CustomField};
    use crate::model::{EntityKind, EntityName, PERSON, person_slot};

    fn row(values: &[(&str, Value)]) -> Vec<Value> {
        let mut row = vec![Value::Null; PERSON.len()];
        for (name, value) in values {
            row[person_slot(name).unwrap()] = value.clone();
        }
        row
    }

    fn claims(source_key: &str, row: &[Value]) -> (Vec<Claim>, Vec<ClaimProblem>) {
        ClaimReader::of_model(&Layout::of(EntityKind::Person)).read(source_key, row)
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
        let (claims, problems) = claims("7@1.Marketo", &row);
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
        assert_eq!(problems, [ClaimProblem { field: "ecids".into(), problem: "is no ECID: 38 digits".into() }]);
    }

    #[test]
    fn what_names_nobody_is_reported() {
        let row = row(&[("email", text("nobody")), ("external_key", text("null@00D1.Salesforce"))]);
        let (claims, problems) = claims("7@1.Marketo", &row);
        assert_eq!(claims.len(), 1);
        assert_eq!(problems.iter().map(|p| &*p.field).collect::<Vec<_>>(), ["email", "external_key"]);
    }

    /// `identity.value`: what is longer is no identity of any namespace.
    #[test]
    fn a_value_that_is_too_long_names_nobody() {
        const MOST: usize = 1_024;
        let of = |namespace: &str, head: &str, tail: &str, length: usize| {
            let value = format!("{head}{}{tail}", "x".repeat(length - head.len() - tail.len()));
            Identity::read(namespace, &value).is_ok()
        };
        let namespaces =
            [("customer", "", ""), (Identity::EMAIL, "a@", ".example"), (Identity::SOURCE_KEY, "1", "@m.Marketo")];
        for (namespace, head, tail) in namespaces {
            assert!(of(namespace, head, tail, MOST), "{namespace}");
            assert!(!of(namespace, head, tail, MOST + 1), "{namespace}");
        }
        let long = format!("a@{}.example", "x".repeat(MOST));
        let (claims, problems) = claims("7@1.Marketo", &row(&[("email", text(&long))]));
        assert_eq!((claims.len(), problems.len()), (1, 1), "the record's own key is left");
    }

    /// `record.identities`.
    #[test]
    fn a_record_with_a_hundred_devices_keeps_the_first() {
        let devices = (0..100).map(|i| format!("{i:038}")).skip(1).collect();
        let (claims, problems) = claims("7@1.Marketo", &row(&[("ecids", Value::TextList(devices))]));
        assert_eq!((claims.len(), problems.len()), (CLAIMS_MAX, 1));
        assert_eq!(claims[1].identity.value, format!("{:038}", 1));
    }

    /// A customer number of the operator's own joins; a last name only keeps apart.
    #[test]
    fn rules_name_fields_beside_the_models() {
        let mut rules = Rules::person();
        let mut namespace = |name: &str, field: &str| {
            let rules_of =
                crate::identity::NamespaceRules { fields: vec![field.into()], ..rules.namespaces["email"].clone() };
            rules.namespaces.insert(name.into(), rules_of);
        };
        namespace("customer", "customer_number");
        namespace("name", "last_name");
        namespace("email", "second_email");
        let custom_field = |name: &str, data_type| CustomAttribute {
            entity: EntityKind::Person,
            field: CustomField { name: name.into(), data_type, title: String::new(), values: Vec::new() },
        };
        let mut custom = Custom::default();
        custom.attributes.push(custom_field("customer_number", DataType::Integer));
        custom.attributes.push(custom_field("second_email", DataType::Text));
        let layout = |custom: &Custom| Layout::new(&EntityName::PERSON, custom).unwrap();
        let reader = ClaimReader::new(&layout(&custom), &rules).unwrap();
        let mut row = row(&[("last_name", text(" Lee")), ("email", text("b@x.com"))]);
        row.extend([Value::Integer(42), text("B@x.com")]);
        let (claims, problems) = reader.read("7@1.M", &row);
        let said: Vec<(&str, &str, &str)> =
            claims.iter().map(|c| (c.identity.namespace.as_str(), c.identity.value.as_str(), &*c.field)).collect();
        assert_eq!(
            said,
            [
                ("source_key", "7@1.M", "source_key"),
                ("customer", "42", "customer_number"),
                ("email", "b@x.com", "second_email"),
                ("name", "lee", "last_name"),
            ]
        );
        assert!(problems.is_empty());

        custom.attributes[0].field.data_type = DataType::Boolean;
        rules.namespaces.get_mut("name").unwrap().fields = vec!["shoe".into()];
        let problems = ClaimReader::new(&layout(&custom), &rules).unwrap_err();
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "namespaces.customer.fields: `customer_number` is Boolean: only text and whole numbers name somebody",
                "namespaces.name.fields: person has no field `shoe`",
            ]
        );
    }
}
