//! `/v1/sandboxes/{sandbox}/activations/{activation}/members` and `/refusals`: what the activation's target holds by its
//! own word, and who is not there as wanted.

use super::body::Body;
use super::listing::{Everything, Listing, Paged};
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::refusal::Result;
use attiva_core::id::ActivationId;
use attiva_core::ledger::{Row, Why};
use attiva_core::page::Operation;
use attiva_core::ports::store::{LedgerEntry, RefusalFilter, Refused};
use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Routes {
    Routes::of("activations", "Audiences joined to destinations.")
        .get(
            "/v1/sandboxes/{sandbox}/activations/{activation}/members",
            "members",
            "List what the activation's target holds by its own word",
            members,
        )
        .get(
            "/v1/sandboxes/{sandbox}/activations/{activation}/refusals",
            "refusals",
            "List who is not in the target as wanted, and why",
            refusals,
        )
        .post(
            "/v1/sandboxes/{sandbox}/activations/{activation}/refusals/replay",
            "replay",
            "Have refused members sent again",
            replay,
        )
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TargetMember")]
struct MemberView {
    profile: String,
    /// The row that the destination acknowledged last.
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_at: Option<Instant>,
    /// Sent, and never settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    unsure: Option<Operation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Why>,
    wanted_by: Vec<ActivationId>,
}

impl MemberView {
    fn of((_, entry): (i64, LedgerEntry)) -> Self {
        Self {
            profile: entry.profile.to_string(),
            held: entry.standing.held,
            held_at: entry.held_at.map(Instant),
            unsure: entry.standing.unsure,
            refusal: entry.standing.refusal.map(|refusal| refusal.why),
            wanted_by: entry.wanted_by,
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TargetRefusal")]
struct RefusalView {
    profile: String,
    operation: Operation,
    #[serde(flatten)]
    why: Why,
    /// What was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<Row>,
    at: Instant,
    /// When it is sent again by itself; absent: when the member has changed, or the refusal is replayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<Instant>,
}

impl RefusalView {
    fn of((_, refused): (i64, Refused)) -> Self {
        Self {
            profile: refused.profile.to_string(),
            operation: refused.operation,
            why: refused.why,
            row: refused.row,
            at: Instant(refused.at),
            retry_at: refused.retry_at.map(Instant),
        }
    }
}

/// Which refusals: by code, refused at or after `since` and before `until`.
#[derive(Default, Deserialize, JsonSchema)]
#[schemars(rename = "RefusalFilter")]
#[serde(deny_unknown_fields)]
struct Which {
    code: Option<String>,
    since: Option<Instant>,
    until: Option<Instant>,
}

impl Which {
    fn filter(self) -> RefusalFilter {
        let (since, until) = (self.since.map(|at| at.0), self.until.map(|at| at.0));
        RefusalFilter { code: self.code, since, until, wanted_by: None }
    }
}

#[derive(Serialize, JsonSchema)]
struct Replayed {
    /// Members that the next delivery sends again.
    members: u64,
}

async fn members(scope: Scope, listing: Listing<Everything>) -> Result<Paged<MemberView>> {
    let after = listing.after_number()?;
    let members = scope.sandbox.target_members(scope.param("activation"), after, listing.wanted())?;
    Ok(listing.answer(members, |(number, _)| number.to_string(), MemberView::of))
}

async fn refusals(scope: Scope, mut listing: Listing<Which>) -> Result<Paged<RefusalView>> {
    let after = listing.after_number()?;
    let filter = std::mem::take(&mut listing.filter).filter();
    let refusals = scope.sandbox.target_refusals(scope.param("activation"), &filter, after, listing.wanted())?;
    Ok(listing.answer(refusals, |(number, _)| number.to_string(), RefusalView::of))
}

async fn replay(scope: Scope, Body(which): Body<Which>) -> Result<Json<Replayed>> {
    let members = scope.sandbox.replay(&scope.caller, scope.param("activation"), which.filter()).await?;
    Ok(Json(Replayed { members }))
}
