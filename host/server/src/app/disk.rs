//! How much of the disk a sandbox takes, measured at most once in a while: it is asked before every page.

use super::refusal::Result;
use super::sandbox::Sandbox;
use attiva_core::Fault;
use attiva_core::disk::{self, DiskUse};
use attiva_core::ports::store::StoreError;
use attiva_store::DataDir;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The disk under one sandbox.
pub struct Disk {
    data: Arc<DataDir>,
    sandbox: String,
    free_bytes_min: u64,
    measured: Mutex<Option<(Instant, DiskUse)>>,
}

/// What a sandbox takes, and what that means.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "DiskRoom")]
pub struct Room {
    #[serde(flatten)]
    pub found: DiskUse,
    /// Why nothing more is read; absent: there is room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// Reading will pause if it grows further.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// How long a measurement counts.
const FRESH: Duration = Duration::from_secs(1);

impl Disk {
    pub fn new(data: Arc<DataDir>, sandbox: String, free_bytes_min: u64) -> Self {
        Self { data, sandbox, free_bytes_min, measured: Mutex::default() }
    }

    pub fn measure(&self) -> std::result::Result<DiskUse, StoreError> {
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, found)) = measured.filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(found);
        }
        let found = DiskUse {
            used_bytes: self.data.sandbox_bytes(&self.sandbox)?,
            free_bytes: self.data.free_bytes(),
            free_bytes_min: self.free_bytes_min,
        };
        *measured = Some((Instant::now(), found));
        Ok(found)
    }

    pub(super) fn used(&self) -> Result<u64> {
        Ok(self.measure()?.used_bytes)
    }
}

impl Sandbox {
    pub fn disk(&self) -> Result<Room> {
        let (found, limits) = (self.connectors.disk.measure()?, self.limits()?);
        let (fault, warning) = (disk::may_read(&found, &limits).err(), disk::warning(&found, &limits));
        Ok(Room { found, fault, warning })
    }
}
