//! Budgets under any interleaving of calls, ends, kills and restarts; and tables of what is told.

use super::*;
use crate::spec::ToldBy;
use crate::time::parse_timestamp;
use crate::{Fault, FaultKind};
use proptest::prelude::*;

const START: &str = "2026-11-28T23:50:00Z";

fn at(steady: u64) -> Moment {
    Moment { wall: parse_timestamp(START).unwrap().saturating_add_unsigned(steady), steady }
}

fn user(organisation: &str, connection: &str) -> User {
    User { organisation: organisation.into(), connection: connection.into(), plugin: String::new(), stream: None }
}

fn day(calls: u32, resets: &str) -> Rate {
    Rate::Day { calls: Some(calls), resets: resets.into(), told_by: None, refused_by: vec!["x.day".into()] }
}

fn quota(rates: &[Rate]) -> Quota {
    let mut quota = Quota::default();
    quota.declare("source-x", rates);
    quota.advance(at(0));
    quota
}

/// Lets a call begin, keeping what has to be kept.
fn begin(quota: &mut Quota, who: &str, priority: Priority, now: Moment) -> Result<(), Wait> {
    let ticket = quota.enter(user("org", who), priority, now);
    for _ in 0..3 {
        match quota.turn(ticket, now) {
            Turn::Begun => return Ok(()),
            Turn::Reserve => {
                let reservation = quota.reserve(now);
                quota.reserved(&reservation);
            }
            Turn::Wait(wait) => {
                quota.leave(ticket);
                return Err(wait);
            }
        }
    }
    panic!("a reservation that is kept lets its calls begin");
}

/// One call as the vendor may see it: at any moment from the one to the other.
#[derive(Debug, Clone, Copy)]
struct Call {
    begun: u64,
    ended: u64,
}

#[derive(Debug, Clone)]
enum Step {
    Begin {
        who: usize,
        priority: usize,
    },
    /// The n-th of those running ends, or is cut off.
    End {
        which: usize,
        cut_off: bool,
    },
    Pass {
        ms: u64,
    },
    /// The process dies, before or after the reservation it was about to keep was kept.
    Kill {
        down_ms: u64,
    },
    Stop {
        down_ms: u64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..3_usize, 0..3_usize).prop_map(|(who, priority)| Step::Begin { who, priority }),
        6 => (any::<usize>(), prop::bool::weighted(0.1)).prop_map(|(which, cut_off)| Step::End { which, cut_off }),
        4 => prop_oneof![0..50_u64, 0..5_000_u64, 100_000..300_000_u64].prop_map(|ms| Step::Pass { ms }),
        1 => (0..30_000_u64).prop_map(|down_ms| Step::Kill { down_ms }),
        1 => (0..30_000_u64).prop_map(|down_ms| Step::Stop { down_ms }),
    ];
    prop::collection::vec(step, 1..120)
}

/// Runs the steps, and returns every call that was made.
fn run(rates: &[Rate], steps: &[Step], keeps: &[bool]) -> (Vec<Call>, u64) {
    let mut keeps = keeps.iter().copied().cycle();
    let mut quota = quota(rates);
    let (mut now, mut kept, mut running, mut calls) = (0, None::<Kept>, Vec::<u64>::new(), Vec::new());
    let mut most_at_once = 0;
    let priorities = [Priority::Interactive, Priority::Streaming, Priority::Backfill];
    for step in steps {
        match *step {
            Step::Pass { ms } => now += ms,
            Step::Begin { who, priority } => {
                let ticket =
                    quota.enter(user(["a", "a", "b"][who], ["1", "2", "3"][who]), priorities[priority], at(now));
                if quota.turn(ticket, at(now)) == Turn::Reserve {
                    let reservation = quota.reserve(at(now));
                    kept = Some(reservation.kept.clone());
                    // Whoever was to say so may have gone away.
                    if keeps.next().unwrap_or(true) {
                        quota.reserved(&reservation);
                    }
                }
                match quota.turn(ticket, at(now)) {
                    Turn::Begun => running.push(now),
                    _ => quota.leave(ticket),
                }
                most_at_once = most_at_once.max(running.len() as u64);
            }
            Step::End { which, cut_off } if !running.is_empty() => {
                let begun = running.remove(which % running.len());
                quota.end(if cut_off { Ending::CutOff } else { Ending::Answered }, at(now));
                calls.push(Call { begun, ended: if cut_off { now + LINGER_MS } else { now } });
            }
            Step::End { .. } => {}
            Step::Kill { down_ms } | Step::Stop { down_ms } => {
                if matches!(step, Step::Stop { .. }) {
                    for _ in &running {
                        quota.end(Ending::Answered, at(now));
                    }
                    kept = Some(quota.rest(at(now)));
                }
                calls.extend(running.drain(..).map(|begun| Call { begun, ended: now }));
                // What is under way when the process dies has reached the vendor by then, or never will.
                calls.iter_mut().for_each(|call| call.ended = call.ended.min(now));
                now += down_ms;
                quota = self::quota(rates);
                if let Some(kept) = &kept {
                    let text = serde_json::to_string(kept).unwrap();
                    quota.restore(&serde_json::from_str(&text).unwrap(), at(now));
                }
            }
        }
    }
    calls.extend(running.drain(..).map(|begun| Call { begun, ended: now }));
    (calls, most_at_once)
}

