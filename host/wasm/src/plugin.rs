//! An admitted plugin. Its calls are in `source.rs` and `destination.rs`; what both have is here.

use crate::bindings::{destination, plugin as wit_plugin, source};
use crate::broker::{Broker, NoAuthority};
use crate::call::{Call, CallState, Called, Exports};
use crate::capability::local::LocalBroker;
use crate::connection::ConnectionContext;
use crate::convert;
use crate::egress::policy::Mode;
use crate::host::Services;
use crate::limits::{Limits, exceeded};
use crate::usage::Usage;
use attiva_core::spec::Spec;
use attiva_core::{Fault, FaultKind};
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::InstancePre;

/// One version of a plugin, compiled and ready. Shared: a run keeps the version it began with.
pub struct Plugin {
    pub spec: Arc<Spec>,
    /// SHA-256 of the component, lower-case hex.
    pub digest: String,
    pub is_source: bool,
    pub is_destination: bool,
    /// Interfaces of the contract that it asks for: `http`, `spool`.
    pub imports: Vec<String>,
    pub(crate) pre: InstancePre<CallState>,
    pub(crate) indices: Indices,
    pub(crate) services: Services,
}

/// Where a component's exports are, found once.
#[derive(Clone)]
pub(crate) struct Indices {
    pub(crate) plugin: wit_plugin::GuestIndices,
    pub(crate) source: Option<source::GuestIndices>,
    pub(crate) destination: Option<destination::GuestIndices>,
}

impl Plugin {
    /// The same plugin under other limits: narrower ones show what it does when it is cut off.
    #[must_use]
    pub fn within(&self, limits: Limits) -> Self {
        let services = Services { limits: Arc::new(limits), ..self.services.clone() };
        Self {
            spec: self.spec.clone(),
            digest: self.digest.clone(),
            imports: self.imports.clone(),
            pre: self.pre.clone(),
            indices: self.indices.clone(),
            services,
            ..*self
        }
    }

    /// The limits its calls are held to.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.services.limits
    }

    /// The only domains that the host reaches for it, whatever it declares; `None`: those that it declares.
    #[must_use]
    pub fn host_domains(&self) -> Option<&[String]> {
        self.services.domains.as_deref()
    }

    /// Brings a cursor or delivery state of an older version into this one's form. Pure: no connection is concerned.
    ///
    /// # Errors
    /// What the plugin answers; `limit.*`, `plugin.*`.
    pub async fn migrate_state(&self, from_version: u32, state: &[u8]) -> Result<Vec<u8>, Fault> {
        let migrated = self.migrate_states(from_version, &[state]).await?.pop();
        migrated.ok_or_else(|| Fault::new(FaultKind::Internal, "plugin.migrate", "no state came of one"))
    }

    /// As [`migrate_state`](Self::migrate_state), for all states of one version at once, in one instance: they share
    /// its limits.
    ///
    /// # Errors
    /// Those of the first that cannot be migrated.
    pub async fn migrate_states(&self, from_version: u32, states: &[&[u8]]) -> Result<Vec<Vec<u8>>, Fault> {
        let call = Call {
            plugin: self,
            function: "migrate-state",
            limits: self.services.limits.small(),
            broker: Box::new(NoAuthority { made_up: 1 }),
            organisation: None,
            connection: String::new(),
        };
        let called = call.run(async |store, exports| {
            let plugin = exports.plugin(store)?;
            let mut migrated = Vec::with_capacity(states.len());
            for state in states {
                migrated.push(plugin.call_migrate_state(&mut *store, from_version, state).await?);
            }
            Ok(migrated)
        });
        let migrated = called.await.result?.into_iter().map(|answer| answer.map_err(convert::fault_from_guest));
        migrated.map(|state| self.check_state("limit.state", "state", state?)).collect()
    }

    /// Runs one call for a connection, and tells its observer.
    pub(crate) async fn call<T, U>(
        &self,
        context: &ConnectionContext,
        function: &'static str,
        mode: Mode,
        body: impl AsyncFnOnce(&mut Store<CallState>, &Exports<'_>) -> wasmtime::Result<T>,
        check: impl FnOnce(T) -> Result<U, Fault>,
    ) -> Result<(U, Usage), Fault> {
        self.call_counting(context, function, mode, body, check, |_| 0).await
    }

    /// As [`call`](Self::call), for what has rows that are counted.
    pub(crate) async fn call_counting<T, U>(
        &self,
        context: &ConnectionContext,
        function: &'static str,
        mode: Mode,
        body: impl AsyncFnOnce(&mut Store<CallState>, &Exports<'_>) -> wasmtime::Result<T>,
        check: impl FnOnce(T) -> Result<U, Fault>,
        rows: fn(&U) -> usize,
    ) -> Result<(U, Usage), Fault> {
        let mode = if context.dry_run { Mode::ReadOnly } else { mode };
        let limits = (*self.services.limits).clone();
        let broker: Box<dyn Broker> = Box::new(LocalBroker::new(self, context, mode));
        let connection = context.connection_id.to_string();
        let organisation = Some(Arc::clone(&context.memory));
        let call = Call { plugin: self, function, limits, broker, organisation, connection };
        let Called { result, mut report } = call.run(body).await;
        let result = result.and_then(check);
        // The check may have found what the call itself did not.
        report.fault = result.as_ref().err().cloned();
        report.rows = result.as_ref().map_or(0, |value| rows(value) as u64);
        if let Some(fault) = report.fault.as_ref().filter(|_| report.usage.requests > 0) {
            context.budget.refused(fault);
        }
        context.observer.finished(&report);
        result.map(|value| (value, report.usage))
    }

    pub(crate) fn check_state(&self, code: &str, what: &str, bytes: Vec<u8>) -> Result<Vec<u8>, Fault> {
        let most = self.services.limits.cursor_bytes;
        if bytes.len() > most {
            return Err(exceeded(code, format!("the {what} has {} bytes; at most {most} are kept", bytes.len())));
        }
        Ok(bytes)
    }

    /// For logs: name and version.
    pub(crate) fn label(&self) -> String {
        format!("{}@{}", self.spec.name, self.spec.version)
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.spec.name)
            .field("version", &self.spec.version)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}
