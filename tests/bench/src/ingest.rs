//! Vendor page to committed profile: one connection, all columns the vendor has, mapping, identity, merge, sequence
//! and one segment on.

use crate::figures::{Figures, percentile};
use crate::host::{Served, SimulatedMarketo};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A host that has read `records` leads.
pub(crate) struct Filled {
    pub(crate) served: Served,
    _directory: tempfile::TempDir,
    pub(crate) marketo: SimulatedMarketo,
    seconds: f64,
    /// From the first page on record to the last membership: before it, the vendor makes its file and we wait.
    flowing: f64,
    /// What came in that time.
    flowed: f64,
    cpu_seconds: f64,
    idle_mb: f64,
    peak_mb: f64,
}

impl Filled {
    pub(crate) fn stop(self) {
        self.served.stop();
    }
}

pub(crate) fn fill(records: u64) -> Result<Filled> {
    let directory = tempfile::tempdir()?;
    let marketo = SimulatedMarketo::start(records)?;
    let served = Served::start(&directory.path().join("data"), None)?;
    let idle_mb = resident_mb()?.0;
    // The highest so far was that of compiling the plugins: from here on it is that of ingesting.
    std::fs::write("/proc/self/clear_refs", "5")?;
    served.made("segments", &json!({ "name": "bench", "expression": "person.person_score >= 50" }))?;
    let connection = served.connect(&marketo)?;
    let (began, cpu) = (Instant::now(), cpu_seconds());
    let run = served.call("POST", &format!("connections/{connection}/runs"), Some(&json!({})))?;
    let (first, before) = first_page(&served, &run)?;
    served.follow(&run)?;
    served.caught_up()?;
    let (seconds, cpu_seconds) = (began.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let (flowing, flowed) = (first.elapsed().as_secs_f64(), (records - before) as f64);
    let peak_mb = resident_mb()?.1;
    Ok(Filled { served, _directory: directory, marketo, seconds, flowing, flowed, cpu_seconds, idle_mb, peak_mb })
}

/// Waits for the first page; when it was there, and with how many records.
fn first_page(served: &Served, run: &Value) -> Result<(Instant, u64)> {
    let id = run["id"].as_str().context("no operation")?;
    loop {
        let done = served.call("GET", &format!("operations/{id}"), None)?["progress"]["done"].as_u64();
        if let Some(done) = done.filter(|done| *done > 0) {
            return Ok((Instant::now(), done));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub fn measure(figures: &mut Figures, records: u64) -> Result<()> {
    let filled = fill(records)?;
    figures.one("records", records as f64);
    figures.one("seconds", filled.seconds);
    figures.one("waiting_for_the_vendor_seconds", filled.seconds - filled.flowing);
    figures.one("records_per_second", filled.flowed / filled.flowing);
    figures.one("cpu_s_per_100k_records", filled.cpu_seconds / records as f64 * 100_000.0);
    filled.served.stop();
    Ok(())
}

pub fn measure_memory(figures: &mut Figures, records: u64) -> Result<()> {
    let filled = fill(records)?;
    figures.one("idle_mb", filled.idle_mb);
    figures.one("ingest_peak_mb", filled.peak_mb);
    filled.served.stop();
    Ok(())
}

/// Look-ups by identity, one after the other on one connection.
pub fn measure_lookup(figures: &mut Figures, records: u64, rounds: u32) -> Result<()> {
    let filled = fill(records)?;
    let mut micros = Vec::new();
    for i in 0..u64::from(rounds) * 1000 {
        let id = 1 + i.wrapping_mul(0x9E37_79B9_7F4A_7C15) % records;
        let path = format!("profiles?namespace=source_key&value={id}%40123-ABC-456.Marketo");
        let began = Instant::now();
        filled.served.call("GET", &path, None)?;
        micros.push(began.elapsed().as_secs_f64() * 1e6);
    }
    figures.one("lookup_http_p50_us", percentile(&mut micros, 50.0));
    figures.one("lookup_http_p99_us", percentile(&mut micros, 99.0));
    filled.served.stop();
    Ok(())
}

/// The whole audience into one file in an S3 bucket.
pub fn measure_delivery(figures: &mut Figures, records: u64) -> Result<()> {
    let filled = fill(records)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let directory = tempfile::tempdir()?;
    let s3 = attiva_simulators::s3::S3Config {
        port: 0,
        access_key: "AKIDBENCH".into(),
        secret_key: "bench-secret-bench-secret".into(),
        bucket: "audiences".into(),
        root: directory.path().join("s3"),
    };
    let s3 = runtime.block_on(attiva_simulators::s3::S3::start(s3))?;
    let served = &filled.served;
    let configuration = json!({ "bucket": "audiences", "region": "eu-central-1", "addressing": "path",
        "access_key_id": "AKIDBENCH", "secret_access_key": "bench-secret-bench-secret" });
    let sink = served
        .made("connections", &json!({ "name": "s3", "plugin": "destination-s3", "configuration": configuration }))?;
    served.call("PUT", &format!("connections/{sink}/grants/path"), Some(&json!({ "url": s3.endpoint() })))?;
    let segment =
        served.made("segments", &json!({ "name": "all", "expression": "person.person_score >= -1000000" }))?;
    served.caught_up()?;
    let fields = ["email", "first_name", "last_name", "company_name", "job_title", "person_score"];
    let mapping: Vec<_> = fields.iter().map(|f| json!({ "field": f, "expression": format!("person.{f}") })).collect();
    let activation = served.made(
        "activations",
        &json!({ "name": "all", "segment": segment, "connection": sink, "mapping": mapping,
                 "target": { "object": "file", "name": "all" } }),
    )?;
    let (began, cpu) = (Instant::now(), cpu_seconds());
    let operation = served.call("POST", &format!("activations/{activation}/deliveries"), Some(&json!({})))?;
    let operation = served.follow(&operation)?;
    let seconds = began.elapsed().as_secs_f64();
    let id = operation["subject"].as_str().context("no id")?.to_owned();
    let delivery = served.call("GET", &format!("deliveries/{id}"), None)?;
    let rows = delivery["books"]["created"].as_f64().context("no books")?;
    figures.one("rows", rows);
    figures.one("rows_per_second", rows / seconds);
    // The S3 server runs in this process, and its work is in this figure.
    figures.one("cpu_s_per_100k_rows", (cpu_seconds() - cpu) / rows * 100_000.0);
    filled.served.stop();
    Ok(())
}

/// Processor time of this process so far.
pub fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Resident memory now and at its highest, in megabytes.
pub fn resident_mb() -> Result<(f64, f64)> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let kb = |name: &str| -> Option<f64> {
        let line = status.lines().find(|l| l.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    Ok((kb("VmRSS:").context("no VmRSS")? / 1000.0, kb("VmHWM:").context("no VmHWM")? / 1000.0))
}
