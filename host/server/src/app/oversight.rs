//! How connections get along with their plugins: what their calls cost, what they were denied, and whether they crash.
//! Told by the plugin host of every call; kept in the control store, a moment later and all of a connection together.

use super::documents;
use super::exchanges::Exchanges;
use super::plugins::Plugins;
use super::refusal::Result;
use attiva_core::plugin::containment::{Action, Containment, Event, is_stop, is_strike};
use attiva_core::ports::clock::Clock;
use attiva_core::ports::connector::{HostTraffic, Usage};
use attiva_core::ports::store::{AuditEvent, ControlKind, ControlStore, Expect, StoreError};
use attiva_core::{Fault, FaultKind, Millis};
use attiva_wasm::{CallObserver, CallReport, Denial, LogLine};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// The last calls and denials of a connection that are kept.
const CALLS_KEPT: usize = 50;
const DENIALS_KEPT: usize = 50;
/// So many connections in quarantine because of one plugin version: it is the version.
const SUFFERERS_MAX: usize = 3;
/// Hosts told apart in sums; what more there are is summed together.
const HOSTS_KEPT: usize = 50;
/// Codes of what stopped calls, as hosts.
const STOPS_KEPT: usize = 50;
/// Versions told apart in sums; the one used longest ago goes first.
const VERSIONS_KEPT: usize = 10;
/// At most this much of the sums is lost by a kill.
const FLUSH_PAUSE: Duration = Duration::from_secs(1);

/// What one call was, and what it cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallLine {
    pub at: Millis,
    pub plugin: String,
    pub function: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<CallFault>,
    pub usage: Usage,
    /// Rows of the page or batch.
    pub rows: u64,
    pub hosts: BTreeMap<String, HostTraffic>,
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallFault {
    pub kind: FaultKind,
    pub code: String,
    pub message: String,
}

/// A request that was not sent, since nothing declared or granted allows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denied {
    pub at: Millis,
    pub plugin: String,
    pub code: String,
    pub message: String,
    /// So often in a row.
    pub times: u64,
}

/// All calls of a connection with one plugin version, together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    pub calls: u64,
    pub failed: u64,
    /// Pages read and batches delivered.
    pub pages: u64,
    pub rows: u64,
    pub cpu_ns: u64,
    pub wall_ns: u64,
    /// The most one call held at once.
    pub peak_memory: u64,
    pub hosts: BTreeMap<String, HostTraffic>,
    /// What stopped calls, by code: a limit, a trap.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stops: BTreeMap<String, u64>,
    pub first_at: Millis,
    pub last_at: Millis,
}

/// What an operator is shown of a connection in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    pub at: Millis,
    pub plugin: String,
    pub function: String,
    pub fault: CallFault,
    /// Functions of the component that were at work, the innermost first.
    pub trace: Vec<String>,
    /// What it logged last.
    pub log: Vec<LogLine>,
    pub calls: Vec<CallLine>,
}

/// Everything known of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conduct {
    #[serde(default)]
    pub containment: Containment,
    /// Of the last strike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// By plugin version.
    #[serde(default)]
    pub sums: BTreeMap<String, Sum>,
    #[serde(default)]
    pub denials: VecDeque<Denied>,
    #[serde(default)]
    pub calls: VecDeque<CallLine>,
}

/// Watches all connections of the host.
pub struct Oversight {
    control: Arc<dyn ControlStore>,
    clock: Arc<dyn Clock>,
    plugins: Arc<Plugins>,
    state: Mutex<State>,
    /// Held while what changed is written: an older state must not be written over a newer one.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    known: HashMap<String, Conduct>,
    dirty: BTreeSet<String>,
}

impl Oversight {
    /// Begins to watch. What it sees is written by a task that ends with it.
    pub fn start(control: Arc<dyn ControlStore>, clock: Arc<dyn Clock>, plugins: Arc<Plugins>) -> Arc<Self> {
        let oversight =
            Arc::new(Self { control, clock, plugins, state: Mutex::default(), writing: tokio::sync::Mutex::default() });
        tokio::spawn(write_what_changes(Arc::downgrade(&oversight)));
        oversight
    }

