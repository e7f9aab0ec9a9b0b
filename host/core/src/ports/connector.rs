//! The connectors, as the host's drivers see them.

use crate::page::{Batch, CheckResult, Cursor, Outcome, OutcomeStatus, Page, Warning};
use crate::privacy::ReceiptStatus;
use crate::quota::{CallPace, Priority};
use crate::{DataType, Fault, FaultKind, Millis};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What one call used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CallUsage")]
pub struct Usage {
    /// CPU time of the guest and of the host on its behalf, in nanoseconds. Waiting costs nothing.
    pub cpu_ns: u64,
    pub wall_ns: u64,
    /// The most the store held at once: linear memories and tables, in bytes.
    pub peak_memory: u64,
    /// Requests sent to the vendor.
    pub requests: u32,
    /// Bytes of request bodies.
    pub bytes_out: u64,
    /// Bytes of response bodies, after decompression.
    pub bytes_in: u64,
    /// Calls from the guest to the host.
    pub host_calls: u64,
    /// Log lines that were over the cap.
    pub log_dropped: u32,
}

impl std::ops::AddAssign for Usage {
    /// Adds a later call: sums, and the larger of the peaks.
    fn add_assign(&mut self, later: Self) {
        self.cpu_ns = self.cpu_ns.saturating_add(later.cpu_ns);
        self.wall_ns = self.wall_ns.saturating_add(later.wall_ns);
        self.peak_memory = self.peak_memory.max(later.peak_memory);
        self.requests = self.requests.saturating_add(later.requests);
        self.bytes_out = self.bytes_out.saturating_add(later.bytes_out);
        self.bytes_in = self.bytes_in.saturating_add(later.bytes_in);
        self.host_calls = self.host_calls.saturating_add(later.host_calls);
        self.log_dropped = self.log_dropped.saturating_add(later.log_dropped);
    }
}

/// What went to and came from one host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostTraffic {
    pub requests: u64,
    pub bytes_out: u64,
    pub bytes_in: u64,
}

impl std::ops::AddAssign for HostTraffic {
    fn add_assign(&mut self, more: Self) {
        self.requests = self.requests.saturating_add(more.requests);
        self.bytes_out = self.bytes_out.saturating_add(more.bytes_out);
        self.bytes_in = self.bytes_in.saturating_add(more.bytes_in);
    }
}

/// A column of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ColumnSpec {
    pub name: String,
    pub data_type: DataType,
    pub nullable: bool,
    pub label: String,
}

/// Something a source can read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stream {
    pub name: String,
    pub title: String,
    pub columns: Vec<ColumnSpec>,
    pub key: String,
    pub cursor_column: Option<String>,
    pub deletes: bool,
    pub keyed_by: Option<(String, String)>,
    pub suggested: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimits {
    pub max_rows: u32,
    pub max_bytes: u64,
    /// Who waits for the page.
    pub priority: Priority,
}

/// A configured source.
#[async_trait]
pub trait Source: Send + Sync {
    async fn check(&self) -> Result<Vec<CheckResult>, Fault>;
    async fn discover(&self) -> Result<Vec<Stream>, Fault>;
    /// `keys` are those to read where the stream is keyed; without any, a keyed stream gives what it finds by itself.
    async fn read(
        &self,
        stream: &str,
        fields: &[String],
        cursor: Option<&Cursor>,
        keys: &[String],
        limits: PageLimits,
    ) -> Result<(Page, Usage), Fault>;
    /// Why no page of a stream may begin yet, though the vendor would answer, and (`retry_after_ms`) when to ask again: what is
    /// left of a day is kept for other streams.
    fn no_room(&self, stream: &str, priority: Priority) -> Result<Option<Fault>, Fault> {
        let _ = (stream, priority);
        Ok(None)
    }
    /// The calls that a stream has for itself; `None`: its connector divides no day among its streams.
    fn pace(&self, stream: &str, priority: Priority) -> Result<Option<CallPace>, Fault> {
        let _ = (stream, priority);
        Ok(None)
    }
    /// The run has ended: what it spooled is no longer needed.
    async fn clear_spool(&self, stream: &str) -> Result<(), Fault>;
    /// The version of the cursors it writes; `None`: there is only one form of them.
    fn state_version(&self) -> Option<u32> {
        None
    }
    /// Brings a copy of a cursor of an older version into the present form.
    async fn migrate(&self, cursor: &Cursor) -> Result<Cursor, Fault> {
        let what = format!("cursors of version {} cannot be migrated", cursor.state_version);
        Err(Fault::new(FaultKind::Unsupported, "plugin.migrate", what))
    }
}

