//! The control database.

use crate::support::wait;
use attiva_core::ports::store::{AuditEvent, ControlKind, ControlStore, Expect, KeptAnswer, StoreError};
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
fn answers_are_kept_for_a_while() {
    let directory = tempfile::tempdir().unwrap();
    let store = Control::open(directory.path(), &Options::default()).unwrap();
    let answer = |at| KeptAnswer { fingerprint: "f".into(), status: 201, body: vec![0, 255], at };
    wait(store.keep_answer("a", answer(10), 0)).unwrap();
    wait(store.keep_answer("b", answer(20), 0)).unwrap();
    assert_eq!(store.kept_answer("a").unwrap(), Some(answer(10)));
    wait(store.keep_answer("b", answer(30), 20)).unwrap();
    assert_eq!(store.kept_answer("a").unwrap(), None);
    assert_eq!(store.kept_answer("b").unwrap(), Some(answer(30)));
}
