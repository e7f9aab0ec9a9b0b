//! `/v1/plugins`: what is installed, what each may do, what an upgrade would change, and who vouches for it.

use super::State;
use super::answer::Done;
use super::body::{Body, FetchBody, PluginBody, Query};
use super::conduct::DenialView;
use super::listing::{Everything, Listing, Paged};
use super::operation::{Answers, Describer};
use super::path::Path;
use super::routes::Routes;
use super::time::Instant;
use crate::app::keys::Caller;
use crate::app::plugins::{Audited, Package, Problem, Ready, Upload};
use crate::app::refusal::{FieldProblem, Refusal, Result};
use crate::app::retirement::Dependent;
use crate::app::stamp::Stamp;
use attiva_core::plugin::capability::{Capability, Change};
use attiva_core::plugin::lifecycle::Stage;
use attiva_core::plugin::trust::Provenance;
use attiva_core::spec::{CredentialMethod, Spec};
use attiva_wasm::Location;
use axum::Json;
use axum::extract;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(super) fn routes() -> Routes {
    Routes::of("plugins", "What is installed, what each may do, and who vouches for it.")
        .get("/v1/plugins", "list", "List plugins", list)
        .get("/v1/plugins/{plugin}", "show", "Show all that a plugin says of itself, and what that allows it", show)
        .delete("/v1/plugins/{plugin}", "uninstall", "Remove a version that nothing depends on", uninstall)
        .refuses(&[409])
        .post("/v1/plugins/{plugin}/disable", "disable", "Let no connection begin with a plugin any more", disable)
        .post("/v1/plugins/{plugin}/enable", "enable", "Let connections begin with a plugin again", enable)
        .post("/v1/plugins/{plugin}/quarantine", "quarantine", "Make no call of a plugin any more, at once", quarantine)
        .post("/v1/plugins/{plugin}/release", "release", "Take a plugin out of quarantine", release)
        .get("/v1/plugins/{plugin}/dependents", "dependents", "List what depends on a plugin", dependents)
        .post("/v1/plugins/{plugin}/approve", "approve", "Approve what a plugin asks for", approve)
        .post("/v1/plugins/{plugin}/decline", "decline", "Decline a plugin that waits for approval", decline)
        .get("/v1/plugin-audit", "audit", "Look through all that is installed", audit)
}

