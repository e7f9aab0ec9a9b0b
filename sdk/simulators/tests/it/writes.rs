//! What a destination writes: lists, members, leads in bulk.

use std::time::Duration;

use attiva_simulators::marketo::{Fault, Marketo, MarketoConfig};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Client, Reply, assert_refused, config, encoded, records, start};

async fn form(client: &Client, path: &str, pairs: &[(&str, &str)]) -> Reply {
    let body: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    client.send(Method::POST, path, &headers, body.join("&").into_bytes()).await
}

async fn made(client: &Client, name: &str) -> u64 {
    let folder = r#"{"id":12,"type":"Folder"}"#;
    let reply = form(client, "/rest/asset/v1/staticLists.json", &[("folder", folder), ("name", name)]).await;
    records(&reply.json())[0]["id"].as_u64().unwrap_or_else(|| panic!("{}", reply.text()))
}

fn statuses(reply: &Reply) -> Vec<String> {
    let status = |record: &Value| {
        let reason = record["reasons"][0]["code"].as_str().unwrap_or_default();
        format!("{} {reason}", record["status"].as_str().unwrap_or_default()).trim().to_owned()
    };
    records(&reply.json()).iter().map(status).collect()
}

#[tokio::test]
async fn a_list_is_made_once_found_by_name_and_deleted() {
    let (_marketo, client) = start(config(10)).await;
    let by_name = "/rest/asset/v1/staticList/byName.json?name=VIPs%20%26%20friends";
    let nothing = client.ok_asset(by_name).await;
    assert!(nothing.get("result").is_none() && nothing["warnings"][0].is_string(), "{nothing}");
    let id = made(&client, "VIPs & friends").await;
    assert_eq!(client.ok_asset(by_name).await["result"][0]["id"], id);
    let folder = ("folder", r#"{"id":12,"type":"Folder"}"#);
    let again = form(&client, "/rest/asset/v1/staticLists.json", &[folder, ("name", "VIPs & friends")]).await;
    assert_refused(&again, "709");
    let nowhere = [("folder", r#"{"id":99,"type":"Folder"}"#), ("name", "x")];
    assert_refused(&form(&client, "/rest/asset/v1/staticLists.json", &nowhere).await, "711");
    let found = client.ok_asset("/rest/asset/v1/folder/byName.json?name=Group%20Lists").await;
    assert_eq!(found["result"][0]["folderId"], json!({"id": 12, "type": "Folder"}));
    let delete = format!("/rest/asset/v1/staticList/{id}/delete.json");
    assert_eq!(form(&client, &delete, &[]).await.json()["success"], true);
    assert_refused(&form(&client, &delete, &[]).await, "1013");
}

#[tokio::test]
async fn members_are_answered_one_by_one() {
    let (_marketo, client) = start(config(10)).await;
    let since = encoded("2000-01-01T00:00:00Z");
    let token = client.ok(&format!("/rest/v1/activities/pagingtoken.json?sinceDatetime={since}")).await;
    let list = made(&client, "x").await;
    let path = format!("/rest/v1/lists/{list}/leads.json");
    let input = |ids: &[u64]| json!({"input": ids.iter().map(|id| json!({"id": id})).collect::<Vec<_>>()});
    assert_eq!(statuses(&client.post(&path, &input(&[3, 999, 4])).await), ["added", "skipped 1004", "added"]);
    assert_eq!(statuses(&client.post(&path, &input(&[3])).await), ["added"], "who is there is added again");
    let members = records(&client.ok(&path).await);
    assert_eq!(members.iter().map(|m| m["id"].as_u64()).collect::<Vec<_>>(), [Some(3), Some(4)]);
    let off = client.send(Method::DELETE, &format!("{path}?id=3&id=999&id=5"), &[], Vec::new()).await;
    assert_eq!(statuses(&off), ["removed", "skipped 1004", "skipped 1015"]);
    // Only ids one by one are documented.
    assert_refused(&client.send(Method::DELETE, &format!("{path}?id=3,4"), &[], Vec::new()).await, "1001");
    // Who came and went is told, though it was the API that did it; who was there already has not come.
    let token = encoded(token["nextPageToken"].as_str().unwrap());
    let told = client.ok(&format!("/rest/v1/activities.json?activityTypeIds=24,25&nextPageToken={token}")).await;
    let deed = |record: &Value| (record["activityTypeId"].as_u64(), record["leadId"].as_u64());
    let told: Vec<_> = records(&told).iter().filter(|a| a["primaryAttributeValueId"] == list).map(deed).collect();
    assert_eq!(told, [(Some(24), Some(3)), (Some(24), Some(4)), (Some(25), Some(3))]);
    let many: Vec<u64> = (0..301).collect();
    assert_refused(&client.post(&path, &input(&many)).await, "1003");
    assert_refused(&client.post("/rest/v1/lists/98765/leads.json", &input(&[1])).await, "1013");
}

async fn import(client: &Client, query: &str, csv: &str) -> Reply {
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"l.csv\"\r\nContent-Type: text/csv\r\n\r\n{csv}\r\n--b--\r\n"
    );
    let headers = [("content-type", "multipart/form-data; boundary=b")];
    client.send(Method::POST, &format!("/bulk/v1/leads.json?format=csv{query}"), &headers, body.into_bytes()).await
}

async fn ended(client: &Client, reply: &Reply) -> Value {
    let path = format!("/bulk/v1/leads/batch/{}.json", records(&reply.json())[0]["batchId"]);
    loop {
        let status = records(&client.ok(&path).await).remove(0);
        if status["status"] == "Complete" {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_file_makes_people_and_lists_them_and_tells_whom_it_refused() {
    let (marketo, client) = start(config(10)).await;
    let list = made(&client, "x").await;
    let csv = "email,annualRevenue\nnew@x.example,5\n\"odd, one@x.example\",much\n";
    let reply = import(&client, &format!("&lookupField=email&listId={list}"), csv).await;
    assert_eq!(records(&reply.json())[0]["status"], "Queued", "{}", reply.text());
    let status = ended(&client, &reply).await;
    assert_eq!((&status["numOfLeadsProcessed"], &status["numOfRowsFailed"]), (&json!(1), &json!(1)));
    let failures = client.get(&format!("/bulk/v1/leads/batch/{}/failures.json", status["batchId"])).await.text();
    assert!(
        failures.starts_with("email,annualRevenue,Import Failure Reason\n\"odd, one@x.example\",much,"),
        "{failures}"
    );
    let members = records(&client.ok(&format!("/rest/v1/lists/{list}/leads.json")).await);
    assert_eq!((members.len(), &members[0]["email"]), (1, &json!("new@x.example")));
    let id = members[0]["id"].as_u64().unwrap();
    assert!(marketo.lead(id).is_some());
    // By id a file changes only.
    let status = ended(&client, &import(&client, "&lookupField=id", &format!("id\n{id}\n4711\n")).await).await;
    assert_eq!(status["numOfRowsFailed"], 1);
}

#[tokio::test]
async fn files_are_bounded_and_a_list_is_busy() {
    let mut slow = config(10);
    slow.status_interval = Duration::from_secs(60);
    let (_marketo, client): (Marketo, Client) = start(slow).await;
    let list = made(&client, "x").await;
    let query = format!("&listId={list}");
    assert_eq!(import(&client, &query, "email\na@x.example\n").await.json()["success"], true);
    assert_refused(&import(&client, &query, "email\na@x.example\n").await, "1019");
    assert_refused(&import(&client, "", "email,nobody\n").await, "1006");
    assert_refused(&import(&client, "&lookupField=id", "email\n").await, "1003");
    assert_refused(&client.post("/bulk/v1/leads.json?format=csv", &json!({})).await, "613");
    let large = format!("email\n{}", "somebody@somewhere.example\n".repeat(400_000));
    assert_eq!(import(&client, "", &large).await.status, 413);
    for _ in 0..9 {
        assert_eq!(import(&client, "", "email\na@x.example\n").await.json()["success"], true);
    }
    assert_refused(&import(&client, "", "email\na@x.example\n").await, "1016");
}

fn sync(emails: &[&str]) -> Value {
    json!({"input": emails.iter().map(|email| json!({"email": email, "title": "CTO"})).collect::<Vec<_>>()})
}

#[tokio::test]
async fn two_syncs_of_one_key_at_once_make_two_leads_and_neither_can_be_told_apart_afterwards() {
    let (marketo, client) = start(config(10)).await;
    let path = "/rest/v1/leads.json";
    assert_eq!(statuses(&client.post(path, &sync(&["twin@x.example"])).await), ["created"]);
    marketo.inject(Fault::SyncRace);
    assert_eq!(statuses(&client.post(path, &sync(&["twin@x.example"])).await), ["created"]);
    assert_eq!(statuses(&client.post(path, &sync(&["twin@x.example"])).await), ["skipped 1007"]);
    let both = client.ok(&format!("{path}?filterType=email&filterValues={}", encoded("twin@x.example"))).await;
    assert_eq!(records(&both).len(), 2);
}

#[tokio::test]
async fn look_ups_may_lag_behind_writes() {
    let (marketo, client) = start(config(10)).await;
    let id = records(&client.post("/rest/v1/leads.json", &sync(&["new@x.example"])).await.json())[0]["id"].clone();
    let by_email = format!("/rest/v1/leads.json?filterType=email&filterValues={}", encoded("new@x.example"));
    marketo.inject(Fault::LookUpLags);
    assert!(records(&client.ok(&by_email).await).is_empty());
    assert_eq!(records(&client.ok(&by_email).await).len(), 1);
    // By its id it was there at once.
    marketo.inject(Fault::LookUpLags);
    assert_eq!(records(&client.ok(&format!("/rest/v1/lead/{id}.json")).await).len(), 1);
    marketo.clear_faults();
    made(&client, "fresh").await;
    marketo.inject(Fault::LookUpLags);
    let by_name = "/rest/asset/v1/staticList/byName.json?name=fresh";
    assert!(client.ok_asset(by_name).await.get("result").is_none());
    assert!(client.ok_asset(by_name).await.get("result").is_some());
}

#[tokio::test]
async fn an_import_can_come_to_nothing() {
    let (marketo, client) = start(config(10)).await;
    marketo.inject(Fault::ImportFails { message: "no space left".into() });
    let reply = import(&client, "", "email\nnew@x.example\n").await;
    let path = format!("/bulk/v1/leads/batch/{}.json", records(&reply.json())[0]["batchId"]);
    let status = loop {
        let status = records(&client.ok(&path).await).remove(0);
        if status["status"] == "Failed" {
            break status;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    assert_eq!(status["message"], "no space left");
    assert!(marketo.leads().all(|lead| lead["email"] != "new@x.example"));
}

/// A company that is a record of its own is changed there alone; a native sync says of most fields that they are its own too,
/// and takes them all the same.
#[tokio::test]
async fn fields_of_a_company_are_not_written_by_its_people_and_those_of_a_synced_crm_are() {
    let crm_managed = |described: &Value, name: &str| {
        let fields = records(described)[0]["fields"].as_array().cloned().unwrap_or_default();
        let field = fields.into_iter().find(|field| field["name"] == name).unwrap();
        (field["updateable"].clone(), field["crmManaged"].clone())
    };
    for native_crm in [false, true] {
        let (marketo, client) = start(MarketoConfig { native_crm, ..config(10) }).await;
        let described = client.ok("/rest/v1/leads/describe2.json").await;
        assert_eq!(crm_managed(&described, "leadSource"), (json!(true), json!(native_crm)));
        assert_eq!(crm_managed(&described, "sfdcLeadId"), (json!(false), json!(true)));
        let id = marketo.leads().next().unwrap()["id"].clone();
        if !native_crm {
            marketo.change_lead(id.as_u64().unwrap(), json!({"externalCompanyId": "C-1"})).unwrap();
        }
        let of = |field: &str| json!({"action": "updateOnly", "lookupField": "id", "input": [{"id": id, field: "x"}]});
        assert_eq!(statuses(&client.post("/rest/v1/leads.json", &of("leadSource")).await), ["updated"]);
        assert_eq!(statuses(&client.post("/rest/v1/leads.json", &of("company")).await), ["skipped 1021"]);
        let new = json!({"input": [{"email": "new@x.example", "company": "Acme"}]});
        assert_eq!(statuses(&client.post("/rest/v1/leads.json", &new).await), ["created"]);
    }
}
