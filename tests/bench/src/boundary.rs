//! The crossing between host and guest: a fresh store, an instance, one call that does nothing to speak of.

use crate::figures::{Figures, percentile};
use crate::install::host;
use anyhow::{Context, Result};
use std::time::Instant;

/// Calls in a round.
const CALLS: usize = 2000;
const STATE: &[u8] = b"{}";

pub fn measure(figures: &mut Figures, rounds: u32) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let directory = tempfile::tempdir()?;
    let host = host(&directory)?;
    let source = attiva_plugins::bundled().iter().find(|b| b.name == "source-marketo").context("no source-marketo")?;
    let plugin = runtime.block_on(host.admit(source.component))?;
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let mut micros = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            let began = Instant::now();
            // What it answers does not matter here, only that it is asked and answers.
            let _ = runtime.block_on(plugin.migrate_state(plugin.spec.state_version, STATE));
            micros.push(began.elapsed().as_secs_f64() * 1e6);
        }
        p50.push(percentile(&mut micros, 50.0));
        p99.push(percentile(&mut micros, 99.0));
    }
    figures.many("instantiate_call_us", p50);
    figures.many("instantiate_call_p99_us", p99);
    let mut reload = Vec::new();
    for _ in 0..rounds {
        let again = crate::install::host(&directory)?;
        let began = Instant::now();
        runtime.block_on(again.admit(source.component))?;
        reload.push(began.elapsed().as_secs_f64() * 1e6);
    }
    // Structure checked, file authenticated, code mapped, specification asked for twice.
    figures.many("aot_admit_us", reload);
    Ok(())
}
