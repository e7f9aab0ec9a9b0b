//! A plugin that behaves, beside one that means harm, in one host: how much longer its pages take. There has to be a core
//! free for each of the two: what they share then is the host, and not the processor.

use crate::figures::{Figures, median, percentile};
use crate::install::host;
use anyhow::{Result, ensure};
use attiva_instructions::guest::{connection, spec};
use attiva_wasm::{ConnectionContext, Limits, Plugin, ReadRequest};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PAGES: usize = 400;
const HARM: [&str; 3] = ["spin", "spin-host", "memory"];

fn request() -> ReadRequest {
    ReadRequest { stream: "things".into(), max_rows: 1000, max_bytes: 16 << 20, ..ReadRequest::default() }
}

/// Median of a page, in microseconds.
async fn pages(plugin: Arc<Plugin>, context: ConnectionContext) -> Result<f64> {
    let mut micros = Vec::with_capacity(PAGES);
    for _ in 0..PAGES {
        let began = Instant::now();
        let (page, _usage) = plugin.read(&context, &request()).await?;
        micros.push(began.elapsed().as_secs_f64() * 1e6);
        ensure!(page.rows.len == 1000, "another page came");
    }
    Ok(percentile(&mut micros, 50.0))
}

pub fn measure(figures: &mut Figures, rounds: u32) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let place = tempfile::tempdir()?;
    // One thread for each of the two.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let plugin = runtime.block_on(host(&directory)?.admit(&attiva_guests::component(&spec().to_string())))?;
    // Short, so that a call that means harm ends and the next begins: its beginnings and ends are part of it.
    let harmful = Arc::new(plugin.within(Limits { cpu: Duration::from_millis(200), ..Limits::default() }));
    let good = connection(place.path(), json!({ "behaviour": "twelve" }))?;
    for behaviour in HARM {
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            alone.push(runtime.block_on(runtime.spawn(pages(plugin.clone(), good.clone())))??);
            let stop = Arc::new(AtomicBool::new(false));
            let (harmful, over) = (harmful.clone(), stop.clone());
            let context = connection(place.path(), json!({ "behaviour": behaviour }))?;
            let harm = runtime.spawn(async move {
                let mut ended = 0_u32;
                while !over.load(Ordering::Relaxed) {
                    // It never comes back with a page.
                    ended += u32::from(harmful.read(&context, &request()).await.is_err());
                }
                ended
            });
            beside.push(runtime.block_on(runtime.spawn(pages(plugin.clone(), good.clone())))??);
            stop.store(true, Ordering::Relaxed);
            ensure!(runtime.block_on(harm)? > 0, "{behaviour}: nothing was stopped");
        }
        let name = behaviour.replace('-', "_");
        figures.one(&format!("slowdown_{name}"), median(&beside) / median(&alone));
        figures.many(&format!("page_alone_{name}_us"), alone);
        figures.many(&format!("page_beside_{name}_us"), beside);
    }
    Ok(())
}
