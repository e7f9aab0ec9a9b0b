//! Whole runs: what is at LinkedIn afterwards, and what a kill leaves.

use crate::support::{ADD, Harness, Intervention, KNOWN, REMOVE, shown};
use attiva_connector::{Destination, EraseStatus, Host};
use destination_linkedin::LinkedIn;
use serde_json::json;

const A: &[(&str, &str)] = &[("email", "  Random@RudderStack.com "), ("first_name", "Ada"), ("country", "de")];
const B: &[(&str, &str)] = &[("email", KNOWN)];
const NAMES: &[(&str, &str)] = &[("first_name", "Ada"), ("last_name", "Lovelace"), ("title", "Countess")];

#[test]
fn people_are_hashed_once_added_and_taken_out_again() {
    let mut h = Harness::people();
    let prepared = h.prepare();
    assert_eq!(prepared.wait_ms, Some(5_000), "members that come at once are lost");
    let outcomes = h.deliver(&[(ADD, "", A), (ADD, "", NAMES)]);
    assert_eq!(shown(&outcomes), ["updated", "updated"]);
    assert_eq!(h.members().first().map(String::as_str), Some(KNOWN));
    let sent = h.store.borrow().calls[0].clone();
    assert_eq!(
        sent[0],
        json!({"action": "ADD", "userIds": [{"idType": "SHA256_EMAIL", "idValue": KNOWN}], "firstName": "Ada", "country": "DE"})
    );
    assert_eq!(sent[1], json!({"action": "ADD", "firstName": "Ada", "lastName": "Lovelace", "title": "Countess"}));
    let (id, names) = (outcomes[0].member_id.clone().unwrap(), outcomes[1].member_id.clone());
    let removed = h.deliver(&[(REMOVE, &id, &[]), (REMOVE, "", NAMES)]);
    assert_eq!(shown(&removed), ["removed", "removed"]);
    assert_eq!((removed[0].member_id.as_ref(), removed[1].member_id.clone()), (Some(&id), names), "who they were");
    // The title was no part of what identified her.
    assert_eq!(h.store.borrow().calls[1][1], json!({"action": "REMOVE", "firstName": "Ada", "lastName": "Lovelace"}));
}

#[test]
fn who_has_another_address_is_taken_out_by_the_old_one() {
    let mut h = Harness::people();
    h.prepare();
    let id = h.deliver(&[(ADD, "", A)])[0].member_id.clone().unwrap();
    let other: &[(&str, &str)] = &[("email", "other@x.example")];
    h.deliver(&[(ADD, &id, other)]);
    let members = h.members();
    assert!(members.len() == 1 && members[0] != KNOWN, "{members:?}");
    // The same address again: nothing to take out.
    let id = h.deliver(&[(ADD, "", other)])[0].member_id.clone().unwrap();
    h.deliver(&[(ADD, &id, other)]);
    assert_eq!(h.store.borrow().calls.last().map(Vec::len), Some(1));
}

#[test]
fn two_members_of_one_address_are_one_element_and_the_one_who_stays_wins() {
    let mut h = Harness::people();
    h.prepare();
    assert_eq!(shown(&h.deliver(&[(ADD, "", A), (ADD, "", B)])), ["updated", "updated"]);
    assert_eq!(h.store.borrow().calls[0].len(), 1);
    assert_eq!(shown(&h.deliver(&[(REMOVE, "", B), (ADD, "", A)])), ["unchanged identifier-shared", "updated"]);
    assert_eq!(h.members(), [KNOWN]);
}

