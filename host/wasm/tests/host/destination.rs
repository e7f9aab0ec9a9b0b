//! Destinations: batches there, outcomes back.

use crate::support::{Connection, guest};
use arrow_array::StringArray;
use attiva_core::page::{Batch, Operation, OutcomeStatus, Rows, column};
use attiva_core::ports::connector::{DeliveryRun, Target};
use attiva_core::{DataType, FaultKind, Value};
use attiva_wasm::EraseStatus;
use serde_json::json;

fn target() -> Target {
    Target { id: "act_1".into(), object: "file".into(), name: "t".into(), options: json!({"header": true}) }
}

fn run() -> DeliveryRun {
    DeliveryRun {
        id: "del_1".into(),
        started_at: 5,
        rows_expected: Some(3),
        columns: vec![("text".into(), DataType::Text)],
    }
}

fn batch() -> Batch {
    let text = |values: &[&str]| values.iter().map(|v| Value::Text((*v).into())).collect::<Vec<_>>();
    let lists = [Value::TextList(vec!["x".into(), "y".into()]), Value::Null, Value::TextList(vec!["z".into()])];
    let columns = vec![
        column("text", DataType::Text, &text(&["a", "bé", ""])),
        column("boolean", DataType::Boolean, &[Value::Boolean(true), Value::Null, Value::Boolean(true)]),
        column("list", DataType::TextList, &lists),
        column("integer", DataType::Integer, &[Value::Integer(1), Value::Integer(2), Value::Integer(3)]),
    ];
    Batch {
        number: 4,
        keys: StringArray::from(vec!["k0", "k1", "k2"]),
        operations: vec![Operation::Upsert, Operation::Remove, Operation::Upsert],
        member_ids: vec![None, Some("é1".into()), Some("2".into())],
        rows: Rows { len: 3, columns },
    }
}

#[tokio::test]
async fn a_run_goes_from_prepare_to_finish() {
    let plugin = guest().await;
    let connection = Connection::that("good");
    let context = &connection.context;
    let (prepared, _) = plugin.prepare(context, &target(), &run()).await.unwrap();
    assert_eq!(prepared.state, [7, 7, 7]);
    assert_eq!(prepared.notes, [r#"act_1 file t {"header":true} del_1 false"#]);
    assert_eq!(prepared.wait_ms, Some(70));
    let (delivered, usage) = plugin.deliver(context, &target(), &run(), &prepared.state, &batch()).await.unwrap();
    assert_eq!(delivered.state, [8, 8, 8]);
    let statuses: Vec<_> = delivered.outcomes.iter().map(|outcome| outcome.status).collect();
    assert_eq!(statuses, [OutcomeStatus::Created, OutcomeStatus::Pending, OutcomeStatus::Created]);
    let ids: Vec<_> = delivered.outcomes.iter().map(|outcome| outcome.member_id.as_deref()).collect();
    assert_eq!(ids, [Some("vvv"), None, Some("vvvvv")]);
    assert!(usage.cpu_ns > 0);
    let (finished, _) = plugin.finish(context, &target(), &run(), &delivered.state).await.unwrap();
    assert_eq!((finished.pending_become, finished.artifacts[0].rows), (OutcomeStatus::Created, Some(2)));
    assert_eq!(
        (finished.exceptions[0].0.as_str(), finished.exceptions[0].1.status),
        ("key-1", OutcomeStatus::Rejected)
    );
    let (polled, _) = plugin.poll(context, &target(), &run(), &delivered.state).await.unwrap();
    assert_eq!((polled.pending_become, polled.wait_ms), (OutcomeStatus::Pending, Some(50)));
    plugin.abort(context, &target(), &run(), &delivered.state).await.unwrap();
    let functions: Vec<_> = connection.recorder.reports.lock().unwrap().iter().map(|report| report.function).collect();
    assert_eq!(functions, ["prepare", "deliver", "finish", "poll", "abort"]);
}

#[tokio::test]
async fn a_batch_arrives_as_it_was_made() {
    let plugin = guest().await;
    let connection = Connection::that("good");
    let delivered = plugin.deliver(&connection.context, &target(), &run(), b"", &batch()).await.unwrap().0;
    let seen = &delivered.outcomes[0].message;
    for part in [
        "number: 4",
        "rows: 3",
        "Operation::Upsert, Operation::Remove, Operation::Upsert",
        "offsets: [0, 1, 4, 4]",
        "member-ids: Some(BytesArray { offsets: [0, 0, 3, 4], bytes: [195, 169, 49, 50] })",
        "offsets: [0, 2, 2, 3]",
        "Boolean([5])",
        "[1, 2, 3]",
    ] {
        assert!(seen.contains(part), "{part}: {seen}");
    }
    let mut unnamed = batch();
    unnamed.member_ids = vec![None; 3];
    let unnamed = plugin.deliver(&connection.context, &target(), &run(), b"", &unnamed).await.unwrap().0;
    assert!(unnamed.outcomes[0].message.contains("member-ids: None"));
    let mut sliced = batch();
    sliced.keys = StringArray::from(vec!["x", "k0", "k1", "k2"]).slice(1, 3);
    let again = plugin.deliver(&connection.context, &target(), &run(), b"", &sliced).await.unwrap().0;
    assert_eq!(again.outcomes[0].message, *seen, "a slice crosses as its part alone");
}

#[tokio::test]
async fn one_outcome_per_row_or_none_counts() {
    let plugin = guest().await;
    let connection = Connection::that("few-outcomes");
    let fault = plugin.deliver(&connection.context, &target(), &run(), b"", &batch()).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Internal, "deliver.outcomes"));
    let long = plugin.deliver(&Connection::that("member-id").context, &target(), &run(), b"", &batch()).await;
    assert_eq!(long.unwrap_err().code, "deliver.member-id");
    let mut unequal = batch();
    unequal.member_ids.pop();
    let fault = plugin.deliver(&connection.context, &target(), &run(), b"", &unequal).await.unwrap_err();
    assert_eq!(fault.code, "batch.malformed");
    let mut unequal = batch();
    unequal.operations.pop();
    let fault = plugin.deliver(&connection.context, &target(), &run(), b"", &unequal).await.unwrap_err();
    assert_eq!(fault.code, "batch.malformed");
}

