//! Reads targets back: page by page, each kept with the place to go on from, and then compares them with the ledger.
//! Whoever delivers to the target meanwhile is not held up, and who changes meanwhile is not judged.

use crate::crash;
use crate::engine::{Engine, Inner, write};
use attiva_core::config::{Activation, Connection};
use attiva_core::id::{ActivationId, DeliveryId, ReadbackId};
use attiva_core::ports::connector::{DeliveryRun, Destination, Target};
use attiva_core::ports::readback::{Drift, KnownMember, Repair};
use attiva_core::ports::store::{DocumentWrite, Expect, Kind};
use attiva_core::readback::{
    Action, Counts, DriftKind, Event, Found, Index, Judged, OnDrift, ReadMember, Readback, ReadbackStatus, judge,
    judge_taken_out, known_by, may_repair, read_member,
};
use attiva_core::spec::{DeliveryMode, DeliverySpec};
use attiva_core::{Fault, FaultKind};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// Members looked at together.
const CHUNK: usize = 2_000;
/// Pages loaded together.
const PAGES: usize = 50;
/// Others' members that are shown.
const STRANGERS_SHOWN: usize = 20;

/// Which targets are being read, by what, and how to cancel it.
#[derive(Default)]
pub(crate) struct Reading(Mutex<HashMap<String, (ReadbackId, CancellationToken)>>);

impl Reading {
    fn going(&self) -> MutexGuard<'_, HashMap<String, (ReadbackId, CancellationToken)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Or by whom the target is being read.
    pub(crate) fn begin(&self, target: &str, id: &ReadbackId) -> Result<CancellationToken, ReadbackId> {
        let mut going = self.going();
        match going.get(target) {
            Some((other, _)) if other != id => Err(other.clone()),
            _ => Ok(going.entry(target.to_owned()).or_insert((id.clone(), CancellationToken::new())).1.clone()),
        }
    }

    fn cancel(&self, id: &ReadbackId) {
        if let Some((_, cancel)) = self.going().values().find(|(going, _)| going == id) {
            cancel.cancel();
        }
    }

    fn is_going(&self, id: &ReadbackId) -> bool {
        self.going().values().any(|(going, _)| going == id)
    }

    fn end(&self, id: &ReadbackId) {
        self.going().retain(|_, (going, _)| going != id);
    }
}

impl Engine {
    /// Begins to read the target of an activation back. One target is read once at a time. A reading with this id, if there
    /// is one, was started by the same request before, and is answered.
    ///
    /// # Errors
    /// `readback.unsupported`, `readback.empty`, `readback.in-progress`.
    pub async fn start_readback(&self, activation: &ActivationId, id: ReadbackId) -> Result<Readback, Fault> {
        let inner = &self.inner;
        if let Some(started) = inner.find(Kind::Readback, id.as_str())? {
            return Ok(started);
        }
        let activation: Activation = inner.get(Kind::Activation, activation.as_str())?;
        let connection: Connection = inner.get(Kind::Connection, activation.connection.as_str())?;
        let plugin = inner.connectors.version(&connection)?;
        can_be_read(&plugin, &inner.connectors.delivery(&plugin)?)?;
        let Some(target) = inner.store.target(&activation.target_key(&connection.instance))? else {
            let message = format!("nothing was delivered to the target of {} yet", activation.id);
            return Err(Fault::new(FaultKind::Config, "readback.empty", message).action("Deliver first."));
        };
        if self.is_retired() {
            let message = "the sandbox is being removed";
            return Err(Fault::new(FaultKind::Config, "sandbox.removing", message).action("Use another sandbox."));
        }
        let cancel = self.place_of_readback(&target, &id).await?;
        let on_drift = activation.readback.unwrap_or_default().on_drift;
        let readback = Readback::new(id, activation.id, target, plugin, on_drift, inner.clock.now());
        if let Err(fault) = inner.put(Kind::Readback, readback.id.as_str(), &readback).await {
            is_over(inner, &readback.id);
            return Err(fault);
        }
        self.drive_readback(readback.clone(), cancel);
        Ok(readback)
    }

    /// Ends a reading where it is, also where a kill comes first, and leaves the ledger as it was. One that puts right what
    /// it found by then goes to its end.
    pub async fn cancel_readback(&self, id: &ReadbackId) -> Result<Readback, Fault> {
        let readback: Readback = self.inner.get(Kind::Readback, id.as_str())?;
        if !readback.status.has_ended() {
            self.inner.put(Kind::Cancellation, id.as_str(), &self.inner.clock.now()).await?;
        }
        self.inner.reading.cancel(id);
        self.inner.get(Kind::Readback, id.as_str())
    }

