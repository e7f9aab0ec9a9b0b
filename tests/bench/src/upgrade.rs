//! A plugin is upgraded while a run of it reads: whether a page is lost or doubled, and how long the longest gap between
//! two committed pages becomes, beside that of a run without an upgrade.

use crate::figures::{Figures, percentile};
use crate::host::{Client, Served};
use anyhow::{Context, Result, ensure};
use attiva_instructions::guest;
use serde_json::json;
use std::time::{Duration, Instant};

/// Rows of a page, as hosts ask for them.
const PAGE_ROWS: u64 = 1000;
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// The tests' guest in a version. Its pages are numbered, and so are its rows: none is like another.
fn component(version: &str) -> Vec<u8> {
    let mut spec = guest::spec();
    spec["version"] = json!(version);
    let anything = json!({});
    let properties = json!({"behaviour": anything, "count": anything, "account": {"type": "string"}});
    spec["configuration"] = json!({"type": "object", "properties": properties});
    // Each run reads from an instance of its own: what another has brought is nobody's business.
    spec["instance"]["id"] = json!("{account}");
    attiva_guests::component(&spec.to_string())
}

fn install(client: &Client, component: &[u8]) -> Result<()> {
    let path = "/v1/plugins?allow_unsigned=benchmark&approve=true";
    client.send("POST", path, "application/wasm", component).map(|_| ())
}

/// What is seen of a run from outside.
struct Seen {
    /// Between pages that were committed one after the other, in milliseconds.
    gaps: Vec<f64>,
    seconds: f64,
    /// From the request for the upgrade until the newer version is in use.
    upgrade_seconds: f64,
}

/// Reads `pages` pages, and halfway puts another version into use where one is given.
fn run(served: &Served, account: &str, pages: u64, upgrade: Option<&str>) -> Result<Seen> {
    // Made before: what a benchmark does to have a version is not what a host does to install it.
    let newer = upgrade.map(component);
    let configuration = json!({ "behaviour": "long-pages", "count": pages, "account": account });
    let body = json!({ "name": account, "plugin": "guest", "configuration": configuration, "streams": ["plain"] });
    let connection = served.made("connections", &body)?;
    let started = served.call("POST", &format!("connections/{connection}/runs"), Some(&json!({})))?;
    let run = started["subject"].as_str().context("no run")?.to_owned();
    let (began, mut last, mut known, mut gaps) = (Instant::now(), None::<Instant>, 0, Vec::new());
    let mut upgrading: Option<std::thread::JoinHandle<Result<f64>>> = None;
    let shown = loop {
        let shown = served.call("GET", &format!("runs/{run}"), None)?;
        let (now, seen) = (Instant::now(), shown["streams"][0]["pages"].as_u64().unwrap_or(0));
        if seen > known {
            if let Some(before) = last {
                gaps.push((now - before).as_secs_f64() * 1e3);
            }
            (last, known) = (Some(now), seen);
        }
        if upgrading.is_none() && known * 2 >= pages {
            upgrading = upgrade.zip(newer.clone()).map(|(version, component)| {
                let (client, activate) = (served.client().clone(), format!("/v1/plugins/guest@{version}/activate"));
                std::thread::spawn(move || {
                    let began = Instant::now();
                    install(&client, &component)?;
                    client.send("POST", &activate, "application/json", b"{}")?;
                    Ok(began.elapsed().as_secs_f64())
                })
            });
        }
        if shown["ended_at"].is_string() {
            break shown;
        }
        std::thread::sleep(LOOK_EVERY);
    };
    let seconds = began.elapsed().as_secs_f64();
    let upgrade_seconds = match upgrading {
        Some(thread) => thread.join().map_err(|_| anyhow::anyhow!("the upgrade panicked"))??,
        None => f64::NAN,
    };
    let stream = &shown["streams"][0];
    let told = ["pages", "received", "changed"].map(|name| stream[name].as_u64().unwrap_or(0));
    ensure!(
        told == [pages, pages * PAGE_ROWS, pages * PAGE_ROWS],
        "pages, rows and records are {told:?}: one was lost or came twice: {shown}"
    );
    Ok(Seen { gaps, seconds, upgrade_seconds })
}

pub fn measure(figures: &mut Figures, records: u64, rounds: u32) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let served = Served::start(&directory.path().join("data"), None)?;
    let pages = records / PAGE_ROWS;
    install(served.client(), &component("0.1.0"))?;
    let (mut plain, mut upgraded, mut upgrades) = (Vec::new(), Vec::new(), Vec::new());
    let (mut usual, mut seconds) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let mut seen = run(&served, &format!("plain-{round}"), pages, None)?;
        plain.push(percentile(&mut seen.gaps, 100.0));
        usual.push(percentile(&mut seen.gaps, 50.0));
        seconds.push(seen.seconds);
        let version = format!("0.{}.0", round + 2);
        let mut seen = run(&served, &format!("upgraded-{round}"), pages, Some(&version))?;
        upgraded.push(percentile(&mut seen.gaps, 100.0));
        upgrades.push(seen.upgrade_seconds);
    }
    figures.one("records", (pages * PAGE_ROWS) as f64);
    figures.many("run_seconds", seconds);
    figures.many("page_gap_p50_ms", usual);
    figures.many("longest_gap_ms", plain);
    figures.many("longest_gap_upgrade_ms", upgraded);
    figures.many("upgrade_seconds", upgrades);
    served.stop();
    Ok(())
}
