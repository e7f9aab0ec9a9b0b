//! Pages: what arrives as it was sent, and what is refused by name.

use crate::support::{Connection, guest, request, texts, value};
use attiva_core::page::{Cursor, RowKind};
use attiva_core::{FaultKind, Value};
use attiva_wasm::ReadRequest;
use serde_json::json;

#[tokio::test]
async fn every_type_arrives_as_it_was_sent() {
    let plugin = guest().await;
    let (page, usage) = Connection::that("good").read(&plugin).await.unwrap();
    assert_eq!(page.rows.len, 10);
    assert_eq!((page.keys.value(0), page.keys.value(9)), ("key-0", "key-9"));
    assert_eq!((page.kinds[3], page.source_times[3]), (RowKind::Full, 3));
    assert_eq!((page.next.state_version, page.next.bytes.as_slice(), page.more), (1, b"next".as_slice(), true));
    let first = [
        ("boolean", Value::Boolean(true)),
        ("integer", Value::Integer(-1)),
        ("decimal", Value::Decimal("-0.50".into())),
        ("float", Value::Float(0.0)),
        ("text", Value::Text("é0".into())),
        ("bytes", Value::Bytes(vec![0xff, 0])),
        ("date", Value::Date(0)),
        ("timestamp", Value::Timestamp(0)),
        ("text-list", Value::TextList(vec!["a0".into(), String::new()])),
        ("json", Value::Json("{\"i\":[0]}".into())),
    ];
    for (name, expected) in first {
        assert_eq!(value(&page, name, 0), Some(expected), "{name}");
        assert_eq!(value(&page, name, 2), Some(Value::Null), "{name}: null");
        assert_eq!(value(&page, name, 4), None, "{name}: absent");
        assert!(value(&page, name, 9).is_none(), "{name}: absent in the last row too");
    }
    assert_eq!(value(&page, "text", 7), Some(Value::Text("é7".into())));
    assert_eq!(value(&page, "boolean", 3), Some(Value::Boolean(false)));
    assert!(usage.cpu_ns > 0 && usage.peak_memory > 0 && usage.wall_ns >= usage.cpu_ns / 2);
}

#[tokio::test]
async fn arguments_arrive_as_they_were_given() {
    let plugin = guest().await;
    let connection = Connection::that("echo");
    let request = ReadRequest {
        fields: vec!["a".into(), "b".into()],
        cursor: Some(Cursor { state_version: 1, bytes: b"there".to_vec() }),
        keys: vec!["k".into()],
        ..request()
    };
    let (page, _) = plugin.read(&connection.context, &request).await.unwrap();
    assert_eq!(texts(&page, "echo"), ["things|a,b|there|k|65536"]);
    let streams = plugin.discover_streams(&connection.context).await.unwrap();
    assert_eq!(streams[0].keyed_by, Some(("others".into(), "id".into())));
    assert_eq!(streams[0].columns.len(), 2);
    let checks = plugin.check(&connection.context).await.unwrap();
    let said: Vec<_> = checks.iter().map(|check| (check.name.as_str(), check.fault.is_none())).collect();
    assert_eq!(said, [("requests", true), ("writing", true)]);
}

#[tokio::test]
async fn the_guests_own_fault_comes_through() {
    let plugin = guest().await;
    let connection = Connection::that("fault");
    let fault = connection.fault(&plugin).await;
    assert_eq!((fault.code.as_str(), fault.retry_after_ms, fault.field.as_deref()), ("guest.said", Some(5), Some("f")));
    let reported = connection.recorder.reports.lock().unwrap()[0].fault.clone();
    assert_eq!(reported, Some(fault));
}

#[tokio::test]
async fn a_page_that_breaks_the_contract_is_refused_by_name() {
    let plugin = guest().await;
    let cases = [
        ("length", "page.length", Some("bad")),
        ("text-length", "page.offsets", Some("bad")),
        ("offsets-back", "page.offsets", Some("bad")),
        ("offsets-start", "page.offsets", Some("bad")),
        ("offsets-short", "page.offsets", Some("bad")),
        ("offsets-beyond", "page.offsets", Some("bad")),
        ("offsets-none", "page.offsets", Some("bad")),
        ("utf8", "page.utf8", Some("bad")),
        ("utf8-split", "page.utf8", Some("bad")),
        ("decimal", "page.value", Some("bad")),
        ("json", "page.value", Some("bad")),
        ("boolean", "page.bitmap", Some("bad")),
        ("list-offsets", "page.offsets", Some("bad")),
        ("list-utf8", "page.utf8", Some("bad")),
        ("validity", "page.bitmap", Some("bad")),
        ("presence", "page.bitmap", Some("bad")),
        ("twice", "page.columns", Some("good")),
        ("nameless", "page.columns", Some("")),
        ("kinds", "page.length", Some("kinds")),
        ("times", "page.length", Some("source-times")),
        ("keys", "page.offsets", Some("keys")),
        ("key-empty", "page.key", Some("keys")),
        ("key-long", "page.key", Some("keys")),
        ("key-utf8", "page.utf8", Some("keys")),
        ("merge-unsaid", "page.merges", Some("merges")),
        ("merge-of-full", "page.merges", Some("merges")),
        ("merge-beyond", "page.merges", Some("merges")),
        ("merge-itself", "page.merges", Some("merges")),
        ("wait", "page.wait", Some("wait-ms")),
        ("cursor", "limit.cursor", None),
        ("state-version", "page.state-version", None),
        ("rows", "limit.page-rows", None),
        ("bytes", "limit.page-bytes", None),
    ];
    for (behaviour, code, field) in cases {
        let fault = Connection::that(behaviour).fault(&plugin).await;
        assert_eq!(
            (fault.kind, fault.code.as_str(), fault.field.as_deref()),
            (FaultKind::Internal, code, field),
            "{behaviour}"
        );
    }
    assert!(Connection::that("good").read(&plugin).await.is_ok());
}

#[tokio::test]
async fn the_row_at_fault_is_named() {
    let plugin = guest().await;
    for behaviour in ["utf8", "utf8-split", "decimal", "json", "key-empty", "key-utf8"] {
        let fault = Connection::that(behaviour).fault(&plugin).await;
        assert!(fault.message.contains("row 1"), "{behaviour}: {}", fault.message);
    }
}

#[tokio::test]
async fn states_are_migrated_and_capped() {
    let plugin = guest().await;
    assert_eq!(plugin.migrate_state(1, b"abc").await.unwrap(), b"cba");
    assert_eq!(plugin.migrate_state(0, b"abc").await.unwrap_err().code, "guest.too-old");
    assert_eq!(plugin.migrate_state(7, b"abc").await.unwrap_err().code, "limit.state");
}

#[tokio::test]
async fn secrets_are_not_in_what_the_guest_sees() {
    let plugin = guest().await;
    let mut connection = Connection::that("own");
    connection.reconfigure(json!({"behaviour": "own", "spool": "visible"}));
    let seen = connection.texts(&plugin, "config").await.remove(0);
    assert!(seen.contains("visible") && !seen.contains(crate::support::SECRET), "{seen}");
}
