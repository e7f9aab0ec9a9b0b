//! Operators' grants: another endpoint in an origin's place, for one connection. The host is resolved when the grant is
//! given, and only the addresses seen and approved then are ever dialled; so a name that later points somewhere else
//! leads nowhere.

use super::documents;
use super::keys::Caller;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::Sandbox;
use attiva_core::config::{EndpointGrant, Grants};
use attiva_core::ports::store::{ControlKind, ControlStore, Expect};
use attiva_core::spec::Spec;
use attiva_core::{Fault, FaultKind};
use attiva_wasm::{Grant, Scheme};
use std::net::IpAddr;

/// An endpoint as an operator names it: `http://127.0.0.1:9000`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    scheme: Scheme,
    host: String,
    port: u16,
}

impl Endpoint {
    /// Reads scheme, host and perhaps a port; nothing else may stand there.
    pub fn parse(text: &str) -> std::result::Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or("must begin with http:// or https://")?;
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err("must begin with http:// or https://"),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let authority: axum::http::uri::Authority = authority.parse().map_err(|_| "must name a host")?;
        let port_named = authority.as_str().rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        if authority.as_str().contains('@') || port_named && authority.port_u16().is_none_or(|p| p == 0) {
            return Err("must be a scheme, a host and perhaps a port, such as http://127.0.0.1:9000");
        }
        let host = authority.host().to_ascii_lowercase();
        Ok(Self { scheme, host, port: authority.port_u16().unwrap_or(scheme.default_port()) })
    }

    /// As the plugin host checks it. The addresses are not asked for before everything else is right.
    fn grant(&self, origin: &str) -> Grant {
        let (origin, host) = (origin.to_owned(), self.host.clone());
        Grant { origin, scheme: self.scheme, host, port: self.port, addresses: Vec::new() }
    }

    async fn addresses(&self) -> std::io::Result<Vec<IpAddr>> {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        let mut addresses: Vec<IpAddr> = tokio::net::lookup_host((bare, self.port)).await?.map(|a| a.ip()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        Ok(addresses)
    }
}

/// A connection's grants as they are kept.
pub(super) fn read(control: &dyn ControlStore, id: &str) -> Result<Grants> {
    match control.document(ControlKind::Grant, id)? {
        Some(document) => documents::read(document.body),
        None => Ok(Grants::new()),
    }
}

/// A grant as the plugin host takes it.
pub(super) fn for_host(grant: EndpointGrant) -> std::result::Result<Grant, Fault> {
    let scheme = match grant.scheme.as_str() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => {
            let message = format!("the grant for {} has the scheme `{other}`", grant.origin);
            return Err(Fault::new(FaultKind::Internal, "grant.scheme", message));
        }
    };
    Ok(Grant { origin: grant.origin, scheme, host: grant.host, port: grant.port, addresses: grant.addresses })
}

impl Sandbox {
    /// A connection's grants, by origin.
    pub fn grants(&self, connection: &str) -> Result<Grants> {
        let connection = self.connection(connection)?.value;
        read(&*self.control, &self.control_id(connection.id.as_str()))
    }

    /// Lets a connection reach an origin at another endpoint.
    ///
    /// # Errors
    /// `grant.origin` for an origin the plugin does not have, `grant.url`, `grant.unresolved`.
    pub async fn grant(&self, caller: &Caller, connection: &str, origin: &str, url: &str) -> Result<EndpointGrant> {
        let connection = self.connection(connection)?.value;
        let plugin = self.plugins.resolve(&connection.plugin)?.plugin;
        let grant = resolved(&connection.plugin, &plugin.spec, origin, url).await?;
        self.add_grant(caller, connection.id.as_str(), grant.clone()).await?;
        self.engine.connection_mended(&connection.id);
        Ok(grant)
    }

    /// Keeps a grant, and tells of it.
    pub(super) async fn add_grant(&self, caller: &Caller, connection: &str, grant: EndpointGrant) -> Result<()> {
        let detail = serde_json::json!({ "grant": grant });
        self.change_grants(caller, connection, "grant.added", detail, |grants| {
            grants.insert(grant.origin.clone(), grant);
            true
        })
        .await
    }

