//! Evaluations that somebody cancels: what has its result keeps it, and no audience is half of before and half of after.

use super::segments::{NOW, SetClock, change, ended, evaluate, key, members, open, persons, send, started, text};
use attiva_core::evaluation::{Evaluation, EvaluationStatus};
use attiva_core::id::{EvaluationId, SegmentId};
use attiva_core::ports::store::{DocumentWrite, Expect, Kind, SandboxStore};
use attiva_core::record::RecordChange;
use attiva_store::{Death, Options, Sandbox};
use attiva_sync::EngineOptions;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// More than one commit of an evaluation takes.
const PEOPLE: usize = 2_100;
const RULE: &str = "person.accounts.exists(a, a.industry == \"Finance\")";

/// Two segments of nobody, whose rule everybody meets since their last evaluation.
async fn prepared(dir: &Path, clock: &Arc<SetClock>) -> [SegmentId; 2] {
    let office = started(dir, clock).await;
    send(&office, "account", vec![change("x", vec![])]).await;
    let person = |n: usize| change(&format!("p{n}"), vec![("account_key", key("x"))]);
    let people: Vec<RecordChange> = (0..PEOPLE).map(person).collect();
    for some in people.chunks(700) {
        send(&office, "person", some.to_vec()).await;
    }
    let segments = [persons(&office, "1", RULE).await, persons(&office, "2", &format!("{RULE} || false")).await];
    office.settled().await;
    evaluate(&office, "before").await;
    let finance = RecordChange { at: 2, ..change("x", vec![("industry", text("Finance"))]) };
    send(&office, "account", vec![finance]).await;
    office.settled().await;
    office.stop().await;
    segments
}

fn id() -> EvaluationId {
    EvaluationId::parse("evl_x").unwrap()
}

fn kept(store: &dyn SandboxStore) -> Option<Evaluation> {
    let found = store.document(Kind::Evaluation, id().as_str()).ok()??;
    Some(serde_json::from_value(found.body).unwrap())
}

/// What a kill after so many writes leaves.
async fn killed(dir: &Path, clock: &Arc<SetClock>, at_write: u64) {
    let death = Some(Death { at_write, kept: true });
    let office = open(dir, clock, EngineOptions::default(), death).await;
    let _ = office.engine.start_evaluation(Vec::new(), id()).await;
    let has_ended = || kept(office.store.as_ref()).is_some_and(|it| it.status.has_ended());
    while office.store.document(Kind::Segment, "seg_1").is_ok() && !has_ended() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    office.stop().await;
}

/// It was cut off in the middle of a segment, and cancelled before the host was back: half of the segment's members are of
/// after, so the rest follows, and the other segment stays as it was.
#[tokio::test]
async fn what_was_cut_off_in_the_middle_of_an_audience_ends_with_it_whole() {
    let clock = SetClock::at(NOW);
    for at_write in 1..60 {
        let dir = tempfile::tempdir().unwrap();
        let segments = prepared(dir.path(), &clock).await;
        killed(dir.path(), &clock, at_write).await;
        let store = Sandbox::open(dir.path(), &Options::default()).unwrap();
        let cut = kept(store.as_ref());
        let Some(midway) = cut.and_then(|it| segments.iter().position(|segment| it.is_midway(segment))) else {
            continue;
        };
        let body = serde_json::to_value(NOW).unwrap();
        let wish = DocumentWrite { kind: Kind::Cancellation, id: id().to_string(), body };
        store.put_document(wish, Expect::Absent).await.unwrap();
        drop(store);

        let office = started(dir.path(), &clock).await;
        let evaluation = ended(&office, &id()).await;
        assert_eq!(evaluation.status, EvaluationStatus::Cancelled);
        let counts = segments.each_ref().map(|segment| members(&office, segment).len());
        assert_eq!((midway, counts), (0, [PEOPLE, 0]), "{evaluation:?}");
        let code = |segment: &SegmentId| {
            let of = evaluation.segments.iter().find(|it| it.segment == *segment).unwrap();
            of.fault.as_ref().map(|fault| fault.code.clone())
        };
        assert_eq!(segments.each_ref().map(code), [None, Some("evaluation.cancelled".to_owned())]);
        // The next one has the rest.
        evaluate(&office, "next").await;
        assert_eq!(segments.each_ref().map(|segment| members(&office, segment).len()), [PEOPLE, PEOPLE]);
        assert!(!office.engine.is_evaluation_cancelled(&id()).unwrap(), "a wish that was followed is still on record");
        return;
    }
    panic!("no write was in the middle of an audience");
}

/// Whichever comes first, its begin or the wish: it has one end, and one that has ended is not cancelled.
#[tokio::test]
async fn what_has_not_begun_ends_at_once_and_what_has_ended_stays() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), SetClock::at(NOW));
    let segments = prepared(dir.path(), &clock).await;
    let office = started(dir.path(), &clock).await;
    office.engine.start_evaluation(Vec::new(), id()).await.unwrap();
    let told = office.engine.cancel_evaluation(&id()).await.unwrap().status;
    let evaluation = ended(&office, &id()).await;
    let counts = segments.each_ref().map(|segment| members(&office, segment).len());
    match (told, evaluation.status) {
        (EvaluationStatus::Cancelled, EvaluationStatus::Cancelled) => assert_eq!(counts, [0, 0]),
        (EvaluationStatus::Cancelling, EvaluationStatus::Cancelled) => assert_eq!(counts[1], 0),
        (_, EvaluationStatus::Succeeded) => assert_eq!(counts, [PEOPLE, PEOPLE]),
        other => panic!("{other:?}"),
    }
    let next = evaluate(&office, "next").await;
    assert_eq!(next.status, EvaluationStatus::Succeeded);
    let again = office.engine.cancel_evaluation(&next.id).await.unwrap();
    assert_eq!(again.status, EvaluationStatus::Succeeded);
}
