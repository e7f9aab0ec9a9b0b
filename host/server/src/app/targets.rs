//! What an activation's target holds, who is not there as wanted, and the words that move deliveries on.

use super::connections::same_version;
use super::keys::Caller;
use super::refusal::{Refusal, Result};
use super::sandbox::{Sandbox, Versioned};
use attiva_core::config::{Activation, AudienceEntity, Connection};
use attiva_core::delivery::Delivery;
use attiva_core::model::EntityName;
use attiva_core::ports::store::{Expect, Kind, LedgerEntry, RefusalFilter, Refused};
use attiva_core::spec::DeliveryMode;
use attiva_core::{Fault, FaultKind};
use attiva_sync::Connectors;
use serde_json::json;

/// A change of an activation that asks nothing of its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    Pause,
    Resume,
    /// It wants nobody any more; its next delivery removes whom it alone wanted.
    Retire,
}

impl Sandbox {
    pub async fn turn_activation(&self, caller: &Caller, id: &str, turn: Turn) -> Result<Versioned<Activation>> {
        let Versioned { mut value, version } = self.activation(id)?;
        let action = match turn {
            Turn::Pause => {
                value.paused = true;
                "activation.paused"
            }
            Turn::Resume => {
                value.paused = false;
                "activation.resumed"
            }
            Turn::Retire => {
                value.retired = true;
                "activation.retired"
            }
        };
        self.tell(caller, action, id, json!({})).await?;
        let version = self.put(Kind::Activation, id, &value, Expect::Version(version)).await?;
        self.engine.activations_changed();
        Ok(Versioned { value, version })
    }

    /// Whom it alone wanted stays at the destination, unless it was retired and delivered before; while somebody does, no
    /// other sandbox may fill the target.
    ///
    /// A reading of its target is cancelled.
    ///
    /// # Errors
    /// `activation.in-use`: a delivery of it is going.
    pub async fn delete_activation(&self, caller: &Caller, id: &str, expect: Expect) -> Result<()> {
        let Versioned { value: activation, version } = self.activation(id)?;
        if let Expect::Version(seen) = expect {
            same_version(seen, version)?;
        }
        let goes = |d: &Delivery| d.activation == activation.id && !d.status.has_ended();
        if let Some(delivery) = self.list(Kind::Delivery, None, 1, goes)?.first() {
            let message = format!("{} is delivered by {}", activation.id, delivery.id);
            return Err(Fault::new(FaultKind::Config, "activation.in-use", message)
                .action("Cancel the delivery, or wait until it has ended.")
                .into());
        }
        self.engine.end_readback_of(&activation.id).await?;
        self.tell(caller, "activation.deleted", id, json!({})).await?;
        self.forget_freshness_targets(|target| target.activation.as_deref() == Some(id)).await?;
        // No other activation may come to the target while it is looked whether one does.
        let _alone = self.connections_change.lock().await;
        let target = activation.target_key(&self.connection(activation.connection.as_str())?.value.instance);
        self.store.delete_document(Kind::Activation, id, expect).await?;
        self.forget_readbacks(&activation.id).await?;
        self.let_target_go(&target).await
    }

    /// Members of an activation's target as the ledger has them, whichever activation wants them.
    pub fn target_members(&self, activation: &str, after: i64, limit: usize) -> Result<Vec<(i64, LedgerEntry)>> {
        Ok(self.store.ledger(&self.ledger_of(activation)?, after, limit)?)
    }

    /// Members of an activation's target that are not as they should be.
    pub fn target_refusals(
        &self,
        activation: &str,
        filter: &RefusalFilter,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(i64, Refused)>> {
        Ok(self.store.refused(&self.ledger_of(activation)?, filter, after, limit)?)
    }

    /// Has refused members sent again by the next delivery, those of this activation's audience; how many.
    pub async fn replay(&self, caller: &Caller, activation: &str, filter: RefusalFilter) -> Result<u64> {
        let target = self.ledger_of(activation)?;
        let filter = RefusalFilter { wanted_by: Some(self.activation(activation)?.value.id), ..filter };
        let detail = json!({ "code": filter.code, "since": filter.since, "until": filter.until });
        self.tell(caller, "activation.replayed", activation, detail).await?;
        Ok(self.store.replay(&target, filter).await?)
    }

    /// Lets a delivery remove as many members as it wants to.
    ///
    /// # Errors
    /// `delivery.not-held`.
    pub async fn approve_delivery(&self, caller: &Caller, id: &str) -> Result<Delivery> {
        let delivery = self.delivery(id)?.id;
        let approved = self.engine.approve_delivery(&delivery).await?;
        let removals = approved.plan.as_ref().map(|plan| plan.removals);
        self.tell(caller, "delivery.approved", delivery.as_str(), json!({ "removals": removals })).await?;
        Ok(approved)
    }

    /// The id of an activation's target; one that nothing was delivered to yet has an empty ledger.
    fn ledger_of(&self, activation: &str) -> Result<String> {
        let activation = self.activation(activation)?.value;
        let connection = self.connection(activation.connection.as_str())?.value;
        let key = activation.target_key(&connection.instance);
        Ok(self.store.target(&key)?.unwrap_or_default())
    }

    /// Two activations that fill one target make the same rows in the same way, of the same people they may send, or each
    /// would undo what the other wrote.
    pub(super) fn check_shared_target(
        &self,
        new: &Activation,
        of: AudienceEntity,
        connection: &Connection,
    ) -> Result<()> {
        if self.connectors.delivery(&connection.plugin)?.mode == DeliveryMode::Snapshot {
            return Ok(());
        }
        let key = new.target_key(&connection.instance);
        let layout = attiva_sync::policies::layout(self.store.as_ref(), &EntityName::Model(of.kind()))?;
        let membership = attiva_sync::field_of_membership(&new.mapping, &layout);
        for other in self.list(Kind::Activation, None, usize::MAX, |_: &Activation| true)? {
            let instance = self.connection(other.connection.as_str())?.value.instance;
            if other.id == new.id || other.target_key(&instance) != key {
                continue;
            }
            let is_of_others = (&other.segment, &other.expansion) != (&new.segment, &new.expansion);
            let (what, field) = match membership {
                _ if other.mapping != new.mapping => ("maps other fields", "/mapping".to_owned()),
                _ if other.consent != new.consent => ("sends for something else", "/consent".to_owned()),
                _ if other.target.options != new.target.options => {
                    ("fills it in another way", "/target/options".to_owned())
                }
                Some(i) if is_of_others => {
                    let what = "sends another audience, to which the same person is something else";
                    (what, format!("/mapping/{i}/expression"))
                }
                _ => continue,
            };
            let message = format!("{} fills this target too, and {what}", other.id);
            let fault = Fault::new(FaultKind::Config, "activation.target", message).field(field);
            return Err(Refusal::from(fault.action(
                "Map the same fields in the same way for the same use with the same options, without \
                     `member_status` and `member_since`, or name another target.",
            )));
        }
        Ok(())
    }
}
