use super::*;
use crate::SourceMarketo;
use crate::testing::{LIMITS, NOW, config, describe, granted, kept, read, refused, rejects, shown, warnings};
use attiva_connector::testing::FakeHost;
use attiva_connector::{Cursor, Fault, FaultKind, Host, Limits, Source};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The width of an export's window.
const MONTH: i64 = 30 * 86_400;
const CREATE: &str = "/bulk/v1/leads/export/create.json";
const HEADER: &str = "id,createdAt,updatedAt,email,leadScore,annualRevenue,unsubscribed,notes\n";

fn path(what: &str) -> String {
    format!("/bulk/v1/leads/export/e1/{what}.json")
}

fn history(job: Option<Job>) -> History {
    History { job, ..History::new(NOW - 12 * 86_400, NOW) }
}

fn at(stage: Stage) -> Option<Job> {
    Some(Job { stage, ..Job::created("e1".into()) })
}

fn cursor_of(history: History) -> Cursor {
    let chain = crate::cursor::Chain::at("T".into(), 0);
    let chains = Chains { changes: chain.clone(), deletions: chain };
    // No changes are due.
    let beside = Beside { next: NOW + 100_000, busy: false };
    reader::encode(&State { chains, phase: Phase::History(history), beside, meanwhile: None }).unwrap()
}

fn phase(page: &Page) -> Phase {
    kept::<State>(&page.next).phase
}

fn history_after(page: &Page) -> History {
    match phase(page) {
        Phase::History(history) => history,
        other => panic!("{other:?}"),
    }
}

fn stage_after(page: &Page) -> Stage {
    history_after(page).job.unwrap().stage
}

fn step_with(fake: &FakeHost, history: History) -> Result<Page> {
    read(fake, &config(json!({})), Some(cursor_of(history)), LIMITS)
}

fn status(fake: &FakeHost, status: Value) {
    let mut job = json!({"exportId": "e1", "format": "CSV"});
    for (key, value) in status.as_object().unwrap() {
        job[key] = value.clone();
    }
    fake.on("GET", "api", &path("status")).json(200, &granted(json!([job])));
}

fn completed(fake: &FakeHost, file: &str, records: u64) {
    let sum = format!("sha256:{}", hex::encode(Sha256::digest(file)));
    status(
        fake,
        json!({"status": "Completed", "numberOfRecords": records, "fileSize": file.len(), "fileChecksum": sum}),
    );
}

fn file(fake: &FakeHost, file: &str) {
    fake.on("GET", "api", &path("file")).body(200, file);
}

fn created(fake: &FakeHost, id: &str) {
    fake.on("POST", "api", CREATE).json(200, &granted(json!([{"exportId": id, "status": "Created"}])));
}

