use std::collections::BTreeSet;

use attiva_simulators::marketo::{Fault, Injection};
use serde_json::{Value, json};

use crate::client::{Client, assert_refused, config, encoded, records, start};

async fn token(client: &Client, since: &str) -> String {
    let answer = client.ok(&format!("/rest/v1/activities/pagingtoken.json?sinceDatetime={}", encoded(since))).await;
    answer["nextPageToken"].as_str().unwrap_or_default().to_owned()
}

/// Reads on from a token as a careful client does, and returns the records, the pages and the last token.
async fn read(client: &Client, path: &str, mut token: String) -> (Vec<Value>, Vec<Value>, String) {
    let (mut all, mut pages) = (Vec::new(), Vec::new());
    loop {
        let page = client.ok(&format!("{path}&nextPageToken={}", encoded(&token))).await;
        token = page["nextPageToken"].as_str().map(str::to_owned).expect("a token on every page");
        all.extend(records(&page));
        let more = page["moreResult"].as_bool().expect("moreResult on every page");
        pages.push(page);
        assert!(pages.len() < 1_000, "no end of pages");
        if !more {
            return (all, pages, token);
        }
    }
}

#[tokio::test]
async fn every_activity_is_read_once_and_the_last_page_has_a_token_too() {
    let (marketo, client) = start(config(1_000)).await;
    let from = token(&client, "2026-09-01T00:00:00Z").await;
    let (all, pages, last) = read(&client, "/rest/v1/activities.json?activityTypeIds=12", from).await;
    assert!(pages.len() > 3);
    let leads: BTreeSet<u64> = all.iter().filter_map(|record| record["leadId"].as_u64()).collect();
    assert_eq!((all.len(), leads.len()), (1_000, 1_000));
    let keys: BTreeSet<&str> = all.iter().filter_map(|record| record["marketoGUID"].as_str()).collect();
    assert_eq!(keys.len(), 1_000);
    assert!(all.iter().all(|record| record["activityTypeId"] == 12
        && record["activityDate"].as_str().is_some_and(|date| date.ends_with('Z'))));

    // The token goes on working: what happens later is found behind it.
    let added = marketo.add_leads(2);
    let (new, _, _) = read(&client, "/rest/v1/activities.json?activityTypeIds=12", last).await;
    assert_eq!(new.iter().filter_map(|record| record["leadId"].as_u64()).collect::<Vec<_>>(), added);
}

#[tokio::test]
async fn a_token_begins_at_its_time() {
    let (marketo, client) = start(config(500)).await;
    let since = "2026-11-01T00:00:00Z";
    let from = token(&client, since).await;
    let (all, _, _) = read(&client, "/rest/v1/activities.json?activityTypeIds=12", from).await;
    let expected = marketo.leads().filter(|lead| lead["createdAt"].as_str() >= Some(since)).count();
    assert_eq!(all.len(), expected);
    assert!(expected > 100);
}

#[tokio::test]
async fn a_token_that_was_not_encoded_is_refused() {
    let (_marketo, client) = start(config(10)).await;
    let token = token(&client, "2026-11-01").await;
    assert_refused(
        &client.get(&format!("/rest/v1/activities.json?activityTypeIds=12&nextPageToken={token}")).await,
        "1003",
    );
    assert_refused(&client.get("/rest/v1/activities.json?activityTypeIds=12").await, "1002");
    assert_refused(&client.get("/rest/v1/activities/pagingtoken.json?sinceDatetime=soon").await, "704");
}

#[tokio::test]
async fn more_than_ten_types_are_refused() {
    let (_marketo, client) = start(config(10)).await;
    let token = encoded(&token(&client, "2026-11-01").await);
    let types = |count: u32| (1..=count).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    client.ok(&format!("/rest/v1/activities.json?activityTypeIds={}&nextPageToken={token}", types(10))).await;
    assert_refused(
        &client.get(&format!("/rest/v1/activities.json?activityTypeIds={}&nextPageToken={token}", types(11))).await,
        "1003",
    );
    let known: BTreeSet<u64> = records(&client.ok("/rest/v1/activities/types.json").await)
        .iter()
        .filter_map(|kind| kind["id"].as_u64())
        .collect();
    assert_eq!(known, BTreeSet::from([1, 11, 12, 13, 24, 25, 32, 34, 35, 36, 37, 101, 104, 113, 114]));
}

#[tokio::test]
async fn an_empty_page_can_have_more_behind_it() {
    let (marketo, client) = start(config(400)).await;
    let from = token(&client, "2026-09-01").await;
    let (undisturbed, _, _) = read(&client, "/rest/v1/activities.json?activityTypeIds=12,13", from.clone()).await;
    marketo.inject(Injection::from(Fault::EmptyActivityPage).after(1).times(2));
    let (all, pages, _) = read(&client, "/rest/v1/activities.json?activityTypeIds=12,13", from).await;
    let empty: Vec<&Value> = pages.iter().filter(|page| page["result"] == json!([])).collect();
    assert_eq!(empty.len(), 2);
    assert!(empty.iter().all(|page| page["moreResult"] == true && page["nextPageToken"].is_string()));
    assert_eq!(all, undisturbed);
}

#[tokio::test]
async fn a_rare_type_makes_empty_pages_without_any_fault() {
    let (_marketo, client) = start(config(2_000)).await;
    let from = token(&client, "2026-09-01").await;
    let (all, pages, _) = read(&client, "/rest/v1/activities.json?activityTypeIds=12&leadIds=1999", from).await;
    assert_eq!(all.len(), 1);
    assert!(pages.iter().any(|page| page["result"] == json!([]) && page["moreResult"] == true));
}

