//! `/v1/sandboxes/{sandbox}/profiles`: persons, accounts, opportunities and the rest: by id, by what identifies them, by
//! the beginning of a name, or all; and what they hang together with.

use super::listing::{Everything, Items, Listing, Paged, foreign_cursor};
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::profiles::{ProfileDetail, Search};
use crate::app::refusal::{FieldProblem, Refusal, Result};
use attiva_core::model::{EntityName, Way};
use attiva_core::ports::store::{Found, FoundPlace, Profile};
use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(super) fn routes() -> Routes {
    Routes::of("profiles", "Persons, accounts, opportunities and the rest, unified.")
        .get("/v1/sandboxes/{sandbox}/profiles", "list", "List or find profiles", list)
        .refuses(&[404, 422])
        .get("/v1/sandboxes/{sandbox}/profiles/{profile}", "show", "Show a profile", show)
        .get(
            "/v1/sandboxes/{sandbox}/profiles/{profile}/related",
            "ways",
            "List the ways that lead on from a profile",
            ways,
        )
        .get(
            "/v1/sandboxes/{sandbox}/profiles/{profile}/related/{relation}",
            "related",
            "List the profiles that one way leads to",
            related,
        )
        .refuses(&[422])
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// `account`; absent: persons.
    entity: Option<String>,
    /// `email`, `source_key`; with `value` or `prefix`.
    namespace: Option<String>,
    value: Option<String>,
    /// The beginning of an identity.
    prefix: Option<String>,
    /// The beginning of a name: of a person first or last, of the rest as they are called.
    name: Option<String>,
    /// `true`: only those that a limit keeps records out of.
    degraded: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Profile")]
struct View {
    id: String,
    entity: String,
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
            entity: profile.entity.to_string(),
            attributes: attributes.collect(),
            records: profile.records,
            changed_at: Instant(profile.changed_at),
            degraded: profile.degraded,
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ProfileDetail")]
struct Detail {
    #[serde(flatten)]
    view: View,
    sources: Vec<SourceRecord>,
    segments: Vec<String>,
    references: Vec<ReferenceView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ProfileReference")]
struct ReferenceView {
    /// The field that says so.
    field: String,
    /// The entity it names.
    to: String,
    /// By this source key.
    key: String,
    /// The profile that is now; null: nobody yet.
    profile: Option<String>,
}

#[derive(Serialize, JsonSchema)]
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
        let references = detail.references.into_iter().map(|(reference, profile)| ReferenceView {
            field: reference.field,
            to: reference.to.to_string(),
            key: reference.key,
            profile: profile.map(|id| id.to_string()),
        });
        Self {
            references: references.collect(),
            view: View::of(detail.profile),
            sources: detail.records.into_iter().map(source).collect(),
            segments: detail.segments.iter().map(ToString::to_string).collect(),
        }
    }
}

async fn list(scope: Scope, listing: Listing<Filter>) -> Result<Paged<View>> {
    let Filter { entity, namespace, value, prefix, name, degraded } = &listing.filter;
    let entity = scope.sandbox.entity(entity.as_deref().unwrap_or("person"))?;
    let only_degraded = degraded.unwrap_or(false);
    let profiles = match (namespace, value, prefix, name) {
        (None, None, None, None) if only_degraded => {
            scope.sandbox.degraded_profiles(&entity, listing.after_number()?, listing.wanted())?
        }
        (None, None, None, None) => scope.sandbox.profiles(&entity, listing.after_number()?, listing.wanted())?,
        (Some(namespace), Some(value), None, None) => {
            let found = scope.sandbox.profile_by_identity(&entity, namespace, value)?;
            found.into_iter().filter(|profile| profile.degraded || !only_degraded).collect()
        }
        (Some(namespace), None, Some(prefix), None) if !only_degraded => {
            return search(&scope, &listing, &entity, Search::Identity { namespace, prefix });
        }
        (None, None, None, Some(name)) if !only_degraded => {
            return search(&scope, &listing, &entity, Search::Name(name));
        }
        _ => return Err(one_way_to_find()),
    };
    Ok(listing.answer(profiles, |p| p.number.to_string(), View::of))
}

fn search(scope: &Scope, listing: &Listing<Filter>, entity: &EntityName, search: Search<'_>) -> Result<Paged<View>> {
    let after = listing.after.as_deref().map(place).transpose()?;
    let found = scope.sandbox.search(entity, search, after.as_ref(), listing.wanted())?;
    Ok(listing.answer(found, |f| format!("{}:{}", f.place.profile, f.place.by), |found: Found| View::of(found.profile)))
}

/// A place that an earlier page ended at.
fn place(text: &str) -> Result<FoundPlace> {
    let parts = text.split_once(':').and_then(|(n, by)| Some((n.parse().ok()?, by.to_owned())));
    parts.map(|(profile, by)| FoundPlace { by, profile }).ok_or_else(foreign_cursor)
}

fn one_way_to_find() -> Refusal {
    let problem = "`namespace` goes with `value` or with `prefix`, `name` stands alone, and `degraded` goes with neither \
                   `prefix` nor `name`";
    Refusal::invalid("request.invalid", problem, vec![FieldProblem::new("namespace", problem)])
}

async fn ways(scope: Scope) -> Result<Json<Items<Way>>> {
    Ok(Json(Items { items: scope.sandbox.ways(scope.param("profile"))? }))
}

async fn related(scope: Scope, listing: Listing<Everything>) -> Result<Paged<View>> {
    let (profile, relation) = (scope.param("profile"), scope.param("relation"));
    let related = scope.sandbox.related(profile, relation, listing.after_number()?, listing.wanted())?;
    Ok(listing.answer(related, |p| p.number.to_string(), View::of))
}

async fn show(scope: Scope) -> Result<Json<Detail>> {
    Ok(Json(Detail::of(scope.sandbox.profile(scope.param("profile"))?)))
}
