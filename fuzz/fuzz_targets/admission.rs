//! A component's bytes or a specification's text, as they are offered at an install.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attiva_wasm::fuzzing::admission(bytes));
