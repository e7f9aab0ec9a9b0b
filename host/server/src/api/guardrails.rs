//! `/v1/sandboxes/{sandbox}/guardrails`: limits as data. Operators override them, in any organisation.

use super::answer::Tagged;
use super::body::Body;
use super::etag::IfMatch;
use super::listing::Items;
use super::routes::Routes;
use super::scope::Scope;
use crate::app::guardrails::Limit;
use crate::app::refusal::Result;
use crate::app::sandbox::Versioned;
use attiva_core::guardrail::{Beyond, Override, Overrides, Unit};
use schemars::JsonSchema;
use serde::Serialize;

pub(super) fn routes() -> Routes {
    Routes::of("guardrails", "Limits: what there may be how much of.")
        .get("/v1/sandboxes/{sandbox}/guardrails", "show", "Show the limits, and how much there is", show)
        .put("/v1/sandboxes/{sandbox}/guardrails", "override", "Replace what an operator overrides of the limits", put)
        .get(
            "/v1/organisations/{organisation}/sandboxes/{sandbox}/guardrails",
            "show_of",
            "Show the limits, and how much there is, of any organisation",
            show,
        )
        .put(
            "/v1/organisations/{organisation}/sandboxes/{sandbox}/guardrails",
            "override_of",
            "Replace what an operator overrides of the limits, of any organisation",
            put,
        )
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Guardrail")]
struct View {
    id: &'static str,
    title: &'static str,
    unit: Unit,
    /// From here on it is warned of; 0: not.
    warn_at: u64,
    /// Most there may be; 0: no bound.
    max: u64,
    /// What happens to what is over `max`.
    beyond: Beyond,
    default: Bounds,
    #[serde(rename = "override", skip_serializing_if = "Option::is_none")]
    overridden: Option<Override>,
    adjustable: bool,
    /// How much there is now, where that is cheap to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<u64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    reference: &'static str,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "GuardrailBounds")]
struct Bounds {
    warn_at: u64,
    max: u64,
}

impl View {
    fn of(limit: Limit) -> Self {
        let Limit { holds, default, overridden, used } = limit;
        Self {
            id: holds.id,
            title: holds.title,
            unit: holds.unit,
            warn_at: holds.warn_at,
            max: holds.max,
            beyond: holds.beyond,
            default: Bounds { warn_at: default.warn_at, max: default.max },
            overridden,
            adjustable: holds.is_adjustable(),
            used,
            reference: holds.reference,
        }
    }
}

fn answer(limits: Versioned<Vec<Limit>>) -> Tagged<Items<View>> {
    let items = limits.value.into_iter().map(View::of).collect();
    Tagged { value: Items { items }, version: limits.version }
}

async fn show(scope: Scope) -> Result<Tagged<Items<View>>> {
    Ok(answer(scope.sandbox.guardrails()?))
}

/// All overrides: those left out are taken back.
async fn put(scope: Scope, IfMatch(expect): IfMatch, Body(overrides): Body<Overrides>) -> Result<Tagged<Items<View>>> {
    Ok(answer(scope.sandbox.override_guardrails(&scope.caller, overrides, expect).await?))
}
