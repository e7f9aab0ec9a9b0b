//! The named tests of a connection. Each only reads.

use crate::{fields, request};
use attiva_connector::{CheckResult, Fault, FaultKind, Result};
use marketo_api::{Api, Listed, read};
use serde::Deserialize;
use serde_json::Value;

const CREDENTIALS: (&str, &str) = ("credentials", "Log in with the custom service");
const FIELDS: (&str, &str) = ("describe-leads", "Describe the person fields (Read-Write Lead)");
const LISTS: (&str, &str) = ("static-lists", "Look for lists (Read-Write Asset)");
const FOLDER: (&str, &str) = ("folder", "Find the folder Group Lists, where new lists are made by default");
const QUOTA: (&str, &str) = ("daily-quota", "See today's calls");

pub(crate) fn check(api: &Api<'_>) -> Vec<CheckResult> {
    let described = fields::describe(api);
    if let Err(fault) = &described
        && !is_logged_in(fault)
    {
        let mut results = vec![CheckResult::failed(CREDENTIALS.0, CREDENTIALS.1, fault.clone())];
        let reason = "Marketo was not reached or let nobody in";
        results.extend([FIELDS, LISTS, FOLDER, QUOTA].map(|(name, title)| CheckResult::skipped(name, title, reason)));
        return results;
    }
    vec![
        CheckResult::passed(CREDENTIALS.0, CREDENTIALS.1),
        CheckResult::of(FIELDS.0, FIELDS.1, described),
        CheckResult::of(LISTS.0, LISTS.1, api.send(&request::list_by_name("Attiva looks for no list of this name"))),
        folder(api),
        quota(api),
    ]
}

/// Whether a refusal came from behind the login.
fn is_logged_in(fault: &Fault) -> bool {
    fault.code.starts_with("marketo.") && !matches!(fault.kind, FaultKind::Auth | FaultKind::Transient)
}

fn folder(api: &Api<'_>) -> CheckResult {
    let found = api.send(&request::folder_by_name("Group Lists")).and_then(|r| read::<Listed<Value>>(&r));
    match found {
        Ok(found) if found.result.is_empty() => {
            CheckResult::skipped(FOLDER.0, FOLDER.1, "it is not there: name a folder in the target's options")
        }
        other => CheckResult::of(FOLDER.0, FOLDER.1, other),
    }
}

/// Passes with the number in its title. The limit itself Marketo does not tell.
fn quota(api: &Api<'_>) -> CheckResult {
    match calls_today(api) {
        Ok(calls) => {
            let title =
                format!("{calls} calls made today, by all that use the instance; most subscriptions have 50,000");
            CheckResult::passed(QUOTA.0, &title)
        }
        Err(fault) => CheckResult::failed(QUOTA.0, QUOTA.1, fault),
    }
}

fn calls_today(api: &Api<'_>) -> Result<u64> {
    #[derive(Deserialize)]
    struct Usage {
        #[serde(default)]
        total: u64,
    }
    let usage: Listed<Usage> = read(&api.send(&request::usage())?)?;
    Ok(usage.result.first().map_or(0, |today| today.total))
}
