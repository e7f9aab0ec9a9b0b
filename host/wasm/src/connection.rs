//! What a connection hands to a call: its configuration, secrets, grants, budget and places on disk.

use crate::configuration::{FieldProblem, Secrets};
use crate::credential::TokenCache;
use crate::egress::Endpoint;
use crate::egress::policy::is_label;
use crate::limits::OrganisationMemory;
use crate::quota::InstanceBudget;
use crate::usage::CallReport;
use async_trait::async_trait;
use attiva_core::id::ConnectionId;
use attiva_core::quota::{Priority, User};
use attiva_core::spec::Spec;
use attiva_core::{Fault, FaultKind, Millis};
use cap_std::fs::Dir;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

/// Everything a call of a plugin gets for one connection. Cheap to clone.
#[derive(Clone)]
pub struct ConnectionContext {
    pub connection_id: ConnectionId,
    /// The configuration without its secrets: see [`crate::split_configuration`]. The guest gets this as text.
    pub configuration: Arc<serde_json::Value>,
    /// The vendor instance's id, pinned where it was learnt from a token: a token of another one is refused.
    pub instance_id: Option<Arc<str>>,
    /// The secrets, asked for when a credential is first needed.
    pub secrets: Arc<dyn SecretSource>,
    /// Endpoints an operator approved for this connection.
    pub grants: Arc<[Grant]>,
    /// The spool directory of this stream or delivery run.
    pub spool: Arc<Dir>,
    /// The vendor instance's budget, shared by all its connections: see [`crate::InstanceBudgets`].
    pub budget: Arc<InstanceBudget>,
    /// Who calls, where calls are shared out.
    pub user: User,
    /// Who waits for what the calls bring.
    pub priority: Priority,
    /// What the connection's organisation holds in memory.
    pub memory: Arc<OrganisationMemory>,
    /// Shared by the whole host.
    pub tokens: Arc<TokenCache>,
    /// Refuse whatever writes at the vendor.
    pub dry_run: bool,
    pub observer: Arc<dyn CallObserver>,
}

/// Where a connection's secrets are kept. Asked by the host only, never by a guest.
#[async_trait]
pub trait SecretSource: Send + Sync {
    /// All secrets of the connection.
    async fn secrets(&self) -> Result<Secrets, Fault>;

    /// Keeps what a vendor gave in the place of a secret, durably when it answers. A value that is no longer `before`
    /// stays: somebody has entered another one since.
    ///
    /// # Errors
    /// `secret.fixed`, kind `internal`, where nothing can be kept.
    async fn replace(&self, name: &str, before: &SecretString, now: &SecretString) -> Result<(), Fault> {
        let _ = (before, now);
        let what = format!("the vendor gave another {name}, and there is no place to keep it");
        Err(Fault::new(FaultKind::Internal, "secret.fixed", what))
    }

    /// Told, with each token, until when the consent lasts that a secret stands for; may be left out.
    async fn consent_ends(&self, _name: &str, _at: Millis) {}
}

#[async_trait]
impl SecretSource for Secrets {
    async fn secrets(&self) -> Result<Secrets, Fault> {
        Ok(self.clone())
    }
}

/// Told about calls as they go on. All methods may be left out.
pub trait CallObserver: Send + Sync {
    /// A sign of life from inside a call.
    fn progress(&self, _phase: &str, _done: Option<u64>, _total: Option<u64>) {}
    /// A call has ended, well or not: for metrics, billing and evidence.
    fn finished(&self, _report: &CallReport) {}
}

/// Nobody listens.
impl CallObserver for () {}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// An operator's leave for one connection to reach an origin somewhere else than its specification says: a simulator,
/// an S3-compatible server. It replaces the origin's endpoint; the origin's rules stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The origin's name in the specification.
    pub origin: String,
    pub scheme: Scheme,
    /// A name or an address.
    pub host: String,
    pub port: u16,
    /// The only addresses that may be dialled. Empty: any public one. A private address must stand here.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
}

impl Grant {
    /// Whether the grant can be one for a plugin: to be asked before it is stored.
    ///
    /// # Errors
    /// The key at fault, and what is wrong with it.
    pub fn validate(&self, spec: &Spec) -> Result<(), FieldProblem> {
        let wrong = |path: &str, problem: &str| Err(FieldProblem { path: path.into(), problem: problem.into() });
        if !spec.origins.iter().any(|origin| origin.name == self.origin) {
            return wrong("/origin", "is no origin of the plugin");
        }
        let host = self.endpoint().host;
        let named = !host.is_empty() && host.split('.').all(is_label);
        if !named && host.parse::<IpAddr>().is_err() {
            return wrong("/host", "is neither a name nor an address");
        }
        if self.port == 0 {
            return wrong("/port", "must not be 0");
        }
        Ok(())
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        let host = self.host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        Endpoint { scheme: self.scheme, host, port: self.port, addresses: self.addresses.clone() }
    }
}
