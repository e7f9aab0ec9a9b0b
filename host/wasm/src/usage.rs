//! What a call cost, and what is left of it as evidence.

use attiva_core::FaultKind;
use serde::{Deserialize, Serialize};

/// What one call used. Also known where the call failed: see [`CallReport`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// One line a connector logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// `debug`, `info`, `warn` or `error`.
    pub level: String,
    pub message: String,
    pub fields: Vec<(String, String)>,
}

/// Everything known of one finished call, failed or not. Handed to [`crate::CallObserver::finished`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallReport {
    /// `read`, `deliver`, ...
    pub function: &'static str,
    /// Kind and code, if it failed.
    pub fault: Option<(FaultKind, String)>,
    pub usage: Usage,
    /// The last lines the connector logged.
    pub log: Vec<LogLine>,
}
