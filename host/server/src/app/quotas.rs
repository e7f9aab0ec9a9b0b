//! Budgets of vendors' instances: kept in the control store, shown to who uses them, bounded by operators.

use super::App;
use super::documents;
use super::keys::Caller;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::Sandbox;
use async_trait::async_trait;
use attiva_core::Fault;
use attiva_core::access::Scope;
use attiva_core::key::Instance;
use attiva_core::ports::store::{AuditEvent, ControlKind, ControlStore, Expect, StoreError};
use attiva_core::quota::{Kept, Setting, Shown};
use attiva_core::spec::wrong_shares;
use attiva_wasm::{InstanceBudget, QuotaStore};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most calls that an operator may say.
const CALLS_MAX: u32 = 1_000_000_000;

/// Where budgets are kept.
pub(super) struct KeptQuotas {
    control: Arc<dyn ControlStore>,
}

impl KeptQuotas {
    pub(super) fn new(control: Arc<dyn ControlStore>) -> Self {
        Self { control }
    }

    fn find<T: serde::de::DeserializeOwned>(&self, kind: ControlKind, id: &str) -> Result<Option<T>> {
        self.control.document(kind, id)?.map(|document| documents::read(document.body)).transpose()
    }
}

#[async_trait]
impl QuotaStore for KeptQuotas {
    fn load(&self, instance: &Instance) -> std::result::Result<(Option<Kept>, Vec<Setting>), Fault> {
        let id = id(instance);
        let kept = self.find(ControlKind::Quota, &id).map_err(|refusal| refusal.fault)?;
        let settings = self.find(ControlKind::QuotaLimits, &id).map_err(|refusal| refusal.fault)?;
        Ok((kept, settings.unwrap_or_default()))
    }

    async fn keep(&self, instance: &Instance, kept: Kept) -> std::result::Result<(), Fault> {
        let body = documents::write(&kept).map_err(|refusal| refusal.fault)?;
        self.control.put_document(ControlKind::Quota, &id(instance), body, Expect::Anything, None).await?;
        Ok(())
    }
}

/// A system is letters and digits, so the slash divides.
fn id(instance: &Instance) -> String {
    format!("{}/{}", instance.system, instance.id)
}

/// What a connection spent today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    pub sandbox: String,
    pub connection: String,
    pub calls: u64,
}

/// The budget of one instance, as a caller may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaOf {
    pub instance: Instance,
    pub shown: Shown,
    pub spent: Vec<Spent>,
    /// What others spent: of other organisations, or before their connection was removed.
    pub spent_by_others: u64,
}

impl App {
    /// The budgets of all instances that the caller's organisation uses and that have limits.
    pub fn quotas(&self, caller: &Caller) -> Result<Vec<QuotaOf>> {
        let mut all = Vec::new();
        for (instance, budget) in self.budgets(|sandbox| caller.sees(sandbox.entry()))? {
            let quota = self.quota_of(caller, instance, &budget)?;
            if !quota.shown.limits.is_empty() {
                all.push(quota);
            }
        }
        Ok(all)
    }

    /// The budgets of all instances that anybody uses.
    pub(super) fn all_quotas(&self) -> Result<Vec<(Instance, Shown)>> {
        let budgets = self.budgets(|_| true)?.into_iter();
        budgets.map(|(instance, budget)| Ok((instance, budget.shown().map_err(Refusal::from)?))).collect()
    }

    /// The budget of an instance.
    ///
    /// # Errors
    /// `quota.missing` where the caller has no connection to it; an operator may see any.
    pub fn quota(&self, caller: &Caller, instance: &Instance) -> Result<QuotaOf> {
        let budget = self.budget(caller, instance)?;
        self.quota_of(caller, instance.clone(), &budget)
    }

    /// Says what the vendor sold, or how much of it may be used, in the place of what connectors declare. What is not
    /// named is as declared.
    ///
    /// # Errors
    /// `request.invalid` for a limit that no connector declares, or for a number that is none.
    pub async fn limit_quota(&self, caller: &Caller, instance: &Instance, settings: Vec<Setting>) -> Result<QuotaOf> {
        caller.must(Scope::HostWrite)?;
        let budget = self.budget(caller, instance)?;
        let before = budget.shown().map_err(Refusal::from)?;
        check(&before, &settings)?;
        let told = self.quota_event(
            caller,
            instance,
            "quota.limited",
            json!({ "limits": settings, "before": before.settings }),
        );
        let (control, kind, id) = (&self.inner.control, ControlKind::QuotaLimits, id(instance));
        if settings.is_empty() {
            match control.delete_document(kind, &id, Expect::Anything, Some(told)).await {
                Ok(()) | Err(StoreError::Missing) => {}
                Err(error) => return Err(error.into()),
            }
        } else {
            control.put_document(kind, &id, documents::write(&settings)?, Expect::Anything, Some(told)).await?;
        }
        budget.set(settings).map_err(Refusal::from)?;
        self.quota_of(caller, instance.clone(), &budget)
    }

    /// Lets calls begin again that wait because the vendor said that a budget is used up.
    pub async fn release_quota(&self, caller: &Caller, instance: &Instance) -> Result<QuotaOf> {
        caller.must(Scope::HostWrite)?;
        let budget = self.budget(caller, instance)?;
        budget.release().await.map_err(Refusal::from)?;
        self.inner.control.audit(self.quota_event(caller, instance, "quota.released", json!({}))).await?;
        self.quota_of(caller, instance.clone(), &budget)
    }

