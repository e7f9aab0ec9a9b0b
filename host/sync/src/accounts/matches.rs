//! Which account a person belongs to whom no source puts into one.

use super::basis::Basis;
use super::families::Families;
use super::look::text;
use crate::engine::Inner;
use attiva_core::account::matching::{Candidate, Company, Matched, Matcher};
use attiva_core::model::{EntityKind, EntityName, Layout};
use attiva_core::ports::store::{
    AccountsCommit, CompanyRow, Derived, DerivedWrite, Profile, Reference, SandboxStore, Side,
};
use attiva_core::{Fault, Millis, Value};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// The field that refers to a matched account.
pub(super) const KEY: &str = "matched_account_key";
const SCORE: &str = "matched_account_score";
const DATE: &str = "matched_account_date";

pub(super) fn decide(
    store: &dyn SandboxStore,
    basis: &Basis,
    numbers: &[i64],
    now: Millis,
    commit: &mut AccountsCommit,
) -> Result<(), Fault> {
    let families = Families::new(store, basis);
    let live = store.profiles_by_number(numbers)?;
    let there: HashSet<i64> = live.iter().map(|profile| profile.number).collect();
    let gone = numbers.iter().filter(|number| !there.contains(number));
    commit.companies.extend(gone.map(|number| (*number, None)));
    for profile in live {
        let had = store.derived(&[profile.number])?.pop().flatten();
        let lead = match is_placed(store, &profile)? {
            true => Company::default(),
            false => company(basis, &profile),
        };
        let keys = Matcher::keys(&lead);
        let row = match keys.is_empty() {
            true => None,
            false => Some(CompanyRow { side: Side::Lead, keys, facts: text(&lead)? }),
        };
        if store.companies(&[profile.number])?.pop().flatten() != row {
            commit.companies.push((profile.number, row));
        }
        let matched = matched(store, basis, &families, &lead)?;
        if had.is_none() && matched.is_none() {
            continue;
        }
        commit.derived.push(written(profile.number, matched, had.as_ref(), now));
    }
    Ok(())
}

/// The account that a lead belongs to, by key, with its score.
fn matched(
    store: &dyn SandboxStore,
    basis: &Basis,
    families: &Families<'_>,
    lead: &Company,
) -> Result<Option<(String, i64)>, Fault> {
    let (candidates, _) = candidates(store, basis, families, lead)?;
    Ok(match basis.matcher.decide(lead, &candidates) {
        Matched::To(scored) => Some((scored.account, i64::from(scored.score))),
        Matched::Ambiguous(_) | Matched::Below(_) | Matched::Nothing => None,
    })
}

/// What would be worked out of a person that there is not, but would be. `names`: the source keys that would lead to it;
/// `own`: the number of the profile whose id it would keep.
pub(crate) fn would_be(
    inner: &Inner,
    attributes: &[(String, Value)],
    references: &[Reference],
    names: &BTreeSet<String>,
    own: Option<i64>,
) -> Result<(Vec<(String, Value)>, Option<Reference>), Fault> {
    let store = inner.store.as_ref();
    let is_placed = references.iter().any(|reference| reference.field == "account_key") || is_related(store, names)?;
    if is_placed {
        return Ok((Vec::new(), None));
    }
    let basis = inner.accounts.get(store)?;
    let lead = basis.matcher.lead(&Layout::of(EntityKind::Person).row(attributes));
    let matched = matched(store, &basis, &Families::new(store, &basis), &lead)?;
    let had = own.map(|own| store.derived(&[own])).transpose()?.and_then(|mut found| found.pop().flatten());
    let DerivedWrite { derived, reference, .. } =
        written(own.unwrap_or_default(), matched, had.as_ref(), inner.clock.now());
    let reference = reference.map(|(field, to, key)| Reference { field: field.to_owned(), to, key });
    Ok((derived.attributes, reference))
}

/// When a match was found is kept as long as it is the same.
fn written(profile: i64, matched: Option<(String, i64)>, had: Option<&Derived>, now: Millis) -> DerivedWrite {
    let Some((key, score)) = matched else {
        return DerivedWrite::nothing(profile);
    };
    let reference = Some((KEY, EntityName::ACCOUNT, key.clone()));
    let (key, score) = (Value::Text(key), Value::Integer(score));
    let was = |name: &str| had.and_then(|had| had.attributes.iter().find(|(n, _)| n == name)).map(|(_, value)| value);
    let same = was(KEY) == Some(&key) && was(SCORE) == Some(&score);
    let date = was(DATE).filter(|_| same).cloned().unwrap_or(Value::Timestamp(now));
    let attributes = [(KEY, key), (SCORE, score), (DATE, date)].map(|(name, value)| (name.to_owned(), value));
    DerivedWrite { profile, derived: Derived { attributes: attributes.to_vec(), degraded: false }, reference }
}

/// What a person says of its company.
pub(super) fn company(basis: &Basis, person: &Profile) -> Company {
    basis.matcher.lead(&Layout::of(EntityKind::Person).row(&person.attributes))
}

/// Whether a source says to which account a person belongs: whether there is such an account is not asked.
pub(super) fn is_placed(store: &dyn SandboxStore, person: &Profile) -> Result<bool, Fault> {
    let referred = store.references(&[person.number])?.pop().unwrap_or_default();
    if referred.iter().any(|referred| referred.reference.field == "account_key") {
        return Ok(true);
    }
    is_related(store, &store.names(person.number)?)
}

/// Whether a source says of one of these keys to which account it belongs: by what was noted of relations, and not by
/// what they say by now. Whoever is named in one is matched again when that is noted, so that a relation that comes and
/// goes meanwhile leaves nothing behind.
fn is_related(store: &dyn SandboxStore, names: &BTreeSet<String>) -> Result<bool, Fault> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Ok(store.companies_with(Side::Relation, &names, 1)?.iter().any(|named| !named.is_empty()))
}

/// The accounts that a lead's keys find, and the keys that too many accounts have, which find none.
pub(super) fn candidates(
    store: &dyn SandboxStore,
    basis: &Basis,
    families: &Families<'_>,
    lead: &Company,
) -> Result<(Vec<Candidate>, Vec<String>), Fault> {
    let keys = Matcher::keys(lead);
    let asked: Vec<&str> = keys.iter().map(String::as_str).collect();
    let mut found: BTreeMap<i64, Candidate> = BTreeMap::new();
    let mut shared = Vec::new();
    for (key, accounts) in asked.iter().zip(store.companies_with(Side::Account, &asked, basis.sharing_max + 1)?) {
        if accounts.len() > basis.sharing_max {
            shared.push((*key).to_owned());
            continue;
        }
        for number in accounts {
            if let (false, Some(facts)) = (found.contains_key(&number), families.facts(number)?) {
                let company = facts.company.clone();
                found.insert(number, Candidate { account: facts.key.clone(), company, ultimate: None });
            }
        }
    }
    // Families matter only where several are as good.
    if found.len() > 1 {
        for (number, candidate) in &mut found {
            if let Some(account) = families.account(*number)? {
                candidate.ultimate = Some(families.ultimate(&account)?.account.key);
            }
        }
    }
    Ok((found.into_values().collect(), shared))
}
