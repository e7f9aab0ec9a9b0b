//! Windows by REST, against scripted answers.

use crate::config::Config;
use crate::testing::{
    NOW, config, describe_path, described, description, keys, limits, read, read_some, refused, shown, warnings,
};
use attiva_connector::testing::FakeHost;
use attiva_connector::{Cursor, FaultKind, Limits};
use serde_json::{Value, json};

const QUERY: &str = "/services/data/v68.0/queryAll";
const AT: &str = "2025-12-31T23:00:00.000+0000";

fn id(n: usize) -> String {
    format!("003{n:012}AAA")
}

fn record(n: usize, at: &str) -> Value {
    json!({"attributes": {"type": "Contact"}, "Id": id(n), "IsDeleted": false, "MasterRecordId": null,
           "Email": format!("p{n}@x.example"), "Score__c": 1.5, "SystemModstamp": at})
}

fn answer(numbers: std::ops::Range<usize>, total: usize, next: Option<&str>) -> Value {
    let records: Vec<Value> = numbers.map(|n| record(n, AT)).collect();
    let mut answer = json!({"totalSize": total, "done": next.is_none(), "records": records});
    if let Some(next) = next {
        answer["nextRecordsUrl"] = json!(next);
    }
    answer
}

fn count(fake: &FakeHost, total: usize) {
    fake.on("GET", "api", QUERY).json(200, &json!({"totalSize": total, "done": true, "records": []}));
}

/// A stream that has caught up at `NOW`.
fn caught_up(fake: &FakeHost, config: &Config) -> Cursor {
    described(fake, "Contact");
    count(fake, 0);
    let opened = read(fake, config, None).unwrap();
    fake.on("GET", "api", QUERY).json(200, &answer(0..0, 0, None));
    let page = read(fake, config, Some(opened.next)).unwrap();
    assert!(!page.more);
    fake.clear_requests();
    page.next
}

fn soql(fake: &FakeHost, n: usize) -> String {
    let request = fake.requests().into_iter().filter(|r| r.path.starts_with(QUERY)).nth(n).unwrap();
    let query = request.path.split("?q=").nth(1).unwrap().to_owned();
    query
        .replace("%20", " ")
        .replace("%3C", "<")
        .replace("%3D", "=")
        .replace("%3E", ">")
        .replace("%3A", ":")
        .replace("%2C", ",")
        .replace("%28", "(")
        .replace("%29", ")")
        .replace("%27", "'")
}

#[test]
fn few_records_are_read_page_by_page_in_the_order_of_time_and_id() {
    let fake = FakeHost::new();
    let config = config(json!({}));
    described(&fake, "Contact");
    count(&fake, 5);
    let opened = read(&fake, &config, None).unwrap();
    assert_eq!((opened.rows, opened.more), (0, true));
    assert_eq!(warnings(&opened), ["salesforce.fields-hidden"]);
    fake.on("GET", "api", QUERY).json(200, &answer(0..3, 5, Some("/services/data/v68.0/query/01g-2000")));
    let first = read(&fake, &config, Some(opened.next)).unwrap();
    assert_eq!((keys(&first), first.more), (vec![id(0), id(1), id(2)], true));
    assert_eq!(
        shown(&first)[0],
        format!(
            "full {0} Id={0} IsDeleted=false Email=p0@x.example Score__c=1.5 SystemModstamp={1}",
            id(0),
            (NOW - 3600) * 1000
        )
    );
    fake.on("GET", "api", "/services/data/v68.0/query/01g-2000").json(200, &answer(3..5, 5, None));
    let second = read(&fake, &config, Some(first.next)).unwrap();
    assert_eq!((keys(&second), second.more), (vec![id(3), id(4)], false));
    assert_eq!(soql(&fake, 0), "SELECT count() FROM Contact WHERE SystemModstamp <= 2026-01-01T00:00:00.000Z");
    assert!(
        soql(&fake, 1)
            .ends_with("WHERE SystemModstamp <= 2026-01-01T00:00:00.000Z ORDER BY SystemModstamp ASC, Id ASC")
    );
}

