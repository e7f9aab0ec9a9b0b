//! How many connections may be open at once: of one plugin for one organisation, so that nobody takes what the others
//! need, and of all together, so that the machine has handles left. A vendor's own limit is another one: see `quota.rs`.

use crate::limits::Limits;
use attiva_core::{Fault, FaultKind};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Who shares a bound: an organisation, and a plugin of whichever version.
type Sharer = (String, String);

/// The places for connections of the whole host.
#[derive(Debug)]
pub(crate) struct OpenConnections {
    of_host: Arc<Semaphore>,
    host_max: usize,
    each_max: usize,
    /// Those that have a connection open, or wait for one.
    each: Mutex<HashMap<Sharer, Weak<Semaphore>>>,
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Open {
    _own: OwnedSemaphorePermit,
    _of_host: OwnedSemaphorePermit,
}

impl OpenConnections {
    pub(crate) fn new(limits: &Limits) -> Self {
        // More than a semaphore counts to is as good as no bound.
        let bounded = |max: usize| max.min(Semaphore::MAX_PERMITS);
        let (host_max, each_max) = (bounded(limits.host_connections), bounded(limits.connections));
        Self { of_host: Arc::new(Semaphore::new(host_max)), host_max, each_max, each: Mutex::default() }
    }

    /// How many are open now.
    pub(crate) fn open_now(&self) -> usize {
        self.host_max.saturating_sub(self.of_host.available_permits())
    }

    /// Waits for a place until a deadline, in the order of asking. Its own bound first: whoever waits for that takes
    /// nothing from others meanwhile.
    ///
    /// # Errors
    /// `limit.connections`, transient.
    pub(crate) async fn open(&self, organisation: &str, plugin: &str, deadline: Instant) -> Result<Open, Fault> {
        let waited = |place: Arc<Semaphore>| async move {
            // It is never closed.
            tokio::time::timeout_at(deadline, place.acquire_owned()).await.ok()?.ok()
        };
        let own = waited(self.of(organisation, plugin)).await.ok_or_else(|| {
            let what =
                format!("{plugin} has {} connections open for this organisation, and may have no more", self.each_max);
            full(what).action("It is tried again; `limits.plugin_connections` lets more be open at once.")
        })?;
        let of_host = waited(Arc::clone(&self.of_host)).await.ok_or_else(|| {
            let what = format!("all plugins together have {} connections open, and may have no more", self.host_max);
            full(what).action("It is tried again; `limits.connections` lets more be open at once.")
        })?;
        Ok(Open { _own: own, _of_host: of_host })
    }

    fn of(&self, organisation: &str, plugin: &str) -> Arc<Semaphore> {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        let sharer = (organisation.to_owned(), plugin.to_owned());
        if let Some(known) = each.get(&sharer).and_then(Weak::upgrade) {
            return known;
        }
        // Whoever holds nothing and waits for nothing is forgotten.
        each.retain(|_, held| held.strong_count() > 0);
        let new = Arc::new(Semaphore::new(self.each_max));
        each.insert(sharer, Arc::downgrade(&new));
        new
    }
}

fn full(what: String) -> Fault {
    Fault::new(FaultKind::Transient, "limit.connections", what)
}

#[cfg(test)]
mod tests {
    use super::*;
    fn places(connections: usize, host_connections: usize) -> OpenConnections {
        OpenConnections::new(&Limits { connections, host_connections, ..Limits::default() })
    }

    /// Whoever cannot have a place at once has none in time.
    fn at_once() -> Instant {
        Instant::now()
    }

    async fn code(places: &OpenConnections, organisation: &str, plugin: &str) -> Option<(FaultKind, String, String)> {
        let fault = places.open(organisation, plugin, at_once()).await.err()?;
        Some((fault.kind, fault.code, fault.action))
    }

    #[tokio::test]
    async fn nobody_takes_the_places_of_others_and_all_together_have_so_many() {
        let places = places(2, 4);
        let held = [places.open("a", "p", at_once()).await.unwrap(), places.open("a", "p", at_once()).await.unwrap()];
        let (kind, code_of, action) = code(&places, "a", "p").await.unwrap();
        assert_eq!((kind, code_of.as_str()), (FaultKind::Transient, "limit.connections"));
        assert!(action.contains("limits.plugin_connections"), "{action}");
        // Another plugin, and another organisation's use of the same one, have their own.
        let others = [places.open("a", "q", at_once()).await.unwrap(), places.open("b", "p", at_once()).await.unwrap()];
        let (_, code_of, action) = code(&places, "c", "p").await.unwrap();
        assert_eq!(code_of, "limit.connections");
        assert!(action.contains("limits.connections"), "{action}");
        assert_eq!(places.open_now(), 4);
        drop(others);
        // Whoever waits gets the place that is given back.
        let later = Instant::now() + std::time::Duration::from_secs(60);
        let (waited, ()) = tokio::join!(places.open("a", "p", later), async { drop(held) });
        waited.unwrap();
    }

    #[tokio::test]
    async fn who_has_none_is_forgotten() {
        let places = places(1, 1);
        for organisation in ["a", "b", "c"] {
            drop(places.open(organisation, "p", at_once()).await.unwrap());
        }
        assert_eq!(places.each.lock().unwrap().len(), 1, "the last one, until somebody else comes");
    }
}
