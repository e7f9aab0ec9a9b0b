//! Who may be sent something by an activation: asked of the sandbox's consent rules for each member, before it is sent.

use crate::policies;
use attiva_core::config::Activation;
use attiva_core::consent::{ConsentRules, Decision, Heard, OPT_OUT_FIELD, Use};
use attiva_core::ledger::Why;
use attiva_core::model::EntityName;
use attiva_core::ports::consent::Said;
use attiva_core::ports::store::{Profile, QueuedMember, SandboxStore};
use attiva_core::{Fault, Value};

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
        let rule = self.of.as_ref().map(|of| self.rules.rule(of).map(|rule| (rule.needs, rule.opt_out)));
        format!("consent: {of} {rule:?} {:?}\n", self.rules.unnamed)
    }

    /// Why members must not be sent, in their order; `None`: they may. Of a member that is not wanted, or is no person,
    /// nobody asks: consent is a person's.
    pub(crate) fn ask(&self, store: &dyn SandboxStore, members: &[QueuedMember]) -> Result<Vec<Option<Why>>, Fault> {
        let is_asked = |member: &QueuedMember| member.wanted && is_person(member);
        let asked = members.iter().filter(|member| is_asked(member));
        let numbers: Vec<i64> = asked.filter_map(|member| member.profile.as_ref().map(|p| p.number)).collect();
        let mut said = store.said_of(&numbers)?.into_iter();
        let why = |member: &QueuedMember| {
            let profile = member.profile.as_ref().filter(|_| is_asked(member))?;
            self.decide(&said.next()?, opted_out(profile))
        };
        Ok(members.iter().map(why).collect())
    }

    fn decide(&self, said: &Said, opted_out: bool) -> Option<Why> {
        let heard = Heard { consents: &said.consents, suppressions: &said.suppressions, opted_out };
        match self.rules.may_send(self.of.as_ref(), heard) {
            Decision::Yes => None,
            Decision::No { reason } => Some(Why::excluded(reason.code(), None, reason.to_string())),
        }
    }
}

fn is_person(member: &QueuedMember) -> bool {
    member.profile.as_ref().is_some_and(|profile| profile.entity == EntityName::PERSON)
}

/// Whether somebody unsubscribed at a source, by the value that won among what their records say.
#[must_use]
pub fn opted_out(profile: &Profile) -> bool {
    profile.attributes.iter().any(|(field, value)| field == OPT_OUT_FIELD && *value == Value::Boolean(true))
}
