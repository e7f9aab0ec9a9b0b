//! The named tests of a connection. Each only reads.

use crate::config::Config;
use crate::dataset::Dataset;
use crate::extract::Extract;
use crate::objects::Object;
use crate::refreshed::Refreshed;
use crate::{fields, request};
use attiva_connector::{CheckResult, Fault, FaultKind, Host, Request, Result};
use marketo_api::Api;
use serde::Deserialize;

const CREDENTIALS: (&str, &str) = ("credentials", "Log in with the custom service");
const FIELDS: (&str, &str) = ("describe-leads", "Describe the person fields (Read-Only Lead)");
const ACTIVITIES: (&str, &str) = ("read-activities", "Read activities (Read-Only Activity)");
const EXPORTS: (&str, &str) = ("bulk-extract", "Use bulk extract (Read-Only Lead)");
const QUOTA: (&str, &str) = ("daily-quota", "See today's calls");

/// The datasets that not every subscription has, each with the test of whether this one does.
const DATASETS: [(Dataset, &str, &str); 7] = [
    (Dataset::Object(Object::Companies), "companies", "Read companies (Read-Only Company)"),
    (
        Dataset::Refreshed(Refreshed::NamedAccounts),
        "named-accounts",
        "Read named accounts (Read-Only Named Account, Read-Only Named Account List)",
    ),
    (Dataset::Object(Object::OpportunityRoles), "opportunity-roles", "Read opportunity roles (Read-Only Opportunity)"),
    (Dataset::Object(Object::Opportunities), "opportunities", "Read opportunities (Read-Only Opportunity)"),
    (Dataset::Refreshed(Refreshed::Programs), "programs", "Read programs (Read-Only Assets)"),
    (Dataset::ProgramMembers, "program-members", "Read members of programs (Read-Only Lead)"),
    (Dataset::Refreshed(Refreshed::StaticLists), "static-lists", "Read static lists (Read-Only Lead)"),
];

/// What another connection has to supply where Marketo does not serve a dataset.
const FROM_THE_CRM: &str = "Marketo serves no opportunity roles where it syncs a CRM itself: connect Salesforce or \
                            Dynamics for them. With crm_system and crm_instance_id set here, records of both meet.";

pub(crate) fn check(host: &dyn Host, config: &Config) -> Vec<CheckResult> {
    let api = Api::new(host);
    let described = fields::describe(&api);
    if let Err(fault) = &described
        && !is_logged_in(fault)
    {
        let mut results = vec![CheckResult::failed(CREDENTIALS.0, CREDENTIALS.1, fault.clone())];
        let rest = [FIELDS, ACTIVITIES, EXPORTS].into_iter().chain(DATASETS.map(|(_, n, t)| (n, t))).chain([QUOTA]);
        results.extend(
            rest.map(|(name, title)| CheckResult::skipped(name, title, "Marketo was not reached or let nobody in")),
        );
        return results;
    }
    let selected = described.and_then(|fields| fields::select(fields, config, &[]));
    let mut results = vec![
        CheckResult::passed(CREDENTIALS.0, CREDENTIALS.1),
        CheckResult::of(FIELDS.0, FIELDS.1, selected),
        try_call(&api, ACTIVITIES, &request::paging_token(api.now())),
        try_call(&api, EXPORTS, &request::exports(Extract::Leads)),
    ];
    results.extend(datasets(&api, config));
    results.push(quota(&api));
    results
}

