//! When an activation delivers by itself: checked by what its segment and its target allow, and changed.

use super::connections::same_version;
use super::keys::Caller;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::{Sandbox, Versioned};
use attiva_core::activation::{ActivationSchedule, After, Export};
use attiva_core::config::{Activation, EvaluationMethod, Segment};
use attiva_core::id::SegmentId;
use attiva_core::ports::store::{Expect, Kind};
use attiva_core::spec::DeliveryMode;
use attiva_core::{Fault, FaultKind};
use attiva_sync::Connectors;
use serde_json::json;

impl Sandbox {
    /// Checks a schedule where a target takes state by `mode`; `field`: where it stands in the body.
    ///
    /// # Errors
    /// `activation.schedule` with the field at fault.
    pub(super) fn check_activation_schedule(
        &self,
        field: &str,
        schedule: Option<&ActivationSchedule>,
        segment: &Segment,
        mode: DeliveryMode,
        is_expanded: bool,
    ) -> Result<()> {
        let Some(schedule) = schedule else { return Ok(()) };
        let definition = self.engine.segment_definition(&segment.id)?;
        let method = definition.map_or(EvaluationMethod::Batch, |definition| definition.method);
        schedule.check(method, mode, is_expanded).map_err(|(at, problem)| {
            let fields = vec![FieldProblem::new(format!("{field}{at}"), problem)];
            Refusal::invalid("activation.schedule", "the schedule cannot be followed", fields)
        })
    }

    /// Refuses to have a segment evaluated in another way than a schedule follows: nothing would start any more.
    ///
    /// # Errors
    /// `segment.in-use`.
    pub(super) fn schedules_still_fit(&self, segment: &SegmentId, method: EvaluationMethod) -> Result<()> {
        let follows = |activation: &Activation| match activation.schedule.as_ref().and_then(|it| it.after) {
            Some(After::Evaluation) => activation.segment == *segment && method.is_streaming(),
            Some(After::Change) => activation.segment == *segment && !method.is_streaming(),
            None => false,
        };
        let Some(activation) = self.list(Kind::Activation, None, 1, follows)?.into_iter().next() else {
            return Ok(());
        };
        let message =
            format!("{} ({}) is delivered after what would not happen any more", activation.id, activation.name);
        let fault = Fault::new(FaultKind::Config, "segment.in-use", message).field("/expression");
        Err(fault.action("Give the activation another schedule first, such as `every_seconds`.").into())
    }

    /// Gives an activation another schedule; `None`: it delivers when it is asked to.
    ///
    /// # Errors
    /// `activation.schedule`; `store.version-mismatch`.
    pub async fn schedule_activation(
        &self,
        caller: &Caller,
        id: &str,
        schedule: Option<ActivationSchedule>,
        expect: Expect,
    ) -> Result<Versioned<Activation>> {
        let Versioned { mut value, version } = self.activation(id)?;
        if let Expect::Version(seen) = expect {
            same_version(seen, version)?;
        }
        let segment = self.segment(value.segment.as_str())?.value;
        let connection = self.connection(value.connection.as_str())?.value;
        let mode = value.export.mode(self.connectors.delivery(&connection.plugin)?.mode);
        self.check_activation_schedule("", schedule.as_ref(), &segment, mode, value.expansion.is_some())?;
        self.tell(caller, "activation.scheduled", id, json!({ "schedule": schedule })).await?;
        value.schedule = schedule;
        let version = self.put(Kind::Activation, id, &value, Expect::Version(version)).await?;
        Ok(Versioned { value, version })
    }
}

/// How an activation's deliveries take state where the destination takes it by `mode`.
///
/// # Errors
/// `activation.export`.
pub(super) fn check_export(export: Option<Export>, mode: DeliveryMode) -> Result<Export> {
    match (export, mode) {
        (None, _) => Ok(Export::default()),
        (Some(export), DeliveryMode::Snapshot) => Ok(export),
        (Some(_), DeliveryMode::Records) => {
            let message =
                "the target keeps its members: its first delivery is everybody, and each after that the difference";
            let fault = Fault::new(FaultKind::Config, "activation.export", message).field("/export");
            Err(fault.action("Leave `export` out.").into())
        }
    }
}
