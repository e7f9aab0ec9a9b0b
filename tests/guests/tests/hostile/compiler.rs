//! A component that the compiler would never be done with, in a process of its own.

use crate::world::{Stopped, World, options};
use attiva_wasm::compile::{WORKER, worker};
use attiva_wasm::{AdmissionError, CompileLimits, Compiler, HostOptions, Limits, PluginHost};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) async fn refused(world: &World) -> Stopped {
    let place = tempfile::tempdir().unwrap();
    let compile_limits = CompileLimits { cpu: Duration::from_secs(1), ..CompileLimits::default() };
    let compiler = Compiler::Process(program(&place));
    let host = PluginHost::new(HostOptions { compiler, compile_limits, ..options(Limits::default()) }).unwrap();
    let (stopped, error) = world.installing(&host, &endless()).await;
    assert!(matches!(&error, AdmissionError::Compile(why) if why.contains("CPU time")), "{error:?}");
    stopped
}

/// This test binary as the compiling program: a script that starts it again, as the test below. The test harness says a few
/// words of its own, so the code goes over another descriptor.
fn program(place: &tempfile::TempDir) -> PathBuf {
    let script = place.path().join("compiler");
    let test = std::env::current_exe().unwrap();
    let text = format!(
        "#!/bin/sh\nexport ATTIVA_TEST_WORKER=\"$*\"\nexec 3>&1\nexec '{}' --exact compiler::the_process --nocapture >/dev/null\n",
        test.display()
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    script
}

/// Not a test of its own: what the compiling process does, when it is one.
#[test]
fn the_process() {
    let Ok(arguments) = std::env::var("ATTIVA_TEST_WORKER") else { return };
    let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
    assert_eq!(arguments[0], WORKER);
    let out = std::fs::OpenOptions::new().write(true).open("/proc/self/fd/3").unwrap();
    if let Err(said) = worker(&arguments[1..], out) {
        eprintln!("{said}");
        std::process::exit(1);
    }
    std::process::exit(0);
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
