//! The seam between a guest and the world. What the contract's imports do for a connection goes through this trait:
//! in this process today, in another one when guests are to live apart from secrets and sockets.

use crate::egress::policy::denied;
use crate::usage::{Denial, Exchanged, HostTraffic};
use async_trait::async_trait;
use attiva_core::Fault;
use bytes::Bytes;
use std::collections::BTreeMap;

/// A request as a guest asks for it.
#[derive(Debug, Clone)]
pub(crate) struct GuestRequest {
    pub(crate) origin: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Bytes>,
    pub(crate) credential: Option<String>,
    pub(crate) timeout_ms: Option<u32>,
}

/// A response as a guest gets it.
#[derive(Debug, Clone)]
pub(crate) struct GuestResponse {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A spool's present state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SpoolStatus {
    pub(crate) size: u64,
    pub(crate) complete: bool,
    /// Of the answer that began a fetch.
    pub(crate) headers: Vec<(String, String)>,
}

/// A file that is to be fetched into a spool.
#[derive(Debug, Clone)]
pub(crate) struct GuestFetch {
    pub(crate) request: GuestRequest,
    /// Media types that are never the file.
    pub(crate) refusals: Vec<String>,
    pub(crate) sha256: Option<String>,
}

/// What a fetch came to.
#[derive(Debug, Clone)]
pub(crate) enum Fetched {
    Stored(SpoolStatus),
    /// Not the file: the spool is as it was.
    Answered(GuestResponse),
}

/// What has gone over the wire for a call, and what has not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) requests: u32,
    pub(crate) bytes_out: u64,
    pub(crate) bytes_in: u64,
    pub(crate) hosts: BTreeMap<String, HostTraffic>,
    pub(crate) denials: Vec<Denial>,
    pub(crate) exchanges: Vec<Exchanged>,
}

/// What a guest may do. The methods are those of `wit/host.wit`.
#[async_trait]
pub(crate) trait Broker: Send {
    async fn send(&mut self, request: GuestRequest) -> Result<GuestResponse, Fault>;
    async fn renew_credential(&mut self, name: &str) -> Result<(), Fault>;
    async fn spool_fetch(&mut self, name: &str, fetch: GuestFetch) -> Result<Fetched, Fault>;
    async fn spool_stat(&mut self, name: &str) -> Result<SpoolStatus, Fault>;
    async fn spool_read(&mut self, name: &str, offset: u64, length: u32) -> Result<Vec<u8>, Fault>;
    async fn spool_write(&mut self, name: &str, offset: u64, bytes: Vec<u8>) -> Result<SpoolStatus, Fault>;
    async fn spool_sha256(&mut self, name: &str) -> Result<String, Fault>;
    async fn spool_remove(&mut self, name: &str) -> Result<(), Fault>;
    fn now_ms(&self) -> u64;
    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), Fault>;
    fn progress(&mut self, phase: &str, done: Option<u64>, total: Option<u64>);
    fn traffic(&self) -> Traffic;
}

/// For what must be pure: nothing can be reached, and clock and randomness are made up. Two of them make up different
/// things, so that an answer that hangs on either shows.
pub(crate) struct NoAuthority {
    pub(crate) made_up: u8,
}

fn no_authority<T>() -> Result<T, Fault> {
    Err(denied("authority.none", "this call has no authority: neither http nor spool"))
}

#[async_trait]
impl Broker for NoAuthority {
    async fn send(&mut self, _: GuestRequest) -> Result<GuestResponse, Fault> {
        no_authority()
    }

    async fn renew_credential(&mut self, _: &str) -> Result<(), Fault> {
        no_authority()
    }

    async fn spool_fetch(&mut self, _: &str, _: GuestFetch) -> Result<Fetched, Fault> {
        no_authority()
    }

    async fn spool_stat(&mut self, _: &str) -> Result<SpoolStatus, Fault> {
        no_authority()
    }

    async fn spool_read(&mut self, _: &str, _: u64, _: u32) -> Result<Vec<u8>, Fault> {
        no_authority()
    }

    async fn spool_write(&mut self, _: &str, _: u64, _: Vec<u8>) -> Result<SpoolStatus, Fault> {
        no_authority()
    }

    async fn spool_sha256(&mut self, _: &str) -> Result<String, Fault> {
        no_authority()
    }

    async fn spool_remove(&mut self, _: &str) -> Result<(), Fault> {
        no_authority()
    }

    fn now_ms(&self) -> u64 {
        u64::from(self.made_up) * 1_000_000_007
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), Fault> {
        bytes.fill(self.made_up);
        Ok(())
    }

    fn progress(&mut self, _: &str, _: Option<u64>, _: Option<u64>) {}

    fn traffic(&self) -> Traffic {
        Traffic::default()
    }
}
