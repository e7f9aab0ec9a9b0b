//! What a call may use. Every limit is on by default, has a fault code of its own and a test that trips it.

use attiva_core::{Fault, FaultKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use wasmtime::ResourceLimiter;

/// The limits of one call. A store lives for one call, so a call's limits are a store's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// CPU time of the guest (`limit.cpu`).
    pub cpu: Duration,
    /// Time on the wall, waiting included (`limit.wall`).
    pub wall: Duration,
    /// Linear memories and tables of the store together, in bytes (`limit.memory`).
    pub memory_bytes: usize,
    /// Memory of all stores of the host together, in bytes (`limit.host-memory`, transient).
    pub host_memory_bytes: usize,
    /// Memory of all stores of one organisation together, in bytes (`limit.organisation-memory`, transient).
    pub organisation_memory_bytes: usize,
    /// Connections to vendors that a plugin has open at once for one organisation (`limit.connections`, transient).
    pub connections: usize,
    /// Connections of all plugins of the host together (`limit.connections`, transient).
    pub host_connections: usize,
    /// Bytes that one crossing may make the host allocate (`limit.crossing`).
    pub crossing_bytes: usize,
    /// Live component handles (`limit.handles`).
    pub handles: usize,
    /// Calls from the guest to the host (`limit.host-calls`).
    pub host_calls: u64,
    /// Requests to the vendor (`limit.requests`).
    pub requests: u32,
    /// Bytes of request bodies, all together (`limit.egress-out`).
    pub egress_out_bytes: u64,
    /// Bytes of response bodies, all together, decompressed (`limit.egress-in`).
    pub egress_in_bytes: u64,
    /// Bytes of log text. What is over it is dropped and counted.
    pub log_bytes: usize,
    /// Rows of a page, whatever the caller asks for (`limit.page-rows`).
    pub page_rows: u32,
    /// Bytes of a page, whatever the caller asks for (`limit.page-bytes`).
    pub page_bytes: u64,
    /// Bytes of a cursor (`limit.cursor`) or a delivery state (`limit.state`).
    pub cursor_bytes: usize,
    /// Bytes of all files of one spool directory (`limit.spool`).
    pub spool_bytes: u64,
    /// Bytes one `fetch` may bring before it answers with `complete` false.
    pub spool_fetch_bytes: u64,
    /// Size of a component at install.
    pub component_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu: Duration::from_secs(5),
            wall: Duration::from_secs(120),
            memory_bytes: 64 << 20,
            host_memory_bytes: 2 << 30,
            organisation_memory_bytes: 1 << 30,
            connections: 64,
            host_connections: 512,
            crossing_bytes: 16 << 20,
            handles: 1_000,
            host_calls: 100_000,
            requests: 100,
            egress_out_bytes: 64 << 20,
            egress_in_bytes: 64 << 20,
            log_bytes: 256 << 10,
            page_rows: 10_000,
            page_bytes: 8 << 20,
            cursor_bytes: 64 << 10,
            spool_bytes: 2 << 30,
            spool_fetch_bytes: 64 << 20,
            component_bytes: 32 << 20,
        }
    }
}

/// A limit as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShownLimit {
    /// With its unit at the end: `cpu_ms`.
    pub name: &'static str,
    pub most: u64,
    /// The fault of who runs into it; `None`: nothing is stopped.
    pub code: Option<&'static str>,
}

