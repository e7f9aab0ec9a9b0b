//! `attiva connector test`.

use super::build;
use crate::cli::output::Output;
use crate::cli::{Failure, Format, input};
use crate::exit::Exit;
use anyhow::Context;
use attiva_testkit::suite::Suite;
use attiva_testkit::wire::stand::Upstream;
use attiva_testkit::{Documents, Options, Proof, Recording};
use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Test {
    /// A project, which is built first, or a component.
    #[arg(default_value = ".")]
    pub(super) path: PathBuf,
    /// What the checks have to know; else `conformance/suite.json` of the project, or beside the component.
    #[arg(long, value_name = "FILE")]
    suite: Option<PathBuf>,
    /// What the vendor answered; else `conformance/recording.json`.
    #[arg(long, value_name = "FILE")]
    recording: Option<PathBuf>,
    /// Ask a vendor that is there: where an origin is. May be given several times.
    #[arg(long, value_name = "ORIGIN=URL")]
    live: Vec<String>,
    /// Trust the authorities in a PEM file to say who a live vendor is, in the place of the public ones.
    #[arg(long, value_name = "FILE", requires = "live")]
    live_ca_file: Option<PathBuf>,
    /// Keep what the vendor answers, as the recording. Secrets are taken out.
    #[arg(long, requires = "live")]
    record: bool,
    /// Ask whether the links in README.md lead somewhere.
    #[arg(long)]
    links: bool,
    /// A component of the version before.
    #[arg(long, value_name = "FILE")]
    previous: Option<PathBuf>,
    /// Only the checks of these numbers.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    only: Vec<u8>,
    /// A program that makes the suite's changes at a live vendor; it is given the stream's name. Without it you are asked
    /// to make them.
    #[arg(long, value_name = "PROGRAM")]
    change_with: Option<PathBuf>,
}

pub(super) fn run(test: &Test, output: Output) -> Result<Exit, Failure> {
    let proof = prove(test)?;
    match output.format() {
        Format::Table => output.line(&proof.report.to_text()),
        Format::Json => output.line(&proof.report.to_json()),
        Format::Yaml => {
            let report = serde_json::from_str(&proof.report.to_json()).context("the report is no JSON")?;
            output.json(&report);
        }
        Format::Junit => output.line(&proof.report.to_junit()),
    }
    for line in proof.unrecorded.iter().take(5) {
        output.note(&format!("The recording has no answer to {line}"));
    }
    Ok(if proof.report.is_good() { Exit::Done } else { Exit::Fault })
}

/// Builds what is to be proved, and proves it.
pub(super) fn prove(test: &Test) -> Result<Proof, Failure> {
    let is_project = test.path.is_dir();
    let component = if is_project { build::build(&test.path, None)?.bytes } else { input::bytes(&test.path)? };
    prove_built(test, component, true)
}

/// `is_release`: its version is one that a changelog tells of.
pub(super) fn prove_built(test: &Test, component: Vec<u8>, is_release: bool) -> Result<Proof, Failure> {
    let home = if test.path.is_dir() { test.path.clone() } else { parent(&test.path) };
    let beside =
        |given: &Option<PathBuf>, name: &str| given.clone().unwrap_or_else(|| home.join("conformance").join(name));
    let (suite_file, recording_file) = (beside(&test.suite, "suite.json"), beside(&test.recording, "recording.json"));
    let wrong = |file: &Path, e: &dyn std::fmt::Display| Failure::Usage(format!("{}: {e}", file.display()));
    let suite = Suite::parse(&text(&suite_file)?).map_err(|e| wrong(&suite_file, &e))?;
    let upstream = if test.live.is_empty() {
        let recording = Recording::parse(&text(&recording_file)?).map_err(|e| wrong(&recording_file, &e))?;
        Upstream::Recorded(Arc::new(recording))
    } else {
        Upstream::At(live(&test.live)?)
    };
    let is_live = !test.live.is_empty();
    let options = Options {
        previous: test.previous.as_deref().map(input::bytes).transpose()?,
        documents: Documents {
            readme: std::fs::read_to_string(home.join("README.md")).ok(),
            changelog: std::fs::read_to_string(home.join("CHANGELOG.md")).ok().filter(|_| is_release),
        },
        follows_links: test.links,
        is_recording: test.record,
        authorities: test.live_ca_file.as_deref().map(text).transpose()?,
        change: if is_live { changing(test.change_with.clone()) } else { None },
        ..Options::new(component, suite, upstream)
    };
    let runtime = tokio::runtime::Runtime::new().context("the runtime cannot be started")?;
    let proof =
        runtime.block_on(attiva_testkit::prove(options, &test.only)).map_err(|e| Failure::Usage(e.to_string()))?;
    if let (true, Some(recording)) = (test.record, &proof.recording) {
        let written = recording.to_text(&proof.secrets).map_err(|e| Failure::Usage(e.to_string()))?;
        std::fs::write(&recording_file, written).map_err(|e| wrong(&recording_file, &e))?;
    }
    Ok(proof)
}

/// Lets a program, or the person at the terminal, change records at the vendor. `None`: nobody is there.
fn changing(program: Option<PathBuf>) -> Option<Arc<dyn Fn(&str) + Send + Sync>> {
    if let Some(program) = program {
        return Some(Arc::new(move |stream| {
            // What was not changed is missed by the check, which says so.
            let _ = std::process::Command::new(&program).arg(stream).status();
        }));
    }
    std::io::stdin().is_terminal().then(|| {
        Arc::new(|stream: &str| {
            eprintln!("Make the changes that the suite names for {stream} at the vendor, then press Enter.");
            let _ = std::io::stdin().lock().read_line(&mut String::new());
        }) as Arc<dyn Fn(&str) + Send + Sync>
    })
}

fn live(pairs: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let read = |pair: &String| {
        let (origin, url) =
            pair.split_once('=').filter(|(_, url)| url.starts_with("http://") || url.starts_with("https://"))?;
        Some((origin.to_owned(), url.trim_end_matches('/').to_owned()))
    };
    let wrong =
        |pair: &String| Failure::Usage(format!("--live {pair}: must be ORIGIN=URL, as api=https://api.example.com"));
    pairs.iter().map(|pair| read(pair).ok_or_else(|| wrong(pair))).collect()
}

fn text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(input::bytes(path)?).map_err(|_| Failure::Usage(format!("{}: it is not text", path.display())))
}

fn parent(file: &Path) -> PathBuf {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}
