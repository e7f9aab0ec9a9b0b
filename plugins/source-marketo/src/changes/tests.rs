use super::*;
use crate::cursor::State;
use crate::testing::{LIMITS, NOW, config, describe, granted, kept, read, refused, rejects, shown, warnings};
use attiva_connector::testing::FakeHost;
use attiva_connector::{Cursor, FaultKind, Limits};
use serde_json::{Value, json};

const ACTIVITIES: &str = "/rest/v1/activities.json";
const DELETED: &str = "/rest/v1/activities/deletedleads.json";
const LEADS: &str = "/rest/v1/leads.json";
const TOKEN: &str = "/rest/v1/activities/pagingtoken.json";

fn cursor(phase: Phase) -> Cursor {
    let chain = |token: &str| Chain::at(token.into(), NOW - 7200);
    reader::cursor(Chains { changes: chain("C1"), deletions: chain("D1") }, phase).unwrap()
}

fn start() -> Cursor {
    cursor(Phase::Changes(Work::default()))
}

fn state(page: &Page) -> State {
    kept(&page.next)
}

fn activity_page(fake: &FakeHost, path: &str, activities: Value, token: &str, more: bool) {
    let mut page = granted(activities);
    page["nextPageToken"] = token.into();
    page["moreResult"] = more.into();
    fake.on("GET", "api", path).json(200, &page);
}

fn changed(id: i64, time: &str) -> Value {
    json!({"marketoGUID": format!("g{id}"), "leadId": id, "activityDate": time, "activityTypeId": 13, "attributes": []})
}

fn merged(winner: i64, losers: &str) -> Value {
    json!({"leadId": winner, "activityDate": "1970-01-01T00:00:09Z", "activityTypeId": 32,
           "attributes": [{"name": "Merge IDs", "value": losers}]})
}

fn leads(fake: &FakeHost, leads: Value) {
    fake.on("GET", "api", LEADS).json(200, &granted(leads));
}

fn go(fake: &FakeHost, cursor: Cursor, limits: Limits) -> Result<Page> {
    read(fake, &config(json!({})), Some(cursor), limits)
}

fn asked_ids(fake: &FakeHost) -> String {
    let line = fake.request_lines().into_iter().rfind(|l| l.contains(LEADS)).unwrap();
    line.split('&').find_map(|p| p.strip_prefix("filterValues=")).unwrap().replace("%2C", ",")
}

#[test]
fn changed_persons_are_read_in_full() {
    let fake = FakeHost::new();
    describe(&fake);
    let activities = json!([changed(7, "1970-01-01T00:00:05Z"), changed(8, "1970-01-01T00:00:05Z"), changed(7, "x")]);
    activity_page(&fake, ACTIVITIES, activities, "C2", true);
    leads(
        &fake,
        json!([
            {"id": 8, "updatedAt": "1970-01-01T00:00:06Z", "email": "b@example.com", "leadScore": 3, "notes": ""},
            {"id": 7, "updatedAt": "1970-01-01T00:00:01Z", "email": null, "annualRevenue": 1604.47, "unsubscribed": false},
        ]),
    );
    let page = go(&fake, start(), LIMITS).unwrap();
    assert_eq!(
        shown(&page),
        [
            "full 7 id=7 updatedAt=1000 annualRevenue=1604.47 unsubscribed=false",
            "full 8 id=8 updatedAt=6000 email=b@example.com leadScore=3 notes=",
        ]
    );
    // The later of the person's own time and its activity's.
    assert_eq!(page.source_times, [5000, 6000]);
    assert_eq!(asked_ids(&fake), "7,8");
    assert!(fake.request_lines()[0].contains("nextPageToken=C1"));
    let state = state(&page);
    let late = crate::cursor::Late { newest: 5, ..crate::cursor::Late::default() };
    assert_eq!(state.chains.changes, Chain { token: "C2".into(), since: NOW - 7200, still: 0, late });
    assert_eq!(state.phase, Phase::Changes(Work { more: true, ..Work::default() }));
    assert!(page.more);
}

