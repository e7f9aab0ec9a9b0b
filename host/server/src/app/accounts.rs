//! What is worked out of accounts: which one a person belongs to that names none, by rules that are published whole, and
//! what a family of accounts comes to.

use super::connections::same_version;
use super::identity::next_version;
use super::keys::Caller;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::{Sandbox, Versioned};
use attiva_core::account::rules::MatchRules;
use attiva_core::model::EntityName;
use attiva_core::ports::store::{Expect, Kind};
use attiva_core::{Fault, FaultKind};
use attiva_sync::{AccountMatch, Hierarchy, MATCH_RULES, match_rules};

impl Sandbox {
    /// The rules that match leads to accounts; version 0 of the document: nobody has published any.
    pub fn match_rules(&self) -> Result<Versioned<MatchRules>> {
        let version = self.store.document(Kind::MatchRules, MATCH_RULES)?.map_or(0, |document| document.version);
        Ok(Versioned { value: match_rules(self.store.as_ref())?, version })
    }

    /// Publishes rules: everybody is matched anew. `rules.version` is that of the rules they were made of; they get the
    /// next.
    ///
    /// # Errors
    /// `account-matching.invalid` with each problem and its place; `store.version-mismatch`.
    pub async fn publish_match_rules(
        &self,
        caller: &Caller,
        mut rules: MatchRules,
        expect: Expect,
    ) -> Result<Versioned<MatchRules>> {
        rules.check().map_err(|problems| {
            let fields = problems.into_iter().map(|p| FieldProblem::new(p.path, p.problem)).collect();
            Refusal::invalid("account-matching.invalid", "the rules cannot be used", fields)
        })?;
        let now = self.match_rules()?;
        if let Expect::Version(seen) = expect {
            same_version(seen, now.version)?;
        }
        rules.version = next_version("rules", rules.version, now.value.version)?;
        // The version that was read, so that of two who publish at once one is told.
        let expect = if now.version == 0 { Expect::Absent } else { Expect::Version(now.version) };
        let version = self.put(Kind::MatchRules, MATCH_RULES, &rules, expect).await?;
        self.engine.accounts_changed();
        let detail = serde_json::json!({ "version": rules.version });
        self.tell(caller, "account-matching.published", MATCH_RULES, detail).await?;
        Ok(Versioned { value: rules, version })
    }

    /// Which account a person belongs to by matching, and why, or why to none.
    pub async fn account_match(&self, person: &str) -> Result<AccountMatch> {
        let person = self.person(person)?.profile;
        Ok(self.engine.match_of(person).await?)
    }

    /// An account's place in its family, and what that comes to.
    ///
    /// # Errors
    /// `account.not-ready` for one that came just now.
    pub async fn hierarchy(&self, account: &str) -> Result<Hierarchy> {
        let detail = Some(self.profile(account)?).filter(|detail| detail.profile.entity == EntityName::ACCOUNT);
        let profile = detail.ok_or_else(|| Refusal::missing("account", account))?.profile;
        let shown = self.engine.hierarchy(profile).await?;
        Ok(shown.ok_or_else(|| {
            Fault::new(FaultKind::Transient, "account.not-ready", format!("{account} has not been looked at yet"))
                .action("Ask again in a moment.")
        })?)
    }
}
