//! A sandbox as columns: loaded from one snapshot of the store, of nothing but what is read; and when it is asked for
//! again, brought up to what has changed since.

use super::catalog::Audiences;
use super::columns_load::load;
use super::columns_refresh::refreshed;
use crate::engine::Inner;
use attiva_core::evaluation::Read;
use attiva_core::id::SegmentId;
use attiva_core::model::EntityKind;
use attiva_core::ports::store::Cut;
use attiva_core::{Fault, Millis};
use attiva_segments::Needs;
use attiva_segments::column::{Bits, Dataset};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Stands for nobody.
pub(super) const NOBODY: u32 = u32::MAX;

/// A sandbox at one moment.
pub(super) struct Loaded {
    pub(super) dataset: Dataset,
    /// By entity and row, the profile's number; empty for what is no profile.
    pub(super) numbers: Vec<Vec<i64>>,
    /// By row, the store's numbers of events; none where their changes are not followed.
    pub(super) event_numbers: Option<Vec<u32>>,
    /// By row of what is between persons and accounts, where it is but a way: whether it is of a match.
    pub(super) matched: Vec<bool>,
    /// By row of the same where it is more: the numbers of records, and of who is matched.
    pub(super) component_keys: Option<Vec<i64>>,
    /// Members at the moment, of the audiences that were asked for.
    pub(super) members: HashMap<SegmentId, Bits>,
    pub(super) cut: Cut,
    pub(super) rows: u64,
    /// How many were read anew, where others were there already.
    pub(super) refreshed: Option<u64>,
    pub(super) needs: Needs,
    pub(super) model: Arc<attiva_expr::Model>,
    pub(super) used_at: Millis,
}

impl Loaded {
    pub(super) fn read(&self) -> Read {
        let (columns, adjacency) = self.dataset.bytes();
        Read { rows: self.rows, bytes: (columns + adjacency) as u64, refreshed: self.refreshed }
    }
}

/// What was loaded last.
#[derive(Default)]
pub(crate) struct ColumnCache {
    kept: Mutex<Kept>,
    /// It was to be forgotten while somebody worked with it.
    is_stale: AtomicBool,
}

#[derive(Default)]
struct Kept {
    /// For all that is evaluated again and again.
    evaluated: Option<Loaded>,
    /// For what somebody tries out, where that reads more: without events, and with them, which take most of a load's time.
    looked_at: [Option<Loaded>; 2],
}

/// What nobody has asked for for so long is not kept. Longer than from one evaluation to the next, unless a schedule has them
/// seldom: else there would never be anything to refresh.
const IDLE: Millis = 60 * 60_000;
/// The same for what somebody tries out: longer than from one attempt at a rule to the next.
const LOOKED_AT_IDLE: Millis = 10 * 60_000;

/// Whether columns are for once, or for all that is evaluated again and again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// They do not take the place of others that are kept.
    Once,
    Again,
}

impl ColumnCache {
    /// Waits for nobody: what is at work ends with what it has.
    pub(crate) fn forget(&self) {
        self.is_stale.store(true, Ordering::SeqCst);
        if let Ok(mut kept) = self.kept.try_lock() {
            *kept = Kept::default();
        }
    }

    /// Forgets what nobody has asked for for long.
    pub(crate) fn forget_idle(&self, now: Millis) {
        let Ok(mut kept) = self.kept.try_lock() else { return };
        if self.is_stale.load(Ordering::SeqCst) {
            *kept = Kept::default();
        }
        let is_idle = |loaded: &mut Loaded, idle| now.saturating_sub(loaded.used_at) > idle;
        drop(kept.evaluated.take_if(|loaded| is_idle(loaded, IDLE)));
        for looked_at in &mut kept.looked_at {
            drop(looked_at.take_if(|loaded| is_idle(loaded, LOOKED_AT_IDLE)));
        }
    }

    /// Does something that takes all processors there are, after others that do.
    pub(super) fn alone<T>(&self, work: impl FnOnce() -> T) -> T {
        let _waited = self.lock();
        work()
    }

    /// Does something with all that is needed, as it is now. One at a time: each takes all processors there are.
    pub(super) fn with<T>(
        &self,
        inner: &Inner,
        audiences: &Audiences,
        needs: &Needs,
        members: &[SegmentId],
        used: Use,
        work: impl FnOnce(&mut Loaded) -> T,
    ) -> Result<T, Fault> {
        let mut kept = self.lock();
        if self.is_stale.swap(false, Ordering::SeqCst) {
            *kept = Kept::default();
        }
        kept.keep_of(&audiences.language.model);
        let with_events = needs.fields.contains_key(&audiences.links.entity(EntityKind::Activity));
        let place = kept.place(needs, with_events, used);
        let (known, wanted) = match place.take() {
            Some(loaded) if loaded.needs.cover(needs) => (Some(loaded), needs.clone()),
            other => (None, wanted(needs, other, used)),
        };
        let refreshed = known.map(|loaded| refreshed(inner, audiences, loaded, members)).transpose()?;
        let mut loaded = match refreshed.flatten() {
            Some(refreshed) => refreshed,
            None => load(inner, audiences, &wanted, members)?,
        };
        loaded.used_at = inner.clock.now();
        let done = work(&mut loaded);
        *place = Some(loaded);
        Ok(done)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Nothing of another model.
    fn keep_of(&mut self, model: &Arc<attiva_expr::Model>) {
        for kept in self.looked_at.iter_mut().chain([&mut self.evaluated]) {
            drop(kept.take_if(|loaded| !Arc::ptr_eq(&loaded.model, model)));
        }
    }

    /// Where that stands which has all that is needed, or where it is to stand.
    fn place(&mut self, needs: &Needs, with_events: bool, used: Use) -> &mut Option<Loaded> {
        let covers = |loaded: &Option<Loaded>| loaded.as_ref().is_some_and(|loaded| loaded.needs.cover(needs));
        if covers(&self.evaluated) {
            return &mut self.evaluated;
        }
        let looked_at = self.looked_at.iter().position(covers);
        match used {
            Use::Once => &mut self.looked_at[looked_at.unwrap_or(usize::from(with_events))],
            Use::Again => {
                if let Some(looked_at) = looked_at {
                    self.evaluated = self.looked_at[looked_at].take();
                }
                &mut self.evaluated
            }
        }
    }
}

/// What is loaded in the place of what does not have all that is needed: for those who try things out, with what others
/// tried just before, who may be at it still.
fn wanted(needs: &Needs, before: Option<Loaded>, used: Use) -> Needs {
    let mut wanted = needs.clone();
    if let (Use::Once, Some(before)) = (used, before) {
        wanted.add(&before.needs);
    }
    wanted
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
