//! Deliveries from outside: started, approved, cancelled; and what is known of the newest one of each activation.

use crate::delivery_run::{self, Work};
use crate::engine::{Engine, Inner};
use crate::place::lane;
use crate::trace;
use attiva_core::activation::{DeliveryCause, LastDelivery};
use attiva_core::config::{Activation, Connection, Segment};
use attiva_core::delivery::{Delivery, DeliveryStatus, Hold};
use attiva_core::id::{ActivationId, DeliveryId};
use attiva_core::ports::connector::DeliveryRun;
use attiva_core::ports::store::Kind;
use attiva_core::spec::DeliveryMode;
use attiva_core::{Fault, FaultKind, Millis};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

/// The newest delivery of each activation; read from the store once. Dry runs are none.
#[derive(Default)]
pub(crate) struct LastDeliveries(Mutex<Option<HashMap<ActivationId, LastDelivery>>>);

impl LastDeliveries {
    pub(crate) fn get(&self, inner: &Inner, activation: &ActivationId) -> Result<Option<LastDelivery>, Fault> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none() {
            let mut last = HashMap::new();
            for delivery in inner.all::<Delivery>(Kind::Delivery)? {
                note(&mut last, &delivery);
            }
            *known = Some(last);
        }
        Ok(known.as_ref().and_then(|last| last.get(activation).cloned()))
    }

    /// The destination has acknowledged all of a delivery: whoever reads that it succeeded finds its audience as fresh.
    pub(crate) fn acknowledged(&self, delivery: &Delivery) {
        if let Some(last) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut()
            && let Some(known) = last.get_mut(&delivery.activation)
        {
            known.acknowledged_as_of = known.acknowledged_as_of.max(acknowledged_as_of(delivery));
        }
    }

    /// A delivery has begun or ended, and the store knows it: where that was not read yet, it tells.
    pub(crate) fn note(&self, delivery: &Delivery) {
        if let Some(last) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            note(last, delivery);
        }
    }
}

/// What a delivery makes its audience as fresh as.
fn acknowledged_as_of(delivery: &Delivery) -> Option<Millis> {
    let acknowledged = delivery.status == DeliveryStatus::Succeeded && !delivery.dry_run;
    acknowledged.then_some(delivery.started_at)
}

/// Takes what a delivery is now: when it has begun, and when it has ended.
fn note(last: &mut HashMap<ActivationId, LastDelivery>, delivery: &Delivery) {
    if delivery.dry_run {
        return;
    }
    let known = last.entry(delivery.activation.clone()).or_default();
    let failures = match delivery.status {
        DeliveryStatus::Failed => known.failures.saturating_add(1),
        DeliveryStatus::Succeeded | DeliveryStatus::Cancelled => 0,
        DeliveryStatus::Running | DeliveryStatus::Waiting | DeliveryStatus::Held => known.failures,
    };
    let Delivery { started_at, ended_at, .. } = *delivery;
    let acknowledged_as_of = known.acknowledged_as_of.max(acknowledged_as_of(delivery));
    let (evaluation, removed) = (delivery.evaluation.clone(), std::mem::take(&mut known.removed));
    *known = LastDelivery { started_at, evaluation, ended_at, failures, acknowledged_as_of, removed };
    known.note_removed(delivery);
}

impl Engine {
    /// Starts a delivery of an activation; a dry run plans it and sends nothing. One target has one delivery at a time. A
    /// delivery with this id, if there is one, was started by the same request before, and is answered.
    pub async fn start_delivery(
        &self,
        activation: &ActivationId,
        id: DeliveryId,
        dry_run: bool,
    ) -> Result<Delivery, Fault> {
        self.begin_delivery(activation, id, dry_run, DeliveryCause::Requested).await
    }

