//! Connections whose vendor instance is known only once they have logged in: it is learnt while the connection is made,
//! and from then on it is the connection's.

use super::grants;
use super::keys::Caller;
use super::refusal::Result;
use super::sandbox::Sandbox;
use attiva_core::config::Connection;
use attiva_core::key::Instance;
use attiva_core::spec::Spec;
use attiva_core::{Fault, FaultKind};
use std::collections::BTreeMap;

impl Sandbox {
    /// Grants endpoints to a connection that is being made: its token endpoint is asked before it is there. Secrets are
    /// kept already; its document is not.
    ///
    /// # Errors
    /// As [`Sandbox::grant`].
    pub(super) async fn grant_at_birth(
        &self,
        caller: &Caller,
        connection: &Connection,
        spec: &Spec,
        wanted: &BTreeMap<String, String>,
    ) -> Result<()> {
        let mut resolved = Vec::new();
        for (origin, url) in wanted {
            resolved.push(grants::resolved(&connection.plugin, spec, origin, url).await?);
        }
        for grant in resolved {
            self.add_grant(caller, connection.id.as_str(), grant).await?;
        }
        Ok(())
    }

    /// Fills in which vendor instance a new connection is, where its configuration does not say.
    ///
    /// # Errors
    /// What the identity service answers; `connection.instance` where the id it tells names none.
    pub(super) async fn learn_instance(&self, connection: &mut Connection) -> Result<()> {
        if !connection.instance.id.is_empty() {
            return Ok(());
        }
        if let Some(id) = self.connectors.learn_instance(connection).await? {
            connection.instance.id = id;
        }
        named(&connection.instance)
    }
}

/// The instance a changed configuration makes: a learnt one stays as it was. Credentials of another instance are found
/// out by the first token.
pub(super) fn kept(found: Instance, before: &Instance) -> Instance {
    if found.id.is_empty() && found.system == before.system { before.clone() } else { found }
}

/// Whether an instance's parts make source keys that can be told apart.
pub(super) fn named(instance: &Instance) -> Result<()> {
    let told_apart = !instance.id.contains('@') && instance.system.bytes().all(|b| b.is_ascii_alphanumeric());
    if told_apart && !instance.id.is_empty() && !instance.system.is_empty() {
        return Ok(());
    }
    let message = format!("`{}` of `{}` cannot name a vendor instance", instance.id, instance.system);
    Err(Fault::new(FaultKind::Config, "connection.instance", message).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(system: &str, id: &str) -> Instance {
        Instance { system: system.into(), id: id.into() }
    }

    #[test]
    fn a_learnt_instance_stays_and_a_written_one_may_be_refused() {
        let before = instance("Crm", "org1");
        assert_eq!(kept(instance("Crm", ""), &before), before);
        assert_eq!(kept(instance("Crm", "org2"), &before), instance("Crm", "org2"));
        assert_eq!(kept(instance("Other", ""), &before), instance("Other", ""));
        assert!(named(&before).is_ok());
        for bad in [instance("Crm", ""), instance("", "x"), instance("Crm", "a@b"), instance("C-m", "x")] {
            assert!(named(&bad).is_err(), "{bad:?}");
        }
    }
}
