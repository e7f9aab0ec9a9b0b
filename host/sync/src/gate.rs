//! Who may be sent something by an activation: asked of the sandbox's consent rules for each member, before it is sent.

use crate::policies;
use attiva_core::Fault;
use attiva_core::config::Activation;
use attiva_core::consent::{ConsentRules, Decision, Use};
use attiva_core::ledger::Why;
use attiva_core::model::EntityName;
use attiva_core::ports::consent::Said;
use attiva_core::ports::store::{QueuedMember, SandboxStore};

/// The rules, and what an activation sends for.
pub(crate) struct Gate {
    rules: ConsentRules,
    of: Option<Use>,
}

impl Gate {
    pub(crate) fn of(store: &dyn SandboxStore, activation: &Activation) -> Result<Self, Fault> {
        Ok(Self { rules: policies::consent_rules(store)?, of: activation.consent.clone() })
    }

    /// Changes when other members may be sent something: then each is looked at again.
    pub(crate) fn fingerprint(&self) -> String {
        let of = self.of.as_ref().map(|of| format!("{}/{}", of.channel, of.purpose)).unwrap_or_default();
        let needs = self.of.as_ref().map(|of| self.rules.needs(of));
        format!("consent: {of} {needs:?} {:?}\n", self.rules.unnamed)
    }

    /// Why members must not be sent, in their order; `None`: they may. Of a member that is not wanted, or is no person,
    /// nobody asks: consent is a person's.
    pub(crate) fn ask(&self, store: &dyn SandboxStore, members: &[QueuedMember]) -> Result<Vec<Option<Why>>, Fault> {
        let asked: Vec<Option<i64>> = members
            .iter()
            .map(|member| member.profile.as_ref().filter(|p| member.wanted && p.entity == EntityName::PERSON))
            .map(|profile| profile.map(|profile| profile.number))
            .collect();
        let numbers: Vec<i64> = asked.iter().copied().flatten().collect();
        let mut said = store.said_of(&numbers)?.into_iter();
        let why = |asked: Option<i64>| asked.and_then(|_| said.next()).and_then(|said| self.decide(&said));
        Ok(asked.into_iter().map(why).collect())
    }

    fn decide(&self, said: &Said) -> Option<Why> {
        match self.rules.may_send(self.of.as_ref(), &said.consents, &said.suppressions) {
            Decision::Yes => None,
            Decision::No { reason } => Some(Why::excluded(reason.code(), None, reason.to_string())),
        }
    }
}
