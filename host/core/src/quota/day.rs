//! A day's budget: what is spent of it, by our own count and by what the vendor tells, and when it frees up.

use super::kept::KeptDay;
use super::reset::Reset;
use crate::Millis;
use crate::spec::ToldBy;
use std::collections::VecDeque;

/// A call reaches the vendor up to so much before or after we count it, by its clock. What is spent around its midnight
/// counts for both days.
const SKEW_MS: i64 = 120_000;
/// Answers of one moment may come so far apart.
const CROSSING_MS: i64 = 60_000;
/// Calls of a rolling day are counted together for so long, and for so much longer than a day.
const BUCKET_MS: i64 = 15 * 60_000;
const DAY_MS: i64 = 24 * 3_600_000;
/// What a vendor told of a rolling day is believed for an hour; then a call finds out how it is now.
const BELIEVED_MS: i64 = 3_600_000;

/// What one connector, or all that use an instance, declare of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Day {
    /// As declared: it names the budget.
    pub(super) resets: String,
    reset: Reset,
    pub(super) declared: Option<u32>,
    pub(super) set: Option<u32>,
    pub(super) told_by: Option<ToldBy>,
    pub(super) refused_by: Vec<String>,
    count: Count,
    told: Option<Told>,
    /// The vendor said that it is spent: until when that is believed.
    spent_until: Option<Millis>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Count {
    Midnight {
        /// When all of it frees up, by our clock at the latest.
        ends: Option<Millis>,
        calls: u64,
        /// Those so near to midnight that they may count for the next day.
        ahead: u64,
    },
    Rolling(VecDeque<(Millis, u64)>),
}

/// What the vendor told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    used: u64,
    most: u64,
    at: Millis,
    /// Calls we have made since.
    since: u64,
}

impl Day {
    /// `None`: it does not say when it ends.
    pub(super) fn new(resets: &str) -> Option<Self> {
        let reset = Reset::parse(resets)?;
        let count = match reset {
            Reset::Rolling => Count::Rolling(VecDeque::new()),
            Reset::Midnight(_) => Count::Midnight { ends: None, calls: 0, ahead: 0 },
        };
        Some(Self {
            resets: resets.to_owned(),
            reset,
            declared: None,
            set: None,
            told_by: None,
            refused_by: Vec::new(),
            count,
            told: None,
            spent_until: None,
        })
    }

    /// Goes on as the one in whose place it comes.
    pub(super) fn take_count(&mut self, before: &Self) {
        self.count.clone_from(&before.count);
        (self.told, self.spent_until) = (before.told, before.spent_until);
    }

    /// Lets time pass: a clock that goes back frees nothing.
    pub(super) fn advance(&mut self, now: Millis) {
        let mut is_new = false;
        match &mut self.count {
            Count::Midnight { ends, calls, ahead } => {
                let over = ends.is_some_and(|ends| now >= ends);
                if over {
                    (*calls, *ahead, is_new) = (*ahead, 0, true);
                }
                if over || ends.is_none() {
                    // Right after a midnight, our day is still the one before.
                    *ends = self.reset.next_midnight(now.saturating_sub(SKEW_MS)).map(|midnight| midnight + SKEW_MS);
                }
            }
            Count::Rolling(buckets) => {
                while buckets.front().is_some_and(|(from, _)| now >= from + BUCKET_MS + DAY_MS) {
                    buckets.pop_front();
                }
            }
        }
        let believed = |told: &Told| match &self.count {
            Count::Midnight { .. } => !is_new,
            Count::Rolling(_) => now < told.at.saturating_add(BELIEVED_MS),
        };
        self.told = self.told.filter(believed);
        self.spent_until = self.spent_until.filter(|until| now < *until);
    }

    /// Counts calls that begin now.
    pub(super) fn spend(&mut self, now: Millis, more: u64) {
        self.told = self.told.map(|told| Told { since: told.since + more, ..told });
        match &mut self.count {
            Count::Midnight { ends, calls, ahead } => {
                *calls += more;
                if ends.is_some_and(|ends| now >= ends - 2 * SKEW_MS) {
                    *ahead += more;
                }
            }
            Count::Rolling(buckets) => {
                let from = now - now.rem_euclid(BUCKET_MS);
                match buckets.back_mut() {
                    Some((last, calls)) if *last >= from => *calls += more,
                    _ => buckets.push_back((from, more)),
                }
            }
        }
    }

