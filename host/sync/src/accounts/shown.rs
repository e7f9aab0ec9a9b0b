//! What was worked out of an account or a person, and why: for whoever asks.

use super::families::{Families, members};
use super::matches;
use crate::engine::Inner;
use attiva_core::account::hierarchy::End;
use attiva_core::account::matching::{Matched, Scored};
use attiva_core::id::ProfileId;
use attiva_core::ports::store::Profile;
use attiva_core::{Fault, Value};
use schemars::JsonSchema;
use serde::Serialize;

/// Which account a person belongs to by matching, and why, or why to none.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AccountMatch {
    /// Of the rules it was decided by.
    pub rules_version: u32,
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Domains and names that more accounts have than are looked at: they find nobody.
    pub shared_by_too_many: Vec<String>,
}

/// What became of a person.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "MatchOutcome")]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It is matched to the account.
    Matched { best: Scored, account: Option<ProfileId> },
    /// It is not.
    Unmatched { why: Unmatched, best: Vec<Scored> },
}

/// Why a person is matched to no account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unmatched {
    /// A source says to which account it belongs.
    Placed,
    /// It says nothing that a company could be found by.
    NoCompany,
    /// No account has any of it in common.
    Nothing,
    /// The best is not good enough.
    Below,
    /// Several are as good.
    Ambiguous,
}

/// `None`: it is no person, or is not there any more.
pub(crate) fn match_of(inner: &Inner, person: &Profile) -> Result<AccountMatch, Fault> {
    let store = inner.store.as_ref();
    let basis = inner.accounts.get(store)?;
    let answer =
        |outcome, shared| AccountMatch { rules_version: basis.rules_version, outcome, shared_by_too_many: shared };
    let none = |why| Outcome::Unmatched { why, best: Vec::new() };
    if matches::is_placed(store, person)? {
        return Ok(answer(none(Unmatched::Placed), Vec::new()));
    }
    let lead = matches::company(&basis, person);
    if attiva_core::account::matching::Matcher::keys(&lead).is_empty() {
        return Ok(answer(none(Unmatched::NoCompany), Vec::new()));
    }
    let families = Families::new(store, &basis);
    let (candidates, shared) = matches::candidates(store, &basis, &families, &lead)?;
    let outcome = match basis.matcher.decide(&lead, &candidates) {
        Matched::To(best) => {
            let number = store.named(&attiva_core::model::EntityName::ACCOUNT, &best.account)?;
            Outcome::Matched { account: number.map(|n| id(inner, n)).transpose()?.flatten(), best }
        }
        Matched::Ambiguous(best) => Outcome::Unmatched { why: Unmatched::Ambiguous, best },
        Matched::Below(best) => Outcome::Unmatched { why: Unmatched::Below, best: vec![best] },
        Matched::Nothing => none(Unmatched::Nothing),
    };
    Ok(answer(outcome, shared))
}

/// An account's place in its family.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Hierarchy {
    /// The way up: parent first, the ultimate parent last. In a circle: the others that are in it, and those before it.
    pub path: Vec<ProfileId>,
    pub end: AtTop,
    /// Whose family it is, and where roll-ups stand; in a circle the first by key. Absent where the way is too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ultimate: Option<ProfileId>,
    /// Accounts of the family.
    pub accounts: usize,
    /// There are more than are looked at (`account.family`).
    pub cut_off: bool,
    pub roll_ups: Vec<Rolled>,
}

/// How the way up ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AtTop {
    /// At an account without a parent.
    Top,
    /// In a circle: the sources say what cannot be.
    Cycle,
    /// Nowhere within `account.depth` steps.
    TooDeep,
}

/// One value of a family.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Rolled {
    pub name: String,
    pub value: serde_json::Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Accounts that contributed.
    pub accounts: usize,
    /// Why others did not, each reason once.
    pub left_out: Vec<String>,
}

/// `None`: the account has not been looked at yet.
pub(crate) fn hierarchy(inner: &Inner, account: &Profile) -> Result<Option<Hierarchy>, Fault> {
    let store = inner.store.as_ref();
    let basis = inner.accounts.get(store)?;
    let families = Families::new(store, &basis);
    let Some(account) = families.account(account.number)? else { return Ok(None) };
    let ultimate = families.ultimate(&account)?;
    let mut path = Vec::new();
    for above in &ultimate.path {
        path.extend(id(inner, above.number)?);
    }
    let end = match ultimate.end {
        End::Top => AtTop::Top,
        End::Cycle => AtTop::Cycle,
        End::TooDeep => {
            let end = AtTop::TooDeep;
            return Ok(Some(Hierarchy { path, end, ultimate: None, accounts: 0, cut_off: false, roll_ups: vec![] }));
        }
    };
    let family = members(&families, &ultimate.account, ultimate.end)?;
    let mut facts = Vec::new();
    for member in &family.members {
        facts.extend(families.facts(member.number)?);
    }
    let roll_ups = (0..basis.roll_ups.len()).filter_map(|place| families.rolled(place, &facts)).map(|(of, rolled)| {
        let mut left_out: Vec<String> = rolled.left_out.iter().map(ToString::to_string).collect();
        left_out.sort();
        left_out.dedup();
        let currency = of.currency.clone().filter(|_| rolled.value != Value::Null);
        Rolled { name: of.name.clone(), value: rolled.value.to_json(), currency, accounts: rolled.accounts, left_out }
    });
    let roll_ups = roll_ups.collect();
    let top = id(inner, ultimate.account.number)?;
    let (accounts, cut_off) = (family.members.len(), family.cut_off);
    Ok(Some(Hierarchy { path, end, ultimate: top, accounts, cut_off, roll_ups }))
}

fn id(inner: &Inner, number: i64) -> Result<Option<ProfileId>, Fault> {
    Ok(inner.store.profiles_by_number(&[number])?.pop().map(|profile| profile.id))
}
