//! What may be asked of a segment beside who belongs: why, who would by another rule, what that would change, what it
//! shares with others, and what it has been.

use super::body::{Body, Query};
use super::listing::{Everything, Listing, Paged};
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::refusal::Result;
use crate::app::segments::{AudienceCounts, Overlap};
use attiva_core::Millis;
use attiva_core::config::{AudienceEntity, EvaluationMethod};
use attiva_core::evaluation::Read;
use attiva_core::membership::{AudienceDay, MembershipCounts};
use attiva_core::ports::store::{MembershipEvent, MembershipStatus, Profile};
use attiva_core::ranking::{RankOrder, Ranking};
use attiva_core::time::format_timestamp;
use attiva_segments::Explanation;
use attiva_sync::{
    AskedAudience, Compared, Counted, MembershipExplanation, Preview, Ranked, SegmentStatement, SegmentWish,
};
use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::num::NonZeroU32;

pub(super) fn routes() -> Routes {
    Routes::of("segments", "Rules that say who belongs, and what may be asked of them.")
        .post("/v1/sandboxes/{sandbox}/segments/preview", "preview", "Count who would belong by a rule", preview)
        .refuses(&[429])
        .post(
            "/v1/sandboxes/{sandbox}/segments/{segment}/compare",
            "compare",
            "Tell who would enter and leave by another rule",
            compare,
        )
        .refuses(&[429])
        .get(
            "/v1/sandboxes/{sandbox}/segments/{segment}/explanation",
            "explain",
            "Tell why a profile belongs, or does not",
            explain,
        )
        .refuses(&[422, 429])
        .get(
            "/v1/sandboxes/{sandbox}/segments/{segment}/sql",
            "sql",
            "Show a segment as SQL over the open tables",
            statement,
        )
        .refuses(&[422])
        .get(
            "/v1/sandboxes/{sandbox}/segments/{segment}/overlap",
            "overlap",
            "Count the members that segments share",
            overlap,
        )
        .refuses(&[422])
        .get(
            "/v1/sandboxes/{sandbox}/segments/{segment}/counts",
            "counts",
            "Count members by status, and day by day",
            counts,
        )
        .refuses(&[422])
        .get(
            "/v1/sandboxes/{sandbox}/segments/{segment}/history",
            "history",
            "List who entered and left, newest first",
            history,
        )
        .get(
            "/v1/sandboxes/{sandbox}/profiles/{profile}/memberships",
            "memberships",
            "List what segments a profile entered and left, newest first",
            memberships,
        )
}

/// Profiles that an answer shows, unless it is asked for more.
const SAMPLES: usize = 10;
/// Most of them.
const SAMPLES_MAX: usize = 100;

fn samples(wanted: Option<u16>) -> usize {
    wanted.map_or(SAMPLES, usize::from).min(SAMPLES_MAX)
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "RulePreviewRequest")]
#[serde(deny_unknown_fields)]
struct Rule {
    expression: String,
    #[serde(default)]
    entity: AudienceEntity,
    rank: Option<Ranking>,
    evaluation: Option<EvaluationMethod>,
    /// Profiles to show; 10 unless it says so, 100 at most.
    samples: Option<u16>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "RuleCompareRequest")]
