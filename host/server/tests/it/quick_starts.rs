//! The quick starts, run from nothing: each page in one shell, with the programs that it starts, on ports that are free.

use crate::operators::{Step, fits, steps};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// A shell that keeps what it is told, in a process group of its own.
struct Shell {
    child: Child,
    input: ChildStdin,
    said: Box<dyn Iterator<Item = String>>,
}

const MARK: &str = "--the end of a command--";

impl Shell {
    fn start(place: &Path) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_attiva")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
        let mut shell = Command::new("sh");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ATTIVA_")) {
            shell.env_remove(name);
        }
        shell.current_dir(place).env("PATH", path).process_group(0);
        let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "exec 2>&1").unwrap();
        let said = Box::new(BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok));
        Self { child, input, said }
    }

    fn run(&mut self, command: &str) -> Vec<String> {
        writeln!(self.input, "{command}\necho '{MARK}'").unwrap();
        self.said.by_ref().take_while(|line| line != MARK).collect()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Whatever it started and is still there: its own group, and nobody else.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn follow(page: &str) {
    let mut page = page.to_owned();
    let mut host = 0;
    for port in [8480, 8481, 8482] {
        host = free_port();
        page = page.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{host}"));
        page = page.replace(&format!("--port {port}"), &format!("--port {host}"));
        if port == 8480 {
            page =
                page.replacen("```console\n", &format!("```console\n$ export ATTIVA_URL=http://127.0.0.1:{host}\n"), 1);
        }
    }
    assert!(host > 0);
    let place = tempfile::tempdir().unwrap();
    let mut shell = Shell::start(place.path());
    let (mut commands, mut files) = (0, 0);
    for (i, part) in page.split("```yaml\n# ").enumerate() {
        let mut text = part;
        if i > 0 {
            let (file, rest) = part.split_once("```").unwrap();
            let (name, document) = file.split_once('\n').unwrap();
            std::fs::write(place.path().join(name), document).unwrap();
            files += 1;
            text = rest;
        }
        for Step { command, expected } in steps(text) {
            let said = shell.run(&command);
            assert!(
                fits(&expected, &said),
                "$ {command}\n{}\n--- but there stands:\n{}",
                said.join("\n"),
                expected.join("\n")
            );
            commands += 1;
        }
    }
    assert!(commands > 12 && files == 2, "{commands} {files}");
}

#[test]
fn the_way_through_marketo_is_true() {
    follow(include_str!("../../../../docs/quick-start-marketo.md"));
}

#[test]
fn the_way_from_the_crm_is_true() {
    follow(include_str!("../../../../docs/quick-start-crm.md"));
}
