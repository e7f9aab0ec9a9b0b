//! Compiling in a process of its own: the same code comes of it, and its bounds hold.

use crate::support::{Connection, component, options};
use attiva_guests::compiler;
use attiva_wasm::compile::{WORKER, worker};
use attiva_wasm::{AdmissionError, CompileLimits, Compiler, HostOptions, PluginHost};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use std::fs::File;
use std::io::{self, Write};
use std::net::UdpSocket;
use std::time::Duration;

/// Not a test of its own: what the compiling process does, when it is one.
#[test]
fn the_process() {
    compiler::be(|arguments, out| {
        assert_eq!(arguments[0], WORKER);
        if std::env::var_os("ATTIVA_PROBE").is_some() {
            return worker(&arguments[1..], Probe);
        }
        worker(&arguments[1..], out)
    });
}

/// Says what the compiling process can open, where it is to write its code.
struct Probe;

impl Write for Probe {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        let socket = UdpSocket::bind("127.0.0.1:0").map(drop);
        let file = File::open("/dev/null").map(drop);
        Err(io::Error::other(format!("socket: {socket:?}, file: {file:?}")))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn what_compiles_reaches_no_network_and_no_file() {
    let refused = admitted("export ATTIVA_PROBE=1", CompileLimits::default(), &component()).await;
    let said = refused.map(drop).unwrap_err().to_string();
    // EMFILE: no more handles.
    assert_eq!(said.matches("code: 24").count(), 2, "{said}");
}

async fn admitted(prelude: &str, limits: CompileLimits, component: &[u8]) -> Result<PluginHost, AdmissionError> {
    let (aot, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let aot_dir = Dir::open_ambient_dir(aot.path(), ambient_authority()).unwrap();
    let compiler = Compiler::Process(compiler::script(place.path(), prelude, "compile::the_process"));
    let options = HostOptions { aot_dir, compiler, compile_limits: limits, ..options() };
    let host = PluginHost::new(options).unwrap();
    let admitted = host.admit(component).await;
    let kept = std::fs::read_dir(aot.path()).unwrap().count();
    assert_eq!(kept, usize::from(admitted.is_ok()), "only what was admitted is kept");
    let plugin = admitted?;
    Connection::that("good").read(&plugin).await.unwrap();
    Ok(host)
}

fn refused(result: Result<PluginHost, AdmissionError>) -> String {
    match result.map(drop) {
        Err(AdmissionError::Compile(how)) => how,
        other => panic!("{other:?}"),
    }
}

/// One function of so many additions: the register allocator has to work for it.
fn long(additions: usize) -> Vec<u8> {
    let body = "local.get 0 i32.const 7 i32.add local.tee 0 i32.load local.set 0 ".repeat(additions);
    let functions = format!("(func (param i32) (result i32) {body} local.get 0)");
    let module = format!("(module (memory 1) {})", functions.repeat(4));
    let text = format!(
        r#"(component (core module $m {}) (core instance (instantiate $m))
           (instance $i) (export "attiva:connector/plugin@0.1.0" (instance $i))
           (export "attiva:connector/source@0.1.0" (instance $i)))"#,
        module.strip_prefix("(module ").unwrap().strip_suffix(')').unwrap()
    );
    wat::parse_str(text).unwrap()
}

#[tokio::test]
async fn a_component_compiled_in_another_process_runs_in_this_one() {
    admitted("", CompileLimits::default(), &component()).await.unwrap();
}

#[tokio::test]
async fn compiling_ends_where_its_bounds_are() {
    let cpu = CompileLimits { cpu: Duration::from_secs(1), ..CompileLimits::default() };
    let long = long(60_000);
    assert!(refused(admitted("", cpu, &long).await).contains("CPU time"));
    let memory = CompileLimits { memory_bytes: 300 << 20, ..CompileLimits::default() };
    let said = refused(admitted("", memory, &long).await);
    assert!(said.contains("bytes of memory"), "{said}");
    let wall = CompileLimits { wall: Duration::from_millis(300), ..CompileLimits::default() };
    let said = refused(admitted("exec sleep 600", wall, &component()).await);
    assert!(said.contains("longer than 300ms"), "{said}");
    let code = CompileLimits { code_bytes: 1_000, ..CompileLimits::default() };
    let said = refused(admitted("", code, &component()).await);
    assert!(said.contains("more than 1000 bytes"), "{said}");
}

#[tokio::test]
async fn what_a_process_that_breaks_says_is_told() {
    let limits = CompileLimits::default();
    let said = refused(admitted("kill -9 $$", limits, &component()).await);
    assert!(said.contains("signal 9"), "{said}");
    let there = tempfile::tempdir().unwrap();
    let aot_dir = Dir::open_ambient_dir(there.path(), ambient_authority()).unwrap();
    let compiler = Compiler::Process(there.path().join("nothing"));
    let host = PluginHost::new(HostOptions { aot_dir, compiler, ..options() }).unwrap();
    let said = refused(host.admit(&component()).await.map(|_| host.clone()));
    assert!(said.contains("cannot be started"), "{said}");
}
