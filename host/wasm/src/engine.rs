//! The one engine of the process, and the thread that makes its epoch pass.

use crate::stacks::Stacks;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// How often running guests are made to look at their meter.
const TICK: Duration = Duration::from_millis(10);

/// What of a pooled instance's tables stays where it is between two calls.
const TABLE_BYTES: usize = 64 << 10;

/// Instances that are made before they are needed, and used again after they have been wiped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pool {
    /// How many calls may go on at once.
    pub(crate) instances: u32,
    /// Of one memory, at most.
    pub(crate) memory_bytes: usize,
}

impl Pool {
    /// A component has its own module, and small ones that join it to the host; few have a second memory.
    fn strategy(self) -> InstanceAllocationStrategy {
        let mut pool = PoolingAllocationConfig::new();
        pool.max_memory_size(self.memory_bytes)
            .total_component_instances(self.instances)
            .total_stacks(self.instances)
            .total_memories(self.instances.saturating_mul(2))
            .total_core_instances(self.instances.saturating_mul(4))
            .total_tables(self.instances.saturating_mul(4))
            // Tables are small: to write them over takes less than to give their pages back and touch new ones. Memories
            // are given back. Wasmtime could scan for the pages that a guest has written, and write those over; but a
            // page that is swapped out, or on its way to another place, is not seen by the scan, and the next guest
            // would read what the one before has left there.
            .table_keep_resident(TABLE_BYTES);
        InstanceAllocationStrategy::Pooling(pool)
    }
}

/// Makes the engine that serves, and starts its ticker, which ends when the engine is gone. It cannot compile.
pub(crate) fn start(pool: Option<Pool>) -> wasmtime::Result<Engine> {
    let mut config = config();
    config.enable_compiler(false);
    if let Some(pool) = pool {
        config.allocation_strategy(pool.strategy());
    }
    config.with_host_stack(Arc::new(Stacks::default()));
    let engine = Engine::new(&config)?;
    let weak = engine.weak();
    std::thread::Builder::new().name("attiva-epoch".into()).spawn(move || {
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    })?;
    Ok(engine)
}

/// Makes an engine that compiles for the one that serves, and runs nothing. Code does not hang on where instances come
/// from.
pub(crate) fn compiling() -> wasmtime::Result<Engine> {
    let mut config = config();
    config.cranelift_opt_level(OptLevel::Speed);
    Engine::new(&config)
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .wasm_component_model(true)
        .concurrency_support(false)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(32));
    config
}

/// For tests: a component of its text, compiled for an engine that serves.
#[cfg(test)]
pub(crate) fn compiled(engine: &Engine, text: &str) -> wasmtime::component::Component {
    let code = compiling().unwrap().precompile_component(&wat::parse_str(text).unwrap()).unwrap();
    #[expect(unsafe_code, reason = "compiled one line above")]
    unsafe {
        wasmtime::component::Component::deserialize(engine, code).unwrap()
    }
}