impl Limits {
    /// All of them, in the order of the page on limits (`docs/guardrails.md`), which a test holds to this.
    #[must_use]
    pub fn shown(&self) -> Vec<ShownLimit> {
        // By its fields, so that a new one is not forgotten here.
        let Self {
            cpu,
            wall,
            memory_bytes,
            host_memory_bytes,
            organisation_memory_bytes,
            connections,
            host_connections,
            crossing_bytes,
            handles,
            host_calls,
            requests,
            egress_out_bytes,
            egress_in_bytes,
            log_bytes,
            page_rows,
            page_bytes,
            cursor_bytes,
            spool_bytes,
            spool_fetch_bytes,
            component_bytes,
        } = self;
        let ms = |time: &Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let all: [(&'static str, u64, Option<&'static str>); 20] = [
            ("cpu_ms", ms(cpu), Some("limit.cpu")),
            ("wall_ms", ms(wall), Some("limit.wall")),
            ("memory_bytes", *memory_bytes as u64, Some("limit.memory")),
            ("crossing_bytes", *crossing_bytes as u64, Some("limit.crossing")),
            ("handles", *handles as u64, Some("limit.handles")),
            ("host_calls", *host_calls, Some("limit.host-calls")),
            ("requests", u64::from(*requests), Some("limit.requests")),
            ("egress_out_bytes", *egress_out_bytes, Some("limit.egress-out")),
            ("egress_in_bytes", *egress_in_bytes, Some("limit.egress-in")),
            ("log_bytes", *log_bytes as u64, None),
            ("page_rows", u64::from(*page_rows), Some("limit.page-rows")),
            ("page_bytes", *page_bytes, Some("limit.page-bytes")),
            ("cursor_bytes", *cursor_bytes as u64, Some("limit.cursor")),
            ("spool_bytes", *spool_bytes, Some("limit.spool")),
            ("spool_fetch_bytes", *spool_fetch_bytes, None),
            ("component_bytes", *component_bytes as u64, Some("plugin.refused")),
            ("connections", *connections as u64, Some("limit.connections")),
            ("host_connections", *host_connections as u64, Some("limit.connections")),
            ("organisation_memory_bytes", *organisation_memory_bytes as u64, Some("limit.organisation-memory")),
            ("host_memory_bytes", *host_memory_bytes as u64, Some("limit.host-memory")),
        ];
        all.into_iter().map(|(name, most, code)| ShownLimit { name, most, code }).collect()
    }

    /// For what runs with no authority: `spec` and `migrate-state`.
    pub(crate) fn small(&self) -> Self {
        Self {
            cpu: self.cpu.min(Duration::from_secs(1)),
            wall: self.wall.min(Duration::from_secs(10)),
            requests: 0,
            ..self.clone()
        }
    }
}

/// A limit that a call ran into. Travels through wasmtime as an error and comes out as a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Tripped {
    #[error("the call used more than {0:?} of CPU time")]
    Cpu(Duration),
    #[error("the call took longer than {0:?}")]
    Wall(Duration),
    #[error("as many connectors are at work as the host has instances for")]
    Instances,
    #[error("the call wanted more than {0} bytes of memory")]
    Memory(usize),
    #[error("the host's memory for connectors is used up")]
    HostMemory,
    #[error("the organisation's share of the memory for connectors is used up")]
    OrganisationMemory,
    #[error("more than {0} bytes were passed to the host at once")]
    Crossing(usize),
    #[error("the call held more than {0} handles")]
    Handles(usize),
    #[error("the call made more than {0} calls to the host")]
    HostCalls(u64),
    #[error("the call asked for {0} random bytes at once, at most 1024 are given")]
    Random(u32),
}

impl Tripped {
    pub(crate) fn fault(self) -> Fault {
        let code = match self {
            Self::Cpu(_) => "limit.cpu",
            Self::Wall(_) => "limit.wall",
            Self::Instances => "limit.instances",
            Self::Memory(_) => "limit.memory",
            Self::HostMemory => "limit.host-memory",
            Self::OrganisationMemory => "limit.organisation-memory",
            Self::Crossing(_) => "limit.crossing",
            Self::Handles(_) => "limit.handles",
            Self::HostCalls(_) => "limit.host-calls",
            Self::Random(_) => "limit.random",
        };
        match self {
            // The others' doing, and it passes.
            Self::Instances => Fault::new(FaultKind::Transient, code, self.to_string())
                .action("It is tried again; a larger pool of instances lets more work at once."),
            Self::HostMemory => Fault::new(FaultKind::Transient, code, self.to_string())
                .action("Raise the host's memory for connectors, or run fewer at once."),
            Self::OrganisationMemory => Fault::new(FaultKind::Transient, code, self.to_string())
                .action("Raise what one organisation may have of it, or run fewer of its connectors at once."),
            _ => exceeded(code, self.to_string()),
        }
    }
}