#[tokio::test]
async fn a_state_has_a_cap() {
    let plugin = guest().await;
    let fault = plugin.prepare(&Connection::that("state").context, &target(), &run()).await.unwrap_err();
    assert_eq!(fault.code, "limit.state");
}

#[tokio::test]
async fn the_other_calls_come_through() {
    let plugin = guest().await;
    let mut connection = Connection::that("good");
    let objects = plugin.discover_targets(&connection.context).await.unwrap();
    assert!(objects[0].open_fields && objects[0].fields[0].matching_key);
    assert_eq!(attiva_wasm::validate_against(&objects[0].options_schema, &json!({"header": true})), Ok(()));
    let problems =
        attiva_wasm::validate_against(&objects[0].options_schema, &json!({"header": 1, "typo": 1})).unwrap_err();
    assert_eq!(problems.iter().map(|p| p.path.as_str()).collect::<Vec<_>>(), ["/typo", "/header"]);
    let fault = plugin.discover_targets(&Connection::that("options-schema").context).await.unwrap_err();
    assert_eq!(fault.code, "discover.options-schema");

    let (page, _) = plugin.members(&connection.context, &target(), None).await.unwrap();
    assert_eq!((page.members.len(), page.next.as_deref()), (1, Some([1].as_slice())));
    let (page, _) = plugin.members(&connection.context, &target(), page.next.as_deref()).await.unwrap();
    assert_eq!(page.next, None);
    let who = [("email".to_owned(), "a@example.com".to_owned())];
    let (erased, _) = plugin.erase(&connection.context, &target(), &who).await.unwrap();
    assert_eq!(erased.status, EraseStatus::Removed);
    assert!(erased.message.contains("a@example.com"));
    assert_eq!(plugin.retire(&connection.context, &target()).await.unwrap_err().code, "guest.retire");
    connection.context.dry_run = true;
    let (prepared, _) = plugin.prepare(&connection.context, &target(), &run()).await.unwrap();
    assert!(prepared.notes[0].ends_with("true"));
}