/// Apart from the others, since a component is larger than a document.
pub(super) fn install_routes() -> Routes {
    Routes::of("plugins", "What is installed, what each may do, and who vouches for it.")
        .post("/v1/plugins", "install", "Install a package", install)
        .refuses(&[409])
        .asks_a_vendor()
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Plugin")]
struct View {
    /// What a connection names: `source-marketo@0.1.0`.
    id: String,
    name: String,
    version: String,
    publisher: String,
    title: String,
    stage: Stage,
    /// Connections that follow a range begin with it.
    in_use: bool,
    /// Who vouches for it.
    provenance: Provenance,
    source: bool,
    destination: bool,
    bundled: bool,
    digest: String,
    bytes: u64,
    installed_at: Instant,
}

impl View {
    fn of(state: &State, ready: Ready) -> Self {
        let (installed, plugin) = (ready.installed, ready.plugin);
        let in_use = state.app.plugins().in_use(&plugin.spec.name).ok().flatten();
        Self {
            in_use: in_use.is_some_and(|in_use| in_use.version == plugin.spec.version),
            id: installed.id,
            name: plugin.spec.name.clone(),
            version: plugin.spec.version.to_string(),
            publisher: plugin.spec.publisher.clone(),
            title: plugin.spec.title.clone(),
            stage: installed.stage,
            bundled: installed.provenance == Provenance::Bundled,
            provenance: installed.provenance,
            source: plugin.is_source,
            destination: plugin.is_destination,
            digest: installed.digest,
            bytes: installed.bytes,
            installed_at: Instant(installed.installed_at),
        }
    }
}

/// A version with what a person reads before approving it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ConsideredPlugin")]
struct Considered {
    #[serde(flatten)]
    view: View,
    capabilities: Vec<Capability>,
    difference: Difference,
}

/// How it differs from the version before it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PluginDifference")]
struct Difference {
    /// The version it is compared with; absent: it is the first of its name, and everything is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    changes: Vec<Change>,
}

impl Considered {
    fn of(state: &State, ready: Ready) -> Self {
        let (from, changes) = state.app.plugins().difference(&ready);
        let capabilities = ready.capabilities();
        Self { view: View::of(state, ready), capabilities, difference: Difference { from, changes } }
    }
}

/// A plugin with all it says of itself, and what that allows it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "InspectedPlugin")]
struct Inspection {
    #[serde(flatten)]
    considered: Considered,
    spec: Spec,
    policy: Value,
    /// What was denied to it lately, with the caller's connections.
    denials: Vec<DenialView>,
}

async fn list(state: extract::State<State>, _: Caller, listing: Listing<Everything>) -> Result<Paged<View>> {
    let after = listing.after.as_deref();
    let all = state.app.plugins().list().into_iter();
    let wanted = all.filter(|r| after.is_none_or(|a| r.installed.id.as_str() > a)).take(listing.wanted());
    Ok(listing.answer(wanted.collect(), |r| r.installed.id.clone(), |ready| View::of(&state, ready)))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Install {
    /// Why this file may be installed though nobody has signed it. Audited.
    #[serde(default)]
    allow_unsigned: Option<String>,
    /// What it asks for is approved with this request.
    #[serde(default)]
    approve: bool,
}

async fn install(
    state: extract::State<State>,
    caller: Caller,
    stamp: Stamp,
    Query(Install { allow_unsigned, approve }): Query<Install>,
    body: PluginBody,
) -> Result<Installed> {
    let reason = allow_unsigned.as_deref().map(|reason| crate::app::name::checked("allow_unsigned", reason));
    let allow_unsigned = reason.transpose()?;
    let plugins = state.app.plugins();
    let bytes = match body {
        PluginBody::Bytes(bytes) => bytes.to_vec(),
        PluginBody::Fetched(fetch) => plugins.fetch(&package(fetch)?, state.limits.plugin_bytes).await?,
    };
    let upload = Upload { bytes: &bytes, by: caller.key.as_str(), stamp, allow_unsigned, approve };
    let (ready, is_new) = plugins.install(upload).await?;
    let place = format!("/v1/plugins/{}", ready.installed.id);
    Ok(Installed { is_new, place, considered: Considered::of(&state, ready) })
}

/// A version that is installed now, or was before.
struct Installed {
    is_new: bool,
    place: String,
    considered: Considered,
}

impl IntoResponse for Installed {
    fn into_response(self) -> Response {
        let status = if self.is_new { StatusCode::CREATED } else { StatusCode::OK };
        (status, [(header::LOCATION, self.place)], Json(self.considered)).into_response()
    }
}

impl Answers for Installed {
    fn describe(to: &mut Describer<'_>) {
        to.answers::<Considered>(StatusCode::CREATED, "It was installed.", &["Location"]);
        to.answers::<Considered>(StatusCode::OK, "It was there already.", &["Location"]);
    }
}

fn package(fetch: FetchBody) -> Result<Package> {
    let wrong = |field: &str, problem: &str| {
        let field = FieldProblem::new(field, problem);
        Refusal::invalid("request.invalid", "the package is not named as it must be", vec![field])
    };
    let location = Location::parse(&fetch.url).map_err(|problem| wrong("/url", problem))?;
    let is_digest = fetch.sha256.len() == 64 && fetch.sha256.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_digest {
        return Err(wrong("/sha256", "must be the file's SHA-256, 64 hex digits"));
    }
    Ok(Package { location, sha256: fetch.sha256.to_ascii_lowercase() })
}

async fn approve(state: extract::State<State>, caller: Caller, Path(plugin): Path<String>) -> Result<Json<View>> {
    let ready = state.app.plugins().approve(caller.key.as_str(), &plugin).await?;
    Ok(Json(View::of(&state, ready)))
}

async fn decline(state: extract::State<State>, caller: Caller, Path(plugin): Path<String>) -> Result<Done> {
    state.app.plugins().decline(caller.key.as_str(), &plugin).await?;
    Ok(Done)
}

async fn uninstall(state: extract::State<State>, caller: Caller, Path(plugin): Path<String>) -> Result<Done> {
    state.app.uninstall(&caller, &plugin).await?;
    Ok(Done)
}

async fn disable(state: extract::State<State>, caller: Caller, Path(plugin): Path<String>) -> Result<Json<View>> {
    let ready = state.app.disable(&caller, &plugin).await?;
    Ok(Json(View::of(&state, ready)))
}

async fn enable(state: extract::State<State>, caller: Caller, Path(plugin): Path<String>) -> Result<Json<View>> {
    let ready = state.app.plugins().enable(caller.key.as_str(), &plugin).await?;
    Ok(Json(View::of(&state, ready)))
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "QuarantinePlugin")]
#[serde(deny_unknown_fields)]
struct Quarantine {
    /// Why; it stands in the audit log.
    reason: String,
}

async fn quarantine(
    state: extract::State<State>,
    caller: Caller,
    Path(plugin): Path<String>,
    Body(Quarantine { reason }): Body<Quarantine>,
) -> Result<Json<View>> {
    let ready = state.app.plugins().isolate(caller.key.as_str(), &plugin, &reason).await?;
    Ok(Json(View::of(&state, ready)))
}

async fn release(state: extract::State<State>, caller: Caller, Path(plugin): Path<String>) -> Result<Json<View>> {
    let ready = state.app.plugins().release(caller.key.as_str(), &plugin).await?;
    Ok(Json(View::of(&state, ready)))
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Dependent")]
struct DependentView {
    sandbox: String,
    kind: &'static str,
    id: String,
}

#[derive(Serialize, JsonSchema)]
struct Dependents {
    items: Vec<DependentView>,
    /// How many more there are.
    of_other_organisations: usize,
}

async fn dependents(
    state: extract::State<State>,
    caller: Caller,
    Path(plugin): Path<String>,
) -> Result<Json<Dependents>> {
    let (own, of_other_organisations) = state.app.dependents(&caller, &plugin)?;
    let view = |Dependent { sandbox, kind, id }| DependentView { sandbox, kind, id };
    Ok(Json(Dependents { items: own.into_iter().map(view).collect(), of_other_organisations }))
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditedPlugin")]
struct AuditView {
    id: String,
    stage: Stage,
    provenance: Provenance,
    digest: String,
    good: bool,
    problems: Vec<ProblemView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditProblem")]
struct ProblemView {
    code: String,
    message: String,
    action: String,
}

impl AuditView {
    fn of(audited: Audited) -> Self {
        let Audited { ready, problems } = audited;
        let good = problems.is_empty();
        let view = |Problem { code, message, action }| ProblemView { code, message, action };
        let installed = ready.installed;
        Self {
            id: installed.id,
            stage: installed.stage,
            provenance: installed.provenance,
            digest: installed.digest,
            good,
            problems: problems.into_iter().map(view).collect(),
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PluginAudit")]
struct Audit {
    good: bool,
    items: Vec<AuditView>,
}

async fn audit(state: extract::State<State>, _: Caller) -> Result<Json<Audit>> {
    let app = state.app.clone();
    let audited = tokio::task::spawn_blocking(move || app.plugins().audit()).await;
    let audited = audited.map_err(|e| Refusal::internal(format!("the audit gave up: {e}")))??;
    let items: Vec<AuditView> = audited.into_iter().map(AuditView::of).collect();
    Ok(Json(Audit { good: items.iter().all(|item| item.good), items }))
}

async fn show(state: extract::State<State>, caller: Caller, Path(plugin): Path<String>) -> Result<Json<Inspection>> {
    let ready = state.app.plugins().resolve(&plugin)?;
    let spec = (*ready.plugin.spec).clone();
    let policy = policy(&ready, &spec);
    let denials = state.app.denials_of(&caller, &ready.installed.id)?.into_iter().map(DenialView::to).collect();
    Ok(Json(Inspection { considered: Considered::of(&state, ready), spec, policy, denials }))
}

/// What the specification comes down to: where the plugin may go and with which credential, how much a call of it may use,
/// and what it never gets.
fn policy(ready: &Ready, spec: &Spec) -> Value {
    let limits = ready.plugin.limits().shown().into_iter().map(|limit| (limit.name.to_owned(), json!(limit.most)));
    let credentials = spec.credentials.iter().map(|c| {
        let method = match &c.method {
            CredentialMethod::OAuth2ClientCredentials { origin, path, .. } => {
                json!({ "method": "oauth2-client-credentials", "token_endpoint": { "origin": origin, "path": path } })
            }
            CredentialMethod::OAuth2JwtBearer { origin, path, .. } => {
                json!({ "method": "oauth2-jwt-bearer", "token_endpoint": { "origin": origin, "path": path } })
            }
            CredentialMethod::OAuth2RefreshToken { origin, path, authorize, .. } => json!({
                "method": "oauth2-refresh-token",
                "token_endpoint": { "origin": origin, "path": path },
                "authorize": authorize,
            }),
            CredentialMethod::AwsSigv4 { service, role, .. } => {
                json!({ "method": "aws-sigv4", "service": service, "role": role })
            }
            CredentialMethod::ApiKey { header, query, .. } => {
                json!({ "method": "api-key", "header": header, "query": query })
            }
        };
        json!({ "name": c.name, "when": c.when, "how": method, "shown_to_plugin": false })
    });
    json!({
        "egress": spec.origins,
        "egress_otherwise": "denied",
        "host_domains": ready.plugin.host_domains(),
        "limits": limits.collect::<serde_json::Map<_, _>>(),
        "credentials": credentials.collect::<Vec<_>>(),
        "secrets": spec.secrets(),
        "rates": spec.rates,
        "files": "a spool for each stream or delivery",
        "other_endpoints": "by an operator's grant for one connection",
    })
}
