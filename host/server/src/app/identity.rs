//! What profiles hang on, beside records: the rules of identity, the merge policy, and records that are never one. Each
//! change has records looked at again, and audiences follow.

use super::connections::same_version;
use super::documents;
use super::keys::Caller;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::{Sandbox, Versioned};
use attiva_core::id::{NeverLinkId, ProfileId};
use attiva_core::identity::overlap::Overlap;
use attiva_core::identity::{ClaimReader, NeverLink, Rules, UnmergeProblem, unmerge};
use attiva_core::key::SourceKey;
use attiva_core::merge::{MergePolicy, Survivorship};
use attiva_core::model::{EntityName, Layout};
use attiva_core::ports::store::{DocumentWrite, Expect, Kind, Reconsider};
use attiva_core::{Fault, FaultKind};
use attiva_sync::policies;
use attiva_sync::{Explanation, WhatIf};
use serde::Serialize;
use std::sync::Arc;

/// Most pairs that one division of a profile may keep apart.
const UNMERGE_PAIRS_MAX: usize = 1000;
/// Longest reason that is kept, in characters.
const REASON_CHARACTERS_MAX: usize = 500;
/// Whose rules and policy these are.
const PERSON: EntityName = EntityName::PERSON;

impl Sandbox {
    /// The rules of identity that hold; version 0 of the document: nobody has published any.
    pub fn identity_rules(&self) -> Result<Versioned<Rules>> {
        Ok(Versioned {
            value: policies::rules(self.store.as_ref(), &PERSON)?,
            version: self.version(Kind::IdentityRules)?,
        })
    }

    /// Publishes rules: every record is looked at again. `rules.version` is that of the rules they were made of; they
    /// get the next.
    ///
    /// # Errors
    /// `identity.rules` with each problem and its place; `store.version-mismatch`.
    pub async fn publish_identity_rules(
        &self,
        caller: &Caller,
        mut rules: Rules,
        expect: Expect,
    ) -> Result<Versioned<Rules>> {
        self.check_rules("", &rules)?;
        let now = self.identity_rules()?;
        rules.version = next_version("rules", rules.version, now.value.version)?;
        self.publish(Kind::IdentityRules, &rules, expect, now.version).await?;
        let detail = serde_json::json!({ "version": rules.version });
        self.tell(caller, "identity.rules-published", PERSON.as_str(), detail).await?;
        self.identity_rules()
    }

    /// What rules would make of the stored records; nothing is changed.
    pub async fn what_if(&self, rules: Rules, records_max: usize) -> Result<WhatIf> {
        self.check_rules("/rules", &rules)?;
        Ok(self.engine.what_if(rules, records_max).await?)
    }

    /// For each connection and entity: through which others its records arrive as well, and what it alone brings. False
    /// where not all records were looked at.
    pub async fn connection_overlaps(&self, records_max: usize) -> Result<(Vec<Overlap>, bool)> {
        Ok(self.engine.overlaps(records_max).await?)
    }

    /// The merge policy that holds.
    pub fn merge_policy(&self) -> Result<Versioned<MergePolicy>> {
        Ok(Versioned {
            value: policies::merge_policy(self.store.as_ref(), &PERSON)?,
            version: self.version(Kind::MergePolicy)?,
        })
    }

    /// As [`publish_identity_rules`](Self::publish_identity_rules).
    ///
    /// # Errors
    /// `identity.merge-policy` with each problem and its place; `store.version-mismatch`.
    pub async fn publish_merge_policy(
        &self,
        caller: &Caller,
        mut policy: MergePolicy,
        expect: Expect,
    ) -> Result<Versioned<MergePolicy>> {
        if let Err(problems) = Survivorship::new(&self.layout()?, &policy) {
            let fields = problems.into_iter().map(|p| FieldProblem::new(pointer("", &p.path), p.problem));
            return Err(Refusal::invalid("identity.merge-policy", "the policy cannot be used", fields.collect()));
        }
        let now = self.merge_policy()?;
        policy.version = next_version("policy", policy.version, now.value.version)?;
        self.publish(Kind::MergePolicy, &policy, expect, now.version).await?;
        let detail = serde_json::json!({ "version": policy.version });
        self.tell(caller, "identity.merge-policy-published", PERSON.as_str(), detail).await?;
        self.merge_policy()
    }

    /// Says that two records are never one. Said again, it is what it was.
    pub async fn never_link(&self, caller: &Caller, a: &str, b: &str, reason: &str) -> Result<NeverLink> {
        let (a, b) = (self.known_key("/a", a)?, self.known_key("/b", b)?);
        let link = NeverLink::new(&PERSON, &a, &b, checked_reason(reason)?, caller.key.as_str(), self.now());
        let link = link.ok_or_else(|| invalid("/b", "is the same record"))?;
        self.keep_apart(caller, vec![link.clone()]).await?;
        Ok(link)
    }

    /// Takes it back: the two are one again, if anything joins them.
    pub async fn forgive_never_link(&self, caller: &Caller, id: &str) -> Result<()> {
        let missing = || Refusal::missing("never-link", id);
        let id = NeverLinkId::parse(id).ok_or_else(missing)?;
        let link: NeverLink = self.find(Kind::NeverLink, id.as_str())?.ok_or_else(missing)?.value;
        let records = Reconsider::Records(PERSON, vec![link.a.clone(), link.b.clone()]);
        self.engine.reconsider(Vec::new(), vec![(Kind::NeverLink, id.to_string())], records).await?;
        let detail = serde_json::json!({ "a": link.a, "b": link.b });
        self.tell(caller, "identity.never-link-removed", id.as_str(), detail).await
    }

