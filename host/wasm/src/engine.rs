//! The one engine of the process, and the thread that makes its epoch pass.

use std::time::Duration;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// How often running guests are made to look at their meter.
const TICK: Duration = Duration::from_millis(10);

/// Makes the engine and starts its ticker, which ends when the engine is gone.
pub(crate) fn start(pooling: bool, memory_bytes: usize) -> wasmtime::Result<Engine> {
    let engine = Engine::new(&config(pooling, memory_bytes))?;
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

fn config(pooling: bool, memory_bytes: usize) -> Config {
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        .epoch_interruption(true)
        .wasm_component_model(true)
        .concurrency_support(false)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(32));
    if pooling {
        let mut pool = PoolingAllocationConfig::new();
        pool.max_memory_size(memory_bytes).total_memories(200).total_component_instances(100).total_core_instances(400);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}
