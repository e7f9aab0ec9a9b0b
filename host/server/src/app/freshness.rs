//! How fresh a sandbox's streams and audiences are, and how fresh they should be.

use super::connections::same_version;
use super::keys::Caller;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::{Sandbox, Versioned};
use attiva_core::Millis;
use attiva_core::config::{Activation, Connection};
use attiva_core::freshness::{Freshness, FreshnessTarget, FreshnessTargets, PageTimes};
use attiva_core::id::{ActivationId, ConnectionId, SegmentId};
use attiva_core::ports::store::{Expect, Kind};
use attiva_sync::policies::{self, FRESHNESS_TARGETS};
use std::collections::BTreeMap;

/// A stream that has been read, or that something is wanted of; or an activation.
#[derive(Debug, Clone, PartialEq)]
pub enum Of {
    Stream { connection: ConnectionId, stream: String, committed_at: Option<Millis> },
    Activation { activation: ActivationId, segment: SegmentId },
}

impl Sandbox {
    /// Streams by connection, then activations.
    pub fn freshness(&self) -> Result<Vec<(Of, Freshness)>> {
        let targets = policies::freshness_targets(self.store.as_ref())?;
        let now = self.now();
        let mut all = Vec::new();
        for connection in self.list(Kind::Connection, None, usize::MAX, |_: &Connection| true)? {
            let id = connection.id.clone();
            for (stream, times) in self.streams_of(&connection, &targets)? {
                let target = targets.of_stream(id.as_str(), &stream);
                let found = Freshness::judge(times.and_then(|times| times.caught_up_at), target, now);
                let committed_at = times.map(|times| times.committed_at);
                all.push((Of::Stream { connection: id.clone(), stream, committed_at }, found));
            }
        }
        for Activation { id, segment, .. } in self.list(Kind::Activation, None, usize::MAX, |_: &Activation| true)? {
            let as_of = self.engine.acknowledged_as_of(&id)?;
            let found = Freshness::judge(as_of, targets.of_activation(id.as_str()), now);
            all.push((Of::Activation { activation: id, segment }, found));
        }
        Ok(all)
    }

    /// Those that were read, those that are to be, and those that something is wanted of.
    fn streams_of(
        &self,
        connection: &Connection,
        targets: &FreshnessTargets,
    ) -> Result<BTreeMap<String, Option<PageTimes>>> {
        let id = connection.id.as_str();
        let wanted = targets.targets.iter().filter(|t| t.connection.as_deref() == Some(id));
        let named = connection.streams.iter().cloned().chain(wanted.filter_map(|target| target.stream.clone()));
        let mut streams: BTreeMap<String, Option<PageTimes>> = named.map(|stream| (stream, None)).collect();
        for (stream, times) in self.engine.pages_at(&connection.id)? {
            streams.insert(stream, Some(times));
        }
        Ok(streams)
    }

    /// How fresh things should be; version 0 of the document: nobody has said.
    pub fn freshness_targets(&self) -> Result<Versioned<FreshnessTargets>> {
        let version = self.store.document(Kind::FreshnessTargets, FRESHNESS_TARGETS)?.map_or(0, |it| it.version);
        Ok(Versioned { value: policies::freshness_targets(self.store.as_ref())?, version })
    }

    /// What is said of something that is being deleted goes first: a kill in between leaves nobody's name there.
    pub(super) async fn forget_freshness_targets(&self, of: impl Fn(&FreshnessTarget) -> bool) -> Result<()> {
        loop {
            let Versioned { value: mut targets, version } = self.freshness_targets()?;
            let before = targets.targets.len();
            targets.targets.retain(|target| !of(target));
            if targets.targets.len() == before {
                return Ok(());
            }
            let expect = Expect::Version(version);
            match self.put(Kind::FreshnessTargets, FRESHNESS_TARGETS, &targets, expect).await {
                Ok(_) => return Ok(()),
                // Somebody has just said something else: that counts.
                Err(refusal) if refusal.fault.code == "store.version-mismatch" => {}
                Err(refusal) => return Err(refusal),
            }
        }
    }

    /// Says how fresh things should be, in the place of what was said.
    ///
    /// # Errors
    /// `freshness.targets` with each problem and its place; `store.version-mismatch`.
    pub async fn set_freshness_targets(
        &self,
        caller: &Caller,
        targets: FreshnessTargets,
        expect: Expect,
    ) -> Result<Versioned<FreshnessTargets>> {
        let mut problems = targets.problems();
        if problems.is_empty() {
            for (i, target) in targets.targets.iter().enumerate() {
                if let Some(id) = &target.connection
                    && self.find::<Connection>(Kind::Connection, id)?.is_none()
                {
                    problems.push((format!("/targets/{i}/connection"), format!("there is no connection {id}")));
                }
                if let Some(id) = &target.activation
                    && self.find::<Activation>(Kind::Activation, id)?.is_none()
                {
                    problems.push((format!("/targets/{i}/activation"), format!("there is no activation {id}")));
                }
            }
        }
        if !problems.is_empty() {
            let fields = problems.into_iter().map(|(place, problem)| FieldProblem::new(place, problem)).collect();
            return Err(Refusal::invalid("freshness.targets", "the targets cannot be used", fields));
        }
        let now = self.freshness_targets()?;
        if let Expect::Version(seen) = expect {
            same_version(seen, now.version)?;
        }
        let expect = if now.version == 0 { Expect::Absent } else { Expect::Version(now.version) };
        let version = self.put(Kind::FreshnessTargets, FRESHNESS_TARGETS, &targets, expect).await?;
        let detail = serde_json::json!({ "targets": targets.targets.len() });
        self.tell(caller, "freshness.targets-set", FRESHNESS_TARGETS, detail).await?;
        Ok(Versioned { value: targets, version })
    }
}
