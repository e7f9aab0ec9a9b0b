//! Who may start: one run of a connection, one that reads anew beside it, and one delivery to a target at a time; and
//! nothing in a sandbox that is being removed.

use crate::engine::{Engine, Inner};
use attiva_core::delivery::Delivery;
use attiva_core::id::{ConnectionId, DeliveryId, ReadbackId, RunId};
use attiva_core::ports::store::Kind;
use attiva_core::readback::Readback;
use attiva_core::run::Run;
use attiva_core::{Fault, FaultKind};
use serde::de::DeserializeOwned;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What of a connection a run has to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    /// The places of its streams.
    Own,
    /// What is read anew beside them.
    Beside,
}

/// What a run takes: one that moves places and reads anew takes both, so that nothing is read from where it was.
pub(crate) fn lanes(run: &Run) -> &'static [Lane] {
    match &run.backfill {
        None => &[Lane::Own],
        Some(backfill) if backfill.wish.reset => EVERYTHING,
        Some(_) => &[Lane::Beside],
    }
}

/// For what nobody may read meanwhile.
pub(crate) const EVERYTHING: &[Lane] = &[Lane::Own, Lane::Beside];

/// What is going on, and how to cancel it.
#[derive(Default)]
pub(crate) struct Active {
    pub(crate) runs: HashMap<(ConnectionId, Lane), (RunId, CancellationToken)>,
    /// By target: two deliveries to one would undo each other.
    pub(crate) deliveries: HashMap<String, (DeliveryId, CancellationToken)>,
    /// Of runs that follow changes: whether the next would begin.
    due: HashMap<RunId, Arc<Due>>,
    /// Nothing is started any more.
    retired: bool,
}

/// Tells a run that the next would begin by now.
#[derive(Default)]
pub(crate) struct Due {
    is_due: AtomicBool,
    wake: Notify,
}

impl Due {
    pub(crate) fn take(&self) -> bool {
        self.is_due.swap(false, Ordering::Relaxed)
    }

    /// Waits until there is something to take; sometimes less long.
    pub(crate) async fn waken(&self) {
        self.wake.notified().await;
    }
}

/// The right to start a run or a delivery: nobody else starts one of the same connection or target meanwhile. It
/// is given back when dropped, unless the work was begun.
pub(crate) struct Place<'a> {
    inner: &'a Inner,
    id: String,
}

impl<'a> Place<'a> {
    /// Or why it cannot be had.
    fn of_run(inner: &'a Inner, connection: &ConnectionId, id: &RunId, lanes: &[Lane]) -> Result<Self, Refused> {
        let mut active = inner.active_for_more()?;
        let of = |lane: &Lane| (connection.clone(), *lane);
        if let Some((going, _)) = lanes.iter().find_map(|lane| active.runs.get(&of(lane))) {
            return Err(Refused::Going(going.to_string()));
        }
        let cancel = CancellationToken::new();
        active.runs.extend(lanes.iter().map(|lane| (of(lane), (id.clone(), cancel.clone()))));
        Ok(Self { inner, id: id.to_string() })
    }

