//! A budget as it is shown: what is spent, what is left, and when it frees up.

use super::{Foreign, Moment, Priority, Quota, Setting, Shares, ShownShare};
use crate::Millis;
use serde::Serialize;
use std::collections::BTreeMap;

/// One limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownLimit {
    /// `window`, `concurrent`, `day`.
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
    /// What the connectors declare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared: Option<u64>,
    /// What an operator says in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set: Option<u64>,
    /// What may be used now; absent: nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// By us; of a day by others as well, as far as the vendor tells.
    pub spent: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<u64>,
    /// Of a day: how it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resets: Option<String>,
    /// When a call may begin again, where none may now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frees_at: Option<Millis>,
    /// Of a day: when it ends; of a rolling one, when the first of what is spent frees up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Millis>,
    /// The vendor refused what we had room for, and less is used than may be.
    pub held_back: bool,
}

/// A budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    pub limits: Vec<ShownLimit>,
    /// Calls that wait, by who waits for them.
    pub waiting: BTreeMap<Priority, usize>,
    /// Calls that are being made.
    pub running: u64,
    /// What each connection spent today.
    pub users: BTreeMap<String, u64>,
    /// What each stream has of a day, and has spent of it, where a connector divides it.
    pub shares: Vec<ShownShare>,
    /// The streams that connectors give shares to.
    pub shares_declared: Vec<String>,
    pub settings: Vec<Setting>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub foreign: Option<Foreign>,
}

impl Quota {
    /// The budget as it is now.
    pub fn shown(&mut self, now: Moment) -> Shown {
        self.advance(now);
        let wall = |steady: u64| now.wall.saturating_add_unsigned(steady.saturating_sub(now.steady));
        let mut limits = Vec::new();
        for limit in &self.windows {
            let length = u64::from(limit.seconds) * 1000;
            let first = self.ended.partition_point(|ended| ended + length < now.steady);
            let spent = self.at_vendor() + (self.ended.len() - first) as u64;
            let frees_at = self.ended.get(first).filter(|_| spent >= limit.calls()).map(|at| wall(at + length + 1));
            let held = self.held_until.map(wall);
            limits.push(ShownLimit {
                kind: "window",
                seconds: Some(limit.seconds),
                frees_at: frees_at.max(held),
                ..shown("window", limit, spent)
            });
        }
        limits.extend(self.at_once.iter().map(|limit| shown("concurrent", limit, self.at_vendor())));
        limits.extend(self.days.iter().map(|day| ShownLimit {
            kind: "day",
            seconds: None,
            declared: day.declared.map(u64::from),
            set: day.set.map(u64::from),
            calls: day.most(),
            spent: day.spent(),
            left: if day.is_refused() { Some(0) } else { day.most().map(|most| most.saturating_sub(day.spent())) },
            resets: Some(day.resets.clone()),
            frees_at: day.full_until(now.wall, |most| most),
            resets_at: day.frees_at(),
            held_back: day.is_refused(),
        }));
        let classes = [Priority::Interactive, Priority::Streaming, Priority::Backfill];
        Shown {
            limits,
            waiting: classes.into_iter().map(|class| (class, self.queue.count(class))).collect(),
            running: self.running,
            users: self.users.clone(),
            shares: self.shown_shares(),
            shares_declared: self.shares.values().flat_map(Shares::streams).cloned().collect(),
            settings: self.settings.clone(),
            foreign: self.foreign.clone(),
        }
    }
}

fn shown(kind: &'static str, limit: &super::Limit, spent: u64) -> ShownLimit {
    ShownLimit {
        kind,
        seconds: None,
        declared: Some(limit.declared.into()),
        set: limit.set.map(u64::from),
        calls: Some(limit.calls()),
        spent,
        left: Some(limit.calls().saturating_sub(spent)),
        resets: None,
        frees_at: None,
        resets_at: None,
        held_back: limit.is_held_back(),
    }
}
