//! Companies, named accounts, opportunities and roles, programs and static lists and who is in them.

use attiva_simulators::marketo::{Marketo, MarketoConfig};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Client, assert_refused, config, encoded, records, start};

/// Every page of a family in which a page without a token is the last.
async fn all_pages(client: &Client, path: &str) -> Vec<Value> {
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let page = client.ok(&format!("{path}{token}")).await;
        assert!(page.get("moreResult").is_none(), "{page}");
        all.extend(records(&page));
        match page["nextPageToken"].as_str() {
            Some(next) => token = format!("&nextPageToken={}", encoded(next)),
            None => return all,
        }
    }
}

/// The records as the client sees them: without `seq`, and null as what is left out.
fn shown(records: Vec<Value>) -> Vec<Value> {
    let plain = |mut record: Value| {
        if let Some(members) = record.as_object_mut() {
            members.remove("seq");
            members.retain(|_, value| !value.is_null());
        }
        record
    };
    records.into_iter().map(plain).collect()
}

fn expected(marketo: &Marketo, of: &str) -> Vec<Value> {
    shown(marketo.records(of).into_iter().map(Value::Object).collect())
}

async fn fields_of(client: &Client, of: &str) -> String {
    let described = client.ok(&format!("/rest/v1/{of}/describe.json")).await;
    let fields = described["result"][0]["fields"].as_array().cloned().unwrap_or_default();
    fields.iter().filter_map(|field| field["name"].as_str()).collect::<Vec<_>>().join(",")
}

#[tokio::test]
async fn objects_are_found_by_key_and_there_is_no_list_of_them() {
    let (marketo, client) = start(config(600)).await;
    for (of, key) in [("companies", "id"), ("opportunities", "externalOpportunityId"), ("namedaccounts", "name")] {
        let path = format!("/rest/v1/{of}.json");
        assert_refused(&client.get(&path).await, "1002");
        assert_refused(&client.get(&format!("{path}?filterType=updatedAt&filterValues=2026-01-01")).await, "1003");
        let all = expected(&marketo, of);
        let keys: Vec<String> =
            all.iter().map(|r| r[key].as_str().map_or_else(|| r[key].to_string(), encoded)).collect();
        let asked = keys.iter().filter(|key| !key.contains("%2C")).take(300).cloned().collect::<Vec<_>>().join(",");
        let fields = fields_of(&client, of).await;
        let query = format!("{path}?filterType={key}&filterValues={asked}&fields={fields}&batchSize=7");
        let found = shown(all_pages(&client, &query).await);
        let wanted = all.iter().filter(|r| r[key].as_str().is_none_or(|text| !text.contains(','))).take(300);
        assert_eq!(found.len(), wanted.clone().count(), "{of}");
        assert!(wanted.into_iter().all(|record| found.contains(record)), "{of}");
        let many = (0..301).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        assert_refused(&client.get(&format!("{path}?filterType={key}&filterValues={many}")).await, "1003");
        assert_refused(&client.get(&format!("{path}?filterType={key}&filterValues=1&fields=nope")).await, "1006");
        assert!(records(&client.ok(&format!("{path}?filterType={key}&filterValues=none")).await).is_empty());
    }
}

#[tokio::test]
async fn roles_are_found_by_lead_and_their_opportunities_by_them() {
    let (marketo, client) = start(config(600)).await;
    let all = expected(&marketo, "opportunities/roles");
    let ids = (1..=300).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    let fields = fields_of(&client, "opportunities/roles").await;
    let path = format!("/rest/v1/opportunities/roles.json?filterType=leadId&filterValues={ids}&fields={fields}");
    let found = shown(all_pages(&client, &path).await);
    let wanted: Vec<&Value> = all.iter().filter(|role| role["leadId"].as_u64().is_some_and(|id| id <= 300)).collect();
    assert_eq!(found.len(), wanted.len());
    assert!(wanted.into_iter().all(|role| found.contains(role)));
    let lead = found[0]["leadId"].as_u64().unwrap();
    marketo.delete_lead(lead).unwrap();
    let path = format!("/rest/v1/opportunities/roles.json?filterType=leadId&filterValues={lead}");
    assert!(records(&client.ok(&path).await).is_empty(), "nobody has a role who is gone");
}