    fn quota_event(&self, caller: &Caller, instance: &Instance, action: &str, detail: serde_json::Value) -> AuditEvent {
        // It concerns everybody who uses the instance, on the whole host.
        AuditEvent {
            at: self.inner.clock.now(),
            actor: caller.key.to_string(),
            action: action.into(),
            subject: id(instance),
            detail,
        }
    }

    fn budget(&self, caller: &Caller, instance: &Instance) -> Result<Arc<InstanceBudget>> {
        let visible = |sandbox: &Sandbox| caller.may(Scope::HostRead) || caller.sees(sandbox.entry());
        let found = self.budgets(visible)?.remove(instance);
        found.ok_or_else(|| Refusal::missing("quota", &id(instance)))
    }

    /// The budgets of the instances that sandboxes use, with everything that their connections' plugins declare.
    fn budgets(&self, of: impl Fn(&Sandbox) -> bool) -> Result<BTreeMap<Instance, Arc<InstanceBudget>>> {
        let mut budgets = BTreeMap::new();
        for sandbox in self.open_sandboxes().into_iter().filter(|sandbox| of(sandbox)) {
            for connection in sandbox.connections(None, usize::MAX)? {
                // One whose plugin is gone makes no calls.
                let Ok(ready) = sandbox.plugins.beginning(&connection.plugin) else { continue };
                let rates = &ready.plugin.spec.rates;
                let budget = self.inner.shared.budgets.of(&connection.instance, &ready.installed.id, rates);
                budgets.insert(connection.instance, budget);
            }
        }
        Ok(budgets)
    }

    fn quota_of(&self, caller: &Caller, instance: Instance, budget: &InstanceBudget) -> Result<QuotaOf> {
        let shown = budget.shown().map_err(Refusal::from)?;
        let own: Vec<String> = self
            .open_sandboxes()
            .iter()
            .filter(|sandbox| caller.sees(sandbox.entry()))
            .map(|sandbox| sandbox.control_id(""))
            .collect();
        let (mut spent, mut spent_by_others) = (Vec::new(), 0);
        for (user, calls) in &shown.users {
            let found = own.iter().find_map(|prefix| Some((prefix, user.strip_prefix(prefix.as_str())?)));
            match found {
                Some((prefix, connection)) => {
                    let sandbox = prefix.trim_end_matches('/').split_once('-').map_or("", |(_, sandbox)| sandbox);
                    spent.push(Spent { sandbox: sandbox.to_owned(), connection: connection.to_owned(), calls: *calls });
                }
                None => spent_by_others += calls,
            }
        }
        Ok(QuotaOf { instance, shown, spent, spent_by_others })
    }
}

/// What is wrong with a division of the day among streams.
fn check_streams(shown: &Shown, percent: u32, shares: Option<&BTreeMap<String, u32>>, i: usize) -> Vec<FieldProblem> {
    let (place, none) = (format!("/limits/{i}"), BTreeMap::new());
    let shares = shares.unwrap_or(&none);
    let known: Vec<&str> = shown.shares_declared.iter().map(String::as_str).collect();
    if known.is_empty() {
        return vec![FieldProblem::new(place, "no connector divides the day among its streams")];
    }
    let unknown = shares.keys().filter(|stream| !known.contains(&stream.as_str()));
    let unknown = unknown.map(|stream| {
        let known = known.join(", ");
        FieldProblem::new(format!("{place}/shares/{stream}"), format!("has no share to say; there are: {known}"))
    });
    let wrong = wrong_shares(percent, shares).map(|problem| FieldProblem::new(place.clone(), problem));
    unknown.chain(wrong).collect()
}

/// Whether settings are about limits there are.
fn check(shown: &Shown, settings: &[Setting]) -> Result<()> {
    let mut problems = Vec::new();
    for (i, setting) in settings.iter().enumerate() {
        let same = |other: &Setting| match (other, setting) {
            (Setting::Window { seconds: a, .. }, Setting::Window { seconds: b, .. }) => a == b,
            (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
        };
        if settings.iter().take(i).any(same) {
            problems.push(FieldProblem::new(format!("/limits/{i}"), "is said twice"));
        }
        let (kind, seconds, calls) = match setting {
            Setting::Window { seconds, calls } => ("window", Some(*seconds), *calls),
            Setting::Concurrent { calls } => ("concurrent", None, *calls),
            Setting::Day { calls } => ("day", None, *calls),
            Setting::Streams { percent, shares } => {
                problems.extend(check_streams(shown, *percent, shares.as_ref(), i));
                continue;
            }
        };
        if !(1..=CALLS_MAX).contains(&calls) {
            problems.push(FieldProblem::new(format!("/limits/{i}/calls"), format!("must be from 1 to {CALLS_MAX}")));
        }
        if !shown.limits.iter().any(|limit| limit.kind == kind && limit.seconds == seconds) {
            let known = shown.limits.iter().map(|limit| match limit.seconds {
                Some(seconds) => format!("{} of {seconds} s", limit.kind),
                None => limit.kind.to_owned(),
            });
            let known = known.collect::<Vec<_>>().join(", ");
            problems.push(FieldProblem::new(
                format!("/limits/{i}"),
                format!("no connector declares it; there are: {known}"),
            ));
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Refusal::invalid("request.invalid", "the limits are not those of this instance", problems))
}