    /// In the order of their ids, after `after`.
    pub fn never_links(&self, after: Option<&str>, limit: usize) -> Result<Vec<NeverLink>> {
        self.list(Kind::NeverLink, after, limit, |_| true)
    }

    /// Divides a profile for good: records in different groups are never one again. Records in none of the groups form
    /// one of their own.
    pub async fn unmerge(
        &self,
        caller: &Caller,
        profile: &str,
        groups: &[Vec<String>],
        reason: &str,
    ) -> Result<Vec<NeverLink>> {
        let records: Vec<String> = self.person(profile)?.records.into_iter().map(|r| r.source_key).collect();
        let links = unmerge(&PERSON, &records, groups, checked_reason(reason)?, caller.key.as_str(), self.now());
        let links = links.map_err(|problem: UnmergeProblem| invalid("/groups", &problem.to_string()))?;
        if links.len() > UNMERGE_PAIRS_MAX {
            let most = format!(
                "make {} pairs to keep apart; at most {UNMERGE_PAIRS_MAX}: use fewer groups or records",
                links.len()
            );
            return Err(invalid("/groups", &most));
        }
        self.keep_apart(caller, links.clone()).await?;
        Ok(links)
    }

    /// Why a profile is what it is.
    pub async fn explain_profile(&self, id: &str) -> Result<Explanation> {
        let profile: ProfileId = self.person(id)?.profile.id;
        let explanation = self.engine.explain(&profile).await?;
        explanation.ok_or_else(|| {
            let message = "the profile's records changed, and it is made anew";
            Fault::new(FaultKind::Transient, "profile.changing", message).action("Ask again in a moment.").into()
        })
    }

    async fn keep_apart(&self, caller: &Caller, links: Vec<NeverLink>) -> Result<()> {
        let mut records: Vec<String> = links.iter().flat_map(|link| [link.a.clone(), link.b.clone()]).collect();
        records.sort_unstable();
        records.dedup();
        let detail = serde_json::json!({ "records": records, "pairs": links.len() });
        let subject = links.first().map(|link| link.id().to_string()).unwrap_or_default();
        let mut writes = Vec::with_capacity(links.len());
        for link in links {
            let write =
                DocumentWrite { kind: Kind::NeverLink, id: link.id().to_string(), body: documents::write(&link)? };
            writes.push((write, Expect::Anything));
        }
        self.engine.reconsider(writes, Vec::new(), Reconsider::Records(PERSON, records)).await?;
        self.tell(caller, "identity.never-linked", &subject, detail).await
    }

    /// A source key as it is kept, of a record there is.
    fn known_key(&self, field: &str, text: &str) -> Result<String> {
        let key = SourceKey::read(text).map_err(|problem| invalid(field, &problem.to_string()))?.to_string();
        if self.store.presence(&PERSON, &key)?.is_none() {
            return Err(invalid(field, "is the key of no record here"));
        }
        Ok(key)
    }

    fn layout(&self) -> Result<Arc<Layout>> {
        Ok(policies::layout(self.store.as_ref(), &PERSON)?)
    }

    fn check_rules(&self, place: &str, rules: &Rules) -> Result<()> {
        let layout = self.layout()?;
        rules.check().and_then(|()| ClaimReader::new(&layout, rules).map(|_| ())).map_err(|problems| {
            let fields = problems.into_iter().map(|p| FieldProblem::new(pointer(place, &p.path), p.problem));
            Refusal::invalid("identity.rules", "the rules cannot be used", fields.collect())
        })
    }

    fn version(&self, kind: Kind) -> Result<u64> {
        Ok(self.store.document(kind, PERSON.as_str())?.map_or(0, |document| document.version))
    }

    /// `now`: the version that was read, so that of two who publish at once one is told.
    async fn publish<T: Serialize>(&self, kind: Kind, value: &T, expect: Expect, now: u64) -> Result<()> {
        if let Expect::Version(seen) = expect {
            same_version(seen, now)?;
        }
        let expect = if now == 0 { Expect::Absent } else { Expect::Version(now) };
        let write = DocumentWrite { kind, id: PERSON.to_string(), body: documents::write(value)? };
        Ok(self.engine.reconsider(vec![(write, expect)], Vec::new(), Reconsider::All).await?)
    }
}

/// `namespaces.email.fields` as a JSON pointer.
fn pointer(place: &str, path: &str) -> String {
    let path = path.replace('[', ".").replace(']', "");
    path.split('.').fold(place.to_owned(), |pointer, part| format!("{pointer}/{part}"))
}

pub(super) fn next_version(what: &str, edited: u32, now: u32) -> Result<u32> {
    if edited == now {
        return Ok(now.saturating_add(1));
    }
    let message = format!("these {what} were made of version {edited}; version {now} holds");
    Err(Fault::new(FaultKind::Config, "store.version-mismatch", message)
        .action("Read what holds, apply your change to that, and publish it with its `version`.")
        .field("/version")
        .into())
}

fn checked_reason(reason: &str) -> Result<&str> {
    let reason = reason.trim();
    let fits =
        !reason.is_empty() && reason.chars().count() <= REASON_CHARACTERS_MAX && !reason.contains(char::is_control);
    if fits { Ok(reason) } else { Err(invalid("/reason", "must say why, in up to 500 characters on one line")) }
}

fn invalid(field: &str, problem: &str) -> Refusal {
    let message = format!("`{}` {problem}", field.trim_start_matches('/'));
    Refusal::invalid("request.invalid", message, vec![FieldProblem::new(field, problem)])
}
