//! What is told of connections' conduct, and the way out of quarantine.

use super::App;
use super::exchanges::ExchangeLine;
use super::keys::Caller;
use super::oversight::{Conduct, Denied, Sum};
use super::refusal::Result;
use super::sandbox::Sandbox;
use serde_json::json;

/// A denial, and the connection it happened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeniedTo {
    pub sandbox: String,
    pub connection: String,
    pub denied: Denied,
}

/// What the caller's connections used of a plugin version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    pub sandbox: String,
    pub connection: String,
    pub sum: Sum,
}

impl App {
    /// What each of the caller's connections used of a plugin version.
    pub fn usage_of(&self, caller: &Caller, plugin: &str) -> Result<Vec<Used>> {
        let used = |(sandbox, connection, conduct): (String, String, Conduct)| {
            let sum = conduct.sums.get(plugin).cloned()?;
            Some(Used { sandbox, connection, sum })
        };
        Ok(self.conducts(caller)?.into_iter().filter_map(used).collect())
    }

    /// What a plugin version was denied with the caller's connections.
    pub fn denials_of(&self, caller: &Caller, plugin: &str) -> Result<Vec<DeniedTo>> {
        let mut all = Vec::new();
        for (sandbox, connection, conduct) in self.conducts(caller)? {
            let of_plugin = conduct.denials.into_iter().filter(|denied| denied.plugin == plugin);
            all.extend(of_plugin.map(|denied| DeniedTo {
                sandbox: sandbox.clone(),
                connection: connection.clone(),
                denied,
            }));
        }
        Ok(all)
    }

    fn conducts(&self, caller: &Caller) -> Result<Vec<(String, String, Conduct)>> {
        let mut all = Vec::new();
        for sandbox in self.open_sandboxes() {
            if !caller.sees(sandbox.entry()) {
                continue;
            }
            let of = |(connection, conduct)| (sandbox.entry().name.clone(), connection, conduct);
            all.extend(sandbox.conducts()?.into_iter().map(of));
        }
        all.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        Ok(all)
    }
}

impl Sandbox {
    /// How each connection gets along with its plugin, by the connections' ids.
    pub(super) fn conducts(&self) -> Result<Vec<(String, Conduct)>> {
        let prefix = self.control_id("");
        let named =
            |(id, conduct): (String, Conduct)| (id.strip_prefix(&prefix).unwrap_or_default().to_owned(), conduct);
        Ok(self.connectors.oversight.all(&prefix)?.into_iter().map(named).collect())
    }

    /// The last exchanges of a connection with its vendor, the newest first; with a text, those in which it stands.
    pub fn exchanges(&self, connection: &str, containing: Option<String>) -> Result<Vec<ExchangeLine>> {
        let connection = self.connection(connection)?.value;
        let now = u64::try_from(self.now()).unwrap_or(0);
        self.connectors.exchanges(connection.id.as_str()).list(now, containing.as_deref())
    }

    /// How a connection gets along with its plugin.
    pub fn conduct(&self, connection: &str) -> Result<Conduct> {
        let connection = self.connection(connection)?.value;
        self.connectors.oversight.conduct(&self.control_id(connection.id.as_str()))
    }

    /// Lets a connection out of quarantine, or ends its pause. The evidence stays.
    pub async fn release_connection(&self, caller: &Caller, connection: &str) -> Result<Conduct> {
        let id = self.connection(connection)?.value.id;
        let control_id = self.control_id(id.as_str());
        self.connectors.oversight.release(&control_id).await?;
        self.tell(caller, "connection.released", id.as_str(), json!({})).await?;
        self.connectors.oversight.conduct(&control_id)
    }
}
