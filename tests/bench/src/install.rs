//! Component bytes to ready: walk, compile, ask for the specification, check it.

use crate::figures::Figures;
use anyhow::Result;
use attiva_wasm::{HostOptions, PluginHost};
use std::time::Instant;

/// A plugin host with its AOT cache in a fresh directory.
pub fn host(directory: &tempfile::TempDir) -> Result<PluginHost> {
    Ok(PluginHost::new(options(directory)?)?)
}

pub fn options(directory: &tempfile::TempDir) -> Result<HostOptions> {
    let aot_dir = cap_std::fs::Dir::open_ambient_dir(directory.path(), cap_std::ambient_authority())?;
    Ok(HostOptions::new(aot_dir, [7; 32]))
}

pub fn measure(figures: &mut Figures, rounds: u32) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for bundled in attiva_plugins::bundled() {
        let (mut cold, mut cached) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let directory = tempfile::tempdir()?;
            let began = Instant::now();
            runtime.block_on(host(&directory)?.admit(bundled.component))?;
            cold.push(began.elapsed().as_secs_f64());
            let again = host(&directory)?;
            let began = Instant::now();
            runtime.block_on(again.admit(bundled.component))?;
            cached.push(began.elapsed().as_secs_f64() * 1e3);
        }
        let name = bundled.name.replace('-', "_");
        figures.one(&format!("{name}_bytes"), bundled.component.len() as f64);
        figures.many(&format!("{name}_install_seconds"), cold);
        figures.many(&format!("{name}_reload_ms"), cached);
    }
    Ok(())
}