    /// Cancels the reading of an activation's target, if there is one, and returns when it is over.
    pub async fn end_readback_of(&self, activation: &ActivationId) -> Result<(), Fault> {
        let inner = &self.inner;
        let goes = |it: &Readback| it.activation == *activation && !it.status.has_ended();
        for readback in inner.all::<Readback>(Kind::Readback)?.into_iter().filter(goes) {
            self.cancel_readback(&readback.id).await?;
            loop {
                let free = inner.place_free.notified();
                if !inner.reading.is_going(&readback.id) {
                    break;
                }
                tokio::select! {
                    () = free => {}
                    () = inner.stop.cancelled() => return Ok(()),
                }
            }
        }
        Ok(())
    }

    pub(crate) fn resume_readbacks(&self) -> Result<(), Fault> {
        for readback in self.inner.all::<Readback>(Kind::Readback)?.into_iter().filter(|it| !it.status.has_ended()) {
            tracing::info!(readback = %readback.id, "resuming a reading of a target");
            if let Ok(cancel) = self.inner.reading.begin(&readback.target, &readback.id) {
                if self.inner.is_cancelled(readback.id.as_str())? {
                    cancel.cancel();
                }
                self.drive_readback(readback, cancel);
            }
        }
        Ok(())
    }

    fn drive_readback(&self, readback: Readback, cancel: CancellationToken) {
        let inner = Arc::clone(&self.inner);
        self.inner.tasks.spawn(async move { drive(&inner, readback, cancel).await });
    }
}

fn is_over(inner: &Inner, id: &ReadbackId) {
    inner.reading.end(id);
    inner.place_free.notify_waiters();
}

/// Whether a destination can be asked at all.
///
/// # Errors
/// `readback.unsupported`.
fn can_be_read(plugin: &str, spec: &DeliverySpec) -> Result<(), Fault> {
    if spec.may_be_read_back() {
        return Ok(());
    }
    let why = match spec.mode {
        DeliveryMode::Snapshot => format!("{plugin} makes a whole of each delivery: no target keeps members"),
        DeliveryMode::Records => format!("{plugin} cannot be asked who is in a target"),
    };
    Err(Fault::new(FaultKind::Unsupported, "readback.unsupported", why)
        .action("What the target last acknowledged is listed by the activation's members."))
}

/// Drives a reading to its end, or to the engine's stop: then it goes on at the next start.
async fn drive(inner: &Inner, mut readback: Readback, cancel: CancellationToken) {
    let never = CancellationToken::new();
    let mut event = Event::Resumed;
    loop {
        // Pages that are kept are of no use to anybody by then, so what the last call came to does not matter.
        if cancel.is_cancelled() && !readback.cancel_requested && readback.may_be_cut() {
            event = Event::CancelRequested;
        }
        let action = readback.step(event, inner.clock.now());
        if action == Action::End {
            return end(inner, readback).await;
        }
        while let Err(fault) = inner.put(Kind::Readback, readback.id.as_str(), &readback).await {
            if !inner.may_store_again(readback.id.as_str(), &fault).await {
                return;
            }
        }
        // A page is cut off, and so is a comparison that is only told of; one that puts right is not.
        let cut_by = if readback.may_be_cut() { &cancel } else { &never };
        event = match action {
            Action::WaitUntil(until) => {
                if !inner.wait_until(until, cut_by).await {
                    return;
                }
                Event::Resumed
            }
            Action::Read | Action::Compare | Action::Forget | Action::End => {
                tokio::select! {
                    biased;
                    () = inner.stop.cancelled() => return,
                    () = cut_by.cancelled() => Event::CancelRequested,
                    done = act(inner, &readback, action) => done.unwrap_or_else(|fault| {
                        tracing::warn!(readback = %readback.id, phase = ?readback.phase, %fault, "a step failed");
                        Event::Failed { fault, jitter: inner.jitter() }
                    }),
                }
            }
        };
    }
}

async fn act(inner: &Inner, readback: &Readback, action: Action) -> Result<Event, Fault> {
    match action {
        Action::Read => read(inner, readback).await,
        Action::Compare => compare(inner, readback).await,
        Action::Forget => {
            let mut after = readback.clone();
            after.step(Event::Forgotten, inner.clock.now());
            inner.store.forget_read_pages(&readback.id, document(&after)?).await?;
            Ok(Event::Forgotten)
        }
        Action::WaitUntil(_) | Action::End => Ok(Event::Resumed),
    }
}

fn document(readback: &Readback) -> Result<DocumentWrite, Fault> {
    write(Kind::Readback, readback.id.as_str(), readback)
}

