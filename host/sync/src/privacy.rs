//! What an engine does for requests about personal data: it stands still, asks destinations, and goes on.

use crate::engine::{Engine, Inner};
use attiva_core::Fault;
use attiva_core::config::Connection;
use attiva_core::id::DeliveryId;
use attiva_core::ports::connector::{Erased, Target};
use std::sync::Arc;
use tokio::sync::{MutexGuard, RwLockWriteGuard};

/// No page is committed and no profile made while it is there.
pub struct Standstill<'a> {
    inner: &'a Inner,
    _pages: RwLockWriteGuard<'a, ()>,
    _step: MutexGuard<'a, ()>,
}

impl Drop for Standstill<'_> {
    /// Records may have gone, and documents on which profiles hang.
    fn drop(&mut self) {
        self.inner.policies.forget();
        // What was taken away is not kept in memory, either.
        self.inner.columns.forget();
        self.inner.records_changed.notify_one();
        self.inner.profiles_changed.notify_one();
        self.inner.accounts_changed.notify_one();
    }
}

impl Engine {
    /// Waits for the pages and steps that are under way.
    pub async fn standstill(&self) -> Standstill<'_> {
        let inner = &*self.inner;
        Standstill { inner, _pages: inner.publishing.write().await, _step: inner.projecting.lock().await }
    }

    /// Records were changed, or taken away, and documents about them.
    pub fn records_changed(&self) {
        self.inner.policies.forget();
        // What was taken away is not kept in memory, either.
        self.inner.columns.forget();
        self.inner.records_changed.notify_one();
        self.inner.profiles_changed.notify_one();
        self.inner.accounts_changed.notify_one();
    }

    /// Asks a destination to remove somebody from a target, by `(field, value)`.
    pub async fn erase_at(
        &self,
        connection: &Connection,
        target: &Target,
        identifiers: &[(String, String)],
    ) -> Result<Erased, Fault> {
        let inner = &self.inner;
        let plugin = inner.connectors.version(connection)?;
        // It has a spool of its own, as any call has; nothing of it stays.
        let visit = self.fresh(DeliveryId::new);
        let (destination, _) = inner.connectors.destination(connection, &plugin, &visit).await?;
        let erased = destination.erase(target, identifiers).await;
        let run = attiva_core::ports::connector::DeliveryRun {
            id: visit.to_string(),
            started_at: inner.clock.now(),
            rows_expected: None,
            columns: Vec::new(),
        };
        if let Err(fault) = destination.clear_spool(&run).await {
            tracing::warn!(%fault, "the spool was not cleared");
        }
        erased
    }

    /// Goes on with something until the engine stops; it is cut off then, at any point, and repeated at the next start.
    pub fn go_on(&self, work: impl Future<Output = ()> + Send + 'static) {
        let inner = Arc::clone(&self.inner);
        self.inner.tasks.spawn(async move {
            tokio::select! {
                () = work => {}
                () = inner.stop.cancelled() => {}
            }
        });
    }
}
