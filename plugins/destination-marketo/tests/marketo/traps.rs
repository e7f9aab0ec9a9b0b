//! One test for each way in which Marketo is known to surprise.

use crate::support::{ADD, Harness, Intervention, REMOVE, Store, refused, shown};
use attiva_connector::{CheckResult, DataType, Destination, FaultKind};
use destination_marketo::Marketo;
use serde_json::json;

fn matching(leads: &[(u64, &str)]) -> Harness {
    let mut h = Harness::new(&["email"], json!({}), Store::with(leads));
    h.prepare();
    h
}

const A: &[(&str, &str)] = &[("email", "a@x.example")];

#[test]
fn results_are_told_apart_by_their_place() {
    let mut h = matching(&[(1, "a@x.example"), (2, "b@x.example")]);
    let skipped = json!({"status": "skipped", "reasons": [{"code": "1008", "message": "partition"}]});
    let body = json!({"success": true, "result": [skipped, {"id": 2, "status": "added"}]});
    h.intervene("POST /rest/v1/lists", Intervention::Instead(body));
    assert_eq!(
        shown(&h.deliver(&[(ADD, "", &[("email", "b@x.example")]), (ADD, "", A)])),
        ["updated", "rejected marketo.1008"]
    );
}

#[test]
fn a_result_too_few_is_asked_for_again() {
    let h = matching(&[(1, "a@x.example")]);
    h.intervene("POST /rest/v1/lists", Intervention::Instead(json!({"success": true, "result": []})));
    let fault = h.try_deliver(&[(ADD, "", A)]).unwrap_err();
    assert_eq!((fault.code.as_str(), fault.passes()), ("marketo.results", true));
}

#[test]
fn a_refusal_of_a_call_says_who_acts() {
    let h = matching(&[(1, "a@x.example")]);
    let cases = [
        ("606", FaultKind::RateLimited),
        ("607", FaultKind::Quota),
        ("615", FaultKind::RateLimited),
        ("603", FaultKind::Scope),
        ("611", FaultKind::Transient),
        ("1013", FaultKind::Config),
    ];
    for (code, kind) in cases {
        h.intervene("POST /rest/v1/lists", refused(code));
        assert_eq!(h.try_deliver(&[(ADD, "", A)]).unwrap_err().kind, kind, "{code}");
    }
    h.intervene("POST /rest/v1/lists", Intervention::Status(200, "<html>"));
    assert!(h.try_deliver(&[(ADD, "", A)]).unwrap_err().passes());
}

#[test]
fn a_stale_token_is_renewed_once_a_call() {
    let mut h = matching(&[(1, "a@x.example")]);
    h.intervene("POST /rest/v1/lists", refused("602"));
    assert_eq!(shown(&h.deliver(&[(ADD, "", A)])), ["updated"]);
    assert_eq!(h.host.renewed(), ["marketo"]);
}

#[test]
fn too_many_matches_are_asked_for_in_halves() {
    let mut h = matching(&[(1, "a@x.example"), (2, "b@x.example")]);
    h.intervene("GET /rest/v1/leads.json", refused("1003"));
    let rows: [(_, _, &[(&str, &str)]); 2] = [(ADD, "", A), (ADD, "", &[("email", "b@x.example")])];
    assert_eq!(shown(&h.deliver(&rows)), ["updated", "updated"]);
    assert_eq!(h.host.request_lines().iter().filter(|line| line.contains("filterType")).count(), 3);
}

#[test]
fn pages_of_a_look_up_go_on_while_there_is_a_token() {
    let mut h = matching(&[(1, "a@x.example")]);
    let page = json!({"success": true, "result": [], "nextPageToken": "T+/="});
    h.intervene("GET /rest/v1/leads.json", Intervention::Instead(page));
    assert_eq!(shown(&h.deliver(&[(ADD, "", A)])), ["updated"]);
    assert!(h.host.request_lines().iter().any(|line| line.ends_with("nextPageToken=T%2B%2F%3D")));
}

#[test]
fn three_hundred_long_addresses_go_in_a_body() {
    let mut h = matching(&[]);
    let emails: Vec<String> = (0..300).map(|i| format!("somebody.number.{i}@somewhere.example")).collect();
    let cells: Vec<[(&str, &str); 1]> = emails.iter().map(|email| [("email", email.as_str())]).collect();
    let rows: Vec<_> = cells.iter().map(|cells| (ADD, "", cells.as_slice())).collect();
    assert!(shown(&h.deliver(&rows)).iter().all(|outcome| outcome == "unmatched"));
    assert_eq!(h.host.request_lines().last().map(String::as_str), Some("POST /rest/v1/leads.json?_method=GET"));
}

