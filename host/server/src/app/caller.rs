//! Who asks, and what they may do.

use super::refusal::Result;
use super::tenancy::SandboxEntry;
use attiva_core::access::{Given, Role, Scope, Scopes, roles_with};
use attiva_core::id::{KeyId, OrganisationId};
use attiva_core::{Fault, FaultKind};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub key: KeyId,
    pub organisation: OrganisationId,
    /// The one sandbox that the key is bound to.
    pub sandbox: Option<String>,
    pub scopes: Scopes,
}

impl Caller {
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(scope)
    }

    /// # Errors
    /// `key.scope`: the key lacks it.
    pub fn must(&self, scope: Scope) -> Result<()> {
        if self.may(scope) { Ok(()) } else { Err(lacks(scope).into()) }
    }

    /// For whoever makes, rotates or revokes a key: it may not hold more than the caller's own.
    ///
    /// # Errors
    /// `key.scope` with what the caller lacks.
    pub fn must_cover(&self, given: &Given) -> Result<()> {
        let lacking: Vec<&str> = given.effective().without(self.scopes).iter().map(Scope::as_str).collect();
        if !lacking.is_empty() {
            let message = format!("the key may do what the key that asks may not: {}", lacking.join(", "));
            let action = "Ask with a key that has these scopes, or leave them out.";
            return Err(Fault::new(FaultKind::Scope, "key.scope", message).action(action).into());
        }
        Ok(())
    }

    /// Whether a sandbox of this name in the caller's organisation is one that the key sees.
    #[must_use]
    pub fn sees_name(&self, sandbox: &str) -> bool {
        self.sandbox.as_deref().is_none_or(|bound| bound == sandbox)
    }

    /// Whether it is one of the caller's own sandboxes.
    #[must_use]
    pub fn sees(&self, entry: &SandboxEntry) -> bool {
        entry.organisation == self.organisation && self.sees_name(&entry.name)
    }
}

fn lacks(scope: Scope) -> Fault {
    let roles: Vec<&str> = roles_with(scope).map(Role::as_str).collect();
    // The narrowest of them is what to ask for.
    let narrowest = roles.last().copied().unwrap_or("operator");
    let action = format!(
        "Use a key of the role {}; `attiva key create --role {narrowest}` makes one, with a key that has as much.",
        roles.join(", ")
    );
    Fault::new(FaultKind::Scope, "key.scope", format!("this takes the scope `{scope}`, which the key does not have"))
        .action(action)
}
