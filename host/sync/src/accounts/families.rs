//! Families of accounts: who is whose parent, who is at the top, and what is rolled up there.

use super::basis::Basis;
use super::look::read;
use attiva_core::account::facts::AccountFacts;
use attiva_core::account::hierarchy::{End, Family, Ultimate, family, ultimate};
use attiva_core::account::matching::Matcher;
use attiva_core::account::roll_up::{LeftOut, Part, RollUp, Rolled, roll_up as roll};
use attiva_core::model::{EntityName, rolled};
use attiva_core::ports::store::{AccountTask, AccountsCommit, Derived, DerivedWrite, SandboxStore};
use attiva_core::{Fault, Value};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

/// An account in the order that does not hang on who came first: by its key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Account {
    pub(super) key: String,
    pub(super) number: i64,
}

/// Accounts and their parents, each read once.
pub(super) struct Families<'a> {
    store: &'a dyn SandboxStore,
    basis: &'a Basis,
    facts: RefCell<HashMap<i64, Option<Rc<AccountFacts>>>>,
}

impl<'a> Families<'a> {
    pub(super) fn new(store: &'a dyn SandboxStore, basis: &'a Basis) -> Self {
        Self { store, basis, facts: RefCell::default() }
    }

    /// `None`: it was not looked at yet, or is gone.
    pub(super) fn facts(&self, number: i64) -> Result<Option<Rc<AccountFacts>>, Fault> {
        if let Some(known) = self.facts.borrow().get(&number) {
            return Ok(known.clone());
        }
        let row = self.store.companies(&[number])?.pop().flatten();
        let facts = row.map(|row| read(&row.facts).map(Rc::new)).transpose()?;
        self.facts.borrow_mut().insert(number, facts.clone());
        Ok(facts)
    }

    pub(super) fn account(&self, number: i64) -> Result<Option<Account>, Fault> {
        Ok(self.facts(number)?.map(|facts| Account { key: facts.key.clone(), number }))
    }

    fn parent(&self, account: &Account) -> Result<Option<Account>, Fault> {
        match self.store.parents(&[account.number])?.pop().flatten() {
            Some(parent) => self.account(parent),
            None => Ok(None),
        }
    }

    pub(super) fn ultimate(&self, account: &Account) -> Result<Ultimate<Account>, Fault> {
        ultimate(account, |account| self.parent(account))
    }

    /// Whose family an account's is; `None`: nobody's, since the chain of parents is too long, or it is gone.
    pub(super) fn top(&self, number: i64) -> Result<Option<i64>, Fault> {
        let Some(account) = self.account(number)? else { return Ok(None) };
        let ultimate = self.ultimate(&account)?;
        Ok((ultimate.end != End::TooDeep).then_some(ultimate.account.number))
    }

    /// All under one, itself included.
    pub(super) fn under(&self, top: &Account) -> Result<Family<Account>, Fault> {
        family(top, self.basis.family_max, |account| {
            let mut children = Vec::new();
            for child in self.store.children(account.number, usize::MAX)? {
                children.extend(self.account(child)?);
            }
            children.sort();
            Ok(children)
        })
    }

    /// What one roll-up comes to in a family.
    pub(super) fn rolled(&self, place: usize, members: &[Rc<AccountFacts>]) -> Option<(&'a RollUp, Rolled)> {
        let roll_up = self.basis.roll_ups.get(place)?;
        let parts = members.iter().filter_map(|facts| facts.parts.get(place)).map(|contribution| contribution.part());
        let mut rolled = match roll_up.currency.as_ref().and_then(|base| self.basis.rates.get(base)) {
            Some(table) => roll(roll_up.how, parts, Some((table, i32::MAX))),
            None => roll(roll_up.how, parts.map(|part| Part { currency: None, ..part }), None),
        };
        let wanted = self.basis.types.get(place).copied().flatten();
        if rolled.value.data_type().is_some_and(|given| Some(given) != wanted) {
            rolled.value = Value::Null;
            rolled.left_out.push(LeftOut::TooLarge);
        }
        Some((roll_up, rolled))
    }
}

