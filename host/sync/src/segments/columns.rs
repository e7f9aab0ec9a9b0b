//! A sandbox as columns: loaded from one snapshot of the store, of nothing but what is read; and when it is asked for
//! again, brought up to what has changed since.

use super::catalog::Audiences;
use super::columns_load::load;
use super::columns_refresh::refreshed;
use crate::engine::Inner;
use attiva_core::id::SegmentId;
use attiva_core::model::EntityKind;
use attiva_core::ports::store::Cut;
use attiva_core::{Fault, Millis};
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

/// What was loaded last.
#[derive(Default)]
pub(crate) struct ColumnCache {
    loaded: Mutex<Option<Loaded>>,
    /// It was to be forgotten while somebody worked with it.
    is_stale: AtomicBool,
}

/// What nobody has asked for for so long is not kept. Longer than from one evaluation to the next, unless a schedule has them
/// seldom: else there would never be anything to refresh.
const IDLE: Millis = 60 * 60_000;

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
        used: Use,
        work: impl FnOnce(&mut Loaded) -> T,
    ) -> Result<T, Fault> {
        let mut cached = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_stale.swap(false, Ordering::SeqCst) {
            *cached = None;
        }
        let is_of_model = |loaded: &Loaded| Arc::ptr_eq(&loaded.model, &audiences.language.model);
        let known = cached.take().filter(is_of_model);
        let known = match known {
            Some(kept) if !kept.needs.cover(needs) && used == Use::Once => {
                *cached = Some(kept);
                return Ok(work(&mut load(inner, audiences, needs, members)?));
            }
            other => other.filter(|loaded| loaded.needs.cover(needs)),
        };
        let refreshed = known.map(|loaded| refreshed(inner, audiences, loaded, members)).transpose()?;
        let mut loaded = match refreshed.flatten() {
            Some(refreshed) => refreshed,
            None => load(inner, audiences, needs, members)?,
        };
        loaded.used_at = inner.clock.now();
        let done = work(&mut loaded);
        *cached = Some(loaded);
        Ok(done)
    }
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
