//! What the program holds: one engine, one client, one cache of compiled code; and the door for new plugins.

use crate::aot::AotCache;
use crate::call::CallState;
use crate::capability;
use crate::compile::{CompileLimits, Compiler};
use crate::egress::open::OpenConnections;
use crate::egress::transport::Transport;
use crate::egress::{Resolve, SystemResolver};
use crate::engine::{self, Pool};
use crate::limits::{HostMemory, Limits};
use crate::surroundings::{Surroundings, TheMachine};
use cap_std::fs::Dir;
use std::sync::Arc;
use wasmtime::Engine;
use wasmtime::component::Linker;

/// How a host is made.
pub struct HostOptions {
    /// Where compiled code is kept. Only the host may write there.
    pub aot_dir: Dir,
    /// Authenticates what is read from there; must stay on this host.
    pub aot_key: [u8; 32],
    pub limits: Limits,
    /// Where components are compiled.
    pub compiler: Compiler,
    pub compile_limits: CompileLimits,
    /// So many instances are kept in a pool, and no more calls go on at once (`limit.instances`). 0: each call makes its
    /// own. A pool makes small calls faster, at the price of address space: some 8 GiB for each.
    pub pool_instances: u32,
    /// The only domains that any plugin reaches; `None`: whatever its specification declares, which an operator approved.
    pub domains: Option<Arc<[String]>>,
    pub resolver: Arc<dyn Resolve>,
    /// The clock and the randomness that guests are handed.
    pub surroundings: Arc<dyn Surroundings>,
    /// Certificates trusted beside the public ones, in DER: a company's own authority.
    pub tls_roots: Vec<Vec<u8>>,
}

impl HostOptions {
    #[must_use]
    pub fn new(aot_dir: Dir, aot_key: [u8; 32]) -> Self {
        Self {
            aot_dir,
            aot_key,
            limits: Limits::default(),
            compiler: Compiler::default(),
            compile_limits: CompileLimits::default(),
            pool_instances: 0,
            domains: None,
            resolver: Arc::new(SystemResolver),
            surroundings: Arc::new(TheMachine),
            tls_roots: Vec::new(),
        }
    }
}

/// Why a host cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error("the WebAssembly engine cannot be started: {0}")]
    Engine(String),
    #[error("the TLS client cannot be made: {0}")]
    Tls(#[from] rustls::Error),
}

/// The plugin host. One per process; cheap to clone.
#[derive(Clone)]
pub struct PluginHost {
    pub(crate) engine: Engine,
    pub(crate) linker: Arc<Linker<CallState>>,
    pub(crate) aot: Arc<AotCache>,
    pub(crate) compiler: Arc<Compiler>,
    pub(crate) compile_limits: CompileLimits,
    pub(crate) services: Services,
}

/// What every call needs of the host.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) limits: Arc<Limits>,
    pub(crate) memory: Arc<HostMemory>,
    pub(crate) transport: Arc<Transport>,
    pub(crate) open: Arc<OpenConnections>,
    pub(crate) surroundings: Arc<dyn Surroundings>,
    pub(crate) domains: Option<Arc<[String]>>,
}

impl PluginHost {
    /// # Errors
    /// [`HostError`]: the engine or the TLS client cannot be made.
    pub fn new(options: HostOptions) -> Result<Self, HostError> {
        let broken = |error: wasmtime::Error| HostError::Engine(format!("{error:#}"));
        let pool = Pool { instances: options.pool_instances, memory_bytes: options.limits.memory_bytes };
        let engine = engine::start((pool.instances > 0).then_some(pool)).map_err(broken)?;
        let mut linker = Linker::new(&engine);
        capability::link(&mut linker).map_err(broken)?;
        Ok(Self {
            linker: Arc::new(linker),
            aot: Arc::new(AotCache::new(options.aot_dir, &options.aot_key, &engine)),
            compiler: Arc::new(options.compiler),
            compile_limits: options.compile_limits,
            services: Services {
                open: Arc::new(OpenConnections::new(&options.limits)),
                limits: Arc::new(options.limits),
                memory: Arc::default(),
                transport: Arc::new(Transport::new(options.resolver, &options.tls_roots)?),
                surroundings: options.surroundings,
                domains: options.domains,
            },
            engine,
        })
    }
}

/// What all plugins at work hold of the machine, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    pub memory_bytes: usize,
    /// Connections to vendors.
    pub connections: usize,
}

impl PluginHost {
    #[must_use]
    pub fn held(&self) -> Held {
        Held { memory_bytes: self.services.memory.used(), connections: self.services.open.open_now() }
    }
}

impl std::fmt::Debug for PluginHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginHost").field("limits", &self.services.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConnectionContext, Plugin, ReadRequest};
    use attiva_core::ports::connector::Target;

    fn is_send<T: Send>(_: &T) {}

    /// Calls are spawned on a runtime with many threads.
    #[allow(dead_code)]
    fn calls_can_be_spawned(
        host: &PluginHost,
        plugin: &Plugin,
        context: &ConnectionContext,
        read: &ReadRequest,
        target: &Target,
    ) {
        is_send(&host.admit(b""));
        is_send(&plugin.check(context));
        is_send(&plugin.read(context, read));
        is_send(&plugin.retire(context, target));
        is_send(&plugin.migrate_state(1, b""));
    }
}
