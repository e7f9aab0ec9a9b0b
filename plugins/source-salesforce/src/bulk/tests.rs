//! Windows by a bulk job, against scripted answers.

use crate::config::Config;
use crate::testing::{NOW, config, described, keys, limits, read, read_some, refused, warnings};
use attiva_connector::testing::FakeHost;
use attiva_connector::{Cursor, FaultKind, Host, Limits, Page};
use serde_json::{Value, json};

const JOBS: &str = "/services/data/v68.0/jobs/query";
const JOB: &str = "/services/data/v68.0/jobs/query/750xx";
const RESULTS: &str = "/services/data/v68.0/jobs/query/750xx/results";

fn id(n: usize) -> String {
    format!("003{n:012}AAA")
}

fn csv(numbers: std::ops::Range<usize>) -> String {
    let mut text = String::from("\"Id\",\"IsDeleted\",\"MasterRecordId\",\"Email\",\"Score__c\",\"SystemModstamp\"\n");
    for n in numbers {
        text.push_str(&format!("\"{}\",\"false\",\"\",\"p{n}@x.example\",\"\",\"2025-12-31T23:00:00.000Z\"\n", id(n)));
    }
    text
}

fn state(fake: &FakeHost, state: &str, records: usize) {
    fake.on("GET", "api", JOB).json(200, &json!({"id": "750xx", "state": state, "numberRecordsProcessed": records}));
}

fn created(fake: &FakeHost) {
    fake.on("POST", "api", JOBS).json(200, &json!({"id": "750xx", "state": "UploadComplete"}));
}

fn results(fake: &FakeHost, numbers: std::ops::Range<usize>, locator: Option<&str>) {
    let mut script = fake
        .on("GET", "api", RESULTS)
        .header("content-type", "text/csv")
        .header("Sforce-NumberOfRecords", &numbers.len().to_string());
    if let Some(locator) = locator {
        script = script.header("Sforce-Locator", locator);
    }
    script.body(200, csv(numbers));
}

/// A window of many records, opened.
fn opened(fake: &FakeHost, config: &Config) -> Cursor {
    described(fake, "Contact");
    fake.on("GET", "api", "/services/data/v68.0/queryAll")
        .json(200, &json!({"totalSize": 20_000, "done": true, "records": []}));
    read(fake, config, None).unwrap().next
}

fn step(fake: &FakeHost, config: &Config, cursor: &mut Cursor) -> Page {
    let page = read(fake, config, Some(cursor.clone())).unwrap();
    *cursor = page.next.clone();
    page
}

#[test]
fn a_job_is_created_awaited_read_file_by_file_and_deleted() {
    let fake = FakeHost::new();
    let config = config(json!({}));
    let mut cursor = opened(&fake, &config);
    created(&fake);
    assert_eq!(step(&fake, &config, &mut cursor).wait_ms, Some(500));
    for wait in [500, 1_000, 2_000] {
        state(&fake, "InProgress", 0);
        assert_eq!(step(&fake, &config, &mut cursor).wait_ms, Some(wait), "the wait grows");
    }
    state(&fake, "JobComplete", 5);
    step(&fake, &config, &mut cursor);
    results(&fake, 0..3, Some("MTAw"));
    assert_eq!(step(&fake, &config, &mut cursor).rows, 0, "fetched, and read by the next call");
    assert_eq!(keys(&step(&fake, &config, &mut cursor)), [id(0), id(1), id(2)]);
    results(&fake, 3..5, Some("null"));
    step(&fake, &config, &mut cursor);
    assert_eq!(fake.spool_bytes("results-0"), None, "the file before is gone once another is wanted");
    let last = step(&fake, &config, &mut cursor);
    assert_eq!((keys(&last), last.more, warnings(&last)), (vec![id(3), id(4)], true, vec![]));
    fake.on("DELETE", "api", JOB).status(204);
    assert!(!step(&fake, &config, &mut cursor).more);
    assert!(fake.unused().is_empty(), "{:?}", fake.unused());
    let asked: Vec<String> =
        fake.requests().into_iter().filter(|r| r.path.starts_with(RESULTS)).map(|r| r.path).collect();
    assert_eq!(asked, [format!("{RESULTS}?maxRecords=50000"), format!("{RESULTS}?maxRecords=50000&locator=MTAw")]);
    let body: Value =
        serde_json::from_slice(fake.requests().iter().find(|r| r.method == "POST").unwrap().body.as_ref().unwrap())
            .unwrap();
    assert_eq!((&body["operation"], &body["lineEnding"]), (&json!("queryAll"), &json!("LF")));
    assert!(!body["query"].as_str().unwrap().contains("ORDER BY"));

    // The next run begins where this one ended.
    fake.set_now_ms(u64::try_from(NOW + 60).unwrap() * 1000);
    let page = read(&fake, &config, Some(cursor)).unwrap();
    assert!(page.more && warnings(&page).is_empty());
}

