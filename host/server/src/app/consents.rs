//! Consents and suppressions of a sandbox, by identity.

use super::keys::Caller;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::Sandbox;
use attiva_core::consent::{self, Consent, Decision, Heard, Suppression, Use};
use attiva_core::identity::Identity;
use attiva_core::model::EntityName;
use attiva_core::ports::consent::Put;
use attiva_core::privacy::Erasures;
use attiva_core::time;

/// Most items of one request.
const ITEMS_MAX: usize = 1000;
const TEXT_CHARACTERS_MAX: usize = 200;

/// An identity as somebody wrote it.
#[derive(Debug, Clone)]
pub struct GivenIdentity {
    pub namespace: String,
    pub value: String,
}

/// What somebody said, as it came.
#[derive(Debug, Clone)]
pub struct GivenConsent {
    pub identity: GivenIdentity,
    pub channel: String,
    pub purpose: String,
    pub given: bool,
    pub source: String,
    pub at: String,
}

/// Who is not to be sent anything, as it came.
#[derive(Debug, Clone)]
pub struct GivenSuppression {
    pub identity: GivenIdentity,
    pub channel: String,
    pub reason: String,
    pub source: String,
    pub at: String,
}

impl Sandbox {
    /// Keeps what persons said. The same again changes nothing; of what is wrong with any, nothing is kept.
    ///
    /// # Errors
    /// `request.invalid` with each item's fields at fault.
    pub async fn put_consents(&self, caller: &Caller, given: Vec<GivenConsent>) -> Result<Put> {
        let mut check = Check::new("consents", given.len())?;
        let mut consents = Vec::with_capacity(given.len());
        for (i, one) in given.into_iter().enumerate() {
            check.at = i;
            check.name("channel", &one.channel);
            check.name("purpose", &one.purpose);
            let source = check.text("source", &one.source);
            let (identity, at) = (check.identity(&one.identity), check.time(&one.at));
            let (Some(identity), Some(at)) = (identity, at) else { continue };
            let GivenConsent { channel, purpose, given, .. } = one;
            consents.push(Consent { identity, channel, purpose, given, source, at });
        }
        check.passed()?;
        let received = consents.len() as u64;
        consents.retain(|consent| !self.is_erased(&consent.identity));
        let put = Put { received, ..self.consents.put_consents(consents).await? };
        self.told(caller, "consents.put", put).await
    }

    /// Of somebody who was erased nothing is kept, and nothing is sent to them: no record of theirs is taken any more.
    fn is_erased(&self, identity: &Identity) -> bool {
        let tombstones = &self.connectors.tombstones;
        !tombstones.is_empty() && tombstones.covers(&EntityName::PERSON, identity)
    }

    pub fn consents(&self, after: i64, limit: usize) -> Result<Vec<(i64, Consent)>> {
        Ok(self.consents.consents(after, limit)?)
    }

    pub fn consents_of(&self, identity: &GivenIdentity) -> Result<Vec<Consent>> {
        Ok(self.consents.consents_of(&[read(identity)?])?)
    }

    /// As [`put_consents`](Self::put_consents).
    pub async fn put_suppressions(&self, caller: &Caller, given: Vec<GivenSuppression>) -> Result<Put> {
        let mut check = Check::new("suppressions", given.len())?;
        let mut suppressions = Vec::with_capacity(given.len());
        for (i, one) in given.into_iter().enumerate() {
            check.at = i;
            check.name("channel", &one.channel);
            let (reason, source) = (check.text("reason", &one.reason), check.text("source", &one.source));
            let (identity, at) = (check.identity(&one.identity), check.time(&one.at));
            let (Some(identity), Some(at)) = (identity, at) else { continue };
            suppressions.push(Suppression { identity, channel: one.channel, reason, source, at });
        }
        check.passed()?;
        let received = suppressions.len() as u64;
        suppressions.retain(|suppression| !self.is_erased(&suppression.identity));
        let put = Put { received, ..self.consents.put_suppressions(suppressions).await? };
        self.told(caller, "suppressions.put", put).await
    }

    /// Takes suppressions back, by identity and channel.
    pub async fn remove_suppressions(&self, caller: &Caller, which: Vec<(GivenIdentity, String)>) -> Result<Put> {
        let mut check = Check::new("suppressions", which.len())?;
        let mut found = Vec::with_capacity(which.len());
        for (i, (identity, channel)) in which.into_iter().enumerate() {
            check.at = i;
            check.name("channel", &channel);
            found.extend(check.identity(&identity).map(|identity| (identity, channel)));
        }
        check.passed()?;
        let removed = self.consents.remove_suppressions(found).await?;
        self.told(caller, "suppressions.removed", removed).await
    }

    pub fn suppressions(&self, after: i64, limit: usize) -> Result<Vec<(i64, Suppression)>> {
        Ok(self.consents.suppressions(after, limit)?)
    }

