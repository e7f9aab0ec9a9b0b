//! What an installed plugin takes that is not at work: resident memory before and after plugins are admitted from the
//! cache of compiled code, in a process that has compiled nothing.

use crate::figures::{Figures, median};
use crate::ingest::resident_mb;
use anyhow::{Context, Result, ensure};
use attiva_instructions::guest;
use attiva_wasm::{HostOptions, PluginHost};
use serde_json::json;
use std::path::Path;
use std::process::Command;

/// Small ones, beside those that come with the host.
const SMALL: usize = 40;

/// In the process that is measured: admits everything, and prints kilobytes per small plugin and per bundled one.
pub fn admit_and_tell(place: &Path) -> Result<()> {
    let aot_dir = cap_std::fs::Dir::open_ambient_dir(place.join("aot"), cap_std::ambient_authority())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let host = PluginHost::new(HostOptions::new(aot_dir, [7; 32]))?;
    // The first one brings what all of them share.
    let mut kept = vec![runtime.block_on(host.admit(&std::fs::read(place.join("0.wasm"))?))?];
    let before = resident_mb()?.0;
    for number in 1..=SMALL {
        kept.push(runtime.block_on(host.admit(&std::fs::read(place.join(format!("{number}.wasm")))?))?);
    }
    let small = resident_mb()?.0;
    for bundled in attiva_plugins::bundled() {
        kept.push(runtime.block_on(host.admit(bundled.component))?);
    }
    let bundled = resident_mb()?.0;
    ensure!(kept.len() == 1 + SMALL + attiva_plugins::bundled().len(), "some are missing");
    let each = |mb: f64, count: usize| mb * 1000.0 / count as f64;
    println!("{} {}", each(small - before, SMALL), each(bundled - small, attiva_plugins::bundled().len()));
    Ok(())
}

pub fn measure(figures: &mut Figures, rounds: u32) -> Result<()> {
    let place = tempfile::tempdir()?;
    std::fs::create_dir(place.path().join("aot"))?;
    for number in 0..=SMALL {
        let mut spec = guest::spec();
        spec["name"] = json!(format!("guest-{number}"));
        std::fs::write(place.path().join(format!("{number}.wasm")), attiva_guests::component(&spec.to_string()))?;
    }
    let told = || -> Result<(f64, f64)> {
        let program = std::env::current_exe()?;
        let done = Command::new(program).args(["idle-plugins", "--place"]).arg(place.path()).output()?;
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let (small, bundled) = said.trim().split_once(' ').with_context(|| format!("`{said}`"))?;
        Ok((small.parse()?, bundled.parse()?))
    };
    // Compiles them all.
    told()?;
    let found = (0..rounds).map(|_| told()).collect::<Result<Vec<_>>>()?;
    let of = |each: fn(&(f64, f64)) -> f64| found.iter().map(each).collect::<Vec<_>>();
    figures.many("idle_small_plugin_kb", of(|found| found.0));
    figures.many("idle_bundled_plugin_kb", of(|found| found.1));
    ensure!(median(&of(|found| found.0)) > 0.0, "nothing was measured");
    Ok(())
}
