//! Who belongs, asked at a request.

use super::segments::{NOW, SetClock, change, persons, send, started, view};
use super::support::tables::Office;
use attiva_core::event::Event;
use attiva_core::id::SegmentId;
use attiva_core::identity::Identity;
use attiva_core::record::{Fields, RecordChange};
use attiva_core::time::DAY_MS;
use attiva_core::{Millis, Value};
use attiva_sync::{EdgeAnswer, EdgeBasis, EdgeEvent, EdgeQuestion};
use std::collections::BTreeMap;

/// Every audience of persons, by whether somebody is in it, where the request says nothing of its own.
pub(crate) async fn answers(office: &Office, source_key: &str) -> BTreeMap<SegmentId, bool> {
    let question = EdgeQuestion { identities: vec![Identity::source_key(source_key)], ..EdgeQuestion::default() };
    let answer = office.engine.ask_edge(question).await.unwrap();
    assert!(answer.profile.is_some() && answer.unanswered.is_empty(), "{answer:?}");
    let by = |basis: EdgeBasis| {
        answer.audiences.iter().any(|it| it.by == basis && it.result_of.is_some() == (basis == EdgeBasis::Batch))
    };
    assert!(by(EdgeBasis::Request) && by(EdgeBasis::Streaming) && by(EdgeBasis::Batch), "{answer:?}");
    answer.audiences.into_iter().map(|it| (it.segment, it.is_member)).collect()
}

fn of(source_key: &str, event: Option<EdgeEvent>) -> EdgeQuestion {
    EdgeQuestion { identities: vec![Identity::source_key(source_key)], event, ..EdgeQuestion::default() }
}

fn inside(answer: &EdgeAnswer) -> Vec<&str> {
    let mut names: Vec<&str> = answer.audiences.iter().filter(|it| it.is_member).map(|it| it.name.as_str()).collect();
    names.sort_unstable();
    names
}

fn happens(time: Millis, page: &str) -> EdgeEvent {
    let attributes = vec![("page".to_owned(), Value::Text(page.to_owned()))];
    let event = Event { time, event_type: "view".into(), subjects: Vec::new(), attributes, native: Fields::default() };
    EdgeEvent { source_key: None, event }
}

#[tokio::test]
async fn a_day_of_events_is_read_to_the_millisecond_and_the_request_counts_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let clock = SetClock::at(NOW);
    let office = started(dir.path(), &clock).await;
    send(&office, "person", vec![change("a", vec![("person_score", Value::Integer(7))]), change("b", vec![])]).await;
    persons(&office, "since", "events.exists(e, e.time >= now - days(1))").await;
    persons(&office, "within", "events.exists(e, e.time.within(last(days(1))))").await;
    persons(&office, "twice", "events.atLeast(2, e, e.time >= now - days(1) && e.page == \"/pricing\")").await;
    persons(&office, "quiet", "events.none(e, e.time >= now - days(1))").await;
    send(&office, "activity", vec![view("e1", "a", NOW - DAY_MS), view("e2", "b", NOW - DAY_MS - 1)]).await;
    office.settled().await;
    let ask = async |question: EdgeQuestion| office.engine.ask_edge(question).await.unwrap();
    assert_eq!(inside(&ask(of("a@t.T", None)).await), ["since"]);
    assert_eq!(inside(&ask(of("b@t.T", None)).await), ["quiet"]);
    let answer = ask(of("a@t.T", Some(happens(NOW, "/pricing")))).await;
    assert_eq!(inside(&answer), ["since", "twice", "within"]);
    assert_eq!(inside(&ask(of("a@t.T", Some(happens(NOW, "/home")))).await), ["since", "within"]);
    // An event of a page that somebody had open since yesterday.
    assert_eq!(inside(&ask(of("b@t.T", Some(happens(NOW - DAY_MS - 1, "/home")))).await), ["quiet"]);
    assert_eq!(inside(&ask(of("nobody@t.T", Some(happens(NOW, "/pricing")))).await), ["since", "within"]);
    // A millisecond later the day has gone on.
    clock.set(NOW + 1);
    assert_eq!(inside(&ask(of("a@t.T", None)).await), ["quiet"]);
}

#[tokio::test]
async fn what_cannot_be_answered_is_named_and_the_rest_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let office = started(dir.path(), &SetClock::at(NOW)).await;
    send(&office, "person", vec![change("a", vec![("person_score", Value::Integer(7))])]).await;
    let seven = persons(&office, "seven", "person.person_score == 7").await;
    let zero = persons(&office, "zero", "10 / (person.person_score - 7) > 1").await;
    persons(&office, "above", "!inAudience(\"zero\") && person.person_score == 7").await;
    let recent = persons(&office, "recent", "events.exists(e, e.time.within(last(days(1))))").await;
    office.settled().await;
    let unanswered = |answer: &EdgeAnswer| -> Vec<(SegmentId, String)> {
        answer.unanswered.iter().map(|(segment, fault)| (segment.clone(), fault.code.clone())).collect()
    };
    let answer = office.engine.ask_edge(of("a@t.T", None)).await.unwrap();
    // Who asks for what could not be answered does not know, and is out.
    assert_eq!(inside(&answer), ["seven"]);
    assert_eq!(unanswered(&answer).iter().map(|(segment, _)| segment).collect::<Vec<_>>(), [&zero]);
    // More of a day than is read while somebody waits: the rest of the answer is there.
    let events: Vec<RecordChange> = (0..5_001).map(|n| view(&format!("e{n}"), "a", NOW - n)).collect();
    send(&office, "activity", events).await;
    let answer = office.engine.ask_edge(of("a@t.T", None)).await.unwrap();
    assert!(unanswered(&answer).contains(&(recent, "segment.budget".to_owned())), "{answer:?}");
    assert!(answer.audiences.iter().any(|it| it.segment == seven && it.is_member), "{answer:?}");
}
