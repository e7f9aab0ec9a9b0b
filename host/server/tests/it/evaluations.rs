//! Batch evaluations that are cancelled, segments as SQL, and audiences that hang on campaigns and lists.

use crate::audiences::{business, evaluate, key, make, members, send};
use crate::harness::Harness;
use crate::journey::caught_up;
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn an_evaluation_is_cancelled_and_nobodys_audience_is_lost() {
    let api = business();
    let rule = "person.accounts.exists(a, a.industry == \"Finance\")";
    let finance = make(&api, &json!({"name": "Finance", "expression": rule}));
    caught_up(&api);
    evaluate(&api);
    let before = members(&api, &finance);
    let id = api.post("evaluations", &json!({})).is(202).text("/subject").to_owned();
    let cancelled = api.post(&format!("evaluations/{id}/cancel"), &json!({}));
    assert_eq!(cancelled.is(202).text("/subject"), id);
    // Whether it was in time is a matter of microseconds here; that it ends, and how, is not.
    let ended = loop {
        let found = api.get(&format!("evaluations/{id}"));
        match found.is(200).text("/status") {
            "queued" | "running" | "cancelling" => std::thread::sleep(Duration::from_millis(5)),
            _ => break found,
        }
    };
    match ended.text("/status") {
        "cancelled" => assert_eq!(ended.text("/segments/0/fault/code"), "evaluation.cancelled"),
        status => assert_eq!(status, "succeeded"),
    }
    assert_eq!(members(&api, &finance), before);
    // What has ended stays as it ended.
    let again = api.post(&format!("evaluations/{id}/cancel"), &json!({}));
    assert_eq!((again.is(202).body["done"].clone(), again.text("/status")), (json!(true), ended.text("/status")));
    api.post("evaluations/evl_none/cancel", &json!({})).refused(404, "evaluation.missing");
    assert_eq!(evaluate(&api)["status"], "succeeded");
}

#[test]
fn a_segment_is_one_statement_for_an_engine_outside() {
    let api = business();
    let shown = |expression: &str, rank: Option<Value>| {
        let mut body = json!({"name": expression, "expression": expression});
        if let Some(rank) = rank {
            body["rank"] = rank;
        }
        api.get(&format!("segments/{}/sql", make(&api, &body)))
    };
    let simple = shown("person.department == \"O'Hara\"", None);
    assert_eq!(
        (simple.is(200).text("/sql"), &simple.body["version"]),
        ("SELECT v0._id FROM person v0 WHERE (v0.department = 'O''Hara')", &json!(1))
    );
    assert!(simple.text("/as_of").ends_with('Z'));
    let by = json!({"by": "person.person_score", "limit": 5});
    let first = shown("person.accounts.exists(a, a.industry == \"Finance\")", Some(by));
    assert!(first.is(200).text("/sql").ends_with("LIMIT 5"), "{first:?}");
    let listed = shown("person.departments.subsetOf([\"HR\", \"People\"])", None);
    assert!(listed.is(200).text("/sql").contains("person_departments"), "{listed:?}");
    let refused = shown("double(person.job_title) > 1.0", None);
    assert!(refused.refused(422, "segment.no-sql").text("/detail").starts_with("1:"), "{refused:?}");
    api.get("segments/seg_none/sql").refused(404, "segment.missing");
}

/// Campaigns that cost more than was planned, and a list whose rows go.
#[test]
fn campaigns_over_their_budget_and_lists_have_members_until_the_rows_are_deleted() {
    let api = Harness::sandbox();
    let person = |id: &str| json!({"id": id, "fields": {"email": format!("{id}@x.com")}});
    send(&api, "person", &["ann", "bob", "cid", "dee"].map(person).into_iter().collect());
    let campaign = |id: &str, budget: Option<&str>, cost: &str| {
        let mut fields = json!({"name": id, "actual_cost": cost});
        if let Some(budget) = budget {
            fields["budgeted_cost"] = budget.into();
        }
        json!({"id": id, "fields": fields})
    };
    let campaigns = [
        campaign("over", Some("100.00"), "100.01"),
        campaign("even", Some("100.0"), "100"),
        campaign("unplanned", None, "5"),
    ];
    send(&api, "campaign", &campaigns.into_iter().collect());
    send(
        &api,
        "marketing_list",
        &json!([{"id": "l", "fields": {"name": "Anniversary users"}}, {"id": "o", "fields": {"name": "Others"}}]),
    );
    let member = |id: &str, person: &str, of: (&str, &str)| {
        let mut fields = json!({"person_key": key(person)});
        fields[of.0] = key(of.1).into();
        json!({"id": id, "fields": fields})
    };
    let of_campaigns = [("1", "ann", "over"), ("2", "bob", "even"), ("3", "cid", "unplanned"), ("4", "dee", "over")];
    let rows = of_campaigns.map(|(id, person, of)| member(id, person, ("campaign_key", of)));
    send(&api, "campaign_member", &rows.into_iter().collect());
    let of_lists = [("5", "ann", "l"), ("6", "bob", "l"), ("7", "cid", "o")];
    let rows = of_lists.map(|(id, person, of)| member(id, person, ("marketing_list_key", of)));
    send(&api, "marketing_list_member", &rows.into_iter().collect());
    let segment = |name: &str, rule: &str| make(&api, &json!({"name": name, "expression": rule}));
    let over = segment(
        "Overspend",
        "person.campaign_memberships.exists(m, m.campaign.actual_cost > m.campaign.budgeted_cost)",
    );
    let users = segment("Users", "person.list_memberships.exists(m, m.marketing_list.name == \"Anniversary users\")");
    caught_up(&api);
    assert_eq!(
        (members(&api, &over), members(&api, &users)),
        (vec!["ann".to_owned(), "dee".into()], vec!["ann".to_owned(), "bob".into()])
    );

    send(&api, "marketing_list_member", &json!([{"id": "5", "kind": "deleted"}]));
    send(&api, "campaign_member", &json!([{"id": "4", "kind": "deleted"}]));
    caught_up(&api);
    evaluate(&api);
    assert_eq!((members(&api, &over), members(&api, &users)), (vec!["ann".to_owned()], vec!["bob".to_owned()]));
    let id = api.get("profiles?namespace=email&value=ann%40x.com").is(200).text("/items/0/id").to_owned();
    let left = api.get(&format!("profiles/{id}/memberships"));
    assert_eq!((left.is(200).text("/items/0/segment"), left.text("/items/0/status")), (users.as_str(), "exited"));
}
