//! Large fills by files.

use crate::support::{ADD, Harness, Intervention, REMOVE, Store, refused, shown};
use attiva_connector::{Destination, FaultKind, OutcomeStatus};
use destination_marketo::Marketo;
use serde_json::json;

fn creating() -> Harness {
    let options = json!({"mode": "create", "import_from_rows": 2});
    let mut h = Harness::new(&["email", "city"], options, Store::with(&[(1, "a@x.example")]));
    h.run.rows_expected = Some(3);
    let notes = h.prepare();
    assert!(notes.last().unwrap().contains("go in by about 1 files"), "{notes:?}");
    h
}

#[test]
fn rows_wait_in_a_file_and_are_settled_by_its_end() {
    let mut h = creating();
    let outcomes = h.deliver(&[
        (ADD, "", &[("email", "new@x.example"), ("city", "Bonn, \"am Rhein\"")]),
        (ADD, "", &[("email", "bad@x.example")]),
        (ADD, "", &[("email", "ä@x.example")]),
        (REMOVE, "1", &[]),
    ]);
    assert_eq!(shown(&outcomes), ["pending", "pending", "rejected email-unaskable", "unchanged marketo.1015"]);
    assert!(h.store.borrow().imports.is_empty(), "the file is not full");
    let first = h.step();
    assert_eq!((first.pending_become, first.wait_ms), (OutcomeStatus::Pending, Some(30_000)));
    {
        let mut store = h.store.borrow_mut();
        let import = &mut store.imports[0];
        assert_eq!(import.query, "format=csv&lookupField=email&listId=100");
        assert_eq!(import.csv, "email,city\nnew@x.example,\"Bonn, \"\"am Rhein\"\"\"\nbad@x.example,\n");
        import.failures = "email,city,Import Failure Reason\nbad@x.example,,Invalid email\n".into();
    }
    let (finished, exceptions) = h.finish();
    assert_eq!(finished.pending_become, OutcomeStatus::Updated);
    assert_eq!(finished.artifacts[0].rows, Some(1));
    let (key, outcome) = &exceptions[0];
    assert_eq!(
        (key.as_str(), outcome.code.as_str(), outcome.message.as_str()),
        ("key-1", "marketo.import-row", "Invalid email")
    );
}

/// Killed after Marketo had the file and before the state: the note says so.
#[test]
fn a_file_is_sent_once() {
    let mut h = creating();
    h.deliver(&[(ADD, "", &[("email", "new@x.example")])]);
    let state = h.state.clone();
    h.step();
    h.state = state;
    let (finished, _) = h.finish();
    assert_eq!((finished.pending_become, h.store.borrow().imports.len()), (OutcomeStatus::Updated, 1));
    // Killed between the request and the note: Marketo says that the list is busy, and later imports the same again.
    let mut h = creating();
    h.deliver(&[(ADD, "", &[("email", "new@x.example")])]);
    h.intervene("POST /bulk/v1/leads.json", Intervention::Lost);
    h.intervene("POST /bulk/v1/leads.json", refused("1019"));
    let step = |h: &Harness| Marketo::finish(&h.host, &h.config, &h.target, &h.run, h.state.clone());
    assert_eq!(step(&h).unwrap_err().kind, FaultKind::Transient);
    let busy = step(&h).unwrap_err();
    assert_eq!((busy.kind, busy.retry_after_ms), (FaultKind::RateLimited, Some(60_000)));
    h.finish();
    let store = h.store.borrow();
    assert_eq!(store.imports[0].csv, store.imports[1].csv);
}

#[test]
fn a_batch_that_comes_again_stands_in_the_file_once() {
    let mut h = creating();
    drop(h.try_deliver(&[(ADD, "", &[("email", "one@x.example")]), (ADD, "", &[("email", "two@x.example")])]).unwrap());
    h.deliver(&[(ADD, "", &[("email", "one@x.example")])]);
    h.deliver(&[(ADD, "", &[("email", "three@x.example")])]);
    h.finish();
    assert_eq!(h.store.borrow().imports[0].csv, "email,city\none@x.example,\nthree@x.example,\n");
}

