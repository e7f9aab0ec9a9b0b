//! Signs of life from inside a long call.

use crate::bindings::progress::Host;
use crate::call::CallState;

const PHASE_CHARS_MAX: usize = 200;

impl Host for CallState {
    fn report(&mut self, phase: String, done: Option<u64>, total: Option<u64>) -> wasmtime::Result<()> {
        self.count_host_call()?;
        let phase: String = phase.chars().take(PHASE_CHARS_MAX).collect();
        self.broker.progress(&phase, done, total);
        Ok(())
    }
}