    /// Takes a grant back. What is under way keeps it until its next page or batch.
    pub async fn revoke_grant(&self, caller: &Caller, connection: &str, origin: &str) -> Result<()> {
        let connection = self.connection(connection)?.value;
        let detail = serde_json::json!({ "origin": origin });
        self.change_grants(caller, connection.id.as_str(), "grant.removed", detail, |grants| {
            grants.remove(origin).is_some()
        })
        .await
    }

    /// Changes a connection's grants with one audited write. `change` says whether there was something to change.
    async fn change_grants(
        &self,
        caller: &Caller,
        connection: &str,
        action: &str,
        detail: serde_json::Value,
        change: impl FnOnce(&mut Grants) -> bool,
    ) -> Result<()> {
        let id = self.control_id(connection);
        let document = self.control.document(ControlKind::Grant, &id)?;
        let expect = document.as_ref().map_or(Expect::Absent, |d| Expect::Version(d.version));
        let mut grants: Grants = document.map(|d| documents::read(d.body)).transpose()?.unwrap_or_default();
        if !change(&mut grants) {
            return Err(Refusal::missing("grant", connection));
        }
        let told = self.event(caller, action, connection, detail);
        let body = documents::write(&grants)?;
        self.control.put_document(ControlKind::Grant, &id, body, expect, Some(told)).await?;
        Ok(())
    }
}

/// An endpoint as it will be granted: checked against the plugin, its host resolved.
///
/// # Errors
/// As [`Sandbox::grant`].
pub(super) async fn resolved(plugin: &str, spec: &Spec, origin: &str, url: &str) -> Result<EndpointGrant> {
    let endpoint = Endpoint::parse(url).map_err(wrong_url)?;
    endpoint.grant(origin).validate(spec).map_err(|problem| match problem.path.as_str() {
        "/origin" => wrong_origin(plugin, spec, &problem.problem),
        // Host and port are parts of what the caller named.
        part => wrong_url(&format!("has a {} that {}", part.trim_start_matches('/'), problem.problem)),
    })?;
    let addresses = endpoint.addresses().await.ok().filter(|a| !a.is_empty()).ok_or_else(|| unresolved(&endpoint))?;
    Ok(EndpointGrant {
        origin: origin.to_owned(),
        scheme: endpoint.scheme.as_str().to_owned(),
        host: endpoint.host,
        port: endpoint.port,
        addresses,
    })
}

fn wrong_url(problem: &str) -> Refusal {
    Refusal::invalid("grant.url", format!("`url` {problem}"), vec![FieldProblem::new("/url", problem)])
}

fn wrong_origin(plugin: &str, spec: &Spec, problem: &str) -> Refusal {
    let known: Vec<&str> = spec.origins.iter().map(|o| o.name.as_str()).collect();
    let message = format!("this {problem}: {plugin} has {}", known.join(", "));
    Refusal::invalid("grant.origin", message.clone(), vec![FieldProblem::new("/origin", message)])
}

fn unresolved(endpoint: &Endpoint) -> Refusal {
    let message = format!("the host `{}` has no address", super::refusal::shown(&endpoint.host));
    Fault::new(FaultKind::Config, "grant.unresolved", message)
        .action("Check the name, and that this host's resolver knows it.")
        .field("/url")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_scheme_host_and_port() {
        let cases = [
            ("http://127.0.0.1:9000", Scheme::Http, "127.0.0.1", 9000),
            ("https://S3.Example.com/", Scheme::Https, "s3.example.com", 443),
            ("http://localhost", Scheme::Http, "localhost", 80),
            ("http://[::1]:9000", Scheme::Http, "[::1]", 9000),
            ("http://[::1]", Scheme::Http, "[::1]", 80),
        ];
        for (text, scheme, host, port) in cases {
            assert_eq!(Endpoint::parse(text), Ok(Endpoint { scheme, host: host.into(), port }), "{text}");
        }
        let bad =
            ["", "127.0.0.1:1", "ftp://x", "http://", "http://a:b@x", "http://x:0", "http://x:99999", "http://x/y"];
        for text in bad {
            assert!(Endpoint::parse(text).is_err(), "{text}");
        }
    }
}
