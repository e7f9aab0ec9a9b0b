//! A host as a process of its own, that can be killed.

use crate::Kill;
use anyhow::{Context, Result, bail, ensure};
use attiva_simulators::s3::Watch;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The program under test: `attiva`, with the named points compiled in.
fn program() -> Result<PathBuf> {
    let mut path = std::env::current_exe()?;
    // target/debug/deps/kill-… for a test, target/debug/campaign for the campaign.
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    let program = path.join("attiva-under-test");
    ensure!(program.exists(), "{} is not there; build the package attiva-e2e", program.display());
    Ok(program)
}

pub struct HostProcess {
    program: PathBuf,
    data: PathBuf,
    port: u16,
    key: String,
    child: Option<Child>,
    kill_at: Option<Instant>,
    kill_when_lost: Option<Watch>,
    killed: Option<String>,
}

impl HostProcess {
    /// Makes a data directory with an API key in it.
    pub fn prepare(data: &Path) -> Result<Self> {
        let program = program()?;
        let made = alone(&program)
            .args(["key", "create", "--output", "json", "--data-dir"])
            .arg(data)
            .output()
            .context("key create")?;
        ensure!(made.status.success(), "key create: {}", String::from_utf8_lossy(&made.stderr));
        let made: serde_json::Value = serde_json::from_slice(&made.stdout)?;
        let key = made["key"].as_str().context("no key was shown")?.to_owned();
        // The port has to be the same after a restart, so it is chosen here.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        Ok(Self {
            program,
            data: data.to_owned(),
            port,
            key,
            child: None,
            kill_at: None,
            kill_when_lost: None,
            killed: None,
        })
    }

    pub fn start(&mut self, kill: Kill) -> Result<()> {
        let mut command = alone(&self.program);
        command.arg("serve").arg("--data-dir").arg(&self.data).arg("--listen").arg(format!("127.0.0.1:{}", self.port));
        command.args(["--set", "log.level=error"]).stdin(Stdio::null()).stdout(Stdio::null());
        match kill {
            Kill::AtPoint { name, count } => {
                command.env("CRASH_POINT", format!("{name}:{count}"));
            }
            Kill::After(wait) => self.kill_at = Some(Instant::now() + wait),
            Kill::Never => {}
        }
        self.child = Some(command.spawn().context("serve")?);
        Ok(())
    }

    /// Starts a host that was stopped, to be killed another time.
    pub fn restart(&mut self, kill: Kill) -> Result<()> {
        self.end()?;
        self.killed = None;
        self.start(kill)
    }

    /// Kills it once an answer of S3 to it is lost.
    pub fn kill_when_lost(&mut self, watch: Watch) {
        self.kill_when_lost = Some(watch);
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The program that it runs.
    pub fn program(&self) -> &Path {
        &self.program
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    /// What was known of the kill, if there was one.
    pub fn killed_in(&self) -> Option<&str> {
        self.killed.as_deref()
    }

    /// Kills it if its time has come, and starts it again if it is dead. True if it was dead.
    pub fn tend(&mut self) -> Result<bool> {
        let is_time = self.kill_at.is_some_and(|at| Instant::now() >= at);
        if is_time || self.kill_when_lost.as_ref().is_some_and(Watch::has_lost) {
            (self.kill_at, self.kill_when_lost) = (None, None);
            let child = self.child.as_mut().context("no host is running")?;
            child.kill()?;
            child.wait()?;
        }
        let child = self.child.as_mut().context("no host is running")?;
        let Some(status) = child.try_wait()? else { return Ok(false) };
        if status.signal() != Some(9) {
            bail!("the host ended by itself: {status}");
        }
        ensure!(self.killed.is_none(), "the host was killed twice");
        self.killed = Some("killed".into());
        self.start(Kill::Never)?;
        Ok(true)
    }

    /// Kills it where it is, and starts it again.
    pub fn kill_and_restart(&mut self) -> Result<()> {
        let mut child = self.child.take().context("no host is running")?;
        child.kill()?;
        child.wait()?;
        self.start(Kill::Never)
    }

    /// Ends it as an operator does, and expects it to end well.
    pub fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        let mut child = self.child.take().context("no host is running")?;
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = child.try_wait()? {
                ensure!(status.success(), "after SIGTERM the host ended with {status}");
                return Ok(());
            }
            if Instant::now() > deadline {
                child.kill()?;
                bail!("the host did not stop within a minute of SIGTERM");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for HostProcess {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // A test that failed must not leave a host behind.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A command of the program, with no setting of whoever runs the tests.
fn alone(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ATTIVA_")) {
        command.env_remove(name);
    }
    command
}