/// From nothing to the first row, one page at a time.
#[test]
fn an_export_from_beginning_to_end() {
    let fake = FakeHost::new();
    describe(&fake);
    let token = |t: &str| json!({"success": true, "nextPageToken": t});
    fake.on("GET", "api", "/rest/v1/activities/pagingtoken.json").json(200, &token("C"));
    fake.on("GET", "api", "/rest/v1/activities/pagingtoken.json").json(200, &token("D"));
    let config = config(json!({}));
    let go_on = |page: &Page| read(&fake, &config, Some(page.next.clone()), LIMITS).unwrap();

    let page = read(&fake, &config, None, LIMITS).unwrap();
    assert_eq!((page.rows, page.more, page.wait_ms), (0, true, None));
    let chains = kept::<State>(&page.next).chains;
    assert_eq!((chains.changes.token.as_str(), chains.deletions.token.as_str()), ("C", "D"));
    assert!(fake.request_lines()[0].contains("sinceDatetime=2025-12-31T23%3A50%3A00Z"), "{:?}", fake.request_lines());

    created(&fake, "e1");
    let page = go_on(&page);
    assert_eq!(stage_after(&page), Stage::Created);
    let order: Value = serde_json::from_slice(fake.requests().last().unwrap().body.as_deref().unwrap()).unwrap();
    assert_eq!(
        order["filter"]["createdAt"],
        json!({"startAt": "2025-12-20T00:00:00Z", "endAt": "2026-01-01T00:00:00Z"})
    );
    assert_eq!(order["fields"].as_array().unwrap().len(), 8);

    fake.on("POST", "api", &path("enqueue")).json(200, &granted(json!([{"exportId": "e1", "status": "Queued"}])));
    let page = go_on(&page);
    assert_eq!((stage_after(&page), page.wait_ms), (Stage::Enqueued, Some(5_000)));
    let unknown = "when history ends cannot be told: no export has brought a record yet";
    assert_eq!(page.estimate.as_ref().unwrap().phase, format!("export 1 of 1: waiting for Marketo; {unknown}"));

    status(&fake, json!({"status": "Queued"}));
    status(&fake, json!({"status": "Processing"}));
    let page = go_on(&page);
    assert_eq!(page.wait_ms, Some(5_000));
    let page = go_on(&page);
    assert_eq!(page.wait_ms, Some(5_000));

    let text = format!("{HEADER}7,2025-12-21T00:00:00Z,2025-12-22T00:00:00Z,a@example.com,3,1.5E6,true,null\n");
    completed(&fake, &text, 1);
    file(&fake, &text);
    let page = go_on(&page);
    assert_eq!(
        shown(&page),
        ["full 7 id=7 createdAt=1766275200000 updatedAt=1766361600000 email=a@example.com leadScore=3 \
          annualRevenue=1500000 unsubscribed=true"]
    );
    assert_eq!(page.source_times, [1_766_361_600_000]);
    assert_eq!(phase(&page), Phase::Changes(Work::default()));
    assert!(page.more && warnings(&page).is_empty());
    assert!(fake.unused().is_empty(), "{:?}", fake.unused());
}

#[test]
fn windows_of_thirty_days_cover_all_time_without_a_gap() {
    let mut history = History::new(0, NOW);
    let mut number = 0;
    while history.window < history.end {
        number += 1;
        assert_eq!(history.window_number(MONTH), number);
        let (start, end) = (history.window, history.window_end(MONTH));
        assert!(end - start <= 31 * 86_400 && end > start);
        history.window_done(MONTH, 0);
        assert_eq!(history.window, end);
    }
    assert_eq!((history.window, history.windows(MONTH)), (NOW, number));
}

#[test]
fn a_kill_between_create_and_commit_finds_the_job_again() {
    let fake = FakeHost::new();
    describe(&fake);
    created(&fake, "e1");
    let before = cursor_of(history(None));
    let read = |c: Value| read(&fake, &config(c), Some(before.clone()), LIMITS).unwrap();
    assert_eq!(history_after(&read(json!({}))).job.unwrap().id, "e1");
    // The page was never committed: the same call again creates nothing.
    assert_eq!(history_after(&read(json!({}))).job.unwrap().id, "e1");
    // Another order is another job.
    created(&fake, "e2");
    assert_eq!(history_after(&read(json!({"fields": ["email"]}))).job.unwrap().id, "e2");
    assert!(fake.unused().is_empty());
}

#[test]
fn a_new_export_never_meets_an_older_ones_file() {
    let fake = FakeHost::new();
    describe(&fake);
    created(&fake, "e2");
    fake.spool_write("export", 0, b"").unwrap();
    assert!(fake.spool_stat("export").unwrap().complete);
    step_with(&fake, history(None)).unwrap();
    assert_eq!(fake.spool_bytes("export"), None);
}

#[test]
fn a_repeated_start_is_no_failure() {
    let fake = FakeHost::new();
    fake.on("POST", "api", &path("enqueue")).json(200, &refused("1029", "Job already queued"));
    assert_eq!(stage_after(&step_with(&fake, history(at(Stage::Created))).unwrap()), Stage::Enqueued);
}

