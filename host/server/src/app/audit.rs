//! What operators and the host did, to be told later. Events of an organisation carry its id; events without one (a
//! plugin was installed) concern the whole host and everybody on it.

use super::documents::STRIDE;
use super::keys::Caller;
use super::refusal::Result;
use attiva_core::Millis;
use attiva_core::access::Scope;
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

/// Events that a caller may see, oldest first, after `after`; each with the number to go on after.
pub fn list(
    control: &dyn ControlStore,
    caller: &Caller,
    mut after: u64,
    limit: usize,
) -> Result<Vec<(u64, AuditEvent)>> {
    let visible = |event: &AuditEvent| {
        let of = |name: &str| event.detail.get(name).and_then(Value::as_str);
        let organisation = of("organisation");
        let is_own = organisation.is_none_or(|organisation| organisation == caller.organisation.as_str());
        // An event of the organisation that is of no sandbox is none of a key's that is bound to one.
        let is_near = organisation.is_none() || caller.sandbox.is_none() || of("sandbox") == caller.sandbox.as_deref();
        caller.may(Scope::HostRead) || is_own && is_near
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
