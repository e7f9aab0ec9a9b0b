//! The org from outside: what it answers, what it refuses, and that its people are Marketo's.

use std::collections::BTreeMap;

use attiva_simulators::salesforce::{Fault, Salesforce, SalesforceConfig};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Client, NOW, config, start};

fn org(people: u64) -> SalesforceConfig {
    SalesforceConfig { people, now: NOW.parse().ok(), ..SalesforceConfig::default() }
}

async fn open(config: SalesforceConfig) -> (Salesforce, Client) {
    let org = Salesforce::start(config).await.unwrap();
    let mut client = Client { address: org.address(), token: String::new() };
    log_in(&org, &mut client).await;
    (org, client)
}

async fn log_in(org: &Salesforce, client: &mut Client) {
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        org.config().client_id,
        org.config().client_secret
    );
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let reply = client.send(Method::POST, "/services/oauth2/token", &headers, form.into_bytes()).await.json();
    client.token = reply["access_token"].as_str().unwrap().to_owned();
}

fn path(soql: &str) -> String {
    let encoded: String = form_urlencoded::byte_serialize(soql.as_bytes()).collect();
    format!("/services/data/v68.0/queryAll?q={encoded}")
}

async fn code(client: &Client, path: &str) -> (u16, String) {
    let reply = client.get(path).await;
    (reply.status.as_u16(), reply.json()[0]["errorCode"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn marketo_has_the_ids_of_the_orgs_records() {
    let (org, _) = open(org(400)).await;
    let (marketo, _) = start(config(400)).await;
    let ids = |object: &str, field: &str| -> BTreeMap<String, Value> {
        let of = |record: serde_json::Map<String, Value>| {
            (record["Id"].as_str().unwrap().to_owned(), record.get(field).cloned().unwrap_or(Value::Null))
        };
        org.records(object).into_iter().map(of).collect()
    };
    let (contacts, leads, accounts) = (ids("Contact", "Email"), ids("Lead", "Email"), ids("Account", "Name"));
    let mut seen = (0, 0);
    for lead in marketo.leads() {
        if let Some(contact) = lead["sfdcContactId"].as_str() {
            assert_eq!(contacts.get(contact), Some(&lead["email"]));
            assert_eq!(accounts.get(lead["sfdcAccountId"].as_str().unwrap()), Some(&lead["company"]));
            seen.0 += 1;
        }
        if let Some(id) = lead["sfdcLeadId"].as_str() {
            assert_eq!(leads.get(id), Some(&lead["email"]));
            seen.1 += 1;
        }
    }
    assert_eq!(seen, (contacts.len(), leads.len()));
    assert!(
        org.records("Lead")
            .iter()
            .any(|lead| contacts
                .contains_key(lead.get("ConvertedContactId").and_then(Value::as_str).unwrap_or_default()))
    );
}

#[tokio::test]
async fn a_query_is_paged_and_its_next_page_survives_a_new_session() {
    let (org, mut client) = open(SalesforceConfig { page_records: 7, ..org(60) }).await;
    let first = client.get(&path("SELECT Id, SystemModstamp FROM Contact ORDER BY SystemModstamp, Id")).await;
    assert!(first.header("sforce-limit-info").starts_with("api-usage=1/"));
    let first = first.json();
    let (total, next) = (first["totalSize"].as_u64().unwrap(), first["nextRecordsUrl"].as_str().unwrap().to_owned());
    assert_eq!((first["done"].clone(), first["records"].as_array().unwrap().len()), (json!(false), 7));
    assert!(first["records"][0]["SystemModstamp"].as_str().unwrap().ends_with(".000+0000"));
    org.expire_sessions();
    assert_eq!(code(&client, &next).await, (401, "INVALID_SESSION_ID".into()));
    log_in(&org, &mut client).await;
    let (mut read, mut next) = (7, Some(next));
    while let Some(url) = next {
        let page = client.get(&url).await.json();
        read += page["records"].as_array().unwrap().len() as u64;
        next = page["nextRecordsUrl"].as_str().map(str::to_owned);
    }
    assert_eq!(read, total);
    org.inject(Fault::LocatorGone);
    let url = first["nextRecordsUrl"].as_str().unwrap();
    assert_eq!(code(&client, url).await, (400, "INVALID_QUERY_LOCATOR".into()));
    assert_eq!(code(&client, url).await.1, "INVALID_QUERY_LOCATOR", "and stays so");
}

#[tokio::test]
async fn a_job_moves_on_and_its_results_are_paged() {
    let (org, client) = open(SalesforceConfig { results_records: 10, ..org(80) }).await;
    let jobs = "/services/data/v68.0/jobs/query";
    let made = client
        .post(jobs, &json!({"operation": "queryAll", "query": "SELECT Id, Email, SystemModstamp FROM Contact"}))
        .await
        .json();
    let job = format!("{jobs}/{}", made["id"].as_str().unwrap());
    assert_eq!(made["state"], "UploadComplete");
    assert_eq!(code(&client, &format!("{job}/results")).await.0, 400);
    let mut states = Vec::new();
    for _ in 0..3 {
        states.push(client.get(&job).await.json()["state"].as_str().unwrap().to_owned());
    }
    assert_eq!(states, ["InProgress", "InProgress", "JobComplete"]);
    assert_eq!(code(&client, &format!("{}/results", job.replace("v68.0", "v67.0"))).await.0, 409);
    let (mut ids, mut locator) = (Vec::new(), String::new());
    while locator != "null" {
        let query =
            if locator.is_empty() { String::new() } else { format!("?locator={}", locator.replace('=', "%3D")) };
        let page = client.get(&format!("{job}/results{query}")).await;
        let mut reader = csv::Reader::from_reader(page.body.as_slice());
        assert_eq!(
            reader.headers().unwrap().iter().collect::<Vec<_>>(),
            ["Email", "Id", "SystemModstamp"],
            "in an order of its own, on each page"
        );
        let before = ids.len();
        ids.extend(reader.records().map(|record| record.unwrap()[1].to_owned()));
        assert_eq!(page.header("sforce-numberofrecords"), (ids.len() - before).to_string());
        locator = page.header("sforce-locator");
    }
    let expected: Vec<String> = org.records("Contact").iter().map(|r| r["Id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, expected);
    let compound = json!({"operation": "query", "query": "SELECT MailingAddress FROM Contact"});
    assert!(client.post(jobs, &compound).await.text().contains("compound data not supported"));
}

#[tokio::test]
async fn what_the_user_may_not_see_is_not_there() {
    let (org, client) = open(org(40)).await;
    org.hide(&["Lead", "Contact.Title"]);
    assert_eq!(code(&client, "/services/data/v68.0/sobjects/Lead/describe").await, (404, "NOT_FOUND".into()));
    assert_eq!(code(&client, &path("SELECT Id FROM Lead")).await, (400, "INVALID_TYPE".into()));
    assert_eq!(code(&client, &path("SELECT Title FROM Contact")).await, (400, "INVALID_FIELD".into()));
    let described = client.get("/services/data/v68.0/sobjects/Contact/describe").await.json();
    assert!(!described["fields"].as_array().unwrap().iter().any(|field| field["name"] == "Title"));
    assert_eq!(code(&client, "/services/data/v30.0/limits").await.0, 404);
}

#[tokio::test]
async fn the_day_ends_and_the_bin_tells_who_is_gone() {
    let (org, client) = open(org(40)).await;
    let ids: Vec<String> = org.records("Contact").iter().map(|r| r["Id"].as_str().unwrap().to_owned()).collect();
    assert!(org.merge("Contact", &ids[0], &ids[1]) && org.delete("Contact", &ids[2]) && org.erase("Contact", &ids[3]));
    let gone = client.get(&path("SELECT Id, MasterRecordId FROM Contact WHERE IsDeleted = true")).await.json();
    let gone: BTreeMap<&str, &Value> =
        gone["records"].as_array().unwrap().iter().map(|r| (r["Id"].as_str().unwrap(), &r["MasterRecordId"])).collect();
    assert_eq!(gone, BTreeMap::from([(ids[0].as_str(), &json!(ids[1])), (ids[2].as_str(), &Value::Null)]));
    let live = client.get(&path("SELECT count() FROM Contact").replace("queryAll", "query")).await.json();
    assert_eq!(live["totalSize"], json!(ids.len() - 3));
    org.spend_calls(org.config().daily_calls);
    assert_eq!(code(&client, "/services/data/v68.0/limits").await, (403, "REQUEST_LIMIT_EXCEEDED".into()));
}
