//! `/v1/sandboxes/{sandbox}/profiles/{profile}/explanation`: why this value, why these records, and what was held back.

use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::refusal::Result;
use attiva_core::identity::{Held, Identity, Level, Link};
use attiva_core::merge::Why;
use attiva_sync::{Explanation, FieldOrigin, Pinned, RecordOrigin};
use axum::Json;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

pub(super) fn routes() -> Routes {
    Routes::of("profiles", "Persons, accounts, opportunities and the rest, unified.").get(
        "/v1/sandboxes/{sandbox}/profiles/{profile}/explanation",
        "explain",
        "Tell why each value, why these records, and what was held back",
        explain,
    )
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ProfileExplanation")]
struct View {
    profile: String,
    /// Which identities join its records: all, firm ones only, none.
    level: Level,
    /// A limit keeps records out of it.
    degraded: bool,
    fields: Vec<FieldView>,
    links: Vec<Link>,
    held: Vec<HeldView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ExplainedField")]
struct FieldView {
    field: String,
    value: Value,
    why: Why,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<FromView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned: Option<PinnedView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FieldOrigin")]
struct FromView {
    source_key: String,
    connection: String,
    stream: String,
    changed_at: Instant,
    /// Over the native record.
    expression: String,
}

/// Who chose the value.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FieldPin")]
struct PinnedView {
    /// The API key it was chosen with.
    by: String,
    at: Instant,
}

/// What did not join records, though they share it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "HeldLink")]
struct HeldView {
    identity: Identity,
    reason: String,
    /// The records it would have joined, where it is about two.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    records: Vec<String>,
}

impl HeldView {
    fn of(held: Held) -> Self {
        let reason = held.to_string();
        match held {
            Held::Shared(identity) => Self { identity, reason, records: Vec::new() },
            Held::Refused(refusal) => {
                let Link { identity, from, to, .. } = refusal.link;
                Self { identity, reason, records: vec![from, to] }
            }
        }
    }
}

impl FieldView {
    fn of(origin: FieldOrigin) -> Self {
        let from = |RecordOrigin { source_key, connection, stream, at, expression }| FromView {
            source_key,
            connection: connection.to_string(),
            stream,
            changed_at: Instant(at),
            expression,
        };
        let pinned = origin.pinned.map(|Pinned { by, at }| PinnedView { by, at: Instant(at) });
        Self {
            field: origin.field,
            value: origin.value.to_json(),
            why: origin.why,
            from: origin.from.map(from),
            pinned,
        }
    }
}

async fn explain(scope: Scope) -> Result<Json<View>> {
    let Explanation { profile, level, degraded, fields, links, held } =
        scope.sandbox.explain_profile(scope.param("profile")).await?;
    Ok(Json(View {
        profile: profile.to_string(),
        level,
        degraded,
        fields: fields.into_iter().map(FieldView::of).collect(),
        links,
        held: held.into_iter().map(HeldView::of).collect(),
    }))
}
