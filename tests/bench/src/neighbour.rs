//! A plugin that behaves, beside one that means harm, in one host: how much longer its pages take, and how much longer
//! beside a thread that does arithmetic and has nothing to do with the host. The latter is what sharing the processor takes,
//! which no host can help; what is more than that is the host's.

use crate::figures::{Figures, median, percentile};
use crate::install::host;
use crate::machine;
use anyhow::{Result, anyhow, ensure};
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

/// Calls that are stopped, one after the other, until it is over; how many.
async fn harm(plugin: Arc<Plugin>, context: ConnectionContext, over: Arc<AtomicBool>) -> u32 {
    let mut ended = 0_u32;
    while !over.load(Ordering::Relaxed) {
        // It never comes back with a page.
        ended += u32::from(plugin.read(&context, &request()).await.is_err());
    }
    ended
}

struct Neighbours {
    runtime: tokio::runtime::Runtime,
    good: Arc<Plugin>,
    context: ConnectionContext,
}

impl Neighbours {
    fn pages(&self) -> Result<f64> {
        self.runtime.block_on(self.runtime.spawn(pages(self.good.clone(), self.context.clone())))?
    }

    /// How many times as long a page takes beside what `other` begins and `end` waits for.
    fn compare<T>(
        &self,
        (figures, rounds, name): (&mut Figures, u32, &str),
        other: impl Fn(Arc<AtomicBool>) -> T,
        end: impl Fn(T) -> Result<()>,
    ) -> Result<f64> {
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            alone.push(self.pages()?);
            let over = Arc::new(AtomicBool::new(false));
            let running = other(over.clone());
            beside.push(self.pages()?);
            over.store(true, Ordering::Relaxed);
            end(running)?;
        }
        let slowdown = median(&beside) / median(&alone);
        figures.one(&format!("slowdown_{name}"), slowdown);
        figures.many(&format!("page_alone_{name}_us"), alone);
        figures.many(&format!("page_beside_{name}_us"), beside);
        Ok(slowdown)
    }
}

pub fn measure(figures: &mut Figures, rounds: u32) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let place = tempfile::tempdir()?;
    // One thread for each of the two.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let good = runtime.block_on(host(&directory)?.admit(&attiva_guests::component(&spec().to_string())))?;
    // Short, so that a call that means harm ends and the next begins: its beginnings and ends are part of it.
    let harmful = Arc::new(good.within(Limits { cpu: Duration::from_millis(200), ..Limits::default() }));
    let context = connection(place.path(), json!({ "behaviour": "twelve" }))?;
    let neighbours = Neighbours { runtime, good, context };
    // What it takes to share the processor with anything: two virtual cores may be halves of one.
    let processor = neighbours.compare(
        (figures, rounds, "arithmetic"),
        |over| std::thread::spawn(move || machine::reckon_until(&over)),
        |running| running.join().map_err(|_| anyhow!("the thread of arithmetic panicked")),
    )?;
    for behaviour in HARM {
        let context = connection(place.path(), json!({ "behaviour": behaviour }))?;
        let name = behaviour.replace('-', "_");
        let slowdown = neighbours.compare(
            (figures, rounds, &name),
            |over| neighbours.runtime.spawn(harm(harmful.clone(), context.clone(), over)),
            |running| {
                ensure!(neighbours.runtime.block_on(running)? > 0, "{behaviour}: nothing was stopped");
                Ok(())
            },
        )?;
        figures.one(&format!("slowdown_{name}_to_arithmetic"), slowdown / processor);
    }
    Ok(())
}