#[serde(deny_unknown_fields)]
struct OtherRule {
    expression: String,
    /// Absent: none.
    rank: Option<Ranking>,
    samples: Option<u16>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SampleProfile")]
struct Sample {
    profile: String,
    attributes: Map<String, Value>,
}

impl Sample {
    fn of(profile: Profile) -> Self {
        let attributes = profile.attributes.into_iter().map(|(name, value)| (name, value.to_json()));
        Self { profile: profile.id.to_string(), attributes: attributes.collect() }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Counted")]
struct CountedView {
    count: u64,
    samples: Vec<Sample>,
}

impl CountedView {
    fn of(Counted { count, samples }: Counted) -> Self {
        Self { count, samples: samples.into_iter().map(Sample::of).collect() }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RulePreview")]
struct PreviewView {
    #[serde(flatten)]
    members: CountedView,
    /// Of how many.
    of: u64,
    as_of: Instant,
    /// What it took.
    read: Read,
}

async fn preview(scope: Scope, Body(body): Body<Rule>) -> Result<Json<PreviewView>> {
    let Rule { expression, entity, rank, evaluation, .. } = &body;
    let wish = SegmentWish { expression, entity: *entity, rank: rank.as_ref(), evaluation: *evaluation };
    let Preview { members, of, as_of, read } = scope.sandbox.preview_segment(&wish, samples(body.samples)).await?;
    Ok(Json(PreviewView { members: CountedView::of(members), of, as_of: Instant(as_of), read }))
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RuleComparison")]
struct ComparedView {
    entering: CountedView,
    leaving: CountedView,
    staying: u64,
    as_of: Instant,
}

async fn compare(scope: Scope, Body(body): Body<OtherRule>) -> Result<Json<ComparedView>> {
    let OtherRule { expression, rank, samples: wanted } = &body;
    let segment = scope.param("segment");
    let compared = scope.sandbox.compare_segment(segment, expression, rank.as_ref(), samples(*wanted));
    let Compared { entering, leaving, staying, as_of } = compared.await?;
    let (entering, leaving) = (CountedView::of(entering), CountedView::of(leaving));
    Ok(Json(ComparedView { entering, leaving, staying, as_of: Instant(as_of) }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct About {
    profile: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MembershipExplanation")]
struct ExplanationView {
    segment: String,
    profile: String,
    /// Whether it is a member as memberships stand: of a segment that is evaluated in batch, by its latest result.
    is_member: bool,
    /// The batch evaluation that this result is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    result_of: Option<String>,
    /// The audiences that the rule asks for, each with the batch evaluation whose result counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    asks_for: Vec<AskedView>,
    /// What the rule says by what is known now.
    now: Explanation,
    /// What the profile is put in the order by, where only the first belong.
    #[serde(skip_serializing_if = "Option::is_none")]
    ranked: Option<RankedView>,
    /// The same, for people.
    text: String,
    as_of: Instant,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AskedAudience")]
struct AskedView {
    segment: String,
    name: String,
    /// Absent: it is evaluated in streaming, or has no result yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    result_of: Option<String>,
    /// The instant that it was evaluated for, as long as the evaluation is on record.
    #[serde(skip_serializing_if = "Option::is_none")]
    result_as_of: Option<Instant>,
}

impl AskedView {
    fn of(asked: &AskedAudience) -> Self {
        let AskedAudience { segment, name, result_of, result_as_of } = asked;
        Self {
            segment: segment.to_string(),
            name: name.clone(),
            result_of: result_of.as_ref().map(ToString::to_string),
            result_as_of: result_as_of.map(Instant),
        }
    }
}

/// People know audiences by their names, and ask how old an answer is.
fn told(mut text: String, asked: &[AskedAudience]) -> String {
    for AskedAudience { segment, name, .. } in asked {
        text = text.replace(&format!("inAudience(\"{segment}\")"), &format!("inAudience({name:?})"));
    }
    for AskedAudience { name, result_of, result_as_of, .. } in asked {
        if let Some(evaluation) = result_of {
            let as_of = result_as_of.map(|at| format!(", as of {}", format_timestamp(at))).unwrap_or_default();
            text += &format!("\nmembers of {name:?} are those of {evaluation}{as_of}");
        }
    }
    text
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RankedValue")]
struct RankedView {
    by: String,
    order: RankOrder,
    limit: NonZeroU32,
    /// Null: it has none, and is behind all that have one.
    value: Value,
}

async fn explain(scope: Scope, Query(About { profile }): Query<About>) -> Result<Json<ExplanationView>> {
    let found = scope.sandbox.explain_membership(scope.param("segment"), &profile).await?;
    let MembershipExplanation { segment, explanation, ranked, is_member, result_of, asked, as_of } = found;
    let mut text = told(explanation.to_string(), &asked);
    if let Some(Ranked { ranking, value }) = &ranked {
        text = format!("{text}\nonly the first {} by {} belong: {}", ranking.limit, ranking.by, value.to_json());
    }
    Ok(Json(ExplanationView {
        segment: segment.to_string(),
        profile,
        is_member,
        result_of: result_of.map(|id| id.to_string()),
        asks_for: asked.iter().map(AskedView::of).collect(),
        text,
        ranked: ranked.map(|Ranked { ranking, value }| {
            let Ranking { by, order, limit } = ranking;
            RankedView { by, order, limit, value: value.to_json() }
        }),
        now: explanation,
        as_of: Instant(as_of),
    }))
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SegmentSql")]
struct StatementView {
    segment: String,
    /// Of the rule.
    version: u32,
    /// Names the members by their numbers, `_id` in the views of the open tables.
    sql: String,
    /// The instant that stands in it for `now`, and whose day's rates of exchange do.
    as_of: Instant,
}

async fn statement(scope: Scope) -> Result<Json<StatementView>> {
    let SegmentStatement { segment, version, sql, as_of } = scope.sandbox.segment_statement(scope.param("segment"))?;
    Ok(Json(StatementView { segment: segment.to_string(), version, sql, as_of: Instant(as_of) }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct With {
    /// Ids of segments, with commas between them.
    with: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SegmentOverlaps")]
struct OverlapsView {
    segment: String,
    members: u64,
    overlaps: Vec<OverlapView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SegmentOverlap")]
struct OverlapView {
    with: String,
    members: u64,
    /// Members of both.
    common: u64,
}

async fn overlap(scope: Scope, Query(With { with }): Query<With>) -> Result<Json<OverlapsView>> {
    let with: Vec<&str> = with.split(',').filter(|id| !id.is_empty()).collect();
    let (members, overlaps) = scope.sandbox.overlaps(scope.param("segment"), &with)?;
    let view = |Overlap { with, members, common }| OverlapView { with: with.to_string(), members, common };
    let segment = scope.param("segment").to_owned();
    Ok(Json(OverlapsView { segment, members, overlaps: overlaps.into_iter().map(view).collect() }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Days {
    /// How many days, the last of which is today; 30 unless it says so, 366 at most.
    days: Option<u16>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AudienceCounts")]
struct CountsView {
    segment: String,
    /// `realized` and `existing` of them.
    members: u64,
    /// Members who entered with the latest result; of a streaming audience, today (UTC).
    realized: u64,
    /// Members who were there before.
    existing: u64,
    /// How often somebody left since.
    exited: u64,
    /// The batch evaluation that these are of.
    #[serde(skip_serializing_if = "Option::is_none")]
    result_of: Option<String>,
    as_of: Instant,
    /// From the first to today, as far back as history is kept.
    days: Vec<AudienceDay>,
}

async fn counts(scope: Scope, Query(Days { days }): Query<Days>) -> Result<Json<CountsView>> {
    let segment = scope.param("segment").to_owned();
    let AudienceCounts { counts, days, result_of, as_of } =
        scope.sandbox.count_by_status(&segment, days.unwrap_or(30))?;
    let MembershipCounts { members, realized, exited, .. } = counts;
    let existing = members.saturating_sub(realized);
    let result_of = result_of.map(|id| id.to_string());
    Ok(Json(CountsView { segment, members, realized, existing, exited, result_of, as_of: Instant(as_of), days }))
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MembershipEvent")]
struct EventView {
    segment: String,
    profile: String,
    status: MembershipStatus,
    at: Instant,
    /// `change` of the profile, `event`, `time` (a window ran out, or another audience changed), `definition`,
    /// `profile-removed`, or the id of a batch evaluation.
    cause: String,
}

impl EventView {
    fn of(event: MembershipEvent) -> Self {
        let MembershipEvent { segment, profile, status, at, cause, .. } = event;
        let at: Millis = at;
        Self { segment: segment.to_string(), profile: profile.to_string(), status, at: Instant(at), cause }
    }
}

async fn history(scope: Scope, listing: Listing<Everything>) -> Result<Paged<EventView>> {
    let before = before(&listing)?;
    let events = scope.sandbox.segment_history(scope.param("segment"), before, listing.wanted())?;
    Ok(listing.answer(events, |event| event.number.to_string(), EventView::of))
}

async fn memberships(scope: Scope, listing: Listing<Everything>) -> Result<Paged<EventView>> {
    let before = before(&listing)?;
    let events = scope.sandbox.profile_history(scope.param("profile"), before, listing.wanted())?;
    Ok(listing.answer(events, |event| event.number.to_string(), EventView::of))
}

fn before(listing: &Listing<Everything>) -> Result<Option<i64>> {
    Ok(match listing.after {
        Some(_) => Some(listing.after_number()?),
        None => None,
    })
}
