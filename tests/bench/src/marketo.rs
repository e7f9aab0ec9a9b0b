//! A Marketo in this process with limits of its own, and a host that reads it: what of a limit becomes profiles, and how soon a
//! change is one. What binds here is the vendor, so that it shares the processor with the host does not matter.

use crate::host::{Served, start_date};
use anyhow::{Context, Result, bail, ensure};
use attiva_simulators::marketo::{Limits, Marketo, MarketoConfig};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub(crate) const MUNCHKIN: &str = "123-ABC-456";
/// For a host that hangs, not for a slow one.
const PATIENCE: Duration = Duration::from_secs(600);

/// Both, and a connection between them.
pub(crate) struct Reading {
    pub(crate) marketo: Marketo,
    pub(crate) served: Served,
    pub(crate) connection: String,
    runtime: tokio::runtime::Runtime,
    _directory: tempfile::TempDir,
}

/// What the connection is beside where it leads.
pub(crate) struct Wanted {
    pub(crate) streams: &'static [&'static str],
    /// History that is read.
    pub(crate) days: i32,
    pub(crate) every_seconds: Option<u32>,
}

impl Reading {
    pub(crate) fn start(config: MarketoConfig, wanted: &Wanted) -> Result<Self> {
        let runtime = tokio::runtime::Runtime::new()?;
        let marketo = runtime.block_on(Marketo::start(config))?;
        let directory = tempfile::tempdir()?;
        let served = Served::start(&directory.path().join("data"), None)?;
        let service = marketo.config();
        let configuration = json!({
            "munchkin_id": MUNCHKIN, "client_id": service.client_id, "client_secret": service.client_secret,
            "start_date": start_date(wanted.days)?, "poll_seconds": 1,
        });
        let mut body = json!({ "name": "m", "plugin": "source-marketo", "configuration": configuration,
                               "streams": wanted.streams, "grants": { "api": marketo.base_url() } });
        if let Some(seconds) = wanted.every_seconds {
            body["schedule"] = json!({ "every_seconds": seconds });
        }
        let connection = served.made("connections", &body)?;
        Ok(Self { marketo, served, connection, runtime, _directory: directory })
    }

    pub(crate) fn stop(self) {
        self.served.stop();
        self.runtime.block_on(self.marketo.shutdown());
    }

    /// Calls that count at the vendor, so far.
    pub(crate) fn calls(&self) -> u64 {
        let received = self.marketo.received();
        let tokens = received.by_path.iter().filter(|(path, _)| path.contains("/identity/"));
        received.total - tokens.map(|(_, calls)| calls).sum::<u64>()
    }

    /// Those of them that ask what there is.
    pub(crate) fn descriptions(&self) -> u64 {
        let received = self.marketo.received();
        received.by_path.iter().filter(|(path, _)| path.contains("describe")).map(|(_, calls)| calls).sum()
    }

    pub(crate) fn run(&self) -> Result<String> {
        let run = self.served.call("POST", &format!("connections/{}/runs", self.connection), Some(&json!({})))?;
        Ok(run["subject"].as_str().context("no run")?.to_owned())
    }