#[test]
fn where_a_start_is_refused_the_status_decides() {
    for (now, expected) in [("Completed", Ok(Stage::Enqueued)), ("Created", Err("marketo.1003"))] {
        let fake = FakeHost::new();
        fake.on("POST", "api", &path("enqueue")).json(200, &refused("1003", "Export is not in a state to be queued"));
        status(&fake, json!({"status": now}));
        let page = step_with(&fake, history(at(Stage::Created)));
        assert_eq!(page.as_ref().map(stage_after).map_err(|fault| fault.code.as_str()), expected, "{now}");
    }
    let fake = FakeHost::new();
    fake.on("POST", "api", &path("enqueue")).json(200, &refused("610", "Requested resource not found"));
    fake.on("GET", "api", &path("status")).json(200, &refused("610", "Requested resource not found"));
    assert_eq!(history_after(&step_with(&fake, history(at(Stage::Created))).unwrap()).failures, 1);
}

#[test]
fn a_full_queue_is_asked_again_and_a_spent_quota_rests() {
    let fake = FakeHost::new();
    describe(&fake);
    fake.on("POST", "api", &path("enqueue")).json(200, &refused("1029", "Too many jobs (10) in queue"));
    let fault = step_with(&fake, history(at(Stage::Created))).unwrap_err();
    assert_eq!((fault.kind, fault.retry_after_ms), (FaultKind::RateLimited, Some(60_000)));
    fake.on("POST", "api", CREATE).json(200, &refused("1029", "Export daily quota 500MB exceeded."));
    let page = step_with(&fake, history(None)).unwrap();
    assert!(page.estimate.as_ref().unwrap().phase.contains("the exports of today are spent"), "{:?}", page.estimate);
    // The clock stands at 18:00 in Chicago: it is asked again within the hour, since others may have spent them.
    let rests = history_after(&page);
    assert_eq!((page.more, page.wait_ms, rests.rests_until), (true, Some(5_000), Some(NOW + 3_600)));
    let asked = fake.requests().len();
    fake.set_now_ms(u64::try_from(NOW + 3_599).unwrap() * 1000);
    let page = step_with(&fake, rests.clone()).unwrap();
    assert_eq!((page.wait_ms, fake.requests().len()), (Some(1_000), asked), "nothing is asked before");
    fake.set_now_ms(u64::try_from(NOW + 3_600).unwrap() * 1000);
    created(&fake, "e2");
    assert_eq!(stage_after(&step_with(&fake, rests).unwrap()), Stage::Created);
    // One that was created is kept, and one that was started goes on.
    fake.on("POST", "api", &path("enqueue")).json(200, &refused("1029", "Export daily quota 500MB exceeded."));
    let rests = history_after(&step_with(&fake, history(at(Stage::Created))).unwrap());
    assert_eq!((rests.job.as_ref().unwrap().stage, rests.rests(NOW + 3_600)), (Stage::Created, true));
    status(&fake, json!({"status": "Processing"}));
    let started = History { job: at(Stage::Enqueued), ..rests };
    assert_eq!(stage_after(&step_with(&fake, started).unwrap()), Stage::Enqueued);
}

#[test]
fn an_export_that_was_never_started_is_started() {
    let fake = FakeHost::new();
    status(&fake, json!({"status": "Created"}));
    assert_eq!(stage_after(&step_with(&fake, history(at(Stage::Enqueued))).unwrap()), Stage::Created);
}

#[test]
fn an_export_that_comes_to_nothing_is_created_anew() {
    for (answer, reason) in [
        (json!({"status": "Failed", "errorMsg": "out of disk"}), "out of disk"),
        (json!({"status": "Canceled"}), "cancelled"),
        (json!({"status": "Cancelled"}), "cancelled"),
    ] {
        let fake = FakeHost::new();
        status(&fake, answer);
        let page = step_with(&fake, history(at(Stage::Enqueued))).unwrap();
        let history = history_after(&page);
        assert_eq!((&history.job, history.failures), (&None, 1));
        assert!(history.failure.unwrap().reason.contains(reason));
        assert_eq!(warnings(&page), ["marketo.export-failed"]);
    }
    let fake = FakeHost::new();
    fake.on("GET", "api", &path("status")).json(200, &refused("610", "Requested resource not found"));
    assert_eq!(history_after(&step_with(&fake, history(at(Stage::Enqueued))).unwrap()).failures, 1);
}