#[test]
fn an_empty_page_with_more_goes_on_and_the_last_token_is_kept() {
    let fake = FakeHost::new();
    activity_page(&fake, ACTIVITIES, json!([]), "C2", true);
    activity_page(&fake, ACTIVITIES, json!([]), "C3", false);
    activity_page(&fake, DELETED, json!([]), "D2", true);
    activity_page(&fake, DELETED, json!([]), "D3", false);
    let mut cursor = start();
    for expected in [true, true, true, false] {
        let page = go(&fake, cursor, LIMITS).unwrap();
        assert_eq!((page.rows, page.more), (0, expected));
        cursor = page.next;
    }
    assert!(fake.unused().is_empty());
    let State { chains, phase, .. } = kept(&cursor);
    assert_eq!((chains.changes.token.as_str(), chains.deletions.token.as_str()), ("C3", "D3"));
    assert_eq!(chains.changes.since, NOW - crate::chain::OVERLAP_SECONDS);
    assert_eq!(phase, Phase::Changes(Work::default()));
}

#[test]
fn no_result_at_all_is_an_empty_page() {
    let fake = FakeHost::new();
    let page = json!({"requestId": "r", "success": true, "nextPageToken": "C2", "moreResult": false});
    fake.on("GET", "api", ACTIVITIES).json(200, &page);
    assert_eq!(state(&go(&fake, start(), LIMITS).unwrap()).phase, Phase::Deletions);
}

#[test]
fn a_token_that_stands_still_is_followed_slowly_and_not_for_ever() {
    let fake = FakeHost::new();
    let mut cursor = start();
    for still in 1..=10 {
        activity_page(&fake, ACTIVITIES, json!([]), "C1", true);
        let page = go(&fake, cursor, LIMITS).unwrap();
        assert_eq!((page.rows, page.more, page.wait_ms), (0, true, Some(still * 1000)));
        cursor = page.next;
    }
    activity_page(&fake, ACTIVITIES, json!([]), "C1", true);
    let fault = go(&fake, cursor.clone(), LIMITS).unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Transient, "marketo.stuck"));
    activity_page(&fake, ACTIVITIES, json!([]), "C2", true);
    let page = go(&fake, cursor, LIMITS).unwrap();
    assert_eq!((page.wait_ms, state(&page).chains.changes.still), (None, 0));
}

#[test]
fn persons_that_vanished_are_no_failure() {
    let fake = FakeHost::new();
    describe(&fake);
    activity_page(&fake, ACTIVITIES, json!([changed(7, ""), changed(8, "")]), "C2", false);
    leads(&fake, json!([{"id": 8}]));
    let page = go(&fake, start(), LIMITS).unwrap();
    assert_eq!(shown(&page), ["full 8 id=8"]);
    assert_eq!(state(&page).phase, Phase::Deletions);
}

#[test]
fn merged_persons_point_to_the_one_that_lives_on() {
    let fake = FakeHost::new();
    describe(&fake);
    let activities = json!([changed(2, "1970-01-01T00:00:05Z"), merged(1, "[2,3]")]);
    activity_page(&fake, ACTIVITIES, activities, "C2", false);
    leads(&fake, json!([{"id": 1}]));
    let page = go(&fake, start(), LIMITS).unwrap();
    assert_eq!(shown(&page), ["full 1 id=1", "merge 2 into 1", "merge 3 into 1"]);
    assert_eq!(page.source_times, [9000, 9000, 9000]);
    assert_eq!(asked_ids(&fake), "1");
}

