//! `attiva connector dev`: builds and proves again whenever a file is saved, and reloads the connector into a host.

use super::{build, prove};
use crate::api::PACKAGE;
use crate::cli::client::encoded;
use crate::cli::output::Output;
use crate::cli::plugin::{Signer, packaged};
use crate::cli::{Client, Failure, Global};
use crate::exit::Exit;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use ureq::http::Method;

/// How often files are looked at.
const LOOK: Duration = Duration::from_millis(300);

#[derive(Debug, clap::Args)]
pub(crate) struct Dev {
    #[command(flatten)]
    test: prove::Test,
    /// Reload it into the running host with this data directory at each turn, under a version of its own.
    #[arg(long, value_name = "DATA_DIR")]
    development: Option<PathBuf>,
    /// Stop after so many turns.
    #[arg(long, value_name = "TURNS")]
    turns: Option<u32>,
}

pub(super) fn run(dev: &Dev, global: &Global, output: Output) -> Result<Exit, Failure> {
    if !dev.test.path.is_dir() {
        return Err(Failure::Usage(format!("{} is no project", dev.test.path.display())));
    }
    let mut seen = None;
    let mut turn = 0;
    loop {
        let newest = newest(&dev.test.path);
        if newest == seen {
            std::thread::sleep(LOOK);
            continue;
        }
        seen = newest;
        turn += 1;
        // What is wrong is shown, and the next save is waited for.
        match take_turn(dev, turn, global, output) {
            Ok(line) => output.line(&line),
            Err(failure) => output.failure(&failure),
        }
        if dev.turns.is_some_and(|turns| turn >= turns) {
            return Ok(Exit::Done);
        }
    }
}

fn take_turn(dev: &Dev, turn: u32, global: &Global, output: Output) -> Result<String, Failure> {
    let version = dev.development.as_ref().map(|_| development_version(&dev.test.path)).transpose()?;
    let built = build::build(&dev.test.path, version.as_deref())?;
    let proof = prove::prove_built(&dev.test, built.bytes.clone(), version.is_none())?;
    if !proof.report.is_good() {
        output.line(&proof.report.to_text());
    }
    let reloaded = match &dev.development {
        Some(data_dir) => format!(", {} in use", reload(data_dir, &built.bytes, global)?),
        None => String::new(),
    };
    let report = &proof.report;
    Ok(format!("turn {turn}: {} passed, {} failed{reloaded}", report.passed, report.failed))
}

/// Installs the component, signed with the host's development key, and puts it in use.
fn reload(data_dir: &Path, component: &[u8], global: &Global) -> Result<String, Failure> {
    let (name, package) = packaged(component, &Signer::development(data_dir))?;
    let client = Client::new(global)?;
    client.send(Method::POST, "/v1/plugins?approve=true", Some((PACKAGE, package)))?;
    client.post(&format!("/v1/plugins/{}/activate", encoded(&name)), &serde_json::json!({}))?;
    Ok(name)
}

/// A version that no other turn has had: a host never takes other bytes under a version it knows.
fn development_version(project: &Path) -> Result<String, Failure> {
    let manifest = std::fs::read_to_string(project.join("Cargo.toml")).unwrap_or_default();
    let manifest: toml::Table =
        manifest.parse().map_err(|e| Failure::Usage(format!("{}/Cargo.toml: {e}", project.display())))?;
    let version = manifest.get("package").and_then(|package| package.get("version")?.as_str()).unwrap_or("0.1.0");
    let mut version =
        semver::Version::parse(version).map_err(|e| Failure::Usage(format!("the package's version: {e}")))?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // One that ranges follow, unlike a pre-release.
    version.patch = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    Ok(version.to_string())
}

/// When a file of the project was saved last; what is built does not count.
fn newest(directory: &Path) -> Option<SystemTime> {
    let entries = std::fs::read_dir(directory).ok()?.flatten();
    let times = entries.filter_map(|entry| {
        let name = entry.file_name();
        let hidden = name.to_string_lossy().starts_with('.');
        if hidden || name == "target" || name == "Cargo.lock" || name == "recording.json" {
            return None;
        }
        let kind = entry.file_type().ok()?;
        if kind.is_dir() { newest(&entry.path()) } else { entry.metadata().ok()?.modified().ok() }
    });
    times.max()
}
