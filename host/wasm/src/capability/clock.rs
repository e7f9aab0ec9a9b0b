//! The time.

use crate::bindings::clock::Host;
use crate::call::CallState;

impl Host for CallState {
    fn now_ms(&mut self) -> wasmtime::Result<u64> {
        self.count_host_call()?;
        Ok(self.broker.now_ms())
    }
}
