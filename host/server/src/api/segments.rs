//! `/v1/sandboxes/{sandbox}/segments`: rules, and who belongs.

use super::answer::{Created, Done, Tagged};
use super::body::Body;
use super::etag::IfMatch;
use super::listing::{Everything, Listing, Paged};
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::refusal::{FieldProblem, Result};
use crate::app::sandbox::Sandbox;
use crate::app::segments::NewSegment;
use crate::app::stamp::Stamp;
use attiva_core::config::{AudienceEntity, EvaluationMethod, Segment};
use attiva_core::membership::MemberStatus;
use attiva_core::ranking::Ranking;
use attiva_segments::{Classification, EdgeReason, Reason};
use attiva_sync::{Definition, SegmentWish};
use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Routes {
    Routes::of("segments", "Rules that say who belongs, and what may be asked of them.")
        .get("/v1/sandboxes/{sandbox}/segments", "list", "List segments", list)
        .post("/v1/sandboxes/{sandbox}/segments", "create", "Make a segment", create)
        .post(
            "/v1/sandboxes/{sandbox}/segments/check",
            "check",
            "Tell what a rule means, or what is wrong with it",
            check,
        )
        .get("/v1/sandboxes/{sandbox}/segments/{segment}", "show", "Show a segment, with how many belong", show)
        .put("/v1/sandboxes/{sandbox}/segments/{segment}", "change", "Change a segment", change)
        .refuses(&[409])
        .delete(
            "/v1/sandboxes/{sandbox}/segments/{segment}",
            "remove",
            "Remove a segment that nothing asks for",
            remove,
        )
        .refuses(&[409, 422])
        .get("/v1/sandboxes/{sandbox}/segments/{segment}/members", "members", "List who belongs", members)
}

/// What a segment is to be.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewSegment")]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    expression: String,
    /// What its members are.
    #[serde(default)]
    entity: AudienceEntity,
    /// Of those who meet the rule, only the first belong; then it is evaluated in batch.
    rank: Option<Ranking>,
    /// Absent: in streaming where the rule allows.
    evaluation: Option<EvaluationMethod>,
}

impl From<Wanted> for NewSegment {
    fn from(Wanted { name, expression, entity, rank, evaluation }: Wanted) -> Self {
        Self { name, expression, entity, rank, evaluation }
    }
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "RuleCheckRequest")]
#[serde(deny_unknown_fields)]
struct Check {
    expression: String,
    #[serde(default)]
    entity: AudienceEntity,
    rank: Option<Ranking>,
    evaluation: Option<EvaluationMethod>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RuleCheck")]
struct Checked {
    valid: bool,
    problems: Vec<FieldProblem>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    meaning: Option<Meaning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Cost>,
}

/// What a rule comes to.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RuleMeaning")]
struct Meaning {
    entity: AudienceEntity,
    /// How it is evaluated.
    evaluation: EvaluationMethod,
    /// Why not in streaming: the first condition that leaves the person, where it stands, and what it goes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<Reason>,
    /// Whether it is answered at a request, with what that says.
    edge: Edge,
    /// Segments whose audiences it asks for.
    asks_for: Vec<String>,
    /// Fields that it reads.
    reads: Vec<String>,
}

impl Meaning {
    fn of(definition: &Definition) -> Self {
        Self {
            entity: definition.entity,
            evaluation: definition.method,
            because: match &definition.classification {
                Classification::Streaming => None,
                Classification::Batch(reason) => Some(reason.clone()),
            },
            edge: Edge::of(definition),
            asks_for: definition.asks_for.iter().map(ToString::to_string).collect(),
            reads: definition.reads.clone(),
        }
    }
}

/// Whether a rule is answered at a request.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RuleAtEdge")]
struct Edge {
    qualifies: bool,
    /// Why not: the first condition that goes to another record, or to events older than a day. One that qualifies and is
    /// to be evaluated in batch is answered by its latest result, as all that do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<EdgeReason>,
}

impl Edge {
    fn of(definition: &Definition) -> Self {
        let because = definition.edge.as_ref().err().cloned();
        Self { qualifies: because.is_none(), because }
    }
}

/// Of one evaluation for everybody, by what there is now: the most that it reads.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RuleCost")]
struct Cost {
    records: u64,
    values: u64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Segment")]
struct View {
    id: String,
    name: String,
    expression: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rank: Option<Ranking>,
    /// The waterfall that makes its rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    waterfall: Option<String>,
    /// Rises with every change of the rule.
    version: u32,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    meaning: Option<Meaning>,
    /// Whether everybody has been looked at since the rule was made.
    evaluated: bool,
    /// The batch evaluation that its audience is the result of.
    #[serde(skip_serializing_if = "Option::is_none")]
    result_of: Option<String>,
    created_at: Instant,
    /// Members now.
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<u64>,
    /// Limits that it exceeds: it is made nevertheless.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl View {
    fn of(sandbox: &Sandbox, segment: Segment) -> Result<Self> {
        let meaning = sandbox.segment_definition(&segment.id)?.map(|it| Meaning::of(&it));
        let warnings = match meaning {
            Some(_) => Vec::new(),
            None => vec!["the rule no longer fits the model: its members stay as they are; check it".to_owned()],
        };
        Ok(Self {
            id: segment.id.to_string(),
            name: segment.name,
            expression: segment.expression,
            rank: segment.rank,
            waterfall: segment.waterfall.map(|id| id.to_string()),
            version: segment.version,
            meaning,
            evaluated: segment.evaluated,
            result_of: segment.result_of.map(|id| id.to_string()),
            created_at: Instant(segment.created_at),
            members: None,
            warnings,
        })
    }

