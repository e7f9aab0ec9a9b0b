//! Roll-ups as fields of the account: what an operator declared is an attribute of the ultimate parent, derived and not
//! read from anywhere.

use super::custom::{Custom, CustomField, ModelProblem};
use super::{ACCOUNT, EntityKind, slot};
use crate::account::roll_up::{How, RollUp};
use crate::exchange::is_currency;
use crate::value::DataType;

/// The attribute that says what a roll-up of money is in.
#[must_use]
pub fn currency_name(roll_up: &RollUp) -> String {
    format!("{}_currency", roll_up.name)
}

/// The fields that the roll-ups are, each of money with that of its currency.
pub(super) fn fields(custom: &Custom) -> impl Iterator<Item = CustomField> + '_ {
    custom.roll_ups.iter().flat_map(|roll_up| {
        let title = format!("{} of the family", roll_up.field);
        let field = |name: String, data_type, title: String| CustomField { name, data_type, title, values: Vec::new() };
        let data_type = result(custom, roll_up).unwrap_or(DataType::Text);
        let money = roll_up.currency.as_ref();
        let currency = money.map(|_| field(currency_name(roll_up), DataType::Text, "Its currency".to_owned()));
        std::iter::once(field(roll_up.name.clone(), data_type, title)).chain(currency)
    })
}

/// The type of a roll-up's result; `None`: the field cannot be rolled up so, or there is none.
#[must_use]
pub fn result(custom: &Custom, roll_up: &RollUp) -> Option<DataType> {
    let of = field_type(custom, &roll_up.field)?;
    match (roll_up.how, of) {
        (How::Sum | How::Max, DataType::Integer | DataType::Decimal) if roll_up.currency.is_some() => {
            Some(DataType::Decimal)
        }
        _ if roll_up.currency.is_some() => None,
        (How::Sum, DataType::Integer | DataType::Decimal) | (How::Any, DataType::Boolean) => Some(of),
        (
            How::Max,
            DataType::Integer
            | DataType::Decimal
            | DataType::Float
            | DataType::Date
            | DataType::Timestamp
            | DataType::Text,
        ) => Some(of),
        _ => None,
    }
}

fn field_type(custom: &Custom, name: &str) -> Option<DataType> {
    let of_model = ACCOUNT.iter().find(|field| field.name == name).map(|field| field.data_type);
    let added = custom.attributes.iter().find(|a| a.entity == EntityKind::Account && a.field.name == name);
    of_model.or_else(|| added.map(|a| a.field.data_type))
}

/// Everything that is wrong with the roll-ups.
pub(super) fn problems(custom: &Custom) -> Vec<ModelProblem> {
    let mut problems = Vec::new();
    for (i, roll_up) in custom.roll_ups.iter().enumerate() {
        let mut wrong = |problem: String| problems.push(ModelProblem { path: format!("roll_ups[{i}]"), problem });
        let added = |name: &str| {
            custom.attributes.iter().any(|a| a.entity == EntityKind::Account && a.field.name == name)
                || custom.roll_ups.iter().take(i).any(|r| r.name == name || currency_name(r) == name)
        };
        let mut names = vec![roll_up.name.clone()];
        names.extend(roll_up.currency.is_some().then(|| currency_name(roll_up)));
        for name in names {
            if slot(EntityKind::Account, &name).is_some()
                || super::custom::is_relation(EntityKind::Account, &name)
                || added(&name)
            {
                wrong(format!("account has `{name}` already"));
            }
        }
        if field_type(custom, &roll_up.field).is_none() {
            wrong(format!("account has no field `{}`", roll_up.field));
        } else if result(custom, roll_up).is_none() {
            let how = match roll_up.how {
                How::Sum => "a sum is of integers or decimals",
                How::Max => "a maximum is of numbers, dates, instants or text",
                How::Any => "any is of booleans, without a currency",
            };
            wrong(format!("`{}` cannot be rolled up so: {how}", roll_up.field));
        }
        match (&roll_up.currency_field, &roll_up.currency) {
            (Some(field), Some(_)) if field_type(custom, field) != Some(DataType::Text) => {
                wrong(format!("`{field}` must be a text field of the account"));
            }
            (None, Some(_)) | (Some(_), None) => {
                wrong(
                    "`currency_field` and `currency` go together: what amounts are in, and what the result is".into(),
                );
            }
            _ => {}
        }
        if roll_up.currency.as_deref().is_some_and(|currency| !is_currency(currency)) {
            wrong("`currency` must be a currency's code of ISO 4217: three capitals".into());
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::super::{EntityName, Layout, Schema};
    use super::*;

    fn roll_up(name: &str, field: &str, how: How) -> RollUp {
        RollUp { name: name.into(), field: field.into(), how, currency_field: None, currency: None }
    }

    fn of(roll_ups: Vec<RollUp>) -> Custom {
        Custom { roll_ups, ..Custom::default() }
    }

    #[test]
    fn a_roll_up_is_a_derived_field_of_the_account() {
        let money = RollUp {
            currency_field: Some("annual_revenue_currency".into()),
            currency: Some("EUR".into()),
            ..roll_up("family_revenue", "annual_revenue", How::Sum)
        };
        let custom = of(vec![roll_up("family_employees", "number_of_employees", How::Sum), money]);
        let layout = Layout::new(&EntityName::ACCOUNT, &custom).unwrap();
        let types: Vec<_> = layout.fields()[ACCOUNT.len()..].iter().map(|f| (&*f.name, f.data_type)).collect();
        let expected = [
            ("family_employees", DataType::Integer),
            ("family_revenue", DataType::Decimal),
            ("family_revenue_currency", DataType::Text),
        ];
        assert_eq!(types, expected);
        assert!(layout.fields()[ACCOUNT.len()..].iter().all(|f| f.derived));
        let schema = Schema::new(&custom).unwrap();
        let account = schema.entity("account").unwrap();
        let derived: Vec<&str> = account.fields.iter().filter(|f| f.derived).map(|f| f.name.as_str()).collect();
        assert_eq!(derived, expected.map(|(name, _)| name));
        assert!(schema.entity("person").unwrap().fields.iter().any(|f| f.derived && f.name == "matched_account_key"));
    }

    #[test]
    fn what_cannot_be_rolled_up_is_named() {
        let said = |roll_ups: Vec<RollUp>| {
            let problems = of(roll_ups).check().unwrap_err();
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        assert!(said(vec![roll_up("name", "number_of_employees", How::Sum)]).contains("has `name` already"));
        assert!(said(vec![roll_up("children", "number_of_employees", How::Sum)]).contains("already"));
        assert!(said(vec![roll_up("x", "shoe_size", How::Max)]).contains("roll_ups[0]: account has no field"));
        assert!(said(vec![roll_up("x", "industry", How::Sum)]).contains("integers or decimals"));
        assert!(said(vec![roll_up("x", "industry", How::Any)]).contains("booleans"));
        assert!(said(vec![roll_up("X y", "account_score", How::Max)]).contains("a letter first"));
        let twice = roll_up("x", "account_score", How::Max);
        assert!(said(vec![twice.clone(), twice.clone()]).contains("roll_ups[1]: account has `x` already"));
        let half = RollUp { currency: Some("EUR".into()), ..roll_up("x", "annual_revenue", How::Sum) };
        assert!(said(vec![half.clone()]).contains("go together"));
        let odd = RollUp { currency: Some("euro".into()), currency_field: Some("industry".into()), ..half };
        assert!(said(vec![odd]).contains("ISO 4217"));
    }
}
