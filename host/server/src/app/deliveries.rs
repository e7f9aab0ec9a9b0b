//! Deliveries of activations, and what became of each member.

use super::documents::STRIDE;
use super::keys::Caller;
use super::refusal::Result;
use super::sandbox::Sandbox;
use super::stamp::Stamp;
use attiva_core::delivery::Delivery;
use attiva_core::id::{ActivationId, DeliveryId};
use attiva_core::ports::retention::PastDeliveries;
use attiva_core::ports::store::{Books, Item, ItemStatus, Kind, Reason};
use attiva_core::{Fault, FaultKind, Millis};

/// What deliveries of an activation came to together, those that are not kept any more among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivationBooks {
    pub deliveries: u64,
    pub not_kept: u64,
    /// When the first began.
    pub since: Option<Millis>,
    pub books: Books,
}

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

    /// What all deliveries of an activation that have ended came to together; dry runs came to nothing.
    pub fn books_of(&self, activation: &str) -> Result<ActivationBooks> {
        let activation = self.activation(activation)?.value.id;
        loop {
            let past = self.store.past_deliveries(&activation)?;
            let all = self.added_up(&activation, &past)?;
            // One that was forgotten meanwhile is in neither of the two.
            if self.store.past_deliveries(&activation)? == past {
                return Ok(all);
            }
        }
    }

    fn added_up(&self, activation: &ActivationId, past: &PastDeliveries) -> Result<ActivationBooks> {
        let (deliveries, since) = (past.deliveries, past.since);
        let mut all = ActivationBooks { deliveries, not_kept: deliveries, since, books: past.books() };
        let ended = |d: &Delivery| d.activation == *activation && !d.dry_run && d.status.has_ended();
        let mut after: Option<String> = None;
        loop {
            let page = self.list(Kind::Delivery, after.as_deref(), STRIDE, ended)?;
            for delivery in &page {
                all.deliveries += 1;
                all.since = Some(all.since.map_or(delivery.started_at, |since| since.min(delivery.started_at)));
                all.books = all.books.plus(self.books(delivery)?);
            }
            match page.last().filter(|_| page.len() == STRIDE) {
                Some(last) => after = Some(last.id.to_string()),
                None => return Ok(all),
            }
        }
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