#[test]
fn companies_are_told_by_anything_they_have() {
    let columns = ["name", "domain", "email_domain", "page_url", "organization_urn"];
    let mut h = Harness::new("companies", &columns, json!({"companies_per_call": 2}));
    h.prepare();
    assert_eq!(h.store.borrow().segments[0].body["type"], "COMPANY");
    let outcomes = h.deliver(&[
        (ADD, "", &[("name", "Acme"), ("domain", "https://www.Acme.example/about?x=1")]),
        (ADD, "", &[("email_domain", "info@acme.example"), ("organization_urn", "1035")]),
        (ADD, "", &[("organization_urn", "urn:li:organization:1035")]),
        (ADD, "", &[("name", " "), ("domain", "")]),
        (ADD, "", &[("domain", "acme")]),
        (ADD, "", &[("page_url", "https://acme.example")]),
        (ADD, "", &[("organization_urn", "Acme")]),
    ]);
    assert_eq!(
        shown(&outcomes),
        [
            "updated",
            "updated",
            "updated",
            "rejected no-identifier",
            "rejected domain-invalid",
            "rejected page-invalid",
            "rejected organization-invalid"
        ]
    );
    let calls = h.store.borrow().calls.clone();
    assert_eq!(calls.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1], "two in one call at most");
    assert_eq!(calls[0][0], json!({"action": "ADD", "companyName": "Acme", "companyWebsiteDomain": "acme.example"}));
    assert_eq!(
        calls[0][1],
        json!({"action": "ADD", "companyEmailDomain": "acme.example", "organizationUrn": "urn:li:organization:1035"})
    );
    // It has a name now, and is taken out by what it was known by.
    let id = outcomes[2].member_id.clone().unwrap();
    h.deliver(&[(ADD, &id, &[("name", "Acme"), ("organization_urn", "1035")])]);
    assert_eq!(h.store.borrow().calls[2].len(), 2);
    assert_eq!(
        h.store.borrow().calls[2][1],
        json!({"action": "REMOVE", "organizationUrn": "urn:li:organization:1035"})
    );
}

#[test]
fn a_segment_is_found_again_by_id_and_type() {
    let mut h = Harness::people();
    h.prepare();
    h.store.borrow_mut().segments[0].body["type"] = json!("COMPANY");
    h.pass(200_000);
    h.prepare();
    assert_eq!(h.store.borrow().segments.len(), 2, "a segment of companies is not one of people");
    h.target.name = "Banking".into();
    h.pass(60_000);
    let dry = h.try_prepare(true).unwrap();
    assert!(dry.notes.iter().any(|note| note.contains("renamed to Banking")), "{:?}", dry.notes);
    assert_eq!(h.store.borrow().segments[1].body["name"], "Finance");
    let prepared = h.prepare();
    assert_eq!((prepared.wait_ms, &h.store.borrow().segments[1].body["name"]), (None, &json!("Banking")));
}

#[test]
fn a_dry_run_makes_nothing_and_warns_of_few() {
    let mut h = Harness::people();
    h.run.rows_expected = Some(12);
    let notes = h.try_prepare(true).unwrap().notes;
    assert!(notes.iter().any(|note| note.contains("Only 12 members")), "{notes:?}");
    assert!(h.store.borrow().segments.is_empty());
    assert!(h.host.request_lines().iter().all(|line| line.starts_with("GET ")));
}

/// The call that made the segment never answered; LinkedIn may not list it yet.
#[test]
fn a_kill_after_the_segment_was_made_makes_no_second_one() {
    for lags in [false, true] {
        let mut h = Harness::people();
        h.store.borrow_mut().lags = lags;
        h.intervene("POST /rest/dmpSegments", Intervention::After(504, "<html>"));
        assert_eq!(h.try_prepare(false).unwrap_err().code, "linkedin.foreign");
        if lags {
            let fault = h.try_prepare(false).unwrap_err();
            assert_eq!((fault.code.as_str(), fault.passes()), ("linkedin.segment-unlisted", true));
            h.store.borrow_mut().lags = false;
        }
        h.prepare();
        assert_eq!(h.store.borrow().segments.len(), 1);
    }
    // Two minutes later it was not made.
    let mut h = Harness::people();
    h.intervene("POST /rest/dmpSegments", Intervention::Instead(504, "<html>"));
    h.try_prepare(false).unwrap_err();
    h.pass(121_000);
    h.prepare();
    assert_eq!(h.store.borrow().segments.len(), 1);
}