/// The most calls that a vendor may have seen in one window, whenever each of them reached it.
fn most_in_window(calls: &[Call], length: u64) -> usize {
    let from = calls.iter().map(|call| call.ended);
    from.map(|t| calls.iter().filter(|call| call.ended >= t && call.begun <= t + length).count()).max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_limit_is_ever_exceeded(
        steps in steps(),
        keeps in prop::collection::vec(prop::bool::weighted(0.9), 8),
        window in 1..12_u32,
        seconds in 1..20_u32,
        at_once in 1..5_u32,
        a_day in 3..60_u32,
        rolling in any::<bool>(),
    ) {
        let resets = if rolling { "rolling" } else { "UTC0" };
        let rates = [Rate::window(window, seconds), Rate::window(window * 3, 60), Rate::concurrent(at_once), day(a_day, resets)];
        let (calls, most_at_once) = run(&rates, &steps, &keeps);
        prop_assert!(most_in_window(&calls, u64::from(seconds) * 1000) <= window as usize, "{calls:?}");
        prop_assert!(most_in_window(&calls, 60_000) <= 3 * window as usize, "{calls:?}");
        prop_assert!(most_at_once <= u64::from(at_once));
        // The vendor's midnight is ten minutes after the start, by its own clock.
        let midnight = 600_000_u64;
        for skew in [0_u64, 20_000, 120_000] {
            let before = |call: &&Call| call.begun < midnight + skew;
            let after = |call: &&Call| call.begun + skew >= midnight;
            if rolling {
                prop_assert!(calls.len() <= a_day as usize, "all of it is less than a day");
            } else {
                let counted = calls.iter().filter(|call| before(call) && call.begun <= midnight).count();
                prop_assert!(counted <= a_day as usize, "{counted} before midnight");
                let next = calls.iter().filter(|call| after(call) && call.begun < midnight + 86_400_000).count();
                prop_assert!(next <= a_day as usize, "{next} after midnight, by a clock {skew} ms off");
            }
        }
    }

    /// However others press, whoever waits gets a turn once a call can begin at all.
    #[test]
    fn nobody_waits_for_ever(at_once in 1..3_u32, pressing in 1..6_usize, seconds in 1..3_u32) {
        let mut quota = quota(&[Rate::concurrent(at_once), Rate::window(at_once + 2, seconds)]);
        let waits = quota.enter(user("a", "backfill"), Priority::Backfill, at(0));
        let mut tickets = Vec::new();
        let mut now = 0;
        for _ in 0..2_000 {
            now += 100;
            while tickets.len() < pressing {
                tickets.push(quota.enter(user("b", "press"), Priority::Interactive, at(now)));
            }
            let mut begun = Vec::new();
            for ticket in std::iter::once(waits).chain(tickets.iter().copied()) {
                let mut turn = quota.turn(ticket, at(now));
                if turn == Turn::Reserve {
                    let reservation = quota.reserve(at(now));
                    quota.reserved(&reservation);
                    turn = quota.turn(ticket, at(now));
                }
                if turn == Turn::Begun {
                    begun.push(ticket);
                }
            }
            if begun.contains(&waits) {
                prop_assert!(now < 120_000, "{now}");
                return Ok(());
            }
            tickets.retain(|ticket| !begun.contains(ticket));
            for _ in begun {
                quota.end(Ending::Answered, at(now));
            }
        }
        prop_assert!(false, "it still waits");
    }
}

