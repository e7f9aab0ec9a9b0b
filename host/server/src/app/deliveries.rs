//! Deliveries of activations, and what became of each member.

use super::keys::Caller;
use super::refusal::Result;
use super::sandbox::Sandbox;
use super::stamp::Stamp;
use attiva_core::delivery::Delivery;
use attiva_core::id::{ActivationId, DeliveryId};
use attiva_core::ports::store::{Books, Item, ItemStatus, Kind, Reason};
use attiva_core::{Fault, FaultKind};

impl Sandbox {
    /// Starts a delivery, which goes on by itself.
    ///
    /// # Errors
    /// `delivery.in-progress`.
    pub async fn start_delivery(
        &self,
        caller: &Caller,
        stamp: Stamp,
        activation: &str,
        dry_run: bool,
    ) -> Result<Delivery> {
        let id = stamp.id(DeliveryId::new);
        let delivery = match self.find(Kind::Delivery, id.as_str())? {
            Some(started) => started.value,
            None => self.engine.start_delivery(&self.activation(activation)?.value.id, id, dry_run).await?,
        };
        let detail = serde_json::json!({ "activation": delivery.activation, "dry_run": delivery.dry_run });
        self.tell_once(caller, "delivery.started", delivery.id.as_str(), detail).await?;
        Ok(delivery)
    }

    pub fn delivery(&self, id: &str) -> Result<Delivery> {
        Ok(self.get(Kind::Delivery, "delivery", id)?.value)
    }

    /// In the order they were started, after `after`.
    pub fn deliveries(
        &self,
        activation: Option<&ActivationId>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Delivery>> {
        self.list(Kind::Delivery, after, limit, |d: &Delivery| activation.is_none_or(|a| *a == d.activation))
    }

    /// The books: as they were closed, or as they stand.
    pub fn books(&self, delivery: &Delivery) -> Result<Books> {
        match delivery.books {
            Some(books) => Ok(books),
            None => Ok(self.store.books(&delivery.id)?),
        }
    }

    /// The books by reason.
    pub fn reasons(&self, delivery: &Delivery) -> Result<Vec<Reason>> {
        Ok(self.store.reasons(&delivery.id)?)
    }

    /// Members of a delivery from position `first` on.
    ///
    /// # Errors
    /// `delivery.items.missing`: they are not kept any more.
    pub fn items(&self, id: &str, status: Option<ItemStatus>, first: u64, limit: usize) -> Result<Vec<Item>> {
        let delivery = self.delivery(id)?;
        if delivery.items_forgotten_at.is_some() {
            let message = format!("what became of each member of `{}` is not kept any more", delivery.id);
            return Err(Fault::new(FaultKind::Config, "delivery.items.missing", message)
                .action("Its books and reasons stand; how long members are kept is `limits.outcomes_kept_days`.")
                .into());
        }
        Ok(self.store.items(&delivery.id, status, first, limit)?)
    }

    /// Asks a delivery to end at its next batch; what is not visible yet is taken back.
    pub async fn cancel_delivery(&self, caller: &Caller, id: &str) -> Result<Delivery> {
        let delivery = self.delivery(id)?.id;
        self.tell(caller, "delivery.cancelled", delivery.as_str(), serde_json::json!({})).await?;
        Ok(self.engine.cancel_delivery(&delivery).await?)
    }
}
