//! Batch evaluations: everybody at once, over one snapshot, by all segments that want it. Only what differs from before
//! is committed, so that one that was cut off in the middle is begun again and does nothing twice.

use super::catalog::{Audiences, Compiled};
use super::columns::{Loaded, Use};
use super::definition::Definition;
use super::meter::overrun;
use super::streaming::document;
use crate::engine::{Inner, write};
use crate::{crash, projector, trace};
use attiva_core::config::Segment;
use attiva_core::evaluation::{Evaluation, EvaluationCause, EvaluationStatus, Read};
use attiva_core::id::SegmentId;
use attiva_core::ports::store::{
    DocumentWrite, Expect, Feed, Kind, MembershipChange, MembershipCommit, MembershipDue, MembershipStatus, Seq,
    StoreError,
};
use attiva_core::{Fault, Millis};
use attiva_segments::column::{Bits, Evaluation as ColumnEvaluation, SegmentSet};
use attiva_segments::{Needs, Plan};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tracing::Instrument;

/// Changes of one commit: short, so that nobody waits long for the writer.
const CHUNK: usize = 2_000;
/// Longest wait for what was committed before the evaluation was asked for.
const CATCH_UP: Duration = Duration::from_secs(60);
/// A failure of the store is looked at again after this.
const PAUSE: Duration = Duration::from_secs(1);

/// Does what is queued, one after the other, until the engine stops.
pub(crate) async fn follow(inner: Arc<Inner>) {
    while !inner.stop.is_cancelled() {
        let wanted = inner.evaluations_wanted.notified();
        match next(&inner).await {
            Ok(true) => {}
            Ok(false) => tokio::select! {
                () = wanted => {}
                () = inner.stop.cancelled() => {}
            },
            Err(fault) => {
                tracing::error!(%fault, "batch evaluations are held up");
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => {}
                    () = inner.stop.cancelled() => {}
                }
            }
        }
    }
}

/// False: nothing is queued.
async fn next(inner: &Arc<Inner>) -> Result<bool, Fault> {
    super::trigger::first_results(inner).await?;
    let queued = inner.all::<Evaluation>(Kind::Evaluation)?.into_iter().find(|it| !it.status.has_ended());
    let Some(evaluation) = queued else { return Ok(false) };
    catch_up(inner).await?;
    if inner.stop.is_cancelled() {
        return Ok(false);
    }
    let span = tracing::info_span!(target: trace::TARGET, "evaluation", evaluation = %evaluation.id);
    let span = inner.trail.follows_newest(inner.store.as_ref(), Feed::Profiles, Seq::MAX, span)?;
    run(inner, evaluation).instrument(span).await?;
    Ok(true)
}

/// Waits until profiles have followed what was committed before.
async fn catch_up(inner: &Arc<Inner>) -> Result<(), Fault> {
    let wanted = inner.store.newest(Feed::Records)?;
    let wait = async {
        while inner.store.projector_cursor(projector::PROFILES)? < wanted {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
                () = inner.stop.cancelled() => return Ok(()),
            }
        }
        Ok::<(), Fault>(())
    };
    match tokio::time::timeout(CATCH_UP, wait).await {
        Ok(waited) => waited,
        Err(_) => {
            tracing::warn!("a batch evaluation goes ahead of profiles that do not follow their records");
            Ok(())
        }
    }
}

/// What is to be committed for one segment.
struct Difference {
    compiled: Arc<Compiled>,
    changes: Vec<(i64, MembershipStatus)>,
    members: u64,
}

/// What one evaluation came to.
struct Evaluated {
    differences: Vec<Difference>,
    /// Segments that are evaluated in streaming and whose time cannot be foretold: who is to be looked at.
    look_again: Vec<i64>,
    overran: Vec<(SegmentId, u32)>,
    as_of: Millis,
    loading_ms: u64,
    evaluating_ms: u64,
    read: Read,
}

