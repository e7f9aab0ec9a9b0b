//! The projector of accounts: which account a person belongs to whom no source puts into one, and what families of
//! accounts come to. It works off what the commit of profiles says is to be looked at, one kind of task after the other,
//! so that whole steps of a bulk load are decided at once. What comes out depends on the profiles and the basis alone.

mod basis;
mod families;
mod look;
mod matches;
mod shown;

pub use basis::{MATCH_RULES, match_rules};
pub use shown::{AccountMatch, AtTop, Hierarchy, Rolled, Unmatched};

pub(crate) use basis::BasisCache;
pub(crate) use matches::would_be;
pub(crate) use shown::{hierarchy, match_of};

use crate::engine::Inner;
use attiva_core::Fault;
use attiva_core::ports::store::{AccountTask, AccountsCommit};

/// Decides the next step; `None`: nothing is to be done.
pub(crate) fn step(inner: &Inner) -> Result<Option<AccountsCommit>, Fault> {
    let store = inner.store.as_ref();
    let basis = inner.accounts.get(store)?;
    if store.accounts_basis()?.as_deref() != Some(basis.text()) {
        return Ok(Some(AccountsCommit { basis: Some(basis.text().to_owned()), ..AccountsCommit::default() }));
    }
    let due = store.accounts_due(inner.options.projection_rows)?;
    let Some(task) = due.first().map(|due| due.task) else { return Ok(None) };
    let profiles: Vec<i64> = due.iter().map(|due| due.profile).collect();
    let mut commit = AccountsCommit { done: due, ..AccountsCommit::default() };
    match task {
        AccountTask::Look => look::look(store, &basis, &profiles, &mut commit)?,
        AccountTask::Parent => families::resolve_parents(store, &basis, &profiles, &mut commit)?,
        AccountTask::Family => families::roll_up(store, &basis, &profiles, &mut commit)?,
        AccountTask::Match => matches::decide(store, &basis, &profiles, inner.clock.now(), &mut commit)?,
    }
    Ok(Some(commit))
}

/// Nothing is left to do.
pub(crate) fn is_caught_up(inner: &Inner) -> Result<bool, Fault> {
    let store = inner.store.as_ref();
    let basis = inner.accounts.get(store)?;
    Ok(store.accounts_basis()?.as_deref() == Some(basis.text()) && store.accounts_due(1)?.is_empty())
}