#[test]
fn work_that_fits_no_page_waits_in_the_cursor() {
    let fake = FakeHost::new();
    describe(&fake);
    activity_page(&fake, ACTIVITIES, json!([changed(7, ""), merged(1, "2,3")]), "C2", false);
    let limits = Limits { max_rows: 1, ..LIMITS };
    let mut cursor = start();
    let mut all = Vec::new();
    for id in [1, 7] {
        leads(&fake, json!([{"id": id}]));
        let page = go(&fake, cursor, limits).unwrap();
        assert_eq!(asked_ids(&fake), id.to_string());
        all.extend(shown(&page));
        cursor = page.next;
    }
    for _ in 0..2 {
        let page = go(&fake, cursor, limits).unwrap();
        assert!(page.rows == 1 && page.more);
        all.extend(shown(&page));
        cursor = page.next;
    }
    assert_eq!(all, ["full 1 id=1", "full 7 id=7", "merge 2 into 1", "merge 3 into 1"]);
    assert_eq!(kept::<State>(&cursor).phase, Phase::Deletions);
    assert_eq!(fake.request_lines().iter().filter(|l| l.contains(ACTIVITIES)).count(), 1);
}

#[test]
fn a_page_ends_before_it_is_too_large() {
    let fake = FakeHost::new();
    describe(&fake);
    activity_page(&fake, ACTIVITIES, json!([changed(7, ""), changed(8, ""), changed(9, "")]), "C2", false);
    let note = "x".repeat(400);
    let lead = |id: i64| json!({"id": id, "notes": note});
    leads(&fake, json!([lead(7), lead(8), {"id": 9, "notes": "x".repeat(5000)}]));
    let limits = Limits { max_bytes: 900, ..LIMITS };
    let page = go(&fake, start(), limits).unwrap();
    assert_eq!(page.rows, 1);
    leads(&fake, json!([lead(8), {"id": 9, "notes": "x".repeat(5000)}]));
    let page = go(&fake, page.next, limits).unwrap();
    assert_eq!((page.rows, rejects(&page)), (1, vec!["record-too-long 9 -".to_owned()]));
    assert_eq!(state(&page).phase, Phase::Deletions);
}

#[test]
fn a_person_that_is_no_row_is_rejected_and_the_rest_is_read() {
    let fake = FakeHost::new();
    describe(&fake);
    activity_page(&fake, ACTIVITIES, json!([changed(7, ""), changed(8, ""), changed(9, "")]), "C2", false);
    let long = "x".repeat(1024 * 1024 + 1);
    leads(
        &fake,
        json!([{"email": "nobody@example.com"}, {"id": 7, "leadScore": "many"}, {"id": 8, "notes": long}, {"id": "9"}]),
    );
    let page = go(&fake, start(), LIMITS).unwrap();
    assert_eq!(shown(&page), ["full 9 id=9"]);
    assert_eq!(rejects(&page), ["key-missing - id", "value-invalid 7 leadScore", "field-too-long 8 notes"]);
    assert!(page.rejects[0].sample.contains("nobody@example.com"));
}

#[test]
fn deleted_persons_are_tombstones() {
    let fake = FakeHost::new();
    let deleted =
        json!([{"marketoGUID": "g", "leadId": 7, "activityDate": "1970-01-01T00:00:05Z", "activityTypeId": 37}]);
    activity_page(&fake, DELETED, deleted, "D2", false);
    let page = go(&fake, cursor(Phase::Deletions), LIMITS).unwrap();
    assert_eq!((shown(&page), page.more), (vec!["tombstone 7".to_owned()], false));
    assert_eq!(page.source_times, [5000]);
    assert_eq!(state(&page).phase, Phase::Changes(Work::default()));
}

#[test]
fn pages_are_never_asked_for_larger_than_the_host_wants() {
    let fake = FakeHost::new();
    activity_page(&fake, ACTIVITIES, json!([]), "C2", false);
    activity_page(&fake, DELETED, json!([]), "D2", false);
    let limits = Limits { max_rows: 7, ..LIMITS };
    go(&fake, start(), limits).unwrap();
    go(&fake, cursor(Phase::Deletions), limits).unwrap();
    assert!(fake.request_lines().iter().all(|l| l.contains("batchSize=7&")), "{:?}", fake.request_lines());
}