    pub fn suppressions_of(&self, identity: &GivenIdentity) -> Result<Vec<Suppression>> {
        Ok(self.consents.suppressions_of(&[read(identity)?])?)
    }

    /// Whether somebody may be sent something, as a delivery for this channel and purpose would decide: all identities are
    /// taken to be theirs, and so is what is known of the profiles that carry them.
    pub fn may_send(&self, channel: &str, purpose: &str, given: &[GivenIdentity]) -> Result<Decision> {
        let mut check = Check::new("identities", given.len())?;
        let mut identities = Vec::with_capacity(given.len());
        for (i, identity) in given.iter().enumerate() {
            check.at = i;
            identities.extend(check.whole_identity(identity));
        }
        for (field, name) in [("/channel", channel), ("/purpose", purpose)] {
            let problem = consent::check_name(name).err().or((name == consent::ANY).then_some("must be one"));
            check.problems.extend(problem.map(|problem| FieldProblem::new(field, problem)));
        }
        check.passed()?;
        let (mut numbers, mut opted_out) = (Vec::new(), Vec::new());
        for identity in &identities {
            if let Some(profile) = self.store.profile_by_identity(&EntityName::PERSON, identity)? {
                opted_out.extend(attiva_sync::opted_out(&profile));
                numbers.push(profile.number);
            }
        }
        let mut consents = self.consents.consents_of(&identities)?;
        let mut suppressions = self.consents.suppressions_of(&identities)?;
        for said in self.consents.said_of(&numbers)? {
            consents.extend(said.consents);
            suppressions.extend(said.suppressions);
        }
        let of = Use { channel: channel.to_owned(), purpose: purpose.to_owned() };
        let heard = Heard { consents: &consents, suppressions: &suppressions, opted_out: &opted_out };
        Ok(self.consent_rules()?.value.may_send(Some(&of), heard))
    }

    async fn told(&self, caller: &Caller, action: &str, put: Put) -> Result<Put> {
        if put.changed > 0 {
            let detail = serde_json::json!({ "changed": put.changed });
            self.tell(caller, action, &self.entry.id(), detail).await?;
        }
        Ok(put)
    }
}

fn read(given: &GivenIdentity) -> Result<Identity> {
    Identity::read(&given.namespace, &given.value).map_err(|problem| {
        Refusal::invalid("request.invalid", format!("`value` {problem}"), vec![FieldProblem::new("value", problem)])
    })
}

/// Gathers what is wrong with the items of a list.
struct Check {
    list: &'static str,
    at: usize,
    problems: Vec<FieldProblem>,
}

impl Check {
    fn new(list: &'static str, items: usize) -> Result<Self> {
        if (1..=ITEMS_MAX).contains(&items) {
            return Ok(Self { list, at: 0, problems: Vec::new() });
        }
        let problem = format!("must hold 1 to {ITEMS_MAX}");
        let field = FieldProblem::new(format!("/{list}"), problem.clone());
        Err(Refusal::invalid("request.invalid", format!("`{list}` {problem}"), vec![field]))
    }

    fn wrong(&mut self, field: &str, problem: &str) {
        let Self { list, at, .. } = self;
        let separator = if field.is_empty() { "" } else { "/" };
        self.problems.push(FieldProblem::new(format!("/{list}/{at}{separator}{field}"), problem));
    }

    fn name(&mut self, field: &str, name: &str) {
        if let Err(problem) = consent::check_name(name) {
            self.wrong(field, problem);
        }
    }

    fn text(&mut self, field: &str, text: &str) -> String {
        let text = text.trim();
        let fits = !text.is_empty() && text.chars().count() <= TEXT_CHARACTERS_MAX && !text.contains(char::is_control);
        if !fits {
            self.wrong(field, "must be a line of up to 200 characters");
        }
        text.to_owned()
    }

    fn time(&mut self, text: &str) -> Option<i64> {
        let at = time::parse_timestamp(text);
        if at.is_none() {
            self.wrong("at", "must be a time: 2026-11-23T10:00:00Z");
        }
        at
    }

    fn identity(&mut self, given: &GivenIdentity) -> Option<Identity> {
        self.identity_at("identity/value", given)
    }

    /// Where the item is an identity itself.
    fn whole_identity(&mut self, given: &GivenIdentity) -> Option<Identity> {
        self.identity_at("value", given)
    }

    fn identity_at(&mut self, field: &str, given: &GivenIdentity) -> Option<Identity> {
        match Identity::read(&given.namespace, &given.value) {
            Ok(identity) => Some(identity),
            Err(problem) => {
                self.wrong(field, &problem);
                None
            }
        }
    }

    fn passed(self) -> Result<()> {
        if self.problems.is_empty() {
            return Ok(());
        }
        let message = format!("some of `{}` cannot be taken, so none was", self.list);
        Err(Refusal::invalid("request.invalid", message, self.problems))
    }
}
