//! What of a day's calls each stream of a connector has for itself.
//!
//! A connector may say that its streams together take at most so many hundredths of a day, and which part of these each
//! has. A stream may begin a page while what it would take is nobody else's:
//!
//! ```text
//! spent by all + kept for the others < budget
//! kept for one = the smaller of: its share for the hours that are left; its share without what it has spent
//! ```
//!
//! So no stream takes what another may still need, and what one has not needed in the hours that have passed, all may have.
//! Whole pages are let begin, not single calls: a page that was cut off half-way would have to be paid for again. A page may
//! so take some calls more than there was room for; they are counted.

use super::window::share;
use super::{Moment, Priority, Quota, Setting};
use crate::Millis;
use crate::spec::Rate;
use serde::Serialize;
use std::collections::BTreeMap;

const DAY_MS: i64 = 24 * 3_600_000;
/// Room grows as the day passes: when a stream that has none looks again.
const LOOK_AGAIN_MS: i64 = 5 * 60_000;

/// What one connector declares for its streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shares {
    /// Hundredths of the day that all of them have together.
    pub(super) percent: u32,
    /// Hundredths of that, by stream. What is left of a hundred is for the calls of no stream (looking what there is), and
    /// of streams without a share.
    of: BTreeMap<String, u32>,
}

/// What is left of a hundred, and the calls that count against it.
const OTHERS: &str = "";

/// Why a stream has to wait, and when it looks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoom {
    /// All that its connector takes of a day is spent.
    Spent { most: u64, ends: Millis, until: Millis },
    /// Its own share is spent, and the rest is kept for the others.
    Share { share: u64, spent: u64, until: Millis },
}

/// What a stream has of a day, and what it has taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownShare {
    pub plugin: String,
    /// Empty: the calls of no stream, and those of streams without a share.
    pub stream: String,
    /// Hundredths of what the connector takes.
    pub percent: u32,
    pub calls: u64,
    pub spent: u64,
}

impl Shares {
    /// Those among what a connector declares.
    pub(super) fn declared(rates: &[Rate]) -> Option<Self> {
        rates.iter().find_map(|rate| match rate {
            Rate::Streams { percent, shares } => Some(Self { percent: *percent, of: shares.clone() }),
            _ => None,
        })
    }

    /// With what an operator says in their place.
    fn set(&self, settings: &[Setting]) -> Self {
        let set = settings.iter().find_map(|setting| match setting {
            Setting::Streams { percent, shares } => Some((percent, shares)),
            _ => None,
        });
        let Some((percent, shares)) = set else { return self.clone() };
        Self { percent: *percent, of: shares.clone().unwrap_or_else(|| self.of.clone()) }
    }

    pub(super) fn streams(&self) -> impl Iterator<Item = &String> {
        self.of.keys()
    }

    pub(super) fn name<'a>(&self, stream: &'a str) -> &'a str {
        if self.of.contains_key(stream) { stream } else { OTHERS }
    }

    /// The hundredths of each, those of the others included.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&str, u32)> {
        let left = 100_u32.saturating_sub(self.of.values().sum());
        self.of.iter().map(|(stream, part)| (stream.as_str(), *part)).chain([(OTHERS, left)])
    }
}

/// Calls of today, by plugin and stream.
pub(super) type SpentByStream = BTreeMap<String, BTreeMap<String, u64>>;

pub(super) fn hundredths(of: u64, percent: u32) -> u64 {
    of.saturating_mul(percent.into()) / 100
}

/// The name of a plugin that is named with its version: what is spent is spent in all of its versions.
fn unversioned(plugin: &str) -> &str {
    plugin.split('@').next().unwrap_or(plugin)
}

impl Quota {
    /// Counts a call that begins: by the stream itself, also where it has no share, since an operator may give it one within
    /// the day.
    pub(super) fn spend_share(&mut self, plugin: &str, stream: Option<&str>) {
        let plugin = unversioned(plugin);
        if self.shares.contains_key(plugin) {
            let spent = self.by_stream.entry(plugin.to_owned()).or_default();
            *spent.entry(stream.unwrap_or(OTHERS).to_owned()).or_default() += 1;
        }
    }

