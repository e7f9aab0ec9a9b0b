use std::collections::BTreeMap;
use std::time::Duration;

use attiva_simulators::marketo::{CancelSpelling, CsvQuirk, Fault, Injection, Marketo, MarketoConfig};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::client::{Client, Reply, assert_refused, config, records, start};

const CREATE: &str = "/bulk/v1/leads/export/create.json";

fn created(from: &str, to: &str) -> Value {
    json!({"createdAt": {"startAt": from, "endAt": to}})
}

/// All of the seeded leads are in two windows.
fn windows() -> [Value; 2] {
    [created("2026-09-24T00:00:00Z", "2026-10-23T23:59:59Z"), created("2026-10-24T00:00:00Z", "2026-11-23T23:59:59Z")]
}

async fn create(client: &Client, fields: &[&str], filter: &Value) -> String {
    let envelope = client.post(CREATE, &json!({"fields": fields, "format": "CSV", "filter": filter})).await.json();
    let job = &envelope["result"][0];
    assert_eq!((&job["status"], &job["format"]), (&json!("Created"), &json!("CSV")), "{envelope}");
    job["exportId"].as_str().unwrap_or_default().to_owned()
}

async fn enqueue(client: &Client, id: &str) -> Reply {
    client.send(Method::POST, &format!("/bulk/v1/leads/export/{id}/enqueue.json"), &[], Vec::new()).await
}

async fn status(client: &Client, id: &str) -> Value {
    client.ok(&format!("/bulk/v1/leads/export/{id}/status.json")).await["result"][0].clone()
}

