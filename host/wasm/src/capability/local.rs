//! The broker that works in this process.

use super::http::Gate;
use super::spool::Spool;
use crate::broker::{Broker, Fetched, GuestFetch, GuestRequest, GuestResponse, SpoolStatus, Traffic};
use crate::connection::{CallObserver, ConnectionContext};
use crate::egress::policy::Mode;
use crate::plugin::Plugin;
use crate::surroundings::Surroundings;
use async_trait::async_trait;
use attiva_core::Fault;
use std::sync::Arc;

/// What one call may do for its connection.
pub(crate) struct LocalBroker {
    gate: Gate,
    spool: Spool,
    surroundings: Arc<dyn Surroundings>,
    observer: Arc<dyn CallObserver>,
}

impl LocalBroker {
    pub(crate) fn new(plugin: &Plugin, context: &ConnectionContext, mode: Mode) -> Self {
        Self {
            gate: Gate::new(plugin, context, mode),
            spool: Spool::new(context.spool.clone(), plugin.services.limits.clone()),
            surroundings: plugin.services.surroundings.clone(),
            observer: context.observer.clone(),
        }
    }
}

#[async_trait]
impl Broker for LocalBroker {
    async fn send(&mut self, request: GuestRequest) -> Result<GuestResponse, Fault> {
        self.gate.send(request).await
    }

    async fn renew_credential(&mut self, name: &str) -> Result<(), Fault> {
        self.gate.renew(name).await
    }

    async fn spool_fetch(&mut self, name: &str, fetch: GuestFetch) -> Result<Fetched, Fault> {
        self.spool.fetch(&mut self.gate, name, fetch).await
    }

    async fn spool_stat(&mut self, name: &str) -> Result<SpoolStatus, Fault> {
        self.spool.stat(name).await
    }

    async fn spool_read(&mut self, name: &str, offset: u64, length: u32) -> Result<Vec<u8>, Fault> {
        self.spool.read(name, offset, length).await
    }

    async fn spool_write(&mut self, name: &str, offset: u64, bytes: Vec<u8>) -> Result<SpoolStatus, Fault> {
        self.spool.write(name, offset, bytes).await
    }

    async fn spool_sha256(&mut self, name: &str) -> Result<String, Fault> {
        self.spool.sha256(name).await
    }

    async fn spool_remove(&mut self, name: &str) -> Result<(), Fault> {
        self.spool.remove(name).await
    }

    fn now_ms(&self) -> u64 {
        self.surroundings.now_ms()
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), Fault> {
        self.surroundings.fill_random(bytes)
    }

    fn progress(&mut self, phase: &str, done: Option<u64>, total: Option<u64>) {
        self.observer.progress(phase, done, total);
    }

    fn traffic(&self) -> Traffic {
        self.gate.traffic()
    }
}
