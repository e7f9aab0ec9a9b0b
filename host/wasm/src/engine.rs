//! The one engine of the process, and the thread that makes its epoch pass.

use crate::compile::Form;
use std::time::Duration;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// How often running guests are made to look at their meter.
const TICK: Duration = Duration::from_millis(10);

/// Makes the engine that serves, and starts its ticker, which ends when the engine is gone. It cannot compile.
pub(crate) fn start(form: Form) -> wasmtime::Result<Engine> {
    let mut config = config(form);
    config.enable_compiler(false);
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

/// Makes an engine that compiles for the one that serves, and runs nothing.
pub(crate) fn compiling(form: Form) -> wasmtime::Result<Engine> {
    let mut config = config(form);
    config.cranelift_opt_level(OptLevel::Speed);
    Engine::new(&config)
}

fn config(form: Form) -> Config {
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
    if form.pooling {
        let mut pool = PoolingAllocationConfig::new();
        pool.max_memory_size(form.memory_bytes)
            .total_memories(200)
            .total_component_instances(100)
            .total_core_instances(400);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

/// For tests: a component of its text, compiled for an engine that serves.
#[cfg(test)]
pub(crate) fn compiled(engine: &Engine, form: Form, text: &str) -> wasmtime::component::Component {
    let code = compiling(form).unwrap().precompile_component(&wat::parse_str(text).unwrap()).unwrap();
    #[expect(unsafe_code, reason = "compiled one line above")]
    unsafe {
        wasmtime::component::Component::deserialize(engine, code).unwrap()
    }
}