#[tokio::test]
async fn where_the_crm_is_native_roles_are_not_served_and_nothing_of_the_crms_is_written() {
    let (_marketo, client) = start(MarketoConfig { native_crm: true, ..config(200) }).await;
    assert_refused(&client.get("/rest/v1/opportunities/roles/describe.json").await, "703");
    assert_refused(&client.get("/rest/v1/opportunities/roles.json?filterType=leadId&filterValues=1").await, "703");
    let body = json!({"input": [{"externalCompanyId": "x", "company": "X"}]});
    assert_refused(&client.post("/rest/v1/companies.json", &body).await, "1018");
    assert_refused(&client.post("/rest/v1/opportunities.json", &body).await, "1018");
    // They are read as everywhere, and companies are the CRM's accounts.
    let path = "/rest/v1/companies.json?filterType=id&filterValues=1&fields=externalCompanyId";
    let id = records(&client.ok(path).await)[0]["externalCompanyId"].as_str().unwrap_or_default().to_owned();
    assert!(id.starts_with("001") && id.len() == 18, "{id}");
}

#[tokio::test]
async fn named_accounts_are_listed_by_the_lists_they_are_on() {
    let (marketo, client) = start(config(600)).await;
    let path = "/rest/v1/namedAccountLists.json?filterType=dedupeFields&filterValues=Target%20accounts";
    let list = records(&client.ok(path).await)[0]["marketoGUID"].as_str().unwrap_or_default().to_owned();
    let path = format!("/rest/v1/namedAccountList/{list}/namedAccounts.json?fields=name&batchSize=3");
    assert_eq!(all_pages(&client, &path).await.len(), marketo.records("namedaccounts").len());
    assert_refused(&client.get("/rest/v1/namedAccountLists.json").await, "1002");
    assert_refused(&client.get("/rest/v1/namedAccountList/x/namedAccounts.json").await, "1013");
}

#[tokio::test]
async fn programs_are_paged_by_offset_and_the_end_is_a_warning_without_a_result() {
    let (marketo, client) = start(config(3_000)).await;
    let (mut all, mut offset) = (Vec::new(), 0);
    loop {
        let page = client.get(&format!("/rest/asset/v1/programs.json?maxReturn=5&offset={offset}")).await.json();
        assert_eq!((&page["success"], &page["errors"]), (&json!(true), &json!([])), "{page}");
        let Some(found) = page.get("result") else {
            assert_eq!(page["warnings"], json!(["No assets found for the given search criteria."]));
            break;
        };
        let found = found.as_array().unwrap();
        offset += found.len();
        all.extend(found.clone());
    }
    assert_eq!(all, marketo.records("programs").into_iter().map(Value::Object).collect::<Vec<_>>());
    assert!(all[0]["updatedAt"].as_str().unwrap().ends_with("Z+0000"));
    let default = client.get("/rest/asset/v1/programs.json").await.json();
    assert!(default["result"].as_array().unwrap().len() <= 20);
    let refused = client.get("/rest/asset/v1/programs.json?maxReturn=201").await.json();
    assert_eq!(refused["success"], json!(false));
    let recent = client.get("/rest/asset/v1/programs.json?maxReturn=200&earliestUpdatedAt=2026-10-20").await.json();
    let recent = recent["result"].as_array().unwrap();
    assert!(!recent.is_empty() && recent.len() < all.len());
}