#[test]
fn a_window_names_when_the_next_call_may_begin() {
    let mut quota = quota(&[Rate::window(2, 20), Rate::window(3, 60), Rate::concurrent(9)]);
    let mut call = |ms: u64| {
        let begun = begin(&mut quota, "a", Priority::Interactive, at(ms));
        if begun.is_ok() {
            quota.end(Ending::Answered, at(ms));
        }
        begun
    };
    assert_eq!(call(0), Ok(()));
    assert_eq!(call(5_000), Ok(()));
    assert_eq!(call(6_000), Err(Wait::Window { until: Some(20_001) }));
    assert_eq!(call(20_000), Err(Wait::Window { until: Some(20_001) }));
    assert_eq!(call(20_001), Ok(()));
    assert_eq!(call(26_000), Err(Wait::Window { until: Some(60_001) }), "the longer window now holds");
    assert_eq!(call(60_001), Ok(()));
}

#[test]
fn a_backfill_leaves_the_rest_of_every_limit_to_a_look_up() {
    let mut quota = quota(&[day(20, "UTC0"), Rate::concurrent(100)]);
    let mut backfilled = 0;
    while begin(&mut quota, "bulk", Priority::Backfill, at(0)).is_ok() {
        backfilled += 1;
    }
    assert_eq!(backfilled, 18);
    assert_eq!(begin(&mut quota, "stream", Priority::Streaming, at(0)), Ok(()));
    let until = parse_timestamp("2026-11-29T00:02:00Z").unwrap();
    assert_eq!(begin(&mut quota, "stream", Priority::Streaming, at(0)), Err(Wait::Day { until }));
    assert_eq!(begin(&mut quota, "person", Priority::Interactive, at(0)), Ok(()));
    assert_eq!(begin(&mut quota, "person", Priority::Interactive, at(0)), Err(Wait::Day { until }));
    let shown = quota.shown(at(0));
    assert_eq!(shown.users, BTreeMap::from([("bulk".into(), 18), ("stream".into(), 1), ("person".into(), 1)]));
    let of_day = shown.limits.last().unwrap();
    assert_eq!((of_day.spent, of_day.left, of_day.frees_at), (20, Some(0), Some(until)));
}

#[test]
fn several_connectors_declare_and_an_operator_has_the_last_word() {
    let mut quota = Quota::default();
    quota.declare("source-x", &[Rate::window(50, 20), Rate::concurrent(5), day(1_000, "UTC0")]);
    quota.declare("destination-x", &[Rate::window(40, 20), Rate::concurrent(9), Rate::window(9, 1)]);
    let said = |quota: &mut Quota| -> Vec<(&'static str, Option<u64>)> {
        quota.shown(at(0)).limits.iter().map(|limit| (limit.kind, limit.calls)).collect()
    };
    let all = [("window", Some(40)), ("window", Some(9)), ("concurrent", Some(5)), ("day", Some(1_000))];
    let mut found = said(&mut quota);
    found.sort_unstable_by_key(|(kind, calls)| (std::cmp::Reverse(*kind), std::cmp::Reverse(*calls)));
    assert_eq!(found, [all[0], all[1], all[3], all[2]]);
    for _ in 0..3 {
        begin(&mut quota, "a", Priority::Streaming, at(0)).unwrap();
    }
    quota.set(vec![Setting::Day { calls: 3 }, Setting::Window { seconds: 20, calls: 80 }]);
    assert!(matches!(begin(&mut quota, "a", Priority::Interactive, at(0)), Err(Wait::Day { .. })));
    let shown = quota.shown(at(0));
    let of_day = shown.limits.iter().find(|limit| limit.kind == "day").unwrap();
    assert_eq!((of_day.declared, of_day.set, of_day.spent), (Some(1_000), Some(3), 3), "what is counted stays");
    quota.set(Vec::new());
    assert_eq!(begin(&mut quota, "a", Priority::Interactive, at(0)), Ok(()));
}