#[test]
fn a_job_that_works_for_hours_is_looked_at_ever_less_often_and_never_given_up() {
    let fake = FakeHost::new();
    let config = config(json!({}));
    let mut cursor = opened(&fake, &config);
    created(&fake);
    let mut waits = vec![step(&fake, &config, &mut cursor).wait_ms.unwrap()];
    for hundreds in 1..=24 {
        state(&fake, "InProgress", hundreds * 100);
        let page = step(&fake, &config, &mut cursor);
        assert!(page.more && page.warnings.is_empty());
        waits.push(page.wait_ms.unwrap());
    }
    assert!(waits.is_sorted(), "{waits:?}");
    assert_eq!(waits.last(), Some(&300_000), "no more often than every five minutes");
    assert!(waits.iter().sum::<u64>() > 3_600_000, "an hour went by");
    state(&fake, "JobComplete", 2_400);
    assert!(step(&fake, &config, &mut cursor).wait_ms.is_none());
}

#[test]
fn a_missing_locator_is_the_end_too_and_no_records_are_no_file() {
    let fake = FakeHost::new();
    let config = config(json!({}));
    let mut cursor = opened(&fake, &config);
    created(&fake);
    step(&fake, &config, &mut cursor);
    state(&fake, "JobComplete", 2);
    step(&fake, &config, &mut cursor);
    results(&fake, 0..2, None);
    step(&fake, &config, &mut cursor);
    assert_eq!(step(&fake, &config, &mut cursor).rows, 2);
    fake.on("DELETE", "api", JOB).json(404, &refused("NOT_FOUND", "gone"));
    assert!(!step(&fake, &config, &mut cursor).more, "a job that is gone already is well");

    let fake = FakeHost::new();
    let mut cursor = opened(&fake, &config);
    created(&fake);
    step(&fake, &config, &mut cursor);
    state(&fake, "JobComplete", 0);
    step(&fake, &config, &mut cursor);
    fake.on("DELETE", "api", JOB).status(204);
    assert!(!step(&fake, &config, &mut cursor).more);
    assert!(!fake.request_lines().iter().any(|line| line.contains("results")));
}

#[test]
fn a_killed_host_finds_the_job_it_had_made() {
    let fake = FakeHost::new();
    let config = config(json!({}));
    let cursor = opened(&fake, &config);
    created(&fake);
    let once = read(&fake, &config, Some(cursor.clone())).unwrap();
    // The answer was never committed: the same call again.
    let again = read(&fake, &config, Some(cursor)).unwrap();
    assert_eq!(once.next, again.next);
    assert_eq!(fake.request_lines().iter().filter(|line| line.starts_with("POST")).count(), 1);
}