    /// Whether a call may be made for a connection. `id` is the connection's in the control store, `shown` for people.
    pub fn admit(&self, id: &str, shown: &str) -> std::result::Result<(), Fault> {
        let conduct = self.conduct(id).map_err(|refusal| refusal.fault)?;
        conduct.containment.admit(shown, self.clock.now())
    }

    /// Everything known of a connection.
    pub fn conduct(&self, id: &str) -> Result<Conduct> {
        if let Some(known) = self.state().known.get(id) {
            return Ok(known.clone());
        }
        let kept = match self.control.document(ControlKind::Conduct, id)? {
            Some(document) => documents::read(document.body)?,
            None => Conduct::default(),
        };
        Ok(self.state().known.entry(id.to_owned()).or_insert(kept).clone())
    }

    /// Lets a connection out of quarantine, or ends its pause.
    pub async fn release(&self, id: &str) -> Result<()> {
        self.conduct(id)?;
        self.change(id, |conduct, now| {
            conduct.containment.step(Event::Released, now);
        });
        self.flush().await
    }

    /// Forgets a connection that is gone.
    pub async fn forget(&self, id: &str) -> Result<()> {
        let _alone = self.writing.lock().await;
        {
            let mut state = self.state();
            state.known.remove(id);
            state.dirty.remove(id);
        }
        match self.control.delete_document(ControlKind::Conduct, id, Expect::Anything, None).await {
            Ok(()) | Err(StoreError::Missing) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Who is told of the calls of a connection with a plugin version.
    pub fn observer(self: &Arc<Self>, id: &str, plugin: &str, exchanges: Exchanges) -> Arc<dyn CallObserver> {
        let (oversight, id, plugin) = (Arc::clone(self), id.to_owned(), plugin.to_owned());
        Arc::new(Observer { oversight, id, plugin, exchanges })
    }

    /// Writes what has changed. Returns when it is durable.
    pub async fn flush(&self) -> Result<()> {
        let _alone = self.writing.lock().await;
        let changed: Vec<(String, Conduct)> = {
            let mut state = self.state();
            let dirty = std::mem::take(&mut state.dirty);
            dirty.into_iter().filter_map(|id| state.known.get(&id).cloned().map(|conduct| (id, conduct))).collect()
        };
        for (id, conduct) in changed {
            let body = documents::write(&conduct)?;
            if let Err(error) = self.control.put_document(ControlKind::Conduct, &id, body, Expect::Anything, None).await
            {
                self.state().dirty.insert(id);
                return Err(error.into());
            }
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Sums are whole after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, id: &str, change: impl FnOnce(&mut Conduct, Millis) -> T) -> T {
        let now = self.clock.now();
        let mut state = self.state();
        let changed = change(state.known.entry(id.to_owned()).or_default(), now);
        state.dirty.insert(id.to_owned());
        changed
    }

    fn finished(self: &Arc<Self>, id: &str, plugin: &str, report: &CallReport) {
        // What is stored is known by now: a call is admitted first.
        let action = self.change(id, |conduct, now| conduct.take(plugin, report, now));
        if action == Action::Quarantine {
            tracing::warn!(connection = id, plugin, "quarantine: the plugin stopped again and again");
            let oversight = Arc::clone(self);
            let (id, plugin) = (id.to_owned(), plugin.to_owned());
            tokio::spawn(async move { oversight.tell_quarantine(&id, &plugin).await });
        }
    }

    async fn tell_quarantine(&self, id: &str, plugin: &str) {
        let told = self.quarantine_event(id, plugin);
        let done = match self.control.audit(told).await {
            Ok(()) => self.flush().await,
            Err(error) => Err(error.into()),
        };
        if let Err(refusal) = done {
            tracing::error!(connection = id, "a quarantine is not on record yet: {refusal}");
        }
        let sufferers = self.sufferers(plugin);
        if sufferers.len() >= SUFFERERS_MAX {
            let why = serde_json::json!({ "reason": "it stopped again and again", "connections": sufferers.len() });
            // Somebody else may have been quicker.
            let _ = self.plugins.quarantine("host", plugin, why).await;
        }
    }

    /// Connections that are in quarantine because of a plugin version.
    fn sufferers(&self, plugin: &str) -> Vec<String> {
        let suffers = |conduct: &Conduct| {
            conduct.containment.quarantined && conduct.evidence.as_ref().is_some_and(|e| e.plugin == plugin)
        };
        self.state().known.iter().filter(|(_, conduct)| suffers(conduct)).map(|(id, _)| id.clone()).collect()
    }

    /// All that is known, by the connections' ids in the control store; those that begin with a prefix.
    pub fn all(&self, prefix: &str) -> Result<Vec<(String, Conduct)>> {
        let ids = documents::ids(&*self.control, ControlKind::Conduct, prefix)?;
        // Those in memory, and not only those still to be written: what is being written is in neither of the two.
        let unwritten = self.state().known.keys().filter(|id| id.starts_with(prefix)).cloned().collect::<Vec<_>>();
        let ids: BTreeSet<String> = ids.into_iter().chain(unwritten).collect();
        ids.into_iter().map(|id| Ok((id.clone(), self.conduct(&id)?))).collect()
    }

    fn quarantine_event(&self, id: &str, plugin: &str) -> AuditEvent {
        // `<organisation>-<sandbox>/<connection>`: see `SandboxConnectors::control_id`.
        let (sandbox, connection) = id.split_once('/').unwrap_or_default();
        let (organisation, sandbox) = sandbox.split_once('-').unwrap_or_default();
        let detail = serde_json::json!({ "organisation": organisation, "sandbox": sandbox, "plugin": plugin });
        AuditEvent {
            at: self.clock.now(),
            actor: "host".into(),
            action: "connection.quarantined".into(),
            subject: connection.to_owned(),
            detail,
        }
    }
}

/// Writes soon after something has changed, for as long as somebody watches.
async fn write_what_changes(oversight: Weak<Oversight>) {
    loop {
        tokio::time::sleep(FLUSH_PAUSE).await;
        let Some(oversight) = oversight.upgrade() else { return };
        let is_clean = oversight.state().dirty.is_empty();
        if !is_clean && let Err(refusal) = oversight.flush().await {
            tracing::warn!("what plugins used could not be kept, and is tried again: {refusal}");
        }
    }
}

struct Observer {
    oversight: Arc<Oversight>,
    id: String,
    plugin: String,
    exchanges: Exchanges,
}

impl CallObserver for Observer {
    fn finished(&self, report: &CallReport) {
        self.exchanges.keep(&self.plugin, report);
        self.oversight.finished(&self.id, &self.plugin, report);
    }
}

impl Conduct {
    /// Takes a finished call in.
    fn take(&mut self, plugin: &str, report: &CallReport, now: Millis) -> Action {
        let fault = report.fault.as_ref().map(|fault| CallFault {
            kind: fault.kind,
            code: fault.code.clone(),
            message: fault.message.clone(),
        });
        let line = CallLine {
            at: now,
            plugin: plugin.to_owned(),
            function: report.function.to_owned(),
            fault: fault.clone(),
            usage: report.usage,
            rows: report.rows,
            hosts: report.hosts.clone(),
        };
        self.sum(plugin, &line);
        for denial in &report.denials {
            self.deny(plugin, denial, now);
        }
        keep(&mut self.calls, line, CALLS_KEPT);
        let function = report.function;
        let Some(fault) = fault.filter(|fault| is_strike(fault.kind, &fault.code)) else {
            return self.containment.step(Event::Fine { function }, now);
        };
        self.evidence = Some(Evidence {
            at: now,
            plugin: plugin.to_owned(),
            function: function.to_owned(),
            fault,
            trace: report.trace.clone(),
            log: report.log.clone(),
            calls: self.calls.iter().cloned().collect(),
        });
        self.containment.step(Event::Strike { function }, now)
    }

    fn sum(&mut self, plugin: &str, line: &CallLine) {
        if !self.sums.contains_key(plugin) && self.sums.len() >= VERSIONS_KEPT {
            let oldest = self.sums.iter().min_by_key(|(_, sum)| sum.last_at).map(|(version, _)| version.clone());
            oldest.and_then(|version| self.sums.remove(&version));
        }
        let first = Sum { first_at: line.at, ..Sum::default() };
        self.sums.entry(plugin.to_owned()).or_insert(first).add(line);
    }

    fn deny(&mut self, plugin: &str, denial: &Denial, now: Millis) {
        let is_same = |last: &&mut Denied| {
            (last.plugin.as_str(), last.code.as_str(), last.message.as_str())
                == (plugin, denial.code.as_str(), denial.message.as_str())
        };
        if let Some(last) = self.denials.iter_mut().find(is_same) {
            last.times = last.times.saturating_add(1);
            last.at = now;
            return;
        }
        let Denial { code, message } = denial.clone();
        keep(&mut self.denials, Denied { at: now, plugin: plugin.to_owned(), code, message, times: 1 }, DENIALS_KEPT);
    }
}

fn keep<T>(kept: &mut VecDeque<T>, one: T, most: usize) {
    if kept.len() >= most {
        kept.pop_front();
    }
    kept.push_back(one);
}

impl Sum {
    /// Adds a call.
    fn add(&mut self, line: &CallLine) {
        let Usage { cpu_ns, wall_ns, peak_memory, .. } = line.usage;
        self.calls += 1;
        self.failed += u64::from(line.fault.is_some());
        self.pages += u64::from(line.fault.is_none() && matches!(line.function.as_str(), "read" | "deliver"));
        self.rows = self.rows.saturating_add(line.rows);
        self.cpu_ns = self.cpu_ns.saturating_add(cpu_ns);
        self.wall_ns = self.wall_ns.saturating_add(wall_ns);
        self.peak_memory = self.peak_memory.max(peak_memory);
        self.last_at = line.at;
        for (host, traffic) in &line.hosts {
            self.add_traffic(host, *traffic);
        }
        if let Some(fault) = line.fault.as_ref().filter(|fault| is_stop(&fault.code)) {
            self.add_stops(&fault.code, 1);
        }
    }

    /// Adds another connection's.
    pub fn join(&mut self, other: &Self) {
        self.first_at = if self.calls == 0 { other.first_at } else { self.first_at.min(other.first_at) };
        self.last_at = self.last_at.max(other.last_at);
        self.calls = self.calls.saturating_add(other.calls);
        self.failed = self.failed.saturating_add(other.failed);
        self.pages = self.pages.saturating_add(other.pages);
        self.rows = self.rows.saturating_add(other.rows);
        self.cpu_ns = self.cpu_ns.saturating_add(other.cpu_ns);
        self.wall_ns = self.wall_ns.saturating_add(other.wall_ns);
        self.peak_memory = self.peak_memory.max(other.peak_memory);
        for (host, traffic) in &other.hosts {
            self.add_traffic(host, *traffic);
        }
        for (code, times) in &other.stops {
            self.add_stops(code, *times);
        }
    }

    /// A plugin may say any code it likes.
    fn add_stops(&mut self, code: &str, times: u64) {
        let is_known = self.stops.contains_key(code) || self.stops.len() < STOPS_KEPT;
        let code = if is_known { code } else { "(others)" };
        let stops = self.stops.entry(code.to_owned()).or_default();
        *stops = stops.saturating_add(times);
    }

    fn add_traffic(&mut self, host: &str, traffic: HostTraffic) {
        let is_known = self.hosts.contains_key(host) || self.hosts.len() < HOSTS_KEPT;
        let host = if is_known { host } else { "(others)" };
        *self.hosts.entry(host.to_owned()).or_default() += traffic;
    }
}

#[cfg(test)]
mod tests;
