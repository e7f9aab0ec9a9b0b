//! Reading targets back: what an activation's target holds beside what it acknowledged, and what follows from drift.

use super::connections::same_version;
use super::keys::Caller;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::{Sandbox, Versioned};
use super::stamp::Stamp;
use attiva_core::config::Activation;
use attiva_core::id::{ActivationId, ReadbackId};
use attiva_core::ports::readback::DriftEntry;
use attiva_core::ports::store::{Expect, Kind};
use attiva_core::readback::{Counts, DriftKind, Readback, ReadbackSetting, ReadbackStatus};
use attiva_core::{Fault, FaultKind};
use attiva_sync::Connectors;
use serde_json::json;
use std::collections::BTreeMap;

impl Sandbox {
    /// Begins to read an activation's target back; it goes on by itself.
    ///
    /// # Errors
    /// `readback.unsupported`, `readback.empty`, `readback.in-progress`.
    pub async fn start_readback(&self, caller: &Caller, stamp: Stamp, activation: &str) -> Result<Readback> {
        let id = stamp.id(ReadbackId::new);
        let readback = match self.find(Kind::Readback, id.as_str())? {
            Some(started) => started.value,
            None => self.engine.start_readback(&self.activation(activation)?.value.id, id).await?,
        };
        let detail = json!({ "activation": readback.activation, "on_drift": readback.on_drift });
        self.tell_once(caller, "readback.started", readback.id.as_str(), detail).await?;
        Ok(readback)
    }

    /// Asks the newest reading of an activation's target to end where it is; nothing follows from it then. One that has
    /// ended is answered as it is.
    ///
    /// # Errors
    /// `readback.missing`: it was never read.
    pub async fn cancel_readback(&self, caller: &Caller, activation: &str) -> Result<Readback> {
        let readback = self.readback_of(activation)?;
        if readback.status.has_ended() {
            return Ok(readback);
        }
        let detail = json!({ "activation": readback.activation });
        self.tell(caller, "readback.cancelled", readback.id.as_str(), detail).await?;
        Ok(self.engine.cancel_readback(&readback.id).await?)
    }

    pub fn readback(&self, id: &str) -> Result<Readback> {
        Ok(self.get(Kind::Readback, "readback", id)?.value)
    }

    /// The newest reading of an activation's target.
    ///
    /// # Errors
    /// `readback.missing`: it was never read.
    pub fn readback_of(&self, activation: &str) -> Result<Readback> {
        let activation = self.activation(activation)?.value.id;
        let of = |it: &Readback| it.activation == activation;
        let newest = self.list(Kind::Readback, None, usize::MAX, of)?.pop();
        newest.ok_or_else(|| Refusal::missing("readback", activation.as_str()))
    }

    /// The newest reading that says something: of those that failed or were cancelled, the one before counts on.
    fn telling_readback_of(&self, activation: &str) -> Result<Readback> {
        let newest = self.readback_of(activation)?;
        if !newest.status.has_ended() || newest.status == ReadbackStatus::Succeeded {
            return Ok(newest);
        }
        let of = |it: &Readback| it.activation == newest.activation && it.status == ReadbackStatus::Succeeded;
        Ok(self.list(Kind::Readback, None, usize::MAX, of)?.pop().unwrap_or(newest))
    }

    /// Members that the newest reading which says something found not to be as acknowledged, in the order of profile
    /// numbers, after `after`; with each profile's number.
    pub fn drift(
        &self,
        activation: &str,
        kind: Option<DriftKind>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(i64, DriftEntry)>> {
        self.drift_of(&self.telling_readback_of(activation)?, kind, after, limit)
    }

    pub fn drift_of(
        &self,
        readback: &Readback,
        kind: Option<DriftKind>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(i64, DriftEntry)>> {
        Ok(self.store.drift(&readback.id, kind, after, limit)?)
    }

    /// Says how an activation's target is read back; `None`: when it is asked for, and drift is shown.
    ///
    /// # Errors
    /// `activation.readback`; `store.version-mismatch`.
    pub async fn set_readback(
        &self,
        caller: &Caller,
        id: &str,
        setting: Option<ReadbackSetting>,
        expect: Expect,
    ) -> Result<Versioned<Activation>> {
        let Versioned { mut value, version } = self.activation(id)?;
        if let Expect::Version(seen) = expect {
            same_version(seen, version)?;
        }
        let plugin = self.connection(value.connection.as_str())?.value.plugin;
        self.check_readback("", setting.as_ref(), &plugin)?;
        self.tell(caller, "activation.readback-set", id, json!({ "readback": setting })).await?;
        value.readback = setting;
        let version = self.put(Kind::Activation, id, &value, Expect::Version(version)).await?;
        Ok(Versioned { value, version })
    }

    /// Checks a setting where the destination is this plugin; `field`: where it stands in the body.
    ///
    /// # Errors
    /// `activation.readback`.
    pub(super) fn check_readback(&self, field: &str, setting: Option<&ReadbackSetting>, plugin: &str) -> Result<()> {
        let Some(setting) = setting else { return Ok(()) };
        if !self.connectors.delivery(plugin)?.may_be_read_back() {
            let message = format!("{plugin} cannot be asked who is in a target");
            let fault = Fault::new(FaultKind::Config, "activation.readback", message).field(field);
            return Err(fault.action("Leave `readback` out.").into());
        }
        setting.check().map_err(|(at, problem)| {
            let fields = vec![FieldProblem::new(format!("{field}{at}"), problem)];
            Refusal::invalid("activation.readback", "the target cannot be read back so", fields)
        })
    }

    /// What is kept of readings of an activation that is no more goes with it.
    pub(super) async fn forget_readbacks(&self, activation: &ActivationId) -> Result<()> {
        for readback in self.list(Kind::Readback, None, usize::MAX, |it: &Readback| it.activation == *activation)? {
            self.store.delete_document(Kind::Readback, readback.id.as_str(), Expect::Anything).await?;
        }
        Ok(())
    }

    /// What the newest reading of each activation that has ended well has found.
    pub(super) fn drift_counts(&self) -> Result<BTreeMap<String, Counts>> {
        let ended = |it: &Readback| it.status == ReadbackStatus::Succeeded;
        let all = self.list(Kind::Readback, None, usize::MAX, ended)?;
        Ok(all.into_iter().map(|it| (it.activation.to_string(), it.counts)).collect())
    }
}