#[test]
fn who_only_matches_goes_by_id_and_who_moves_by_calls() {
    let leads = [(1, "a@x.example"), (2, "b@x.example")];
    let mut h = Harness::new(&["id"], json!({"import_from_rows": 1}), Store::with(&leads));
    h.run.rows_expected = Some(2);
    h.prepare();
    // Was on the list as lead 1: no file takes it off.
    assert_eq!(shown(&h.deliver(&[(ADD, "", &[("id", "1")]), (ADD, "1", &[("id", "2")])])), ["pending", "updated"]);
    assert_eq!(h.members(), [2]);
    h.finish();
    assert_eq!(h.store.borrow().imports[0].csv, "id\n1\n");
    assert!(h.store.borrow().imports[0].query.contains("lookupField=id"));
}

#[test]
fn with_nobody_to_import_nothing_is_sent() {
    let mut h = creating();
    h.deliver(&[(REMOVE, "1", &[])]);
    let (finished, _) = h.finish();
    assert_eq!((finished.pending_become, h.store.borrow().imports.len()), (OutcomeStatus::Unchanged, 0));
}

#[test]
fn an_import_that_fails_or_is_gone_is_told_and_no_row_is_taken_for_done() {
    let failed = json!({"success": true, "result": [{"batchId": 1, "status": "Failed", "message": "out of disk"}]});
    for (answer, code) in [(Intervention::Instead(failed), "marketo.import-failed"), (refused("610"), "marketo.610")] {
        let mut h = creating();
        h.deliver(&[(ADD, "", &[("email", "new@x.example")])]);
        assert_eq!(h.step().pending_become, OutcomeStatus::Pending);
        h.intervene("GET /bulk/v1/leads/batch/1", answer);
        let fault = Marketo::finish(&h.host, &h.config, &h.target, &h.run, h.state.clone()).unwrap_err();
        assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Data, code));
        assert!(!fault.action.is_empty(), "{fault:?}");
        // Asked again, it is as far as it was: nothing was given up, nothing sent twice.
        let (finished, _) = h.finish();
        assert_eq!((finished.pending_become, h.store.borrow().imports.len()), (OutcomeStatus::Updated, 1));
    }
}

/// What Marketo says of fewer rows than it refused may be whole the next time; until then nobody is taken for done.
#[test]
fn a_file_of_failures_that_lacks_rows_is_asked_for_again() {
    let mut h = creating();
    h.deliver(&[
        (ADD, "", &[("email", "new@x.example")]),
        (ADD, "", &[("email", "bad@x.example")]),
        (ADD, "", &[("email", "worse@x.example")]),
    ]);
    h.step();
    let two = json!({"success": true, "result": [{"batchId": 1, "status": "Complete", "numOfRowsFailed": 2, "numOfRowsWithWarning": 1}]});
    h.store.borrow_mut().imports[0].failures =
        "email,city,Import Failure Reason\nbad@x.example,,Invalid email\nstranger@x.example,,Who\n".into();
    h.intervene("GET /bulk/v1/leads/batch/1", Intervention::Instead(two));
    let fault = Marketo::finish(&h.host, &h.config, &h.target, &h.run, h.state.clone()).unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Transient, "marketo.import-failures"));
    assert!(fault.message.contains("refused 2 rows") && fault.message.contains("of 1 which"), "{fault:?}");
    assert_eq!(h.host.logs(), ["warn Marketo imported rows with warnings batch=1 rows=1"]);
    // Now it is whole; its columns stand in another order.
    h.store.borrow_mut().imports[0].failures =
        "city,email,Import Failure Reason\n,bad@x.example,Invalid email\n,WORSE@x.example,\"No, never\"\n".into();
    let (finished, exceptions) = h.finish();
    assert_eq!(finished.pending_become, OutcomeStatus::Updated);
    let told: Vec<(&str, &str)> = exceptions.iter().map(|(key, o)| (key.as_str(), o.message.as_str())).collect();
    assert_eq!(told, [("key-1", "Invalid email"), ("key-2", "No, never")]);
}