#[tokio::test]
async fn records_can_lack_an_id_and_come_twice() {
    let (marketo, client) = start(config(400)).await;
    let from = token(&client, "2026-09-01").await;
    let (undisturbed, _, _) = read(&client, "/rest/v1/activities.json?activityTypeIds=12", from.clone()).await;
    assert!(undisturbed.iter().all(|record| record["id"].is_u64()));
    marketo.inject(Injection::from(Fault::ActivitiesWithoutId).for_ever());
    marketo.inject(Fault::RepeatedActivity);
    let (all, _, _) = read(&client, "/rest/v1/activities.json?activityTypeIds=12", from).await;
    assert!(all.iter().all(|record| record.get("id").is_none() && record["marketoGUID"].is_string()));
    assert_eq!(all.len(), undisturbed.len() + 1);
    let keys: BTreeSet<&str> = all.iter().filter_map(|record| record["marketoGUID"].as_str()).collect();
    assert_eq!(keys.len(), undisturbed.len());
}

#[tokio::test]
async fn an_activity_that_arrives_late_is_only_seen_by_reading_a_trailing_window_again() {
    let (marketo, client) = start(config(100)).await;
    let from = token(&client, "2026-11-22T00:00:00Z").await;
    let (_, _, last) = read(&client, "/rest/v1/activities.json?activityTypeIds=1,12,13", from).await;
    let dated = "2026-11-22T12:00:00Z".parse().ok();
    marketo.visit(5, "/late", dated).expect("a visit");
    marketo.visit(6, "/now", None).expect("a visit");
    let (on, _, _) = read(&client, "/rest/v1/activities.json?activityTypeIds=1", last).await;
    assert_eq!(on.iter().map(|record| &record["primaryAttributeValue"]).collect::<Vec<_>>(), ["/now"]);
    let again = token(&client, "2026-11-22T00:00:00Z").await;
    let (again, _, _) = read(&client, "/rest/v1/activities.json?activityTypeIds=1", again).await;
    assert!(again.iter().any(|record| record["primaryAttributeValue"] == "/late" && record["leadId"] == 5));
}

#[tokio::test]
async fn a_change_is_told_with_both_values_and_by_field() {
    let (marketo, client) = start(config(100)).await;
    let old = marketo.lead(8).unwrap_or_default()["title"].clone();
    let from = token(&client, "2026-11-23T00:00:00Z").await;
    assert_eq!(marketo.change_lead(8, json!({"title": "Chief of Everything", "city": "Oslo"})), Ok(2));
    let (changes, _, _) =
        read(&client, "/rest/v1/activities/leadchanges.json?fields=title,industry", from.clone()).await;
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0]["leadId"], 8);
    let field = &changes[0]["fields"][0];
    assert_eq!(
        (&field["name"], &field["newValue"], &field["oldValue"]),
        (&json!("title"), &json!("Chief of Everything"), &old)
    );
    let (changes, _, _) = read(&client, "/rest/v1/activities.json?activityTypeIds=13", from.clone()).await;
    let names: BTreeSet<&str> = changes.iter().filter_map(|record| record["primaryAttributeValue"].as_str()).collect();
    assert_eq!(names, BTreeSet::from(["City", "Job Title"]));
    assert_refused(
        &client.get(&format!("/rest/v1/activities/leadchanges.json?nextPageToken={}", encoded(&from))).await,
        "1002",
    );
}

#[tokio::test]
async fn a_deletion_is_told_by_deletedleads_and_a_merge_is_no_deletion() {
    let (marketo, client) = start(config(100)).await;
    let from = token(&client, "2026-11-23T00:00:00Z").await;
    marketo.delete_lead(3).expect("a lead");
    let merged = client.post("/rest/v1/leads/10/merge.json?leadIds=11,12", &Value::Null).await.json();
    assert_eq!(merged["success"], true, "{merged}");
    assert_refused(&client.get("/rest/v1/lead/11.json").await, "1004");

    let (deleted, _, last) = read(&client, "/rest/v1/activities/deletedleads.json?batchSize=300", from.clone()).await;
    assert_eq!(
        deleted.iter().map(|record| (&record["leadId"], &record["activityTypeId"])).collect::<Vec<_>>(),
        [(&json!(3), &json!(37))]
    );
    let (nothing, _, _) = read(&client, "/rest/v1/activities/deletedleads.json?batchSize=300", last).await;
    assert!(nothing.is_empty());

    let (merges, _, _) = read(&client, "/rest/v1/activities.json?activityTypeIds=32,37", from).await;
    let merge = merges.iter().find(|record| record["activityTypeId"] == 32).cloned().unwrap_or_default();
    assert_eq!(merge["leadId"], 10);
    assert!(
        records(&json!({"result": merge["attributes"]})).contains(&json!({"name": "Merge IDs", "value": "[11,12]"}))
    );
    assert_refused(&client.post("/rest/v1/leads/10/merge.json?leadIds=10", &Value::Null).await, "1003");
    assert_refused(&client.post("/rest/v1/leads/10/merge.json?leadIds=999", &Value::Null).await, "1004");
}

#[tokio::test]
async fn a_change_can_be_told_late() {
    let (marketo, client) = start(config(100)).await;
    let dated = "2026-11-22T12:00:00Z";
    let from = token(&client, dated).await;
    let changed = marketo.change_lead_late(8, json!({"title": "Late"}), dated.parse().unwrap_or_default());
    assert_eq!(changed, Ok(1));
    let (changes, _, _) = read(&client, "/rest/v1/activities/leadchanges.json?fields=title", from).await;
    let told = changes.iter().find(|change| change["leadId"] == 8).map(|change| change["activityDate"].clone());
    assert_eq!(told, Some(json!(dated)));
    // The lead itself was changed now.
    assert!(marketo.lead(8).unwrap_or_default()["updatedAt"].as_str() >= Some(crate::client::NOW));
}