    pub(crate) async fn begin_delivery(
        &self,
        activation: &ActivationId,
        id: DeliveryId,
        dry_run: bool,
        cause: DeliveryCause,
    ) -> Result<Delivery, Fault> {
        if let Some(started) = self.inner.find(Kind::Delivery, id.as_str())? {
            return Ok(started);
        }
        let activation: Activation = self.inner.get(Kind::Activation, activation.as_str())?;
        let connection: Connection = self.inner.get(Kind::Connection, activation.connection.as_str())?;
        let segment: Segment = self.inner.get(Kind::Segment, activation.segment.as_str())?;
        if activation.paused && !dry_run {
            let message = format!("{} is paused", activation.id);
            return Err(Fault::new(FaultKind::Config, "activation.paused", message)
                .action("Resume it first; a dry run is possible meanwhile."));
        }
        let plugin = self.inner.connectors.version(&connection)?;
        let mode = activation.export.mode(self.inner.connectors.delivery(&plugin)?.mode);
        let target = match mode {
            DeliveryMode::Snapshot => activation.id.to_string(),
            DeliveryMode::Records => {
                let key = activation.target_key(&connection.instance);
                self.inner.store.make_target(key, activation.id.to_string()).await?
            }
        };
        let now = self.inner.clock.now();
        let new = Delivery::new(id, activation.id, activation.segment, plugin, now);
        let mut delivery = Delivery { target, mode, dry_run, cause, evaluation: segment.result_of, ..new };
        let span = trace::of_delivery(&delivery, false);
        delivery.trace = trace::kept(&span);
        let place = self.place_of_delivery(&lane(&delivery), &delivery.id).await?;
        self.inner.put(Kind::Delivery, delivery.id.as_str(), &delivery).await?;
        place.keep();
        self.inner.last_deliveries.note(&delivery);
        self.drive_delivery(delivery.clone(), false, span);
        Ok(delivery)
    }

    /// Asks the destination whether it would prepare for an activation, which need not be kept yet: nothing is changed
    /// there. What it looks at itself (keys, kinds of fields, how many) is refused before there is a delivery.
    ///
    /// # Errors
    /// Those of the destination.
    pub async fn preflight(&self, activation: &Activation) -> Result<(), Fault> {
        let inner = &self.inner;
        let connection: Connection = inner.get(Kind::Connection, activation.connection.as_str())?;
        let plugin = inner.connectors.version(&connection)?;
        let known = inner.store.target(&activation.target_key(&connection.instance))?;
        let (id, of) = (self.fresh(DeliveryId::new), activation.clone());
        let new = Delivery::new(id, of.id, of.segment, plugin, inner.clock.now());
        let delivery = Delivery { target: known.unwrap_or_else(|| new.target.clone()), dry_run: true, ..new };
        let work = Work::with(inner, &delivery, activation.clone()).await?;
        let run = DeliveryRun { rows_expected: None, ..work.run(&delivery) };
        let prepared = work.destination.prepare(&work.target, &run, true).await;
        if let Err(fault) = work.destination.clear_spool(&run).await {
            tracing::warn!(activation = %activation.id, %fault, "the spool was not cleared");
        }
        prepared.map(|_| ())
    }

    /// Lets a delivery remove as many members as it wants to.
    pub async fn approve_delivery(&self, id: &DeliveryId) -> Result<Delivery, Fault> {
        let delivery: Delivery = self.inner.get(Kind::Delivery, id.as_str())?;
        if delivery.hold() != Some(Hold::Removals) {
            let message = format!("{id} does not wait for approval");
            return Err(Fault::new(FaultKind::Config, "delivery.not-held", message).action("Look at its status."));
        }
        self.inner.put(Kind::Approval, id.as_str(), &self.inner.clock.now()).await?;
        self.inner.released.notify_waiters();
        Ok(delivery)
    }

    /// To be called when an activation was paused or resumed.
    pub fn activations_changed(&self) {
        self.inner.released.notify_waiters();
    }

    /// Ends a delivery at its next batch boundary, also where a kill comes first, and takes back what is not visible yet.
    pub async fn cancel_delivery(&self, id: &DeliveryId) -> Result<Delivery, Fault> {
        let delivery: Delivery = self.inner.get(Kind::Delivery, id.as_str())?;
        if !delivery.status.has_ended() {
            self.inner.put(Kind::Cancellation, id.as_str(), &self.inner.clock.now()).await?;
        }
        self.stop_delivery(id);
        self.inner.get(Kind::Delivery, id.as_str())
    }

    pub(crate) fn stop_delivery(&self, id: &DeliveryId) {
        let going = self.inner.active().deliveries.values().find(|(d, _)| d == id).map(|(_, cancel)| cancel.clone());
        if let Some(cancel) = going {
            cancel.cancel();
        }
    }

    pub(crate) fn drive_delivery(&self, delivery: Delivery, restarted: bool, span: Span) {
        let going = || (delivery.id.clone(), CancellationToken::new());
        let cancel = self.inner.active().deliveries.entry(lane(&delivery)).or_insert_with(going).1.clone();
        let inner = Arc::clone(&self.inner);
        let drive = async move { delivery_run::drive(&inner, delivery, restarted, cancel).await };
        self.inner.tasks.spawn(drive.instrument(span));
    }
}
