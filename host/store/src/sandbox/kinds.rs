//! How kinds of documents are stored, never renamed; and what goes with a document.

use super::{deliveries, difference, memberships, readback, records, retention};
use crate::failure::Outcome;
use attiva_core::ports::store::Kind;
use rusqlite::Connection;

pub(super) fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Connection => "connection",
        Kind::Catalog => "catalog",
        Kind::Segment => "segment",
        Kind::Waterfall => "waterfall",
        Kind::Activation => "activation",
        Kind::Run => "run",
        Kind::Delivery => "delivery",
        Kind::Readback => "readback",
        Kind::IdentityRules => "identity-rules",
        Kind::MergePolicy => "merge-policy",
        Kind::MatchRules => "match-rules",
        Kind::NeverLink => "never-link",
        Kind::Pin => "pin",
        Kind::Removal => "removal",
        Kind::CustomModel => "custom-model",
        Kind::Mapping => "mapping",
        Kind::Guardrails => "guardrails",
        Kind::ExchangeRates => "exchange-rates",
        Kind::ConsentRules => "consent-rules",
        Kind::UsagePolicy => "usage-policy",
        Kind::TablesBucket => "tables-bucket",
        Kind::FreshnessTargets => "freshness-targets",
        Kind::Cancellation => "cancellation",
        Kind::Approval => "approval",
        Kind::Evaluation => "evaluation",
        Kind::EvaluationSchedule => "evaluation-schedule",
        Kind::SchemaDrift => "schema-drift",
    }
}

/// Forgets what hangs on a document that is gone, and on it alone.
pub(super) fn forget_with(connection: &Connection, kind: Kind, id: &str) -> Outcome<()> {
    match kind {
        Kind::Segment => memberships::forget(connection, id),
        Kind::Run => records::forget_rejects(connection, id),
        Kind::Delivery => deliveries::forget(connection, id),
        Kind::Readback => readback::forget(connection, id),
        Kind::Activation => {
            retention::forget_sums(connection, id)?;
            difference::release(connection, id)
        }
        Kind::Connection
        | Kind::Catalog
        | Kind::Waterfall
        | Kind::IdentityRules
        | Kind::MergePolicy
        | Kind::MatchRules
        | Kind::NeverLink
        | Kind::Pin
        | Kind::Removal
        | Kind::CustomModel
        | Kind::Mapping
        | Kind::Guardrails
        | Kind::ExchangeRates
        | Kind::ConsentRules
        | Kind::UsagePolicy
        | Kind::TablesBucket
        | Kind::FreshnessTargets
        | Kind::Cancellation
        | Kind::Approval
        | Kind::Evaluation
        | Kind::EvaluationSchedule
        | Kind::SchemaDrift => Ok(()),
    }
}
