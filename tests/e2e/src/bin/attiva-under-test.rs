//! `attiva`, which ends at a point that a test names: `CRASH_POINT=page.committed:3` kills the process, as `kill -9` does,
//! when it passes that point the third time.

use attiva_server::cli::{Cli, run};
use attiva_sync::crash;
use clap::Parser;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

fn main() -> ExitCode {
    crash::watch(passed);
    run(Cli::parse()).into()
}

/// Perhaps never comes back.
fn passed(name: &'static str) {
    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static TIMES: AtomicU64 = AtomicU64::new(0);

    assert!(crash::is_known(name), "{name} is in no list");
    let Some((wanted, count)) = WANTED.get_or_init(wanted) else { return };
    if wanted == name && TIMES.fetch_add(1, Ordering::Relaxed) + 1 == *count {
        eprintln!("crash point {name} passed {count} times");
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        std::process::abort();
    }
}

fn wanted() -> Option<(String, u64)> {
    let text = std::env::var("CRASH_POINT").ok()?;
    let (name, count) = text.split_once(':')?;
    Some((name.to_owned(), count.parse().ok()?))
}