#[test]
fn many_merges_are_asked_for_in_smaller_pages() {
    let fake = FakeHost::new();
    describe(&fake);
    let losers: Vec<String> = (1_000_000..1_001_000).map(|id| id.to_string()).collect();
    activity_page(&fake, ACTIVITIES, json!([merged(1, &losers.join(","))]), "C9", false);
    activity_page(&fake, ACTIVITIES, json!([merged(1, "2")]), "C2", true);
    leads(&fake, json!([]));
    let page = go(&fake, start(), LIMITS).unwrap();
    assert_eq!(shown(&page), ["merge 2 into 1"]);
    let lines = fake.request_lines();
    assert!(lines[0].contains("batchSize=300&nextPageToken=C1") && lines[1].contains("batchSize=150&nextPageToken=C1"));
    assert_eq!(state(&page).chains.changes.token, "C2");
}

#[test]
fn a_forgotten_token_is_replaced_by_its_time() {
    let fake = FakeHost::new();
    fake.on("GET", "api", ACTIVITIES).json(200, &refused("1003", "Invalid nextPageToken"));
    fake.on("GET", "api", TOKEN).json(200, &json!({"success": true, "nextPageToken": "N"}));
    activity_page(&fake, ACTIVITIES, json!([]), "N2", false);
    let page = go(&fake, start(), LIMITS).unwrap();
    assert_eq!(warnings(&page), ["marketo.token-renewed"]);
    assert_eq!(state(&page).chains.changes.token, "N2");
    assert!(fake.request_lines()[1].contains("sinceDatetime=2025-12-31T22%3A00%3A00Z"));

    fake.on("GET", "api", ACTIVITIES).always().json(200, &refused("1003", "Invalid nextPageToken"));
    fake.on("GET", "api", TOKEN).json(200, &json!({"success": true, "nextPageToken": "N"}));
    assert_eq!(go(&fake, start(), LIMITS).unwrap_err().kind, FaultKind::Data);
}

#[test]
fn an_answer_in_pages_is_read_to_its_end() {
    let fake = FakeHost::new();
    describe(&fake);
    activity_page(&fake, ACTIVITIES, json!([changed(7, ""), changed(8, "")]), "C2", false);
    let mut first = granted(json!([{"id": 7}]));
    first["nextPageToken"] = "L2".into();
    fake.on("GET", "api", LEADS).json(200, &first);
    leads(&fake, json!([{"id": 8}]));
    assert_eq!(shown(&go(&fake, start(), LIMITS).unwrap()), ["full 7 id=7", "full 8 id=8"]);
    assert!(fake.request_lines().last().unwrap().ends_with("nextPageToken=L2"));
}

#[test]
fn limits_of_the_vendor_end_a_page_each_in_its_way() {
    for (code, kind, wait) in [
        ("606", FaultKind::RateLimited, Some(20_000)),
        ("615", FaultKind::RateLimited, Some(2_000)),
        ("607", FaultKind::Quota, Some(6 * 3_600_000)),
        ("608", FaultKind::Transient, None),
        ("699", FaultKind::Data, None),
    ] {
        let fake = FakeHost::new();
        fake.on("GET", "api", ACTIVITIES).json(200, &refused(code, "words"));
        let fault = go(&fake, start(), LIMITS).unwrap_err();
        assert_eq!((fault.kind, fault.retry_after_ms), (kind, wait), "{code}");
        assert_eq!(fake.requests().len(), 1, "no second try: {code}");
    }
}

#[test]
fn a_page_of_html_is_not_data() {
    let fake = FakeHost::new();
    fake.on("GET", "api", ACTIVITIES).body(200, "<html>We are down for maintenance</html>");
    let fault = go(&fake, start(), LIMITS).unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Transient, "marketo.html"));
}