/// The fault of a limit: a defect of the connector.
pub(crate) fn exceeded(code: &str, message: impl Into<String>) -> Fault {
    Fault::new(FaultKind::Internal, code, message)
        .action("Report this to the connector's publisher; its work has to fit the limit.")
}

/// What all stores of the host hold together.
#[derive(Debug, Default)]
pub(crate) struct HostMemory {
    used: AtomicUsize,
}

impl HostMemory {
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

/// What all stores of one organisation hold together.
#[derive(Debug, Default)]
pub struct OrganisationMemory {
    used: AtomicUsize,
}

/// Takes bytes, or nothing where that would be more than a limit.
fn take(used: &AtomicUsize, by: usize, limit: usize) -> bool {
    let fits = used.fetch_add(by, Ordering::Relaxed).saturating_add(by) <= limit;
    if !fits {
        used.fetch_sub(by, Ordering::Relaxed);
    }
    fits
}

/// Sums what a store's memories and tables hold, and refuses to let the sum pass the limit. Wasmtime asks for each
/// memory by itself, which is why a limit per memory is none: a guest may have many.
#[derive(Debug)]
pub(crate) struct MemoryLimiter {
    limit: usize,
    host_limit: usize,
    organisation_limit: usize,
    host: Arc<HostMemory>,
    /// `None`: it works for nobody's connection.
    organisation: Option<Arc<OrganisationMemory>>,
    used: usize,
    peak: usize,
    /// What the growth just allowed added, in case it fails.
    last: usize,
}

impl MemoryLimiter {
    pub(crate) fn new(limits: &Limits, host: Arc<HostMemory>, organisation: Option<Arc<OrganisationMemory>>) -> Self {
        let (limit, host_limit) = (limits.memory_bytes, limits.host_memory_bytes);
        let organisation_limit = limits.organisation_memory_bytes;
        Self { limit, host_limit, organisation_limit, host, organisation, used: 0, peak: 0, last: 0 }
    }

    pub(crate) fn peak(&self) -> usize {
        self.peak
    }

    fn grow(&mut self, by: usize) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(by);
        if used > self.limit {
            return Err(Tripped::Memory(self.limit).into());
        }
        if !self.organisation.as_ref().is_none_or(|held| take(&held.used, by, self.organisation_limit)) {
            return Err(Tripped::OrganisationMemory.into());
        }
        if !take(&self.host.used, by, self.host_limit) {
            self.give_back_to_organisation(by);
            return Err(Tripped::HostMemory.into());
        }
        self.used = used;
        self.peak = self.peak.max(used);
        self.last = by;
        Ok(true)
    }

    fn take_back(&mut self) {
        self.used = self.used.saturating_sub(self.last);
        self.host.used.fetch_sub(self.last, Ordering::Relaxed);
        self.give_back_to_organisation(self.last);
        self.last = 0;
    }

    fn give_back_to_organisation(&self, by: usize) {
        if let Some(held) = &self.organisation {
            held.used.fetch_sub(by, Ordering::Relaxed);
        }
    }
}

