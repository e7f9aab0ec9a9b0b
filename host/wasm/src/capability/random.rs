//! Random bytes, fit for keys.

use crate::bindings::random::Host;
use crate::call::CallState;
use crate::limits::Tripped;

const COUNT_MAX: u32 = 1024;

impl Host for CallState {
    fn bytes(&mut self, count: u32) -> wasmtime::Result<Vec<u8>> {
        self.count_host_call()?;
        if count > COUNT_MAX {
            // The contract leaves no room for a fault, and fewer bytes than asked for make weak keys.
            return Err(Tripped::Random(count).into());
        }
        let mut bytes = vec![0; count as usize];
        self.broker.fill_random(&mut bytes)?;
        Ok(bytes)
    }
}
