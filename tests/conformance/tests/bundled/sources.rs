use crate::{options, proved, runtime};
use attiva_simulators::marketo::{Limits, Marketo, MarketoConfig};
use attiva_simulators::salesforce::{Salesforce, SalesforceConfig};
use serde_json::json;
use std::time::Duration;

#[test]
fn source_marketo() {
    let runtime = runtime();
    let config = MarketoConfig {
        leads: 6,
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
        "streams": [{"name": "persons"}, {"name": "activities"}, {"name": "static_lists"}, {"name": "programs"}],
    });
    proved(&runtime, options("source-marketo", &suite, &marketo.base_url(), &["api"]));
}

#[test]
fn source_salesforce() {
    let runtime = runtime();
    let salesforce =
        runtime.block_on(Salesforce::start(SalesforceConfig { people: 12, ..SalesforceConfig::default() })).unwrap();
    let suite = json!({
        "configuration": {
            "my_domain": "acme", "client_id": salesforce.config().client_id, "client_secret": salesforce.config().client_secret,
            "fields": {"Contact": ["Email", "FirstName", "LastName"], "Account": ["Name"]},
        },
        "streams": [{"name": "Contact"}, {"name": "Account"}],
    });
    proved(&runtime, options("source-salesforce", &suite, &salesforce.base_url(), &["login", "api"]));
}
