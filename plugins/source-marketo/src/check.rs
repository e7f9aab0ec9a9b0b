//! The named tests of a connection. Each only reads.

use crate::api::Api;
use crate::config::Config;
use crate::{fields, request, response};
use attiva_connector::{CheckResult, Fault, FaultKind, Host, Request, Result};
use serde::Deserialize;

const CREDENTIALS: (&str, &str) = ("credentials", "Log in with the custom service");
const FIELDS: (&str, &str) = ("describe-leads", "Describe the person fields (Read-Only Lead)");
const ACTIVITIES: (&str, &str) = ("read-activities", "Read activities (Read-Only Activity)");
const EXPORTS: (&str, &str) = ("bulk-extract", "Use bulk extract (Read-Only Lead)");
const QUOTA: (&str, &str) = ("daily-quota", "See today's calls");

pub(crate) fn check(host: &dyn Host, config: &Config) -> Vec<CheckResult> {
    let api = Api::new(host);
    let described = fields::describe(&api);
    if let Err(fault) = &described
        && !is_logged_in(fault)
    {
        let mut results = vec![CheckResult::failed(CREDENTIALS.0, CREDENTIALS.1, fault.clone())];
        let rest = [FIELDS, ACTIVITIES, EXPORTS, QUOTA];
        results.extend(
            rest.map(|(name, title)| CheckResult::skipped(name, title, "Marketo was not reached or let nobody in")),
        );
        return results;
    }
    let selected = described.and_then(|fields| fields::select(fields, config, &[]));
    vec![
        CheckResult::passed(CREDENTIALS.0, CREDENTIALS.1),
        CheckResult::of(FIELDS.0, FIELDS.1, selected),
        try_call(&api, ACTIVITIES, &request::paging_token(api.now())),
        try_call(&api, EXPORTS, &request::exports()),
        quota(&api),
    ]
}

/// Whether a refusal came from behind the login.
fn is_logged_in(fault: &Fault) -> bool {
    fault.code.starts_with("marketo.") && !matches!(fault.kind, FaultKind::Auth | FaultKind::Transient)
}

fn try_call(api: &Api, (name, title): (&str, &str), request: &Request) -> CheckResult {
    CheckResult::of(name, title, api.send(request))
}

/// Passes with the number in its title. The limit itself Marketo does not tell.
fn quota(api: &Api) -> CheckResult {
    match calls_today(api) {
        Ok(calls) => {
            let title =
                format!("{calls} calls made today, by all that use the instance; most subscriptions have 50,000");
            CheckResult::passed(QUOTA.0, &title)
        }
        Err(fault) => CheckResult::failed(QUOTA.0, QUOTA.1, fault),
    }
}

fn calls_today(api: &Api) -> Result<u64> {
    #[derive(Deserialize)]
    struct Usage {
        #[serde(default)]
        total: u64,
    }
    let response = api.send(&request::usage())?;
    let usage: response::Listed<Usage> = response::read(&response)?;
    Ok(usage.result.first().map_or(0, |today| today.total))
}

#[cfg(test)]
mod tests {
    use super::*;
    use attiva_connector::{parse_config, testing::FakeHost};
    use serde_json::{Value, json};

    fn run(fake: &FakeHost) -> Vec<CheckResult> {
        let config = json!({"munchkin_id": "123-ABC-456", "fields": ["email"]});
        check(fake, &parse_config(&config.to_string()).unwrap())
    }

    fn script(fake: &FakeHost, path: &str, result: Value) {
        fake.on("GET", "api", path).json(200, &json!({"success": true, "result": result, "nextPageToken": "T"}));
    }

    fn refuse(fake: &FakeHost, path: &str, code: &str) {
        let errors = json!([{"code": code, "message": "no"}]);
        fake.on("GET", "api", path).always().json(200, &json!({"success": false, "errors": errors}));
    }

    fn verdicts(results: &[CheckResult]) -> Vec<(&str, &str)> {
        let verdict = |r: &CheckResult| match (&r.fault, &r.skipped) {
            (Some(fault), _) => fault.code.clone(),
            (_, Some(_)) => "skipped".into(),
            _ => "passed".into(),
        };
        results.iter().map(|r| (r.name.as_str(), &*verdict(r).leak())).collect()
    }

    const DESCRIBE: &str = "/rest/v1/leads/describe.json";
    const TOKEN: &str = "/rest/v1/activities/pagingtoken.json";
    const EXPORT: &str = "/bulk/v1/leads/export.json";
    const USAGE: &str = "/rest/v1/stats/usage.json";

    #[test]
    fn a_good_connection_passes_and_shows_todays_calls() {
        let fake = FakeHost::new();
        script(&fake, DESCRIBE, json!([{"displayName": "Email", "dataType": "email", "rest": {"name": "email"}}]));
        script(&fake, TOKEN, json!([]));
        script(&fake, EXPORT, json!([]));
        script(&fake, USAGE, json!([{"date": "2026-01-01", "total": 1234, "users": []}]));
        let results = run(&fake);
        assert!(verdicts(&results).iter().all(|(_, v)| *v == "passed"), "{results:?}");
        assert!(results.last().unwrap().title.starts_with("1234 calls"));
        assert!(fake.unused().is_empty());
    }

    #[test]
    fn each_missing_permission_is_a_test_of_its_own() {
        let fake = FakeHost::new();
        refuse(&fake, DESCRIBE, "603");
        refuse(&fake, TOKEN, "603");
        script(&fake, EXPORT, json!([]));
        refuse(&fake, USAGE, "607");
        assert_eq!(
            verdicts(&run(&fake)),
            [
                ("credentials", "passed"),
                ("describe-leads", "marketo.603"),
                ("read-activities", "marketo.603"),
                ("bulk-extract", "passed"),
                ("daily-quota", "marketo.607"),
            ]
        );
    }

    #[test]
    fn a_field_that_is_not_there_fails_its_test() {
        let fake = FakeHost::new();
        script(&fake, DESCRIBE, json!([]));
        script(&fake, TOKEN, json!([]));
        script(&fake, EXPORT, json!([]));
        script(&fake, USAGE, json!([]));
        assert_eq!(verdicts(&run(&fake))[1], ("describe-leads", "marketo.field-unknown"));
    }

    #[test]
    fn without_a_login_the_rest_is_not_tried() {
        for (code, expected) in [("602", "marketo.602"), ("601", "marketo.601")] {
            let fake = FakeHost::new();
            refuse(&fake, DESCRIBE, code);
            let results = run(&fake);
            let verdicts = verdicts(&results);
            assert_eq!(verdicts[0], ("credentials", expected));
            assert!(verdicts[1..].iter().all(|(_, v)| *v == "skipped"), "{verdicts:?}");
        }
        let fake = FakeHost::new();
        fake.on("GET", "api", DESCRIBE).fault(Fault::auth("credential.refused", "unauthorized"));
        assert_eq!(verdicts(&run(&fake))[0], ("credentials", "credential.refused"));
    }
}