#[test]
fn the_next_run_looks_back_behind_the_last_one() {
    let fake = FakeHost::new();
    let config = config(json!({}));
    let cursor = caught_up(&fake, &config);
    fake.set_now_ms(u64::try_from(NOW + 7_200).unwrap() * 1000);
    let opened = read(&fake, &config, Some(cursor)).unwrap();
    assert!(warnings(&opened).is_empty(), "the same columns are not told of twice");
    fake.on("GET", "api", QUERY).json(200, &answer(0..1, 1, None));
    let page = read(&fake, &config, Some(opened.next)).unwrap();
    assert_eq!((page.rows, page.more), (1, false));
    // Ten minutes before midnight, where the last window ended.
    assert!(
        soql(&fake, 0)
            .contains("SystemModstamp > 2025-12-31T23:50:00.000Z AND SystemModstamp <= 2026-01-01T02:00:00.000Z"),
        "{}",
        soql(&fake, 0)
    );
    assert_eq!(fake.requests().len(), 2, "a description, and the changes");
}

#[test]
fn a_page_that_is_no_longer_known_is_asked_for_from_the_last_record() {
    let fake = FakeHost::new();
    let config = config(json!({}));
    described(&fake, "Contact");
    count(&fake, 5);
    let opened = read(&fake, &config, None).unwrap();
    fake.on("GET", "api", QUERY).json(200, &answer(0..3, 5, Some("/services/data/v68.0/query/01g-2000")));
    let first = read(&fake, &config, Some(opened.next)).unwrap();
    fake.on("GET", "api", "/services/data/v68.0/query/01g-2000")
        .json(400, &refused("INVALID_QUERY_LOCATOR", "invalid query locator"));
    fake.on("GET", "api", QUERY).json(200, &answer(3..5, 2, None));
    let second = read(&fake, &config, Some(first.next)).unwrap();
    assert_eq!((keys(&second), warnings(&second)), (vec![id(3), id(4)], vec!["salesforce.page-gone"]));
    let at = "2025-12-31T23:00:00.000Z";
    assert!(
        soql(&fake, 2)
            .contains(&format!("AND ((SystemModstamp = {at} AND Id > '{}') OR SystemModstamp > {at})", id(2))),
        "{}",
        soql(&fake, 2)
    );
}

#[test]
fn a_session_that_ends_between_pages_is_renewed_and_the_same_page_asked_for() {
    let fake = FakeHost::new();
    let config = config(json!({}));
    described(&fake, "Contact");
    count(&fake, 5);
    let opened = read(&fake, &config, None).unwrap();
    fake.on("GET", "api", QUERY).json(200, &answer(0..3, 5, Some("/services/data/v68.0/query/01g-2000")));
    let first = read(&fake, &config, Some(opened.next)).unwrap();
    fake.on("GET", "api", "/services/data/v68.0/query/01g-2000")
        .json(401, &refused("INVALID_SESSION_ID", "Session expired or invalid"));
    fake.on("GET", "api", "/services/data/v68.0/query/01g-2000").json(200, &answer(3..5, 5, None));
    assert_eq!(keys(&read(&fake, &config, Some(first.next)).unwrap()), [id(3), id(4)]);
    assert_eq!(fake.renewed(), ["salesforce"]);
}

#[test]
fn a_full_page_leaves_the_rest_for_the_next_even_among_records_of_one_time() {
    let fake = FakeHost::new();
    let config = config(json!({}));
    described(&fake, "Contact");
    count(&fake, 5);
    let small = Limits { max_rows: 2, ..limits() };
    let mut cursor = Some(read_some(&fake, &config, None, small).unwrap().next);
    let mut read = Vec::new();
    for (from, total) in [(0, 5), (2, 3), (4, 1)] {
        fake.on("GET", "api", QUERY).json(200, &answer(from..5, total, (from < 4).then_some("/n")));
        let page = read_some(&fake, &config, cursor, small).unwrap();
        read.extend(keys(&page));
        assert_eq!(page.more, from < 4);
        cursor = Some(page.next);
    }
    assert_eq!(read, (0..5).map(id).collect::<Vec<_>>());
    assert!(soql(&fake, 3).contains(&format!("Id > '{}'", id(3))));
}