async fn run(inner: &Arc<Inner>, mut evaluation: Evaluation) -> Result<(), Fault> {
    {
        let _no_delivery_begins = inner.beginning.write().await;
        evaluation = inner.get(Kind::Evaluation, evaluation.id.as_str())?;
        // Somebody cancelled it while what it waited for came.
        if evaluation.status.has_ended() {
            return Ok(());
        }
        evaluation.begin(inner.clock.now());
        inner.put(Kind::Evaluation, evaluation.id.as_str(), &evaluation).await?;
    }
    let midway = evaluation.segments.iter().any(|it| evaluation.is_midway(&it.segment));
    if !midway && inner.is_cancelled(evaluation.id.as_str())? {
        return cancelled(inner, &mut evaluation).await;
    }
    let (worker, ids, cause) = (Arc::clone(inner), evaluation.wanted.clone(), evaluation.cause);
    let evaluated = projector::blocking(move || evaluate(&worker, &ids, cause)).await;
    let evaluated = match evaluated {
        Ok(evaluated) => evaluated,
        Err(fault) if fault.kind.is_retried() && !inner.stop.is_cancelled() => return Err(fault),
        Err(fault) => {
            // None of them is asked again at once for it.
            let audiences = inner.segments.get(inner)?;
            for Compiled { segment, .. } in wanted(&audiences, &evaluation.wanted).into_iter().map(Arc::as_ref) {
                evaluation.outcome(&segment.id, segment.version).fault = Some(fault.clone());
            }
            evaluation.end(Some(fault), inner.clock.now());
            return inner.put(Kind::Evaluation, evaluation.id.as_str(), &evaluation).await;
        }
    };
    let Evaluated { as_of, loading_ms, evaluating_ms, read, .. } = evaluated;
    evaluation.evaluated(as_of, loading_ms, evaluating_ms, read);
    for (segment, version) in &evaluated.overran {
        evaluation.outcome(segment, *version).fault = Some(overrun(segment.as_str()));
    }
    let began = inner.clock.now();
    let mut changed_meanwhile = false;
    let mut is_cut_short = false;
    for difference in evaluated.differences {
        if inner.stop.is_cancelled() {
            return Ok(());
        }
        if inner.is_cancelled(evaluation.id.as_str())? && !evaluation.is_midway(&difference.compiled.segment.id) {
            is_cut_short = true;
            continue;
        }
        changed_meanwhile |= !commit(inner, &mut evaluation, difference).await?;
    }
    if is_cut_short {
        evaluation.timings.committing_ms = ms_since(inner, began);
        return cancelled(inner, &mut evaluation).await;
    }
    for chunk in evaluated.look_again.chunks(CHUNK) {
        let due = chunk.iter().map(|profile| MembershipDue::of_all(*profile, inner.clock.now())).collect();
        inner.store.commit_memberships(MembershipCommit { due, ..commit_of(inner, &evaluation) }).await?;
    }
    evaluation.timings.committing_ms = ms_since(inner, began);
    evaluation.end(None, inner.clock.now());
    let documents = vec![document_of(&evaluation)?];
    crash::point("evaluation.finished");
    inner.store.commit_memberships(MembershipCommit { documents, ..commit_of(inner, &evaluation) }).await?;
    // Asked for too late: everything has its result.
    inner.forget_cancellation(evaluation.id.as_str()).await;
    super::trigger::prune(inner).await?;
    inner.segments.forget();
    inner.profiles_changed.notify_one();
    if changed_meanwhile {
        inner.evaluations_wanted.notify_one();
    }
    Ok(())
}

/// Ends an evaluation as somebody asked for: what has its result keeps it.
pub(super) async fn cancelled(inner: &Inner, evaluation: &mut Evaluation) -> Result<(), Fault> {
    let audiences = inner.segments.get(inner)?;
    let all = wanted(&audiences, &evaluation.wanted);
    evaluation.cancel(all.into_iter().map(|it| (it.segment.id.clone(), it.segment.version)), inner.clock.now());
    inner.put(Kind::Evaluation, evaluation.id.as_str(), evaluation).await?;
    inner.forget_cancellation(evaluation.id.as_str()).await;
    inner.segments.forget();
    inner.profiles_changed.notify_one();
    Ok(())
}

fn ms_since(inner: &Inner, began: Millis) -> u64 {
    u64::try_from(inner.clock.now().saturating_sub(began)).unwrap_or(0)
}

fn commit_of(inner: &Inner, evaluation: &Evaluation) -> MembershipCommit {
    MembershipCommit { cause: evaluation.id.to_string(), now: inner.clock.now(), ..MembershipCommit::default() }
}

fn document_of(evaluation: &Evaluation) -> Result<(DocumentWrite, Expect), Fault> {
    Ok((write(Kind::Evaluation, evaluation.id.as_str(), evaluation)?, Expect::Anything))
}