    /// Until when calls that begin are counted the same way: what is reserved is reserved for that.
    pub(super) fn same_until(&self, now: Millis) -> Option<Millis> {
        match &self.count {
            Count::Midnight { ends, .. } => {
                ends.map(|ends| if now < ends - 2 * SKEW_MS { ends - 2 * SKEW_MS } else { ends })
            }
            Count::Rolling(_) => Some(now - now.rem_euclid(BUCKET_MS) + BUCKET_MS),
        }
    }

    /// Our own calls of this day.
    pub(super) fn calls(&self) -> u64 {
        match &self.count {
            Count::Midnight { calls, .. } => *calls,
            Count::Rolling(buckets) => buckets.iter().map(|(_, calls)| calls).sum(),
        }
    }

    /// What is spent of it, by us and, as far as the vendor tells, by others.
    pub(super) fn spent(&self) -> u64 {
        self.calls().max(self.told.map_or(0, |told| told.used + told.since))
    }

    /// The most there may be, as far as anybody says.
    pub(super) fn most(&self) -> Option<u64> {
        let said = self.set.or(self.declared).map(u64::from);
        match (said, self.told.map(|told| told.most)) {
            (Some(said), Some(told)) => Some(said.min(told)),
            (said, told) => said.or(told),
        }
    }

    /// Until when there is no room for a call of a class that may use `share` of the most there may be; `None`: now.
    pub(super) fn full_until(&self, now: Millis, share: impl Fn(u64) -> u64) -> Option<Millis> {
        if let Some(until) = self.spent_until {
            return Some(until);
        }
        let most = share(self.most()?);
        if self.spent() < most {
            return None;
        }
        match &self.count {
            Count::Midnight { ends, .. } => *ends,
            Count::Rolling(buckets) => {
                let mut over = self.calls().saturating_sub(most) + 1;
                let freed = buckets.iter().find(|(_, calls)| {
                    over = over.saturating_sub(*calls);
                    over == 0
                });
                let by_count = freed.filter(|_| self.calls() >= most).map(|(from, _)| from + BUCKET_MS + DAY_MS);
                let by_word = self.told.map(|told| told.at.saturating_add(BELIEVED_MS));
                by_count.max(by_word).or(Some(now + BELIEVED_MS))
            }
        }
    }

    /// The vendor says that it is spent, though by our count it is not.
    pub(super) fn refuse(&mut self, now: Millis) {
        let until = match &self.count {
            Count::Midnight { ends, .. } => ends.unwrap_or(now + BELIEVED_MS),
            Count::Rolling(_) => now + BELIEVED_MS,
        };
        self.spent_until = Some(until);
    }

    /// The vendor tells what is spent. Answers that cross each other on the way may come in any order: within a
    /// minute, the larger word holds.
    pub(super) fn tell(&mut self, now: Millis, used: u64, most: u64) {
        let newer = Told { used, most, at: now, since: 0 };
        let keeps = |told: &Told| now < told.at + CROSSING_MS && told.used + told.since > used && told.most == most;
        self.told = Some(self.told.filter(keeps).unwrap_or(newer));
    }

    /// An operator says that there is room again.
    pub(super) fn release(&mut self) {
        self.spent_until = None;
        self.told = None;
    }

    /// When all of it has freed up; of a rolling day, when the oldest calls do.
    pub(super) fn frees_at(&self) -> Option<Millis> {
        match &self.count {
            Count::Midnight { ends, .. } => *ends,
            Count::Rolling(buckets) => buckets.front().map(|(from, _)| from + BUCKET_MS + DAY_MS),
        }
    }

    /// When a day ends that frees up all at once.
    pub(super) fn midnight(&self) -> Option<Millis> {
        match &self.count {
            Count::Midnight { ends, .. } => *ends,
            Count::Rolling(_) => None,
        }
    }

    pub(super) fn is_refused(&self) -> bool {
        self.spent_until.is_some()
    }