    /// Whether a page of a stream may begin, as far as the streams' shares go; the limits of the instance are another
    /// question, asked for each call.
    ///
    /// # Errors
    /// Why it may not, and when to ask again.
    pub fn room(&mut self, plugin: &str, stream: &str, priority: Priority, now: Moment) -> Result<(), NoRoom> {
        self.advance(now);
        let Some((plugin, shares)) = self.divided(plugin) else { return Ok(()) };
        let Some((of_day, ends)) = self.divided_day() else { return Ok(()) };
        let most = hundredths(of_day, shares.percent);
        let spent = self.spent_by_share(plugin, &shares);
        let of = |name: &str| spent.get(name).copied().unwrap_or(0);
        let total: u64 = spent.values().sum();
        // An operator may give more meanwhile.
        let until = ends.min(now.wall.saturating_add(LOOK_AGAIN_MS));
        if total >= most {
            return Err(NoRoom::Spent { most, ends, until });
        }
        let left_ms = u64::try_from((ends - now.wall).clamp(0, DAY_MS)).unwrap_or(0);
        let for_the_rest_of_it = |calls: u64| {
            let calls = u128::from(calls) * u128::from(left_ms) / u128::from(DAY_MS.unsigned_abs());
            u64::try_from(calls).unwrap_or(u64::MAX)
        };
        let (own, mut kept, mut own_share) = (shares.name(stream), 0, 0);
        for (name, percent) in shares.parts() {
            let calls = hundredths(most, percent);
            if name == own {
                own_share = calls;
                // Of its own, what nobody waits for leaves a little to what somebody does.
                kept += for_the_rest_of_it(calls - share(priority, calls));
            } else {
                kept += for_the_rest_of_it(calls).min(calls.saturating_sub(of(name)));
            }
        }
        if total + kept < most {
            return Ok(());
        }
        Err(NoRoom::Share { share: own_share, spent: of(own), until })
    }

    /// How a connector divides a day, and its name; `None`: it divides none.
    pub(super) fn divided<'a>(&self, plugin: &'a str) -> Option<(&'a str, Shares)> {
        let plugin = unversioned(plugin);
        Some((plugin, self.shares.get(plugin)?.set(&self.settings)))
    }

    /// The calls of the day that is divided, and when it ends. One that frees up call by call has no hours that are left of it.
    pub(super) fn divided_day(&self) -> Option<(u64, Millis)> {
        self.days.iter().filter_map(|day| Some((day.most()?, day.midnight()?))).min()
    }

    /// What each share has spent: streams without one together with the calls of no stream.
    pub(super) fn spent_by_share(&self, plugin: &str, shares: &Shares) -> BTreeMap<String, u64> {
        let mut spent = BTreeMap::new();
        for (stream, calls) in self.by_stream.get(plugin).into_iter().flatten() {
            *spent.entry(shares.name(stream).to_owned()).or_default() += calls;
        }
        spent
    }

    /// Every share, with what is spent of it.
    pub(super) fn shown_shares(&self) -> Vec<ShownShare> {
        let Some((of_day, _)) = self.divided_day() else { return Vec::new() };
        let mut all = Vec::new();
        for (plugin, declared) in &self.shares {
            let shares = declared.set(&self.settings);
            let (most, spent) = (hundredths(of_day, shares.percent), self.spent_by_share(plugin, &shares));
            all.extend(shares.parts().map(|(stream, percent)| ShownShare {
                plugin: plugin.clone(),
                stream: stream.to_owned(),
                percent,
                calls: hundredths(most, percent),
                spent: spent.get(stream).copied().unwrap_or(0),
            }));
        }
        all
    }

    /// Notes the shares of a connector. Of several versions of one, those that were noted last hold.
    pub(super) fn declare_shares(&mut self, by: &str, rates: &[Rate]) {
        let plugin = unversioned(by).to_owned();
        match Shares::declared(rates) {
            Some(shares) => drop(self.shares.insert(plugin, shares)),
            None => drop(self.shares.remove(&plugin)),
        }
    }
}

#[cfg(test)]
mod tests;
