//! Whose turn it is among the streams of a run. What they cost the vendor counts: of those that have more, the one that has
//! taken least so far is next, so that none takes the day's calls before the others have had theirs. One that waits for its
//! vendor holds nobody up, and neither does one that cannot be read.
//!
//! What takes its keys from another stream comes after that: so it is called once for all keys there are. Where that goes on for
//! long, history that takes days say, it goes beside it: it reads the keys there are, rests until there are more, and so on until
//! the other is at its end.

use super::{Run, StreamProgress};
use crate::Millis;

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Read(usize),
    /// All that are left wait.
    Wait(Millis),
    Done,
}

pub(super) fn next(run: &Run, now: Millis) -> Turn {
    let open: Vec<usize> = (0..run.streams.len()).filter(|at| run.streams[*at].is_open()).collect();
    // What is read anew has one place, that of the stream that is being read.
    let ready: Vec<usize> = match &run.backfill {
        Some(_) => open.iter().take(1).copied().collect(),
        None => open.iter().copied().filter(|at| may_be_read(run, &run.streams[*at], now)).collect(),
    };
    // Streams that wait for each other's keys would wait for ever.
    let ready = if ready.is_empty() { open.into_iter().take(1).collect() } else { ready };
    let waits = |at: &usize| {
        let name = &run.streams[*at].stream;
        let rests = run.keys_rest.get(name).filter(|_| run.keys_still_come_of(name).is_some());
        run.waits.get(name).max(rests).copied().filter(|until| *until > now)
    };
    let least = ready.iter().filter(|at| waits(at).is_none()).min_by_key(|at| cost(&run.streams[**at]));
    match (least, ready.iter().filter_map(waits).min()) {
        (Some(at), _) => Turn::Read(*at),
        (None, Some(until)) => Turn::Wait(until),
        (None, None) => Turn::Done,
    }
}

/// After so long keys are not waited for any more; and between two looks at what keys have come. Keys are read by the hundred:
/// the more there are, the fewer calls.
const KEYS_MS: Millis = 5 * 60_000;

fn may_be_read(run: &Run, stream: &StreamProgress, now: Millis) -> bool {
    let goes_on_for_long = now.saturating_sub(run.started_at) >= KEYS_MS;
    goes_on_for_long || run.keys_still_come_of(&stream.stream).is_none()
}

impl Run {
    /// The stream from which another one takes its keys, while there is more to read of it.
    #[must_use]
    pub fn keys_still_come_of(&self, stream: &str) -> Option<&str> {
        let of = self.keyed.get(stream).filter(|_| self.backfill.is_none())?;
        let is_open = self.streams.iter().any(|other| other.stream == *of && other.is_open());
        is_open.then_some(of.as_str())
    }

    /// Whether the stream that was just read has had all keys there are, and more of them come: it is not at its end, and
    /// rests.
    pub(super) fn rests_for_keys(&mut self, more: bool, now: Millis) -> bool {
        let Some(stream) = self.current().and_then(|at| self.streams.get(at)).map(|stream| stream.stream.clone())
        else {
            return false;
        };
        let rests = !more && self.keys_still_come_of(&stream).is_some();
        if rests {
            self.keys_rest.insert(stream, now.saturating_add(KEYS_MS));
        }
        rests
    }
}

/// A page that cost no call took its time all the same.
fn cost(stream: &StreamProgress) -> u64 {
    stream.calls.saturating_add(stream.pages)
}

#[cfg(test)]
mod tests {
    use super::super::{Action, Counts, Event};
    use super::*;
    use crate::backfill::Backfill;
    use crate::id::{ConnectionId, RunId};

    fn run(streams: &[&str]) -> Run {
        let streams: Vec<String> = streams.iter().map(|s| (*s).to_owned()).collect();
        Run::new(RunId::new(0, [0; 6]), ConnectionId::new(0, [0; 6]), "p@1".into(), &streams, 0)
    }

    fn turns(mut run: Run, calls: &[u64], count: usize) -> Vec<usize> {
        let mut turns = Vec::new();
        for _ in 0..count {
            let Turn::Read(at) = next(&run, 0) else { break };
            run.streams[at].calls += calls[at];
            run.streams[at].pages += 1;
            turns.push(at);
        }
        turns
    }

