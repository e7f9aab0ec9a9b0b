use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};

use crate::client::{Client, assert_refused, config, encoded, records, start};

async fn sync(client: &Client, body: Value) -> Vec<Value> {
    let envelope = client.post("/rest/v1/leads.json", &body).await.json();
    assert_eq!(envelope["success"], true, "{envelope}");
    records(&envelope)
}

#[tokio::test]
async fn describe_tells_types_and_a_field_that_cannot_be_used() {
    let (_marketo, client) = start(config(10)).await;
    let fields = records(&client.ok("/rest/v1/leads/describe.json").await);
    let usable: Vec<&Value> = fields.iter().filter(|field| field.get("rest").is_some()).collect();
    assert!(usable.len() >= 40 && usable.len() < fields.len());
    let email = usable.iter().find(|field| field["rest"]["name"] == "email");
    assert_eq!(email.map(|field| (&field["dataType"], &field["length"])), Some((&json!("email"), &json!(255))));
    let types: BTreeSet<&str> = usable.iter().filter_map(|field| field["dataType"].as_str()).collect();
    assert!(types.is_superset(&BTreeSet::from([
        "boolean", "currency", "date", "datetime", "float", "integer", "percent", "score", "text", "url"
    ])));
    let described = client.ok("/rest/v1/leads/describe2.json").await;
    assert_eq!(described["result"][0]["name"], "API Lead");
    assert!(
        described["result"][0]["searchableFields"].as_array().is_some_and(|fields| fields.contains(&json!(["email"])))
    );
}

#[tokio::test]
async fn a_lead_is_read_by_id_with_nulls_for_what_it_lacks() {
    let (marketo, client) = start(config(50)).await;
    let expected = marketo.lead(7).unwrap_or_default();
    let fields: Vec<&str> = expected.keys().map(String::as_str).collect();
    let answer = client.ok(&format!("/rest/v1/lead/7.json?fields={}", fields.join(","))).await;
    assert_eq!(answer["result"], json!([expected]));
    assert_refused(&client.get("/rest/v1/lead/7000.json").await, "1004");
    assert_refused(&client.get("/rest/v1/lead/7.json?fields=id,shoeSize").await, "1006");
}

#[tokio::test]
async fn a_filter_is_paged_by_token_alone_in_both_forms_of_the_call() {
    let (marketo, client) = start(config(900)).await;
    let ids: Vec<String> = (100..400).map(|id: u64| id.to_string()).collect();
    let query = format!("filterType=id&filterValues={}&fields=id,email&batchSize=100", ids.join(","));
    let mut read = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let query = token.as_ref().map_or(query.clone(), |token| format!("{query}&nextPageToken={}", encoded(token)));
        let by_get = client.ok(&format!("/rest/v1/leads.json?{query}")).await;
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let by_post = client
            .send(Method::POST, "/rest/v1/leads.json?_method=GET", &form, query.clone().into_bytes())
            .await
            .json();
        // Clients in the field also put `_method` into the form itself.
        let in_form = client
            .send(Method::POST, "/rest/v1/leads.json", &form, format!("_method=GET&{query}").into_bytes())
            .await
            .json();
        assert_eq!((&by_post["result"], &in_form["result"]), (&by_get["result"], &by_get["result"]));
        assert!(by_get.get("moreResult").is_none());
        read.extend(records(&by_get));
        token = by_get["nextPageToken"].as_str().map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    let expected: Vec<Value> = (100..400)
        .filter_map(|id| marketo.lead(id))
        .map(|lead| json!({"id": lead["id"], "email": lead["email"]}))
        .collect();
    assert_eq!(read, expected);
}

#[tokio::test]
async fn filters_that_ask_for_too_much_are_refused() {
    let (_marketo, client) = start(config(6_000)).await;
    let ids: Vec<String> = (1..=301).map(|id| id.to_string()).collect();
    assert_refused(
        &client.get(&format!("/rest/v1/leads.json?filterType=id&filterValues={}", ids.join(","))).await,
        "1003",
    );
    let all = client.get("/rest/v1/leads.json?filterType=productInterest&filterValues=Platform,Analytics").await;
    assert_eq!(assert_refused(&all, "1003"), "Too many results match the filter");
    assert_refused(&client.get("/rest/v1/leads.json?filterType=city&filterValues=Paris").await, "1003");
    assert_refused(&client.get("/rest/v1/leads.json?filterType=email").await, "1002");
}

