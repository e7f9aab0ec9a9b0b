//! A request, a configuration and an address, as they come to the egress gate.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attiva_wasm::fuzzing::policy(bytes));