#[test]
fn an_address_marketo_cannot_be_asked_for_is_told() {
    let mut h = matching(&[]);
    let rows: [(_, _, &[(&str, &str)]); 3] = [
        (ADD, "", &[("email", "a,b@x.example")]),
        (ADD, "", &[("email", "ä@x.example")]),
        (REMOVE, "", &[("email", "a,b@x.example")]),
    ];
    assert_eq!(
        shown(&h.deliver(&rows)),
        ["rejected email-unaskable", "rejected email-unaskable", "unchanged not-at-marketo"]
    );
}

/// A body may have 1 MB: 300 people with long values do not fit one call.
#[test]
fn long_values_are_sent_in_several_calls() {
    let mut h = Harness::new(&["email", "city"], json!({"mode": "create"}), Store::with(&[]));
    h.prepare();
    let long = "x".repeat(20_000);
    let emails: Vec<String> = (0..100).map(|i| format!("p{i}@x.example")).collect();
    let cells: Vec<[(&str, &str); 2]> =
        emails.iter().map(|e| [("email", e.as_str()), ("city", long.as_str())]).collect();
    let rows: Vec<_> = cells.iter().map(|cells| (ADD, "", cells.as_slice())).collect();
    assert!(shown(&h.deliver(&rows)).iter().all(|outcome| outcome == "created"));
    let synced = h.host.request_lines().iter().filter(|line| *line == "POST /rest/v1/leads.json").count();
    assert_eq!((synced, h.members().len()), (3, 100));
}

#[test]
fn a_mapping_marketo_cannot_take_is_refused_before_the_first_record() {
    let columns = |more: &[(&str, DataType)]| -> Vec<(String, DataType)> {
        let email = [("email".to_owned(), DataType::Text)];
        email.into_iter().chain(more.iter().map(|(n, t)| ((*n).to_owned(), *t))).collect()
    };
    let mut h = Harness::new(&["email"], json!({"mode": "create"}), Store::with(&[]));
    for (name, data_type) in [("tags", DataType::TextList), ("nobody", DataType::Text), ("createdAt", DataType::Text)] {
        h.run.columns = columns(&[(name, data_type)]);
        let fault = h.try_prepare(false).unwrap_err();
        assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::Config, Some(name)));
    }
    assert!(h.store.borrow().lists.is_empty(), "nothing was made");
    h.target.options = json!({"mode": "create", "folder": "Nowhere"}).to_string();
    h.run.columns = columns(&[]);
    assert_eq!(h.try_prepare(false).unwrap_err().code, "marketo.folder-unknown");
    h.target.options = json!({"mode": "creat"}).to_string();
    assert_eq!(h.try_prepare(false).unwrap_err().field.as_deref(), Some("mode"));
}

#[test]
fn each_check_has_its_name() {
    let verdicts = |h: &Harness| -> Vec<String> {
        let verdict = |r: &CheckResult| match (&r.fault, &r.skipped) {
            (Some(fault), _) => format!("{} {}", r.name, fault.code),
            (_, Some(_)) => format!("{} skipped", r.name),
            _ => r.name.clone(),
        };
        Marketo::check(&h.host, &h.config).iter().map(verdict).collect()
    };
    let h = Harness::new(&["email"], json!({}), Store::with(&[]));
    assert_eq!(verdicts(&h), ["credentials", "describe-leads", "static-lists", "folder", "daily-quota"]);
    assert!(h.host.request_lines().iter().all(|line| line.starts_with("GET ")));
    h.intervene("GET /rest/v1/leads/describe2", refused("603"));
    h.intervene("GET /rest/asset/v1/staticList", refused("603"));
    assert_eq!(
        verdicts(&h),
        ["credentials", "describe-leads marketo.603", "static-lists marketo.603", "folder", "daily-quota"]
    );
    h.intervene("GET /rest/v1/leads/describe2", refused("601"));
    h.intervene("GET /rest/v1/leads/describe2", refused("601"));
    assert_eq!(
        verdicts(&h),
        [
            "credentials marketo.601",
            "describe-leads skipped",
            "static-lists skipped",
            "folder skipped",
            "daily-quota skipped"
        ]
    );
}
