//! Memberships that follow every change: of a profile, of its events, of time, of other audiences. Deciding is here; the
//! projector commits.

use super::catalog::{Audiences, Compiled};
use super::first;
use super::meter::within;
use super::world::World;
use crate::engine::{Inner, write};
use crate::trace;
use attiva_core::config::Segment;
use attiva_core::id::SegmentId;
use attiva_core::model::{EntityKind, EntityName};
use attiva_core::ports::store::{
    DocumentWrite, Expect, Feed, Kind, MembershipChange, MembershipCommit, MembershipDue, MembershipStatus, Profile,
};
use attiva_core::{Fault, Millis};
use attiva_segments::{Metered, NextChange, Rates, Surroundings, Truth};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tracing::Span;
use tracing::field::Empty;

/// The cursor over changes of profiles.
pub(crate) const SEGMENTS: &str = "segments";
/// The cursor over events.
pub(crate) const EVENTS: &str = "segments-events";

/// What a step came to, and the span it is the work of.
pub(super) type Traced = (MembershipCommit, Span);

/// The next step there is; `None`: nothing is to be done.
pub(crate) fn step(inner: &Inner) -> Result<Option<Traced>, Fault> {
    let audiences = inner.segments.get(inner)?;
    for next in [changed_profiles, new_events, due, first::step] {
        if let Some(traced) = next(inner, &audiences)? {
            return Ok(Some(traced));
        }
    }
    Ok(None)
}

/// A span of a step that takes what lies in `(after, upto]` of a feed.
fn following(inner: &Inner, feed: Feed, after: u64, upto: u64, cause: &str) -> Span {
    let span = tracing::info_span!(target: trace::TARGET, "segments", cause, after, upto, entered_or_left = Empty);
    inner.trail.follows(feed, after, upto, span)
}

fn changed_profiles(inner: &Inner, audiences: &Audiences) -> Result<Option<Traced>, Fault> {
    let after = inner.store.projector_cursor(SEGMENTS)?;
    let changes = inner.store.changes(Feed::Profiles, after, inner.options.projection_rows)?;
    let Some(last) = changes.last() else { return Ok(None) };
    let numbers: BTreeSet<i64> = changes.iter().map(|change| change.subject).collect();
    let commit = MembershipCommit { cursors: vec![(SEGMENTS.into(), last.seq)], ..commit("change", inner) };
    let span = following(inner, Feed::Profiles, after, last.seq, "change");
    let commit = span.in_scope(|| decide(inner, audiences, numbers, commit))?;
    Ok(Some((commit, span)))
}

fn new_events(inner: &Inner, audiences: &Audiences) -> Result<Option<Traced>, Fault> {
    let after = inner.store.projector_cursor(EVENTS)?;
    let changes = inner.store.changes(Feed::Events, after, inner.options.projection_rows)?;
    let Some(last) = changes.last() else { return Ok(None) };
    let commit = MembershipCommit { cursors: vec![(EVENTS.into(), last.seq)], ..commit("event", inner) };
    let numbers: BTreeSet<i64> = changes.iter().map(|change| change.subject).collect();
    let concerned = concerned(inner, audiences, numbers)?;
    let span = following(inner, Feed::Events, after, last.seq, "event");
    let commit = span.in_scope(|| decide_concerned(inner, audiences, &concerned, commit))?;
    Ok(Some((commit, span)))
}

/// By the number of a profile, which segments its new events may move it into or out of: their places among those that are
/// evaluated in streaming.
type Concerned = BTreeMap<i64, BTreeSet<usize>>;

/// Whom new events concern. What an event said before, if it did, is not asked here: whoever had it is looked at again by
/// every segment.
fn concerned(inner: &Inner, audiences: &Audiences, events: BTreeSet<i64>) -> Result<Concerned, Fault> {
    let mut concerned = Concerned::new();
    // Whose they are need not be known where nobody asks for them.
    let entity = audiences.links.entity(EntityKind::Activity);
    if !audiences.streaming().any(|it| it.definition.needs.fields.contains_key(&entity)) {
        return Ok(concerned);
    }
    for event in inner.store.events_by_number(&events.into_iter().collect::<Vec<_>>())? {
        let Some(profile) = event.profile else { continue };
        let row = audiences.links.stored_event_row(event);
        let segments = audiences.streaming().enumerate().filter(|(_, it)| it.concern.is_met_by(&row));
        let mut segments = segments.map(|(place, _)| place).peekable();
        if segments.peek().is_some() {
            concerned.entry(profile).or_default().extend(segments);
        }
    }
    Ok(concerned)
}

/// Windows that have run out, and members of audiences that changed.
fn due(inner: &Inner, audiences: &Audiences) -> Result<Option<Traced>, Fault> {
    let numbers = inner.store.due_memberships(inner.clock.now(), inner.options.projection_rows)?;
    if numbers.is_empty() {
        return Ok(None);
    }
    let span = tracing::info_span!(target: trace::TARGET, "segments", cause = "time", entered_or_left = Empty);
    let commit = span.in_scope(|| decide(inner, audiences, numbers.into_iter().collect(), commit("time", inner)))?;
    Ok(Some((commit, span)))
}

