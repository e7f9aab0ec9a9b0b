//! What decides how records become profiles, beside the records: the rules of identity, the records that are never one,
//! and which value survives. Loaded when first needed, and again after each change.

use crate::engine::{Inner, read};
use attiva_core::consent::ConsentRules;
use attiva_core::freshness::FreshnessTargets;
use attiva_core::guardrail::{Guardrails, Overrides};
use attiva_core::identity::{ClaimReader, NeverLink, NeverLinks, Rules};
use attiva_core::merge::{MappedRecord, MergePolicy, Pin, Survivorship};
use attiva_core::model::custom::Custom;
use attiva_core::model::{EntityName, Layout};
use attiva_core::ports::store::{Kind, SandboxStore};
use attiva_core::tables::TablesBucket;
use attiva_core::usage::UsagePolicy;
use attiva_core::{Fault, FaultKind};
use serde::de::DeserializeOwned;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The document of the custom model.
pub const MODEL: &str = "model";

/// All of it for one entity, ready for use.
pub(crate) struct Policies {
    pub(crate) layout: Arc<Layout>,
    pub(crate) rules: Rules,
    pub(crate) reader: ClaimReader,
    pub(crate) never: NeverLinks,
    pub(crate) survivorship: Survivorship,
    /// By source key. Those of persons: nothing else is merged of several records.
    pins: HashMap<String, Vec<Pin>>,
    /// Items of a list that a record may say.
    pub(crate) list_items_max: usize,
}

impl Policies {
    pub(crate) fn load(inner: &Inner, entity: &EntityName) -> Result<Self, Fault> {
        Self::with_rules(inner, entity, rules(inner.store.as_ref(), entity)?)
    }

    /// The same, under other rules.
    pub(crate) fn with_rules(inner: &Inner, entity: &EntityName, rules: Rules) -> Result<Self, Fault> {
        let rules = within_limits(inner.store.as_ref(), entity, rules)?;
        let layout = layout(inner.store.as_ref(), entity)?;
        let links: Vec<NeverLink> = inner.all(Kind::NeverLink)?;
        let policy = merge_policy(inner.store.as_ref(), entity)?;
        let mut pins: HashMap<String, Vec<Pin>> = HashMap::new();
        if *entity == EntityName::PERSON {
            for pin in inner.all::<Pin>(Kind::Pin)? {
                pins.entry(pin.source_key.clone()).or_default().push(pin);
            }
        }
        Ok(Self {
            reader: ClaimReader::new(&layout, &rules).map_err(|problems| unusable(&problems))?,
            never: links.iter().filter(|link| link.entity == *entity).collect(),
            list_items_max: list_items_max(inner.store.as_ref(), entity)?,
            survivorship: Survivorship::new(&layout, &policy).map_err(|problems| unusable(&problems))?,
            layout,
            rules,
            pins,
        })
    }

    /// The pins of any of these records.
    pub(crate) fn pins<R: Borrow<MappedRecord>>(&self, records: &[R]) -> Vec<Pin> {
        if self.pins.is_empty() {
            return Vec::new();
        }
        let of = |record: &R| self.pins.get(&record.borrow().source_key);
        records.iter().filter_map(of).flatten().cloned().collect()
    }
}

/// Published, or those that hold until some are; within the sandbox's limits.
pub fn rules(store: &dyn SandboxStore, entity: &EntityName) -> Result<Rules, Fault> {
    match published(store, Kind::IdentityRules, entity.as_str())? {
        Some(rules) => within_limits(store, entity, rules),
        None if *entity == EntityName::PERSON => Ok(guardrails(store)?.person_rules()),
        None => within_limits(store, entity, Rules::usual(entity)),
    }
}

/// Limits of identity are those of persons and accounts.
fn within_limits(store: &dyn SandboxStore, entity: &EntityName, rules: Rules) -> Result<Rules, Fault> {
    match *entity {
        EntityName::PERSON => Ok(guardrails(store)?.bound(rules)),
        EntityName::ACCOUNT => Ok(guardrails(store)?.bound_account(rules)),
        _ => Ok(rules),
    }
}

