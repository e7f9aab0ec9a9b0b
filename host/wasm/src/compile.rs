//! Compiling components, apart from running them. The engine that serves calls has no compiler; what compiles is an
//! engine of its own, best in a process of its own: a component that makes the compiler hoard memory or never come to
//! an end costs that process.

use crate::admission::AdmissionError;
use crate::engine;
use rustix::process::{Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, kill_process, setrlimit, waitid};
use sha2::{Digest, Sha256};
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// What one compilation may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Address space of the process, in bytes.
    pub memory_bytes: u64,
    /// CPU time of the process, all threads together.
    pub cpu: Duration,
    pub wall: Duration,
    /// Size of the compiled code.
    pub code_bytes: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            memory_bytes: 4 << 30,
            cpu: Duration::from_secs(120),
            wall: Duration::from_secs(300),
            code_bytes: 256 << 20,
        }
    }
}

/// Where components are compiled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Compiler {
    /// In this process, with no bounds: for tests, and for tools that compile what their user has just built.
    #[default]
    Here,
    /// In a process of its own: a program that calls [`worker`] when its first argument is [`WORKER`].
    Process(PathBuf),
}

/// The first argument of a compiling process.
pub const WORKER: &str = "compile-worker";

/// Compiles a component to code that only this build of the host can load. Takes seconds for large components: not on
/// a runtime thread.
///
/// # Errors
/// [`AdmissionError::Contract`] where it cannot be compiled, [`AdmissionError::Compile`] where a bound ended it.
pub(crate) fn compile(
    compiler: &Compiler,
    limits: &CompileLimits,
    digest: &str,
    component: &[u8],
) -> Result<Vec<u8>, AdmissionError> {
    match compiler {
        Compiler::Here => precompile(component).map_err(AdmissionError::Contract),
        Compiler::Process(program) => {
            let child = start(program, limits, digest)
                .map_err(|e| AdmissionError::Compile(format!("its process cannot be started: {e}")))?;
            watched(child, limits, component)
        }
    }
}

fn precompile(component: &[u8]) -> Result<Vec<u8>, String> {
    let compiled = engine::compiling().and_then(|engine| engine.precompile_component(component));
    compiled.map_err(|error| format!("{error:#}"))
}

fn start(program: &PathBuf, limits: &CompileLimits, digest: &str) -> io::Result<Child> {
    Command::new(program)
        .arg(WORKER)
        .arg(digest)
        .args([limits.memory_bytes.to_string(), limits.cpu.as_secs().to_string()])
        // Nothing of ours: no secrets, no proxies, no settings.
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// Feeds the process, reads what it says, and ends it when its time is over.
fn watched(mut child: Child, limits: &CompileLimits, component: &[u8]) -> Result<Vec<u8>, AdmissionError> {
    let broken = |e: io::Error| AdmissionError::Compile(format!("its process broke: {e}"));
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
        return Err(broken(io::Error::other("it has no pipes")));
    };
    let (done, told) = channel();
    let pid = Pid::from_child(&child);
    let (wall, code_bytes) = (limits.wall, limits.code_bytes);
    std::thread::scope(|scope| {
        let watch = scope.spawn(move || match told.recv_timeout(wall) {
            Err(RecvTimeoutError::Timeout) => {
                // It is not reaped before we are told, so the number is still its own.
                let _ = kill_process(pid, Signal::KILL);
                true
            }
            Ok(()) | Err(RecvTimeoutError::Disconnected) => false,
        });
        scope.spawn(move || {
            // A process that was killed reads no further, and its end is told by its status.
            let _ = stdin.write_all(component);
        });
        let words = scope.spawn(move || start_of(stderr, 4096).unwrap_or_default());
        let code = start_of(stdout, code_bytes.saturating_add(1));
        let is_too_long = code.as_ref().is_ok_and(|code| code.len() as u64 > code_bytes);
        if code.is_err() || is_too_long {
            // Nobody reads on: it would wait for ever.
            child.kill().map_err(broken)?;
        }
        // Its end is waited for, and its number kept until nobody will send a signal there any more.
        let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        let _ = done.send(());
        let is_late = watch.join().unwrap_or(true);
        let status = child.wait().map_err(broken)?;
        let words = words.join().unwrap_or_default();
        if is_late {
            return Err(AdmissionError::Compile(format!("it took longer than {wall:?}")));
        }
        if is_too_long {
            return Err(AdmissionError::Compile(format!("its code has more than {code_bytes} bytes")));
        }
        if !status.success() {
            return Err(ended_badly(status, limits, &words));
        }
        code.map_err(broken)
    })
}

fn start_of(from: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    from.take(most).read_to_end(&mut start)?;
    Ok(start)
}

fn ended_badly(status: ExitStatus, limits: &CompileLimits, words: &[u8]) -> AdmissionError {
    let words = String::from_utf8_lossy(words);
    let words = words.trim();
    match status.signal() {
        Some(signal) if signal == Signal::XCPU.as_raw() => {
            AdmissionError::Compile(format!("it used more than {:?} of CPU time", limits.cpu))
        }
        Some(signal) if signal == Signal::ABORT.as_raw() || words.contains("memory allocation") => {
            AdmissionError::Compile(format!("it wanted more than {} bytes of memory", limits.memory_bytes))
        }
        Some(signal) => AdmissionError::Compile(format!("its process was ended by signal {signal}")),
        None if words.contains("memory") && words.contains("allocat") => {
            AdmissionError::Compile(format!("it wanted more than {} bytes of memory", limits.memory_bytes))
        }
        None => AdmissionError::Contract(words.to_owned()),
    }
}

/// The compiling process: bounds itself, reads a component from standard input, writes its code to `out`, which is
/// standard output, unless something else speaks there. `arguments` are those after [`WORKER`].
///
/// # Errors
/// What is to be said on standard error; the process ends with 1.
pub fn worker(arguments: &[String], mut out: impl Write) -> Result<(), String> {
    let [digest, address_space, cpu_seconds] = arguments else {
        return Err("this is for the host itself".into());
    };
    let number = |text: &str| text.parse::<u64>().map_err(|_| format!("`{text}` is no number"));
    let (address_space, cpu_seconds) = (number(address_space)?, number(cpu_seconds)?);
    bound(Resource::As, address_space, address_space)?;
    // The softer signal comes first, and tells what it was.
    bound(Resource::Cpu, cpu_seconds, cpu_seconds.saturating_add(1))?;
    bound(Resource::Core, 0, 0)?;
    bound(Resource::Fsize, 0, 0)?;
    // The three it has: no socket and no file is opened by whoever breaks the compiler.
    bound(Resource::Nofile, 3, 3)?;
    let mut component = Vec::new();
    io::stdin().lock().read_to_end(&mut component).map_err(|e| e.to_string())?;
    if hex::encode(Sha256::digest(&component)) != *digest {
        return Err("what arrived is not the component that was examined".into());
    }
    let code = precompile(&component)?;
    out.write_all(&code).and_then(|()| out.flush()).map_err(|e| e.to_string())
}

fn bound(resource: Resource, soft: u64, hard: u64) -> Result<(), String> {
    let limit = Rlimit { current: Some(soft), maximum: Some(hard) };
    setrlimit(resource, limit).map_err(|e| format!("{resource:?} cannot be bounded: {e}"))
}