    /// Asks for a run until something holds of it or it has ended.
    pub(crate) fn until(&self, run: &str, mut holds: impl FnMut(&Value) -> bool) -> Result<Value> {
        let began = Instant::now();
        loop {
            let seen = self.served.call("GET", &format!("runs/{run}"), None)?;
            if holds(&seen) || seen["ended_at"].is_string() {
                return Ok(seen);
            }
            ensure!(began.elapsed() < PATIENCE, "{seen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn ends(&self, run: &str) -> Result<()> {
        let ended = self.until(run, |_| false)?;
        ensure!(ended["status"] == "succeeded", "{ended}");
        self.served.caught_up()
    }

    /// Says what was sold.
    fn limit(&self, limits: &Value) -> Result<()> {
        let path = format!("/v1/quotas/Marketo/{MUNCHKIN}/limits");
        let body = json!({ "limits": limits }).to_string();
        self.served.client().send("PUT", &path, "application/json", body.as_bytes())?;
        Ok(())
    }

    fn person(&self, lead: u64) -> Result<Value> {
        let path = format!("profiles?namespace=source_key&value={lead}%40{MUNCHKIN}.Marketo");
        Ok(first(&self.served.call("GET", &path, None)?))
    }
}

/// The first of a list; null: it is empty.
pub(crate) fn first(list: &Value) -> Value {
    list.pointer("/items/0").cloned().unwrap_or_default()
}

/// A limit of the vendor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Binding {
    /// Calls in 20 seconds.
    Rate,
    /// Calls of a day.
    Day,
    /// Megabytes of exports a day.
    Exports,
}

/// From the simulator to committed profiles, each limit in turn so low that it binds: how much of it is used, beside what of
/// it history may take.
pub fn measure_limits(figures: &mut crate::figures::Figures, records: u64, only: Option<Binding>) -> Result<()> {
    for binding in [Binding::Rate, Binding::Day, Binding::Exports].into_iter().filter(|b| only.is_none_or(|o| o == *b))
    {
        match binding {
            Binding::Rate => rate(figures, records)?,
            Binding::Day => day(figures, records)?,
            Binding::Exports => exports(figures, records)?,
        }
    }
    Ok(())
}

const PERSONS: Wanted = Wanted { streams: &["persons"], days: 25, every_seconds: None };

fn config(leads: u64, limits: Limits) -> MarketoConfig {
    MarketoConfig {
        leads,
        limits,
        history_days: 20,
        awkward: false,
        status_interval: Duration::from_millis(20),
        export_bytes_per_day: u64::MAX,
        ..MarketoConfig::default()
    }
}

/// Everybody is read, and then changes: two calls for each 300 of them. The vendor's limits begin to matter only now.
fn with_changes(leads: u64, limits: Limits, set: &Value) -> Result<Reading> {
    let reading = Reading::start(config(leads, limits), &PERSONS)?;
    reading.limit(set)?;
    reading.ends(&reading.run()?)?;
    for lead in 1..=leads {
        reading.marketo.change_lead(lead, json!({ "title": "Changed" }))?;
    }
    Ok(reading)
}

/// So many of the first leads that have come.
fn committed(reading: &Reading, leads: u64) -> Result<u64> {
    reading.served.caught_up()?;
    // They come in the order of their changes.
    let (mut have, mut have_not) = (0, leads + 1);
    while have + 1 < have_not {
        let lead = u64::midpoint(have, have_not);
        if reading.person(lead)?["attributes"]["job_title"] == "Changed" {
            have = lead;
        } else {
            have_not = lead;
        }
    }
    Ok(have)
}

fn rate(figures: &mut crate::figures::Figures, records: u64) -> Result<()> {
    const WINDOW: Duration = Duration::from_secs(20);
    const CALLS: u32 = 20;
    let limits = Limits { per_20_s: CALLS, concurrent: 10, daily: u64::MAX };
    let leads = records.clamp(3_000, 100_000);
    // Reading them at first takes some calls of a window as well: until it is over, nothing is begun.
    let reading = with_changes(leads, limits, &json!([{ "kind": "window", "seconds": 20, "calls": CALLS }]))?;
    std::thread::sleep(WINDOW);
    let (before, began) = (reading.calls(), Instant::now());
    let run = reading.run()?;
    let mut at = Vec::new();
    let seen = |at: &mut Vec<Instant>| {
        let calls = reading.calls() - before;
        at.resize(usize::try_from(calls).unwrap_or(usize::MAX).max(at.len()), Instant::now());
    };
    let ended = reading.until(&run, |_| {
        seen(&mut at);
        false
    })?;
    ensure!(ended["status"] == "succeeded", "{ended}");
    let (calls_end, first) = (began.elapsed(), *at.first().context("no call")?);
    ensure!(committed(&reading, leads)? == leads, "somebody is missing");
    let behind = began.elapsed().saturating_sub(calls_end).as_secs_f64();
    // Whole windows from the first call on, the last of them behind them: a part of one says nothing.
    let last = *at.last().context("no call")?;
    let windows = (last - first).as_secs() / WINDOW.as_secs();
    ensure!(windows > 0, "{} calls are too few for a window: more --records", at.len());
    let end = first + WINDOW * u32::try_from(windows)?;
    let within = at.iter().filter(|call| **call < end).count() as f64;
    let most = (u64::from(CALLS) * windows) as f64;
    let refused = reading.marketo.received().by_code.get("606").copied().unwrap_or(0);
    println!("rate binds: {within} calls in {windows} windows of 20 s, {most} are the limit; {refused} refused");
    figures.one("rate_percent_of_limit", within / most * 100.0);
    figures.one("rate_percent_of_what_history_may", within / (most - (most / 10.0).ceil()) * 100.0);
    figures.one("rate_profiles_per_s", leads as f64 / calls_end.as_secs_f64());
    figures.one("rate_profiles_behind_last_call_s", behind);
    reading.stop();
    Ok(())
}

fn day(figures: &mut crate::figures::Figures, records: u64) -> Result<()> {
    let leads = records.clamp(3_000, 100_000);
    let reading = with_changes(leads, Limits::OFF, &json!([]))?;
    // Two thirds of what the changes take, so that the day ends in the midst of them; the vendor counts what was before, too.
    let daily = reading.calls() + (leads / 300) * 4 / 3;
    let set = json!([{ "kind": "day", "calls": daily },
                     { "kind": "streams", "percent": 100, "shares": { "persons": 100 } }]);
    reading.limit(&set)?;
    let run = reading.run()?;
    let ended = reading.until(&run, |run| run["streams"][0]["held_back"].is_object())?;
    let why = &ended["streams"][0]["held_back"]["code"];
    let code = why.as_str().or(ended["fault"]["code"].as_str()).unwrap_or("none: it came to its end");
    ensure!(code.starts_with("quota."), "the day does not bind: {code}: {ended}");
    let (calls, changed) = (reading.calls(), committed(&reading, leads)?);
    println!("day binds ({code}): {calls} of {daily} calls, {changed} of {leads} changed persons are profiles");
    figures.one("day_percent_of_limit", calls as f64 / daily as f64 * 100.0);
    figures.one("day_percent_of_what_history_may", calls as f64 / (daily - daily.div_ceil(10)) as f64 * 100.0);
    figures.one("day_profiles_a_call", changed as f64 / (leads / 300 * 4 / 3) as f64);
    reading.stop();
    Ok(())
}

fn exports(figures: &mut crate::figures::Figures, records: u64) -> Result<()> {
    const DAYS: i32 = 240;
    let leads = records.clamp(2_000, 100_000);
    let wanted = Wanted { days: DAYS, ..PERSONS };
    let months = |bytes| MarketoConfig {
        history_days: u32::try_from(DAYS).unwrap_or(0).saturating_sub(1),
        export_bytes_per_day: bytes,
        ..config(leads, Limits::OFF)
    };
    // What all of it takes, found by reading it once: eight months, of which the day then has five.
    let whole = Reading::start(months(u64::MAX), &wanted)?;
    whole.ends(&whole.run()?)?;
    let all = exported(&whole);
    whole.stop();
    let bytes = all * 5 / 8;
    let reading = Reading::start(months(bytes), &wanted)?;
    let began = Instant::now();
    let run = reading.run()?;
    let spent = "exports of today are spent";
    let phase = |run: &Value| run["streams"][0]["estimate"]["phase"].as_str().unwrap_or_default().to_owned();
    let seen = reading.until(&run, |run| phase(run).contains(spent))?;
    if !phase(&seen).contains(spent) {
        bail!("exports do not bind: {seen}");
    }
    reading.served.caught_up()?;
    let (seconds, done) = (began.elapsed().as_secs_f64(), exported(&reading));
    let profiles = seen["streams"][0]["changed"].as_f64().context("no count")?;
    println!("exports bind: {done} of {bytes} bytes of the day, {profiles} persons are profiles");
    figures.one("exports_percent_of_limit", done as f64 / bytes as f64 * 100.0);
    figures.one("exports_profiles_a_mb", profiles / (done as f64 / 1e6));
    figures.one("exports_seconds", seconds);
    reading.served.call("POST", &format!("runs/{run}/cancel"), Some(&json!({})))?;
    reading.stop();
    Ok(())
}

/// Bytes of the exports that are complete.
fn exported(reading: &Reading) -> u64 {
    reading.marketo.exports().iter().filter_map(|job| job["fileSize"].as_u64()).sum()
}
