//! Drift of schemas: a stream whose columns are others than when it was last read, and what becomes of it.
//!
//! What a vendor describes is compared with what was taken over last, at the start of each run; a description is believed for
//! a while. *Propagate* takes it over.
//! *Ask* leaves new columns out, and does not read a stream that lacks a column or has one of another type, until somebody
//! approves; the other streams go on. *Stop* ends the run. While nothing is taken over, mappings go by the columns as they
//! were.

use crate::ports::connector::{ColumnSpec, Stream};
use crate::{DataType, Fault, FaultKind, Millis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What becomes of a stream that has changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnChange {
    /// It is read as it is now.
    #[default]
    Propagate,
    /// Somebody is asked; until then it is read as it was, or not at all.
    Ask,
    /// The run ends.
    Stop,
}

/// What becomes of a connection's streams when they change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "SchemaPolicy")]
#[serde(deny_unknown_fields)]
pub struct SchemaPolicy {
    #[serde(default)]
    pub on_change: OnChange,
    /// Of single streams, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub streams: BTreeMap<String, OnChange>,
    /// A stream with a new column is read anew, beside the runs that follow its changes: records that do not change have it
    /// then, too.
    #[serde(default)]
    pub backfill_new_columns: bool,
}

impl SchemaPolicy {
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What becomes of this stream.
    #[must_use]
    pub fn of(&self, stream: &str) -> OnChange {
        self.streams.get(stream).copied().unwrap_or(self.on_change)
    }
}

/// How a stream has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "SchemaChange")]
#[serde(rename_all = "kebab-case", tag = "change")]
pub enum Change {
    NewColumn {
        column: String,
        data_type: DataType,
    },
    VanishedColumn {
        column: String,
        data_type: DataType,
    },
    RetypedColumn {
        column: String,
        before: DataType,
        data_type: DataType,
    },
    /// The vendor does not offer it any more, or not to this user.
    VanishedStream,
}

impl Change {
    /// Whether the stream can be read as it was.
    fn is_harmless(&self) -> bool {
        matches!(self, Self::NewColumn { .. })
    }

    /// For people.
    fn told(&self) -> String {
        match self {
            Self::NewColumn { column, .. } => format!("`{column}` is new"),
            Self::VanishedColumn { column, .. } => format!("`{column}` is gone"),
            Self::RetypedColumn { column, before, data_type } => {
                format!("`{column}` was {} and is {}", word(*before), word(*data_type))
            }
            Self::VanishedStream => "it is not offered any more".to_owned(),
        }
    }
}

fn word(data_type: DataType) -> String {
    serde_json::to_value(data_type).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A change that nobody has approved of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    pub changes: Vec<Change>,
    pub noticed_at: Millis,
    /// As the vendor describes it now; `None`: it is gone.
    pub described: Option<Stream>,
}

impl Pending {
    /// Whether the stream is read as it was meanwhile.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.changes.iter().all(Change::is_harmless)
    }
}

/// A change that was taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    pub stream: String,
    pub changes: Vec<Change>,
    pub at: Millis,
    /// Who approved of it: a key's id. `None`: the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// When a vendor last described its streams, and to whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Described {
    pub at: Millis,
    /// The plugin version that asked.
    pub plugin: String,
    /// The version of the connection's document: another configuration may be told something else.
    pub connection_version: u64,
}

impl Described {
    /// Whether who would ask `now` would be told the same, as far as that is believed for so long.
    fn holds(&self, now: &Self, for_ms: Millis) -> bool {
        let is_recent = (self.at..self.at.saturating_add(for_ms)).contains(&now.at);
        is_recent && self.plugin == now.plugin && self.connection_version == now.connection_version
    }
}

/// What is known of a connection's changes, as it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaState {
    /// Absent: it is to be described anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub described: Option<Described>,
    /// By stream.
    pub pending: BTreeMap<String, Pending>,
    /// The newest last.
    pub taken: Vec<Taken>,
    /// Streams whose new columns are to be read anew, and have not begun to be.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub to_backfill: BTreeSet<String>,
    /// By what stored records of each stream were looked at.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mapped: BTreeMap<String, MappedBy>,
}

