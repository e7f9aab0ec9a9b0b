//! How fresh data is, against what somebody wants: of a stream, since when everything that its vendor had is here; of an
//! activation, as of when its destination has acknowledged the audience.

use crate::Millis;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// When pages of a stream were committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageTimes {
    /// The newest page.
    pub committed_at: Millis,
    /// The newest one after which the vendor had no more. What comes of a backlog is here, and not fresh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caught_up_at: Option<Millis>,
}

impl PageTimes {
    /// The newer of two runs' times.
    #[must_use]
    pub fn newer(self, other: Self) -> Self {
        Self {
            committed_at: self.committed_at.max(other.committed_at),
            caught_up_at: self.caught_up_at.max(other.caught_up_at),
        }
    }
}

/// What is wanted in a sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreshnessTargets {
    pub targets: Vec<FreshnessTarget>,
}

/// What is wanted of all streams of a connection, of one stream, or of an activation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreshnessTarget {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// Of the connection; before what is said of all its streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<String>,
    /// Its age at most.
    pub seconds: u32,
}

/// What is wrong with a target, and where: `/targets/0/seconds`.
pub type TargetProblem = (String, String);

/// A year: what may be older needs no target.
pub const SECONDS_MAX: u32 = 366 * 24 * 60 * 60;
pub const TARGETS_MAX: usize = 2000;

impl FreshnessTargets {
    /// What can be said without knowing what there is.
    #[must_use]
    pub fn problems(&self) -> Vec<TargetProblem> {
        let mut problems = Vec::new();
        if self.targets.len() > TARGETS_MAX {
            problems.push(("/targets".into(), format!("must be {TARGETS_MAX} at most")));
        }
        let mut seen = BTreeSet::new();
        for (i, target) in self.targets.iter().enumerate() {
            let FreshnessTarget { connection, stream, activation, seconds } = target;
            let mut wrong =
                |what: &str, problem: &str| problems.push((format!("/targets/{i}{what}"), problem.to_owned()));
            match (connection, activation) {
                (Some(_), Some(_)) | (None, None) => wrong("", "must name a connection or an activation"),
                (None, Some(_)) if stream.is_some() => wrong("/stream", "is of a connection: name that"),
                (Some(_), None) | (None, Some(_)) => {}
            }
            if !(1..=SECONDS_MAX).contains(seconds) {
                wrong("/seconds", &format!("must be 1 to {SECONDS_MAX}"));
            }
            if !seen.insert((connection, stream, activation)) {
                wrong("", "is there twice");
            }
        }
        problems
    }

    /// Of a stream: its own target, else its connection's.
    #[must_use]
    pub fn of_stream(&self, connection: &str, stream: &str) -> Option<u32> {
        let of = |stream: Option<&str>| {
            let is =
                |t: &&FreshnessTarget| t.connection.as_deref() == Some(connection) && t.stream.as_deref() == stream;
            self.targets.iter().find(is).map(|target| target.seconds)
        };
        of(Some(stream)).or_else(|| of(None))
    }

    #[must_use]
    pub fn of_activation(&self, activation: &str) -> Option<u32> {
        self.targets.iter().find(|t| t.activation.as_deref() == Some(activation)).map(|target| target.seconds)
    }
}

/// How fresh something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// `None`: it never was.
    pub as_of: Option<Millis>,
    pub age_seconds: Option<u64>,
    pub target_seconds: Option<u32>,
    /// `None`: nobody has said what is wanted.
    pub within: Option<bool>,
}

impl Freshness {
    /// A clock that was set back makes nothing older than now.
    #[must_use]
    pub fn judge(as_of: Option<Millis>, target_seconds: Option<u32>, now: Millis) -> Self {
        let age_seconds = as_of.map(|at| u64::try_from(now.saturating_sub(at)).unwrap_or(0) / 1000);
        let within = target_seconds.map(|target| age_seconds.is_some_and(|age| age <= u64::from(target)));
        Self { as_of, age_seconds, target_seconds, within }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(
        connection: Option<&str>,
        stream: Option<&str>,
        activation: Option<&str>,
        seconds: u32,
    ) -> FreshnessTarget {
        let [connection, stream, activation] = [connection, stream, activation].map(|text| text.map(str::to_owned));
        FreshnessTarget { connection, stream, activation, seconds }
    }

    #[test]
    fn what_never_was_fresh_is_not_within_and_what_nobody_wants_is_not_judged() {
        let judge = |as_of, target| {
            let found = Freshness::judge(as_of, target, 100_000);
            (found.age_seconds, found.within)
        };
        assert_eq!(judge(Some(40_000), Some(60)), (Some(60), Some(true)));
        assert_eq!(judge(Some(38_999), Some(60)), (Some(61), Some(false)));
        assert_eq!(judge(None, Some(60)), (None, Some(false)));
        assert_eq!(judge(Some(1), None), (Some(99), None));
        assert_eq!(judge(Some(200_000), Some(1)), (Some(0), Some(true)));
    }

    #[test]
    fn a_streams_own_target_goes_before_its_connections() {
        let targets = FreshnessTargets {
            targets: vec![
                target(Some("c"), None, None, 60),
                target(Some("c"), Some("s"), None, 5),
                target(None, None, Some("a"), 9),
            ],
        };
        assert_eq!(targets.problems(), []);
        let of = |connection, stream| targets.of_stream(connection, stream);
        assert_eq!((of("c", "s"), of("c", "t"), of("d", "s")), (Some(5), Some(60), None));
        assert_eq!((targets.of_activation("a"), targets.of_activation("b")), (Some(9), None));
    }

    #[test]
    fn what_cannot_be_a_target_is_told_with_its_place() {
        let targets = FreshnessTargets {
            targets: vec![
                target(None, None, None, 1),
                target(Some("c"), None, Some("a"), 1),
                target(None, Some("s"), Some("a"), 1),
                target(Some("c"), None, None, 0),
                target(Some("c"), None, None, 1),
                target(Some("d"), None, None, SECONDS_MAX + 1),
            ],
        };
        let places: Vec<String> = targets.problems().into_iter().map(|(place, _)| place).collect();
        let expected =
            ["/targets/0", "/targets/1", "/targets/2/stream", "/targets/3/seconds", "/targets/4", "/targets/5/seconds"];
        assert_eq!(places, expected);
    }
}