fn refusal(kind: FaultKind, code: &str) -> Fault {
    Fault::new(kind, code, "too many")
}

#[test]
fn what_somebody_else_uses_is_seen_and_held_back_from() {
    let window = Rate::Window { calls: 40, seconds: 20, refused_by: vec!["x.606".into()] };
    let at_once = Rate::Concurrent { calls: 4, refused_by: vec!["x.615".into()] };
    let mut quota = quota(&[window, at_once, day(100, "UTC0")]);
    begin(&mut quota, "a", Priority::Streaming, at(0)).unwrap();
    quota.end(Ending::Answered, at(10));
    assert_eq!(quota.refused(&refusal(FaultKind::RateLimited, "x.other"), at(10)), None, "not about calls");
    let foreign = quota.refused(&refusal(FaultKind::RateLimited, "x.606").retry_after_ms(20_000), at(10)).unwrap();
    assert_eq!((foreign.kind.as_str(), foreign.counted, foreign.most), ("window", 1, Some(40)));
    assert_eq!(begin(&mut quota, "a", Priority::Interactive, at(20)), Err(Wait::Concurrent { until: Some(20_010) }));
    assert_eq!(begin(&mut quota, "a", Priority::Interactive, at(20_010)), Ok(()));
    quota.end(Ending::Answered, at(20_020));
    assert_eq!(quota.shown(at(20_020)).limits[0].calls, Some(20), "half of it, and more as it stays quiet");
    assert_eq!(quota.shown(at(400_000)).limits[0].calls, Some(40));

    assert_eq!(
        quota.refused(&refusal(FaultKind::RateLimited, "x.615").retry_after_ms(1), at(400_000)).unwrap().kind,
        "concurrent"
    );
    assert_eq!(quota.refused(&refusal(FaultKind::Quota, "x.day"), at(400_000)).unwrap().kind, "day");
    let until = parse_timestamp("2026-11-29T00:02:00Z").unwrap();
    let refused = begin(&mut quota, "a", Priority::Interactive, at(410_000));
    assert_eq!(refused, Err(Wait::Day { until }));
    let mut restarted = super::tests::quota(&[day(100, "UTC0")]);
    restarted.restore(&quota.rest(at(410_000)), at(410_000));
    assert_eq!(begin(&mut restarted, "a", Priority::Interactive, at(410_000)), Err(Wait::Day { until }));
    restarted.release();
    assert_eq!(begin(&mut restarted, "a", Priority::Interactive, at(410_000)), Ok(()));
}

#[test]
fn what_the_vendor_tells_in_a_header_counts() {
    let told_by = Some(ToldBy { header: "limit-info".into(), key: "usage".into() });
    let rate = Rate::Day { calls: None, resets: "rolling".into(), told_by, refused_by: Vec::new() };
    let mut quota = quota(&[rate]);
    assert_eq!(begin(&mut quota, "a", Priority::Backfill, at(0)), Ok(()));
    assert_eq!(quota.told_by().map(|told| told.header.as_str()).collect::<Vec<_>>(), ["limit-info"]);
    quota.tell("limit-info", "usage=95/100", at(0));
    assert!(matches!(begin(&mut quota, "a", Priority::Backfill, at(1)), Err(Wait::Day { .. })));
    assert_eq!(begin(&mut quota, "a", Priority::Interactive, at(1)), Ok(()));
    let shown = quota.shown(at(1));
    assert_eq!((shown.limits[0].spent, shown.limits[0].left), (96, Some(4)));
}

#[test]
fn a_call_that_was_cut_off_counts_as_running_for_a_while() {
    let mut quota = quota(&[Rate::concurrent(1)]);
    begin(&mut quota, "a", Priority::Streaming, at(0)).unwrap();
    quota.end(Ending::CutOff, at(1_000));
    let wait = begin(&mut quota, "a", Priority::Streaming, at(2_000));
    assert_eq!(wait, Err(Wait::Concurrent { until: Some(31_000) }));
    assert_eq!(begin(&mut quota, "a", Priority::Streaming, at(31_000)), Ok(()));
}
