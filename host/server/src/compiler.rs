//! Where components are compiled: in a process of this program's own, which is this program again with another first
//! argument. A program that is not this one (a test, a benchmark) compiles in its own process unless it names this one.

use attiva_wasm::Compiler;
use attiva_wasm::compile::{WORKER, worker};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// To be called first of all by the program: if it was started to compile, it does that and nothing else.
#[must_use]
pub fn serve_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(WORKER) {
        let arguments: Vec<String> = arguments.collect();
        return Some(match worker(&arguments, std::io::stdout().lock()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(said) => {
                eprintln!("{said}");
                ExitCode::FAILURE
            }
        });
    }
    use_program(own_program());
    None
}

/// Has components compiled by this program, which must be one that calls [`serve_if_asked`]. The first word counts.
pub fn use_program(program: PathBuf) {
    PROGRAM.get_or_init(|| program);
}

/// Where components are compiled.
#[must_use]
pub fn compiler() -> Compiler {
    PROGRAM.get().map_or(Compiler::Here, |program| Compiler::Process(program.clone()))
}

/// The very file this process runs, also when another one was put in its place meanwhile: what another build compiles,
/// this one could not load.
fn own_program() -> PathBuf {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() { running } else { std::env::current_exe().unwrap_or(running) }
}
