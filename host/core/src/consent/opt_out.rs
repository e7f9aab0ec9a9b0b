//! Opt-outs that sources tell as fields of a person: of which channel each is.

use super::ANY;

/// A field of persons that says whether they opted out of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptOutField {
    pub field: &'static str,
    /// [`ANY`]: all.
    pub channel: &'static str,
    /// The text that says so; `None`: the field is a boolean, and true says so.
    pub out: Option<&'static str>,
}

/// All of them, which connectors of marketing systems and CRMs fill.
const FIELDS: [OptOutField; 7] = [
    flag("is_unsubscribed", "email"),
    choice("email_opt_in_out", "email"),
    choice("phone_opt_in_out", "phone"),
    choice("sms_opt_in_out", "sms"),
    choice("fax_opt_in_out", "fax"),
    choice("direct_mail_opt_in_out", "direct-mail"),
    flag("global_opt_out", ANY),
];

const fn flag(field: &'static str, channel: &'static str) -> OptOutField {
    OptOutField { field, channel, out: None }
}

const fn choice(field: &'static str, channel: &'static str) -> OptOutField {
    OptOutField { field, channel, out: Some("out") }
}

impl OptOutField {
    /// The field of this name; `None`: it says nothing of an opt-out.
    #[must_use]
    pub fn find(field: &str) -> Option<Self> {
        FIELDS.into_iter().find(|of| of.field == field)
    }

    /// Whether a value of the field is an opt-out.
    #[must_use]
    pub fn is_out(&self, value: &crate::Value) -> bool {
        match self.out {
            Some(out) => value.as_text() == Some(out),
            None => *value == crate::Value::Boolean(true),
        }
    }
}

/// The fields that say so of somebody.
#[must_use]
pub fn opt_outs(says_so: impl Fn(&str) -> bool) -> Vec<OptOutField> {
    FIELDS.into_iter().filter(|of| says_so(of.field)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;
    use crate::model::{PERSON, person_slot};
    use crate::value::DataType;

    /// The model has the fields, and each may hold what says so.
    #[test]
    fn every_field_is_one_of_persons_that_may_say_so() {
        for of in FIELDS {
            let field = PERSON[person_slot(of.field).unwrap_or_else(|| panic!("person has no {}", of.field))];
            let out = of.out.map_or(Value::Boolean(true), |out| Value::Text(out.into()));
            assert_eq!(field.accepts(&out), Ok(()), "{}", of.field);
            assert!(of.is_out(&out) && !of.is_out(&Value::Null), "{}", of.field);
            let other =
                if field.data_type == DataType::Boolean { Value::Boolean(false) } else { Value::Text("in".into()) };
            assert!(field.accepts(&other).is_ok() && !of.is_out(&other), "{}", of.field);
            assert_eq!(OptOutField::find(of.field), Some(of));
        }
    }

    /// Of the fields that the class publishes for it, none is left out.
    #[test]
    fn no_opt_out_of_the_model_is_forgotten() {
        for field in
            PERSON.iter().filter(|field| field.name.ends_with("_opt_in_out") || field.name.ends_with("_opt_out"))
        {
            assert!(OptOutField::find(field.name).is_some(), "{}", field.name);
        }
    }
}