/// In chunks, each with the counts so far; with the last one the segment has its result. False: the rule was changed, or
/// the segment removed, while it was evaluated.
async fn commit(inner: &Inner, evaluation: &mut Evaluation, difference: Difference) -> Result<bool, Fault> {
    let Difference { compiled, changes, members } = difference;
    let id = &compiled.segment.id;
    let mut chunks = changes.chunks(CHUNK).peekable();
    loop {
        let chunk = chunks.next().unwrap_or_default();
        let is_last = chunks.peek().is_none();
        let outcome = evaluation.outcome(id, compiled.segment.version);
        let entered = chunk.iter().filter(|(_, status)| *status == MembershipStatus::Realized).count() as u64;
        outcome.entered += entered;
        outcome.left += chunk.len() as u64 - entered;
        outcome.members = is_last.then_some(members);
        let mut commit = commit_of(inner, evaluation);
        let change = |(profile, status): &(i64, MembershipStatus)| MembershipChange {
            segment: id.clone(),
            profile: *profile,
            status: *status,
        };
        commit.changes = chunk.iter().map(change).collect();
        // Who asks for the audience in streaming follows at once.
        if compiled.feeds_streaming {
            commit.due = chunk.iter().map(|(profile, _)| MembershipDue::of_all(*profile, commit.now)).collect();
        }
        commit.documents.push(document_of(evaluation)?);
        // Until the last, nothing of the segment is written but that it has not changed.
        if is_last {
            let result_of = Some(evaluation.id.clone());
            let result_began_at = evaluation.started_at;
            let segment =
                Segment { evaluated: true, has_result: true, result_of, result_began_at, ..compiled.segment.clone() };
            commit.documents.push(document(&segment, compiled.version)?);
        } else if !is_unchanged(inner, &compiled)? {
            return Ok(false);
        }
        crash::point("evaluation.prepared");
        let span = tracing::Span::current();
        let changed = if commit.changes.is_empty() { None } else { Some(id) };
        inner.trail.audiences(&span, changed.into_iter());
        let committed = inner.store.commit_memberships(commit).await;
        inner.trail.audiences(&span, changed.into_iter());
        match committed {
            Ok(()) => {}
            Err(StoreError::VersionMismatch { .. } | StoreError::Missing) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        crash::point("evaluation.committed");
        if is_last {
            return Ok(true);
        }
    }
}

fn is_unchanged(inner: &Inner, compiled: &Compiled) -> Result<bool, Fault> {
    let found = inner.store.document(Kind::Segment, compiled.segment.id.as_str())?;
    Ok(found.is_some_and(|document| document.version == compiled.version))
}

/// The segments of an evaluation, each after those that it asks for.
fn wanted<'a>(audiences: &'a Audiences, ids: &[SegmentId]) -> Vec<&'a Arc<Compiled>> {
    audiences.batch().filter(|it| ids.is_empty() || ids.contains(&it.segment.id)).collect()
}

fn evaluate(inner: &Inner, ids: &[SegmentId], cause: EvaluationCause) -> Result<Evaluated, Fault> {
    let audiences = inner.segments.get(inner)?;
    let segments = wanted(&audiences, ids);
    // With everybody else, those are looked at whose time cannot be foretold from one profile.
    let watched: Vec<&Arc<Compiled>> = match ids.is_empty() && cause != EvaluationCause::Definition {
        true => audiences.streaming().filter(|it| it.depends_on_now && it.segment.evaluated).collect(),
        false => Vec::new(),
    };
    let plans = segments.iter().chain(&watched).flat_map(|it| it.definition.plans());
    let needs = Needs::of(plans, &audiences.language.model);
    let mut members: BTreeSet<SegmentId> = needs.audiences.iter().filter_map(|id| SegmentId::parse(id)).collect();
    members.extend(segments.iter().chain(&watched).map(|it| it.segment.id.clone()));
    let members: Vec<SegmentId> = members.into_iter().collect();
    let began = inner.clock.now();
    let used = if ids.is_empty() { Use::Again } else { Use::Once };
    inner.columns.with(inner, &audiences, &needs, &members, used, |loaded| {
        let (as_of, loading_ms) = (inner.clock.now(), ms_since(inner, began));
        let read = loaded.read();
        let (found, overran) = bits(inner, &audiences, &segments, loaded, as_of);
        let mut differences = Vec::new();
        for compiled in &segments {
            if let Some(bits) = found.get(&compiled.segment.id) {
                differences.push(difference(&audiences, compiled, loaded, bits));
            }
        }
        let mut look_again = BTreeSet::new();
        let (found, _) = bits(inner, &audiences, &watched, loaded, as_of);
        for compiled in &watched {
            if let Some(bits) = found.get(&compiled.segment.id) {
                let Difference { changes, .. } = difference(&audiences, compiled, loaded, bits);
                look_again.extend(changes.into_iter().map(|(profile, _)| profile));
            }
        }
        Evaluated {
            differences,
            look_again: look_again.into_iter().collect(),
            overran,
            as_of,
            loading_ms,
            evaluating_ms: ms_since(inner, as_of),
            read,
        }
    })
}

