//! The history of an opportunity's stages, from what its records said at what time: how long it stood where, and when it
//! went back.

use crate::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was seen, in order of time. The order in which it arrived does not matter: a vendor's own history, read later,
/// only fills in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StageHistory {
    seen: BTreeMap<Millis, String>,
}

/// A time in one stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stay {
    pub stage: String,
    /// When it was first seen there.
    pub from: Millis,
    /// When it was first seen elsewhere; `None`: it is there still.
    pub until: Option<Millis>,
}

/// A step back in the order of stages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Regress {
    pub from: String,
    pub to: String,
    pub at: Millis,
}

impl StageHistory {
    /// Most sightings kept. More are of a record that somebody writes to every minute, and most of them say nothing new.
    pub const SEEN_MAX: usize = 500;

    /// Notes a stage at a time; whether that changed anything. Of two stages at one time the first by name is kept, so
    /// that the order in which they come does not matter.
    pub fn see(&mut self, stage: &str, at: Millis) -> bool {
        if stage.is_empty() || self.seen.get(&at).is_some_and(|known| known.as_str() <= stage) {
            return false;
        }
        self.seen.insert(at, stage.to_owned());
        if self.seen.len() > Self::SEEN_MAX {
            self.forget_one();
        }
        true
    }

    /// Notes all that another history has seen.
    pub fn join(&mut self, other: &Self) {
        for (at, stage) in &other.seen {
            self.see(stage, *at);
        }
    }

    /// Forgets what changes no stay: a sighting between two of the same stage; if there is none, the oldest.
    fn forget_one(&mut self) {
        let sightings: Vec<(&Millis, &String)> = self.seen.iter().collect();
        let idle = sightings.windows(3).find(|w| w[0].1 == w[1].1 && w[1].1 == w[2].1).map(|w| *w[1].0);
        let oldest = sightings.first().map(|(at, _)| **at);
        if let Some(at) = idle.or(oldest) {
            self.seen.remove(&at);
        }
    }

    /// The stays, oldest first.
    #[must_use]
    pub fn stays(&self) -> Vec<Stay> {
        let mut stays: Vec<Stay> = Vec::new();
        for (at, stage) in &self.seen {
            if let Some(last) = stays.last_mut() {
                if last.stage == *stage {
                    continue;
                }
                last.until = Some(*at);
            }
            stays.push(Stay { stage: stage.clone(), from: *at, until: None });
        }
        stays
    }

    /// Milliseconds in each stage, all stays together, until `now`.
    #[must_use]
    pub fn time_in_stage(&self, now: Millis) -> BTreeMap<String, Millis> {
        let mut times = BTreeMap::new();
        for Stay { stage, from, until } in self.stays() {
            *times.entry(stage).or_default() += (until.unwrap_or(now) - from).max(0);
        }
        times
    }

    /// Steps back in the order given; steps from or to a stage that is not in it are none.
    #[must_use]
    pub fn regresses(&self, order: &[String]) -> Vec<Regress> {
        let place = |stage: &str| order.iter().position(|known| known == stage);
        let stays = self.stays();
        let back = stays.windows(2).filter(|w| match (place(&w[0].stage), place(&w[1].stage)) {
            (Some(from), Some(to)) => to < from,
            _ => false,
        });
        back.map(|w| Regress { from: w[0].stage.clone(), to: w[1].stage.clone(), at: w[1].from }).collect()
    }

    /// Milliseconds from the first sighting to the first of one of these stages: how fast it got there.
    #[must_use]
    pub fn time_to(&self, stages: &[String]) -> Option<Millis> {
        let (first, _) = self.seen.first_key_value()?;
        self.seen.iter().find(|(_, stage)| stages.contains(stage)).map(|(at, _)| at - first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn history(seen: &[(&str, Millis)]) -> StageHistory {
        let mut history = StageHistory::default();
        for (stage, at) in seen {
            history.see(stage, *at);
        }
        history
    }

    #[test]
    fn stays_times_and_steps_back() {
        let history = history(&[("b", 30), ("a", 10), ("a", 20), ("c", 40), ("b", 50)]);
        let stays: Vec<(String, Millis, Option<Millis>)> =
            history.stays().into_iter().map(|s| (s.stage, s.from, s.until)).collect();
        let stay = |stage: &str, from, until| (stage.to_owned(), from, until);
        assert_eq!(
            stays,
            [stay("a", 10, Some(30)), stay("b", 30, Some(40)), stay("c", 40, Some(50)), stay("b", 50, None)]
        );
        assert_eq!(history.time_in_stage(60).into_values().collect::<Vec<_>>(), [20, 20, 10]);
        let order = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(history.regresses(&order), [Regress { from: "c".into(), to: "b".into(), at: 50 }]);
        assert_eq!(history.regresses(&order[..2]), []);
        assert_eq!((history.time_to(&order[2..]), history.time_to(&["z".into()])), (Some(30), None));
    }

    #[test]
    fn what_is_known_changes_nothing() {
        let mut history = history(&[("a", 10)]);
        assert!(!history.see("a", 10) && !history.see("b", 10) && !history.see("", 20));
        assert!(history.see("A", 10));
        assert_eq!(history.stays()[0].stage, "A");
        let text = serde_json::to_string(&history).unwrap();
        assert_eq!(text, r#"{"10":"A"}"#);
        assert_eq!(serde_json::from_str::<StageHistory>(&text).unwrap(), history);
    }

    /// `opportunity.stages_seen`.
    #[test]
    fn a_long_history_keeps_its_stays() {
        let mut history = history(&[("a", -2), ("b", -1)]);
        for at in 0..2_000 {
            history.see("c", at);
        }
        history.see("d", 2_000);
        assert_eq!(history.seen.len(), StageHistory::SEEN_MAX);
        let stays: Vec<Millis> = history.stays().iter().map(|s| s.from).collect();
        assert_eq!(stays, [-2, -1, 0, 2_000]);
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_does_not_matter(
            seen in proptest::collection::vec(("[abc]", 0..20i64), 0..30),
            turn in 0..30usize,
        ) {
            let all: Vec<(&str, Millis)> = seen.iter().map(|(s, at)| (s.as_str(), *at)).collect();
            let mut turned = all.clone();
            turned.rotate_left(turn % all.len().max(1));
            turned.extend(&all);
            let (history, other) = (history(&all), history(&turned));
            prop_assert_eq!(&history, &other);
            // Stays touch, and together they last from the first sighting on.
            let total: Millis = history.time_in_stage(100).values().sum();
            prop_assert_eq!(total, all.iter().map(|(_, at)| *at).min().map_or(0, |first| 100 - first));
        }
    }
}
