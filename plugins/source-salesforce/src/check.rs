//! The named tests of a connection. Each only reads.

use crate::api::Api;
use crate::config::Config;
use crate::{fields, objects, request, response};
use attiva_connector::{CheckResult, Fault, FaultKind, Host, Result};
use serde::Deserialize;

const LOG_IN: (&str, &str) = ("log-in", "Log in and use the API (API Enabled)");
const VERSION: (&str, &str) = ("api-version", "The org has the API version");
const BULK: (&str, &str) = ("bulk-jobs", "See query jobs of the Bulk API 2.0");
const CALLS: (&str, &str) = ("daily-calls", "See the org's calls of the day");

pub(crate) fn check(host: &dyn Host, config: &Config) -> Vec<CheckResult> {
    let api = Api::new(host);
    let there = objects::queryable(&api, config);
    let reads: Vec<(String, String)> = objects::wanted(config)
        .map(|name| (format!("read-{}", name.to_lowercase().replace('_', "-")), format!("Read {name}")))
        .collect();
    let there = match there {
        Ok(there) => there,
        Err(fault) => {
            let mut results = vec![CheckResult::failed(LOG_IN.0, LOG_IN.1, fault)];
            let rest = reads.iter().map(|(name, title)| (name.as_str(), title.as_str())).chain([VERSION, BULK, CALLS]);
            results.extend(
                rest.map(|(name, title)| {
                    CheckResult::skipped(name, title, "Salesforce was not reached or let nobody in")
                }),
            );
            return results;
        }
    };
    let mut results =
        vec![CheckResult::passed(LOG_IN.0, LOG_IN.1), CheckResult::of(VERSION.0, VERSION.1, has_version(&api, config))];
    for ((name, title), object) in reads.iter().zip(objects::wanted(config)) {
        results.push(readable(&api, config, &there, object, name, title));
    }
    results.push(CheckResult::of(BULK.0, BULK.1, api.send(&request::jobs(&config.api_version))));
    results.push(calls(&api, config));
    results
}

fn has_version(api: &Api, config: &Config) -> Result<()> {
    #[derive(Deserialize)]
    struct Version {
        version: String,
    }
    let response = api.send(&request::versions())?;
    let versions: Vec<Version> = response::read(&response)?;
    if versions.iter().any(|v| v.version == config.api_version) {
        return Ok(());
    }
    let newest = versions.last().map_or("none", |v| v.version.as_str());
    Err(Fault::config(
        "salesforce.version",
        format!("the org has no version {}; its newest is {newest}", config.api_version),
    )
    .action("Enter a version that the org has.")
    .field("api_version"))
}

/// Passes where some fields are hidden, and names them: that stops nothing. An object that is not there is skipped, unless
/// the configuration asks for it.
fn readable(api: &Api, config: &Config, there: &[String], object: &str, name: &str, title: &str) -> CheckResult {
    let asked_for = config.objects.iter().any(|o| o == object);
    let described = if there.iter().any(|t| t == object) { fields::describe(api, config, object) } else { Ok(None) };
    match described {
        Ok(Some(described)) => match described.hidden(config) {
            hidden if hidden.is_empty() => CheckResult::passed(name, title),
            hidden => CheckResult::passed(name, &format!("{title}; the user does not see {}", hidden.join(", "))),
        },
        Ok(None) if asked_for => {
            let fault = Fault::new(
                FaultKind::Scope,
                "salesforce.object-hidden",
                format!("{object} is not in the org, or the user may not see it"),
            );
            CheckResult::failed(
                name,
                title,
                fault.action("Give the user read access, or take the object out.").field("objects"),
            )
        }
        Ok(None) => CheckResult::skipped(name, title, "the object is not in the org, or the user may not see it"),
        Err(fault) => CheckResult::failed(name, title, fault),
    }
}