#[tokio::test]
async fn a_value_with_a_comma_cannot_be_asked_for() {
    let (marketo, client) = start(config(10)).await;
    marketo.create_lead(json!({"email": "a@x.example", "productInterest": "Core, plus"})).expect("a lead");
    let answer = client
        .ok(&format!("/rest/v1/leads.json?filterType=productInterest&filterValues={}", encoded("Core, plus")))
        .await;
    assert_eq!(answer["result"], json!([]));
}

#[tokio::test]
async fn results_of_a_sync_are_in_order_and_a_skipped_record_has_no_id() {
    let (_marketo, client) = start(config(10)).await;
    let results = sync(
        &client,
        json!({"input": [
            {"email": "new@x.example", "firstName": "New"},
            {"email": "bad@x.example", "numberOfEmployees": "many"},
            {"email": "NEW@x.example", "firstName": "Newer"},
            {"email": "bad@x.example", "shoeSize": 42},
            {"firstName": "Nobody"},
        ]}),
    )
    .await;
    assert_eq!((&results[0]["status"], &results[2]["status"]), (&json!("created"), &json!("updated")));
    assert_eq!(results[0]["id"], results[2]["id"]);
    assert_eq!(
        results[1],
        json!({"status": "skipped", "reasons": [{"code": "1003", "message": "Invalid value for field 'numberOfEmployees' and value 'many'"}]})
    );
    assert_eq!(results[3]["reasons"][0]["code"], "1006");
    assert_eq!(results[4]["reasons"][0]["code"], "1003");
    assert!(results.iter().filter(|result| result["status"] == "skipped").all(|result| result.get("id").is_none()));
}

#[tokio::test]
async fn actions_say_what_a_sync_may_do() {
    let (marketo, client) = start(config(10)).await;
    let id = marketo.create_lead(json!({"email": "a@x.example"})).expect("a lead");
    let with = |action: &str, email: &str| json!({"action": action, "input": [{"email": email, "city": "Oslo"}]});
    assert_eq!(sync(&client, with("createOnly", "a@x.example")).await[0]["reasons"][0]["code"], "1005");
    assert_eq!(sync(&client, with("updateOnly", "b@x.example")).await[0]["reasons"][0]["code"], "1004");
    assert_eq!(sync(&client, with("createDuplicate", "a@x.example")).await[0]["status"], "created");
    assert_eq!(sync(&client, with("createOrUpdate", "a@x.example")).await[0]["reasons"][0]["code"], "1007");
    let by_id = json!({"action": "updateOnly", "lookupField": "id", "input": [{"id": id, "city": "Bergen"}]});
    assert_eq!(sync(&client, by_id).await[0], json!({"id": id, "status": "updated"}));
    assert_eq!(marketo.lead(id).unwrap_or_default()["city"], "Bergen");
    assert_refused(&client.post("/rest/v1/leads.json", &json!({"input": [{"id": id, "city": "Rome"}]})).await, "1003");
    let many: Vec<Value> = (0..301).map(|number| json!({"email": format!("{number}@x.example")})).collect();
    assert_refused(&client.post("/rest/v1/leads.json", &json!({"input": many})).await, "1003");
}

#[tokio::test]
async fn null_and_the_empty_text_clear_a_field_and_a_boolean_reads_false() {
    let (marketo, client) = start(config(10)).await;
    let lead = json!({"email": "a@x.example", "city": "Oslo", "title": "CEO", "unsubscribed": true});
    let id = marketo.create_lead(lead).expect("a lead");
    sync(&client, json!({"input": [{"email": "a@x.example", "city": null, "title": "", "unsubscribed": null}]})).await;
    let answer = client.ok(&format!("/rest/v1/lead/{id}.json?fields=city,title,unsubscribed")).await;
    assert_eq!(answer["result"][0], json!({"city": null, "title": null, "unsubscribed": false}));
}

#[tokio::test]
async fn a_deleted_lead_is_gone_and_a_second_delete_is_skipped() {
    let (marketo, client) = start(config(10)).await;
    let body = json!({"input": [{"id": 3}, {"id": 3}, {"id": 999}]});
    let results = records(&client.post("/rest/v1/leads/delete.json", &body).await.json());
    assert_eq!(results[0], json!({"id": 3, "status": "deleted"}));
    assert_eq!(
        (&results[1]["reasons"][0]["code"], &results[2]["reasons"][0]["code"]),
        (&json!("1004"), &json!("1004"))
    );
    assert_eq!(marketo.leads().count(), 9);
    let other = client.post("/rest/v1/leads.json?_method=DELETE", &json!({"input": [{"id": 4}]})).await.json();
    assert_eq!(other["result"][0]["status"], "deleted");
    assert_refused(&client.get("/rest/v1/lead/4.json").await, "1004");
}
