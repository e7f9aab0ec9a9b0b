//! Deciding ahead: while a step of the profile projector is committed, the next one is decided from what is stored so far.
//! It holds if nothing that it rests on is among what the commit changed; else it is decided again.

use attiva_core::id::ProfileId;
use attiva_core::identity::Identity;
use attiva_core::model::EntityName;
use attiva_core::ports::store::ProfileCommit;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Mutex, MutexGuard};

/// Records, names and profiles: of what a decision rests on, or of what a commit changes. Names and profiles are kept as
/// hashes: two that are one by chance cost a decision that is made twice.
#[derive(Debug, Default)]
pub(crate) struct Footprint {
    records: HashSet<i64>,
    names: HashSet<u64>,
    profiles: HashSet<u64>,
}

impl Footprint {
    pub(crate) fn record(&mut self, number: i64) {
        self.records.insert(number);
    }

    pub(crate) fn name(&mut self, entity: &EntityName, identity: &Identity) {
        self.names.insert(hash(&(entity, identity)));
    }

    pub(crate) fn profile(&mut self, id: &ProfileId) {
        self.profiles.insert(hash(id));
    }

    pub(crate) fn join(&mut self, other: Self) {
        self.records.extend(other.records);
        self.names.extend(other.names);
        self.profiles.extend(other.profiles);
    }

    fn meets(&self, other: &Self) -> bool {
        !(self.records.is_disjoint(&other.records)
            && self.names.is_disjoint(&other.names)
            && self.profiles.is_disjoint(&other.profiles))
    }
}

fn hash(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// A step that was decided.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) commit: ProfileCommit,
    /// What it was read from.
    rests_on: Footprint,
    changes: Footprint,
}

impl Step {
    /// `renamed`: names that records which changed carried until now, or carry from now on.
    pub(crate) fn new(commit: ProfileCommit, rests_on: Footprint, renamed: Footprint) -> Self {
        let mut changes = renamed;
        changes.records.extend(commit.links.iter().map(|link| link.record));
        commit.profiles.iter().for_each(|profile| changes.profile(&profile.id));
        commit.removed.iter().for_each(|(id, _)| changes.profile(id));
        Self { commit, rests_on, changes }
    }

    /// What it will have changed, once it is committed.
    pub(crate) fn into_parts(self) -> (ProfileCommit, Changes) {
        (self.commit, Changes(self.changes))
    }

    /// Whether it would have been decided so after `earlier` too.
    pub(crate) fn holds_after(&self, earlier: &Changes) -> bool {
        !self.rests_on.meets(&earlier.0)
    }
}

/// What a commit changed.
#[derive(Debug)]
pub(crate) struct Changes(Footprint);

/// Whose turn it is to change what profiles hang on. The projector goes from step to step in one turn, until somebody else
/// wants it.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    held: Mutex<()>,
    waiting: AtomicUsize,
}

impl Turn {
    pub(crate) async fn lock(&self) -> MutexGuard<'_, ()> {
        let _waits = Waits::begin(&self.waiting);
        self.held.lock().await
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }
}

/// Somebody who waits, until they are let in or give up.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn begin(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use attiva_core::identity::Level;
    use attiva_core::ports::store::RecordLink;

    fn id(key: &str) -> ProfileId {
        ProfileId::founded(&EntityName::PERSON, key)
    }

    fn name(value: &str) -> Identity {
        Identity { namespace: "email".into(), value: value.into() }
    }

    /// A step that links record 1 to the profile `a`, in place of `b`, and takes the name `old` from it.
    fn committed() -> Changes {
        let link = RecordLink { record: 1, identities: Vec::new(), profile: Some(id("a")), level: Level::Full };
        let removed = vec![(id("b"), Some(id("a")))];
        let commit = ProfileCommit { links: vec![link], removed, ..ProfileCommit::default() };
        let mut renamed = Footprint::default();
        renamed.name(&EntityName::PERSON, &name("old"));
        Step::new(commit, Footprint::default(), renamed).into_parts().1
    }

    fn holds(rests_on: impl FnOnce(&mut Footprint)) -> bool {
        let mut footprint = Footprint::default();
        rests_on(&mut footprint);
        Step::new(ProfileCommit::default(), footprint, Footprint::default()).holds_after(&committed())
    }

    #[test]
    fn a_step_holds_unless_a_record_a_name_or_a_profile_that_it_rests_on_was_changed() {
        let account = EntityName::Model(attiva_core::model::EntityKind::Account);
        assert!(holds(|on| {
            on.record(2);
            on.profile(&id("c"));
            on.name(&EntityName::PERSON, &name("new"));
            // Another entity's name is another name.
            on.name(&account, &name("old"));
        }));
        assert!(!holds(|on| on.record(1)));
        assert!(!holds(|on| on.profile(&id("b"))));
        assert!(!holds(|on| on.name(&EntityName::PERSON, &name("old"))));
    }

    #[tokio::test]
    async fn whoever_waits_for_the_turn_is_seen_until_they_have_it_or_give_up() {
        let turn = Turn::default();
        let held = turn.lock().await;
        assert!(!turn.is_wanted());
        let mut waits = Box::pin(turn.lock());
        assert!(is_pending(waits.as_mut()).await);
        assert!(turn.is_wanted());
        drop(waits);
        assert!(!turn.is_wanted());
        let mut waits = Box::pin(turn.lock());
        assert!(is_pending(waits.as_mut()).await);
        drop(held);
        let _held = waits.await;
        assert!(!turn.is_wanted());
    }

    async fn is_pending<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
        std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_pending())).await
    }
}
