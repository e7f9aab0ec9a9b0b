//! What each request asks of its key, in one table. What does not stand here cannot be asked for at all.
//!
//! Whether the key is of the right organisation and sandbox is another question: `scope.rs`.

use super::{no_route, wrong_method};
use crate::app::keys::Caller;
use crate::app::refusal::Refusal;
use attiva_core::access::Scope::{self, *};
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use std::collections::HashMap;
use std::sync::LazyLock;

type Row = (&'static str, &'static [(&'static str, Scope)]);

/// Reading needs one scope, changing another.
const fn read(scope: Scope) -> (&'static str, Scope) {
    ("GET", scope)
}
const fn post(scope: Scope) -> (&'static str, Scope) {
    ("POST", scope)
}
const fn put(scope: Scope) -> (&'static str, Scope) {
    ("PUT", scope)
}
const fn patch(scope: Scope) -> (&'static str, Scope) {
    ("PATCH", scope)
}
const fn delete(scope: Scope) -> (&'static str, Scope) {
    ("DELETE", scope)
}

#[rustfmt::skip]
const OF_THE_HOST: &[Row] = &[
    ("/metrics", &[read(HostRead)]),
    ("/v1/audit", &[read(AuditRead)]),
    ("/v1/audit/events", &[read(AuditRead)]),
    ("/v1/backups", &[read(HostRead), post(HostWrite)]),
    ("/v1/backups/{backup}", &[read(HostRead), delete(HostWrite)]),
    ("/v1/keys", &[read(KeysRead), post(KeysWrite)]),
    ("/v1/keys/{key}", &[read(KeysRead), delete(KeysWrite)]),
    ("/v1/keys/{key}/rotate", &[post(KeysWrite)]),
    ("/v1/roles", &[read(KeysRead)]),
    ("/v1/operations/{operation}", &[read(HostRead)]),
    ("/v1/operations/{operation}/events", &[read(HostRead)]),
    ("/v1/organisations", &[read(OrganisationsRead), post(OrganisationsWrite)]),
    ("/v1/organisations/{organisation}", &[read(OrganisationsRead), delete(OrganisationsWrite)]),
    ("/v1/organisations/{organisation}/keys", &[post(OrganisationsWrite)]),
    ("/v1/organisations/{organisation}/sandboxes", &[read(OrganisationsRead), post(OrganisationsWrite)]),
    ("/v1/organisations/{organisation}/sandboxes/{sandbox}", &[read(OrganisationsRead), delete(OrganisationsWrite)]),
    ("/v1/organisations/{organisation}/sandboxes/{sandbox}/guardrails", &[read(OrganisationsRead), put(HostWrite)]),
    ("/v1/plugin-audit", &[read(PluginsRead)]),
    ("/v1/plugins", &[read(PluginsRead), post(PluginsWrite)]),
    ("/v1/plugins/{plugin}", &[read(PluginsRead), delete(PluginsWrite)]),
    ("/v1/plugins/{plugin}/activate", &[post(PluginsWrite)]),
    ("/v1/plugins/{plugin}/affected", &[read(PluginsRead)]),
    ("/v1/plugins/{plugin}/approve", &[post(PluginsWrite)]),
    ("/v1/plugins/{plugin}/decline", &[post(PluginsWrite)]),
    ("/v1/plugins/{plugin}/dependents", &[read(PluginsRead)]),
    ("/v1/plugins/{plugin}/disable", &[post(PluginsWrite)]),
    ("/v1/plugins/{plugin}/enable", &[post(PluginsWrite)]),
    ("/v1/plugins/{plugin}/quarantine", &[post(PluginsWrite)]),
    ("/v1/plugins/{plugin}/release", &[post(PluginsWrite)]),
    ("/v1/plugins/{plugin}/rollback", &[post(PluginsWrite)]),
    ("/v1/plugins/{plugin}/usage", &[read(PluginsRead)]),
    ("/v1/publishers", &[read(PluginsRead)]),
    ("/v1/publishers/{publisher}", &[read(PluginsRead), put(PluginsWrite), delete(PluginsWrite)]),
    ("/v1/publishers/{publisher}/revocations", &[post(PluginsWrite)]),
    ("/v1/quotas", &[read(ConnectionsRead)]),
    ("/v1/quotas/{system}/{instance}", &[read(ConnectionsRead)]),
    ("/v1/quotas/{system}/{instance}/limits", &[put(HostWrite), delete(HostWrite)]),
    ("/v1/quotas/{system}/{instance}/release", &[post(HostWrite)]),
    ("/v1/sandboxes", &[read(SandboxesRead), post(SandboxesWrite)]),
    ("/v1/sandboxes/{sandbox}", &[read(SandboxesRead), delete(SandboxesWrite)]),
    ("/v1/secrets/rotation", &[post(HostWrite)]),
];

/// Below `/v1/sandboxes/{sandbox}/`.
#[rustfmt::skip]
const OF_A_SANDBOX: &[Row] = &[
    ("account-matching", &[read(ConfigurationRead), put(ConfigurationWrite)]),
    ("activations", &[read(ActivationsRead), post(ActivationsWrite)]),
    ("activations/{activation}", &[read(ActivationsRead), delete(ActivationsWrite)]),
    ("activations/{activation}/books", &[read(ActivationsRead)]),
    ("activations/{activation}/deliveries", &[post(ActivationsWrite)]),
    ("activations/{activation}/members", &[read(ProfilesRead)]),
    ("activations/{activation}/pause", &[post(ActivationsWrite)]),
    ("activations/{activation}/readback", &[read(ActivationsRead), post(ActivationsWrite), put(ActivationsWrite)]),
    ("activations/{activation}/readback/cancel", &[post(ActivationsWrite)]),
    ("activations/{activation}/readback/drift", &[read(ProfilesRead)]),
    ("activations/{activation}/refusals", &[read(ProfilesRead)]),
    ("activations/{activation}/refusals/replay", &[post(ActivationsWrite)]),
    ("activations/{activation}/resume", &[post(ActivationsWrite)]),
    ("activations/{activation}/retire", &[post(ActivationsWrite)]),
    ("activations/{activation}/schedule", &[put(ActivationsWrite)]),
    ("connections", &[read(ConnectionsRead), post(ConnectionsWrite)]),
    ("connections/{connection}", &[read(ConnectionsRead), patch(ConnectionsWrite), delete(ConnectionsWrite)]),
    ("connections/{connection}/authorization", &[read(ConnectionsRead), post(ConnectionsWrite)]),
    ("connections/{connection}/backfill", &[post(RunsWrite)]),
    ("connections/{connection}/check", &[post(ConnectionsWrite)]),
    ("connections/{connection}/discover", &[post(ConnectionsWrite)]),
    ("connections/{connection}/evidence", &[read(ConnectionsRead)]),
    ("connections/{connection}/exchanges", &[read(RecordsRead)]),
    ("connections/{connection}/grants", &[read(GrantsRead)]),
    ("connections/{connection}/grants/{origin}", &[put(GrantsWrite), delete(GrantsWrite)]),
    ("connections/{connection}/mapping-errors", &[read(RecordsRead)]),
    ("connections/{connection}/mappings", &[read(ConfigurationRead)]),
    ("connections/{connection}/mappings/{stream}", &[read(ConfigurationRead), put(ConfigurationWrite), delete(ConfigurationWrite)]),
    ("connections/{connection}/mappings/{stream}/preview", &[post(RecordsRead)]),
    ("connections/{connection}/release", &[post(ConnectionsWrite)]),
    ("connections/{connection}/removal", &[post(ConnectionsWrite)]),
    ("connections/{connection}/removal/preview", &[post(ConnectionsWrite)]),
    ("connections/{connection}/runs", &[post(RunsWrite)]),
    ("connections/{connection}/schema", &[read(ConnectionsRead)]),
    ("connections/{connection}/schema/approval", &[post(ConnectionsWrite)]),
    ("connections/{connection}/usage", &[read(ConnectionsRead)]),
    ("consent-rules", &[read(ConfigurationRead), put(ConfigurationWrite)]),
    ("consents", &[read(ConsentsRead), post(ConsentsWrite)]),
    ("consents/decide", &[post(ConsentsRead)]),
    ("deliveries", &[read(ActivationsRead)]),
    ("deliveries/{delivery}", &[read(ActivationsRead)]),
    ("deliveries/{delivery}/approve", &[post(ActivationsWrite)]),
    ("deliveries/{delivery}/cancel", &[post(ActivationsWrite)]),
    ("deliveries/{delivery}/items", &[read(ProfilesRead)]),
    ("disk", &[read(SandboxesRead)]),
    ("edge/evaluations", &[post(ProfilesRead)]),
    ("evaluation-schedule", &[read(SegmentsRead), put(ConfigurationWrite)]),
    ("evaluations", &[read(SegmentsRead), post(SegmentsWrite)]),
    ("evaluations/{evaluation}", &[read(SegmentsRead)]),
    ("evaluations/{evaluation}/cancel", &[post(SegmentsWrite)]),
    ("exchange-rates", &[read(ConfigurationRead)]),
    ("exchange-rates/{base}", &[read(ConfigurationRead), put(ConfigurationWrite)]),
    ("exchange-rates/{base}/convert", &[read(ConfigurationRead)]),
    ("freshness", &[read(SandboxesRead)]),
    ("freshness-targets", &[read(ConfigurationRead), put(ConfigurationWrite)]),
    ("guardrails", &[read(ConfigurationRead), put(HostWrite)]),
    ("identity/merge-policy", &[read(ConfigurationRead), put(ConfigurationWrite)]),
    ("identity/never-links", &[read(ProfilesRead), post(ProfilesWrite)]),
    ("identity/never-links/{link}", &[delete(ProfilesWrite)]),
    ("identity/overlaps", &[read(RecordsRead)]),
    ("identity/rules", &[read(ConfigurationRead), put(ConfigurationWrite)]),
    ("identity/rules/what-if", &[post(ProfilesRead)]),
    ("model", &[read(ConfigurationRead), put(ConfigurationWrite)]),
    ("operations/{operation}", &[read(SandboxesRead)]),
    ("operations/{operation}/events", &[read(SandboxesRead)]),
    ("privacy/access", &[post(PrivacyWrite)]),
    ("privacy/erasures", &[read(PrivacyRead), post(PrivacyWrite)]),
    ("privacy/erasures/preview", &[post(PrivacyWrite)]),
    ("privacy/erasures/{erasure}", &[read(PrivacyRead)]),
    ("privacy/erasures/{erasure}/give-up", &[post(PrivacyWrite)]),
    ("profiles", &[read(ProfilesRead)]),
    ("profiles/{profile}", &[read(ProfilesRead)]),
    ("profiles/{profile}/account-match", &[read(ProfilesRead)]),
    ("profiles/{profile}/events", &[read(ProfilesRead)]),
    ("profiles/{profile}/events/count", &[read(ProfilesRead)]),
    ("profiles/{profile}/explanation", &[read(ProfilesRead)]),
    ("profiles/{profile}/hierarchy", &[read(ProfilesRead)]),
    ("profiles/{profile}/memberships", &[read(ProfilesRead)]),
    ("profiles/{profile}/pins", &[read(ProfilesRead)]),
    ("profiles/{profile}/pins/{field}", &[put(ProfilesWrite), delete(ProfilesWrite)]),
    ("profiles/{profile}/related", &[read(ProfilesRead)]),
    ("profiles/{profile}/related/{relation}", &[read(ProfilesRead)]),
    ("profiles/{profile}/stages", &[read(ProfilesRead)]),
    ("profiles/{profile}/unmerge", &[post(ProfilesWrite)]),
    ("projection", &[read(SandboxesRead)]),
    ("records", &[post(RecordsWrite)]),
    ("removals", &[read(ConnectionsRead)]),
    ("removals/{removal}", &[read(ConnectionsRead)]),
    ("runs", &[read(RunsRead)]),
    ("runs/{run}", &[read(RunsRead)]),
    ("runs/{run}/cancel", &[post(RunsWrite)]),
    ("runs/{run}/rejects", &[read(RecordsRead)]),
    ("schema", &[read(ConfigurationRead)]),
    ("segments", &[read(SegmentsRead), post(SegmentsWrite)]),
    ("segments/check", &[post(SegmentsRead)]),
    ("segments/preview", &[post(ProfilesRead)]),
    ("segments/{segment}", &[read(SegmentsRead), put(SegmentsWrite), delete(SegmentsWrite)]),
    ("segments/{segment}/counts", &[read(SegmentsRead)]),
    ("segments/{segment}/compare", &[post(ProfilesRead)]),
    ("segments/{segment}/explanation", &[read(ProfilesRead)]),
    ("segments/{segment}/history", &[read(ProfilesRead)]),
    ("segments/{segment}/members", &[read(ProfilesRead)]),
    ("segments/{segment}/overlap", &[read(SegmentsRead)]),
    ("segments/{segment}/sql", &[read(SegmentsRead)]),
    ("suppressions", &[read(ConsentsRead), post(ConsentsWrite)]),
    ("suppressions/remove", &[post(ConsentsWrite)]),
    ("tables", &[read(SandboxesRead), post(RunsWrite)]),
    ("tables/bucket", &[read(ConfigurationRead), put(ConfigurationWrite), delete(ConfigurationWrite)]),
    ("usage-policy", &[read(ConfigurationRead), put(ConfigurationWrite)]),
    ("usage-policy/violations", &[read(ActivationsRead)]),
    ("waterfalls", &[read(SegmentsRead), post(SegmentsWrite)]),
    ("waterfalls/preview", &[post(SegmentsRead)]),
    ("waterfalls/{waterfall}", &[read(SegmentsRead), put(SegmentsWrite), delete(SegmentsWrite)]),
];

/// Every request that takes a key: method, path and the scope it asks for.
pub fn endpoints() -> impl Iterator<Item = (&'static str, String, Scope)> {
    let within = OF_A_SANDBOX.iter().map(|(path, asked)| (format!("/v1/sandboxes/{{sandbox}}/{path}"), *asked));
    let all = OF_THE_HOST.iter().map(|(path, asked)| ((*path).to_owned(), *asked)).chain(within);
    all.flat_map(|(path, asked)| asked.iter().map(move |(method, scope)| (*method, path.clone(), *scope)))
}

static BY_PATH: LazyLock<HashMap<String, Vec<(&'static str, Scope)>>> = LazyLock::new(|| {
    let mut all: HashMap<_, Vec<_>> = HashMap::new();
    for (method, path, scope) in endpoints() {
        all.entry(path).or_default().push((method, scope));
    }
    all
});

/// The scope that a request asks for; `None`: it takes no key.
pub(super) fn asked(method: &str, path: &str) -> Option<Scope> {
    BY_PATH.get(path)?.iter().find(|(known, _)| *known == method).map(|(_, scope)| *scope)
}

/// Whether a caller may ask this of a route.
pub(super) fn check(caller: &Caller, method: &Method, route: &str) -> Result<(), Response> {
    let Some(asked) = BY_PATH.get(route) else { return Err(Refusal::from(no_route()).into_response()) };
    // As the router has it: HEAD is a GET without its body.
    let name = if *method == Method::HEAD { "GET" } else { method.as_str() };
    match asked.iter().find(|(method, _)| *method == name) {
        Some((_, scope)) => caller.must(*scope).map_err(IntoResponse::into_response),
        None => Err(not_allowed(asked)),
    }
}

fn not_allowed(asked: &[(&'static str, Scope)]) -> Response {
    let mut response = Refusal::from(wrong_method()).into_response();
    let methods =
        asked.iter().flat_map(|(method, _)| if *method == "GET" { vec!["GET", "HEAD"] } else { vec![*method] });
    if let Ok(methods) = HeaderValue::from_str(&methods.collect::<Vec<_>>().join(",")) {
        response.headers_mut().insert(header::ALLOW, methods);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_writes_nothing_and_each_endpoint_stands_once() {
        let mut seen = std::collections::BTreeSet::new();
        for (method, path, scope) in endpoints() {
            assert!(seen.insert((method, path.clone())), "{method} {path} stands twice");
            let reads = scope.as_str().ends_with(":read");
            // What is asked by POST may be a question; what is asked by GET is nothing else.
            assert!(reads || method != "GET", "{method} {path}");
            assert!(!reads || ["GET", "POST"].contains(&method), "{method} {path}");
        }
        for scope in Scope::ALL {
            assert!(endpoints().any(|(_, _, asked)| asked == *scope), "nothing asks for {scope}");
        }
    }
}
