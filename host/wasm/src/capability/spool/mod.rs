//! Bytes on the host's disk that are too large for a page.

mod fetch;
mod files;

use crate::bindings::http::Request as WitRequest;
use crate::bindings::spool::{Fetched as WitFetched, Host, Status as WitStatus};
use crate::bindings::types::Fault as WitFault;
use crate::broker::{Fetched, GuestFetch, SpoolStatus};
use crate::call::CallState;
use crate::convert::fault_to_guest;
use crate::limits::Limits;
use attiva_core::{Fault, FaultKind};
use cap_std::fs::Dir;
use files::Files;
use std::sync::Arc;

/// The spools of one stream or delivery run.
pub(crate) struct Spool {
    files: Arc<Files>,
    limits: Arc<Limits>,
}

impl Spool {
    pub(crate) fn new(dir: Arc<Dir>, limits: Arc<Limits>) -> Self {
        Self { files: Arc::new(Files::new(dir, limits.spool_bytes)), limits }
    }

    pub(crate) async fn stat(&self, name: &str) -> Result<SpoolStatus, Fault> {
        self.work(name, |files, name| Ok(files.state(name)?.status())).await
    }

    pub(crate) async fn read(&self, name: &str, offset: u64, length: u32) -> Result<Vec<u8>, Fault> {
        let most = u32::try_from(self.limits.crossing_bytes).unwrap_or(u32::MAX);
        self.work(name, move |files, name| files.read(name, offset, length.min(most))).await
    }

    pub(crate) async fn write(&self, name: &str, offset: u64, bytes: Vec<u8>) -> Result<SpoolStatus, Fault> {
        self.work(name, move |files, name| files.write(name, offset, &bytes)).await
    }

    pub(crate) async fn sha256(&self, name: &str) -> Result<String, Fault> {
        self.work(name, Files::sha256).await
    }

    pub(crate) async fn remove(&self, name: &str) -> Result<(), Fault> {
        self.work(name, Files::remove).await
    }

    /// Does disk work away from the runtime's threads.
    async fn work<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&Files, &str) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        check_name(name)?;
        let (files, name) = (self.files.clone(), name.to_owned());
        let done = tokio::task::spawn_blocking(move || work(&files, &name)).await;
        done.unwrap_or_else(|e| {
            Err(Fault::new(FaultKind::Internal, "spool.broken", format!("the spool's work broke: {e}")))
        })
    }
}

/// A spool's name becomes a file's: plain characters only.
fn check_name(name: &str) -> Result<(), Fault> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if plain && (1..=64).contains(&name.len()) && !name.starts_with('.') {
        return Ok(());
    }
    Err(Fault::new(
        FaultKind::Internal,
        "spool.name",
        "a spool's name must be 1 to 64 letters, digits, dots, dashes or underscores, and not begin with a dot",
    ))
}

fn wit_status(status: SpoolStatus) -> WitStatus {
    WitStatus { size: status.size, complete: status.complete, headers: status.headers }
}

fn wit_fetched(fetched: Fetched) -> WitFetched {
    match fetched {
        Fetched::Stored(status) => WitFetched::Stored(wit_status(status)),
        Fetched::Answered(answer) => WitFetched::Answered(super::http::wit_response(answer)),
    }
}

impl Host for CallState {
    async fn fetch(
        &mut self,
        name: String,
        request: WitRequest,
        refusals: Vec<String>,
        sha256: Option<String>,
    ) -> wasmtime::Result<Result<WitFetched, WitFault>> {
        self.count_host_call()?;
        let fetch = GuestFetch { request: super::http::guest_request(request), refusals, sha256 };
        Ok(self.broker.spool_fetch(&name, fetch).await.map(wit_fetched).map_err(fault_to_guest))
    }

    async fn stat(&mut self, name: String) -> wasmtime::Result<Result<WitStatus, WitFault>> {
        self.count_host_call()?;
        Ok(self.broker.spool_stat(&name).await.map(wit_status).map_err(fault_to_guest))
    }

    async fn read(&mut self, name: String, offset: u64, length: u32) -> wasmtime::Result<Result<Vec<u8>, WitFault>> {
        self.count_host_call()?;
        Ok(self.broker.spool_read(&name, offset, length).await.map_err(fault_to_guest))
    }

    async fn write(
        &mut self,
        name: String,
        offset: u64,
        bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<WitStatus, WitFault>> {
        self.count_host_call()?;
        Ok(self.broker.spool_write(&name, offset, bytes).await.map(wit_status).map_err(fault_to_guest))
    }

    async fn sha256(&mut self, name: String) -> wasmtime::Result<Result<String, WitFault>> {
        self.count_host_call()?;
        Ok(self.broker.spool_sha256(&name).await.map_err(fault_to_guest))
    }

    async fn remove(&mut self, name: String) -> wasmtime::Result<Result<(), WitFault>> {
        self.count_host_call()?;
        Ok(self.broker.spool_remove(&name).await.map_err(fault_to_guest))
    }
}
