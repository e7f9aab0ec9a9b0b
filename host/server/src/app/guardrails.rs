//! The limits of a sandbox: what there may be how much of, what an operator made of it, and how much there is.

use super::connections::same_version;
use super::keys::Caller;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::{Sandbox, Versioned};
use attiva_core::access::Scope;
use attiva_core::config::{Activation, Connection};
use attiva_core::guardrail::{Guardrail, Guardrails, Override, Overrides, Verdict};
use attiva_core::id::ConnectionId;
use attiva_core::model::EntityName;
use attiva_core::ports::store::{DocumentWrite, Expect, Kind, Reconsider};
use attiva_core::{Fault, FaultKind};
use attiva_sync::policies::{self, GUARDRAILS};

/// A limit, and what there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// As it holds.
    pub holds: Guardrail,
    /// As it would without an override.
    pub default: Guardrail,
    pub overridden: Option<Override>,
    /// How much there is, where that is known without counting everything.
    pub used: Option<u64>,
}

impl Sandbox {
    /// The limits that something holds to, by id; version 0: nobody has overridden any.
    pub fn guardrails(&self) -> Result<Versioned<Vec<Limit>>> {
        let Versioned { value: overrides, version } = self.overrides()?;
        let limits = self.limits()?;
        let mut all = Vec::new();
        for (holds, default) in
            limits.iter().zip(Guardrails::default().iter()).filter(|(limit, _)| limit.is_published())
        {
            let overridden = overrides.0.get(holds.id).copied();
            all.push(Limit { holds: *holds, default: *default, overridden, used: self.used(holds.id)? });
        }
        Ok(Versioned { value: all, version })
    }

    /// Puts an operator's overrides in the place of those before.
    ///
    /// # Errors
    /// `key.scope`; `guardrails.invalid` with the limit at fault; `store.version-mismatch`.
    pub async fn override_guardrails(
        &self,
        caller: &Caller,
        overrides: Overrides,
        expect: Expect,
    ) -> Result<Versioned<Vec<Limit>>> {
        caller.must(Scope::HostWrite)?;
        Guardrails::new(&overrides).map_err(|problem| {
            let field = FieldProblem::new(format!("/{}", problem.id()), problem.to_string());
            Refusal::invalid("guardrails.invalid", problem.to_string(), vec![field])
        })?;
        let before = self.overrides()?;
        if let Expect::Version(seen) = expect {
            same_version(seen, before.version)?;
        }
        // The version that was read, so that of two who change them at once one is told.
        let expect = if before.version == 0 { Expect::Absent } else { Expect::Version(before.version) };
        let changed: Vec<&str> = Guardrails::default()
            .iter()
            .filter(|limit| overrides.0.get(limit.id) != before.value.0.get(limit.id))
            .map(|limit| limit.id)
            .collect();
        let identity = Guardrails::default().iter().any(|l| l.decides_profiles() && changed.contains(&l.id));
        let body = super::documents::write(&overrides)?;
        let write = DocumentWrite { kind: Kind::Guardrails, id: GUARDRAILS.into(), body };
        let again = if identity { Reconsider::All } else { Reconsider::Records(EntityName::PERSON, Vec::new()) };
        self.engine.reconsider(vec![(write, expect)], Vec::new(), again).await?;
        self.engine.accounts_changed();
        self.tell(caller, "guardrails.changed", &self.entry.id(), serde_json::json!({ "limits": changed })).await?;
        self.guardrails()
    }

    pub(super) fn limits(&self) -> Result<Guardrails> {
        Ok(policies::guardrails(self.store.as_ref())?)
    }

    fn overrides(&self) -> Result<Versioned<Overrides>> {
        let found = self.find(Kind::Guardrails, GUARDRAILS)?;
        Ok(found.unwrap_or(Versioned { value: Overrides::default(), version: 0 }))
    }

    fn used(&self, id: &str) -> Result<Option<u64>> {
        Ok(match id {
            "sandbox.segments" => Some(self.count_segments()?),
            "sandbox.destinations" => Some(self.count_destinations()?),
            "sandbox.disk_bytes" => Some(self.connectors.disk.used()?),
            _ => None,
        })
    }

    /// Warns of what a new segment exceeds.
    pub fn segment_warnings(&self) -> Result<Vec<String>> {
        Ok(warnings(self.limits()?.check("sandbox.segments", self.count_segments()?)))
    }

    /// Warns of what a new destination exceeds; a source exceeds nothing.
    pub fn connection_warnings(&self, connection: &Connection) -> Result<Vec<String>> {
        if !self.is_destination(connection) {
            return Ok(Vec::new());
        }
        Ok(warnings(self.limits()?.check("sandbox.destinations", self.count_destinations()?)))
    }

    /// Warns of what a new activation exceeds.
    ///
    /// # Errors
    /// `guardrail.mapped-attributes`.
    pub(super) fn check_activation(&self, connection: &ConnectionId, mapped: usize) -> Result<Vec<String>> {
        let limits = self.limits()?;
        let mut all = match limits.check("destination.mapped_attributes", mapped as u64) {
            Verdict::Over(_, reason) => {
                let fault = Fault::new(FaultKind::Config, "guardrail.mapped-attributes", reason);
                return Err(fault
                    .action("Map fewer attributes, or have an operator raise the limit.")
                    .field("/mapping")
                    .into());
            }
            verdict => warnings(verdict),
        };
        let beside = self.list(Kind::Activation, None, usize::MAX, |a: &Activation| a.connection == *connection)?.len();
        all.extend(warnings(limits.check("destination.activations", beside as u64 + 1)));
        Ok(all)
    }

    fn count_segments(&self) -> Result<u64> {
        super::removal::count(self.store.as_ref(), Kind::Segment)
    }

    fn count_destinations(&self) -> Result<u64> {
        let all = self.list(Kind::Connection, None, usize::MAX, |connection| self.is_destination(connection))?;
        Ok(all.len() as u64)
    }

    fn is_destination(&self, connection: &Connection) -> bool {
        self.plugins.get(&connection.plugin).is_some_and(|ready| ready.plugin.is_destination)
    }
}

fn warnings(verdict: Verdict) -> Vec<String> {
    match verdict {
        Verdict::Within => Vec::new(),
        Verdict::Warn(reason) | Verdict::Over(_, reason) => vec![reason],
    }
}
