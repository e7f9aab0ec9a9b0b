//! A test binary as the compiling program of a host: a script starts it again, as one of its tests, which then is that
//! program and no test.

use std::fmt::Display;
use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const ARGUMENTS: &str = "ATTIVA_TEST_WORKER";

/// Writes the script. `test`: the whole name of the test that calls [`be`]; `prelude`: what the shell does first. The test
/// harness says a few words of its own, so the code goes over another descriptor.
///
/// # Panics
/// If it cannot be written: the tests cannot go on.
#[must_use]
pub fn script(place: &Path, prelude: &str, test: &str) -> PathBuf {
    let script = place.join("compiler");
    let this = std::env::current_exe().unwrap();
    let text = format!(
        "#!/bin/sh\n{prelude}\nexport {ARGUMENTS}=\"$*\"\nexec 3>&1\nexec '{}' --exact {test} --nocapture >/dev/null\n",
        this.display()
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, Permissions::from_mode(0o700)).unwrap();
    script
}

/// Does the program's work with its arguments and where its code goes, and ends the process; nothing, in a run of tests.
///
/// # Panics
/// If the script did not start it.
pub fn be<E: Display>(work: impl FnOnce(&[String], File) -> Result<(), E>) {
    let Ok(arguments) = std::env::var(ARGUMENTS) else { return };
    let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
    let out = OpenOptions::new().write(true).open("/proc/self/fd/3").unwrap();
    if let Err(said) = work(&arguments, out) {
        eprintln!("{said}");
        std::process::exit(1);
    }
    std::process::exit(0);
}
