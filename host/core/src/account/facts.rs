//! What is kept of an account, so that it is seen what of it changed, and families and matches need not be worked out
//! from whole profiles.

use super::matching::{Company, Matcher};
use super::roll_up::{Part, RollUp};
use crate::Value;
use crate::model::Layout;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Of one account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountFacts {
    /// The first of the source keys of its records: it names the account whatever order they came in.
    pub key: String,
    /// All source keys that lead to it.
    pub names: BTreeSet<String>,
    /// Its parent, as its records name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_key: Option<String>,
    pub company: Company,
    /// What it contributes to each roll-up, in their order.
    pub parts: Vec<Contribution>,
}

/// What an account contributes to a roll-up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contribution {
    pub value: Value,
    /// Where the value is money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

impl AccountFacts {
    /// Of an account's attributes, and the keys that lead to it; `None` without a key.
    #[must_use]
    pub fn new(
        attributes: &[(String, Value)],
        keys: Vec<String>,
        names: BTreeSet<String>,
        roll_ups: &[RollUp],
        matcher: &Matcher,
    ) -> Option<Self> {
        let said = |field: &str| attributes.iter().find(|(name, _)| name == field).map(|(_, value)| value);
        let text = |field: &str| said(field).and_then(Value::as_text).map(ToOwned::to_owned);
        let contribution = |roll_up: &RollUp| Contribution {
            value: said(&roll_up.field).cloned().unwrap_or(Value::Null),
            currency: roll_up.currency_field.as_deref().and_then(text),
        };
        let row = Layout::of(crate::model::EntityKind::Account).row(attributes);
        Some(Self {
            key: keys.into_iter().min()?,
            names,
            parent_key: text("parent_key"),
            company: matcher.account(&row),
            parts: roll_ups.iter().map(contribution).collect(),
        })
    }
}

impl Contribution {
    #[must_use]
    pub fn part(&self) -> Part<'_> {
        Part { value: &self.value, currency: self.currency.as_deref() }
    }
}
