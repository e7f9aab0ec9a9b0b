//! Memberships that follow every change: of a profile, of its events, of time, of other audiences. Deciding is here; the
//! projector commits.

use super::catalog::{Audiences, Compiled};
use super::meter::within;
use super::world::World;
use crate::engine::{Inner, write};
use crate::trace;
use attiva_core::config::Segment;
use attiva_core::id::SegmentId;
use attiva_core::model::{EntityKind, EntityName};
use attiva_core::ports::store::{
    DocumentWrite, Expect, Feed, Kind, MembershipChange, MembershipCommit, MembershipDue, MembershipStatus, Profile,
    Seq,
};
use attiva_core::{Fault, Millis};
use attiva_segments::{Metered, NextChange, Rates, Surroundings, Truth};
use std::collections::BTreeSet;
use std::sync::Arc;
use tracing::Span;
use tracing::field::Empty;

/// The cursor over changes of profiles.
pub(crate) const SEGMENTS: &str = "segments";
/// The cursor over events.
pub(crate) const EVENTS: &str = "segments-events";

/// What a step came to, and the span it is the work of.
type Traced = (MembershipCommit, Span);

/// The next step there is; `None`: nothing is to be done.
pub(crate) fn step(inner: &Inner) -> Result<Option<Traced>, Fault> {
    let audiences = inner.segments.get(inner)?;
    for next in [changed_profiles, new_events, due, first_evaluation] {
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
    let commit = MembershipCommit { cursor: Some((SEGMENTS.into(), last.seq)), ..commit("change", inner) };
    let span = following(inner, Feed::Profiles, after, last.seq, "change");
    let commit = span.in_scope(|| decide(inner, audiences, numbers, commit))?;
    Ok(Some((commit, span)))
}

fn new_events(inner: &Inner, audiences: &Audiences) -> Result<Option<Traced>, Fault> {
    let after = inner.store.projector_cursor(EVENTS)?;
    let changes = inner.store.changes(Feed::Events, after, inner.options.projection_rows)?;
    let Some(last) = changes.last() else { return Ok(None) };
    let commit = MembershipCommit { cursor: Some((EVENTS.into(), last.seq)), ..commit("event", inner) };
    // Whose they are need not be known where nobody asks for them.
    let events = audiences.links.entity(EntityKind::Activity);
    if !audiences.streaming().any(|it| it.definition.needs.fields.contains_key(&events)) {
        return Ok(Some((commit, Span::none())));
    }
    let numbers: BTreeSet<i64> = changes.iter().map(|change| change.subject).collect();
    let events = inner.store.events_by_number(&numbers.into_iter().collect::<Vec<_>>())?;
    let persons = events.into_iter().filter_map(|event| event.profile).collect();
    let span = following(inner, Feed::Events, after, last.seq, "event");
    let commit = span.in_scope(|| decide(inner, audiences, persons, commit))?;
    Ok(Some((commit, span)))
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

fn commit(cause: &str, inner: &Inner) -> MembershipCommit {
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
        let mut profiles = inner.store.profiles_by_number(&numbers)?;
        profiles.retain(|profile| profile.entity == EntityName::PERSON);
        look(inner, audiences, &segments, profiles, &mut commit)?;
    }
    commit.looked_at = numbers;
    Ok(commit)
}

/// Decides who of these profiles enters and leaves, and when to look again. A segment whose evaluation faults for a
/// profile keeps that profile out, and the fault is told.
fn look(
    inner: &Inner,
    audiences: &Audiences,
    segments: &[&Arc<Compiled>],
    profiles: Vec<Profile>,
    commit: &mut MembershipCommit,
) -> Result<(), Fault> {
    let rates = audiences.rates(commit.now);
    let numbers: Vec<i64> = profiles.iter().map(|profile| profile.number).collect();
    for (profile, members_of) in profiles.into_iter().zip(inner.store.memberships(&numbers)?) {
        let (number, members_of) = (profile.number, members_of.into_iter().collect::<BTreeSet<SegmentId>>());
        let world = World::new(inner, audiences, profile, members_of.clone(), commit.now);
        for compiled in segments {
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
                commit.changes.push(MembershipChange { segment: id.clone(), profile: number, status });
            }
            if let Some(at) = next {
                commit.due.push(MembershipDue { segment: Some(id.clone()), profile: number, at });
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

/// The next chunk of the first evaluation of a segment that has not been evaluated since its rule was made. One that asks
/// for an audience without a result waits for that.
fn first_evaluation(inner: &Inner, audiences: &Audiences) -> Result<Option<Traced>, Fault> {
    let is_ready = |it: &&Arc<Compiled>| {
        !it.segment.evaluated && it.definition.asks_for.iter().all(|asked| audiences.is_known(asked))
    };
    let Some(compiled) = audiences.streaming().find(is_ready) else { return Ok(None) };
    let id = &compiled.segment.id;
    let projector = cursor(&compiled.segment);
    let after = inner.store.projector_cursor(&projector)?;
    let after_number = i64::try_from(after).unwrap_or(i64::MAX);
    let profiles = inner.store.profiles(&EntityName::PERSON, after_number, inner.options.projection_rows)?;
    let upto = profiles.last().map_or(after, |p| u64::try_from(p.number).unwrap_or(after));
    let mut commit = commit("definition", inner);
    let span = tracing::info_span!(target: trace::TARGET, "segments", cause = "definition", segment = %id, entered_or_left = Empty);
    // A segment's first members came of what was there: of whoever brought the newest of it, where that is known.
    let span = inner.trail.follows_newest(inner.store.as_ref(), Feed::Profiles, Seq::MAX, span)?;
    if profiles.is_empty() {
        let evaluated = Segment {
            evaluated: true,
            has_result: true,
            result_of: None,
            result_began_at: None,
            ..compiled.segment.clone()
        };
        commit.documents.push(document(&evaluated, compiled.version)?);
    } else {
        span.in_scope(|| look(inner, audiences, &[compiled], profiles, &mut commit))?;
    }
    if compiled.feeds_streaming {
        let again = commit.changes.iter().map(|change| MembershipDue::of_all(change.profile, commit.now));
        commit.due.extend(again);
    }
    tracing::debug!(segment = %id, upto, "first evaluation");
    commit.cursor = Some((projector, upto));
    Ok(Some((commit, span)))
}

/// Of the first evaluation of this version of the rule.
fn cursor(segment: &Segment) -> String {
    let Segment { id, version, .. } = segment;
    if *version == 1 { format!("segment:{id}") } else { format!("segment:{id}:{version}") }
}

/// Nobody has changed it meanwhile, or it is not written.
pub(super) fn document(segment: &Segment, version: u64) -> Result<(DocumentWrite, Expect), Fault> {
    Ok((write(Kind::Segment, segment.id.as_str(), segment)?, Expect::Version(version)))
}