/// What the connector is called by: it spools under a name of its own, as a delivery does.
async fn destination(
    inner: &Inner,
    readback: &Readback,
) -> Result<(Arc<dyn Destination>, DeliverySpec, Target, DeliveryRun), Fault> {
    let activation: Activation = inner.get(Kind::Activation, readback.activation.as_str())?;
    let connection: Connection = inner.get(Kind::Connection, activation.connection.as_str())?;
    let name = readback.id.as_str().replacen(ReadbackId::PREFIX, DeliveryId::PREFIX, 1);
    let spool = DeliveryId::parse(&name).ok_or_else(|| Fault::new(FaultKind::Internal, "readback.spool", name))?;
    let (destination, spec) = inner.connectors.destination(&connection, &readback.plugin, &spool).await?;
    let target = Target { id: readback.target.clone(), ..activation.target() };
    let (id, started_at) = (spool.as_str().to_owned(), readback.started_at);
    let run = DeliveryRun { id, started_at, rows_expected: None, columns: Vec::new() };
    Ok((destination, spec, target, run))
}

async fn read(inner: &Inner, readback: &Readback) -> Result<Event, Fault> {
    let (destination, spec, target, _) = destination(inner, readback).await?;
    let after = Some(readback.cursor.as_slice()).filter(|cursor| !cursor.is_empty());
    let page = destination.members(&target, after).await.map_err(|fault| as_declared(fault, &spec))?;
    // An empty place would be the first page once more, for ever.
    let next = page.next.filter(|next| !next.is_empty());
    if next.as_deref().is_some_and(|next| Some(next) == after) {
        let message = "the destination gives a page that leads to itself";
        return Err(Fault::new(FaultKind::Internal, "readback.endless", message)
            .action("Report this to the connector's publisher."));
    }
    crash::point("readback.read");
    let fields: BTreeSet<String> = page.members.iter().flatten().map(|(field, _)| field.clone()).collect();
    let members: Vec<ReadMember> = page.members.iter().map(|identifiers| read_member(identifiers)).collect();
    let event = Event::Page { members: members.len() as u64, fields, next };
    let mut after = readback.clone();
    after.step(event.clone(), inner.clock.now());
    inner.store.keep_read_page(&readback.id, readback.pages, members, document(&after)?).await?;
    crash::point("readback.kept");
    Ok(event)
}

/// A connector that declares what it cannot do is found out here.
fn as_declared(fault: Fault, spec: &DeliverySpec) -> Fault {
    match (fault.kind, spec.read_back) {
        (FaultKind::Unsupported, Some(true)) => {
            let message = format!("the connector declares `delivery.read_back`, and answers: {}", fault.message);
            Fault::new(FaultKind::Internal, "readback.declared", message)
                .action("Report this to the connector's publisher.")
        }
        _ => fault,
    }
}

/// Twice through the ledger: who is there is ours by the first, so that the second tells who has come back.
async fn compare(inner: &Inner, readback: &Readback) -> Result<Event, Fault> {
    let mut index = load(inner, readback)?;
    let began = readback.started_at;
    // What a kill interrupted was judged and put right by then: it is not judged by what came of that.
    let settled = settled(inner, readback)?;
    let mut counts = index.counts();
    counts.missing = settled.values().filter(|kind| **kind == DriftKind::Missing).count() as u64;
    let mut after = 0;
    while let Some(members) = known_members(inner, readback, &mut after).await? {
        for member in members {
            let judged = judge(&mut index, &member.found, &keys(readback, &member), began);
            if settled.contains_key(&member.profile) {
                continue;
            }
            match judged {
                Judged::AsKnown => counts.as_known += 1,
                Judged::Drift(_) => counts.missing += 1,
                Judged::Unsettled => counts.unsettled += 1,
                Judged::Nothing => {}
            }
        }
    }
    let left_alone = match readback.on_drift {
        OnDrift::Report => None,
        OnDrift::Repair => may_repair(&counts).err(),
    };
    let is_repaired = readback.on_drift == OnDrift::Repair && left_alone.is_none();
    let repair = || Repair { target: readback.target.clone(), began, now: inner.clock.now() };
    let mut after = 0;
    while let Some(members) = known_members(inner, readback, &mut after).await? {
        let mut drift = Vec::new();
        for member in members {
            let keys = keys(readback, &member);
            let judged = match member.found {
                Found::TakenOut { at } => judge_taken_out(&mut index, at, &keys, began),
                found => judge(&mut index, &found, &keys, began),
            };
            if let Judged::Drift(kind) = judged
                && !settled.contains_key(&member.profile)
            {
                drift.push(Drift { profile: member.profile, kind });
            }
        }
        if !drift.is_empty() {
            inner.store.commit_drift(&readback.id, drift, is_repaired.then(repair)).await?;
            crash::point("readback.compared");
        }
    }
    // What a kill interrupted was written down before.
    let (missing, of_missing) = inner.store.count_drift(&readback.id, DriftKind::Missing)?;
    let (returned, of_returned) = inner.store.count_drift(&readback.id, DriftKind::Returned)?;
    let foreign = index.strangers().count() as u64;
    let strangers = shown(inner, readback, index.strangers().take(STRANGERS_SHOWN).collect())?;
    let counts = Counts { missing, returned, foreign, repaired: of_missing + of_returned, ..counts };
    Ok(Event::Compared { counts, strangers, left_alone })
}

