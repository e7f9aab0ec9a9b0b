//! Instructions of the host's hot paths, counted by valgrind: what no busy machine can blur. `--check FILE` counts them all
//! and compares with what stands there; `--path NAME --calls N` walks one, for the counting process.
//!
//! A path's count is the difference of two walks, divided by the calls between them, so what a process does once is out of
//! it. Counts are of the build's profile and of one toolchain: compare builds of the same kind.

use anyhow::{Context, Result, bail, ensure};
use attiva_core::id::ConnectionId;
use attiva_wasm::{
    ConnectionContext, HostOptions, InstanceBudget, Limits, Plugin, PluginHost, ReadRequest, Secrets, TokenCache,
};
use cap_std::fs::Dir;
use clap::Parser;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// A path, and how often it is walked in the shorter and the longer walk.
const PATHS: [(&str, u32, u32); 6] = [
    ("instantiate-and-call", 20, 120),
    ("later-call", 100, 2_100),
    ("host-call", 100, 10_100),
    ("page-1000x12", 2, 12),
    ("examine", 2, 12),
    ("load", 2, 12),
];

/// The guest, in the folder of what is compiled.
const GUEST: &str = "guest.wasm";

/// How far a count may be from what is expected.
const TOLERANCE: f64 = 0.10;

#[derive(Parser)]
struct Arguments {
    /// Compiled components are kept here, so that nothing is compiled while counting.
    #[arg(long)]
    aot: PathBuf,
    #[arg(long, conflicts_with = "path")]
    check: Option<PathBuf>,
    #[arg(long, requires = "calls")]
    path: Option<String>,
    #[arg(long)]
    calls: Option<u32>,
}

fn main() -> Result<()> {
    let Arguments { aot, check, path, calls } = Arguments::parse();
    std::fs::create_dir_all(&aot)?;
    match (check, path, calls) {
        (Some(expected), None, _) => compare(&aot, &expected),
        (None, Some(path), Some(calls)) => walk(&aot, &path, calls),
        _ => bail!("either --check or --path with --calls"),
    }
}

fn compare(aot: &Path, expected: &Path) -> Result<()> {
    std::fs::write(aot.join(GUEST), attiva_guests::component(&spec().to_string()))?;
    // What is not there is compiled before anything is counted.
    walk(aot, "later-call", 1)?;
    let text = std::fs::read_to_string(expected).with_context(|| expected.display().to_string())?;
    let mut wrong = Vec::new();
    for (path, fewer, more) in PATHS {
        let line = text.lines().find_map(|line| line.strip_prefix(path)?.trim().parse::<f64>().ok());
        let counted = (count(aot, path, more)? - count(aot, path, fewer)?) / f64::from(more - fewer);
        let was = line.with_context(|| format!("{} has no count for {path}", expected.display()))?;
        println!("{path:<24} {counted:>12.0}   expected {was:>12.0}   {:+.1} %", (counted / was - 1.0) * 100.0);
        if (counted / was - 1.0).abs() > TOLERANCE {
            wrong.push(path);
        }
    }
    ensure!(
        wrong.is_empty(),
        "further than {} % from {}: {}. If that is meant, change it there",
        TOLERANCE * 100.0,
        expected.display(),
        wrong.join(", ")
    );
    Ok(())
}

/// All instructions of a process that walks a path.
fn count(aot: &Path, path: &str, calls: u32) -> Result<f64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]);
    valgrind.arg(std::env::current_exe()?).arg("--aot").arg(aot);
    valgrind.args(["--path", path, "--calls", &calls.to_string()]);
    let output = valgrind.output().context("valgrind cannot be started")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{path}: {said}");
    let line = said.lines().find_map(|line| line.split_once("I refs:").or_else(|| line.split_once("I   refs:")));
    let (_, number) = line.with_context(|| format!("valgrind says no count: {said}"))?;
    number.trim().replace(',', "").parse().with_context(|| number.to_owned())
}

fn walk(aot: &Path, path: &str, calls: u32) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let component = std::fs::read(aot.join(GUEST))?;
    let spools = tempfile::tempdir()?;
    let configured = |configuration| connection(spools.path(), configuration);
    let host = host(aot)?;
    if path == "examine" {
        return (0..calls).try_for_each(|_| host.examine(&component).map(drop).map_err(Into::into));
    }
    if path == "load" {
        let examined = host.examine(&component)?;
        return (0..calls).try_for_each(|_| {
            runtime.block_on(host.compile(examined.clone(), &component)).map(drop).map_err(Into::into)
        });
    }
    let plugin = runtime.block_on(host.admit(&component))?;
    let version = plugin.spec.state_version;
    runtime.block_on(async {
        match path {
            "instantiate-and-call" => {
                for _ in 0..calls {
                    plugin.migrate_state(version, b"{}").await?;
                }
            }
            "later-call" => drop(plugin.migrate_states(version, &vec![b"{}".as_slice(); calls as usize]).await?),
            "host-call" => read(&plugin, &configured(json!({"behaviour": "host-calls", "count": calls}))?, 1).await?,
            "page-1000x12" => {
                let connection = configured(json!({"behaviour": "twelve"}))?;
                for _ in 0..calls {
                    read(&plugin, &connection, 1000).await?;
                }
            }
            _ => bail!("there is no path {path}"),
        }
        Ok(())
    })
}

async fn read(plugin: &Plugin, connection: &ConnectionContext, rows: u32) -> Result<()> {
    let request =
        ReadRequest { stream: "things".into(), max_rows: rows, max_bytes: 16 << 20, ..ReadRequest::default() };
    let (page, _usage) = plugin.read(connection, &request).await?;
    ensure!(page.rows.len == rows as usize, "another page came");
    Ok(())
}

fn host(aot: &Path) -> Result<PluginHost> {
    let dir = Dir::open_ambient_dir(aot, cap_std::ambient_authority())?;
    // Under valgrind everything takes many times as long.
    let hour = std::time::Duration::from_secs(3_600);
    let limits = Limits { cpu: hour, wall: hour, ..Limits::default() };
    Ok(PluginHost::new(HostOptions { limits, ..HostOptions::new(dir, [7; 32]) })?)
}

fn spec() -> Value {
    json!({
        "name": "guest", "version": "0.1.0", "publisher": "attiva", "title": "Guest", "state_version": 1,
        "configuration": {"type": "object"},
        "instance": {"system": "Guest", "id": "one"},
        "delivery": {"class": "at-least-once", "batch_rows": 100}
    })
}

fn connection(spools: &Path, configuration: Value) -> Result<ConnectionContext> {
    Ok(ConnectionContext {
        connection_id: ConnectionId::new(0, [0; 6]),
        instance_id: None,
        configuration: Arc::new(configuration),
        secrets: Arc::new(Secrets::default()),
        grants: Arc::new([]),
        spool: Arc::new(Dir::open_ambient_dir(spools, cap_std::ambient_authority())?),
        budget: InstanceBudget::new(&[]),
        tokens: Arc::new(TokenCache::default()),
        dry_run: false,
        observer: Arc::new(()),
    })
}
