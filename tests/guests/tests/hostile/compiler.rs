//! A component that the compiler would never be done with, in a process of its own.

use crate::world::{Stopped, World, options};
use attiva_guests::compiler;
use attiva_wasm::compile::{WORKER, worker};
use attiva_wasm::{AdmissionError, CompileLimits, Compiler, HostOptions, Limits, PluginHost};
use std::time::Duration;

pub(crate) async fn refused(world: &World) -> Stopped {
    let place = tempfile::tempdir().unwrap();
    let compile_limits = CompileLimits { cpu: Duration::from_secs(1), ..CompileLimits::default() };
    let compiler = Compiler::Process(compiler::script(place.path(), "", "compiler::the_process"));
    let host = PluginHost::new(HostOptions { compiler, compile_limits, ..options(Limits::default()) }).unwrap();
    let (stopped, error) = world.installing(&host, &endless()).await;
    assert!(matches!(&error, AdmissionError::Compile(why) if why.contains("CPU time")), "{error:?}");
    stopped
}

/// Not a test of its own: what the compiling process does, when it is one.
#[test]
fn the_process() {
    compiler::be(|arguments, out| {
        assert_eq!(arguments[0], WORKER);
        worker(&arguments[1..], out)
    });
}

/// Functions so long that the register allocator has to work for them.
fn endless() -> Vec<u8> {
    let body = "local.get 0 i32.const 7 i32.add local.tee 0 i32.load local.set 0 ".repeat(60_000);
    let functions = format!("(func (param i32) (result i32) {body} local.get 0)").repeat(4);
    let text = format!(
        r#"(component (core module $m (memory 1) {functions}) (core instance (instantiate $m)) (instance $i)
           (export "attiva:connector/plugin@0.1.0" (instance $i)) (export "attiva:connector/source@0.1.0" (instance $i)))"#
    );
    wat::parse_str(text).unwrap()
}
