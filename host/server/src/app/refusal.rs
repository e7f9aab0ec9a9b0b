//! Why the application did not do what was asked: a fault, and what is wrong field by field.

use attiva_core::ports::store::StoreError;
use attiva_core::{Fault, FaultKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something wrong with one field of what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldProblem {
    /// A JSON pointer into the body: `/configuration/munchkin_id`.
    pub field: String,
    pub message: String,
    /// Stable and machine-readable, where there is one: `expr.unknown-name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// For an expression: where in its text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What was probably meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

/// A place in an expression's text. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TextPlace")]
pub struct Place {
    pub line: u32,
    pub column: u32,
}

impl FieldProblem {
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), code: None, place: None, suggestion: None }
    }
}

/// Nothing was done, and this is why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct Refusal {
    pub fault: Fault,
    pub fields: Vec<FieldProblem>,
}

pub type Result<T> = std::result::Result<T, Refusal>;

impl Refusal {
    /// The body is not what it should be; every field at fault is named.
    pub fn invalid(code: &str, message: impl Into<String>, fields: Vec<FieldProblem>) -> Self {
        let fault = Fault::new(FaultKind::Config, code, message).action("Correct the fields named and repeat.");
        Self { fault, fields }
    }

    /// There is no such thing; `kind` is what it would have been: `connection`.
    pub fn missing(kind: &str, id: &str) -> Self {
        let message = format!("there is no {kind} `{}`", shown(id));
        Fault::new(FaultKind::Config, format!("{kind}.missing"), message)
            .action("Check the id, and the sandbox.")
            .into()
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Fault::new(FaultKind::Internal, "host.internal", message)
            .action("Report this with the request id; the host's log says more.")
            .into()
    }
}

/// Text from outside, fit for a message.
pub fn shown(text: &str) -> String {
    let mut plain: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
    if plain.len() < text.len() {
        plain.push('…');
    }
    plain
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self { fault, fields: Vec::new() }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Fault::from(error).into()
    }
}