/// A field of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldSpec {
    pub name: String,
    pub data_type: DataType,
    pub required: bool,
    pub matching_key: bool,
    pub read_only_because: Option<String>,
    pub label: String,
}

/// A kind of object a destination can fill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TargetObject {
    pub name: String,
    pub title: String,
    pub fields: Vec<FieldSpec>,
    pub open_fields: bool,
    pub options_schema: serde_json::Value,
}

/// An activation's place at the vendor.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The same as long as the activation lives, and unique everywhere: the activation's id.
    pub id: String,
    pub object: String,
    pub name: String,
    pub options: serde_json::Value,
}

/// What a delivery tells the destination of itself, the same in every call and repeat.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryRun {
    pub id: String,
    pub started_at: Millis,
    pub rows_expected: Option<u64>,
    pub columns: Vec<(String, DataType)>,
}

/// A thing that exists at the vendor because of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Artifact {
    pub name: String,
    pub rows: Option<u64>,
    pub bytes: Option<u64>,
    pub sha256: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    pub state: Vec<u8>,
    pub notes: Vec<String>,
    /// No batch before this much time has passed.
    pub wait_ms: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Delivered {
    pub state: Vec<u8>,
    /// One per row, in order.
    pub outcomes: Vec<Outcome>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    pub state: Vec<u8>,
    pub pending_become: OutcomeStatus,
    /// By key.
    pub exceptions: Vec<(String, Outcome)>,
    pub artifacts: Vec<Artifact>,
    pub warnings: Vec<Warning>,
    pub wait_ms: Option<u64>,
}

/// What became of somebody who was to be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    pub status: ReceiptStatus,
    pub because: String,
}

/// A page of who is in a target: of each member, values by field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetMembers {
    pub members: Vec<Vec<(String, String)>>,
    /// Where to go on, if there are more.
    pub next: Option<Vec<u8>>,
}

/// A configured destination.
#[async_trait]
pub trait Destination: Send + Sync {
    async fn check(&self) -> Result<Vec<CheckResult>, Fault>;
    async fn discover(&self) -> Result<Vec<TargetObject>, Fault>;
    async fn prepare(&self, target: &Target, run: &DeliveryRun, dry_run: bool) -> Result<Prepared, Fault>;
    async fn deliver(
        &self,
        target: &Target,
        run: &DeliveryRun,
        state: &[u8],
        batch: &Batch,
    ) -> Result<Delivered, Fault>;
    async fn finish(&self, target: &Target, run: &DeliveryRun, state: &[u8]) -> Result<Finished, Fault>;
    async fn poll(&self, target: &Target, run: &DeliveryRun, state: &[u8]) -> Result<Finished, Fault>;
    async fn abort(&self, target: &Target, run: &DeliveryRun, state: &[u8]) -> Result<(), Fault>;
    /// Reads back who is in a target, after a place that an earlier page gave. Nobody waits for it.
    async fn members(&self, target: &Target, after: Option<&[u8]>) -> Result<TargetMembers, Fault> {
        let _ = (target, after);
        Err(Fault::new(FaultKind::Unsupported, "plugin.members", "the destination cannot be asked who is in a target"))
    }
    /// Removes somebody from a target, by `(field, value)`; more than one may be given, and any of them names them.
    async fn erase(&self, target: &Target, identifiers: &[(String, String)]) -> Result<Erased, Fault> {
        let _ = (target, identifiers);
        Err(Fault::new(FaultKind::Unsupported, "plugin.erase", "the destination cannot erase anybody"))
    }
    /// The delivery has ended: what it spooled is no longer needed.
    async fn clear_spool(&self, run: &DeliveryRun) -> Result<(), Fault>;
}
