//! Budgets of a vendor instance, as a connector declares them.

use super::{SpecError, invalid};
use crate::quota::Reset;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A budget of the vendor instance, shared by all that use it. `refused_by`: the fault codes with which the connector
/// says that the vendor found this budget used up; where our count has room then, somebody else uses it too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "SpecRate")]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Rate {
    /// At most `calls` in any `seconds`.
    Window {
        calls: u32,
        seconds: u32,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        refused_by: Vec<String>,
    },
    /// At most `calls` at once.
    Concurrent {
        calls: u32,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        refused_by: Vec<String>,
    },
    /// At most `calls` a day.
    Day {
        /// `None`: what the vendor tells, or an operator sets.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        calls: Option<u32>,
        /// When a day ends: see [`Reset::parse`].
        resets: String,
        /// Where the vendor's answers tell what is spent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        told_by: Option<ToldBy>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        refused_by: Vec<String>,
    },
    /// What the streams of this connector take of a day, and which part of that each has for itself.
    Streams {
        /// Hundredths of the day that all of them have together.
        percent: u32,
        /// Hundredths of that, by stream; what is left of a hundred is for calls of no stream, and of streams that are not named.
        shares: BTreeMap<String, u32>,
    },
}

/// A header of every answer that holds `<key>=<used>/<most>`, beside others that `;` or `,` part from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToldBy {
    /// In lower case.
    pub header: String,
    pub key: String,
}

impl ToldBy {
    /// What a header's value tells: calls used, and the most there may be.
    #[must_use]
    pub fn read(&self, value: &str) -> Option<(u64, u64)> {
        let told = value.split([';', ',']).find_map(|part| part.trim().strip_prefix(&self.key)?.strip_prefix('='))?;
        let (used, most) = told.split_once('/')?;
        let digits: String = most.trim().chars().take_while(char::is_ascii_digit).collect();
        let most = digits.parse().ok().filter(|most| *most > 0)?;
        Some((used.trim().parse().ok()?, most))
    }
}

impl Rate {
    /// At most `calls` in any `seconds`.
    #[must_use]
    pub fn window(calls: u32, seconds: u32) -> Self {
        Self::Window { calls, seconds, refused_by: Vec::new() }
    }

    /// At most `calls` at once.
    #[must_use]
    pub fn concurrent(calls: u32) -> Self {
        Self::Concurrent { calls, refused_by: Vec::new() }
    }

    pub(super) fn validate(&self, path: &str) -> Result<(), SpecError> {
        match self {
            Self::Window { calls: 0, .. } | Self::Window { seconds: 0, .. } | Self::Concurrent { calls: 0, .. } => {
                invalid(path, "calls and seconds must be at least 1")
            }
            Self::Window { seconds, .. } if *seconds > 86_400 => invalid(path, "longer than a day"),
            Self::Day { calls: Some(0), .. } => invalid(path, "calls must be at least 1"),
            Self::Day { resets, .. } if Reset::parse(resets).is_none() => invalid(
                &format!("{path}.resets"),
                "must be `rolling`, or a time zone's rule as POSIX writes it: `UTC0`",
            ),
            Self::Day { told_by: Some(told), .. }
                if told.key.is_empty() || told.header.is_empty() || told.header != told.header.to_ascii_lowercase() =>
            {
                invalid(&format!("{path}.told_by"), "names a header, in lower case, and a key in it")
            }
            Self::Day { calls: None, told_by: None, refused_by, .. } if refused_by.is_empty() => {
                invalid(path, "says neither how many calls, nor how the vendor tells")
            }
            Self::Streams { percent, shares } => match wrong_shares(*percent, shares) {
                Some(problem) => invalid(path, problem),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

/// What is wrong with a division of a day among streams, if anything is.
#[must_use]
pub fn wrong_shares(percent: u32, shares: &BTreeMap<String, u32>) -> Option<&'static str> {
    if !(1..=100).contains(&percent) {
        return Some("percent must be from 1 to 100");
    }
    if shares.iter().any(|(stream, part)| stream.is_empty() || !(1..=100).contains(part)) {
        return Some("each share must have a stream and be from 1 to 100");
    }
    let together = shares.values().fold(0_u32, |sum, part| sum.saturating_add(*part));
    (together > 100).then_some("the shares must be at most 100 together")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_with_whatever_else_is_in_it() {
        let told = ToldBy { header: "limit-info".into(), key: "api-usage".into() };
        assert_eq!(told.read("api-usage=8370/15000"), Some((8_370, 15_000)));
        assert_eq!(told.read("per-app-api-usage=17/250(appName=a), api-usage=1/2(x)"), Some((1, 2)));
        for bad in ["", "api-usage=", "api-usage=1", "api-usage=x/2", "api-usage=1/0", "api-usages=1/2"] {
            assert_eq!(told.read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_rate_that_means_nothing_is_refused() {
        let day = |calls, resets: &str, refused_by: &[&str]| Rate::Day {
            calls,
            resets: resets.into(),
            told_by: None,
            refused_by: refused_by.iter().map(|code| (*code).to_owned()).collect(),
        };
        for good in [Rate::window(1, 1), Rate::concurrent(1), day(Some(1), "UTC0", &[]), day(None, "rolling", &["x"])] {
            assert_eq!(good.validate("rates[0]"), Ok(()), "{good:?}");
        }
        let streams = |percent, parts: &[u32]| Rate::Streams {
            percent,
            shares: parts.iter().enumerate().map(|(i, part)| (format!("s{i}"), *part)).collect(),
        };
        for good in [streams(1, &[]), streams(100, &[1, 99]), streams(50, &[30])] {
            assert_eq!(good.validate("rates[0]"), Ok(()), "{good:?}");
        }
        let bad = [
            Rate::window(0, 1),
            Rate::window(1, 0),
            Rate::window(1, 86_401),
            Rate::concurrent(0),
            day(Some(0), "UTC0", &[]),
            day(Some(1), "America/Chicago", &[]),
            day(Some(1), "", &[]),
            day(None, "UTC0", &[]),
            streams(0, &[]),
            streams(101, &[]),
            streams(50, &[0]),
            streams(50, &[60, 41]),
            Rate::Streams { percent: 50, shares: [(String::new(), 5)].into() },
        ];
        for bad in bad {
            assert!(bad.validate("rates[0]").is_err(), "{bad:?}");
        }
    }
}