/// Lists of persons are bounded; those of anything else are as long as their record may be.
fn list_items_max(store: &dyn SandboxStore, entity: &EntityName) -> Result<usize, Fault> {
    let max = guardrails(store)?.max("person.list_items").filter(|_| *entity == EntityName::PERSON);
    Ok(max.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX)))
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
pub fn merge_policy(store: &dyn SandboxStore, entity: &EntityName) -> Result<MergePolicy, Fault> {
    let usual = || MergePolicy { version: 1, ..MergePolicy::default() };
    Ok(published(store, Kind::MergePolicy, entity.as_str())?.unwrap_or_else(usual))
}

/// The id of the document of what has to be asked before something is sent.
pub const CONSENT_RULES: &str = "sandbox";
/// The id of the one usage policy.
pub const USAGE_POLICY: &str = "policy";

/// The id of the one document that says where open tables go.
pub const TABLES_BUCKET: &str = "bucket";

/// The id of the one document of targets of freshness.
pub const FRESHNESS_TARGETS: &str = "targets";

/// How fresh things should be; nothing is said, until something was.
pub fn freshness_targets(store: &dyn SandboxStore) -> Result<FreshnessTargets, Fault> {
    Ok(published(store, Kind::FreshnessTargets, FRESHNESS_TARGETS)?.unwrap_or_default())
}

/// Where open tables go beside the host's disk; nowhere, until somebody said so.
pub fn tables_bucket(store: &dyn SandboxStore) -> Result<Option<TablesBucket>, Fault> {
    published(store, Kind::TablesBucket, TABLES_BUCKET)
}

/// Published, or those that hold until some are.
pub fn consent_rules(store: &dyn SandboxStore) -> Result<ConsentRules, Fault> {
    Ok(published(store, Kind::ConsentRules, CONSENT_RULES)?.unwrap_or_default())
}

/// What data may not be used for; nothing is said, until something was published.
pub fn usage(store: &dyn SandboxStore) -> Result<UsagePolicy, Fault> {
    Ok(published(store, Kind::UsagePolicy, USAGE_POLICY)?.unwrap_or_default())
}

/// What the operator added to the model, without what the model has itself by now; nothing, until something was published.
pub fn custom(store: &dyn SandboxStore) -> Result<Custom, Fault> {
    Ok(published::<Custom>(store, Kind::CustomModel, MODEL)?.unwrap_or_default().adopted())
}

/// An entity's rows, as they are now.
///
/// # Errors
/// `model.no-entity` for an entity that there is not.
pub fn layout(store: &dyn SandboxStore, entity: &EntityName) -> Result<Arc<Layout>, Fault> {
    Layout::new(entity, &custom(store)?).ok_or_else(|| {
        Fault::new(FaultKind::Config, "model.no-entity", format!("there is no entity `{entity}`"))
            .action("Use an entity that the model lists, or publish one of your own.")
    })
}

fn published<T: DeserializeOwned>(store: &dyn SandboxStore, kind: Kind, id: &str) -> Result<Option<T>, Fault> {
    store.document(kind, id)?.map(|document| read(document.body)).transpose()
}

/// What was published was checked; this host does not know it any more.
fn unusable<P: ToString>(problems: &[P]) -> Fault {
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Fault::new(FaultKind::Config, "identity.unusable", said.join("; ")).action("Publish the rules or the policy anew.")
}

/// Kept until the next change.
#[derive(Default)]
pub(crate) struct PoliciesCache {
    loaded: Mutex<HashMap<EntityName, Arc<Policies>>>,
}

impl PoliciesCache {
    pub(crate) fn get(&self, inner: &Inner, entity: &EntityName) -> Result<Arc<Policies>, Fault> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(policies) = loaded.get(entity) {
            return Ok(Arc::clone(policies));
        }
        let policies = Arc::new(Policies::load(inner, entity)?);
        loaded.insert(entity.clone(), Arc::clone(&policies));
        Ok(policies)
    }

    pub(crate) fn forget(&self) {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