/// Which of the other datasets this subscription and this user can deliver. One that it cannot is no failure of the
/// connection: it is skipped, with the reason and what to do instead.
fn datasets(api: &Api, config: &Config) -> Vec<CheckResult> {
    let mut roles_served = true;
    let test = |(dataset, name, title): (Dataset, &str, &str)| {
        let asked = match dataset {
            Dataset::Refreshed(Refreshed::StaticLists) => api.send(&request::static_lists(1, None)).map(|_| ()),
            _ => dataset.fields(api, config).map(|_| ()),
        };
        match asked {
            Ok(()) if dataset == Dataset::Object(Object::Opportunities) && !roles_served => {
                let only = format!("{title}: only those that activities name. {FROM_THE_CRM}");
                CheckResult::passed(name, &only)
            }
            Ok(()) => CheckResult::passed(name, title),
            Err(fault) if fault.kind == FaultKind::Scope => {
                let why = format!("{}. Without it this dataset is not read.", fault.message);
                CheckResult::skipped(name, title, &why)
            }
            Err(fault) if is_not_served(&fault) => {
                let is_role = dataset == Dataset::Object(Object::OpportunityRoles);
                roles_served &= !is_role;
                let why = format!("not served for this subscription ({})", fault.message);
                CheckResult::skipped(name, title, if is_role { FROM_THE_CRM } else { &why })
            }
            Err(fault) => CheckResult::failed(name, title, fault),
        }
    };
    DATASETS.into_iter().map(test).collect()
}

/// As [`marketo_api::Refusal::is_not_served`], of the fault it became.
fn is_not_served(fault: &Fault) -> bool {
    ["marketo.610", "marketo.616", "marketo.703", "marketo.1018"].contains(&fault.code.as_str())
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
    let usage: marketo_api::Listed<Usage> = marketo_api::read(&response)?;
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

    const OBJECTS: [&str; 5] =
        ["companies", "namedaccounts", "opportunities/roles", "opportunities", "programs/members"];

    fn object_path(object: &str) -> String {
        format!("/rest/v1/{object}/describe.json")
    }

    /// Everything but persons, activities and exports is there.
    fn datasets_are_there(fake: &FakeHost) {
        for object in OBJECTS {
            script(fake, &object_path(object), json!([{"name": object, "fields": []}]));
        }
        script(fake, "/rest/asset/v1/programs.json", json!([]));
        script(fake, "/rest/v1/lists.json", json!([]));
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
        datasets_are_there(&fake);
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
        for object in OBJECTS {
            refuse(&fake, &object_path(object), "603");
        }
        refuse(&fake, "/rest/asset/v1/programs.json", "603");
        refuse(&fake, "/rest/v1/lists.json", "606");
        refuse(&fake, USAGE, "607");
        assert_eq!(
            verdicts(&run(&fake)),
            [
                ("credentials", "passed"),
                ("describe-leads", "marketo.603"),
                ("read-activities", "marketo.603"),
                ("bulk-extract", "passed"),
                ("companies", "skipped"),
                ("named-accounts", "skipped"),
                ("opportunity-roles", "skipped"),
                ("opportunities", "skipped"),
                ("programs", "skipped"),
                ("program-members", "skipped"),
                ("static-lists", "marketo.606"),
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
        datasets_are_there(&fake);
        script(&fake, USAGE, json!([]));
        assert_eq!(verdicts(&run(&fake))[1], ("describe-leads", "marketo.field-unknown"));
    }

    #[test]
    fn where_the_crm_is_native_it_is_said_what_the_crm_has_to_supply() {
        let fake = FakeHost::new();
        refuse(&fake, &object_path("opportunities/roles"), "703");
        refuse(&fake, &object_path("namedaccounts"), "616");
        script(&fake, DESCRIBE, json!([{"displayName": "Email", "dataType": "email", "rest": {"name": "email"}}]));
        script(&fake, TOKEN, json!([]));
        script(&fake, EXPORT, json!([]));
        for object in ["companies", "opportunities", "programs/members"] {
            script(&fake, &object_path(object), json!([{"name": object, "fields": []}]));
        }
        script(&fake, "/rest/asset/v1/programs.json", json!([]));
        script(&fake, "/rest/v1/lists.json", json!([]));
        script(&fake, USAGE, json!([]));
        let results = run(&fake);
        let of = |name: &str| results.iter().find(|r| r.name == name).unwrap();
        assert!(of("opportunity-roles").skipped.as_deref().unwrap().contains("connect Salesforce or Dynamics"));
        assert!(of("named-accounts").skipped.as_deref().unwrap().contains("not served"));
        assert!(
            of("opportunities").fault.is_none() && of("opportunities").title.contains("only those that activities")
        );
        assert!(results.iter().all(|r| r.fault.is_none()), "{results:?}");
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
