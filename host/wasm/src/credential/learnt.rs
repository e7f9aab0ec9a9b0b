//! What a token's reply tells beside the token: which vendor instance it is for, and where that is.

use super::Wallet;
use crate::capability::http::Gate;
use crate::connection::ConnectionContext;
use crate::egress::policy::Mode;
use crate::plugin::Plugin;
use attiva_core::spec::Learnt;
use attiva_core::{Fault, FaultKind};
use serde_json::Value;

impl Plugin {
    /// The id of the vendor instance a connection is, asked of its token endpoint; `None` where the configuration
    /// says it. Nothing runs in the sandbox for this.
    ///
    /// # Errors
    /// `auth.*`, `credential.*`, `egress.*`, `network.*`; `instance.unknown`: the reply does not tell.
    pub async fn learn_instance(&self, context: &ConnectionContext) -> Result<Option<String>, Fault> {
        match &self.spec.instance.learnt {
            None => Ok(None),
            Some(learnt) => Gate::new(self, context, Mode::ReadOnly).learn(learnt).await.map(Some),
        }
    }
}

impl Wallet<'_> {
    /// A value of the reply that brought the present token.
    ///
    /// # Errors
    /// What obtaining the token says; `instance.unknown`, kind `data`.
    pub(crate) async fn learn(&self, learnt: &Learnt) -> Result<String, Fault> {
        let issued = self.issued(&learnt.credential).await?;
        learnt.read(&issued.reply).ok_or_else(|| {
            let what = format!("the identity service's reply holds no text at {}", learnt.pointer);
            Fault::new(FaultKind::Data, "instance.unknown", what)
                .action("Report this to the connector's publisher, with the vendor's kind of account.")
        })
    }

    /// Refuses a token of another vendor instance than the one the connection was made for: what it reads would be
    /// named after the wrong one.
    pub(super) fn same_instance(&self, credential: &str, reply: &Value) -> Result<(), Fault> {
        let (Some(pinned), Some(learnt)) = (self.instance_id, &self.policy.spec.instance.learnt) else { return Ok(()) };
        if learnt.credential != credential {
            return Ok(());
        }
        match learnt.read(reply) {
            Some(found) if found == pinned => Ok(()),
            found => {
                let found = found.unwrap_or_else(|| "none that is named".into());
                let what = format!("the credential is for the instance {found}, the connection for {pinned}");
                Err(Fault::new(FaultKind::Config, "instance.other", what)
                    .action("Give the connection credentials of its own instance, or make a new connection."))
            }
        }
    }
}
