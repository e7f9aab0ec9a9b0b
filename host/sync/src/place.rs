//! Who has a connection or a target to themselves: two runs or two deliveries of one would undo each other.

use crate::engine::Inner;
use attiva_core::delivery::Delivery;
use attiva_core::id::{ConnectionId, DeliveryId, RunId};
use attiva_core::{Fault, FaultKind};
use std::collections::hash_map::Entry;
use tokio_util::sync::CancellationToken;

/// The right to start a run or a delivery: nobody else starts one of the same connection or activation meanwhile. It
/// is given back when dropped, unless the work was begun.
pub(crate) struct Place<'a> {
    inner: &'a Inner,
    id: String,
}

impl<'a> Place<'a> {
    /// Or which run has it.
    pub(crate) fn of_run(inner: &'a Inner, connection: &ConnectionId, id: &RunId) -> Result<Self, String> {
        match inner.active().runs.entry(connection.clone()) {
            Entry::Occupied(going) => return Err(going.get().0.to_string()),
            Entry::Vacant(free) => free.insert((id.clone(), CancellationToken::new())),
        };
        Ok(Self { inner, id: id.to_string() })
    }

    pub(crate) fn of_delivery(inner: &'a Inner, target: &str, id: &DeliveryId) -> Result<Self, String> {
        match inner.active().deliveries.entry(target.to_owned()) {
            Entry::Occupied(going) => return Err(going.get().0.to_string()),
            Entry::Vacant(free) => free.insert((id.clone(), CancellationToken::new())),
        };
        Ok(Self { inner, id: id.to_string() })
    }

    /// The work has begun: its end gives the place back.
    pub(crate) fn keep(mut self) {
        self.id.clear();
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut active = self.inner.active();
        active.runs.retain(|_, (id, _)| id.as_str() != self.id);
        active.deliveries.retain(|_, (id, _)| id.as_str() != self.id);
        drop(active);
        self.inner.place_free.notify_waiters();
    }
}

/// What a delivery has to itself. A dry run sends nothing, so it is in nobody's way.
pub(crate) fn lane(delivery: &Delivery) -> String {
    if delivery.dry_run { delivery.id.to_string() } else { delivery.target.clone() }
}

pub(crate) fn in_progress(what: &str, id: &str) -> Fault {
    Fault::new(FaultKind::Config, format!("{what}.in-progress"), format!("{id} is still going"))
        .action("Follow or cancel it, or wait until it has ended.")
}