#[test]
fn a_spool_that_is_gone_is_fetched_anew_and_read_from_the_same_byte() {
    let fake = FakeHost::new();
    let config = config(json!({}));
    let mut cursor = opened(&fake, &config);
    created(&fake);
    step(&fake, &config, &mut cursor);
    state(&fake, "JobComplete", 3);
    step(&fake, &config, &mut cursor);
    results(&fake, 0..3, Some("null"));
    step(&fake, &config, &mut cursor);
    let small = Limits { max_rows: 2, ..limits() };
    let first = read_some(&fake, &config, Some(cursor), small).unwrap();
    assert_eq!(keys(&first), [id(0), id(1)]);
    let host: &dyn Host = &fake;
    host.spool("results-0").remove().unwrap();
    results(&fake, 0..3, Some("null"));
    let fetched = read_some(&fake, &config, Some(first.next), small).unwrap();
    let last = read_some(&fake, &config, Some(fetched.next), small).unwrap();
    assert_eq!((keys(&last), warnings(&last)), (vec![id(2)], vec![]));
}

#[test]
fn a_file_that_comes_in_pieces_is_fetched_to_its_end() {
    let fake = FakeHost::new();
    let config = config(json!({}));
    let mut cursor = opened(&fake, &config);
    created(&fake);
    step(&fake, &config, &mut cursor);
    state(&fake, "JobComplete", 3);
    step(&fake, &config, &mut cursor);
    fake.set_fetch_step(csv(0..3).len() / 2 + 1);
    for _ in 0..2 {
        results(&fake, 0..3, Some("null"));
        assert_eq!(step(&fake, &config, &mut cursor).rows, 0);
    }
    assert_eq!(step(&fake, &config, &mut cursor).rows, 3);
}

#[test]
fn a_job_that_comes_to_nothing_is_made_anew_three_times() {
    let ways: [(u16, Value, &str); 4] = [
        (200, json!({"id": "750xx", "state": "Failed", "errorMessage": "InternalServerError"}), "InternalServerError"),
        (200, json!({"id": "750xx", "state": "Aborted"}), "aborted"),
        (404, refused("NOT_FOUND", "The requested resource does not exist"), "no longer has it"),
        (400, refused("INVALIDJOB", "invalid job id"), "no longer has it"),
    ];
    for (status, body, reason) in ways {
        let fake = FakeHost::new();
        let config = config(json!({}));
        let mut cursor = opened(&fake, &config);
        for _ in 0..3 {
            created(&fake);
            step(&fake, &config, &mut cursor);
            fake.on("GET", "api", JOB).json(status, &body);
            let failed = step(&fake, &config, &mut cursor);
            assert_eq!(warnings(&failed), ["salesforce.job-failed"]);
            assert!(failed.warnings[0].message.contains(reason), "{}", failed.warnings[0].message);
        }
        let fault = read(&fake, &config, Some(cursor.clone())).unwrap_err();
        assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Data, "salesforce.job-failed"));
        assert_eq!(fake.request_lines().iter().filter(|line| line.starts_with("POST")).count(), 3, "each is a new job");
        fake.set_now_ms(u64::try_from(NOW + 3_600).unwrap() * 1000);
        created(&fake);
        assert!(read(&fake, &config, Some(cursor)).is_ok(), "an hour later it is tried again");
    }
}

#[test]
fn results_that_are_gone_and_results_of_other_fields_make_a_new_job() {
    let fake = FakeHost::new();
    let config = config(json!({}));
    let mut cursor = opened(&fake, &config);
    created(&fake);
    step(&fake, &config, &mut cursor);
    state(&fake, "JobComplete", 3);
    step(&fake, &config, &mut cursor);
    fake.on("GET", "api", RESULTS).header("content-type", "application/json").json(404, &refused("NOT_FOUND", "gone"));
    assert_eq!(warnings(&step(&fake, &config, &mut cursor)), ["salesforce.job-failed"]);
    created(&fake);
    step(&fake, &config, &mut cursor);
    state(&fake, "JobComplete", 1);
    step(&fake, &config, &mut cursor);
    fake.on("GET", "api", RESULTS).body(200, "\"Id\"\n\"003\"\n");
    step(&fake, &config, &mut cursor);
    assert_eq!(warnings(&step(&fake, &config, &mut cursor)), ["salesforce.job-failed"]);
}