    pub(super) fn keep(&self) -> KeptDay {
        let (ends, ahead, buckets) = match &self.count {
            Count::Midnight { ends, calls, ahead } => (*ends, *ahead, vec![(0, *calls)]),
            Count::Rolling(buckets) => (None, 0, buckets.iter().copied().collect()),
        };
        KeptDay { resets: self.resets.clone(), ends, ahead, buckets, spent_until: self.spent_until }
    }

    pub(super) fn restore(&mut self, kept: &KeptDay) {
        self.spent_until = kept.spent_until;
        match &mut self.count {
            Count::Midnight { ends, calls, ahead } => {
                *ends = kept.ends;
                *calls = kept.buckets.iter().map(|(_, calls)| calls).sum();
                *ahead = kept.ahead;
            }
            Count::Rolling(buckets) => *buckets = kept.buckets.iter().copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse_timestamp;

    fn at(text: &str) -> Millis {
        parse_timestamp(text).unwrap()
    }

    fn day(resets: &str, calls: u32, now: Millis) -> Day {
        let mut day = Day { declared: Some(calls), ..Day::new(resets).unwrap() };
        day.advance(now);
        day
    }

    #[test]
    fn what_is_spent_near_midnight_counts_for_both_days() {
        let mut day = day("UTC0", 10, at("2026-11-28T20:00:00Z"));
        day.spend(at("2026-11-28T20:00:00Z"), 6);
        day.spend(at("2026-11-28T23:59:30Z"), 3);
        assert_eq!((day.calls(), day.full_until(at("2026-11-28T23:59:30Z"), |most| most)), (9, None));
        // By our clock it is the next day, by the vendor's perhaps not.
        day.advance(at("2026-11-29T00:00:30Z"));
        day.spend(at("2026-11-29T00:00:30Z"), 1);
        assert_eq!(day.full_until(at("2026-11-29T00:00:30Z"), |most| most), Some(at("2026-11-29T00:02:00Z")));
        day.advance(at("2026-11-29T00:02:00Z"));
        assert_eq!((day.calls(), day.frees_at()), (4, Some(at("2026-11-30T00:02:00Z"))));
        day.advance(at("2026-11-20T00:00:00Z"));
        assert_eq!(day.calls(), 4, "a clock that goes back frees nothing");
    }

    #[test]
    fn a_rolling_day_frees_up_as_its_calls_grow_old() {
        let begin = at("2026-11-28T10:07:00Z");
        let mut day = day("rolling", 10, begin);
        day.spend(begin, 8);
        day.spend(begin + 3_600_000, 2);
        let full = day.full_until(begin + 3_600_000, |most| most).unwrap();
        assert_eq!(full, at("2026-11-29T10:15:00Z"), "a day after the quarter of an hour they were counted in");
        day.advance(full);
        assert_eq!((day.calls(), day.full_until(full, |most| most)), (2, None));
    }

    #[test]
    fn what_the_vendor_tells_is_added_to_and_not_believed_for_ever() {
        let begin = at("2026-11-28T10:00:00Z");
        let mut day = Day::new("rolling").unwrap();
        day.advance(begin);
        assert_eq!((day.most(), day.full_until(begin, |most| most)), (None, None), "nobody says anything yet");
        day.spend(begin, 1);
        day.tell(begin, 99, 100);
        assert_eq!((day.spent(), day.full_until(begin, |most| most)), (99, None));
        day.spend(begin, 1);
        day.tell(begin + 10, 50, 100);
        assert_eq!(day.spent(), 100, "an older answer that came later");
        assert_eq!(day.full_until(begin, |most| most), Some(begin + BELIEVED_MS));
        day.advance(begin + BELIEVED_MS);
        assert_eq!(day.full_until(begin + BELIEVED_MS, |most| most), None);
    }

    #[test]
    fn a_word_of_the_vendor_holds_until_the_day_ends() {
        let begin = at("2026-11-28T10:00:00Z");
        let mut day = day("UTC0", 10, begin);
        day.refuse(begin);
        assert_eq!(day.full_until(begin, |most| most), Some(at("2026-11-29T00:02:00Z")));
        let mut again = Day::new("UTC0").unwrap();
        again.restore(&day.keep());
        again.advance(begin + 1);
        assert!(again.is_refused(), "a restart does not forget it");
        again.release();
        assert_eq!(again.full_until(begin + 1, |most| most), None);
    }
}
