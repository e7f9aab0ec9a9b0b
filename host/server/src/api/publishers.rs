//! `/v1/publishers`: whose plugins are taken, under which names, signed with which keys.

use super::State;
use super::body::Body;
use super::listing::{Everything, Listing, Paged};
use super::path::Path;
use super::routes::Routes;
use super::time::Instant;
use crate::app::keys::Caller;
use crate::app::plugins::NewTrust;
use crate::app::refusal::Result;
use attiva_core::plugin::trust::{PublicKey, Publisher};
use axum::Json;
use axum::extract;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Routes {
    Routes::of("publishers", "Whose plugins are taken, under which names, signed with which keys.")
        .get("/v1/publishers", "list", "List publishers", list)
        .get("/v1/publishers/{publisher}", "show", "Show a publisher", show)
        .put("/v1/publishers/{publisher}", "trust", "Trust a publisher, a further key or further names", trust)
        .refuses(&[409])
        .delete("/v1/publishers/{publisher}", "untrust", "Take nothing more from a publisher", untrust)
        .post("/v1/publishers/{publisher}/revocations", "revoke_key", "Revoke a publisher's key", revoke)
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewTrust")]
#[serde(deny_unknown_fields)]
struct Put {
    /// One more key; needed the first time.
    #[serde(default)]
    public_key: Option<PublicKey>,
    /// Names it may publish under, beside those it has.
    #[serde(default)]
    plugins: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "KeyRevocation")]
#[serde(deny_unknown_fields)]
struct Revoke {
    public_key: PublicKey,
    reason: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Publisher")]
struct View {
    name: String,
    trusted: bool,
    plugins: Vec<String>,
    keys: Vec<Key>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PublisherKey")]
struct Key {
    public_key: PublicKey,
    since: Instant,
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_because: Option<String>,
}

impl View {
    fn of(publisher: Publisher) -> Self {
        let keys = publisher.keys.into_iter().map(|k| Key {
            public_key: k.key,
            since: Instant(k.since),
            by: k.by,
            revoked_at: k.revoked.as_ref().map(|r| Instant(r.at)),
            revoked_because: k.revoked.map(|r| r.reason),
        });
        Self {
            name: publisher.name,
            trusted: publisher.trusted,
            plugins: publisher.plugins.into_iter().collect(),
            keys: keys.collect(),
        }
    }
}

async fn list(state: extract::State<State>, _: Caller, listing: Listing<Everything>) -> Result<Paged<View>> {
    let after = listing.after.as_deref();
    let wanted = state.app.plugins().publishers()?.into_iter().filter(|p| after.is_none_or(|a| p.name.as_str() > a));
    Ok(listing.answer(wanted.take(listing.wanted()).collect(), |p| p.name.clone(), View::of))
}

async fn show(state: extract::State<State>, _: Caller, Path(publisher): Path<String>) -> Result<Json<View>> {
    Ok(Json(View::of(state.app.plugins().publisher(&publisher)?)))
}

async fn trust(
    state: extract::State<State>,
    caller: Caller,
    Path(publisher): Path<String>,
    Body(body): Body<Put>,
) -> Result<Json<View>> {
    let new = NewTrust { key: body.public_key, plugins: body.plugins };
    Ok(Json(View::of(state.app.plugins().trust_publisher(caller.key.as_str(), &publisher, new).await?)))
}

async fn untrust(state: extract::State<State>, caller: Caller, Path(publisher): Path<String>) -> Result<Json<View>> {
    Ok(Json(View::of(state.app.plugins().untrust_publisher(caller.key.as_str(), &publisher).await?)))
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RevokedKey")]
struct Revoked {
    public_key: PublicKey,
    /// Versions that the key had signed, now in quarantine.
    quarantined: Vec<String>,
}

async fn revoke(
    state: extract::State<State>,
    caller: Caller,
    Path(publisher): Path<String>,
    Body(body): Body<Revoke>,
) -> Result<Json<Revoked>> {
    let Revoke { public_key, reason } = body;
    let plugins = state.app.plugins();
    let quarantined = plugins.revoke_key(caller.key.as_str(), &publisher, public_key, &reason).await?;
    Ok(Json(Revoked { public_key, quarantined }))
}
