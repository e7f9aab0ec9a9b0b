//! A new event is asked about by the segments that it concerns and by no others: all that was known of the others holds.

use super::segments::{NOW, SetClock, change, members, persons, profile, send, started};
use attiva_core::Millis;
use attiva_core::Value;
use attiva_core::record::RecordChange;

const DAY: Millis = 86_400_000;

fn view(id: &str, page: &str, time: Millis) -> RecordChange {
    let text = |text: &str| Value::Text(text.to_owned());
    change(
        id,
        vec![
            ("type", text("view")),
            ("page", text(page)),
            ("time", Value::Timestamp(time)),
            ("person_key", text("a@t.T")),
        ],
    )
}

#[tokio::test]
async fn a_window_still_runs_out_after_an_event_that_does_not_concern_it() {
    let dir = tempfile::tempdir().unwrap();
    let clock = SetClock::at(NOW);
    let office = started(dir.path(), &clock).await;
    send(&office, "person", vec![change("a", vec![])]).await;
    let hot = persons(&office, "hot", "events.exists(e, e.page == \"/a\" && e.time.within(last(days(1))))").await;
    let asks = persons(&office, "asks", "inAudience(\"hot\")").await;
    send(&office, "activity", vec![view("e1", "/a", NOW)]).await;
    office.settled().await;
    let a = profile(&office, "person", "a");
    assert_eq!(
        (members(&office, &hot), members(&office, &asks)),
        (vec![a], vec![a]),
        "who asks for it follows at once"
    );
    send(&office, "activity", vec![view("e2", "/other", NOW)]).await;
    office.settled().await;
    assert_eq!(members(&office, &hot), [a]);
    clock.set(NOW + DAY);
    office.settled().await;
    assert_eq!((members(&office, &hot), members(&office, &asks)), (vec![], vec![]));
}

#[tokio::test]
async fn what_was_due_by_an_event_is_due_no_more_after_one_that_settles_it() {
    let dir = tempfile::tempdir().unwrap();
    let office = started(dir.path(), &SetClock::at(NOW)).await;
    send(&office, "person", vec![change("a", vec![])]).await;
    let known = persons(&office, "known", "now - events.min(e, e.time) > days(30)").await;
    send(&office, "activity", vec![view("e1", "/a", NOW)]).await;
    office.settled().await;
    assert_eq!(members(&office, &known), Vec::<i64>::new());
    assert!(office.store.next_due_membership().unwrap().is_some());
    send(&office, "activity", vec![view("e2", "/a", NOW - 100 * DAY)]).await;
    office.settled().await;
    assert_eq!(members(&office, &known), [profile(&office, "person", "a")]);
    // At once: when the month is over nobody knows any more whether it was due.
    assert_eq!(office.store.next_due_membership().unwrap(), None);
}

#[tokio::test]
async fn an_event_that_says_something_else_takes_back_what_it_did() {
    let dir = tempfile::tempdir().unwrap();
    let office = started(dir.path(), &SetClock::at(NOW)).await;
    send(&office, "person", vec![change("a", vec![])]).await;
    let seen = persons(&office, "seen", "events.exists(e, e.page == \"/a\")").await;
    send(&office, "activity", vec![view("e1", "/a", NOW)]).await;
    office.settled().await;
    assert_eq!(members(&office, &seen), [profile(&office, "person", "a")]);
    send(&office, "activity", vec![RecordChange { at: 5, ..view("e1", "/other", NOW) }]).await;
    office.settled().await;
    assert_eq!(members(&office, &seen), Vec::<i64>::new());
}