    fn counted(sandbox: &Sandbox, segment: Segment) -> Result<Self> {
        let members = sandbox.count_members(&segment.id)?;
        Ok(Self { members: Some(members), ..Self::of(sandbox, segment)? })
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SegmentMember")]
struct MemberView {
    profile: String,
    /// `realized`: entered with the latest result, of a streaming audience today (UTC); `existing`: a member before.
    status: MemberStatus,
    /// When it entered.
    since: Instant,
}

async fn list(scope: Scope, listing: Listing<Everything>) -> Result<Paged<View>> {
    let segments = scope.sandbox.segments(listing.after.as_deref(), listing.wanted())?;
    let mut views = Vec::with_capacity(segments.len());
    for segment in segments {
        views.push(View::of(&scope.sandbox, segment)?);
    }
    Ok(listing.answer(views, |view| view.id.clone(), |view| view))
}

async fn create(scope: Scope, stamp: Stamp, Body(body): Body<Wanted>) -> Result<Created<View>> {
    let made = scope.sandbox.create_segment(&scope.caller, stamp, &body.into()).await?;
    let place = scope.url(&format!("segments/{}", made.value.id));
    let view = View { warnings: scope.sandbox.segment_warnings()?, ..View::of(&scope.sandbox, made.value)? };
    Ok(Created::at(place, view).version(made.version))
}

async fn change(scope: Scope, IfMatch(expect): IfMatch, Body(body): Body<Wanted>) -> Result<Tagged<View>> {
    let id = scope.param("segment");
    let changed = scope.sandbox.change_segment(&scope.caller, id, &body.into(), expect).await?;
    let view = View::of(&scope.sandbox, changed.value)?;
    Ok(Tagged { value: view, version: changed.version })
}

async fn remove(scope: Scope) -> Result<Done> {
    scope.sandbox.remove_segment(&scope.caller, scope.param("segment")).await?;
    Ok(Done)
}

/// Answers what is wrong with an expression, or what it means; that something is wrong is no problem of the request.
async fn check(scope: Scope, Body(body): Body<Check>) -> Result<Json<Checked>> {
    let Check { expression, entity, rank, evaluation } = &body;
    let wish = SegmentWish { expression, entity: *entity, rank: rank.as_ref(), evaluation: *evaluation };
    Ok(Json(match scope.sandbox.check_segment(None, &wish) {
        Ok(definition) => {
            let cost = scope.sandbox.engine().segment_cost(&definition)?;
            let cost = Some(Cost { records: cost.records, values: cost.values });
            Checked { valid: true, problems: Vec::new(), meaning: Some(Meaning::of(&definition)), cost }
        }
        Err(refusal) if refusal.fields.is_empty() => return Err(refusal),
        Err(refusal) => Checked { valid: false, problems: refusal.fields, meaning: None, cost: None },
    }))
}

async fn show(scope: Scope) -> Result<Tagged<View>> {
    let found = scope.sandbox.segment(scope.param("segment"))?;
    let view = View::counted(&scope.sandbox, found.value)?;
    Ok(Tagged { value: view, version: found.version })
}

async fn members(scope: Scope, listing: Listing<Everything>) -> Result<Paged<MemberView>> {
    let members = scope.sandbox.members(scope.param("segment"), listing.after_number()?, listing.wanted())?;
    Ok(listing.answer(
        members,
        |(number, ..)| number.to_string(),
        |(_, m, status)| MemberView { profile: m.profile.to_string(), status, since: Instant(m.since) },
    ))
}
