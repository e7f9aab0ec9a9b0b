//! The control database.

use crate::support::wait;
use attiva_core::ports::store::{AuditEvent, ControlKind, ControlStore, Expect, KeptAnswer, KeptRequest, StoreError};
use attiva_store::{Control, Options};
use serde_json::json;

fn event(action: &str) -> AuditEvent {
    AuditEvent { at: 5, actor: "host".into(), action: action.into(), subject: "s".into(), detail: json!({ "n": 1 }) }
}

#[test]
fn a_change_and_its_audit_event_are_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = Control::open(directory.path(), &Options::default()).unwrap();
    let put = |expect, action| {
        wait(store.put_document(ControlKind::Plugin, "p", json!({ "v": 1 }), expect, Some(event(action))))
    };
    assert_eq!(put(Expect::Absent, "plugin.installed"), Ok(1));
    assert_eq!(put(Expect::Absent, "plugin.installed-twice"), Err(StoreError::Exists));
    wait(store.audit(event("host.started"))).unwrap();
    wait(store.delete_document(ControlKind::Plugin, "p", Expect::Version(1), Some(event("plugin.removed")))).unwrap();
    assert_eq!(store.document(ControlKind::Plugin, "p").unwrap(), None);

    drop(store);
    let store = Control::open(directory.path(), &Options::default()).unwrap();
    let told = store.audit_events(0, 2).unwrap();
    assert_eq!(
        told.iter().map(|(_, e)| e.clone()).collect::<Vec<_>>(),
        [event("plugin.installed"), event("host.started")]
    );
    let rest = store.audit_events(told[1].0, 9).unwrap();
    assert_eq!(rest.iter().map(|(_, e)| e.action.as_str()).collect::<Vec<_>>(), ["plugin.removed"]);
}

#[test]
fn documents_of_the_control_database_are_listed_by_kind() {
    let directory = tempfile::tempdir().unwrap();
    let store = Control::open(directory.path(), &Options::default()).unwrap();
    for (kind, id) in [(ControlKind::Grant, "b"), (ControlKind::Grant, "a"), (ControlKind::Secret, "c")] {
        wait(store.put_document(kind, id, json!(id), Expect::Absent, None)).unwrap();
    }
    let ids: Vec<_> = store.documents(ControlKind::Grant, None, 9).unwrap().into_iter().map(|d| d.id).collect();
    assert_eq!(ids, ["a", "b"]);
    assert!(store.audit_events(0, 9).unwrap().is_empty());
}

#[test]
fn requests_and_their_answers_are_kept_for_a_while() {
    let directory = tempfile::tempdir().unwrap();
    let store = Control::open(directory.path(), &Options::default()).unwrap();
    let asked = |at| KeptRequest { fingerprint: "f".into(), at, chance: [1, 2, 3, 4, 5, 255], answer: None };
    let answered = |at| KeptRequest { answer: Some(KeptAnswer { status: 201, body: vec![0, 255] }), ..asked(at) };
    wait(store.keep_request("a", asked(10), 0)).unwrap();
    wait(store.keep_request("b", answered(20), 0)).unwrap();
    assert_eq!(store.kept_request("a").unwrap(), Some(asked(10)));
    wait(store.keep_request("a", answered(10), 0)).unwrap();
    assert_eq!(store.kept_request("a").unwrap(), Some(answered(10)));
    wait(store.keep_request("b", answered(30), 20)).unwrap();
    assert_eq!(store.kept_request("a").unwrap(), None);
    assert_eq!(store.kept_request("b").unwrap(), Some(answered(30)));
}

#[test]
fn what_happens_once_is_told_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = Control::open(directory.path(), &Options::default()).unwrap();
    for action in ["run.started", "run.started", "run.cancelled"] {
        wait(store.audit_once(event(action))).unwrap();
    }
    wait(store.audit_once(AuditEvent { subject: "t".into(), ..event("run.started") })).unwrap();
    let told = store.audit_events(0, 9).unwrap().into_iter().map(|(_, e)| (e.action, e.subject));
    let expected = [("run.started", "s"), ("run.cancelled", "s"), ("run.started", "t")];
    assert_eq!(told.collect::<Vec<_>>(), expected.map(|(a, s)| (a.to_owned(), s.to_owned())));
}

#[test]
fn answers_kept_by_the_version_before_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let file = rusqlite::Connection::open(directory.path().join("control.db")).unwrap();
    file.execute_batch(include_str!("../../src/schema/control-1.sql")).unwrap();
    file.pragma_update(None, "application_id", 0x4174_0002).unwrap();
    file.pragma_update(None, "user_version", 1).unwrap();
    file.execute("INSERT INTO kept_answer VALUES ('k', 'f', 201, x'00ff', 10)", []).unwrap();
    drop(file);
    let store = Control::open(directory.path(), &Options::default()).unwrap();
    let kept = store.kept_request("k").unwrap().unwrap();
    assert_eq!((kept.at, kept.answer), (10, Some(KeptAnswer { status: 201, body: vec![0, 255] })));
}