pub(super) fn commit(cause: &str, inner: &Inner) -> MembershipCommit {
    MembershipCommit { cause: cause.to_owned(), now: inner.clock.now(), ..MembershipCommit::default() }
}

/// Looks at profiles by every segment that is evaluated in streaming.
fn decide(
    inner: &Inner,
    audiences: &Audiences,
    numbers: BTreeSet<i64>,
    mut commit: MembershipCommit,
) -> Result<MembershipCommit, Fault> {
    let numbers: Vec<i64> = numbers.into_iter().collect();
    let segments: Vec<&Arc<Compiled>> = audiences.streaming().collect();
    if !segments.is_empty() {
        look(inner, audiences, &segments, persons(inner, &numbers)?, None, &mut commit)?;
    }
    commit.looked_at = numbers;
    Ok(commit)
}

/// Looks at each profile by the segments that its news concern.
fn decide_concerned(
    inner: &Inner,
    audiences: &Audiences,
    concerned: &Concerned,
    mut commit: MembershipCommit,
) -> Result<MembershipCommit, Fault> {
    let numbers: Vec<i64> = concerned.keys().copied().collect();
    let segments: Vec<&Arc<Compiled>> = audiences.streaming().collect();
    look(inner, audiences, &segments, persons(inner, &numbers)?, Some(concerned), &mut commit)?;
    Ok(commit)
}

fn persons(inner: &Inner, numbers: &[i64]) -> Result<Vec<Profile>, Fault> {
    let mut profiles = inner.store.profiles_by_number(numbers)?;
    profiles.retain(|profile| profile.entity == EntityName::PERSON);
    Ok(profiles)
}

/// Decides who of these profiles enters and leaves, and when to look again: by every one of the segments, or, where it is
/// said whom they concern, by those and by whoever asks for an audience that moves. A segment whose evaluation faults for
/// a profile keeps that profile out, and the fault is told.
pub(super) fn look(
    inner: &Inner,
    audiences: &Audiences,
    segments: &[&Arc<Compiled>],
    profiles: Vec<Profile>,
    concerned: Option<&Concerned>,
    commit: &mut MembershipCommit,
) -> Result<(), Fault> {
    let rates = audiences.rates(commit.now);
    let numbers: Vec<i64> = profiles.iter().map(|profile| profile.number).collect();
    for (profile, members_of) in profiles.into_iter().zip(inner.store.memberships(&numbers)?) {
        let (number, members_of) = (profile.number, members_of.into_iter().collect::<BTreeSet<SegmentId>>());
        let world = World::new(inner, audiences, profile, members_of.clone(), commit.now);
        let mut moved: BTreeSet<&SegmentId> = BTreeSet::new();
        for (place, compiled) in segments.iter().enumerate() {
            let is_concerned = concerned.is_none_or(|of| of.get(&number).is_some_and(|those| those.contains(&place)));
            if !is_concerned && !compiled.definition.asks_for.iter().any(|asked| moved.contains(asked)) {
                continue;
            }
            let id = &compiled.segment.id;
            let (belongs, next) = ask(compiled, &world, rates.as_rates(), inner.options.budget.one, commit.now);
            world.checked()?;
            let status = match (members_of.contains(id), belongs) {
                (false, true) => Some(MembershipStatus::Realized),
                (true, false) => Some(MembershipStatus::Exited),
                (true, true) | (false, false) => None,
            };
            if let Some(status) = status {
                world.put_member(id, belongs);
                moved.insert(id);
                commit.changes.push(MembershipChange { segment: id.clone(), profile: number, status });
            }
            match next {
                Some(at) => commit.due.push(MembershipDue { segment: Some(id.clone()), profile: number, at }),
                None if compiled.depends_on_now && concerned.is_some() => {
                    commit.looked_at_by.push((id.clone(), number))
                }
                None => {}
            }
        }
    }
    Ok(())
}

/// Whether a profile belongs, and when to ask again although nothing happens to it.
fn ask(
    compiled: &Compiled,
    world: &World<'_>,
    rates: &dyn Rates,
    looks_max: u64,
    now: Millis,
) -> (bool, Option<Millis>) {
    let metered = Metered::new(world, looks_max);
    let around = Surroundings { graph: &metered, rates, now };
    let answer = compiled.evaluator.evaluate_in(world.id(), &around);
    let next = match compiled.depends_on_now.then(|| compiled.evaluator.next_change_in(world.id(), &around)) {
        Some(NextChange::At(at)) => Some(at),
        // Batch evaluations look at those that cannot be foretold.
        Some(NextChange::Unpredictable | NextChange::Never) | None => None,
    };
    let told = within(&metered, compiled.segment.id.as_str()).and(answer.map_err(Fault::from));
    match told {
        Ok(truth) => (truth == Truth::True, next),
        Err(fault) => {
            tracing::warn!(segment = %compiled.segment.id, profile = world.id(), %fault, "evaluation failed");
            (false, next)
        }
    }
}

/// Nobody has changed it meanwhile, or it is not written.
pub(super) fn document(segment: &Segment, version: u64) -> Result<(DocumentWrite, Expect), Fault> {
    Ok((write(Kind::Segment, segment.id.as_str(), segment)?, Expect::Version(version)))
}