#[tokio::test]
async fn members_of_a_program_are_asked_by_lead_status_or_time() {
    let (marketo, client) = start(config(1_000)).await;
    let all: Vec<Value> = expected(&marketo, "programs/members");
    let program = all[0]["programId"].as_u64().unwrap();
    let path = format!("/rest/v1/programs/{program}/members.json");
    let fields = fields_of(&client, "programs/members").await;
    assert_refused(&client.get(&path).await, "1002");
    assert_refused(&client.get(&format!("{path}?filterType=program&filterValues=x")).await, "1003");
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let query =
            format!("{path}?filterType=reachedSuccess&filterValues=true,false&fields={fields}&batchSize=9{token}");
        let page = client.ok(&query).await;
        found.extend(records(&page));
        if page["moreResult"] == json!(false) {
            break;
        }
        token = format!("&nextPageToken={}", encoded(page["nextPageToken"].as_str().unwrap()));
    }
    let wanted: Vec<&Value> = all.iter().filter(|m| m["programId"].as_u64() == Some(program)).collect();
    assert_eq!(shown(found).iter().collect::<Vec<_>>(), wanted);
    let lead = wanted[0]["leadId"].as_u64().unwrap();
    let by_lead = format!("{path}?filterType=leadId&filterValues={lead},999999&fields=leadId,statusName");
    assert_eq!(records(&client.ok(&by_lead).await).len(), 1);
    marketo.set_member(program, lead, None).unwrap();
    assert!(records(&client.ok(&by_lead).await).is_empty());
    let range = "filterType=updatedAt&startAt=2026-11-01T00:00:00Z&endAt=2026-11-09T00:00:00Z";
    assert_refused(&client.get(&format!("{path}?{range}")).await, "1003");
    assert_refused(&client.get("/rest/v1/programs/7/members.json?filterType=leadId&filterValues=1").await, "1013");
}

#[tokio::test]
async fn lists_and_who_is_on_them_change_with_an_activity_each() {
    let (marketo, client) = start(config(900)).await;
    let lists = all_pages(&client, "/rest/v1/lists.json?batchSize=2").await;
    assert_eq!(lists.len(), 3);
    let members = "/rest/v1/lists/1/leads.json?fields=id&batchSize=50";
    let ids = |found: Vec<Value>| found.iter().filter_map(|lead| lead["id"].as_u64()).collect::<Vec<_>>();
    let before = ids(all_pages(&client, members).await);
    assert_eq!(before, marketo.listed(1));
    assert_eq!(before, ids(all_pages(&client, "/rest/v1/list/1/leads.json?fields=id").await));
    let outsider = (1..=900).find(|id| !before.contains(id)).unwrap();
    marketo.set_listed(1, outsider, true).unwrap();
    marketo.set_listed(1, before[0], false).unwrap();
    assert_eq!(marketo.set_listed(1, before[0], false).unwrap_err().code, "1015");
    marketo.delete_lead(before[1]).unwrap();
    let after = ids(all_pages(&client, members).await);
    assert!(after.contains(&outsider) && !after.contains(&before[0]) && !after.contains(&before[1]));
    assert_eq!(after.len(), before.len() - 1);
    let asked = format!("/rest/v1/lists/1/leads/ismember.json?id={outsider}&id={}&id={}", before[0], before[1]);
    let told: Vec<Value> = records(&client.ok(&asked).await).into_iter().map(|told| told["status"].clone()).collect();
    assert_eq!(told, ["memberof", "notmemberof", "skipped"]);

    let token = client.ok("/rest/v1/activities/pagingtoken.json?sinceDatetime=2026-11-23T00:00:00Z").await;
    let token = encoded(token["nextPageToken"].as_str().unwrap());
    let page = client.ok(&format!("/rest/v1/activities.json?activityTypeIds=24,25&nextPageToken={token}")).await;
    let told: Vec<(u64, u64, u64)> = records(&page)
        .iter()
        .map(|a| (a["activityTypeId"].as_u64(), a["primaryAttributeValueId"].as_u64(), a["leadId"].as_u64()))
        .filter_map(|(kind, list, lead)| Some((kind?, list?, lead?)))
        .collect();
    assert_eq!(told, [(24, 1, outsider), (25, 1, before[0])]);

    let id = marketo.create_list("Mine").unwrap();
    let mine = client.get("/rest/asset/v1/staticList/byName.json?name=Mine").await.json();
    assert_eq!(mine["result"][0]["id"], json!(id));
    assert!(client.get("/rest/asset/v1/staticList/byName.json?name=mine").await.json().get("result").is_none());
    assert!(marketo.delete_list(id));
    assert_refused(&client.get(&format!("/rest/v1/lists/{id}/leads.json")).await, "1013");
}

