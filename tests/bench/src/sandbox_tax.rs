//! What the sandbox costs: the Marketo connector reads the pages of one export file, once as a component in its host and
//! once as the same code compiled natively. No request is sent in either; the component's pages are checked and held as
//! Arrow arrays as well, which the native ones are not.

use crate::figures::{Figures, median};
use crate::ingest::cpu_seconds;
use crate::vendor::connection;
use anyhow::{Context, Result, ensure};
use attiva_connector::testing::FakeHost;
use attiva_connector::{Host, Limits, Source, parse_config};
use attiva_core::page::Cursor;
use attiva_simulators::marketo::{Limits as CallLimits, Marketo, MarketoConfig};
use attiva_wasm::{ConnectionContext, Plugin, ReadRequest};
use serde_json::{Value, json};
use source_marketo::{Config, SourceMarketo};
use std::path::Path;
use std::time::Duration;

const ROWS: u32 = 1000;
const BYTES: u64 = 4 << 20;

/// A stretch of reading that needs no vendor: its first cursor, and how many pages and rows it has.
struct Stretch {
    cursor: Cursor,
    pages: usize,
    rows: usize,
}

pub fn measure(figures: &mut Figures, records: u64, rounds: u32) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let vendor = runtime.block_on(Marketo::start(MarketoConfig {
        leads: records,
        history_days: 20,
        limits: CallLimits::OFF,
        export_bytes_per_day: u64::MAX,
        status_interval: Duration::from_millis(50),
        ..MarketoConfig::default()
    }))?;
    let (aot, spools) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let source = attiva_plugins::bundled().iter().find(|b| b.name == "source-marketo").context("no source-marketo")?;
    let plugin = runtime.block_on(crate::install::host(&aot)?.admit(source.component))?;
    let configuration = configuration(&vendor)?;
    let secret = ("client_secret", vendor.config().client_secret.clone());
    let context = connection("api", vendor.address(), secret, configuration.clone(), spools.path())?;
    let stretch = runtime.block_on(fetched(&plugin, &context, records))?;
    runtime.block_on(vendor.shutdown());

    let native = native(spools.path())?;
    let config: Config = parse_config(&configuration.to_string()).map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
    let (mut sandboxed_s, mut native_s, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let began = cpu_seconds();
        runtime.block_on(read_sandboxed(&plugin, &context, &stretch))?;
        let sandboxed = cpu_seconds() - began;
        let began = cpu_seconds();
        read_native(&native, &config, &stretch)?;
        let alone = cpu_seconds() - began;
        ratios.push(sandboxed / alone);
        sandboxed_s.push(sandboxed);
        native_s.push(alone);
    }
    let per_record = |seconds: &[f64]| median(seconds) / stretch.rows as f64 * 1e6;
    figures.one("records", stretch.rows as f64);
    figures.one("pages", stretch.pages as f64);
    figures.one("sandboxed_us_per_record", per_record(&sandboxed_s));
    figures.one("native_us_per_record", per_record(&native_s));
    figures.many("cpu_ratio", ratios);
    Ok(())
}

fn configuration(vendor: &Marketo) -> Result<Value> {
    Ok(json!({
        "munchkin_id": "123-ABC-456", "client_id": vendor.config().client_id, "start_date": crate::host::start_date(25)?,
        "poll_seconds": 1,
    }))
}

/// Reads until the export's file is in the spool, then through it once, so that everything it needs is there. The call
/// after its last row is not made: it would remove the file.
async fn fetched(plugin: &Plugin, context: &ConnectionContext, records: u64) -> Result<Stretch> {
    let (mut cursor, mut seen) = (None, 0);
    let mut stretch: Option<Stretch> = None;
    loop {
        let (page, _usage) = plugin.read(context, &request(cursor.clone())).await?;
        match &mut stretch {
            Some(stretch) => {
                stretch.pages += 1;
                stretch.rows += page.rows.len;
            }
            // The call that has fetched the file reads its first page as well; what follows needs nobody.
            None if page.rows.len > 0 => stretch = Some(Stretch { cursor: page.next.clone(), pages: 0, rows: 0 }),
            None => {}
        }
        seen += (page.rows.len + page.rejects.len()) as u64;
        ensure!(page.more, "the run ended before the file was read");
        if seen >= records {
            return stretch.context("there was one page only: more records are needed");
        }
        cursor = Some(page.next);
        tokio::time::sleep(Duration::from_millis(page.wait_ms.unwrap_or(0).min(50))).await;
    }
}

fn request(cursor: Option<Cursor>) -> ReadRequest {
    let stream = "persons".to_owned();
    ReadRequest { stream, cursor, max_rows: ROWS, max_bytes: BYTES, ..ReadRequest::default() }
}

async fn read_sandboxed(plugin: &Plugin, context: &ConnectionContext, stretch: &Stretch) -> Result<()> {
    let (mut cursor, mut rows) = (stretch.cursor.clone(), 0);
    for _ in 0..stretch.pages {
        let (page, _usage) = plugin.read(context, &request(Some(cursor))).await?;
        rows += page.rows.len;
        cursor = page.next;
    }
    ensure!(rows == stretch.rows, "{rows} rows came, not {}", stretch.rows);
    Ok(())
}

/// A native host that holds the same spools.
fn native(spools: &Path) -> Result<FakeHost> {
    let host = FakeHost::new();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    host.set_now_ms(u64::try_from(now.as_millis())?);
    for entry in std::fs::read_dir(spools)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".data")) else { continue };
        let file = (&host as &dyn Host).spool(name);
        let written = file.write(0, &std::fs::read(&path)?);
        written.map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
    }
    Ok(host)
}

fn read_native(host: &FakeHost, config: &Config, stretch: &Stretch) -> Result<()> {
    let Cursor { state_version, bytes } = stretch.cursor.clone();
    let (mut cursor, mut rows) = (attiva_connector::Cursor { state_version, bytes }, 0);
    for _ in 0..stretch.pages {
        let request = attiva_connector::ReadRequest {
            stream: "persons".into(),
            fields: Vec::new(),
            cursor: Some(cursor),
            keys: Vec::new(),
            limits: Limits { max_rows: ROWS, max_bytes: BYTES },
        };
        let page = SourceMarketo::read(host, config, &request).map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
        rows += page.rows as usize;
        cursor = page.next;
    }
    ensure!(rows == stretch.rows, "natively {rows} rows came, not {}", stretch.rows);
    Ok(())
}
