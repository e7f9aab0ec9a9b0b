//! `/v1/keys`: the organisation's API keys. `/v1/roles`: what each role may do.

use super::State;
use super::answer::{Created, Done};
use super::body::Body;
use super::listing::{Everything, Listing, Paged};
use super::path::Path;
use super::routes::Routes;
use super::time::Instant;
use crate::app::keys::{ApiKey, Caller, NewKey, NewKeyOf};
use crate::app::refusal::{FieldProblem, Refusal, Result};
use crate::app::stamp::Stamp;
use attiva_core::access::{Given, Role, Scope};
use attiva_core::id::OrganisationId;
use axum::Json;
use axum::extract;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Routes {
    Routes::of("keys", "API keys of the organisation.")
        .get("/v1/keys", "list", "List API keys", list)
        .post("/v1/keys", "create", "Make an API key; its text is shown this once", create)
        .refuses(&[404])
        .get("/v1/keys/{key}", "show", "Show an API key, without its text", show)
        .delete("/v1/keys/{key}", "revoke", "Revoke an API key", revoke)
        .post("/v1/keys/{key}/rotate", "rotate", "Give an API key another secret; it is shown this once", rotate)
        .get("/v1/roles", "roles", "List roles and scopes, and what each may do", roles)
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewApiKey")]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    name: String,
    /// Where neither a role nor scopes are named: `administrator`.
    role: Option<Role>,
    /// Beside those of the role.
    #[serde(default)]
    scopes: Vec<Scope>,
    /// The one sandbox that it is bound to.
    sandbox: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ApiKey")]
pub(super) struct View {
    id: String,
    name: String,
    organisation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sandbox: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    /// All that it may do, by its role and beside it.
    scopes: Vec<Scope>,
    created_at: Instant,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotated_at: Option<Instant>,
    /// Until then the secret before the last rotation is good as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    before_until: Option<Instant>,
    /// To the minute; missing: never, or not since hosts keep it.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Instant>,
    /// The key itself: only in the answer to its creation, or rotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl View {
    /// The one time that a key is shown.
    pub(super) fn shown(new: NewKey) -> Self {
        Self { key: Some(new.text), ..Self::of(new.key) }
    }

    /// A key as it is listed, with its last use.
    fn listed(state: &State, key: ApiKey) -> Result<Self> {
        let last_used_at = state.app.keys().last_use(&key.id)?.map(Instant);
        Ok(Self { last_used_at, ..Self::of(key) })
    }

    fn of(key: ApiKey) -> Self {
        Self {
            id: key.id.to_string(),
            scopes: key.given().effective().iter().collect(),
            name: key.name,
            organisation: key.organisation.to_string(),
            sandbox: key.sandbox,
            role: key.role,
            created_at: Instant(key.created_at),
            rotated_at: key.rotation.as_ref().map(|rotation| Instant(rotation.at)),
            before_until: key.rotation.map(|rotation| Instant(rotation.before_until)),
            last_used_at: None,
            revoked_at: key.revoked_at.map(Instant),
            key: None,
        }
    }
}

async fn list(state: extract::State<State>, caller: Caller, listing: Listing<Everything>) -> Result<Paged<View>> {
    let keys = state.app.keys().list(&caller.organisation, listing.after.as_deref(), listing.wanted())?;
    let keys = keys.into_iter().map(|key| View::listed(&state, key)).collect::<Result<Vec<_>>>()?;
    Ok(listing.answer(keys, |key| key.id.clone(), |key| key))
}

async fn show(state: extract::State<State>, caller: Caller, Path(key): Path<String>) -> Result<Json<View>> {
    Ok(Json(View::listed(&state, state.app.keys().key(&caller, &key)?)?))
}

async fn create(
    state: extract::State<State>,
    caller: Caller,
    stamp: Stamp,
    body: Body<Create>,
) -> Result<Created<View>> {
    let new = created(&state, &caller, &caller.organisation, body.0, stamp).await?;
    let place = format!("/v1/keys/{}", new.key.id);
    Ok(Created::at(place, View::shown(new)))
}

/// A key of an organisation, by a caller who may do all that it may.
pub(super) async fn created(
    state: &State,
    caller: &Caller,
    organisation: &OrganisationId,
    body: Create,
    stamp: Stamp,
) -> Result<NewKey> {
    let Create { name, role, scopes, sandbox } = body;
    let name = crate::app::name::checked("/name", &name)?;
    let role = role.or(scopes.is_empty().then_some(Role::Administrator));
    let given = Given { role, scopes, sandbox };
    let new = NewKeyOf { organisation, name, given: &given };
    new.check(caller)?;
    if *organisation != caller.organisation
        && let Some(beyond) = given.effective().iter().find(|scope| scope.is_across_organisations())
    {
        let message = format!("`{beyond}` reaches all organisations, so the key is one of your own: POST /v1/keys");
        return Err(Refusal::invalid("request.invalid", &*message, vec![FieldProblem::new("/role", &*message)]));
    }
    if let Some(sandbox) = &given.sandbox {
        state.app.tenancy().sandbox(organisation, sandbox)?;
    }
    state.app.keys().create(new, caller.key.as_str(), stamp).await
}

const OVERLAP_SECONDS: u32 = 24 * 60 * 60;
const OVERLAP_SECONDS_MAX: u32 = 30 * 24 * 60 * 60;

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "KeyRotation")]
#[serde(deny_unknown_fields)]
struct Rotate {
    /// How long the secret before is good as well. 0: it is refused at once.
    #[serde(default = "overlap_seconds")]
    overlap_seconds: u32,
}

fn overlap_seconds() -> u32 {
    OVERLAP_SECONDS
}

async fn rotate(
    state: extract::State<State>,
    caller: Caller,
    Path(key): Path<String>,
    stamp: Stamp,
    body: Body<Rotate>,
) -> Result<Json<View>> {
    let seconds = body.0.overlap_seconds;
    if seconds > OVERLAP_SECONDS_MAX {
        let problem = FieldProblem::new("/overlap_seconds", format!("must be at most {OVERLAP_SECONDS_MAX}"));
        return Err(Refusal::invalid("request.invalid", "the overlap is too long", vec![problem]));
    }
    let new = state.app.keys().rotate(&caller, &key, i64::from(seconds) * 1000, stamp).await?;
    Ok(Json(View::shown(new)))
}

async fn revoke(state: extract::State<State>, caller: Caller, Path(key): Path<String>) -> Result<Done> {
    state.app.keys().revoke(&caller, &key).await?;
    Ok(Done)
}

#[derive(Serialize, JsonSchema)]
struct Roles {
    roles: Vec<RoleView>,
    scopes: Vec<ScopeView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RoleAndScopes")]
struct RoleView {
    role: Role,
    scopes: Vec<Scope>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ScopeAndMeaning")]
struct ScopeView {
    scope: Scope,
    what: &'static str,
}

async fn roles() -> Json<Roles> {
    let roles = Role::ALL.map(|role| RoleView { role, scopes: role.scopes().iter().collect() });
    let scopes = Scope::ALL.iter().map(|scope| ScopeView { scope: *scope, what: scope.what() });
    Json(Roles { roles: roles.into(), scopes: scopes.collect() })
}