/// Waits until the job is neither queued nor processed any more.
async fn ended(client: &Client, id: &str) -> Value {
    loop {
        let job = status(client, id).await;
        if !["Queued", "Processing"].contains(&job["status"].as_str().unwrap_or_default()) {
            return job;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn file(client: &Client, id: &str) -> Reply {
    client.get(&format!("/bulk/v1/leads/export/{id}/file.json")).await
}

/// A job from creation to its end.
async fn export(client: &Client, fields: &[&str], filter: &Value) -> (String, Value) {
    let id = create(client, fields, filter).await;
    assert_eq!(enqueue(client, &id).await.json()["result"][0]["status"], "Queued");
    let job = ended(client, &id).await;
    (id, job)
}

fn checksum(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn rows(bytes: &[u8]) -> Vec<BTreeMap<String, Option<String>>> {
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers().cloned().unwrap_or_default();
    let row = |record: csv::StringRecord| {
        header
            .iter()
            .map(str::to_owned)
            .zip(record.iter().map(|cell| (cell != "null").then(|| cell.to_owned())))
            .collect()
    };
    reader.into_records().map(|record| row(record.expect("a record"))).collect()
}

fn texts(lead: &Map<String, Value>) -> BTreeMap<String, Option<String>> {
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    lead.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

fn all_fields(marketo: &Marketo) -> Vec<String> {
    marketo.lead(1).unwrap_or_default().keys().cloned().collect()
}

#[tokio::test]
async fn every_field_of_every_lead_arrives() {
    let (marketo, client) = start(config(3_000)).await;
    let fields = all_fields(&marketo);
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let mut read = Vec::new();
    for window in windows() {
        let (id, job) = export(&client, &fields, &window).await;
        let reply = file(&client, &id).await;
        assert_eq!(job["status"], "Completed");
        assert_eq!((&job["fileSize"], &job["fileChecksum"]), (&json!(reply.body.len()), &json!(checksum(&reply.body))));
        let rows = rows(&reply.body);
        assert_eq!(job["numberOfRecords"], json!(rows.len()));
        read.extend(rows);
    }
    let expected: Vec<_> = marketo.exported_leads().map(|lead| texts(&lead)).collect();
    assert_eq!(read.len(), 3_000);
    for (read, expected) in read.iter().zip(&expected) {
        assert_eq!(read, expected);
    }
}

#[tokio::test]
async fn columns_can_be_renamed_and_separated_otherwise() {
    let (_marketo, client) = start(config(50)).await;
    let body = json!({
        "fields": ["id", "firstName"], "format": "TSV", "columnHeaderNames": {"firstName": "First Name"}, "filter": windows()[1],
    });
    let id = client.post(CREATE, &body).await.json()["result"][0]["exportId"].as_str().unwrap_or_default().to_owned();
    enqueue(&client, &id).await;
    ended(&client, &id).await;
    assert!(file(&client, &id).await.text().starts_with("id\tFirst Name\n"));
}

#[tokio::test]
async fn a_job_that_is_not_enqueued_never_starts() {
    let (marketo, client) = start(config(50)).await;
    let idle = create(&client, &["id"], &windows()[0]).await;
    // Another job that is created later runs to its end meanwhile.
    export(&client, &["id"], &windows()[0]).await;
    assert_eq!(status(&client, &idle).await["status"], "Created");
    let reply = file(&client, &idle).await;
    assert_eq!((reply.status, reply.header("content-type").starts_with("text/plain")), (StatusCode::NOT_FOUND, true));
    assert_eq!(marketo.exports().len(), 2);
}

#[tokio::test]
async fn polls_that_come_too_early_are_counted() {
    let (marketo, client) = start(MarketoConfig { status_interval: Duration::from_secs(600), ..config(50) }).await;
    let id = create(&client, &["id"], &windows()[0]).await;
    enqueue(&client, &id).await;
    for _ in 0..3 {
        assert_eq!(status(&client, &id).await["status"], "Queued");
    }
    assert_eq!(marketo.received().polls_too_early, 2);
    assert_eq!(marketo.received().count("GET", "/bulk/v1/leads/export/{id}/status.json"), 3);
}

#[tokio::test]
async fn a_file_can_be_read_in_ranges() {
    let (_marketo, client) = start(config(500)).await;
    let (id, _) = export(&client, &["id", "email"], &windows()[1]).await;
    let whole = file(&client, &id).await.body;
    let path = format!("/bulk/v1/leads/export/{id}/file.json");
    let part = client.send(Method::GET, &path, &[("range", "bytes=100-199")], Vec::new()).await;
    assert_eq!(
        (part.status, part.header("content-range")),
        (StatusCode::PARTIAL_CONTENT, format!("bytes 100-199/{}", whole.len()))
    );
    assert_eq!(part.body, whole[100..200]);
    let rest = client.send(Method::GET, &path, &[("range", "bytes=200-")], Vec::new()).await;
    assert_eq!([&whole[..200], &rest.body].concat(), whole);
    let beyond = client.send(Method::GET, &path, &[("range", "bytes=999999999-")], Vec::new()).await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
}

#[tokio::test]
async fn a_file_can_be_cut_in_the_middle_and_resumed() {
    let (marketo, client) = start(config(3_000)).await;
    let fields = all_fields(&marketo);
    let (id, job) = export(&client, &fields.iter().map(String::as_str).collect::<Vec<_>>(), &windows()[1]).await;
    marketo.inject(Injection::from(Fault::Cut { after_bytes: 300_000 }).at("/bulk/v1/leads/export/"));
    let cut = file(&client, &id).await;
    assert_eq!((cut.whole, cut.body.len()), (false, 300_000));
    let path = format!("/bulk/v1/leads/export/{id}/file.json");
    let rest = client.send(Method::GET, &path, &[("range", "bytes=300000-")], Vec::new()).await;
    assert!(rest.whole && rest.body.len() > 300_000);
    assert_eq!(job["fileChecksum"], checksum(&[cut.body, rest.body].concat()));
}

#[tokio::test]
async fn a_completed_jobs_file_can_be_missing_and_its_checksum_wrong() {
    let (marketo, client) = start(config(50)).await;
    marketo.inject(Fault::WrongChecksum);
    marketo.inject(Fault::ExportFileMissing);
    let (id, job) = export(&client, &["id"], &windows()[1]).await;
    assert_eq!(job["status"], "Completed");
    let missing = file(&client, &id).await;
    assert_eq!(
        (missing.status, missing.header("content-type").starts_with("text/plain")),
        (StatusCode::NOT_FOUND, true)
    );
    let there = file(&client, &id).await;
    assert_eq!(there.status, StatusCode::OK);
    assert_ne!(job["fileChecksum"], checksum(&there.body));
}

#[tokio::test]
async fn a_job_can_fail_or_be_cancelled_by_somebody() {
    let (marketo, client) = start(MarketoConfig { cancel_spelling: CancelSpelling::Canceled, ..config(50) }).await;
    marketo.inject(Fault::ExportFails { message: "Export failed".to_owned() });
    let (id, job) = export(&client, &["id"], &windows()[1]).await;
    assert_eq!((&job["status"], &job["errorMsg"]), (&json!("Failed"), &json!("Export failed")));
    assert_eq!(file(&client, &id).await.status, StatusCode::NOT_FOUND);
    marketo.inject(Fault::ExportCancelled);
    let (_, job) = export(&client, &["id"], &windows()[1]).await;
    assert_eq!(job["status"], "Canceled");
}

#[tokio::test]
async fn cancelling_is_spelled_as_the_service_does_and_the_list_can_be_filtered_and_paged() {
    let (_marketo, client) = start(config(50)).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(create(&client, &["id"], &windows()[0]).await);
    }
    let path = format!("/bulk/v1/leads/export/{}/cancel.json", ids[1]);
    let cancelled = client.send(Method::POST, &path, &[], Vec::new()).await.json();
    assert_eq!(cancelled["result"][0]["status"], "Cancelled");
    assert_refused(&enqueue(&client, &ids[1]).await, "1003");
    let listed = client.ok("/bulk/v1/leads/export.json?status=Created&status=Queued").await;
    let listed: Vec<Value> = records(&listed).iter().map(|job| job["exportId"].clone()).collect();
    assert_eq!(listed, [json!(ids[0]), json!(ids[2])]);
    let page = client.ok("/bulk/v1/leads/export.json?batchSize=2").await;
    assert_eq!(records(&page).len(), 2);
    let token = crate::client::encoded(page["nextPageToken"].as_str().unwrap_or_default());
    let last = client.ok(&format!("/bulk/v1/leads/export.json?batchSize=2&nextPageToken={token}")).await;
    assert_eq!((records(&last).len(), last.get("nextPageToken")), (1, None));
}

#[tokio::test]
async fn code_1029_has_three_meanings_told_apart_by_text() {
    let slow = MarketoConfig { status_interval: Duration::from_secs(600), ..config(50) };
    let (_marketo, client) = start(slow).await;
    for _ in 0..10 {
        let id = create(&client, &["id"], &windows()[0]).await;
        assert_eq!(enqueue(&client, &id).await.json()["success"], true);
        assert_eq!(assert_refused(&enqueue(&client, &id).await, "1029"), "Job already queued");
    }
    let eleventh = create(&client, &["id"], &windows()[0]).await;
    assert_eq!(assert_refused(&enqueue(&client, &eleventh).await, "1029"), "Too many jobs in queue");

    let (_marketo, client) = start(MarketoConfig { export_bytes_per_day: 100, ..config(50) }).await;
    let waiting = create(&client, &["id"], &windows()[1]).await;
    export(&client, &["id", "email"], &windows()[1]).await;
    let body = json!({"fields": ["id"], "filter": windows()[1]});
    assert!(assert_refused(&client.post(CREATE, &body).await, "1029").starts_with("Export daily quota"));
    assert!(assert_refused(&enqueue(&client, &waiting).await, "1029").starts_with("Export daily quota"));
}

#[tokio::test]
async fn code_1029_can_be_had_without_a_reason() {
    let (marketo, client) = start(config(50)).await;
    let id = create(&client, &["id"], &windows()[1]).await;
    for (fault, text) in [
        (Fault::ExportQueueFull, "Too many jobs in queue"),
        (Fault::ExportQuotaExceeded, "Export daily quota 500MB exceeded."),
    ] {
        marketo.inject(fault);
        assert_eq!(assert_refused(&enqueue(&client, &id).await, "1029"), text);
        assert_eq!(status(&client, &id).await["status"], "Created");
    }
    // This one is said though the job did get into the queue.
    marketo.inject(Fault::ExportAlreadyQueued);
    assert_eq!(assert_refused(&enqueue(&client, &id).await, "1029"), "Job already queued");
    assert_eq!(ended(&client, &id).await["status"], "Completed");
}

#[tokio::test]
async fn windows_are_31_days_at_most_and_include_both_ends() {
    let (marketo, client) = start(config(500)).await;
    let at = marketo.lead(200).unwrap_or_default()["createdAt"].as_str().unwrap_or_default().to_owned();
    let (_, job) = export(&client, &["id"], &created(&at, &at)).await;
    assert!(job["numberOfRecords"].as_u64() >= Some(1), "{job}");
    let refused = |filter: Value| json!({"fields": ["id"], "filter": filter});
    for (filter, code) in [
        (created("2026-10-01T00:00:00Z", "2026-11-01T00:00:01Z"), "1003"),
        (created("2026-10-02T00:00:00Z", "2026-10-01T00:00:00Z"), "1003"),
        (created("2026-10-01T00:00:00.000Z", "2026-10-02T00:00:00Z"), "1003"),
        (created("soon", "2026-10-02T00:00:00Z"), "1003"),
        (json!({}), "1003"),
        (json!({"createdAt": {}, "updatedAt": {}}), "1003"),
        (json!({"staticListId": 5}), "1013"),
        (json!({"smartListId": 5}), "1035"),
        (json!({"createdAt": {"startAt": "2026-10-01T00:00:00Z"}}), "1002"),
    ] {
        assert_refused(&client.post(CREATE, &refused(filter)).await, code);
    }
    assert_refused(&client.post(CREATE, &json!({"fields": ["shoeSize"], "filter": windows()[0]})).await, "1006");
    assert_refused(&client.post(CREATE, &json!({"fields": [], "filter": windows()[0]})).await, "1002");
}

#[tokio::test]
async fn a_subscription_may_lack_the_updated_at_filter() {
    let (_marketo, client) = start(MarketoConfig { updated_at_filter: false, ..config(50) }).await;
    let filter = json!({"updatedAt": {"startAt": "2026-11-01T00:00:00Z", "endAt": "2026-11-23T00:00:00Z"}});
    assert_refused(&client.post(CREATE, &json!({"fields": ["id"], "filter": filter})).await, "1035");
}

#[tokio::test]
async fn an_updated_at_window_returns_rows_whose_column_is_older() {
    let (_marketo, client) = start(config(2_000)).await;
    let (from, to) = ("2026-11-20T00:00:00Z", "2026-11-23T00:00:00Z");
    let (id, _) = export(&client, &["id", "updatedAt"], &json!({"updatedAt": {"startAt": from, "endAt": to}})).await;
    let rows = rows(&file(&client, &id).await.body);
    let older = rows.iter().filter(|row| row["updatedAt"].as_deref() < Some(from)).count();
    assert!(older > 0 && older < rows.len(), "{older} of {}", rows.len());
}

#[tokio::test]
async fn an_empty_result_is_a_header_or_nothing_at_all() {
    let (marketo, client) = start(config(50)).await;
    let before = created("2026-01-01T00:00:00Z", "2026-01-31T00:00:00Z");
    let (id, job) = export(&client, &["id", "email"], &before).await;
    assert_eq!((file(&client, &id).await.text().as_str(), &job["numberOfRecords"]), ("id,email\n", &json!(0)));
    marketo.inject(Fault::Csv { quirk: CsvQuirk::EmptyFile, row: 0 });
    let (id, job) = export(&client, &["id", "email"], &before).await;
    let reply = file(&client, &id).await;
    assert_eq!((reply.status, reply.body.len(), &job["fileChecksum"]), (StatusCode::OK, 0, &json!(checksum(b""))));
}

#[tokio::test]
async fn files_can_be_spoiled_and_their_checksum_is_that_of_the_spoiled_file() {
    let (marketo, client) = start(MarketoConfig { awkward: false, ..config(20) }).await;
    let filter = created("2026-10-24T00:00:00Z", "2026-11-23T23:59:59Z");
    let fields = ["id", "email", "firstName"];
    let (id, _) = export(&client, &fields, &filter).await;
    let plain = file(&client, &id).await.text();
    let second = plain.lines().nth(2).unwrap_or_default().to_owned();
    let name = second.rsplit(',').next().unwrap_or_default().to_owned();
    let (head, tail) = name.split_at(1);
    let with_name = |changed: &str| plain.replace(&second, &second.replace(&name, changed));
    let cases: Vec<(CsvQuirk, Vec<u8>)> = vec![
        (CsvQuirk::Bom, format!("\u{feff}{plain}").into()),
        (CsvQuirk::EmptyLastLine, format!("{plain}\n").into()),
        (CsvQuirk::NulByte, with_name(&format!("{head}\0{tail}")).into()),
        (CsvQuirk::LoneCr, with_name(&format!("{head}\r{tail}")).into()),
        (CsvQuirk::UnescapedQuotes, with_name(&format!("\"{head}\"{tail}\"")).into()),
        (
            CsvQuirk::MissingId,
            plain.replace(&second, &format!("null,{}", second.split_once(',').unwrap_or_default().1)).into(),
        ),
        (CsvQuirk::ShortRow, plain.replace(&second, second.rsplit_once(',').unwrap_or_default().0).into()),
        (CsvQuirk::RepeatedRow, plain.replace(&second, &format!("{second}\n{second}")).into()),
        (CsvQuirk::HugeField(10 * 1024 * 1024), with_name(&"x".repeat(10 * 1024 * 1024)).into()),
    ];
    for (quirk, expected) in cases {
        marketo.inject(Fault::Csv { quirk: quirk.clone(), row: 1 });
        let (id, job) = export(&client, &fields, &filter).await;
        let bytes = file(&client, &id).await.body;
        assert!(bytes == expected, "{quirk:?}: {}", String::from_utf8_lossy(&bytes[..bytes.len().min(500)]));
        assert_eq!((&job["fileChecksum"], &job["fileSize"]), (&json!(checksum(&bytes)), &json!(bytes.len())));
    }
    marketo.inject(Fault::Csv { quirk: CsvQuirk::InvalidUtf8, row: 1 });
    let (id, _) = export(&client, &fields, &filter).await;
    assert!(String::from_utf8(file(&client, &id).await.body).is_err());
}

#[tokio::test]
async fn two_quirks_can_meet_in_one_file() {
    let (marketo, client) = start(config(20)).await;
    marketo.inject(Fault::Csv { quirk: CsvQuirk::Bom, row: 0 });
    marketo.inject(Fault::Csv { quirk: CsvQuirk::MissingId, row: 0 });
    let (id, _) = export(&client, &["id", "email"], &windows()[1]).await;
    assert!(file(&client, &id).await.text().starts_with("\u{feff}id,email\nnull,"));
    assert!(marketo.clear_faults().is_empty());
}

#[tokio::test]
async fn ended_jobs_can_be_forgotten_and_others_stay() {
    let (marketo, client) = start(config(50)).await;
    let idle = create(&client, &["id"], &windows()[0]).await;
    let (ended, _) = export(&client, &["id"], &windows()[1]).await;
    marketo.forget_exports();
    assert_eq!(status(&client, &idle).await["status"], "Created");
    assert_eq!(file(&client, &ended).await.status, StatusCode::NOT_FOUND);
    let (next, _) = export(&client, &["id"], &windows()[1]).await;
    assert!(next != ended && next != idle);
}
