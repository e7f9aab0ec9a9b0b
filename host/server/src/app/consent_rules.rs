//! What has to be asked before something is sent: a sandbox's rules, published whole, and what an activation sends for.

use super::connections::same_version;
use super::keys::Caller;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::{Sandbox, Versioned};
use attiva_core::consent::{self, ConsentRules, Unnamed, Use};
use attiva_core::ports::store::{Expect, Kind};
use attiva_core::{Fault, FaultKind};
use attiva_sync::policies::{self, CONSENT_RULES};

impl Sandbox {
    /// The rules that hold; version 0 of the document: nobody has published any.
    pub fn consent_rules(&self) -> Result<Versioned<ConsentRules>> {
        let version = self.store.document(Kind::ConsentRules, CONSENT_RULES)?.map_or(0, |document| document.version);
        Ok(Versioned { value: policies::consent_rules(self.store.as_ref())?, version })
    }

    /// Publishes rules: the next delivery of each activation asks again about every member. `rules.version` is that of
    /// the rules they were made of; they get the next.
    ///
    /// # Errors
    /// `consent.rules` with each problem and its place; `store.version-mismatch`.
    pub async fn publish_consent_rules(
        &self,
        caller: &Caller,
        mut rules: ConsentRules,
        expect: Expect,
    ) -> Result<Versioned<ConsentRules>> {
        rules.check().map_err(|problems| {
            let fields = problems.into_iter().map(|p| FieldProblem::new(p.place, p.problem)).collect();
            Refusal::invalid("consent.rules", "the rules cannot be used", fields)
        })?;
        let now = self.consent_rules()?;
        if let Expect::Version(seen) = expect {
            same_version(seen, now.version)?;
        }
        same_version(u64::from(rules.version), u64::from(now.value.version))?;
        rules.version = rules.version.saturating_add(1);
        let expect = if now.version == 0 { Expect::Absent } else { Expect::Version(now.version) };
        let version = self.put(Kind::ConsentRules, CONSENT_RULES, &rules, expect).await?;
        let detail = serde_json::json!({ "version": rules.version, "rules": rules.rules.len() });
        self.tell(caller, "consent.rules-published", CONSENT_RULES, detail).await?;
        Ok(Versioned { value: rules, version })
    }

    /// Whether an activation may send for this; it sends to whom the rules let it.
    ///
    /// # Errors
    /// `activation.consent`: a name is none, no rule fits it, or the rules refuse an activation that names nothing.
    pub(super) fn check_use(&self, of: Option<&Use>) -> Result<()> {
        let rules = self.consent_rules()?.value;
        let Some(of) = of else {
            if rules.unnamed == Unnamed::NoRefusal {
                return Ok(());
            }
            let message = "the sandbox's consent rules refuse an activation that names no channel and purpose";
            let fault = Fault::new(FaultKind::Config, "activation.consent", message).field("/consent");
            return Err(fault.action("Name what it sends for: its channel and its purpose.").into());
        };
        let mut problems = Vec::new();
        for (field, name) in [("/consent/channel", &of.channel), ("/consent/purpose", &of.purpose)] {
            let problem = consent::check_name(name).err();
            let problem = problem.or((name == consent::ANY).then_some("must be one, not all"));
            problems.extend(problem.map(|problem| FieldProblem::new(field, problem)));
        }
        if problems.is_empty() && rules.needs(of).is_none() {
            let problem = format!("no consent rule of the sandbox says what {} for {} needs", of.channel, of.purpose);
            problems.push(FieldProblem::new("/consent", problem));
        }
        if problems.is_empty() {
            return Ok(());
        }
        Err(Refusal::invalid("activation.consent", "nothing could be sent for this", problems))
    }
}
