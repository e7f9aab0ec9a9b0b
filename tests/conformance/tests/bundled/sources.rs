use crate::{held, marketo_answers, options, proved, runtime};
use attiva_simulators::marketo::{Limits, Marketo, MarketoConfig};
use attiva_simulators::salesforce::{Salesforce, SalesforceConfig};
use serde_json::{Value, json};
use std::sync::Arc;
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
        shared_email_every: 0,
        missing_email_every: 0,
        ..MarketoConfig::default()
    };
    let marketo = Arc::new(runtime.block_on(Marketo::start(config)).unwrap());
    // Some columns have a value by what happens alone: who comes onto a list, succeeds in a program, follows a link.
    marketo.set_listed(1, 2, true).unwrap();
    marketo.set_member(1_002, 4, Some("Attended")).unwrap();
    marketo.click(4, "https://www.example/offer").unwrap();
    marketo.change_track(1_002, 4, 6, Some(5)).unwrap();
    marketo.change_stage(4, 3).unwrap();
    marketo.change_opportunity(1, json!({"stage": "Negotiation"})).unwrap();
    let email = |id: u64| marketo.lead(id).unwrap()["email"].clone();
    let ended = |status: &str| json!({"status": 200, "body": {"requestId": "kit", "success": true, "result": [{"exportId": "kit", "status": status}]}});
    let gone = json!({"status": 200, "body": {"requestId": "kit", "success": false, "errors": [{"code": "1013", "message": "Export not found"}]}});
    let start = marketo.now() - jiff::SignedDuration::from_hours(24 * 25);
    let suite = json!({
        "configuration": {
            "munchkin_id": "123-ABC-456", "client_id": marketo.config().client_id,
            "client_secret": marketo.config().client_secret, "poll_seconds": 1,
            "start_date": start.to_string().get(..10), "fields": ["email", "firstName", "lastName"],
            "named_account_lists": ["Target accounts"],
        },
        "streams": [
            {
                "name": "persons",
                "expected": {"2": {"email": email(2)}},
                "changes": [
                    {"key": "3", "kind": "changed", "expected": {"firstName": "Changed"}},
                    {"key": "5", "kind": "deleted"}, {"key": "7", "kind": "merged", "into": "6"},
                ],
            },
            {"name": "companies"}, {"name": "opportunities"}, {"name": "opportunity_roles"}, {"name": "static_lists"},
            {"name": "static_list_memberships"}, {"name": "programs"}, {"name": "program_memberships"},
            {"name": "named_accounts"}, {"name": "activities"},
        ],
        "answers": marketo_answers(),
        "jobs": [{"stream": "persons", "status_path": "status.json", "failed": [ended("Failed"), ended("Cancelled"), gone]}],
    });
    let mut options = options("source-marketo", &suite, &marketo.base_url(), &["api"]);
    options.change = Some(Arc::new(move |_| {
        marketo.change_lead(3, json!({"firstName": "Changed"})).unwrap();
        marketo.delete_lead(5).unwrap();
        marketo.merge_leads(6, &[7]).unwrap();
    }));
    proved(&runtime, options);
}

#[test]
fn source_salesforce() {
    salesforce(3);
}

/// As above, with every window read page by page: what has to do with pages.
#[test]
fn source_salesforce_without_jobs() {
    salesforce(1_000);
}

fn salesforce(bulk_from: u32) {
    let runtime = runtime();
    let config = SalesforceConfig { people: 12, ..SalesforceConfig::default() };
    let salesforce = Arc::new(runtime.block_on(Salesforce::start(config)).unwrap());
    // Some columns have a value in few records.
    let ids =
        |object: &str| -> Vec<Value> { salesforce.records(object).iter().map(|record| record["Id"].clone()).collect() };
    let (account, contact, campaign) = (ids("Account").remove(0), ids("Contact").remove(0), ids("Campaign").remove(0));
    let records = [
        (
            "CampaignMember",
            json!({"CampaignId": campaign, "ContactId": contact, "Status": "Responded", "FirstRespondedDate": "2026-01-15"}),
        ),
        (
            "AccountContactRelation",
            json!({"AccountId": account, "ContactId": contact, "Roles": "Advisor;Buyer", "EndDate": "2027-01-15"}),
        ),
        (
            "Opportunity",
            json!({"AccountId": account, "CampaignId": campaign, "Name": "A deal", "NextStep": "Call them"}),
        ),
    ];
    for (object, values) in records {
        salesforce.create(object, values).unwrap();
    }
    // That a record was merged away arrives as a merge, not as a value of a record that is there.
    let merged_away = ["MasterRecordId"];
    let contacts: Vec<String> =
        salesforce.records("Contact").iter().map(|record| record["Id"].as_str().unwrap().to_owned()).collect();
    let of = |n: usize| contacts[n].clone();
    let email = |n: usize| salesforce.records("Contact")[n]["Email"].clone();
    let ended = |state: &str| json!({"status": 200, "body": {"id": "kit", "state": state, "errorMessage": "it could not be done"}});
    let gone =
        json!({"status": 404, "body": [{"errorCode": "NOTFOUND", "message": "The requested resource does not exist"}]});
    let expired = json!([{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]);
    let mut expected = serde_json::Map::new();
    expected.insert(of(0), json!({"Email": email(0)}));
    let suite = json!({
        "configuration": {
            "my_domain": "acme", "client_id": salesforce.config().client_id, "client_secret": salesforce.config().client_secret,
            "fields": {"Contact": ["Email", "FirstName", "LastName"], "Account": ["Name"], "Lead": ["Email", "LastName"]},
            "objects": ["Invoice__c"], "bulk_from": bulk_from,
        },
        "streams": [
            {
                "name": "Contact", "unseen": merged_away, "expected": expected,
                "changes": [
                    {"key": of(1), "kind": "changed", "expected": {"LastName": "Changed"}},
                    {"key": of(2), "kind": "deleted"}, {"key": of(3), "kind": "merged", "into": of(0)},
                ],
            },
            {"name": "Account", "unseen": merged_away}, {"name": "Lead", "unseen": merged_away},
            {"name": "Opportunity"}, {"name": "OpportunityContactRole"}, {"name": "Campaign"}, {"name": "CampaignMember"},
            {"name": "AccountContactRelation"}, {"name": "Invoice__c"},
        ],
        "answers": {"token_expired": {"status": 401, "body": expired}},
        "jobs": [{"stream": "Contact", "status_path": "/jobs/query/", "failed": [ended("Failed"), ended("Aborted"), gone]}],
    });
    let by_pages: &[u8] = &[16, 18, 19, 20, 21, 22, 23, 24, 28, 29, 30];
    let mut options = options("source-salesforce", &suite, &salesforce.base_url(), &["login", "api"]);
    options.change = Some(Arc::new(move |_| {
        assert!(salesforce.change("Contact", &contacts[1], &json!({"LastName": "Changed"})));
        assert!(salesforce.delete("Contact", &contacts[2]));
        assert!(salesforce.merge("Contact", &contacts[3], &contacts[0]));
    }));
    if bulk_from > 3 { held(&runtime, options, by_pages) } else { proved(&runtime, options) }
}
