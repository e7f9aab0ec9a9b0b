//! The crossing between host and guest: a fresh store and instance, a call on one that is there, a page.

use crate::figures::{Figures, percentile};
use crate::install::{host, options};
use anyhow::{Context, Result, ensure};
use attiva_instructions::guest::{self, connection};
use attiva_wasm::{HostOptions, Plugin, PluginHost, ReadRequest};
use serde_json::json;
use std::time::Instant;
use tokio::runtime::Runtime;

/// Calls in a round.
const CALLS: usize = 2000;
const PAGES: usize = 200;
const STATE: &[u8] = b"{}";

pub fn measure(figures: &mut Figures, rounds: u32) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let directory = tempfile::tempdir()?;
    // A guest whose own work is next to nothing: what is measured is the crossing.
    let component = attiva_guests::component(&guest::spec().to_string());
    let plugin = runtime.block_on(host(&directory)?.admit(&component))?;
    let calls = Calls::measure(&plugin, &runtime, rounds)?;
    figures.many("instantiate_call_us", calls.p50);
    figures.many("instantiate_call_p99_us", calls.p99);
    figures.many("call_us", calls.later);
    figures.many("page_1000x12_us", pages(&plugin, &runtime, rounds)?);
    figures.many("host_call_us", host_calls(&plugin, &runtime, rounds)?);
    figures.one("small_bytes", component.len() as f64);
    figures.many("aot_load_small_us", loads(&directory, &component, &runtime, rounds)?);

    let pooled = PluginHost::new(HostOptions { pool_instances: 100, ..options(&directory)? })?;
    let plugin = runtime.block_on(pooled.admit(&component))?;
    figures.many("instantiate_call_pooled_us", Calls::measure(&plugin, &runtime, rounds)?.p50);
    figures.many("page_1000x12_pooled_us", pages(&plugin, &runtime, rounds)?);

    let source = attiva_plugins::bundled().iter().find(|b| b.name == "source-marketo").context("no source-marketo")?;
    figures.many("admit_known_us", admissions(&directory, source.component, &runtime, rounds)?);
    figures.many("aot_load_us", loads(&directory, source.component, &runtime, rounds)?);
    Ok(())
}

/// In microseconds, one value a round.
#[derive(Default)]
struct Calls {
    p50: Vec<f64>,
    p99: Vec<f64>,
    /// One more call on an instance that is there.
    later: Vec<f64>,
}

impl Calls {
    fn measure(plugin: &Plugin, runtime: &Runtime, rounds: u32) -> Result<Self> {
        let (mut calls, version) = (Self::default(), plugin.spec.state_version);
        for _ in 0..rounds {
            let mut micros = Vec::with_capacity(CALLS);
            for _ in 0..CALLS {
                let began = Instant::now();
                runtime.block_on(plugin.migrate_state(version, STATE))?;
                micros.push(began.elapsed().as_secs_f64() * 1e6);
            }
            let first = percentile(&mut micros, 50.0);
            calls.p50.push(first);
            calls.p99.push(percentile(&mut micros, 99.0));
            let states = vec![STATE; CALLS + 1];
            let began = Instant::now();
            runtime.block_on(plugin.migrate_states(version, &states))?;
            calls.later.push((began.elapsed().as_secs_f64() * 1e6 - first) / CALLS as f64);
        }
        Ok(calls)
    }
}

/// A known component to a plugin that answers: structure checked, file authenticated, code mapped, specification asked
/// for twice.
fn admissions(directory: &tempfile::TempDir, component: &[u8], runtime: &Runtime, rounds: u32) -> Result<Vec<f64>> {
    runtime.block_on(host(directory)?.admit(component))?;
    let mut loads = Vec::new();
    for _ in 0..rounds {
        let again = host(directory)?;
        let began = Instant::now();
        runtime.block_on(again.admit(component))?;
        loads.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok(loads)
}

/// Of that, the load alone: the file read, authenticated, and its code mapped.
fn loads(directory: &tempfile::TempDir, component: &[u8], runtime: &Runtime, rounds: u32) -> Result<Vec<f64>> {
    let host = host(directory)?;
    let examined = host.examine(component)?;
    let mut loads = Vec::new();
    for _ in 0..rounds {
        let began = Instant::now();
        runtime.block_on(host.compile(examined.clone(), component))?;
        loads.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok(loads)
}

/// A call from the guest to the host that does next to nothing: the clock. What the call around them takes is taken off.
fn host_calls(plugin: &Plugin, runtime: &Runtime, rounds: u32) -> Result<Vec<f64>> {
    // Just under the limit of a call.
    const HOST_CALLS: u64 = 90_000;
    let place = tempfile::tempdir()?;
    let read = |calls: u64| -> Result<f64> {
        let context = connection(place.path(), json!({"behaviour": "host-calls", "count": calls}))?;
        let request =
            ReadRequest { stream: "things".into(), max_rows: 10, max_bytes: 1 << 20, ..ReadRequest::default() };
        let began = Instant::now();
        runtime.block_on(plugin.read(&context, &request))?;
        Ok(began.elapsed().as_secs_f64() * 1e6)
    };
    (0..rounds).map(|_| Ok((read(HOST_CALLS)? - read(0)?) / HOST_CALLS as f64)).collect()
}

/// A page of 1,000 rows and twelve columns: a fresh instance, columns built by the guest, copied out, checked, held as
/// Arrow arrays.
fn pages(plugin: &Plugin, runtime: &Runtime, rounds: u32) -> Result<Vec<f64>> {
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
