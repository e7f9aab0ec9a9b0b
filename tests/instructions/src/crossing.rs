//! What crosses between host and guest.

use anyhow::{Result, ensure};
use attiva_instructions::guest::{connection, spec};
use attiva_wasm::{HostOptions, Plugin, PluginHost, ReadRequest};
use cap_std::fs::Dir;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;

const STATE: &[u8] = b"{}";

/// Lays down what the paths need: a guest whose own work is next to nothing.
pub fn prepare(place: &Path) -> Result<()> {
    std::fs::create_dir(place.join("aot"))?;
    std::fs::create_dir(place.join("spools"))?;
    std::fs::write(place.join("guest.wasm"), attiva_guests::component(&spec().to_string()))?;
    Ok(())
}

/// The guest, admitted. The first walk compiles it: the processor that callgrind shows has fewer features than the true
/// one, and code that was compiled outside would not be taken inside.
fn guest(place: &Path) -> Result<(Runtime, Arc<Plugin>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let aot = Dir::open_ambient_dir(place.join("aot"), cap_std::ambient_authority())?;
    let host = PluginHost::new(HostOptions::new(aot, [7; 32]))?;
    let plugin = runtime.block_on(host.admit(&std::fs::read(place.join("guest.wasm"))?))?;
    Ok((runtime, plugin))
}

pub fn instantiate_call(place: &Path, times: u64) -> Result<()> {
    let (runtime, plugin) = guest(place)?;
    for _ in 0..times {
        runtime.block_on(plugin.migrate_state(plugin.spec.state_version, STATE))?;
    }
    Ok(())
}

pub fn later_call(place: &Path, times: u64) -> Result<()> {
    let (runtime, plugin) = guest(place)?;
    let states = vec![STATE; usize::try_from(times)?];
    let migrated = runtime.block_on(plugin.migrate_states(plugin.spec.state_version, &states))?;
    ensure!(migrated.len() == states.len(), "{} states came of {times}", migrated.len());
    Ok(())
}

pub fn host_call(place: &Path, times: u64) -> Result<()> {
    let (runtime, plugin) = guest(place)?;
    let context = connection(&place.join("spools"), json!({ "behaviour": "host-calls", "count": times }))?;
    let request = ReadRequest { stream: "things".into(), max_rows: 10, max_bytes: 1 << 20, ..ReadRequest::default() };
    let (_page, usage) = runtime.block_on(plugin.read(&context, &request))?;
    ensure!(usage.host_calls >= times, "{} calls instead of {times}", usage.host_calls);
    Ok(())
}

pub fn page(place: &Path, times: u64) -> Result<()> {
    let (runtime, plugin) = guest(place)?;
    let context = connection(&place.join("spools"), json!({ "behaviour": "twelve" }))?;
    let request =
        ReadRequest { stream: "things".into(), max_rows: 1000, max_bytes: 16 << 20, ..ReadRequest::default() };
    for _ in 0..times {
        let (page, _usage) = runtime.block_on(plugin.read(&context, &request))?;
        ensure!(page.rows.len == 1000 && page.rows.columns.len() == 12, "another page came");
    }
    Ok(())
}