/// What makes a stream's records what they become, beside a mapping that somebody published: told apart, not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappedBy {
    /// The mapping that the connector ships.
    shipped: u64,
    /// What the mapping reads of the configuration.
    read: u64,
}

impl MappedBy {
    #[must_use]
    pub fn new(shipped: &str, read: &str) -> Self {
        // FNV-1a.
        let digest = |text: &str| {
            text.bytes()
                .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        };
        Self { shipped: digest(shipped), read: digest(read) }
    }

    /// Whether records would become something else than by another. What is shipped counts where nothing is published in its
    /// place.
    #[must_use]
    pub fn is_another_than(self, other: Self, is_published: bool) -> bool {
        self.read != other.read || (self.shipped != other.shipped && !is_published)
    }
}

/// Changes that were taken over, kept of a connection.
const TAKEN_MAX: usize = 100;

/// A stream that a run does not read, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldStream {
    pub stream: String,
    pub fault: Fault,
}

/// What a run begins with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decided {
    /// The streams as they are taken to be.
    pub catalog: Vec<Stream>,
    pub state: SchemaState,
    pub held: Vec<HeldStream>,
    /// Why there is no run.
    pub stopped: Option<Fault>,
}

/// Compares what the vendor describes with what was taken over last. `read`: the streams that are read; the others change
/// as they like.
#[must_use]
pub fn decide(
    policy: &SchemaPolicy,
    before: &[Stream],
    described: &[Stream],
    read: &[String],
    known: SchemaState,
    now: Millis,
) -> Decided {
    let mut decided = Decided { state: known, ..Decided::default() };
    let find = |streams: &[Stream], name: &str| streams.iter().find(|s| s.name == name).cloned();
    for stream in described {
        let Some(was) = find(before, &stream.name) else {
            decided.catalog.push(stream.clone());
            continue;
        };
        let changes = changes(&was.columns, &stream.columns);
        let kept = decided.take_or_keep(policy, &was, Some(stream), changes, read, now);
        decided.catalog.extend(kept);
    }
    for was in before.iter().filter(|was| !described.iter().any(|s| s.name == was.name)) {
        let kept = decided.take_or_keep(policy, was, None, vec![Change::VanishedStream], read, now);
        decided.catalog.extend(kept);
    }
    // What is not read any more waits for nobody.
    decided.state.pending.retain(|stream, _| read.contains(stream));
    decided
}

impl Decided {
    /// The stream as it is taken to be.
    fn take_or_keep(
        &mut self,
        policy: &SchemaPolicy,
        was: &Stream,
        is: Option<&Stream>,
        changes: Vec<Change>,
        read: &[String],
        now: Millis,
    ) -> Option<Stream> {
        let name = &was.name;
        if changes.is_empty() || !read.contains(name) {
            self.state.pending.remove(name);
            return is.cloned();
        }
        let on_change = policy.of(name);
        if on_change == OnChange::Propagate {
            self.state.pending.remove(name);
            self.state.take(name, changes, None, policy, now);
            return is.cloned();
        }
        let noticed_at = match self.state.pending.get(name) {
            Some(pending) if pending.changes == changes => pending.noticed_at,
            _ => now,
        };
        let pending = Pending { changes, noticed_at, described: is.cloned() };
        match on_change {
            OnChange::Stop => self.stopped = self.stopped.take().or_else(|| Some(changed(name, &pending, on_change))),
            OnChange::Ask if !pending.is_readable() => {
                self.held.push(HeldStream { stream: name.clone(), fault: changed(name, &pending, on_change) });
            }
            OnChange::Ask | OnChange::Propagate => {}
        }
        self.state.pending.insert(name.clone(), pending);
        Some(was.clone())
    }
}