#[test]
fn a_window_that_keeps_failing_ends_the_run_and_rests_for_an_hour() {
    let fake = FakeHost::new();
    describe(&fake);
    let failure = Some(Failure { at: NOW - 60, reason: "out of disk".into() });
    let failing = History { failures: FAILURES_MAX, failure, ..history(None) };
    let fault = step_with(&fake, failing.clone()).unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Data, "marketo.export-failed"));
    assert!(fault.message.contains("out of disk"));

    created(&fake, "e9");
    fake.set_now_ms(u64::try_from(NOW - 60 + REST_SECONDS).unwrap() * 1000);
    let history = history_after(&step_with(&fake, failing).unwrap());
    assert_eq!((history.job.unwrap().id.as_str(), history.failures), ("e9", 0));
}

#[test]
fn a_completed_export_without_its_file_is_waited_for_but_not_for_ever() {
    let fake = FakeHost::new();
    completed(&fake, HEADER, 3);
    fake.on("GET", "api", &path("file")).body(404, "File not found");
    let page = step_with(&fake, history(at(Stage::Enqueued))).unwrap();
    let job = history_after(&page).job.unwrap();
    assert_eq!((page.wait_ms, job.missing, job.stage), (Some(5_000), 1, Stage::Enqueued));

    completed(&fake, HEADER, 3);
    fake.on("GET", "api", &path("file")).body(404, "File not found");
    let job = Job { missing: 10, ..job };
    assert_eq!(history_after(&step_with(&fake, history(Some(job))).unwrap()).failures, 1);
}

#[test]
fn a_cursor_that_is_given_up_ends_its_export() {
    let fake = FakeHost::new();
    let release = |job| SourceMarketo::release(&fake, &config(json!({})), "persons", &cursor_of(history(job)));
    release(None).unwrap();
    assert_eq!(fake.requests().len(), 0);
    fake.on("POST", "api", &path("cancel")).json(200, &granted(json!([{"status": "Cancelled"}])));
    release(at(Stage::Enqueued)).unwrap();
    // Ended, or gone: there is nothing to end.
    fake.on("POST", "api", &path("cancel")).json(200, &refused("1013", "not found"));
    release(at(Stage::Enqueued)).unwrap();
    fake.on("POST", "api", &path("cancel")).json(200, &refused("606", "slow down"));
    assert_eq!(release(at(Stage::Enqueued)).unwrap_err().code, "marketo.606");
    assert_eq!(fake.unused(), [""; 0]);
}

#[test]
fn a_damaged_file_is_fetched_again_and_after_three_times_exported_again() {
    let fake = FakeHost::new();
    let good = format!("{HEADER}7,null,null,null,null,null,null,null\n");
    let mut page = None;
    for _ in 0..2 {
        completed(&fake, &good, 1);
        file(&fake, "damaged");
        let next = match &page {
            None => step_with(&fake, history(at(Stage::Enqueued))).unwrap(),
            Some(page) => step_with(&fake, history_after(page)).unwrap(),
        };
        assert_eq!((next.rows, next.more, next.wait_ms), (0, true, None));
        page = Some(next);
    }
    completed(&fake, &good, 1);
    file(&fake, "damaged");
    let history = history_after(&step_with(&fake, history_after(&page.unwrap())).unwrap());
    assert_eq!((history.job, history.failures), (None, 1));
    assert!(history.failure.unwrap().reason.contains("checksum"));
}

#[test]
fn a_large_file_is_fetched_in_several_pages() {
    let fake = FakeHost::new();
    describe(&fake);
    let text = format!("{HEADER}7,null,null,null,null,null,null,null\n");
    fake.set_fetch_step(text.len() / 2 + 1);
    completed(&fake, &text, 1);
    file(&fake, &text);
    let page = step_with(&fake, history(at(Stage::Enqueued))).unwrap();
    assert_eq!((page.rows, page.wait_ms, stage_after(&page)), (0, None, Stage::Enqueued));
    completed(&fake, &text, 1);
    file(&fake, &text);
    assert_eq!(shown(&step_with(&fake, history_after(&page)).unwrap()), ["full 7 id=7"]);
}

