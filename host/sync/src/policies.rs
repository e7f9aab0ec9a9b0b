//! What decides how records become profiles, beside the records: the rules of identity, the records that are never one,
//! and which value survives. Loaded when first needed, and again after each change.

use crate::engine::{Inner, read};
use attiva_core::guardrail::{Guardrails, Overrides};
use attiva_core::identity::{ClaimReader, NeverLink, NeverLinks, Rules};
use attiva_core::merge::{MergePolicy, Survivorship};
use attiva_core::model::EntityKind;
use attiva_core::model::custom::Custom;
use attiva_core::ports::store::{Kind, SandboxStore};
use attiva_core::{Fault, FaultKind};
use serde::de::DeserializeOwned;
use std::sync::{Arc, Mutex, PoisonError};

/// The entity that rules and policies are for; their documents' id.
pub const PERSON: &str = "person";

/// All of it, ready for use.
pub(crate) struct Policies {
    pub(crate) rules: Rules,
    pub(crate) reader: ClaimReader,
    pub(crate) never: NeverLinks,
    pub(crate) survivorship: Survivorship,
}

impl Policies {
    pub(crate) fn load(inner: &Inner) -> Result<Self, Fault> {
        let rules = rules(inner.store.as_ref())?;
        let links: Vec<NeverLink> = inner.all(Kind::NeverLink)?;
        let policy = merge_policy(inner.store.as_ref())?;
        Ok(Self {
            reader: reader(&rules)?,
            never: links.iter().collect(),
            survivorship: Survivorship::new(EntityKind::Person, &policy).map_err(|problems| unusable(&problems))?,
            rules,
        })
    }

    /// The same, under other rules.
    pub(crate) fn with_rules(inner: &Inner, rules: Rules) -> Result<Self, Fault> {
        let rules = guardrails(inner.store.as_ref())?.bound(rules);
        Ok(Self { reader: reader(&rules)?, rules, ..Self::load(inner)? })
    }
}

/// Published, or those that hold until some are; within the sandbox's limits.
pub fn rules(store: &dyn SandboxStore) -> Result<Rules, Fault> {
    let guardrails = guardrails(store)?;
    Ok(match published(store, Kind::IdentityRules)? {
        Some(rules) => guardrails.bound(rules),
        None => guardrails.person_rules(),
    })
}

/// The id of the document of what an operator made of the limits.
pub const GUARDRAILS: &str = "sandbox";

/// The limits of a sandbox.
pub fn guardrails(store: &dyn SandboxStore) -> Result<Guardrails, Fault> {
    let Some(document) = store.document(Kind::Guardrails, GUARDRAILS)? else { return Ok(Guardrails::default()) };
    // What was published was checked; this host does not know it any more.
    Guardrails::new(&read::<Overrides>(document.body)?).map_err(|problem| {
        let action = "Put the sandbox's guardrails anew.";
        Fault::new(FaultKind::Config, "guardrails.unusable", problem.to_string()).action(action)
    })
}

/// Published, or the one that holds until one is.
pub fn merge_policy(store: &dyn SandboxStore) -> Result<MergePolicy, Fault> {
    Ok(published(store, Kind::MergePolicy)?.unwrap_or_else(|| MergePolicy { version: 1, ..MergePolicy::default() }))
}

fn published<T: DeserializeOwned>(store: &dyn SandboxStore, kind: Kind) -> Result<Option<T>, Fault> {
    store.document(kind, PERSON)?.map(|document| read(document.body)).transpose()
}

fn reader(rules: &Rules) -> Result<ClaimReader, Fault> {
    ClaimReader::new(EntityKind::Person, rules, &Custom::default()).map_err(|problems| unusable(&problems))
}

/// What was published was checked; this host does not know it any more.
fn unusable<P: ToString>(problems: &[P]) -> Fault {
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Fault::new(FaultKind::Config, "identity.unusable", said.join("; ")).action("Publish the rules or the policy anew.")
}

/// Kept until the next change.
#[derive(Default)]
pub(crate) struct PoliciesCache {
    loaded: Mutex<Option<Arc<Policies>>>,
}

impl PoliciesCache {
    pub(crate) fn get(&self, inner: &Inner) -> Result<Arc<Policies>, Fault> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(policies) = &*loaded {
            return Ok(Arc::clone(policies));
        }
        let policies = Arc::new(Policies::load(inner)?);
        *loaded = Some(Arc::clone(&policies));
        Ok(policies)
    }

    pub(crate) fn forget(&self) {
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
