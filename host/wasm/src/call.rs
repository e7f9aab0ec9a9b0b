//! One call of a plugin: a fresh store with its limits, the call under its meter, and what comes of it. A store is
//! never used twice: after a trap it could not be, and after a good call it would keep what it has learnt.

use crate::bindings::{destination, plugin as wit_plugin, source};
use crate::broker::{Broker, Traffic};
use crate::capability::log::CallLog;
use crate::limits::{HostMemory, Limits, MemoryLimiter, OrganisationMemory, Tripped};
use crate::meter::Meter;
use crate::plugin::{Indices, Plugin};
use crate::usage::{CallReport, Usage};
use attiva_core::{Fault, FaultKind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::component::Instance;
use wasmtime::{Engine, PoolConcurrencyLimitError, Store, Trap, UpdateDeadline, WasmBacktrace};

/// Of a function's name, which is the guest's to choose.
const SYMBOL_CHARS: usize = 300;

/// What a store holds.
pub(crate) struct CallState {
    memory: MemoryLimiter,
    host_calls: u64,
    host_calls_max: u64,
    pub(crate) broker: Box<dyn Broker>,
    pub(crate) log: CallLog,
}

impl CallState {
    /// Counts a call from the guest. Every import does so first.
    pub(crate) fn count_host_call(&mut self) -> Result<(), Tripped> {
        self.host_calls += 1;
        if self.host_calls > self.host_calls_max {
            return Err(Tripped::HostCalls(self.host_calls_max));
        }
        Ok(())
    }
}

/// A call that is being prepared.
pub(crate) struct Call<'p> {
    pub(crate) plugin: &'p Plugin,
    pub(crate) function: &'static str,
    pub(crate) limits: Limits,
    pub(crate) broker: Box<dyn Broker>,
    /// Whose memory it takes; `None` where no connection is concerned.
    pub(crate) organisation: Option<Arc<OrganisationMemory>>,
    /// For logs; empty where no connection is concerned.
    pub(crate) connection: String,
}

/// A finished call.
pub(crate) struct Called<T> {
    pub(crate) result: Result<T, Fault>,
    pub(crate) report: CallReport,
}

/// The exports of an instance, each typed when it is asked for: a call pays for the one it uses.
pub(crate) struct Exports<'p> {
    indices: &'p Indices,
    instance: Instance,
}

impl Exports<'_> {
    pub(crate) fn plugin(&self, store: &mut Store<CallState>) -> wasmtime::Result<wit_plugin::Guest> {
        self.indices.plugin.load(store, &self.instance)
    }

    /// `None`: the plugin is no source.
    pub(crate) fn source(&self, store: &mut Store<CallState>) -> wasmtime::Result<Option<source::Guest>> {
        self.indices.source.as_ref().map(|indices| indices.load(store, &self.instance)).transpose()
    }

    /// `None`: the plugin is no destination.
    pub(crate) fn destination(&self, store: &mut Store<CallState>) -> wasmtime::Result<Option<destination::Guest>> {
        self.indices.destination.as_ref().map(|indices| indices.load(store, &self.instance)).transpose()
    }
}

impl Call<'_> {
    /// Instantiates the plugin and runs `body` on it, inside all limits.
    pub(crate) async fn run<T>(
        self,
        body: impl AsyncFnOnce(&mut Store<CallState>, &Exports<'_>) -> wasmtime::Result<T>,
    ) -> Called<T> {
        let began = Instant::now();
        let meter = Meter::new(self.limits.cpu);
        let wall = self.limits.wall;
        let Call { plugin, function, limits, broker, organisation, connection } = self;
        let state = CallState {
            memory: MemoryLimiter::new(&limits, plugin.host_memory(), organisation),
            host_calls: 0,
            host_calls_max: limits.host_calls,
            broker,
            log: CallLog::new(plugin.label(), connection, limits.log_bytes),
        };
        let mut store = limited_store(plugin.pre.engine(), state, &limits, &meter);
        let work = meter.charge(async {
            let instance = plugin.pre.instantiate_async(&mut store).await?;
            let exports = Exports { indices: &plugin.indices, instance };
            body(&mut store, &exports).await
        });
        let outcome = tokio::time::timeout(wall, work).await;
        let state = store.into_data();
        let mut trace = Vec::new();
        let result = match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                trace = symbols(&error);
                Err(fault(&error, &limits, &state.log))
            }
            Err(_) => Err(Tripped::Wall(wall).fault()),
        };
        let traffic = state.broker.traffic();
        let usage = Usage {
            cpu_ns: meter.charged_ns(),
            wall_ns: nanos(began.elapsed()),
            peak_memory: state.memory.peak() as u64,
            requests: traffic.requests,
            bytes_out: traffic.bytes_out,
            bytes_in: traffic.bytes_in,
            host_calls: state.host_calls,
            log_dropped: state.log.dropped(),
        };
        let fault = result.as_ref().err().cloned();
        let Traffic { hosts, denials, exchanges, .. } = traffic;
        let log = state.log.into_lines();
        Called { result, report: CallReport { function, fault, usage, rows: 0, hosts, denials, exchanges, trace, log } }
    }
}

/// A store with every limit set.
fn limited_store(engine: &Engine, state: CallState, limits: &Limits, meter: &Arc<Meter>) -> Store<CallState> {
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(limits.crossing_bytes);
    store.set_max_component_handles(limits.handles);
    store.set_epoch_deadline(1);
    let meter = meter.clone();
    store.epoch_deadline_callback(move |_| {
        meter.check()?;
        // Yielding gives others their turn, and the wall's time-out its chance.
        Ok(UpdateDeadline::Yield(1))
    });
    store
}

