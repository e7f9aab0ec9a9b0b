//! One test for each way in which LinkedIn is known to surprise.

use crate::support::{ADD, Harness, Intervention, KNOWN, REMOVE, shown};
use attiva_connector::{Destination, FaultKind};
use destination_linkedin::LinkedIn;
use serde_json::json;

const A: &[(&str, &str)] = &[("email", KNOWN)];
const B: &[(&str, &str)] = &[("email", "b@x.example")];
const USERS: &str = "POST /rest/dmpSegments/100/users";

fn prepared() -> Harness {
    let mut h = Harness::people();
    h.prepare();
    h
}

#[test]
fn a_refusal_inside_a_200_is_of_its_row() {
    let mut h = prepared();
    h.intervene(USERS, Intervention::Element(1, 400));
    let outcomes = h.deliver(&[(ADD, "", A), (ADD, "", B), (ADD, "", &[])]);
    assert_eq!(shown(&outcomes), ["updated", "rejected linkedin.400", "rejected no-identifier"]);
    assert_eq!(outcomes[1].message, "no");
    assert_eq!(h.members(), [KNOWN]);
}

#[test]
fn an_element_that_may_pass_is_sent_once_more() {
    let mut h = prepared();
    h.intervene(USERS, Intervention::Element(0, 503));
    assert_eq!(shown(&h.deliver(&[(ADD, "", A), (ADD, "", B)])), ["updated", "updated"]);
    assert_eq!(h.store.borrow().calls.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    h.intervene(USERS, Intervention::Element(0, 503));
    h.intervene(USERS, Intervention::Element(0, 503));
    assert_eq!(shown(&h.deliver(&[(ADD, "", A), (ADD, "", B)])), ["rejected linkedin.503", "updated"]);
}

#[test]
fn an_old_identifier_that_stays_is_told() {
    let mut h = prepared();
    let id = h.deliver(&[(ADD, "", A)])[0].member_id.clone().unwrap();
    h.intervene(USERS, Intervention::Element(1, 400));
    assert_eq!(shown(&h.deliver(&[(ADD, &id, B)])), ["updated old-identifier-stays"]);
}

#[test]
fn empty_and_odd_addresses_are_never_hashed() {
    let mut h = prepared();
    let rows: Vec<_> = ["", "  ", "nobody", "@", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]
        .map(|email| vec![("email", email)])
        .into();
    let rows: Vec<_> = rows.iter().map(|cells| (ADD, "", cells.as_slice())).collect();
    assert_eq!(
        shown(&h.deliver(&rows)),
        [
            "rejected no-identifier",
            "rejected no-identifier",
            "rejected email-invalid",
            "rejected email-invalid",
            "rejected email-invalid"
        ]
    );
    assert!(h.store.borrow().calls.is_empty(), "nothing was sent");
}

/// Somebody who can be told apart is not kept out by a value that only helps.
#[test]
fn what_linkedin_would_not_take_is_left_out_and_told() {
    let mut h = prepared();
    let outcomes = h.deliver(&[(ADD, "", &[("email", "a@x.example"), ("country", "Germany"), ("title", "CTO")])]);
    assert_eq!(shown(&outcomes), ["updated country-invalid"]);
    assert_eq!((outcomes[0].field.as_deref(), outcomes[0].member_id.is_some()), (Some("country"), true));
    let sent = h.store.borrow().calls[0][0].clone();
    assert_eq!((sent["title"].as_str(), sent.get("country")), (Some("CTO"), None));

    let mut h = Harness::new("companies", &["name", "domain", "page_url", "organization_urn"], json!({}));
    h.prepare();
    let outcomes = h.deliver(&[
        (ADD, "", &[("name", "Acme"), ("domain", "n/a")]),
        (ADD, "", &[("domain", "n/a")]),
        (ADD, "", &[("domain", "acme.example"), ("page_url", "https://acme.example"), ("organization_urn", "Acme")]),
    ]);
    assert_eq!(shown(&outcomes), ["updated domain-invalid", "rejected domain-invalid", "updated page-invalid"]);
    assert_eq!(h.store.borrow().calls[0].len(), 2);
}

#[test]
fn a_young_segment_may_be_unknown_and_an_old_one_is_gone() {
    let h = prepared();
    h.intervene(USERS, Intervention::Instead(404, r#"{"message":"Could not find DMP segment","status":404}"#));
    let fault = h.fault(&[(ADD, "", A)]);
    assert_eq!((fault.code.as_str(), fault.passes()), ("linkedin.segment-young", true));
    h.pass(121_000);
    h.store.borrow_mut().segments.clear();
    let fault = h.fault(&[(ADD, "", A)]);
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Config, "linkedin.segment-gone"));
}

#[test]
fn a_dead_segment_is_named_and_not_made_again() {
    for status in ["EXPIRED", "FAILED", "ERROR"] {
        let h = prepared();
        h.set(status, json!({}));
        let fault = h.try_prepare(false).unwrap_err();
        assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Config, "linkedin.segment-dead"));
        // With and without a code of LinkedIn's own.
        for refusal in
            [r#"{"message":"no","status":400}"#, r#"{"message":"no","code":"ILLEGAL_ARGUMENT","status":400}"#]
        {
            h.intervene(USERS, Intervention::Instead(400, refusal));
            assert_eq!(h.fault(&[(ADD, "", A)]).code, "linkedin.segment-dead", "{refusal}");
        }
    }
    let mut h = prepared();
    h.set("ARCHIVED", json!({}));
    h.prepare();
    h.intervene(USERS, Intervention::Instead(400, r#"{"message":"no","status":400}"#));
    assert_eq!(h.fault(&[(ADD, "", A)]).kind, FaultKind::Internal, "it is the request that is wrong");
}

#[test]
fn a_limit_that_outlasts_its_minute_is_a_days() {
    let mut h = prepared();
    let throttle = || h.intervene(USERS, Intervention::Instead(429, r#"{"message":"throttled","status":429}"#));
    throttle();
    assert_eq!(h.fault(&[(ADD, "", A)]).kind, FaultKind::RateLimited);
    h.pass(60_000);
    throttle();
    assert_eq!(h.fault(&[(ADD, "", A)]).kind, FaultKind::RateLimited);
    h.pass(60_000);
    throttle();
    let fault = h.fault(&[(ADD, "", A)]);
    assert_eq!((fault.kind, fault.retry_after_ms), (FaultKind::Quota, Some(86_400_000 - 120_000)));
    // Once members are taken, the next one is of a minute again.
    throttle();
    h.store.borrow_mut().interventions.clear();
    h.deliver(&[(ADD, "", A)]);
    h.intervene(USERS, Intervention::Instead(429, r#"{"message":"throttled","status":429}"#));
    assert_eq!(h.fault(&[(ADD, "", A)]).kind, FaultKind::RateLimited);
}

#[test]
fn a_sunset_version_names_its_setting() {
    let h = Harness::people();
    h.intervene("GET", Intervention::Instead(426, r#"{"message":"not active","code":"NONEXISTENT_VERSION"}"#));
    let fault = h.try_prepare(false).unwrap_err();
    assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::Config, Some("api_version")));
}

#[test]
fn a_stale_token_is_renewed_once() {
    let mut h = prepared();
    let lapsed = r#"{"message":"expired","serviceErrorCode":65602,"status":401}"#;
    h.intervene(USERS, Intervention::Instead(401, lapsed));
    h.deliver(&[(ADD, "", A)]);
    assert_eq!(h.host.renewed(), ["member"]);
    let h = prepared();
    h.intervene(USERS, Intervention::Instead(401, lapsed));
    h.intervene(USERS, Intervention::Instead(401, lapsed));
    assert_eq!(h.fault(&[(ADD, "", A)]).kind, FaultKind::Auth);
}

#[test]
fn what_is_not_linkedins_passes() {
    let h = prepared();
    for (status, body) in
        [(200, "<html>"), (200, r#"{"elements":[{"sta"#), (502, "<html>"), (200, r#"{"elements":[]}"#)]
    {
        h.intervene(USERS, Intervention::Instead(status, body));
        assert!(h.fault(&[(ADD, "", A)]).passes(), "{status} {body}");
    }
}

#[test]
fn the_last_intent_wins_whatever_was_before() {
    let mut h = prepared();
    h.deliver(&[(ADD, "", A)]);
    h.deliver(&[(REMOVE, "", A)]);
    assert!(h.members().is_empty());
    h.deliver(&[(REMOVE, "", A)]);
    h.deliver(&[(ADD, "", A)]);
    assert_eq!(h.members(), [KNOWN]);
}

#[test]
fn each_check_has_its_name() {
    let verdicts = |h: &Harness| -> Vec<(String, String)> {
        let verdict = |r: &attiva_connector::CheckResult| match (&r.fault, &r.skipped) {
            (Some(fault), _) => fault.code.clone(),
            (_, Some(_)) => "skipped".into(),
            _ => "passed".into(),
        };
        LinkedIn::check(&*h.host, &h.config).iter().map(|r| (r.name.clone(), verdict(r))).collect()
    };
    let names = ["login", "api-version", "segments", "account"];
    let expect = |h: &Harness, expected: [&str; 4]| {
        let expected: Vec<_> = names.iter().zip(expected).map(|(n, v)| ((*n).to_owned(), v.to_owned())).collect();
        assert_eq!(verdicts(h), expected);
    };
    let h = Harness::people();
    expect(&h, ["passed"; 4]);
    assert!(h.host.request_lines().iter().all(|line| line.starts_with("GET ")));
    h.intervene("GET /rest/dmpSegments", Intervention::Instead(426, r#"{"message":"x","code":"NONEXISTENT_VERSION"}"#));
    expect(&h, ["passed", "linkedin.NONEXISTENT_VERSION", "skipped", "skipped"]);
    h.intervene("GET /rest/dmpSegments", Intervention::Instead(403, r#"{"message":"viewer","code":"ACCESS_DENIED"}"#));
    h.intervene("GET /rest/adAccounts", Intervention::Instead(403, r#"{"message":"scope","status":403}"#));
    expect(&h, ["passed", "passed", "linkedin.ACCESS_DENIED", "skipped"]);
    h.intervene("GET /rest/adAccounts", Intervention::Instead(404, r#"{"message":"x","status":404}"#));
    expect(&h, ["passed", "passed", "passed", "linkedin.account-unknown"]);
    h.intervene("GET /rest/dmpSegments", Intervention::Instead(503, "<html>"));
    expect(&h, ["linkedin.foreign", "skipped", "skipped", "skipped"]);
}