    fn of_delivery(inner: &'a Inner, target: &str, id: &DeliveryId) -> Result<Self, Refused> {
        let mut active = inner.active_for_more()?;
        match active.deliveries.entry(target.to_owned()) {
            Entry::Occupied(going) => return Err(Refused::Going(going.get().0.to_string())),
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

/// Why a place cannot be had.
enum Refused {
    /// This has it.
    Going(String),
    Retired,
}

fn retired() -> Fault {
    Fault::new(FaultKind::Config, "sandbox.removing", "the sandbox is being removed").action("Use another sandbox.")
}

fn in_progress(what: &str, id: &str) -> Fault {
    Fault::new(FaultKind::Config, format!("{what}.in-progress"), format!("{id} is still going"))
        .action("Follow or cancel it, or wait until it has ended.")
}

impl Engine {
    pub(crate) async fn place_of_run(
        &self,
        connection: &ConnectionId,
        id: &RunId,
        lanes: &[Lane],
    ) -> Result<Place<'_>, Fault> {
        let ended = |run: Run| run.status.has_ended();
        let going = |id: &str| in_progress("run", id);
        self.place(Kind::Run, || Place::of_run(&self.inner, connection, id, lanes), ended, going).await
    }

    pub(crate) async fn place_of_delivery(&self, target: &str, id: &DeliveryId) -> Result<Place<'_>, Fault> {
        let ended = |delivery: Delivery| delivery.status.has_ended();
        let going = |id: &str| in_progress("delivery", id);
        self.place(Kind::Delivery, || Place::of_delivery(&self.inner, target, id), ended, going).await
    }

    /// How to cancel the reading that has it. Whoever drives that gives the place back.
    pub(crate) async fn place_of_readback(&self, target: &str, id: &ReadbackId) -> Result<CancellationToken, Fault> {
        let take = || self.inner.reading.begin(target, id).map_err(|going| Refused::Going(going.to_string()));
        let ended = |readback: Readback| readback.status.has_ended();
        let going = |id: &str| {
            let message = format!("{id} is still reading the target");
            Fault::new(FaultKind::Config, "readback.in-progress", message)
                .action("Wait until it has ended, or cancel it.")
        };
        self.place(Kind::Readback, take, ended, going).await
    }

    /// What has ended gives its place back a moment after that was told: it is waited for.
    async fn place<P, T: DeserializeOwned>(
        &self,
        kind: Kind,
        take: impl Fn() -> Result<P, Refused>,
        has_ended: impl Fn(T) -> bool,
        in_progress: impl Fn(&str) -> Fault,
    ) -> Result<P, Fault> {
        loop {
            let free = self.inner.place_free.notified();
            let going = match take() {
                Ok(place) => return Ok(place),
                Err(Refused::Retired) => return Err(retired()),
                Err(Refused::Going(going)) => going,
            };
            if !self.inner.find(kind, &going)?.is_some_and(&has_ended) {
                return Err(in_progress(&going));
            }
            free.await;
        }
    }

    /// From now on nothing is started. Answers with what is going on instead, and changes nothing, while something is.
    pub async fn retire(&self) -> Result<Vec<String>, Fault> {
        loop {
            let free = self.inner.place_free.notified();
            {
                let mut active = self.inner.active();
                active.retired = active.runs.is_empty() && active.deliveries.is_empty();
                if active.retired {
                    return Ok(Vec::new());
                }
            }
            let going = self.going()?;
            if !going.is_empty() {
                return Ok(going);
            }
            // What has ended gives its place back in a moment.
            free.await;
        }
    }

    /// The runs and deliveries that have not ended.
    pub fn going(&self) -> Result<Vec<String>, Fault> {
        let (runs, deliveries): (BTreeSet<RunId>, Vec<DeliveryId>) = {
            let active = self.inner.active();
            let runs: BTreeSet<RunId> = active.runs.values().map(|(id, _)| id.clone()).collect();
            (runs, active.deliveries.values().map(|(id, _)| id.clone()).collect())
        };
        let mut going = Vec::new();
        for id in runs {
            let run: Option<Run> = self.inner.find(Kind::Run, id.as_str())?;
            going.extend((!run.is_some_and(|run| run.status.has_ended())).then(|| id.to_string()));
        }
        for id in deliveries {
            let delivery: Option<Delivery> = self.inner.find(Kind::Delivery, id.as_str())?;
            going.extend((!delivery.is_some_and(|delivery| delivery.status.has_ended())).then(|| id.to_string()));
        }
        Ok(going)
    }

    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.inner.active().retired
    }

    /// Takes [`retire`](Self::retire) back.
    pub fn reinstate(&self) {
        self.inner.active().retired = false;
    }
}

impl Inner {
    pub(crate) fn active(&self) -> std::sync::MutexGuard<'_, Active> {
        // The map is whole after every statement, so a panic elsewhere has left nothing half done.
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn active_for_more(&self) -> Result<std::sync::MutexGuard<'_, Active>, Refused> {
        let active = self.active();
        if active.retired { Err(Refused::Retired) } else { Ok(active) }
    }

    /// For what goes on since before the start: nobody else can have the place.
    pub(crate) fn hold_run_place(&self, connection: &ConnectionId, id: RunId) {
        let held = EVERYTHING.iter().map(|lane| ((connection.clone(), *lane), (id.clone(), CancellationToken::new())));
        self.active().runs.extend(held);
    }

    pub(crate) fn run_place_is_free(&self, id: &RunId) {
        self.active().runs.retain(|_, (going, _)| going != id);
        self.place_free.notify_waiters();
    }

    /// Of a run that begins to be driven.
    pub(crate) fn due(&self, run: &Run) -> Arc<Due> {
        let due = Arc::new(Due::default());
        if run.backfill.is_none() {
            self.active().due.insert(run.id.clone(), Arc::clone(&due));
        }
        due
    }

    /// Has the run that is going read on what it has read to its end. False where there is none that follows changes.
    pub(crate) fn run_is_due(&self, connection: &ConnectionId) -> bool {
        let active = self.active();
        let going = active.runs.get(&(connection.clone(), Lane::Own));
        let Some(due) = going.and_then(|(run, _)| active.due.get(run)) else { return false };
        due.is_due.store(true, Ordering::Relaxed);
        due.wake.notify_one();
        true
    }

    pub(crate) fn run_is_over(&self, run: &Run) {
        self.active().runs.retain(|_, (id, _)| *id != run.id);
        self.active().due.remove(&run.id);
        self.place_free.notify_waiters();
    }

    pub(crate) fn delivery_is_over(&self, delivery: &Delivery) {
        self.active().deliveries.retain(|_, (id, _)| *id != delivery.id);
        self.place_free.notify_waiters();
    }
}