/// Runs a job to its end and answers its file.
async fn extract(client: &Client, of: &str, order: &Value) -> String {
    let created = client.post(&format!("/bulk/v1/{of}/export/create.json"), order).await.json();
    let id = created["result"][0]["exportId"].as_str().unwrap_or_else(|| panic!("{created}")).to_owned();
    let path = |what: &str| format!("/bulk/v1/{of}/export/{id}/{what}.json");
    client.send(Method::POST, &path("enqueue"), &[], Vec::new()).await;
    for other in ["leads", "activities", "program/members"].into_iter().filter(|other| *other != of) {
        assert_refused(&client.get(&format!("/bulk/v1/{other}/export/{id}/status.json")).await, "610");
    }
    loop {
        if client.ok(&path("status")).await["result"][0]["status"] == "Completed" {
            return client.get(&path("file")).await.text();
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn activities_are_extracted_as_they_are_paged() {
    let (_marketo, client) = start(config(300)).await;
    let window = json!({"startAt": "2026-11-01T00:00:00Z", "endAt": "2026-11-22T00:00:00Z"});
    let order = json!({"filter": {"createdAt": window, "activityTypeIds": [24, 104]}});
    let file = extract(&client, "activities", &order).await;
    let mut reader = csv::Reader::from_reader(file.as_bytes());
    assert_eq!(reader.headers().unwrap().get(7), Some("attributes"));
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
    let (mut paged, mut token) = (Vec::new(), {
        let token = client.ok("/rest/v1/activities/pagingtoken.json?sinceDatetime=2026-11-01T00:00:00Z").await;
        token["nextPageToken"].as_str().unwrap().to_owned()
    });
    loop {
        let next = encoded(&token);
        let page = client.ok(&format!("/rest/v1/activities.json?activityTypeIds=24,104&nextPageToken={next}")).await;
        paged.extend(records(&page));
        if page["moreResult"] == json!(false) {
            break;
        }
        token = page["nextPageToken"].as_str().unwrap().to_owned();
    }
    paged.retain(|activity| activity["activityDate"].as_str() <= Some("2026-11-22T00:00:00Z"));
    assert!(paged.len() > 10);
    assert_eq!(
        rows.iter().map(|row| row[0].to_owned()).collect::<Vec<_>>(),
        paged.iter().map(|a| a["marketoGUID"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    );
    let attributes: Value = serde_json::from_str(&rows[0][7]).unwrap();
    assert!(attributes.is_object());

    let create = "/bulk/v1/activities/export/create.json";
    assert_refused(&client.post(create, &json!({"filter": {}})).await, "1002");
    let long = json!({"startAt": "2026-10-01T00:00:00Z", "endAt": "2026-11-02T00:00:00Z"});
    assert_refused(&client.post(create, &json!({"filter": {"createdAt": long}})).await, "1003");
    let deleted = json!({"filter": {"createdAt": window, "activityTypeIds": [37]}});
    assert_refused(&client.post(create, &deleted).await, "1003");
}

#[tokio::test]
async fn members_of_ten_programs_are_extracted_with_the_program_first() {
    let (marketo, client) = start(config(1_000)).await;
    let all = marketo.records("programs/members");
    let programs: Vec<u64> = marketo.records("programs").iter().filter_map(|p| p["id"].as_u64()).collect();
    let order = json!({"fields": ["leadId", "statusName"], "filter": {"programIds": programs}});
    let file = extract(&client, "program/members", &order).await;
    let lines: Vec<&str> = file.lines().collect();
    assert_eq!((lines[0], lines.len()), ("programId,leadId,statusName", all.len() + 1));
    let create = "/bulk/v1/program/members/export/create.json";
    let eleven: Vec<u64> = (1_000..1_011).collect();
    let order = |filter: Value| json!({"fields": ["leadId"], "filter": filter});
    assert_refused(&client.post(create, &order(json!({"programIds": eleven}))).await, "1003");
    assert_refused(&client.post(create, &order(json!({"programId": 7}))).await, "1013");
    assert_refused(&client.post(create, &order(json!({}))).await, "1003");
}