impl SchemaState {
    /// What the vendor described last, where that is believed still; `catalog`: what of it was taken over.
    #[must_use]
    pub fn believed(&self, catalog: &[Stream], now: &Described, for_ms: Millis) -> Option<Vec<Stream>> {
        self.described.as_ref().filter(|described| described.holds(now, for_ms))?;
        // What was taken over, and what waits: nothing else was described.
        let as_described = |taken: &Stream| match self.pending.get(&taken.name) {
            Some(pending) => pending.described.clone(),
            None => Some(taken.clone()),
        };
        Some(catalog.iter().filter_map(as_described).collect())
    }

    fn take(&mut self, stream: &str, changes: Vec<Change>, by: Option<String>, policy: &SchemaPolicy, at: Millis) {
        if policy.backfill_new_columns && changes.iter().any(Change::is_harmless) {
            self.to_backfill.insert(stream.to_owned());
        }
        self.taken.push(Taken { stream: stream.to_owned(), changes, at, by });
        let over = self.taken.len().saturating_sub(TAKEN_MAX);
        self.taken.drain(..over);
    }

    /// Somebody approves of what waits; without streams, of all. Answers with the streams as they are taken to be from now
    /// on.
    ///
    /// # Errors
    /// `schema.nothing-pending`: nothing waits of a stream that was named.
    pub fn approve(
        &mut self,
        streams: &[String],
        catalog: &[Stream],
        policy: &SchemaPolicy,
        by: &str,
        at: Millis,
    ) -> Result<Vec<Stream>, Fault> {
        let all: Vec<String> = self.pending.keys().cloned().collect();
        let approved = if streams.is_empty() { &all[..] } else { streams };
        if let Some(none) = approved.iter().find(|stream| !self.pending.contains_key(*stream)) {
            let message = format!("no change of `{none}` waits for approval");
            return Err(Fault::new(FaultKind::Config, "schema.nothing-pending", message)
                .action("Look at what waits: `attiva connection schema`.")
                .field("/streams"));
        }
        let mut catalog = catalog.to_vec();
        for stream in approved {
            let Some(Pending { changes, described, .. }) = self.pending.remove(stream) else { continue };
            let at_place = catalog.iter().position(|s| s.name == *stream);
            match (at_place, described) {
                (Some(i), Some(described)) => catalog[i] = described,
                (Some(i), None) => drop(catalog.remove(i)),
                (None, described) => catalog.extend(described),
            }
            self.take(stream, changes, Some(by.to_owned()), policy, at);
        }
        Ok(catalog)
    }
}

/// How columns differ: names and types. What a vendor calls them, and whether they may be empty, is nobody's business.
fn changes(before: &[ColumnSpec], now: &[ColumnSpec]) -> Vec<Change> {
    let find = |columns: &[ColumnSpec], name: &str| columns.iter().find(|c| c.name == name).map(|c| c.data_type);
    let mut changes = Vec::new();
    for column in now {
        let (column, data_type) = (column.name.clone(), column.data_type);
        match find(before, &column) {
            None => changes.push(Change::NewColumn { column, data_type }),
            Some(before) if before != data_type => changes.push(Change::RetypedColumn { column, before, data_type }),
            Some(_) => {}
        }
    }
    for column in before.iter().filter(|column| find(now, &column.name).is_none()) {
        changes.push(Change::VanishedColumn { column: column.name.clone(), data_type: column.data_type });
    }
    changes
}

/// Changes that are told one by one.
const TOLD_MAX: usize = 5;

fn changed(stream: &str, pending: &Pending, on_change: OnChange) -> Fault {
    let mut told: Vec<String> = pending.changes.iter().take(TOLD_MAX).map(Change::told).collect();
    if let Some(more) = pending.changes.len().checked_sub(TOLD_MAX).filter(|more| *more > 0) {
        told.push(format!("{more} more"));
    }
    let effect = if on_change == OnChange::Stop { "nothing is read" } else { "it is not read" };
    let message =
        format!("`{stream}` has changed at the vendor, and {effect} until somebody approves: {}", told.join(", "));
    Fault::new(FaultKind::Config, "schema.changed", message)
        .action("Look at `attiva connection schema`; then `attiva connection approve-schema` takes it over, or the vendor's administrator takes it back.")
        .field(stream)
}

#[cfg(test)]
mod tests;