#[test]
fn a_file_with_fewer_records_than_announced_is_fetched_again() {
    let fake = FakeHost::new();
    let config = config(json!({}));
    let mut cursor = opened(&fake, &config);
    created(&fake);
    step(&fake, &config, &mut cursor);
    state(&fake, "JobComplete", 3);
    step(&fake, &config, &mut cursor);
    fake.on("GET", "api", RESULTS)
        .header("Sforce-NumberOfRecords", "3")
        .header("Sforce-Locator", "null")
        .body(200, csv(0..2));
    step(&fake, &config, &mut cursor);
    let fault = read(&fake, &config, Some(cursor.clone())).unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Transient, "salesforce.results-short"));
    results(&fake, 0..3, Some("null"));
    step(&fake, &config, &mut cursor);
    assert_eq!(step(&fake, &config, &mut cursor).rows, 3);
}

#[test]
fn an_object_that_takes_no_jobs_is_read_page_by_page() {
    for words in [
        "Entity 'ContactStatus' is not supported by the Bulk API.",
        "Selecting compound data not supported in Bulk Query",
    ] {
        let fake = FakeHost::new();
        let config = config(json!({}));
        let mut cursor = opened(&fake, &config);
        fake.on("POST", "api", JOBS).json(400, &refused("API_ERROR", words));
        step(&fake, &config, &mut cursor);
        let records = json!({"totalSize": 20_000, "done": true, "records": [{"Id": id(1), "IsDeleted": false, "SystemModstamp": "2025-12-31T23:00:00.000+0000"}]});
        fake.on("GET", "api", "/services/data/v68.0/queryAll").json(200, &records);
        let page = step(&fake, &config, &mut cursor);
        assert_eq!((page.rows, page.more), (1, false), "and no job is tried again: {words}");
    }
}

#[test]
fn a_count_that_takes_too_long_makes_a_job_and_a_spent_job_budget_is_a_quota() {
    let fake = FakeHost::new();
    let config = config(json!({}));
    described(&fake, "Contact");
    fake.on("GET", "api", "/services/data/v68.0/queryAll").json(400, &refused("QUERY_TIMEOUT", "too long"));
    let cursor = read(&fake, &config, None).unwrap().next;
    fake.on("POST", "api", JOBS)
        .json(400, &refused("API_ERROR", "Max bulk v2 query jobs (10000) per 24 hrs has been reached"));
    assert_eq!(read(&fake, &config, Some(cursor)).unwrap_err().kind, FaultKind::Quota);
}

#[test]
fn so_many_fields_that_no_uri_holds_them_are_read_by_a_job() {
    let fake = FakeHost::new();
    let config = config(json!({}));
    let mut fields: Vec<Value> =
        (0..600).map(|n| json!({"name": format!("A_rather_long_field_name_{n}__c"), "type": "string"})).collect();
    fields.extend([json!({"name": "Id", "type": "id"}), json!({"name": "SystemModstamp", "type": "datetime"})]);
    fake.on("GET", "api", "/services/data/v68.0/sobjects/Contact/describe")
        .always()
        .json(200, &json!({"label": "C", "fields": fields}));
    fake.on("GET", "api", "/services/data/v68.0/queryAll")
        .json(200, &json!({"totalSize": 3, "done": true, "records": []}));
    let mut cursor = read(&fake, &config, None).unwrap().next;
    created(&fake);
    assert_eq!(step(&fake, &config, &mut cursor).wait_ms, Some(500));
}

#[test]
fn a_connection_that_is_removed_ends_its_job() {
    use attiva_connector::Source;
    let fake = FakeHost::new();
    let config = config(json!({}));
    let mut cursor = opened(&fake, &config);
    created(&fake);
    step(&fake, &config, &mut cursor);
    fake.on("PATCH", "api", JOB).json(200, &json!({"state": "Aborted"}));
    fake.on("DELETE", "api", JOB).status(204);
    crate::SourceSalesforce::release(&fake, &config, "Contact", &cursor).unwrap();
    assert!(fake.unused().is_empty(), "{:?}", fake.unused());
}
