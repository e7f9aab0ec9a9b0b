//! `/v1/sandboxes/{sandbox}/profiles/{profile}/pins`: values that somebody chose for a person's fields.

use super::answer::Done;
use super::body::Body;
use super::listing::Items;
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::pins::Choice;
use crate::app::refusal::{FieldProblem, Refusal, Result};
use attiva_core::merge::Pin;
use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub(super) fn routes() -> Routes {
    Routes::of("profiles", "Persons, accounts, opportunities and the rest, unified.")
        .get(
            "/v1/sandboxes/{sandbox}/profiles/{profile}/pins",
            "pins",
            "List values that somebody chose for a profile's fields",
            list,
        )
        .put("/v1/sandboxes/{sandbox}/profiles/{profile}/pins/{field}", "pin", "Choose the value of a field", pin)
        .delete("/v1/sandboxes/{sandbox}/profiles/{profile}/pins/{field}", "unpin", "Take such a choice back", unpin)
}

/// One of the two.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewPin")]
#[serde(deny_unknown_fields)]
struct Chosen {
    /// The value, null to keep the field empty.
    #[serde(default, deserialize_with = "present")]
    value: Option<Value>,
    /// The source key of the record whose value it is to have.
    record: Option<String>,
}

/// A null that is there is not a value that is absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Pin")]
struct View {
    field: String,
    /// The record it hangs on.
    record: String,
    /// Absent: what the record says.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    /// The API key it was chosen with.
    by: String,
    at: Instant,
}

impl View {
    fn of(pin: Pin) -> Self {
        let value = pin.value.map(|value| value.to_json());
        Self { field: pin.field, record: pin.source_key, value, by: pin.by, at: Instant(pin.at) }
    }
}

async fn list(scope: Scope) -> Result<Json<Items<View>>> {
    let pins = scope.sandbox.pins(scope.param("profile"))?;
    Ok(Json(Items { items: pins.into_iter().map(View::of).collect() }))
}

async fn pin(scope: Scope, Body(chosen): Body<Chosen>) -> Result<Json<View>> {
    let choice = match chosen {
        Chosen { value: Some(value), record: None } => Choice::Value(value),
        Chosen { value: None, record: Some(record) } => Choice::Record(record),
        _ => {
            let problem = "name a `value` or a `record`";
            return Err(Refusal::invalid("request.invalid", problem, vec![FieldProblem::new("/value", problem)]));
        }
    };
    let (profile, field) = (scope.param("profile"), scope.param("field"));
    Ok(Json(View::of(scope.sandbox.pin(&scope.caller, profile, field, choice).await?)))
}

async fn unpin(scope: Scope) -> Result<Done> {
    scope.sandbox.unpin(&scope.caller, scope.param("profile"), scope.param("field")).await?;
    Ok(Done)
}
