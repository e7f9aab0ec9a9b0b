//! First evaluations of segments that are evaluated in streaming: person by person, by all that are equally far at once,
//! since to read a person and their events takes longer than to ask one more rule about them.

use super::catalog::{Audiences, Compiled};
use super::streaming::{Traced, commit, document, look};
use crate::engine::Inner;
use crate::trace;
use attiva_core::Fault;
use attiva_core::config::Segment;
use attiva_core::id::SegmentId;
use attiva_core::model::EntityName;
use attiva_core::ports::store::{Feed, MembershipCommit, MembershipDue, Seq};
use std::collections::BTreeSet;
use std::sync::Arc;
use tracing::field::Empty;

/// Answers of one commit at most, of whom all may be members: short, so that nobody waits long for the writer.
const ANSWERS: usize = 5_000;

/// The next chunk; `None`: no segment waits for its first evaluation. One that asks for an audience without a result waits
/// for that.
pub(super) fn step(inner: &Inner, audiences: &Audiences) -> Result<Option<Traced>, Fault> {
    let is_ready = |it: &&Arc<Compiled>| {
        !it.segment.evaluated && it.definition.asks_for.iter().all(|asked| audiences.is_known(asked))
    };
    let waiting: Vec<&Arc<Compiled>> = audiences.streaming().filter(is_ready).collect();
    let far = |it: &&Arc<Compiled>| inner.store.projector_cursor(&cursor(&it.segment));
    let far: Vec<u64> = waiting.iter().map(far).collect::<Result<_, _>>()?;
    let Some(Cohort { members, after, next }) = cohort(&far) else { return Ok(None) };
    let segments: Vec<&Arc<Compiled>> = members.into_iter().filter_map(|member| waiting.get(member).copied()).collect();

    let span = tracing::info_span!(target: trace::TARGET, "segments", cause = "definition", segments = segments.len(), entered_or_left = Empty);
    // A segment's first members came of what was there: of whoever brought the newest of it, where that is known.
    let span = inner.trail.follows_newest(inner.store.as_ref(), Feed::Profiles, Seq::MAX, span)?;
    let commit = span.in_scope(|| chunk(inner, audiences, &segments, after, next))?;
    Ok(Some((commit, span)))
}

/// Whoever is the least far, and upto whom: there the next ones join them.
#[derive(Debug, PartialEq, Eq)]
struct Cohort {
    /// Places in what was asked.
    members: Vec<usize>,
    after: u64,
    next: Option<u64>,
}

fn cohort(far: &[u64]) -> Option<Cohort> {
    let after = *far.iter().min()?;
    let members = (0..).zip(far).filter(|(_, it)| **it == after).map(|(place, _)| place).collect();
    let next = far.iter().copied().filter(|it| *it > after).min();
    Some(Cohort { members, after, next })
}

fn chunk(
    inner: &Inner,
    audiences: &Audiences,
    segments: &[&Arc<Compiled>],
    after: u64,
    next: Option<u64>,
) -> Result<MembershipCommit, Fault> {
    let mut commit = commit("definition", inner);
    let rows = (ANSWERS / segments.len().max(1)).clamp(1, inner.options.projection_rows);
    let after_number = i64::try_from(after).unwrap_or(i64::MAX);
    let mut profiles = inner.store.profiles(&EntityName::PERSON, after_number, rows)?;
    let is_over = profiles.is_empty();
    let read = profiles.last().and_then(|profile| u64::try_from(profile.number).ok()).unwrap_or(after);
    let upto = next.map_or(read, |next| read.min(next));
    if is_over {
        for compiled in segments {
            commit.documents.push(document(&evaluated(&compiled.segment), compiled.version)?);
        }
    } else {
        profiles.retain(|profile| u64::try_from(profile.number).is_ok_and(|number| number <= upto));
        look(inner, audiences, segments, profiles, None, &mut commit)?;
    }
    let feeding: BTreeSet<&SegmentId> =
        segments.iter().filter(|it| it.feeds_streaming).map(|it| &it.segment.id).collect();
    let moved = commit.changes.iter().filter(|change| feeding.contains(&change.segment));
    commit.due.extend(moved.map(|change| MembershipDue::of_all(change.profile, commit.now)));
    commit.cursors = segments.iter().map(|it| (cursor(&it.segment), upto)).collect();
    tracing::debug!(segments = segments.len(), upto, "first evaluation");
    Ok(commit)
}

fn evaluated(segment: &Segment) -> Segment {
    Segment { evaluated: true, has_result: true, result_of: None, result_began_at: None, ..segment.clone() }
}

/// Of the first evaluation of this version of the rule.
fn cursor(segment: &Segment) -> String {
    let Segment { id, version, .. } = segment;
    if *version == 1 { format!("segment:{id}") } else { format!("segment:{id}:{version}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_the_least_far_goes_on_until_the_next_ones_can_join() {
        let of = |members: &[usize], after, next| Some(Cohort { members: members.to_vec(), after, next });
        assert_eq!(cohort(&[]), None);
        assert_eq!(cohort(&[7]), of(&[0], 7, None));
        assert_eq!(cohort(&[7, 7]), of(&[0, 1], 7, None));
        assert_eq!(cohort(&[9, 3, 5, 3]), of(&[1, 3], 3, Some(5)));
    }
}
