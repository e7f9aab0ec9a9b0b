//! Whose turn it is among the streams of a run. What they cost the vendor counts: of those that have more, the one that has
//! taken least so far is next, so that none takes the day's calls before the others have had theirs. One that waits for its
//! vendor holds nobody up, and neither does one that cannot be read.

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
        None => open.iter().copied().filter(|at| has_its_keys(run, &run.streams[*at])).collect(),
    };
    // Streams that wait for each other's keys would wait for ever.
    let ready = if ready.is_empty() { open.into_iter().take(1).collect() } else { ready };
    let waits = |at: &usize| run.waits.get(&run.streams[*at].stream).copied().filter(|until| *until > now);
    let least = ready.iter().filter(|at| waits(at).is_none()).min_by_key(|at| cost(&run.streams[**at]));
    match (least, ready.iter().filter_map(waits).min()) {
        (Some(at), _) => Turn::Read(*at),
        (None, Some(until)) => Turn::Wait(until),
        (None, None) => Turn::Done,
    }
}

/// What takes its keys from another stream is read once that is: until then it would have to begin again and again.
fn has_its_keys(run: &Run, stream: &StreamProgress) -> bool {
    let of = run.keyed.get(&stream.stream);
    !of.is_some_and(|of| run.streams.iter().any(|other| other.stream == *of && other.is_open()))
}

/// A page that cost no call took its time all the same.
fn cost(stream: &StreamProgress) -> u64 {
    stream.calls.saturating_add(stream.pages)
}

#[cfg(test)]
mod tests {
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
    fn what_is_read_anew_is_read_one_after_the_other() {
        let mut run = run(&["a", "b"]).anew(Backfill::default());
        run.streams[0].calls = 99;
        assert_eq!(next(&run, 0), Turn::Read(0));
        run.waits.insert("a".into(), 9);
        assert_eq!(next(&run, 0), Turn::Wait(9));
    }
}
