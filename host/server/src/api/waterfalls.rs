//! `/v1/sandboxes/{sandbox}/waterfalls`: audiences in an order, of which everybody is in the first that fits.

use super::answer::{Created, Done, Tagged};
use super::body::Body;
use super::etag::IfMatch;
use super::listing::{Everything, Listing, Paged};
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::refusal::Result;
use crate::app::sandbox::Sandbox;
use crate::app::stamp::Stamp;
use crate::app::waterfalls::{NewWaterfall, StepCounts, WaterfallPreview};
use attiva_core::waterfall::Waterfall;
use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Routes {
    Routes::of("waterfalls", "Audiences in an order, of which everybody is in the first that fits.")
        .get("/v1/sandboxes/{sandbox}/waterfalls", "list", "List waterfalls", list)
        .post("/v1/sandboxes/{sandbox}/waterfalls", "create", "Put audiences in an order", create)
        .post(
            "/v1/sandboxes/{sandbox}/waterfalls/preview",
            "preview",
            "Count whom each audience would take in an order",
            preview,
        )
        .refuses(&[429])
        .get(
            "/v1/sandboxes/{sandbox}/waterfalls/{waterfall}",
            "show",
            "Show a waterfall, with how many each step takes",
            show,
        )
        .put(
            "/v1/sandboxes/{sandbox}/waterfalls/{waterfall}",
            "change",
            "Change the order, the audiences or the name",
            change,
        )
        .refuses(&[409])
        .delete(
            "/v1/sandboxes/{sandbox}/waterfalls/{waterfall}",
            "remove",
            "Remove a waterfall and the segments of its steps",
            remove,
        )
        .refuses(&[409])
}

/// What a waterfall is to be.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewWaterfall")]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The segments of its steps are called by it: `Priority: Customers`.
    name: String,
    /// Ids of 2 to 50 segments of one kind. Whoever is in several belongs to the step of the first.
    audiences: Vec<String>,
}

impl From<Wanted> for NewWaterfall {
    fn from(Wanted { name, audiences }: Wanted) -> Self {
        Self { name, audiences }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Waterfall")]
struct View {
    id: String,
    name: String,
    /// In their order.
    steps: Vec<StepView>,
    created_at: Instant,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WaterfallStep")]
struct StepView {
    audience: String,
    name: String,
    /// The segment of those whom no step before has.
    segment: String,
    /// Its members now.
    takes: u64,
    /// Members of the audience now: what it would take if it were the first.
    alone: u64,
}

impl View {
    fn of(sandbox: &Sandbox, waterfall: Waterfall) -> Result<Self> {
        let counts = sandbox.waterfall_counts(&waterfall)?;
        let steps = waterfall.steps.iter().zip(counts).map(|(step, StepCounts { audience, takes, alone })| StepView {
            audience: audience.id.to_string(),
            name: audience.name,
            segment: step.segment.to_string(),
            takes,
            alone,
        });
        Ok(Self {
            steps: steps.collect(),
            id: waterfall.id.to_string(),
            name: waterfall.name,
            created_at: Instant(waterfall.created_at),
        })
    }
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "WaterfallPreviewRequest")]
#[serde(deny_unknown_fields)]
struct Order {
    /// Ids of 2 to 50 segments of one kind.
    audiences: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WaterfallPreview")]
struct PreviewView {
    steps: Vec<PreviewedStep>,
    /// Of how many.
    of: u64,
    as_of: Instant,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WaterfallPreviewStep")]
struct PreviewedStep {
    audience: String,
    name: String,
    /// Those whom no audience before has.
    takes: u64,
    /// All of the audience.
    alone: u64,
    /// Whether the audience has a result. Without one nobody is known to be in it or not, and those after it take nobody.
    has_result: bool,
}

async fn list(scope: Scope, listing: Listing<Everything>) -> Result<Paged<View>> {
    let waterfalls = scope.sandbox.waterfalls(listing.after.as_deref(), listing.wanted())?;
    let views = waterfalls.into_iter().map(|it| View::of(&scope.sandbox, it)).collect::<Result<Vec<_>>>()?;
    Ok(listing.answer(views, |view| view.id.clone(), |view| view))
}

async fn create(scope: Scope, stamp: Stamp, Body(body): Body<Wanted>) -> Result<Created<View>> {
    let made = scope.sandbox.create_waterfall(&scope.caller, stamp, &body.into()).await?;
    let place = scope.url(&format!("waterfalls/{}", made.value.id));
    Ok(Created::at(place, View::of(&scope.sandbox, made.value)?).version(made.version))
}

async fn preview(scope: Scope, Body(Order { audiences }): Body<Order>) -> Result<Json<PreviewView>> {
    let WaterfallPreview { steps, of, as_of } = scope.sandbox.preview_waterfall(&audiences).await?;
    let step = |StepCounts { audience, takes, alone }| PreviewedStep {
        has_result: audience.is_known(),
        audience: audience.id.to_string(),
        name: audience.name,
        takes,
        alone,
    };
    Ok(Json(PreviewView { steps: steps.into_iter().map(step).collect(), of, as_of: Instant(as_of) }))
}

async fn show(scope: Scope) -> Result<Tagged<View>> {
    let found = scope.sandbox.waterfall(scope.param("waterfall"))?;
    Ok(Tagged { value: View::of(&scope.sandbox, found.value)?, version: found.version })
}

async fn change(
    scope: Scope,
    stamp: Stamp,
    IfMatch(expect): IfMatch,
    Body(body): Body<Wanted>,
) -> Result<Tagged<View>> {
    let id = scope.param("waterfall");
    let changed = scope.sandbox.change_waterfall(&scope.caller, stamp, id, &body.into(), expect).await?;
    Ok(Tagged { value: View::of(&scope.sandbox, changed.value)?, version: changed.version })
}

async fn remove(scope: Scope) -> Result<Done> {
    scope.sandbox.remove_waterfall(&scope.caller, scope.param("waterfall")).await?;
    Ok(Done)
}
