//! The sources under each fault of their vendors, one a row: either all records arrive, or the run ends with a fault that
//! says who acts next, and the next run brings the rest.

use attiva_connector::testing::FakeHost;
use attiva_connector::{
    BytesArray, Cursor, FaultKind, Limits, Page, ReadRequest, Result, RowKind, Source, parse_config,
};
use attiva_simulators::{marketo, salesforce};
use attiva_vendors_tests::{NOW, host, token};
use serde_json::json;
use source_marketo::SourceMarketo;
use source_salesforce::SourceSalesforce;
use std::collections::BTreeSet;
use std::time::Duration;

/// A source whose vendor is a simulator: where it stands, and what it has brought.
struct Reader {
    read: Box<dyn Fn(Option<Cursor>, &FakeHost) -> Result<Page>>,
    host: FakeHost,
    cursor: Option<Cursor>,
    keys: BTreeSet<String>,
    /// How far the host's clock goes on while the source has it wait, in seconds.
    wait_seconds: i64,
}

/// What a reading came to.
#[derive(Debug, PartialEq)]
enum End {
    /// To its end, perhaps after faults that the host waits out.
    Whole,
    /// With a fault for somebody.
    Fault(FaultKind),
}

impl Reader {
    /// Reads to the end, as the host does: what passes is asked for again from the same cursor.
    fn read(&mut self) -> End {
        let (mut waited, mut pauses) = (0, 0);
        for _ in 0..3_000 {
            match (self.read)(self.cursor.clone(), &self.host) {
                Ok(page) => {
                    assert!(page.rejects.is_empty(), "{:?}", page.rejects);
                    for row in 0..page.rows as usize {
                        let key = key(&page.keys, row);
                        match page.kinds[row] {
                            RowKind::Full | RowKind::Patch => self.keys.insert(key),
                            RowKind::Tombstone | RowKind::Merge => self.keys.remove(&key),
                        };
                    }
                    self.cursor = Some(page.next);
                    if !page.more {
                        return End::Whole;
                    }
                    if page.wait_ms.is_some() {
                        std::thread::sleep(Duration::from_millis(2));
                        if self.wait_seconds > 0 {
                            pauses += 1;
                            self.set_clock(pauses * self.wait_seconds);
                        }
                    }
                }
                Err(fault) if matches!(fault.kind, FaultKind::Transient | FaultKind::RateLimited) => {
                    waited += 1;
                    assert!(waited < 20, "it never passes: {fault:?}");
                }
                Err(fault) => {
                    assert!(!fault.action.is_empty() || fault.kind == FaultKind::Quota, "not what to do: {fault:?}");
                    return End::Fault(fault.kind);
                }
            }
        }
        panic!("it comes to no end");
    }

    /// The host's clock, against the vendor's.
    fn set_clock(&self, ahead_seconds: i64) {
        let now: i64 = 1_767_225_600 + ahead_seconds;
        self.host.set_now_ms(u64::try_from(now).unwrap() * 1000);
    }
}

fn key(array: &BytesArray, row: usize) -> String {
    let bytes = &array.bytes[array.offsets[row] as usize..array.offsets[row + 1] as usize];
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn request(stream: &str, cursor: Option<Cursor>) -> ReadRequest {
    let limits = Limits { max_rows: 40, max_bytes: 4 * 1024 * 1024 };
    ReadRequest { stream: stream.into(), fields: Vec::new(), cursor, keys: Vec::new(), limits }
}

fn marketo_instance(runtime: &tokio::runtime::Runtime) -> (marketo::Marketo, Reader) {
    let config = marketo::MarketoConfig {
        leads: 90,
        now: NOW.parse().ok(),
        history_days: 20,
        limits: marketo::Limits::OFF,
        status_interval: Duration::from_millis(1),
        ..marketo::MarketoConfig::default()
    };
    let simulator = runtime.block_on(marketo::Marketo::start(config)).unwrap();
    let client = simulator.config().clone();
    let host = host(simulator.base_url(), move |base| {
        let (id, secret) = (&client.client_id, &client.client_secret);
        let query = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
        token(&format!("{base}/identity/oauth/token?{query}"), None)
    });
    let config = json!({"munchkin_id": "123-ABC-456", "client_id": "c", "start_date": "2025-12-10", "poll_seconds": 1});
    let config: source_marketo::Config = parse_config(&config.to_string()).unwrap();
    let read =
        move |cursor: Option<Cursor>, host: &FakeHost| SourceMarketo::read(host, &config, &request("persons", cursor));
    (simulator, Reader { read: Box::new(read), host, cursor: None, keys: BTreeSet::new(), wait_seconds: 0 })
}

/// By bulk jobs, or page by page.
fn salesforce_org(runtime: &tokio::runtime::Runtime, by_jobs: bool) -> (salesforce::Salesforce, Reader) {
    let config = salesforce::SalesforceConfig {
        people: 120,
        now: NOW.parse().ok(),
        page_records: 20,
        results_records: 20,
        ..salesforce::SalesforceConfig::default()
    };
    let simulator = runtime.block_on(salesforce::Salesforce::start(config)).unwrap();
    let client = simulator.config().clone();
    let host = host(simulator.base_url(), move |base| {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client.client_id.as_str()),
            ("client_secret", client.client_secret.as_str()),
        ];
        token(&format!("{base}/services/oauth2/token"), Some(&form))
    });
    let config = json!({"my_domain": "acme", "client_id": "c", "bulk_from": if by_jobs { 1 } else { 1_000 }});
    let config: source_salesforce::Config = parse_config(&config.to_string()).unwrap();
    let read = move |cursor: Option<Cursor>, host: &FakeHost| {
        SourceSalesforce::read(host, &config, &request("Contact", cursor))
    };
    (simulator, Reader { read: Box::new(read), host, cursor: None, keys: BTreeSet::new(), wait_seconds: 0 })
}

