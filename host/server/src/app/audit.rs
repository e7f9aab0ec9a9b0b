//! What operators and the host did, to be told later. Events of an organisation carry its id; events without one (a
//! plugin was installed) concern the whole host and everybody on it.

use super::documents::STRIDE;
use super::keys::Caller;
use super::refusal::Result;
use attiva_core::Millis;
use attiva_core::id::OrganisationId;
use attiva_core::ports::store::{AuditEvent, ControlStore};
use serde_json::{Value, json};

/// An event of an organisation, by a caller. `sandbox` where it happened in one.
pub(super) fn event(
    at: Millis,
    caller: &Caller,
    organisation: &OrganisationId,
    action: &str,
    subject: &str,
    sandbox: Option<&str>,
    detail: Value,
) -> AuditEvent {
    let mut told = json!({ "organisation": organisation });
    if let (Some(told), Some(sandbox)) = (told.as_object_mut(), sandbox) {
        told.insert("sandbox".into(), sandbox.into());
    }
    if let (Some(told), Value::Object(detail)) = (told.as_object_mut(), detail) {
        told.extend(detail);
    }
    AuditEvent {
        at,
        actor: caller.key.to_string(),
        action: action.to_owned(),
        subject: subject.to_owned(),
        detail: told,
    }
}

/// Events that a caller may see (an operator: all), oldest first, after `after`; each with the number to go on after.
pub fn list(
    control: &dyn ControlStore,
    caller: &Caller,
    mut after: u64,
    limit: usize,
) -> Result<Vec<(u64, AuditEvent)>> {
    let visible = |event: &AuditEvent| {
        let of = event.detail.get("organisation").and_then(Value::as_str);
        caller.operator || of.is_none_or(|organisation| organisation == caller.organisation.as_str())
    };
    let mut kept = Vec::new();
    loop {
        let events = control.audit_events(after, STRIDE)?;
        let whole = events.len() == STRIDE;
        after = events.last().map_or(after, |(number, _)| *number);
        kept.extend(events.into_iter().filter(|(_, event)| visible(event)));
        kept.truncate(limit);
        if kept.len() == limit || !whole {
            return Ok(kept);
        }
    }
}