impl Plugin {
    fn host_memory(&self) -> Arc<HostMemory> {
        self.services.memory.clone()
    }
}

/// Functions of the guest that were at work when it ended, the innermost first; as far as it has kept their names.
fn symbols(error: &wasmtime::Error) -> Vec<String> {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    // Wasmtime's own words, which are demangled: `<number>: <offset> - <module>!<function>`.
    let text = trace.to_string();
    let frames = text.lines().filter_map(|line| line.split_once(" - ")).map(|(_, frame)| frame);
    let names = frames.map(|frame| frame.split_once('!').map_or(frame, |(_, name)| name));
    names.map(|name| name.chars().take(SYMBOL_CHARS).collect()).collect()
}

/// Why a call ended early, as a fault.
fn fault(error: &wasmtime::Error, limits: &Limits, log: &CallLog) -> Fault {
    if let Some(tripped) = error.downcast_ref::<Tripped>() {
        return tripped.fault();
    }
    if let Some(fault) = error.downcast_ref::<Fault>() {
        return fault.clone();
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Tripped::Instances.fault();
    }
    let text = format!("{error:#}");
    // Wasmtime keeps these two error types to itself; the tests of the limits hold us to their words.
    if text.contains("too much data is being copied") || text.contains("hostcall fuel") {
        return Tripped::Crossing(limits.crossing_bytes).fault();
    }
    if text.contains("store handle limit exceeded") {
        return Tripped::Handles(limits.handles).fault();
    }
    let said = log.last_words().map(|words| format!(": {words}")).unwrap_or_default();
    let (code, what) = match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => ("plugin.stack-overflow", "the connector's stack overflowed".to_owned()),
        Some(trap) => ("plugin.trap", format!("the connector stopped with a trap ({trap})")),
        None => ("plugin.broken", format!("the connector broke the contract ({text})")),
    };
    Fault::new(FaultKind::Internal, code, format!("{what}{said}")).action("Report this to the connector's publisher.")
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::NoAuthority;
    use wasmtime::component::Linker;

    /// Makes handles of a resource of its own, for ever.
    const HOARDER: &str = r#"(component
        (type $r (resource (rep i32)))
        (core func $new (canon resource.new $r))
        (core module $m (import "" "new" (func $new (param i32) (result i32)))
            (func (export "go") (loop $again (drop (call $new (i32.const 1))) (br $again))))
        (core instance $i (instantiate $m (with "" (instance (export "new" (func $new))))))
        (func (export "go") (canon lift (core func $i "go"))))"#;

    /// Many memories, each of them small.
    const MANY: &str = r#"(component
        (core module $m (memory 100) (memory 100) (memory 100))
        (core instance (instantiate $m))
        (core module $n (func (export "go")))
        (core instance $i (instantiate $n))
        (func (export "go") (canon lift (core func $i "go"))))"#;

    fn state(limits: &Limits) -> CallState {
        CallState {
            memory: MemoryLimiter::new(limits, Arc::default(), None),
            host_calls: 0,
            host_calls_max: 0,
            broker: Box::new(NoAuthority { made_up: 1 }),
            log: CallLog::new(String::new(), String::new(), 0),
        }
    }

    async fn fault_of(text: &str, limits: Limits) -> (Fault, usize) {
        let engine = crate::engine::start(None).unwrap();
        let component = crate::engine::compiled(&engine, text);
        let pre = Linker::new(&engine).instantiate_pre(&component).unwrap();
        let meter = Meter::new(limits.cpu);
        let mut store = limited_store(&engine, state(&limits), &limits, &meter);
        let ran = meter
            .charge(async {
                let instance = pre.instantiate_async(&mut store).await?;
                let go = instance.get_typed_func::<(), ()>(&mut store, "go")?;
                go.call_async(&mut store, ()).await
            })
            .await;
        let state = store.into_data();
        (fault(&ran.unwrap_err(), &limits, &state.log), state.memory.peak())
    }

    const SMALL: &str = r#"(component (core module $m (memory 1)) (core instance (instantiate $m)))"#;

    /// What the others hold is no defect of a plugin: it passes.
    #[tokio::test]
    async fn a_call_too_many_for_the_pool_is_tried_again() {
        let limits = Limits::default();
        let pool = crate::engine::Pool { instances: 1, memory_bytes: 1 << 20 };
        let engine = crate::engine::start(Some(pool)).unwrap();
        let component = crate::engine::compiled(&engine, SMALL);
        let pre = Linker::new(&engine).instantiate_pre(&component).unwrap();
        let meter = Meter::new(limits.cpu);
        let mut first = limited_store(&engine, state(&limits), &limits, &meter);
        pre.instantiate_async(&mut first).await.unwrap();
        let mut second = limited_store(&engine, state(&limits), &limits, &meter);
        let error = pre.instantiate_async(&mut second).await.unwrap_err();
        let fault = fault(&error, &limits, &second.data().log);
        assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Transient, "limit.instances"), "{error:#}");
        drop((first, second));
        let mut third = limited_store(&engine, state(&limits), &limits, &meter);
        pre.instantiate_async(&mut third).await.unwrap();
    }

    #[tokio::test]
    async fn handles_end() {
        let (fault, _) = fault_of(HOARDER, Limits::default()).await;
        assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Internal, "limit.handles"));
    }

    #[tokio::test]
    async fn memories_count_together() {
        let limits = Limits { memory_bytes: 250 * 65_536, ..Limits::default() };
        let (fault, peak) = fault_of(MANY, limits).await;
        assert_eq!((fault.code.as_str(), peak), ("limit.memory", 200 * 65_536));
    }
}
