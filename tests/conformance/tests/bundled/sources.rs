use crate::{marketo_answers as answers, options, proved, runtime};
use attiva_simulators::marketo::{Limits, Marketo, MarketoConfig};
use attiva_simulators::salesforce::{Salesforce, SalesforceConfig};
use serde_json::json;
use std::time::Duration;

#[test]
fn source_marketo() {
    let runtime = runtime();
    let config = MarketoConfig {
        leads: 24,
        limits: Limits::OFF,
        status_interval: Duration::from_millis(1),
        export_bytes_per_day: u64::MAX,
        history_days: 20,
        ..MarketoConfig::default()
    };
    let marketo = runtime.block_on(Marketo::start(config)).unwrap();
    let suite = json!({
        "configuration": {
            "munchkin_id": "123-ABC-456", "client_id": marketo.config().client_id,
            "client_secret": marketo.config().client_secret, "poll_seconds": 1,
            "start_date": "2026-11-01", "fields": ["email", "firstName", "lastName"],
        },
        "streams": [
            {"name": "persons"}, {"name": "companies"}, {"name": "opportunities"}, {"name": "opportunity_roles"},
            {"name": "static_lists", "unseen": ["programName"]}, {"name": "static_list_memberships"},
            {"name": "programs", "unseen": ["sfdcId", "sfdcName", "startDate", "endDate"]}, {"name": "program_memberships"},
            {"name": "activities", "unseen": ["campaignId", "referrerUrl", "linkUrl", "opportunityRole"]},
        ],
        "answers": answers(),
    });
    proved(&runtime, options("source-marketo", &suite, &marketo.base_url(), &["api"]));
}

#[test]
fn source_salesforce() {
    let runtime = runtime();
    let salesforce = runtime.block_on(Salesforce::start(SalesforceConfig { people: 12, ..SalesforceConfig::default() })).unwrap();
    let suite = json!({
        "configuration": {
            "my_domain": "acme", "client_id": salesforce.config().client_id, "client_secret": salesforce.config().client_secret,
            "fields": {"Contact": ["Email", "FirstName", "LastName"], "Account": ["Name"]},
        },
        "streams": [{"name": "Contact", "unseen": ["MasterRecordId"]}, {"name": "Account", "unseen": ["MasterRecordId"]}],
        "answers": {"token_expired": {"status": 401, "body": [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]}},
    });
    proved(&runtime, options("source-salesforce", &suite, &salesforce.base_url(), &["login", "api"]));
}
