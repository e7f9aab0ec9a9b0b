//! Documents go, with what hangs on them.

use super::kinds::name;
use super::{deliveries, difference, memberships, readback, records, retention};
use crate::documents;
use crate::failure::Outcome;
use attiva_core::ports::store::{Expect, Kind};
use rusqlite::Connection;

/// A document takes with it what hangs on it alone.
pub(super) fn delete(connection: &Connection, kind: Kind, id: &str, expect: Expect) -> Outcome<()> {
    documents::delete(connection, name(kind), id, expect)?;
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
        | Kind::FreshnessTargets
        | Kind::Cancellation
        | Kind::Approval
        | Kind::Evaluation
        | Kind::EvaluationSchedule => Ok(()),
    }
}