fn leads(simulator: &marketo::Marketo) -> BTreeSet<String> {
    simulator.leads().map(|lead| lead["id"].to_string()).collect()
}

fn contacts(org: &salesforce::Salesforce) -> BTreeSet<String> {
    org.records("Contact").iter().map(|contact| contact["Id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn marketo_faults_lose_no_person() {
    use marketo::{Fault, Injection};
    let at = |fault: Fault, path: &str| Injection::from(fault).at(path);
    let busy = || Fault::Raw { status: 503, content_type: "text/plain".into(), body: b"busy".to_vec() };
    let (file, status, changes, create) =
        ("/bulk/v1/leads/export", "/bulk/v1/leads/export", "/rest/v1/activities.json", "/bulk/v1/leads/export/create");
    let describe = "/rest/v1/leads/describe";
    let whole = || End::Whole;
    // What happens, and how the run that meets it ends. The next one brings the rest in every case.
    let rows: Vec<(&str, Injection, End)> = vec![
        ("too many calls", at(Fault::RateLimited, describe), whole()),
        ("too many calls while it reads changes", at(Fault::RateLimited, changes), whole()),
        ("too many at once", at(Fault::TooManyAtOnce, create), whole()),
        ("the day's quota spent", at(Fault::DailyQuotaReached, changes), End::Fault(FaultKind::Quota)),
        ("a token that ended in the middle", at(Fault::TokenExpired, changes), whole()),
        ("a token that ended in a file's place", at(Fault::TokenExpired, file).after(3), whole()),
        ("a body that stops", Injection::from(Fault::Cut { after_bytes: 40 }).at(changes), whole()),
        ("a file that stops", Injection::from(Fault::Cut { after_bytes: 900 }).at(file).after(3), whole()),
        ("a page of HTML", at(Fault::HtmlPage { status: 200 }, changes), whole()),
        ("a page of HTML for a status", at(Fault::HtmlPage { status: 200 }, status).after(2), whole()),
        ("503 three times", at(busy(), "/rest/").times(3), whole()),
        ("a slow answer", at(Fault::Delay { ms: 30 }, changes), whole()),
        ("a job that failed", Fault::ExportFails { message: "out of disk".into() }.into(), whole()),
        ("a job that somebody cancelled", Fault::ExportCancelled.into(), whole()),
        ("a full queue", Fault::ExportQueueFull.into(), whole()),
        ("a file that is not there", Fault::ExportFileMissing.into(), whole()),
        ("a file with another checksum", Fault::WrongChecksum.into(), whole()),
        ("a record that comes twice", Fault::RepeatedActivity.into(), whole()),
        (
            "a row that stands twice in the file",
            Fault::Csv { quirk: marketo::CsvQuirk::RepeatedRow, row: 3 }.into(),
            whole(),
        ),
        ("an empty page with more behind it", Fault::EmptyActivityPage.into(), whole()),
        ("a missing permission", at(Fault::AccessDenied, changes), End::Fault(FaultKind::Scope)),
    ];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let meet = |what: &str, injection: Injection, end: End, wait_seconds: i64| {
        let (simulator, mut reader) = marketo_instance(&runtime);
        reader.wait_seconds = wait_seconds;
        simulator.inject(injection);
        // Changes while history is read are met in the same run.
        assert_eq!(reader.read(), end, "{what}");
        let changed = simulator.add_leads(3);
        simulator.delete_lead(5).unwrap();
        if simulator.clear_faults().is_empty() {
            assert_eq!(reader.read(), End::Whole, "{what}, the next run");
        } else {
            panic!("{what}: nothing met it");
        }
        assert_eq!(reader.keys, leads(&simulator), "{what}");
        assert_eq!(changed.len(), 3);
    };
    for (what, injection, end) in rows {
        meet(what, injection, end, 0);
    }
    // It rests, asks again within the hour, and reads changes meanwhile.
    meet("the day's megabytes spent", Fault::ExportQuotaExceeded.into(), whole(), 600);
}

#[test]
fn salesforce_faults_lose_no_contact() {
    use salesforce::{Fault, Injection};
    let at = |fault: Fault, path: &str| Injection::from(fault).at(path);
    let refused = |code: &str| Fault::Error { status: 403, code: code.into(), message: "no access".into() };
    let (query, next, results, job) = ("/queryAll", "/query/", "/results", "/jobs/query/");
    // By jobs or page by page; what happens; how the run that meets it ends.
    let rows: Vec<(bool, &str, Injection, End)> = vec![
        (false, "429 without a body", at(Fault::Bodiless { status: 429 }, query), End::Whole),
        (true, "429 for a job", at(Fault::Bodiless { status: 429 }, job), End::Whole),
        (false, "the day's calls spent", at(Fault::RequestLimitExceeded, next), End::Fault(FaultKind::Quota)),
        (true, "the day's calls spent on a job", at(Fault::RequestLimitExceeded, job), End::Fault(FaultKind::Quota)),
        (false, "too many at once", at(Fault::ConcurrentLimitExceeded, query), End::Whole),
        (false, "a session that ended between pages", at(Fault::SessionExpired, next), End::Whole),
        (true, "a session that ended in a file's place", at(Fault::SessionExpired, results), End::Whole),
        (false, "a body that stops", at(Fault::Cut { after_bytes: 60 }, next), End::Whole),
        (true, "a file that stops", at(Fault::Cut { after_bytes: 60 }, results), End::Whole),
        (false, "a page of HTML", at(Fault::HtmlPage { status: 200 }, query), End::Whole),
        (true, "a page of HTML in a file's place", at(Fault::HtmlPage { status: 200 }, results), End::Whole),
        (false, "503 three times", at(Fault::Bodiless { status: 503 }, query).times(3), End::Whole),
        (true, "503 three times for a job", at(Fault::Bodiless { status: 503 }, job).times(3), End::Whole),
        (false, "a slow answer", at(Fault::Delay { ms: 30 }, query), End::Whole),
        (true, "a job that failed", Fault::JobFails { message: "out of disk".into() }.into(), End::Whole),
        (true, "a job that somebody aborted", Fault::JobAborted.into(), End::Whole),
        (true, "a job that is gone", Fault::JobGone.into(), End::Whole),
        (true, "results that are gone", at(Fault::JobGone, results), End::Whole),
        (true, "results with a record too few", Fault::ResultsShort.into(), End::Whole),
        (false, "a page that is no longer known", Fault::LocatorGone.into(), End::Whole),
        (false, "an empty page that is not the last", Fault::EmptyPage.into(), End::Whole),
        (false, "an object that is hidden in the middle", at(refused("INSUFFICIENT_ACCESS"), next), End::Whole),
        (false, "a missing permission", at(refused("FUNCTIONALITY_NOT_ENABLED"), next), End::Fault(FaultKind::Scope)),
    ];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (by_jobs, what, injection, end) in rows {
        let (org, mut reader) = salesforce_org(&runtime, by_jobs);
        org.inject(injection);
        assert_eq!(reader.read(), end, "{what}");
        assert!(org.clear_faults().is_empty(), "{what}: nothing met it");
        let gone = contacts(&org).into_iter().next().unwrap();
        assert!(org.delete("Contact", &gone));
        // An hour later: a spent day is looked at again, and the host's clock is behind no change. A window that was cut off
        // is read to its end first, then the next one.
        reader.set_clock(4_000);
        for _ in 0..2 {
            assert_eq!(reader.read(), End::Whole, "{what}, the next run");
        }
        let mut there = contacts(&org);
        there.remove(&gone);
        assert_eq!(reader.keys, there, "{what}");
    }
}

#[test]
fn a_clock_that_is_wrong_by_minutes_loses_nothing() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for ahead in [-300, 300] {
        let (simulator, mut reader) = marketo_instance(&runtime);
        reader.set_clock(ahead);
        reader.read();
        let added = simulator.add_leads(2);
        simulator.change_lead(7, json!({"firstName": "Changed"})).unwrap();
        simulator.delete_lead(5).unwrap();
        assert_eq!(reader.read(), End::Whole);
        assert_eq!(reader.keys, leads(&simulator), "Marketo, {ahead} seconds");
        assert!(added.iter().all(|id| reader.keys.contains(&id.to_string())));
        for by_jobs in [false, true] {
            let (org, mut reader) = salesforce_org(&runtime, by_jobs);
            reader.set_clock(ahead);
            reader.read();
            let gone = contacts(&org).into_iter().next().unwrap();
            assert!(org.delete("Contact", &gone));
            let new = org.create("Contact", json!({"LastName": "New"})).unwrap();
            // The next run comes later by both clocks.
            reader.set_clock(ahead + 600);
            assert_eq!(reader.read(), End::Whole);
            let mut there = contacts(&org);
            there.remove(&gone);
            assert!(reader.keys == there && there.contains(&new), "Salesforce, {ahead} seconds, by jobs: {by_jobs}");
        }
    }
}
