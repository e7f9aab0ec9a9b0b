//! `/v1/plugins`: what is installed, and what each may do.

use super::State;
use super::body::Wasm;
use super::listing::{Everything, Listing};
use super::time::Instant;
use crate::app::keys::Caller;
use crate::app::plugins::{Origin, Ready};
use crate::app::refusal::Result;
use crate::app::stamp::Stamp;
use attiva_core::spec::{CredentialMethod, Spec};
use axum::extract::{self, Path};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use serde_json::{Value, json};

pub(super) fn routes() -> Router<State> {
    Router::new().route("/v1/plugins", get(list)).route("/v1/plugins/{plugin}", get(show))
}

/// Apart from the others, since a component is larger than a document.
pub(super) fn install_routes() -> Router<State> {
    Router::new().route("/v1/plugins", post(install))
}

#[derive(Serialize)]
struct View {
    /// What a connection names: `source-marketo@0.1.0`.
    id: String,
    name: String,
    version: String,
    publisher: String,
    title: String,
    source: bool,
    destination: bool,
    bundled: bool,
    digest: String,
    bytes: u64,
    installed_at: Instant,
}

impl View {
    fn of(ready: Ready) -> Self {
        let (installed, plugin) = (ready.installed, ready.plugin);
        Self {
            id: installed.id,
            name: plugin.spec.name.clone(),
            version: plugin.spec.version.to_string(),
            publisher: plugin.spec.publisher.clone(),
            title: plugin.spec.title.clone(),
            source: plugin.is_source,
            destination: plugin.is_destination,
            bundled: installed.bundled,
            digest: installed.digest,
            bytes: installed.bytes,
            installed_at: Instant(installed.installed_at),
        }
    }
}

/// A plugin with all it says of itself, and what that allows it.
#[derive(Serialize)]
struct Inspection {
    #[serde(flatten)]
    view: View,
    spec: Spec,
    policy: Value,
}

async fn list(state: extract::State<State>, _: Caller, listing: Listing<Everything>) -> Result<Response> {
    let after = listing.after.as_deref();
    let all = state.app.plugins().list().into_iter();
    let wanted = all.filter(|r| after.is_none_or(|a| r.installed.id.as_str() > a)).take(listing.wanted());
    Ok(listing.answer(wanted.collect(), |r| r.installed.id.clone(), View::of))
}

async fn install(state: extract::State<State>, caller: Caller, stamp: Stamp, body: Wasm) -> Result<Response> {
    let (ready, is_new) = state.app.plugins().install(&body.0, Origin::Sent(caller.key.as_str()), stamp).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let place = format!("/v1/plugins/{}", ready.installed.id);
    Ok((status, [(header::LOCATION, place)], Json(View::of(ready))).into_response())
}

async fn show(state: extract::State<State>, _: Caller, Path(plugin): Path<String>) -> Result<Json<Inspection>> {
    let ready = state.app.plugins().find(&plugin)?;
    let spec = (*ready.plugin.spec).clone();
    let policy = policy(&spec);
    Ok(Json(Inspection { view: View::of(ready), spec, policy }))
}

/// What the specification comes down to: where the plugin may go and with which credential, and what it never gets.
fn policy(spec: &Spec) -> Value {
    let credentials = spec.credentials.iter().map(|c| {
        let method = match &c.method {
            CredentialMethod::OAuth2ClientCredentials { origin, path, .. } => {
                json!({ "method": "oauth2-client-credentials", "token_endpoint": { "origin": origin, "path": path } })
            }
            CredentialMethod::OAuth2JwtBearer { origin, path, .. } => {
                json!({ "method": "oauth2-jwt-bearer", "token_endpoint": { "origin": origin, "path": path } })
            }
            CredentialMethod::OAuth2RefreshToken { origin, path, .. } => {
                json!({ "method": "oauth2-refresh-token", "token_endpoint": { "origin": origin, "path": path } })
            }
            CredentialMethod::AwsSigv4 { service, .. } => json!({ "method": "aws-sigv4", "service": service }),
        };
        json!({ "name": c.name, "when": c.when, "how": method, "shown_to_plugin": false })
    });
    json!({
        "egress": spec.origins,
        "egress_otherwise": "denied",
        "credentials": credentials.collect::<Vec<_>>(),
        "secrets": spec.secrets(),
        "rates": spec.rates,
        "files": "a spool for each stream or delivery",
        "other_endpoints": "by an operator's grant for one connection",
    })
}
