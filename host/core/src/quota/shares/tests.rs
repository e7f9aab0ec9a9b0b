//! Streams that share a day: who may go on, at which hour.

use super::*;
use crate::quota::{Turn, User};
use crate::time::parse_timestamp;

const PLUGIN: &str = "source-x@1.0.0";
/// The day's last two minutes are the vendor's next day already, perhaps.
const ENDS: &str = "2026-11-29T00:02:00Z";

/// So many hours before the day ends.
fn before(hours: i64) -> Moment {
    let wall = parse_timestamp(ENDS).unwrap() - hours * 3_600_000;
    Moment { wall, steady: u64::try_from(24 - hours).unwrap() * 3_600_000 }
}

/// 1,000 calls a day, of which streams have half: `a` 200, `b` 200, the others 100.
fn quota() -> Quota {
    let rates = [
        Rate::Day { calls: Some(1_000), resets: "UTC0".into(), told_by: None, refused_by: Vec::new() },
        Rate::Streams { percent: 50, shares: [("a".to_owned(), 40), ("b".to_owned(), 40)].into() },
    ];
    let mut quota = Quota::default();
    quota.declare(PLUGIN, &rates);
    quota.advance(before(24));
    quota
}

/// Makes calls of a stream, whatever its share.
fn spend(quota: &mut Quota, stream: Option<&str>, calls: u64, now: Moment) {
    for _ in 0..calls {
        let user = User {
            organisation: "org".into(),
            connection: "con".into(),
            plugin: PLUGIN.into(),
            stream: stream.map(Into::into),
        };
        let ticket = quota.enter(user, Priority::Interactive, now);
        while quota.turn(ticket, now) == Turn::Reserve {
            let reservation = quota.reserve(now);
            quota.reserved(&reservation);
        }
        quota.end(super::super::Ending::Answered, now);
    }
}

/// Has a stream read, a call a page, until it may not: how many calls that were, and why it ended.
fn drain(quota: &mut Quota, stream: &str, now: Moment) -> (u64, NoRoom) {
    for calls in 0..10_000 {
        match quota.room(PLUGIN, stream, Priority::Interactive, now) {
            Ok(()) => spend(quota, Some(stream), 1, now),
            Err(why) => return (calls, why),
        }
    }
    panic!("nothing ends it");
}

#[test]
fn a_hungry_stream_takes_its_own_share_and_nobody_elses() {
    let mut quota = quota();
    let (calls, why) = drain(&mut quota, "a", before(24));
    let until = before(24).wall + LOOK_AGAIN_MS;
    assert_eq!((calls, why), (200, NoRoom::Share { share: 200, spent: 200, until }));
    // However hungry it was, the other has all of its own; and who looks around, too.
    assert_eq!(drain(&mut quota, "b", before(24)).0, 200);
    assert_eq!(drain(&mut quota, "a stream without a share", before(24)).0, 100);
    let spent = NoRoom::Spent { most: 500, ends: parse_timestamp(ENDS).unwrap(), until };
    assert_eq!(quota.room(PLUGIN, "b", Priority::Interactive, before(24)), Err(spent));
    assert_eq!(quota.room("destination-x@1.0.0", "b", Priority::Interactive, before(24)), Ok(()), "it divides nothing");
}

#[test]
fn what_nobody_needed_in_the_hours_that_have_passed_all_may_have() {
    let mut quota = quota();
    assert_eq!(drain(&mut quota, "a", before(24)).0, 200);
    // At noon half of what the others were kept is free, and what they may still need is not.
    assert_eq!(drain(&mut quota, "a", before(12)).0, 150);
    let mut noon = super::super::Quota::default();
    noon.go_on_from(&quota, before(12));
    assert_eq!(drain(&mut quota, "b", before(12)).0, 100);
    assert_eq!(drain(&mut noon, "a", before(6)).0, 75);
    assert_eq!(drain(&mut noon, "a", before(0)).0, 200, "the next day has begun");
}

#[test]
fn a_stream_that_was_patient_finds_what_is_left_of_its_share_and_no_more() {
    let mut quota = quota();
    spend(&mut quota, Some("b"), 150, before(20));
    // Of the 200 of `b`, 50 are left, and not a share for the hours that are left beside what it has had.
    let (calls, _) = drain(&mut quota, "a", before(18));
    assert_eq!(calls, 500 - 150 - 50 - 75);
    assert_eq!(drain(&mut quota, "b", before(18)).0, 50);
}

#[test]
fn of_its_own_share_a_backfill_leaves_some_to_what_is_up_to_date() {
    let mut quota = quota();
    spend(&mut quota, Some("a"), 180, before(24));
    assert!(quota.room(PLUGIN, "a", Priority::Backfill, before(24)).is_err());
    assert_eq!(quota.room(PLUGIN, "a", Priority::Interactive, before(24)), Ok(()));
}

#[test]
fn an_operator_divides_otherwise_and_a_restart_forgets_nothing() {
    let mut quota = quota();
    spend(&mut quota, Some("a"), 200, before(24));
    let mut again = super::super::Quota::default();
    again.go_on_from(&quota, before(23));
    assert!(again.room(PLUGIN, "a", Priority::Interactive, before(24)).is_err(), "it is known what was spent");
    again.set(vec![Setting::Streams { percent: 100, shares: Some([("a".to_owned(), 30)].into()) }]);
    assert_eq!(drain(&mut again, "a", before(24)).0, 100);
    again.set(vec![Setting::Streams { percent: 100, shares: Some(BTreeMap::new()) }]);
    assert_eq!(drain(&mut again, "a", before(24)).0, 700, "whoever comes first");
    let shown = again.shown(before(24));
    assert_eq!(
        shown.shares.iter().map(|s| (s.stream.as_str(), s.calls, s.spent)).collect::<Vec<_>>(),
        [("", 1_000, 1_000)]
    );
    again.set(vec![Setting::Day { calls: 3_000 }]);
    let shown = again.shown(before(24));
    let of = |stream: &str| shown.shares.iter().find(|s| s.stream == stream).map(|s| (s.percent, s.calls, s.spent));
    assert_eq!((of("a"), of("b"), of("")), (Some((40, 600, 1_000)), Some((40, 600, 0)), Some((20, 300, 0))));
}

#[test]
fn a_day_that_frees_up_call_by_call_is_not_divided() {
    let mut quota = Quota::default();
    let day = Rate::Day { calls: Some(10), resets: "rolling".into(), told_by: None, refused_by: Vec::new() };
    quota.declare(PLUGIN, &[day, Rate::Streams { percent: 1, shares: BTreeMap::new() }]);
    assert_eq!(quota.room(PLUGIN, "a", Priority::Backfill, before(1)), Ok(()));
}

impl Quota {
    /// As another process goes on with what this one kept.
    fn go_on_from(&mut self, before: &Self, now: Moment) {
        for (by, rates) in &before.declared {
            self.declare(by, rates);
        }
        let kept = serde_json::to_string(&before.kept(now, 0)).unwrap();
        self.restore(&serde_json::from_str(&kept).unwrap(), now);
    }
}
