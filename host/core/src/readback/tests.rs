use super::*;
use crate::Value;
use crate::ledger::Row;

fn member(id: u64) -> ReadMember {
    read_member(&[("id".to_owned(), id.to_string()), ("email".to_owned(), format!("{id}@x.com"))])
}

fn index(ids: &[u64]) -> Index {
    let mut index = Index::default();
    ids.iter().for_each(|id| index.add(&member(*id)));
    index.close();
    index
}

fn keys(id: u64) -> Vec<u64> {
    known_by(&["id".to_owned()].into(), Some(&id.to_string()), None)
}

fn held(since: Millis) -> Found {
    Found::Held { row: Row::from([("email".to_owned(), Value::Text("x".into()))]), since }
}

#[test]
fn each_member_is_judged_by_what_was_known_before_the_reading_began() {
    let mut index = index(&[1, 3, 4, 6, 9]);
    let began = 100;
    let cases = [
        (1, held(99), Judged::AsKnown),
        (2, held(99), Judged::Drift(DriftKind::Missing)),
        (3, held(100), Judged::Unsettled),
        (5, held(100), Judged::Unsettled),
        (4, Found::Unsettled { row: Row::new() }, Judged::Unsettled),
        (9, Found::Absent, Judged::Nothing),
    ];
    for (id, found, wanted) in cases {
        assert_eq!(judge(&mut index, &found, &keys(id), began), wanted, "{id}");
    }
    assert_eq!(judge_taken_out(&mut index, 99, &keys(6), began), Judged::Drift(DriftKind::Returned));
    assert_eq!(judge_taken_out(&mut index, 99, &keys(7), began), Judged::Nothing, "it is gone, as it shall be");
    assert_eq!(
        index.strangers().collect::<Vec<_>>(),
        [4],
        "the ninth is nobody's, though it was sent once and refused"
    );
}

#[test]
fn who_was_taken_out_and_is_another_ones_lead_has_not_come_back() {
    let mut index = index(&[1, 2]);
    // Two profiles that were one lead: the one is wanted, the other was taken out.
    assert_eq!(judge(&mut index, &held(1), &keys(1), 100), Judged::AsKnown);
    assert_eq!(judge_taken_out(&mut index, 50, &keys(1), 100), Judged::Nothing);
    assert_eq!(judge_taken_out(&mut index, 100, &keys(2), 100), Judged::Unsettled, "taken out meanwhile");
}