#[test]
fn somebody_faster_is_a_409_and_the_segment_is_looked_up_again() {
    let mut h = Harness::people();
    h.prepare();
    h.store.borrow_mut().conflicts = true;
    h.pass(200_000);
    h.host.spool_remove("segment").unwrap();
    h.intervene("GET /rest/dmpSegments", Intervention::Instead(200, r#"{"elements":[]}"#));
    h.prepare();
    assert_eq!(h.store.borrow().segments.len(), 1);
}

/// Every call twice, the first answer lost: LinkedIn answers the same to who is there already.
#[test]
fn a_batch_that_comes_again_changes_nothing() {
    let mut h = Harness::people();
    h.prepare();
    let rows = [(ADD, "", A), (ADD, "", NAMES)];
    drop(h.try_deliver(&rows).unwrap());
    assert_eq!(shown(&h.deliver(&rows)), ["updated", "updated"]);
    assert_eq!(h.members().len(), 2);
}

#[test]
fn the_end_warns_of_what_is_sure() {
    let finish = |h: &Harness| LinkedIn::finish(&*h.host, &h.config, &h.target, &h.run, h.state.clone()).unwrap();
    let codes = |h: &Harness| finish(h).warnings.into_iter().map(|w| w.code).collect::<Vec<_>>();
    let mut h = Harness::people();
    h.prepare();
    h.deliver(&[(ADD, "", A)]);
    assert_eq!(codes(&h), ["linkedin.too-few"], "a new one with one member");
    assert_eq!(finish(&h).artifacts[0].rows, Some(1));
    h.set("READY", json!({"matchedCount": 12, "audienceSize": 240_000}));
    assert_eq!(codes(&h), [""; 0], "counts cover seven days, the size does not");
    h.set("READY", json!({"matchedCount": 12, "audienceSize": 0}));
    assert_eq!(codes(&h), ["linkedin.too-few"]);
    h.set("FAILED", json!({"audienceSize": 400}));
    assert_eq!(codes(&h), ["linkedin.segment-dead"]);
    // Found, small in this run, and LinkedIn says nothing: nothing is sure.
    h.set("UPDATING", json!({}));
    h.pass(200_000);
    h.host.spool_remove("segment").unwrap();
    h.prepare();
    assert_eq!(codes(&h), [""; 0]);
}

#[test]
fn a_person_is_erased_and_a_target_retired() {
    let mut h = Harness::people();
    let erase = |h: &Harness, ids: &[(&str, &str)]| {
        let ids: Vec<(String, String)> = ids.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        LinkedIn::erase(&*h.host, &h.config, &h.target, &ids).unwrap().status
    };
    assert_eq!(erase(&h, &[("email", "random@rudderstack.com")]), EraseStatus::NotFound);
    h.prepare();
    h.deliver(&[(ADD, "", A)]);
    assert_eq!(erase(&h, &[("phone", "1")]), EraseStatus::Cannot);
    assert_eq!(erase(&h, &[("email", "random@rudderstack.com")]), EraseStatus::Removed);
    assert!(h.members().is_empty());
    // Every address of hers, what the host knows her by here, and nobody who has but her name.
    let other: &[(&str, &str)] = &[("email", "other@x.example")];
    let names: &[(&str, &str)] = &[("first_name", "Ada"), ("last_name", "Lovelace")];
    let outcomes = h.deliver(&[(ADD, "", A), (ADD, "", other), (ADD, "", names)]);
    let known = outcomes[1].member_id.clone().unwrap();
    let ids = [("email", "aaa@x.example"), ("email", "random@rudderstack.com"), ("member-id", known.as_str())];
    let ids = [&ids[..], names].concat();
    assert_eq!(erase(&h, &ids), EraseStatus::Removed);
    assert_eq!(h.members().len(), 1, "{:?}", h.members());
    assert_eq!(erase(&h, names), EraseStatus::Removed);
    assert!(h.members().is_empty());
    LinkedIn::retire(&*h.host, &h.config, &h.target).unwrap();
    assert!(h.store.borrow().segments.is_empty());
    LinkedIn::retire(&*h.host, &h.config, &h.target).unwrap();
}