/// Drift that is written down already, by profile numbers.
fn settled(inner: &Inner, readback: &Readback) -> Result<HashMap<i64, DriftKind>, Fault> {
    let (mut found, mut after) = (HashMap::new(), 0);
    loop {
        let page = inner.store.drift(&readback.id, None, after, CHUNK)?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        after = *last;
        found.extend(page.into_iter().map(|(profile, entry)| (profile, entry.kind)));
    }
}

/// The next members that the target has or had; `None`: there are no more.
async fn known_members(inner: &Inner, readback: &Readback, after: &mut i64) -> Result<Option<Vec<KnownMember>>, Fault> {
    // Others have something to do between two chunks.
    tokio::task::yield_now().await;
    let members = inner.store.known_members(&readback.target, *after, CHUNK)?;
    let Some(last) = members.last() else { return Ok(None) };
    *after = last.profile;
    Ok(Some(members))
}

fn keys(readback: &Readback, member: &KnownMember) -> Vec<u64> {
    let row = match &member.found {
        Found::Held { row, .. } | Found::Unsettled { row } => Some(row),
        Found::TakenOut { .. } | Found::Absent => None,
    };
    known_by(&readback.fields, member.member_id.as_deref(), row)
}

fn load(inner: &Inner, readback: &Readback) -> Result<Index, Fault> {
    let (mut index, mut first) = (Index::default(), 0);
    loop {
        let pages = inner.store.read_pages(&readback.id, first, PAGES)?;
        let Some((last, _)) = pages.last() else { break };
        first = last.saturating_add(1);
        pages.iter().flat_map(|(_, members)| members).for_each(|member| index.add(member));
    }
    index.close();
    Ok(index)
}

/// How members are shown, by their numbers, which rise.
fn shown(inner: &Inner, readback: &Readback, wanted: Vec<u32>) -> Result<Vec<String>, Fault> {
    let (mut found, mut number, mut first) = (Vec::new(), 0, 0);
    let mut wanted = wanted.into_iter().peekable();
    while wanted.peek().is_some() {
        let pages = inner.store.read_pages(&readback.id, first, PAGES)?;
        let Some((last, _)) = pages.last() else { break };
        first = last.saturating_add(1);
        for member in pages.into_iter().flat_map(|(_, members)| members) {
            if wanted.next_if_eq(&number).is_some() {
                found.push(member.shown);
            }
            number += 1;
        }
    }
    Ok(found)
}

/// The end is kept first. Then what only the reading needed goes, and so do the activation's readings before it.
async fn end(inner: &Inner, readback: Readback) {
    while let Err(fault) = store_end(inner, &readback).await {
        if !inner.may_store_again(readback.id.as_str(), &fault).await {
            return;
        }
    }
    tracing::info!(readback = %readback.id, status = ?readback.status, counts = ?readback.counts, "a target was read back");
    inner.forget_cancellation(readback.id.as_str()).await;
    if let Err(fault) = forget_former(inner, &readback).await {
        tracing::warn!(readback = %readback.id, %fault, "readings of before are kept until the next one ends");
    }
    if let Ok((destination, _, _, run)) = destination(inner, &readback).await
        && let Err(fault) = destination.clear_spool(&run).await
    {
        tracing::warn!(readback = %readback.id, %fault, "the spool was not cleared");
    }
    is_over(inner, &readback.id);
}

/// Of one that was cancelled, what was found by then goes as well: it would say less than there is.
async fn store_end(inner: &Inner, readback: &Readback) -> Result<(), Fault> {
    let write = document(readback)?;
    match readback.status {
        ReadbackStatus::Cancelled => inner.store.forget_reading(&readback.id, write).await?,
        _ => inner.store.forget_read_pages(&readback.id, write).await?,
    }
    Ok(())
}

/// A reading that failed, or was cancelled, leaves the one before it: that is the newest which says something.
async fn forget_former(inner: &Inner, readback: &Readback) -> Result<(), Fault> {
    let says = |it: &Readback| it.status == ReadbackStatus::Succeeded;
    let is_former =
        |it: &Readback| it.activation == readback.activation && it.id < readback.id && it.status.has_ended();
    for former in inner.all::<Readback>(Kind::Readback)?.into_iter().filter(is_former) {
        if says(readback) || !says(&former) {
            inner.store.delete_document(Kind::Readback, former.id.as_str(), Expect::Anything).await?;
        }
    }
    Ok(())
}
