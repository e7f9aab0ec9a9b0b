//! `/v1/sandboxes/{sandbox}/profiles`: persons, by id, by what identifies them, or all.

use super::State;
use super::listing::Listing;
use super::scope::Scope;
use super::time::Instant;
use crate::app::profiles::ProfileDetail;
use crate::app::refusal::{FieldProblem, Refusal, Result};
use attiva_core::ports::store::Profile;
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/v1/sandboxes/{sandbox}/profiles", get(list))
        .route("/v1/sandboxes/{sandbox}/profiles/{profile}", get(show))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// `email`, `source_key`; with `value`.
    namespace: Option<String>,
    value: Option<String>,
    /// `true`: only those that a limit keeps records out of.
    degraded: Option<bool>,
}

#[derive(Serialize)]
struct View {
    id: String,
    /// What is known; null where nothing is, the field is left out.
    attributes: Map<String, Value>,
    /// How many source records make it up.
    records: u32,
    changed_at: Instant,
    /// A limit keeps records out of it; its explanation says which.
    degraded: bool,
}

impl View {
    fn of(profile: Profile) -> Self {
        let attributes = profile.attributes.into_iter().map(|(name, value)| (name, value.to_json()));
        Self {
            id: profile.id.to_string(),
            attributes: attributes.collect(),
            records: profile.records,
            changed_at: Instant(profile.changed_at),
            degraded: profile.degraded,
        }
    }
}

#[derive(Serialize)]
struct Detail {
    #[serde(flatten)]
    view: View,
    sources: Vec<SourceRecord>,
    segments: Vec<String>,
}

#[derive(Serialize)]
struct SourceRecord {
    source_key: String,
    connection: String,
    stream: String,
    changed_at: Instant,
}

impl Detail {
    fn of(detail: ProfileDetail) -> Self {
        let source = |r: attiva_core::ports::store::StoredRecord| SourceRecord {
            changed_at: Instant(r.body.changed_at()),
            source_key: r.source_key,
            connection: r.connection.to_string(),
            stream: r.stream,
        };
        Self {
            view: View::of(detail.profile),
            sources: detail.records.into_iter().map(source).collect(),
            segments: detail.segments.iter().map(ToString::to_string).collect(),
        }
    }
}

async fn list(scope: Scope, listing: Listing<Filter>) -> Result<Response> {
    let Filter { namespace, value, degraded } = &listing.filter;
    let only_degraded = degraded.unwrap_or(false);
    let profiles = match (namespace, value) {
        (None, None) if only_degraded => scope.sandbox.degraded_profiles(listing.after_number()?, listing.wanted())?,
        (None, None) => scope.sandbox.profiles(listing.after_number()?, listing.wanted())?,
        (Some(namespace), Some(value)) => {
            let found = scope.sandbox.profile_by_identity(namespace, value)?;
            found.into_iter().filter(|profile| profile.degraded || !only_degraded).collect()
        }
        _ => return Err(half_an_identity()),
    };
    Ok(listing.answer(profiles, |p| p.number.to_string(), View::of))
}

fn half_an_identity() -> Refusal {
    let problem = "`namespace` and `value` belong together";
    Refusal::invalid("request.invalid", problem, vec![FieldProblem::new("namespace", problem)])
}

async fn show(scope: Scope) -> Result<Json<Detail>> {
    Ok(Json(Detail::of(scope.sandbox.profile(scope.param("profile"))?)))
}
