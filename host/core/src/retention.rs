//! What is not kept for ever: how long each thing is, and which of those that have ended may go.

use crate::Millis;
use std::collections::BTreeMap;

/// How long what has ended is kept after its end, in milliseconds; `None`: for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// What became of each member of a delivery.
    pub outcomes_ms: Option<Millis>,
    /// Deliveries. What they came to stays, summed by activation.
    pub deliveries_ms: Option<Millis>,
    /// Runs, with what is left of their rejects.
    pub runs_ms: Option<Millis>,
    /// What runs could not take.
    pub rejects_ms: Option<Millis>,
    /// Removals of data, as they were asked for.
    pub removals_ms: Option<Millis>,
    /// Who became a member and ceased to be one; who is one now is no history.
    pub memberships_ms: Option<Millis>,
    /// Entries of the audit log.
    pub audit_ms: Option<Millis>,
}

/// Which things were seen, by their numbers: these are given one after the other, so that a bit for each is little.
#[derive(Debug, Default)]
pub struct Seen(Vec<u64>);

/// Numbers from here on are taken to be new each time; by then there would be a gigabyte of bits.
const SEEN_MAX: i64 = 1 << 33;

impl Seen {
    /// True: it was not seen before.
    pub fn insert(&mut self, number: i64) -> bool {
        let Some(at) = usize::try_from(number).ok().filter(|_| number < SEEN_MAX) else { return true };
        let (word, bit) = (at / 64, 1_u64 << (at % 64));
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        let Some(bits) = self.0.get_mut(word) else { return true };
        let is_new = *bits & bit == 0;
        *bits |= bit;
        is_new
    }
}

/// Whether a feed of changes is gone through once more, for what has come since and what was left of it then: an eighth is
/// worth reading all of it, and a few are never.
#[must_use]
pub fn is_worth_a_look(come: u64, left: u64) -> bool {
    const FEW: u64 = 50_000;
    come >= FEW && come >= left / 8
}

/// Whether something that ended then is not kept any more; what has not ended is.
#[must_use]
pub fn is_over(ended_at: Option<Millis>, kept_ms: Millis, now: Millis) -> bool {
    ended_at.is_some_and(|ended| now.saturating_sub(ended) >= kept_ms)
}

/// A run or a delivery, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    pub id: String,
    /// The connection or activation that goes by its newest; `None`: nobody goes by this one.
    pub of: Option<String>,
    pub succeeded: bool,
    /// `None`: it goes on.
    pub ended_at: Option<Millis>,
}

/// Those that may go, of some in the order they began. The newest of each connection or activation stays, however old:
/// schedules go by it. So does the newest that succeeded, which says how fresh the data is.
#[must_use]
pub fn may_go(past: Vec<Past>, kept_ms: Millis, now: Millis) -> Vec<String> {
    let (mut newest, mut succeeded) = (BTreeMap::new(), BTreeMap::new());
    for (at, it) in past.iter().enumerate() {
        let Some(of) = &it.of else { continue };
        newest.insert(of.clone(), at);
        if it.succeeded {
            succeeded.insert(of.clone(), at);
        }
    }
    let stays = |at: usize, it: &Past| {
        it.of.as_ref().is_some_and(|of| newest.get(of) == Some(&at) || succeeded.get(of) == Some(&at))
    };
    let old = past.into_iter().enumerate().filter(|(at, it)| is_over(it.ended_at, kept_ms, now) && !stays(*at, it));
    old.map(|(_, it)| it.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(id: &str, of: Option<&str>, succeeded: bool, ended_at: Option<Millis>) -> Past {
        Past { id: id.to_owned(), of: of.map(str::to_owned), succeeded, ended_at }
    }

    #[test]
    fn what_was_seen_is_known_by_its_number() {
        let mut seen = Seen::default();
        for (number, is_new) in [(0, true), (64, true), (63, true), (0, false), (64, false), (1 << 20, true)] {
            assert_eq!(seen.insert(number), is_new, "{number}");
        }
        // Numbers that are none: kept, whatever they are of.
        assert!([-1, -1, SEEN_MAX, SEEN_MAX].iter().all(|number| seen.insert(*number)));
    }

    #[test]
    fn a_feed_is_gone_through_when_much_has_come() {
        for (come, left, is_worth) in
            [(49_999, 0, false), (50_000, 0, true), (50_000, 400_000, true), (50_000, 400_008, false)]
        {
            assert_eq!(is_worth_a_look(come, left), is_worth, "{come} {left}");
        }
    }

    #[test]
    fn what_is_old_goes_and_what_others_go_by_stays() {
        let all = vec![
            past("1", Some("a"), true, Some(10)),
            past("2", Some("a"), true, Some(20)),
            past("3", Some("a"), false, Some(30)),
            past("4", Some("b"), true, Some(40)),
            past("5", None, true, Some(50)),
            past("6", Some("a"), false, Some(60)),
            past("7", Some("c"), false, None),
            past("8", Some("c"), false, Some(80)),
            past("9", Some("c"), false, Some(990)),
        ];
        // The newest that succeeded (2), the newest (4, 6, 9) and what goes on (7) stay.
        assert_eq!(may_go(all.clone(), 100, 1_000), ["1", "3", "5", "8"]);
        assert_eq!(may_go(all.clone(), 975, 1_000), ["1"]);
        assert_eq!(may_go(all, 1_000, 1_000), Vec::<String>::new());
    }

    #[test]
    fn the_time_is_counted_from_the_end() {
        assert!(!is_over(None, 0, 100));
        assert!(!is_over(Some(1), 100, 100));
        assert!(is_over(Some(0), 100, 100));
        // A clock that was set back takes nothing away.
        assert!(!is_over(Some(500), 1, 100));
    }
}
