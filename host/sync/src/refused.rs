//! Runs that a schedule could not begin until somebody acts: one of a connection, however often it is tried. It is tried ever
//! less often by itself, and at once when somebody has acted.

use crate::engine::Engine;
use attiva_core::id::{ConnectionId, RunId};
use attiva_core::ports::store::Kind;
use attiva_core::run::Run;
use attiva_core::{Fault, Millis};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// By connection; a copy of what runs say.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<HashMap<ConnectionId, Refused>>);

#[derive(Debug)]
struct Refused {
    run: RunId,
    next_try_at: Millis,
    /// Somebody has done something about it since.
    acted: bool,
}

impl Refusals {
    fn all(&self) -> MutexGuard<'_, HashMap<ConnectionId, Refused>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest run of its connection is one that could not begin; any other is none.
    pub(crate) fn note(&self, run: &Run) {
        let Some(next_try_at) = run.next_try_at else { return };
        let mut all = self.all();
        // Who acted while it was tried is not forgotten.
        let acted = all.get(&run.connection).is_some_and(|before| before.acted);
        all.insert(run.connection.clone(), Refused { run: run.id.clone(), next_try_at, acted });
    }

    pub(crate) fn forget(&self, connection: &ConnectionId) {
        self.all().remove(connection);
    }

    /// Whether its time has not come.
    pub(crate) fn rests(&self, connection: &ConnectionId, now: Millis) -> bool {
        self.all().get(connection).is_some_and(|refused| !refused.acted && now < refused.next_try_at)
    }

    /// Whether it is to be tried whatever its schedule says: once.
    pub(crate) fn take_acted(&self, connection: &ConnectionId) -> bool {
        self.all().get_mut(connection).is_some_and(|refused| std::mem::take(&mut refused.acted))
    }

    fn run(&self, connection: &ConnectionId) -> Option<RunId> {
        self.all().get(connection).map(|refused| refused.run.clone())
    }
}

impl Engine {
    /// To be called when somebody has done something about a connection: a run that could not begin is tried at once, and the
    /// next has its streams described anew.
    pub fn connection_mended(&self, connection: &ConnectionId) {
        self.inner.to_describe.note(connection);
        if let Some(refused) = self.inner.refusals.all().get_mut(connection) {
            refused.acted = true;
        }
    }

    /// Keeps that a schedule could not begin a run: the same run as before where it is for the same reason.
    pub(crate) async fn refuse_scheduled(&self, run: Run, fault: Fault) -> Result<Run, Fault> {
        let inner = &self.inner;
        let before = match inner.refusals.run(&run.connection) {
            Some(id) => inner.find::<Run>(Kind::Run, id.as_str())?,
            None => None,
        };
        let mut run = before.filter(|before| before.is_refused_for(&fault)).unwrap_or(run);
        tracing::warn!(run = %run.id, connection = %run.connection, %fault, "a scheduled run does not begin");
        run.refuse_until_acted(fault, inner.clock.now());
        inner.put(Kind::Run, run.id.as_str(), &run).await?;
        inner.refusals.note(&run);
        Ok(run)
    }
}