#[test]
fn a_page_may_be_empty_and_not_the_last() {
    let fake = FakeHost::new();
    let config = config(json!({}));
    let cursor = caught_up(&fake, &config);
    let opened = read(&fake, &config, Some(cursor)).unwrap();
    fake.on("GET", "api", QUERY).json(200, &answer(0..0, 2, Some("/services/data/v68.0/query/01g-0")));
    let empty = read(&fake, &config, Some(opened.next)).unwrap();
    assert_eq!((empty.rows, empty.more), (0, true));
    fake.on("GET", "api", "/services/data/v68.0/query/01g-0").json(200, &answer(0..2, 2, None));
    let page = read(&fake, &config, Some(empty.next)).unwrap();
    assert_eq!((page.rows, page.more), (2, false));
}

#[test]
fn many_changes_at_once_become_a_job() {
    let fake = FakeHost::new();
    let config = config(json!({"bulk_from": 4}));
    let cursor = caught_up(&fake, &config);
    let opened = read(&fake, &config, Some(cursor)).unwrap();
    fake.on("GET", "api", QUERY).json(200, &answer(0..2, 4, Some("/services/data/v68.0/query/01g-2")));
    let page = read(&fake, &config, Some(opened.next)).unwrap();
    assert_eq!((page.rows, page.more), (0, true));
    fake.on("POST", "api", "/services/data/v68.0/jobs/query")
        .json(200, &json!({"id": "750xx", "state": "UploadComplete"}));
    assert_eq!(read(&fake, &config, Some(page.next)).unwrap().wait_ms, Some(500));
    assert!(fake.unused().is_empty(), "{:?}", fake.unused());
}

#[test]
fn a_field_that_is_gone_is_named_and_reading_goes_on_without_it() {
    let fake = FakeHost::new();
    let config = config(json!({}));
    let all = description();
    fake.on("GET", "api", &describe_path("Contact")).json(200, &all);
    count(&fake, 1);
    let opened = read(&fake, &config, None).unwrap();
    fake.on("GET", "api", QUERY).json(400, &refused("INVALID_FIELD", "No such column 'Score__c' on entity 'Contact'"));
    let mut fewer = all.clone();
    fewer["fields"].as_array_mut().unwrap().retain(|f| f["name"] != "Score__c");
    fake.on("GET", "api", &describe_path("Contact")).json(200, &fewer);
    fake.on("GET", "api", QUERY).json(200, &answer(0..1, 1, None));
    let page = read(&fake, &config, Some(opened.next)).unwrap();
    assert_eq!((page.rows, warnings(&page)), (1, vec!["salesforce.field-gone"]));
    assert!(!soql(&fake, 2).contains("Score__c"));

    // It comes back: what was read meanwhile does not have it.
    fake.set_now_ms(u64::try_from(NOW + 7_200).unwrap() * 1000);
    fake.on("GET", "api", &describe_path("Contact")).json(200, &all);
    let opened = read(&fake, &config, Some(page.next)).unwrap();
    assert!(warnings(&opened).contains(&"salesforce.columns-changed"));
}

#[test]
fn columns_that_come_anew_are_told_of() {
    let fake = FakeHost::new();
    let plain = config(json!({"fields": {"Contact": ["Email"]}}));
    let cursor = caught_up(&fake, &plain);
    let opened = read(&fake, &config(json!({"fields": {"Contact": ["Email", "Score__c"]}})), Some(cursor)).unwrap();
    assert_eq!(warnings(&opened), ["salesforce.columns-changed"]);
}

#[test]
fn an_object_that_is_hidden_stops_nothing() {
    let fake = FakeHost::new();
    fake.on("GET", "api", &describe_path("Contact"))
        .always()
        .json(404, &refused("NOT_FOUND", "The requested resource does not exist"));
    let page = read(&fake, &config(json!({})), None).unwrap();
    assert_eq!((page.rows, page.more, warnings(&page)), (0, false, vec!["salesforce.object-hidden"]));
    assert!(read(&fake, &config(json!({})), Some(page.next)).is_ok());
}

