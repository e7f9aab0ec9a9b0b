//! Files of compiled code that this host did not write.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attiva_wasm::fuzzing::aot(bytes));