/// Members by segment, and who overran. In layers: who asks for an audience that is evaluated along with it sees the new
/// one.
pub(super) fn bits(
    inner: &Inner,
    audiences: &Audiences,
    segments: &[&Arc<Compiled>],
    loaded: &mut Loaded,
    now: Millis,
) -> (HashMap<SegmentId, Bits>, Vec<(SegmentId, u32)>) {
    let mut found: HashMap<SegmentId, Bits> = HashMap::new();
    let mut overran = Vec::new();
    let mut rest: Vec<&Arc<Compiled>> = segments.to_vec();
    while !rest.is_empty() {
        let waits = |it: &&Arc<Compiled>| rest.iter().any(|other| it.definition.asks_for.contains(&other.segment.id));
        let (later, layer): (Vec<_>, Vec<_>) = rest.iter().copied().partition(waits);
        // Circles are not compiled, so that a layer is never empty; if one were, it would end here.
        let (layer, later) = if layer.is_empty() { (later, Vec::new()) } else { (layer, later) };
        rest = later;
        let definitions: Vec<&Definition> = layer.iter().map(|it| &*it.definition).collect();
        for (compiled, bits) in layer.iter().zip(members(inner, audiences, &definitions, loaded, now)) {
            let id = &compiled.segment.id;
            match bits {
                Some(bits) => {
                    loaded.dataset.put_audience(id.as_str(), bits.clone());
                    found.insert(id.clone(), bits);
                }
                None => overran.push((id.clone(), compiled.segment.version)),
            }
        }
    }
    (found, overran)
}

/// `None`: it costs more than it may.
pub(super) fn members(
    inner: &Inner,
    audiences: &Audiences,
    definitions: &[&Definition],
    loaded: &Loaded,
    now: Millis,
) -> Vec<Option<Bits>> {
    let rates = audiences.rates(now);
    let of = ColumnEvaluation { data: &loaded.dataset, rates: rates.as_rates(), now };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let budget = inner.options.budget.all;
    let plans: Vec<&Plan> = definitions.iter().map(|definition| &definition.plan).collect();
    let met = SegmentSet::new(&plans).evaluate_within(&of, threads, budget);
    let first = |(definition, met): (&&Definition, Option<Bits>)| match &definition.rank {
        Some(rank) => rank.first(&met?, &of, threads, budget),
        None => met,
    };
    definitions.iter().zip(met).map(first).collect()
}

fn difference(audiences: &Audiences, compiled: &Arc<Compiled>, loaded: &Loaded, now: &Bits) -> Difference {
    let none = Bits::none(now.len());
    let before = loaded.members.get(&compiled.segment.id).unwrap_or(&none);
    let numbers = &loaded.numbers[audiences.links.entity(compiled.definition.entity.kind())];
    let left = before.difference(now);
    let entered = now.difference(before);
    let change = |status| move |row: usize| Some((*numbers.get(row)?, status));
    // Who leaves first, as deliveries do.
    let left = left.rows().filter_map(change(MembershipStatus::Exited)).collect::<Vec<_>>();
    let entered = entered.rows().filter_map(change(MembershipStatus::Realized));
    let changes = left.into_iter().chain(entered).collect();
    Difference { compiled: Arc::clone(compiled), changes, members: now.count() as u64 }
}

/// Whether an evaluation is at work on a segment, or was stopped in the middle: some of its members may be of before, and
/// some of after.
pub(crate) fn is_at_work(inner: &Inner, segment: &Segment) -> Result<bool, Fault> {
    let is_of = |it: &Evaluation| it.wanted.is_empty() || it.wanted.contains(&segment.id);
    let running = |it: &Evaluation| it.status == EvaluationStatus::Running && is_of(it);
    Ok(segment.result_of.is_some() && inner.all::<Evaluation>(Kind::Evaluation)?.iter().any(running))
}

/// Whether an evaluation is still to come that will look at a segment.
pub(super) fn is_awaited(evaluation: &Evaluation, segment: &SegmentId) -> bool {
    evaluation.status == EvaluationStatus::Queued
        && (evaluation.wanted.is_empty() || evaluation.wanted.contains(segment))
}