/// Passes with the numbers in its title.
fn calls(api: &Api, config: &Config) -> CheckResult {
    #[derive(Deserialize)]
    struct Limits {
        #[serde(rename = "DailyApiRequests")]
        calls: Option<Limit>,
    }
    #[derive(Deserialize)]
    struct Limit {
        #[serde(rename = "Max")]
        max: u64,
        #[serde(rename = "Remaining")]
        remaining: u64,
    }
    match api.send(&request::limits(&config.api_version)).and_then(|r| response::read::<Limits>(&r)) {
        Ok(Limits { calls: Some(Limit { max, remaining }) }) => {
            let title = format!(
                "{remaining} of the org's {max} calls of a day are free; reading stops when {} % are spent",
                config.daily_share
            );
            CheckResult::passed(CALLS.0, &title)
        }
        Ok(Limits { calls: None }) => CheckResult::skipped(CALLS.0, CALLS.1, "the org does not tell"),
        Err(fault) => CheckResult::failed(CALLS.0, CALLS.1, fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{config, describe_path, described};
    use attiva_connector::testing::FakeHost;
    use serde_json::json;

    fn org(fake: &FakeHost, objects: &[&str]) {
        let listed: Vec<_> = objects.iter().map(|name| json!({"name": name, "queryable": true})).collect();
        fake.on("GET", "api", "/services/data/v68.0/sobjects/").json(200, &json!({"sobjects": listed}));
        fake.on("GET", "api", "/services/data/").json(200, &json!([{"version": "67.0"}, {"version": "68.0"}]));
        fake.on("GET", "api", "/services/data/v68.0/jobs/query").json(200, &json!({"records": []}));
        let limits = json!({"DailyApiRequests": {"Max": 15000, "Remaining": 14998}});
        fake.on("GET", "api", "/services/data/v68.0/limits").json(200, &limits);
    }

    fn verdict(results: &[CheckResult], name: &str) -> String {
        let found = results.iter().find(|r| r.name == name).unwrap_or_else(|| panic!("no {name}"));
        match (&found.fault, &found.skipped) {
            (Some(fault), _) => fault.code.clone(),
            (_, Some(_)) => "skipped".into(),
            _ => "passed".into(),
        }
    }

    #[test]
    fn each_object_is_a_test_and_what_is_hidden_is_named() {
        let fake = FakeHost::new();
        org(&fake, &["Contact", "Lead"]);
        described(&fake, "Contact");
        fake.on("GET", "api", &describe_path("Lead"))
            .json(403, &json!([{"errorCode": "INSUFFICIENT_ACCESS", "message": "no"}]));
        let results = check(&fake, &config(json!({"objects": ["Invoice__c"]})));
        for (name, expected) in [
            ("log-in", "passed"),
            ("api-version", "passed"),
            ("read-contact", "passed"),
            ("read-lead", "skipped"),
            ("read-account", "skipped"),
            ("read-invoice--c", "salesforce.object-hidden"),
            ("bulk-jobs", "passed"),
            ("daily-calls", "passed"),
        ] {
            assert_eq!(verdict(&results, name), expected, "{name}");
        }
        let contact = results.iter().find(|r| r.name == "read-contact").unwrap();
        assert!(contact.title.contains("does not see") && contact.title.contains("LastName"), "{}", contact.title);
        assert!(results.last().unwrap().title.starts_with("14998 of the org's 15000"));
        assert!(fake.unused().is_empty(), "{:?}", fake.unused());
    }

    #[test]
    fn a_version_that_the_org_has_not_is_named_with_its_newest() {
        let fake = FakeHost::new();
        let api = Api::new(&fake);
        fake.on("GET", "api", "/services/data/").json(200, &json!([{"version": "66.0"}, {"version": "67.0"}]));
        let fault = has_version(&api, &config(json!({}))).unwrap_err();
        assert!(fault.message.contains("67.0") && fault.field.as_deref() == Some("api_version"), "{fault:?}");
    }

    #[test]
    fn without_a_login_the_rest_is_not_tried() {
        let fake = FakeHost::new();
        fake.on("GET", "api", "/services/data/v68.0/sobjects/").fault(Fault::auth("auth.refused", "invalid_grant"));
        let results = check(&fake, &config(json!({})));
        assert_eq!(verdict(&results, "log-in"), "auth.refused");
        assert!(results[1..].iter().all(|r| r.skipped.is_some()));
        assert_eq!(fake.requests().len(), 1);
    }
}
