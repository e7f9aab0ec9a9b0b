//! The crossing between host and guest: a fresh store and instance, a call on one that is there, a page.

use crate::figures::{Figures, percentile};
use crate::guest::{self, connection};
use crate::install::host;
use anyhow::{Context, Result, ensure};
use attiva_wasm::ReadRequest;
use serde_json::json;
use std::time::Instant;

/// Calls in a round.
const CALLS: usize = 2000;
const PAGES: usize = 200;
const STATE: &[u8] = b"{}";

pub fn measure(figures: &mut Figures, rounds: u32) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let directory = tempfile::tempdir()?;
    let host = host(&directory)?;
    let source = attiva_plugins::bundled().iter().find(|b| b.name == "source-marketo").context("no source-marketo")?;
    let plugin = runtime.block_on(host.admit(source.component))?;
    let version = plugin.spec.state_version;
    let (mut p50, mut p99, mut later) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let mut micros = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            let began = Instant::now();
            runtime.block_on(plugin.migrate_state(version, STATE))?;
            micros.push(began.elapsed().as_secs_f64() * 1e6);
        }
        p50.push(percentile(&mut micros, 50.0));
        p99.push(percentile(&mut micros, 99.0));
        let states = vec![STATE; CALLS + 1];
        let began = Instant::now();
        runtime.block_on(plugin.migrate_states(version, &states))?;
        // One instance and its first call are in it, too.
        later.push((began.elapsed().as_secs_f64() * 1e6 - percentile(&mut micros, 50.0)) / CALLS as f64);
    }
    figures.many("instantiate_call_us", p50);
    figures.many("instantiate_call_p99_us", p99);
    figures.many("call_us", later);
    figures.many("aot_load_us", loads(&directory, source.component, &runtime, rounds)?);
    figures.many("page_1000x12_us", pages(&host, &runtime, rounds)?);
    Ok(())
}

/// A known component to a plugin that answers: structure checked, file authenticated, code mapped, specification asked
/// for twice.
fn loads(
    directory: &tempfile::TempDir,
    component: &[u8],
    runtime: &tokio::runtime::Runtime,
    rounds: u32,
) -> Result<Vec<f64>> {
    let mut loads = Vec::new();
    for _ in 0..rounds {
        let again = host(directory)?;
        let began = Instant::now();
        runtime.block_on(again.admit(component))?;
        loads.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok(loads)
}

/// A page of 1,000 rows and twelve columns: a fresh instance, columns built by the guest, copied out, checked, held as
/// Arrow arrays.
fn pages(host: &attiva_wasm::PluginHost, runtime: &tokio::runtime::Runtime, rounds: u32) -> Result<Vec<f64>> {
    let plugin = runtime.block_on(host.admit(&attiva_guests::component(&guest::spec().to_string())))?;
    let place = tempfile::tempdir()?;
    let context = connection(place.path(), json!({"behaviour": "twelve"}))?;
    let request =
        ReadRequest { stream: "things".into(), max_rows: 1000, max_bytes: 16 << 20, ..ReadRequest::default() };
    let mut medians = Vec::new();
    for _ in 0..rounds {
        let mut micros = Vec::with_capacity(PAGES);
        for _ in 0..PAGES {
            let began = Instant::now();
            let (page, _usage) = runtime.block_on(plugin.read(&context, &request))?;
            micros.push(began.elapsed().as_secs_f64() * 1e6);
            ensure!(page.rows.len == 1000 && page.rows.columns.len() == 12, "another page came");
        }
        medians.push(percentile(&mut micros, 50.0));
    }
    Ok(medians)
}
