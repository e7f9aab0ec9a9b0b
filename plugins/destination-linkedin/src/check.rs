//! The named tests of a connection. Each only reads.

use crate::api::Api;
use crate::{request, response};
use attiva_connector::{CheckResult, Fault, FaultKind, Result};
use serde::Deserialize;

const LOGIN: (&str, &str) = ("login", "Get a token for the member's consent, and reach the API");
const VERSION: (&str, &str) = ("api-version", "Use the configured API version");
const SEGMENTS: (&str, &str) = ("segments", "See the account's matched audiences (rw_dmp_segments, a role but viewer)");
const ACCOUNT: (&str, &str) = ("account", "See the ad account (r_ads)");

pub(crate) fn check(api: &Api<'_>) -> Vec<CheckResult> {
    let segments =
        api.send(&request::any_segment(api.config), &[], "list the segments").and_then(|r| response::segments(&r));
    let mut results = Vec::new();
    if let Err(fault) = &segments
        && !is_inside(fault)
    {
        results.push(CheckResult::failed(LOGIN.0, LOGIN.1, fault.clone()));
        let rest = [VERSION, SEGMENTS, ACCOUNT];
        results.extend(
            rest.map(|(name, title)| CheckResult::skipped(name, title, "LinkedIn was not reached or let nobody in")),
        );
        return results;
    }
    results.push(CheckResult::passed(LOGIN.0, LOGIN.1));
    match segments {
        Err(fault) if fault.field.as_deref() == Some("api_version") => {
            results.push(CheckResult::failed(VERSION.0, VERSION.1, fault));
            let reason = "LinkedIn does not serve the version";
            results.extend([SEGMENTS, ACCOUNT].map(|(name, title)| CheckResult::skipped(name, title, reason)));
            return results;
        }
        other => {
            results.push(CheckResult::passed(VERSION.0, VERSION.1));
            results.push(CheckResult::of(SEGMENTS.0, SEGMENTS.1, other));
        }
    }
    results.push(account(api));
    results
}

/// Whether a refusal came from behind the login.
fn is_inside(fault: &Fault) -> bool {
    fault.code.starts_with("linkedin.") && !matches!(fault.kind, FaultKind::Auth | FaultKind::Transient)
}

/// Filling needs no more than the segments; that the account is one and runs is good to know.
fn account(api: &Api<'_>) -> CheckResult {
    match status(api) {
        Err(fault) if fault.kind == FaultKind::Scope => CheckResult::skipped(
            ACCOUNT.0,
            ACCOUNT.1,
            "the app has neither r_ads nor rw_ads, which filling does not need",
        ),
        other => CheckResult::of(ACCOUNT.0, ACCOUNT.1, other),
    }
}

fn status(api: &Api<'_>) -> Result<()> {
    #[derive(Deserialize)]
    struct Account {
        #[serde(default)]
        status: String,
    }
    let response = api.send(&request::account(api.config), &[404], "find the ad account")?;
    if response.status == 404 {
        let fault = Fault::config("linkedin.account-unknown", "LinkedIn has no ad account of this number");
        return Err(fault.field("account_id").action("Correct the ad account's number."));
    }
    let account: Account = response.json()?;
    if account.status == "ACTIVE" {
        return Ok(());
    }
    let what = format!("the ad account is {}, not ACTIVE", account.status);
    Err(Fault::config("linkedin.account-inactive", what).field("account_id").action("Have the account activated."))
}
