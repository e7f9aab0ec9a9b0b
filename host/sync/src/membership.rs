//! The segment projector's decision: profiles in, membership changes out.

use crate::mapping::person_row;
use attiva_core::Millis;
use attiva_core::config::Segment;
use attiva_core::ports::store::{MembershipChange, MembershipStatus, Profile, Result, SandboxStore};
use attiva_core::{Fault, FaultKind};
use attiva_segments::{Plan, RowEvaluator, Truth};

/// A segment, ready to be asked.
pub(crate) struct Audience {
    pub(crate) segment: Segment,
    evaluator: RowEvaluator,
}

impl Audience {
    pub(crate) fn compile(segment: Segment) -> std::result::Result<Self, Fault> {
        let plan = plan(&segment.expression)?;
        Ok(Self { segment, evaluator: RowEvaluator::new(&plan) })
    }
}

/// Text to plan, or what is wrong with it.
pub(crate) fn plan(expression: &str) -> std::result::Result<Plan, Fault> {
    let refused = |problems: Vec<attiva_expr::Problem>| {
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Fault::new(FaultKind::Config, "segment.expression", said.join("; ")).field("expression")
    };
    let checked = attiva_expr::check(expression, &attiva_segments::person_scope()).map_err(refused)?;
    attiva_segments::plan(&checked).map_err(|problem| refused(vec![problem]))
}

/// Decides who enters and who leaves. A segment whose evaluation faults for a profile keeps that profile out, and the
/// fault is told.
pub(crate) fn evaluate(
    store: &dyn SandboxStore,
    audiences: &[&Audience],
    profiles: &[Profile],
    now: Millis,
) -> Result<Vec<MembershipChange>> {
    let mut changes = Vec::new();
    let numbers: Vec<i64> = profiles.iter().map(|profile| profile.number).collect();
    for (profile, members_of) in profiles.iter().zip(store.memberships(&numbers)?) {
        let row = person_row(&profile.attributes);
        for audience in audiences {
            let id = &audience.segment.id;
            let belongs = match audience.evaluator.evaluate(&row, now) {
                Ok(truth) => truth == Truth::True,
                Err(fault) => {
                    tracing::warn!(segment = %id, profile = %profile.id, ?fault, "evaluation failed");
                    false
                }
            };
            let status = match (members_of.contains(id), belongs) {
                (false, true) => MembershipStatus::Realized,
                (true, false) => MembershipStatus::Exited,
                (true, true) | (false, false) => continue,
            };
            changes.push(MembershipChange { segment: id.clone(), profile: profile.number, status });
        }
    }
    Ok(changes)
}