#[test]
fn who_is_told_twice_is_one_and_who_has_no_name_is_counted() {
    let mut index = Index::default();
    for told in [member(1), member(2), member(1), read_member(&[])] {
        index.add(&told);
    }
    index.close();
    assert_eq!((index.counts().there, index.counts().unnamed), (3, 1));
    assert_eq!(index.strangers().collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn where_nobody_was_recognised_nothing_is_repaired() {
    let counts = |there, unnamed, as_known, missing| Counts { there, unnamed, as_known, missing, ..Counts::default() };
    for (counts, may) in [
        (counts(3, 0, 2, 1), true),
        (counts(0, 0, 0, 5), true),
        (counts(3, 0, 0, 5), false),
        (counts(3, 1, 2, 1), false),
        (counts(3, 1, 3, 0), true),
    ] {
        assert_eq!(may_repair(&counts).is_ok(), may, "{counts:?}");
    }
}

fn new() -> Readback {
    let (id, activation) = (ReadbackId::new(0, [1; 6]), ActivationId::new(0, [2; 6]));
    Readback::new(id, activation, "t".into(), "p@1.0.0".into(), OnDrift::Report, 0)
}

fn page(next: Option<&[u8]>) -> Event {
    Event::Page { members: 3, fields: ["id".to_owned()].into(), next: next.map(<[u8]>::to_vec) }
}

fn failed(kind: FaultKind) -> Event {
    Event::Failed { fault: Fault::new(kind, "x", "x"), jitter: 0 }
}

#[test]
fn pages_follow_one_another_and_then_they_are_compared() {
    let mut it = new();
    assert_eq!(it.step(Event::Resumed, 0), Action::Read);
    assert_eq!(it.step(page(Some(b"a")), 0), Action::Read);
    assert_eq!((it.cursor.as_slice(), it.pages, it.read), (&b"a"[..], 1, 3));
    let back: Readback = serde_json::from_value(serde_json::to_value(&it).unwrap()).unwrap();
    assert_eq!(back, it, "it goes on after a kill as it was");
    assert_eq!(it.step(page(None), 0), Action::Compare);
    let counts = Counts { there: 6, as_known: 6, ..Counts::default() };
    let compared = Event::Compared { counts, strangers: Vec::new(), left_alone: None };
    assert_eq!(it.step(compared, 7), Action::End);
    assert_eq!((it.status, it.ended_at, it.counts.there), (ReadbackStatus::Succeeded, Some(7), 6));
}

#[test]
fn a_cancellation_ends_it_as_long_as_nothing_follows_from_it() {
    let reading = |on_drift: OnDrift| {
        let mut it = new();
        it.on_drift = on_drift;
        it.step(page(Some(b"a")), 0);
        it
    };
    let comparing = |on_drift: OnDrift| {
        let mut it = reading(on_drift);
        it.step(page(None), 0);
        it
    };
    let mut waits = reading(OnDrift::Repair);
    assert!(matches!(waits.step(failed(FaultKind::Transient), 0), Action::WaitUntil(_)));
    for (mut it, ends) in [
        (new(), true),
        (reading(OnDrift::Repair), true),
        (waits, true),
        (comparing(OnDrift::Report), true),
        (comparing(OnDrift::Repair), false),
    ] {
        let (phase, cut) = (it.phase, it.may_be_cut());
        let action = it.step(Event::CancelRequested, 9);
        assert_eq!((cut, action == Action::End, it.status.has_ended()), (ends, ends, ends), "{phase:?}");
        if ends {
            assert_eq!((it.status, it.ended_at, it.fault), (ReadbackStatus::Cancelled, Some(9), None));
        } else {
            assert_eq!(action, Action::Compare, "half of what it puts right is no state that anybody asked for");
            let counts = Counts { there: 6, repaired: 1, ..Counts::default() };
            it.step(Event::Compared { counts, strangers: Vec::new(), left_alone: None }, 10);
            assert_eq!((it.status, it.counts.repaired), (ReadbackStatus::Succeeded, 1));
        }
    }
}

#[test]
fn what_passes_is_waited_for_and_a_lost_place_is_begun_anew() {
    let mut it = new();
    it.step(page(Some(b"a")), 0);
    assert!(matches!(it.step(failed(FaultKind::Transient), 0), Action::WaitUntil(until) if until > 0));
    assert_eq!(it.status, ReadbackStatus::Waiting);
    assert_eq!(it.step(Event::Resumed, i64::MAX), Action::Read);
    assert_eq!(it.step(failed(FaultKind::Quota), 0), Action::WaitUntil(15 * 60 * 1000), "the day's calls are spent");
    assert_eq!(it.step(failed(FaultKind::Data), i64::MAX - 1), Action::Forget);
    assert_eq!(it.step(Event::Forgotten, i64::MAX), Action::Read);
    assert_eq!((it.cursor.len(), it.pages, it.read, it.restarts), (0, 0, 0, 1));
    // At the first page there is no place to be lost.
    assert_eq!(it.step(failed(FaultKind::Data), i64::MAX), Action::End);
    assert_eq!((it.status, it.fault.is_some()), (ReadbackStatus::Failed, true));
    let mut refused = new();
    refused.step(page(Some(b"a")), 0);
    assert_eq!(refused.step(failed(FaultKind::Unsupported), 0), Action::End);
}

#[test]
fn it_starts_by_itself_when_its_time_has_passed() {
    let hourly = ReadbackSetting { every_seconds: Some(3600), ..ReadbackSetting::default() };
    assert!(hourly.check().is_ok() && hourly.is_due(None, 0));
    assert!(!hourly.is_due(Some(0), 3_599_999) && hourly.is_due(Some(0), 3_600_000));
    assert!(!ReadbackSetting::default().is_due(None, 0));
    let often = ReadbackSetting { every_seconds: Some(10), ..hourly };
    assert_eq!(often.check().unwrap_err().0, "/every_seconds");
}
