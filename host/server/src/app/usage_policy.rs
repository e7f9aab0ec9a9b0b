//! What data may not be used for: a sandbox's labels, published whole, and the activations that they stop.

use super::connections::same_version;
use super::keys::Caller;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::{Sandbox, Versioned};
use attiva_core::config::{Activation, Connection};
use attiva_core::id::ActivationId;
use attiva_core::ports::store::{Expect, Kind};
use attiva_core::usage::{UsagePolicy, UsageProblem, Violation};
use attiva_sync::policies::{self, USAGE_POLICY};

impl Sandbox {
    /// The policy that holds; version 0 of the document: nobody has published any.
    pub fn usage_policy(&self) -> Result<Versioned<UsagePolicy>> {
        let version = self.store.document(Kind::UsagePolicy, USAGE_POLICY)?.map_or(0, |document| document.version);
        Ok(Versioned { value: policies::usage(self.store.as_ref())?, version })
    }

    /// The activations whose deliveries are refused, with every way.
    pub fn usage_violations(&self) -> Result<Vec<(ActivationId, Violation)>> {
        let mut all = Vec::new();
        for activation in self.list(Kind::Activation, None, usize::MAX, |_: &Activation| true)? {
            let found = self.engine.usage_violations(&activation)?;
            all.extend(found.into_iter().map(|violation| (activation.id.clone(), violation)));
        }
        Ok(all)
    }

    /// Publishes a policy: what it does not allow is refused from then on, the next step of a delivery that is going
    /// included. `policy.version` is that of the one it was made of; it gets the next.
    ///
    /// # Errors
    /// `usage.policy` with each problem and its place; `store.version-mismatch`.
    pub async fn publish_usage_policy(
        &self,
        caller: &Caller,
        mut policy: UsagePolicy,
        expect: Expect,
    ) -> Result<Versioned<UsagePolicy>> {
        let mut problems = policy.check().err().unwrap_or_default();
        problems.extend(self.engine.unknown_labels(&policy)?);
        for (i, destination) in policy.destinations.iter().enumerate() {
            if self.find::<Connection>(Kind::Connection, destination.connection.as_str())?.is_none() {
                let problem = format!("there is no connection {}", destination.connection);
                problems.push(UsageProblem { place: format!("/destinations/{i}/connection"), problem });
            }
        }
        if !problems.is_empty() {
            let fields = problems.into_iter().map(|p| FieldProblem::new(p.place, p.problem)).collect();
            return Err(Refusal::invalid("usage.policy", "the policy cannot be used", fields));
        }
        let now = self.usage_policy()?;
        if let Expect::Version(seen) = expect {
            same_version(seen, now.version)?;
        }
        same_version(u64::from(policy.version), u64::from(now.value.version))?;
        policy.version = policy.version.saturating_add(1);
        let expect = if now.version == 0 { Expect::Absent } else { Expect::Version(now.version) };
        let version = self.put(Kind::UsagePolicy, USAGE_POLICY, &policy, expect).await?;
        let detail = serde_json::json!({ "version": policy.version, "labels": policy.labels.len() });
        self.tell(caller, "usage.policy-published", USAGE_POLICY, detail).await?;
        Ok(Versioned { value: policy, version })
    }

    /// Refuses an activation that would use something for what it is not for.
    ///
    /// # Errors
    /// `activation.usage` with each field at fault, and the way to the target.
    pub(super) fn check_usage(&self, activation: &Activation) -> Result<()> {
        let found = self.engine.usage_violations(activation)?;
        if found.is_empty() {
            return Ok(());
        }
        let problem =
            |v: Violation| FieldProblem::new(v.place, format!("{} is not for {}: {}", v.field, v.not_for, v.path));
        let fields = found.into_iter().map(problem).collect();
        Err(Refusal::invalid("activation.usage", "it would use data for what it is not for", fields))
    }
}
