use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{assert_refused, config, encoded, start};

const DESCRIBE: &str = "/rest/v1/leads/describe.json";

#[tokio::test]
async fn faults_are_injected_listed_and_cleared() {
    let (_marketo, client) = start(config(10)).await;
    let injection = json!({"fault": {"error": {"code": "608", "message": "API Temporarily Unavailable"}}, "path": "/rest/", "skip": 1, "times": 2});
    assert_eq!(client.post("/_control/faults", &injection).await.status, StatusCode::NO_CONTENT);
    assert_eq!(client.get("/_control/faults").await.json(), json!([injection]));
    client.ok(DESCRIBE).await;
    assert_refused(&client.get(DESCRIBE).await, "608");
    assert_eq!(client.send(Method::DELETE, "/_control/faults", &[], Vec::new()).await.status, StatusCode::NO_CONTENT);
    client.ok(DESCRIBE).await;
    assert!(client.post("/_control/faults", &json!({"fault": "no-such-fault"})).await.status.is_client_error());
}

#[tokio::test]
async fn what_was_received_can_be_read_and_forgotten() {
    let (_marketo, client) = start(config(10)).await;
    client.ok("/rest/v1/lead/3.json").await;
    client.ok("/rest/v1/lead/4.json").await;
    let received = client.get("/_control/received").await.json();
    assert_eq!((&received["by_path"]["GET /rest/v1/lead/{id}.json"], &received["total"]), (&json!(2), &json!(3)));
    assert!(!received.to_string().contains("0DipOvz4h2wP1ANeVjlfwMvECJpo0ZYc"));
    client.send(Method::DELETE, "/_control/received", &[], Vec::new()).await;
    assert_eq!(client.get("/_control/received").await.json()["total"], 0);
}

#[tokio::test]
async fn the_ground_truth_is_one_lead_a_line() {
    let (marketo, client) = start(config(1_000)).await;
    marketo.create_lead(json!({"email": "a@x.example", "comments": "null"})).expect("a lead");
    for (view, expected) in
        [("actual", marketo.leads().collect::<Vec<_>>()), ("exported", marketo.exported_leads().collect())]
    {
        let text = client.get(&format!("/_control/leads?view={view}")).await.text();
        let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        assert_eq!(lines.len(), 1_001);
        assert_eq!(lines, expected.into_iter().map(Value::Object).collect::<Vec<_>>());
        assert_eq!(lines[1_000]["comments"], if view == "actual" { json!("null") } else { Value::Null });
    }
    assert_eq!(client.get("/_control/leads?view=other").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn leads_are_added_changed_merged_and_deleted() {
    let (marketo, client) = start(config(10)).await;
    assert_eq!(client.post("/_control/leads", &json!({"count": 2})).await.json(), json!({"ids": [11, 12]}));
    assert_eq!(
        client.post("/_control/leads", &json!({"values": {"email": "a@x.example"}})).await.json(),
        json!({"ids": [13]})
    );
    let change = json!({"values": {"title": "CEO of all", "sfdcType": "Contact"}, "dated": "2026-11-01T00:00:00Z"});
    let changed = client.json_call(Method::PATCH, "/_control/leads/13", &change).await;
    assert_eq!(changed.json(), json!({"changed": 2}));
    let lead = client.get("/_control/leads/13").await.json();
    assert_eq!((&lead["title"], &lead["sfdcType"]), (&json!("CEO of all"), &json!("Contact")));
    assert_eq!(client.post("/_control/leads/13/merge", &json!({"losers": [12]})).await.status, StatusCode::NO_CONTENT);
    assert_eq!(client.send(Method::DELETE, "/_control/leads/11", &[], Vec::new()).await.status, StatusCode::NO_CONTENT);
    assert_eq!(
        client.post("/_control/leads/13/visits", &json!({"page": "/pricing"})).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(marketo.leads().filter_map(|lead| lead["id"].as_u64()).max(), Some(13));
    assert_eq!(marketo.leads().count(), 11);

    let refused = client.json_call(Method::PATCH, "/_control/leads/13", &json!({"values": {"id": 5}})).await;
    assert_eq!((refused.status, &refused.json()["code"]), (StatusCode::BAD_REQUEST, &json!("1003")));
    assert_eq!(client.send(Method::DELETE, "/_control/leads/11", &[], Vec::new()).await.json()["code"], "1004");
    let dated = client.post("/_control/leads/13/visits", &json!({"page": "/", "dated": "soon"})).await;
    assert_eq!(dated.json()["code"], "704");
}

#[tokio::test]
async fn tokens_are_ended_and_calls_spent() {
    let (marketo, client) = start(config(10)).await;
    assert_eq!(client.post("/_control/calls/spend", &json!({"calls": 5})).await.status, StatusCode::NO_CONTENT);
    assert_eq!(client.ok("/rest/v1/stats/usage.json").await["result"][0]["total"], 6);
    assert_eq!(
        client.send(Method::POST, "/_control/tokens/expire", &[], Vec::new()).await.status,
        StatusCode::NO_CONTENT
    );
    assert_refused(&client.get(DESCRIBE).await, "602");
    assert_eq!(client.get("/_control/exports").await.json(), json!([]));
    assert_eq!(client.send(Method::DELETE, "/_control/exports", &[], Vec::new()).await.status, StatusCode::NO_CONTENT);
    assert_eq!(marketo.received().count("POST", "/_control/tokens/expire"), 0);
}

#[tokio::test]
async fn a_list_moves_where_one_that_was_read_is_deleted() {
    let (_marketo, client) = start(config(2_000)).await;
    let programs = |offset: usize| format!("/rest/asset/v1/programs.json?maxReturn=3&offset={offset}");
    let ids = |page: &Value| -> Vec<u64> {
        page["result"].as_array().into_iter().flatten().filter_map(|one| one["id"].as_u64()).collect()
    };
    let first = ids(&client.ok_asset(&programs(0)).await);
    let behind = ids(&client.ok_asset(&programs(3)).await);
    let delete = async |path: String| client.send(Method::DELETE, &path, &[], Vec::new()).await.status;
    assert_eq!(delete(format!("/_control/programs/{}", first[0])).await, StatusCode::NO_CONTENT);
    assert_eq!(delete(format!("/_control/programs/{}", first[0])).await, StatusCode::NOT_FOUND);
    assert_eq!(
        ids(&client.ok_asset(&programs(3)).await)[..2],
        behind[1..],
        "the first of the second page is on the first now"
    );

    let page = client.ok("/rest/v1/lists.json?batchSize=2").await;
    let next = format!(
        "/rest/v1/lists.json?batchSize=2&nextPageToken={}",
        encoded(page["nextPageToken"].as_str().expect("a token"))
    );
    let behind = ids(&client.ok(&next).await);
    assert_eq!(delete(format!("/_control/lists/{}", ids(&page)[0])).await, StatusCode::NO_CONTENT);
    assert_eq!(delete(format!("/_control/lists/{}", ids(&page)[0])).await, StatusCode::NOT_FOUND);
    assert_eq!(ids(&client.ok(&next).await)[..1], behind[1..]);
}