#[test]
fn a_spent_share_of_the_day_ends_the_run_with_its_rows_kept() {
    let fake = FakeHost::new();
    let config = config(json!({"daily_share": 50}));
    described(&fake, "Contact");
    count(&fake, 5);
    let opened = read(&fake, &config, None).unwrap();
    fake.on("GET", "api", QUERY)
        .header("Sforce-Limit-Info", "api-usage=5000/10000")
        .json(200, &answer(0..3, 5, Some("/n")));
    let page = read(&fake, &config, Some(opened.next)).unwrap();
    assert_eq!(page.rows, 3);
    fake.clear_requests();
    let fault = read(&fake, &config, Some(page.next.clone())).unwrap_err();
    assert_eq!(
        (fault.kind, fault.code.as_str(), fault.retry_after_ms),
        (FaultKind::Quota, "salesforce.daily-share", Some(3_600_000))
    );
    assert!(fake.requests().is_empty(), "no call is spent on it");
    // An hour later the same page is asked for.
    fake.set_now_ms(u64::try_from(NOW + 3_600).unwrap() * 1000);
    fake.on("GET", "api", "/n").header("Sforce-Limit-Info", "api-usage=4000/10000").json(200, &answer(3..5, 5, None));
    assert!(!read(&fake, &config, Some(page.next)).unwrap().more);
}

#[test]
fn faults_are_of_their_kinds_and_leave_the_cursor() {
    use FaultKind::*;
    let fake = FakeHost::new();
    let config = config(json!({}));
    let cursor = caught_up(&fake, &config);
    let opened = read(&fake, &config, Some(cursor)).unwrap().next;
    let cases = [
        (403, refused("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), Quota),
        (403, refused("REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded."), RateLimited),
        (400, refused("QUERY_TIMEOUT", "Your query request was running for too long."), Transient),
        (503, refused("SERVER_UNAVAILABLE", "busy"), Transient),
        (400, refused("MALFORMED_QUERY", "unexpected token: FORM"), Internal),
    ];
    for (status, body, kind) in cases {
        fake.on("GET", "api", QUERY).json(status, &body);
        assert_eq!(read(&fake, &config, Some(opened.clone())).unwrap_err().kind, kind, "{body}");
    }
    for (status, kind) in [(420, Transient), (429, RateLimited), (503, Transient)] {
        fake.on("GET", "api", QUERY).status(status);
        assert_eq!(read(&fake, &config, Some(opened.clone())).unwrap_err().kind, kind, "{status}");
    }
    fake.on("GET", "api", QUERY).body(200, "<html>maintenance</html>");
    assert_eq!(read(&fake, &config, Some(opened.clone())).unwrap_err().code, "salesforce.html");
    fake.on("GET", "api", QUERY).json(200, &answer(0..1, 1, None));
    assert_eq!(read(&fake, &config, Some(opened)).unwrap().rows, 1);
}

#[test]
fn a_span_of_days_is_read_once_and_reading_ends_there() {
    let fake = FakeHost::new();
    let config = config(json!({"start_date": "2025-12-01", "end_date": "2025-12-02"}));
    described(&fake, "Contact");
    count(&fake, 1);
    let opened = read(&fake, &config, None).unwrap();
    fake.on("GET", "api", QUERY).json(200, &answer(0..1, 1, None));
    let page = read(&fake, &config, Some(opened.next)).unwrap();
    assert_eq!((page.rows, page.more), (1, false));
    let days = "SystemModstamp > 2025-11-30T23:59:59.000Z AND SystemModstamp <= 2025-12-02T23:59:59.000Z";
    for n in [0, 1] {
        assert!(soql(&fake, n).contains(days), "{}", soql(&fake, n));
    }
    fake.clear_requests();
    let again = read(&fake, &config, Some(page.next)).unwrap();
    assert_eq!((again.rows, again.more), (0, false));
    assert!(fake.requests().iter().all(|request| !request.path.starts_with(QUERY)), "{:?}", fake.request_lines());
}