impl Drop for MemoryLimiter {
    fn drop(&mut self) {
        self.host.used.fetch_sub(self.used, Ordering::Relaxed);
        self.give_back_to_organisation(self.used);
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            // Wasmtime will refuse it by itself: the guest sees -1, and nothing is added.
            self.last = 0;
            return Ok(true);
        }
        self.grow(desired.saturating_sub(current))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.take_back();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            self.last = 0;
            return Ok(true);
        }
        // An element is a pointer.
        self.grow(desired.saturating_sub(current).saturating_mul(size_of::<usize>()))
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.take_back();
        Ok(())
    }

    fn instances(&self) -> usize {
        100
    }

    fn memories(&self) -> usize {
        10
    }

    fn tables(&self) -> usize {
        100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `| `cpu_ms` | … | 5,000 | … `limit.cpu` … |`, in this order.
    #[test]
    fn the_page_of_limits_says_what_they_are() {
        let page = include_str!("../../../docs/guardrails.md");
        let (_, section) = page.split_once("## What a plugin may use").unwrap();
        let section = section.split("\n## ").next().unwrap();
        let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
        let shown = Limits::default().shown();
        assert_eq!(rows.len(), shown.len(), "{rows:#?}");
        for (row, ShownLimit { name, most, code }) in rows.iter().zip(shown) {
            let digits = most.to_string();
            let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned());
            let most = groups.collect::<Vec<_>>().join(",");
            let code = code.map_or("nothing is stopped".to_owned(), |code| format!("`{code}`"));
            for part in [&format!("| `{name}` | "), &format!(" | {most} | "), &code] {
                assert!(row.contains(part.as_str()), "{part} is not in: {row}");
            }
        }
    }

    #[test]
    fn the_sum_counts_and_what_failed_or_is_gone_is_given_back() {
        let host = Arc::new(HostMemory::default());
        let limits = Limits { memory_bytes: 300, host_memory_bytes: 400, ..Limits::default() };
        let mut store = MemoryLimiter::new(&limits, host.clone(), None);
        store.memory_growing(0, 100, None).unwrap();
        store.memory_growing(0, 100, None).unwrap();
        store.table_growing(0, 10, None).unwrap();
        let over = store.memory_growing(100, 200, None).unwrap_err();
        assert_eq!(over.downcast_ref(), Some(&Tripped::Memory(300)));
        store.table_grow_failed(wasmtime::format_err!("no")).unwrap();
        store.memory_growing(100, 200, None).unwrap();

        let mut beside = MemoryLimiter::new(&limits, host.clone(), None);
        let over = beside.memory_growing(0, 200, None).unwrap_err();
        assert_eq!(over.downcast_ref(), Some(&Tripped::HostMemory));
        drop(store);
        beside.memory_growing(0, 200, None).unwrap();
        assert_eq!(beside.peak(), 200);
        drop(beside);
        assert_eq!(host.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn an_organisation_is_stopped_before_it_takes_what_is_the_others() {
        let host = Arc::new(HostMemory::default());
        let (one, other) = (Arc::new(OrganisationMemory::default()), Arc::new(OrganisationMemory::default()));
        let limits = Limits { host_memory_bytes: 500, organisation_memory_bytes: 300, ..Limits::default() };
        let store = |held: &Arc<OrganisationMemory>| MemoryLimiter::new(&limits, host.clone(), Some(held.clone()));
        let (mut first, mut second, mut beside) = (store(&one), store(&one), store(&other));
        first.memory_growing(0, 200, None).unwrap();
        let over = second.memory_growing(0, 200, None).unwrap_err();
        assert_eq!(over.downcast_ref(), Some(&Tripped::OrganisationMemory));
        beside.memory_growing(0, 250, None).unwrap();
        let over = beside.memory_growing(250, 310, None).unwrap_err();
        assert_eq!(over.downcast_ref(), Some(&Tripped::OrganisationMemory));
        let over = second.memory_growing(0, 90, None).unwrap_err();
        assert_eq!(over.downcast_ref(), Some(&Tripped::HostMemory));
        drop(first);
        second.memory_growing(0, 200, None).unwrap();
        drop((second, beside));
        assert_eq!([&host.used, &one.used, &other.used].map(|used| used.load(Ordering::Relaxed)), [0; 3]);
    }
}
