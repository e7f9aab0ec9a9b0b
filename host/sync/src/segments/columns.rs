//! A sandbox as columns: loaded from one snapshot of the store, of nothing but what is read, and kept until something
//! changes.

use super::catalog::Audiences;
use super::columns_load::load;
use crate::engine::Inner;
use attiva_core::id::SegmentId;
use attiva_core::model::EntityKind;
use attiva_core::ports::store::{Carrier, Cut, EventSeen, KeysWanted, SnapshotSink, SnapshotWanted, StoredRecord};
use attiva_core::{Fault, Millis, Value};
use attiva_segments::Needs;
use attiva_segments::column::{Bits, Dataset};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Stands for nobody.
pub(super) const NOBODY: u32 = u32::MAX;

/// A sandbox at one moment.
pub(super) struct Loaded {
    pub(super) dataset: Dataset,
    /// By entity and row, the profile's number; empty for what is no profile.
    pub(super) numbers: Vec<Vec<i64>>,
    /// Members at the moment, of the audiences that were asked for.
    pub(super) members: HashMap<SegmentId, Bits>,
    pub(super) cut: Cut,
    pub(super) rows: u64,
    pub(super) needs: Needs,
    pub(super) model: Arc<attiva_expr::Model>,
    pub(super) used_at: Millis,
}

/// What was loaded last.
#[derive(Default)]
pub(crate) struct ColumnCache {
    loaded: Mutex<Option<Loaded>>,
    /// It was to be forgotten while somebody worked with it.
    is_stale: AtomicBool,
}

/// What nobody has asked for for so long is not kept.
const IDLE: Millis = 10 * 60_000;

impl ColumnCache {
    /// Waits for nobody: what is at work ends with what it has.
    pub(crate) fn forget(&self) {
        self.is_stale.store(true, Ordering::SeqCst);
        if let Ok(mut cached) = self.loaded.try_lock() {
            *cached = None;
        }
    }

    /// Forgets what nobody has asked for for long.
    pub(crate) fn forget_idle(&self, now: Millis) {
        if let Ok(mut cached) = self.loaded.try_lock()
            && (self.is_stale.load(Ordering::SeqCst)
                || cached.as_ref().is_some_and(|loaded| now.saturating_sub(loaded.used_at) > IDLE))
        {
            *cached = None;
        }
    }

    /// Does something that takes all processors there are, after others that do.
    pub(super) fn alone<T>(&self, work: impl FnOnce() -> T) -> T {
        let _waited = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        work()
    }

    /// Does something with all that is needed, as it is now. One at a time: each takes all processors there are.
    pub(super) fn with<T>(
        &self,
        inner: &Inner,
        audiences: &Audiences,
        needs: &Needs,
        members: &[SegmentId],
        work: impl FnOnce(&mut Loaded) -> T,
    ) -> Result<T, Fault> {
        let mut cached = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_stale.swap(false, Ordering::SeqCst) {
            *cached = None;
        }
        let is_of_model = |loaded: &Loaded| Arc::ptr_eq(&loaded.model, &audiences.language.model);
        if let Some(loaded) = cached.as_mut().filter(|loaded| is_of_model(loaded) && loaded.needs.cover(needs))
            && refreshed(inner, audiences, loaded, members)?
        {
            loaded.used_at = inner.clock.now();
            return Ok(work(loaded));
        }
        *cached = None;
        let mut loaded = load(inner, audiences, needs, members)?;
        let done = work(&mut loaded);
        *cached = Some(loaded);
        Ok(done)
    }
}

/// Reads members anew, if nothing else has changed.
fn refreshed(inner: &Inner, audiences: &Audiences, loaded: &mut Loaded, members: &[SegmentId]) -> Result<bool, Fault> {
    let entities = member_entities(audiences, members);
    let wanted = SnapshotWanted { audiences: members.to_vec(), ..SnapshotWanted::default() };
    let rows: Vec<usize> = entities.iter().map(|entity| loaded.dataset.rows(*entity)).collect();
    let mut sink = MemberSink {
        cut: loaded.cut,
        same: false,
        row_of: entities.iter().map(|entity| loaded.numbers[*entity].as_slice()).collect(),
        members: rows.into_iter().map(Bits::none).collect(),
    };
    inner.store.snapshot(&wanted, &mut sink)?;
    let (same, bits) = (sink.same, sink.members);
    if same {
        loaded.members = members.iter().cloned().zip(bits).collect();
        put_audiences(audiences, loaded);
    }
    Ok(same)
}

/// What may be asked for by others is what there is a result of.
pub(super) fn put_audiences(audiences: &Audiences, loaded: &mut Loaded) {
    for (segment, bits) in &loaded.members {
        if audiences.is_known(segment) {
            loaded.dataset.put_audience(segment.as_str(), bits.clone());
        } else {
            loaded.dataset.drop_audience(segment.as_str());
        }
    }
}

pub(super) fn member_entities(audiences: &Audiences, members: &[SegmentId]) -> Vec<usize> {
    let of = |id: &SegmentId| audiences.get(id).map_or(EntityKind::Person, |it| it.definition.entity.kind());
    members.iter().map(|id| audiences.links.entity(of(id))).collect()
}

struct MemberSink<'a> {
    cut: Cut,
    same: bool,
    /// By audience, the numbers by row, ascending.
    row_of: Vec<&'a [i64]>,
    members: Vec<Bits>,
}

impl SnapshotSink for MemberSink<'_> {
    fn begun(&mut self, cut: Cut) -> bool {
        self.same = cut == self.cut;
        self.same
    }

    fn member(&mut self, audience: usize, profile: i64) {
        if let Ok(row) = self.row_of[audience].binary_search(&profile) {
            self.members[audience].set(row);
        }
    }

    fn profile(&mut self, _: usize, _: i64, _: Vec<(String, Value)>) {}
    fn reference(&mut self, _: usize, _: i64, _: &str, _: Carrier) {}
    fn component(&mut self, _: i64, _: StoredRecord) {}
    fn event(&mut self, _: EventSeen<'_>) {}
    fn event_attributes(&mut self, _: i64, _: Vec<(String, Value)>) {}
    fn keys(&mut self) -> Vec<KeysWanted> {
        Vec::new()
    }
    fn key(&mut self, _: usize, _: usize, _: Carrier) {}
}