#[test]
fn no_records_no_file() {
    for (announced, body) in [(0, None), (5, Some("")), (5, Some(HEADER))] {
        let fake = FakeHost::new();
        completed(&fake, body.unwrap_or_default(), announced);
        if let Some(body) = body {
            describe(&fake);
            file(&fake, body);
        }
        let page = step_with(&fake, history(at(Stage::Enqueued))).unwrap();
        assert_eq!((page.rows, phase(&page)), (0, Phase::Changes(Work::default())));
        let expected: &[&str] = if announced == 0 { &[] } else { &["marketo.export-count"] };
        assert_eq!(warnings(&page), expected);
        assert!(fake.unused().is_empty());
    }
}

#[test]
fn a_file_is_read_page_by_page_and_again_after_its_spool_is_gone() {
    let fake = FakeHost::new();
    describe(&fake);
    let row = |id: u32| format!("{id},null,null,null,null,null,null,null\n");
    let text = format!("{HEADER}{}{}null,null,null,null,null,null,null,null\n{}", row(1), row(2), row(3));
    completed(&fake, &text, 4);
    file(&fake, &text);
    let config = config(json!({}));
    let limits = Limits { max_rows: 1, ..LIMITS };
    let page = read(&fake, &config, Some(cursor_of(history(at(Stage::Enqueued)))), limits).unwrap();
    assert_eq!((shown(&page), stage_after(&page)), (vec!["full 1 id=1".into()], Stage::Fetched));
    assert_eq!(page.estimate.as_ref().unwrap().records_done, Some(1));

    let host: &dyn Host = &fake;
    host.spool("export").remove().unwrap();
    let page = read(&fake, &config, Some(page.next), limits).unwrap();
    assert_eq!((page.rows, stage_after(&page)), (0, Stage::Enqueued));
    completed(&fake, &text, 4);
    file(&fake, &text);
    let page = read(&fake, &config, Some(page.next), limits).unwrap();
    assert_eq!(shown(&page), ["full 2 id=2"]);
    let page = read(&fake, &config, Some(page.next), limits).unwrap();
    assert_eq!(rejects(&page), ["key-missing - id"]);
    let page = read(&fake, &config, Some(page.next), limits).unwrap();
    assert_eq!(shown(&page), ["full 3 id=3"]);
    assert_eq!((phase(&page), warnings(&page)), (Phase::Changes(Work::default()), vec![]));
}

#[test]
fn fields_chosen_anew_need_a_new_export() {
    let fake = FakeHost::new();
    describe(&fake);
    completed(&fake, "id,createdAt,updatedAt\n", 1);
    file(&fake, "id,createdAt,updatedAt\n");
    let page = step_with(&fake, history(at(Stage::Enqueued))).unwrap();
    let history = history_after(&page);
    assert_eq!((history.job, history.failures), (None, 1));
}

#[test]
fn a_refusal_in_place_of_the_file_is_not_kept() {
    let fake = FakeHost::new();
    describe(&fake);
    status(&fake, json!({"status": "Completed", "numberOfRecords": 1}));
    file(&fake, &refused("602", "Access token expired").to_string());
    let fault = step_with(&fake, history(at(Stage::Enqueued))).unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Transient, "marketo.602"));
    assert_eq!(fake.spool_bytes("export"), None);
}

#[test]
fn another_fault_of_the_fetch_is_the_hosts_to_judge() {
    let fake = FakeHost::new();
    completed(&fake, HEADER, 1);
    fake.on("GET", "api", &path("file")).fault(Fault::internal("spool.full", "over the cap"));
    assert_eq!(step_with(&fake, history(at(Stage::Enqueued))).unwrap_err().code, "spool.full");
}

#[test]
fn nothing_before_a_start_in_the_future() {
    let fake = FakeHost::new();
    let token = json!({"success": true, "nextPageToken": "T"});
    fake.on("GET", "api", "/rest/v1/activities/pagingtoken.json").always().json(200, &token);
    let page = read(&fake, &config(json!({"start_date": "2026-02-01"})), None, LIMITS).unwrap();
    assert_eq!(phase(&page), Phase::Changes(Work::default()));
}
