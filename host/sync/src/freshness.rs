//! Since when everything is here that vendors had, by stream; and as of when destinations have acknowledged audiences.

use crate::engine::{Engine, Inner};
use attiva_core::freshness::PageTimes;
use attiva_core::id::{ActivationId, ConnectionId};
use attiva_core::ports::store::Kind;
use attiva_core::run::Run;
use attiva_core::{Fault, Millis};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

/// By stream.
type OfConnection = BTreeMap<String, PageTimes>;

/// When pages of each stream were committed; read from the runs once.
#[derive(Default)]
pub(crate) struct StreamTimes(Mutex<Option<HashMap<ConnectionId, OfConnection>>>);

impl StreamTimes {
    fn get(&self, inner: &Inner, connection: &ConnectionId) -> Result<OfConnection, Fault> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none() {
            let mut all = HashMap::new();
            for run in inner.all::<Run>(Kind::Run)? {
                note(&mut all, &run);
            }
            *known = Some(all);
        }
        Ok(known.as_ref().and_then(|all| all.get(connection).cloned()).unwrap_or_default())
    }

    /// A page has been committed: where the runs were not read yet, they tell.
    pub(crate) fn note(&self, run: &Run) {
        if let Some(all) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            note(all, run);
        }
    }
}

fn note(all: &mut HashMap<ConnectionId, OfConnection>, run: &Run) {
    if run.pages_at.is_empty() {
        return;
    }
    let of = all.entry(run.connection.clone()).or_default();
    for (stream, times) in &run.pages_at {
        of.entry(stream.clone()).and_modify(|known| *known = known.newer(*times)).or_insert(*times);
    }
}

impl Engine {
    /// When pages of a connection's streams were committed, by stream.
    pub fn pages_at(&self, connection: &ConnectionId) -> Result<BTreeMap<String, PageTimes>, Fault> {
        self.inner.stream_times.get(&self.inner, connection)
    }

    /// As of when the destination has acknowledged the audience of an activation: when the newest delivery began that
    /// succeeded.
    pub fn acknowledged_as_of(&self, activation: &ActivationId) -> Result<Option<Millis>, Fault> {
        let last = self.inner.last_deliveries.get(&self.inner, activation)?;
        Ok(last.and_then(|last| last.acknowledged_as_of))
    }
}
