//! Who may be sent something by an activation: asked of the sandbox's consent rules for each member, before it is sent.

use crate::policies;
use attiva_core::Fault;
use attiva_core::config::Activation;
use attiva_core::consent::{ConsentRules, Decision, Heard, OptOutField, Refused, Unnamed, Use};
use attiva_core::ledger::Why;
use attiva_core::model::EntityName;
use attiva_core::ports::consent::Said;
use attiva_core::ports::store::{Profile, QueuedMember, SandboxStore};

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
        // Where no use is named, what counts is said as well: it was less once.
        let unnamed = match self.rules.unnamed {
            Unnamed::NoRefusal => "no refusal of anything",
            Unnamed::Refuse => "refused",
        };
        format!("consent: {of} {rule:?} unnamed: {unnamed}\n")
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
            self.decide(&said.next()?, &opted_out(profile))
        };
        Ok(members.iter().map(why).collect())
    }

    fn decide(&self, said: &Said, opted_out: &[OptOutField]) -> Option<Why> {
        let heard = Heard { consents: &said.consents, suppressions: &said.suppressions, opted_out };
        match self.rules.may_send(self.of.as_ref(), heard) {
            Decision::Yes => None,
            Decision::No { reason } => {
                let told = match (&self.of, &reason) {
                    (None, reason) if *reason != Refused::Unnamed => {
                        format!("{reason}; the activation names no channel and purpose, so every refusal counts")
                    }
                    _ => reason.to_string(),
                };
                Some(Why::excluded(reason.code(), None, told))
            }
        }
    }
}

fn is_person(member: &QueuedMember) -> bool {
    member.profile.as_ref().is_some_and(|profile| profile.entity == EntityName::PERSON)
}

/// What somebody opted out of at a source, by the values that won among what their records say.
#[must_use]
pub fn opted_out(profile: &Profile) -> Vec<OptOutField> {
    let of = |(field, value): &(String, _)| OptOutField::find(field).filter(|of| of.is_out(value));
    profile.attributes.iter().filter_map(of).collect()
}