    #[test]
    fn one_that_takes_many_calls_does_not_keep_the_others_from_theirs() {
        // Nine calls a page against one.
        let taken = turns(run(&["hungry", "frugal"]), &[9, 1], 30);
        let cost = |of: usize, each: u64| taken.iter().filter(|at| **at == of).count() as u64 * each;
        assert!(cost(0, 10).abs_diff(cost(1, 2)) <= 10, "{taken:?}");
        assert_eq!(turns(run(&["a", "b", "c"]), &[0, 0, 0], 6), [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn one_that_waits_holds_nobody_up() {
        let mut run = run(&["a", "b"]);
        run.waits.insert("a".into(), 50);
        run.streams[1].calls = 99;
        assert_eq!(next(&run, 0), Turn::Read(1));
        run.waits.insert("b".into(), 40);
        assert_eq!((next(&run, 0), next(&run, 40)), (Turn::Wait(40), Turn::Read(1)));
        run.streams[1].caught_up = true;
        assert_eq!(next(&run, 40), Turn::Wait(50));
        run.streams[0].caught_up = true;
        assert_eq!(next(&run, 40), Turn::Done);
    }

    #[test]
    fn one_that_is_keyed_by_another_comes_after_it() {
        let mut run = run(&["a", "b"]);
        run.keyed.insert("b".into(), "a".into());
        run.streams[0].calls = 99;
        assert_eq!(next(&run, 0), Turn::Read(0));
        run.streams[0].caught_up = true;
        assert_eq!(next(&run, 0), Turn::Read(1));
        run.streams[0].caught_up = false;
        run.keyed.insert("a".into(), "b".into());
        assert_eq!(next(&run, 0), Turn::Read(0), "they wait for each other");
        run.keyed = [("b".to_owned(), "not read".to_owned())].into();
        assert_eq!(next(&run, 0), Turn::Read(1));
    }

    #[test]
    fn one_that_is_keyed_by_one_that_goes_on_for_long_goes_beside_it_and_ends_after_it() {
        let mut run = run(&["persons", "companies"]);
        run.keyed.insert("companies".into(), "persons".into());
        run.waits.insert("persons".into(), 10 * KEYS_MS);
        assert_eq!(next(&run, KEYS_MS - 1), Turn::Wait(10 * KEYS_MS), "so long it waits");
        assert_eq!(next(&run, KEYS_MS), Turn::Read(1));
        let committed = |more| Event::Committed {
            counts: Counts::default(),
            more,
            wait_ms: None,
            estimate: None,
            calls: 1,
            anew: None,
        };
        run.step(Event::Resumed, KEYS_MS);
        assert_eq!(run.step(committed(true), KEYS_MS), Action::Pull { stream: 1 });
        // All keys there are were read: it rests, and is not at its end.
        assert_eq!(run.step(committed(false), KEYS_MS), Action::WaitUntil(2 * KEYS_MS));
        assert!(!run.streams[1].caught_up && run.pages_at["companies"].caught_up_at.is_none());
        assert_eq!(run.streams[1].empty_pages, 0, "it waits for keys");
        assert_eq!(run.step(Event::Due, KEYS_MS + 1), Action::WaitUntil(2 * KEYS_MS));
        // As it is stored.
        let mut run: Run = serde_json::from_str(&serde_json::to_string(&run).unwrap()).unwrap();
        assert_eq!(run.step(Event::Resumed, 2 * KEYS_MS), Action::Pull { stream: 1 });
        assert_eq!(run.step(committed(false), 2 * KEYS_MS), Action::WaitUntil(3 * KEYS_MS));
        // The other comes to its end: what keys it has brought last are read at once, and then all is over.
        run.waits.clear();
        assert_eq!(run.step(Event::Due, 2 * KEYS_MS + 1), Action::Pull { stream: 0 });
        assert_eq!(run.step(committed(false), 2 * KEYS_MS + 2), Action::Pull { stream: 1 });
        assert_eq!(run.step(committed(false), 2 * KEYS_MS + 3), Action::End);
        assert!(run.streams[1].caught_up && run.pages_at["companies"].caught_up_at.is_some());
    }

    #[test]
    fn what_is_read_anew_is_read_one_after_the_other() {
        let mut run = run(&["a", "b"]).anew(Backfill::default());
        run.streams[0].calls = 99;
        assert_eq!(next(&run, 0), Turn::Read(0));
        run.waits.insert("a".into(), 9);
        assert_eq!(next(&run, 0), Turn::Wait(9));
    }
}