/// Which profiles are parents of accounts, and whom that concerns.
pub(super) fn resolve_parents(
    store: &dyn SandboxStore,
    basis: &Basis,
    numbers: &[i64],
    commit: &mut AccountsCommit,
) -> Result<(), Fault> {
    let families = Families::new(store, basis);
    for (number, had) in numbers.iter().zip(store.parents(numbers)?) {
        let Some(facts) = families.facts(*number)? else { continue };
        let has = match &facts.parent_key {
            Some(key) => store.named(&EntityName::ACCOUNT, key)?,
            None => None,
        };
        if had == has {
            continue;
        }
        commit.parents.push((*number, has));
        let whose = [Some(*number), had, families.top(*number)?].into_iter().flatten();
        commit.due.extend(whose.map(|account| (AccountTask::Family, account)));
        // Of accounts that are as good for a lead, the head of their family is chosen: that may be another now.
        let Some(account) = families.account(*number)? else { continue };
        for member in families.under(&account)?.members {
            if let Some(facts) = families.facts(member.number)? {
                commit.due_leads_with.extend(Matcher::keys(&facts.company));
            }
        }
    }
    Ok(())
}

/// What families come to: written to whoever is at the top, and taken from whoever is no more.
pub(super) fn roll_up(
    store: &dyn SandboxStore,
    basis: &Basis,
    numbers: &[i64],
    commit: &mut AccountsCommit,
) -> Result<(), Fault> {
    let families = Families::new(store, basis);
    let mut written: HashSet<i64> = HashSet::new();
    for number in numbers {
        if written.contains(number) {
            continue;
        }
        let Some(account) = families.account(*number)? else { continue };
        let ultimate = families.ultimate(&account)?;
        let top = &ultimate.account;
        if ultimate.end == End::TooDeep {
            written.insert(*number);
            commit.derived.push(DerivedWrite {
                profile: *number,
                derived: Derived { attributes: Vec::new(), degraded: true },
                reference: None,
            });
            continue;
        }
        if top.number != *number && written.insert(*number) {
            commit.derived.push(DerivedWrite::nothing(*number));
        }
        if !written.insert(top.number) {
            continue;
        }
        let family = members(&families, top, ultimate.end)?;
        let degraded = family.cut_off || ultimate.end == End::Cycle;
        let mut facts = Vec::with_capacity(family.members.len());
        for member in &family.members {
            facts.extend(families.facts(member.number)?);
        }
        also_done(store, commit, &family, top, numbers)?;
        let mut attributes = Vec::new();
        for place in 0..basis.roll_ups.len() {
            let Some((roll_up, rolled)) = families.rolled(place, &facts) else { continue };
            if rolled.value.is_null() {
                continue;
            }
            attributes.push((roll_up.name.clone(), rolled.value));
            let currency = roll_up.currency.clone().map(|base| (rolled::currency_name(roll_up), Value::Text(base)));
            attributes.extend(currency);
        }
        commit.derived.push(DerivedWrite {
            profile: top.number,
            derived: Derived { attributes, degraded },
            reference: None,
        });
    }
    Ok(())
}

/// Who is in a family: in a circle only those whose way to it is not too long.
pub(super) fn members(families: &Families<'_>, top: &Account, end: End) -> Result<Family<Account>, Fault> {
    let mut family = families.under(top)?;
    if end == End::Cycle {
        let mut kept = BTreeSet::new();
        for member in std::mem::take(&mut family.members) {
            if families.top(member.number)? == Some(top.number) {
                kept.insert(member);
            }
        }
        family.members = kept;
    }
    Ok(family)
}

/// Of a large family that arrives, each member asks for the same: those that wait behind this step are done with it. Who
/// was somebody's top before still has to lose what it has.
fn also_done(
    store: &dyn SandboxStore,
    commit: &mut AccountsCommit,
    family: &Family<Account>,
    top: &Account,
    numbers: &[i64],
) -> Result<(), Fault> {
    let others = family.members.iter().map(|member| member.number).filter(|number| *number != top.number);
    let others: Vec<i64> = others.filter(|number| numbers.binary_search(number).is_err()).collect();
    for due in store.due_of(AccountTask::Family, &others)? {
        if store.derived(&[due.profile])?.pop().flatten().is_none() {
            commit.done.push(due);
        }
    }
    Ok(())
}
