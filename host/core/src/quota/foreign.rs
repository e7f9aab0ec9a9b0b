//! What the vendor says of its limits: that one is used up though we had room, or how much of it is spent.

use super::window::Limit;
use super::{Day, Moment, Quota};
use crate::spec::ToldBy;
use crate::{Fault, FaultKind, Millis};
use serde::{Deserialize, Serialize};

/// Longest pause that a refusal makes, windows aside.
const HOLD_MS_MAX: u64 = 60_000;
const HOLD_MS_DEFAULT: u64 = 2_000;

/// The vendor refused a call that we had room for: somebody else uses the instance, or its limit is another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Foreign {
    pub at: Millis,
    /// The fault's code.
    pub code: String,
    /// `window`, `concurrent`, `day`.
    pub kind: String,
    /// What we had counted then.
    pub counted: u64,
    /// What we might have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<u64>,
}

impl Quota {
    /// A connector says that the vendor refused a call. If that is about one of these limits, it is held back from, and
    /// what was found is returned.
    pub fn refused(&mut self, fault: &Fault, now: Moment) -> Option<Foreign> {
        self.advance(now);
        let Fault { kind, code, retry_after_ms, .. } = fault;
        // A vendor may have one code for all its limits: the kind of the fault tells a day's from the others.
        let (passes, is_of_a_day) = (*kind == FaultKind::RateLimited, *kind == FaultKind::Quota);
        let names = |codes: &[String]| codes.iter().any(|known| known == code);
        let told = |kind: &str, counted, most| {
            Some(Foreign { at: now.wall, code: code.clone(), kind: kind.to_owned(), counted, most })
        };
        let mut found = None;
        let (at_vendor, ended) = (self.at_vendor(), &self.ended);
        for limit in self.windows.iter_mut().filter(|limit| passes && names(&limit.refused_by)) {
            let length = u64::from(limit.seconds) * 1000;
            let first = ended.partition_point(|at| at + length < now.steady);
            found = told("window", at_vendor + (ended.len() - first) as u64, Some(limit.said().into()));
            limit.hold_back(now.steady);
            let pause = retry_after_ms.unwrap_or(length).clamp(length.min(HOLD_MS_MAX), length.max(HOLD_MS_MAX));
            self.held_until = self.held_until.max(Some(now.steady + pause));
        }
        if let Some(limit) = self.at_once.as_mut().filter(|limit| passes && names(&limit.refused_by)) {
            found = told("concurrent", at_vendor, Some(limit.said().into()));
            limit.hold_back(now.steady);
            let pause = retry_after_ms.unwrap_or(HOLD_MS_DEFAULT).min(HOLD_MS_MAX);
            self.held_until = self.held_until.max(Some(now.steady + pause));
        }
        for day in self.days.iter_mut().filter(|day| is_of_a_day && names(&day.refused_by)) {
            found = told("day", day.calls(), day.most());
            day.refuse(now.wall);
        }
        if found.is_some() {
            self.foreign.clone_from(&found);
        }
        found
    }

    /// Headers in which the vendor may tell what is spent.
    pub fn told_by(&self) -> impl Iterator<Item = &ToldBy> {
        self.days.iter().filter_map(|day| day.told_by.as_ref())
    }

    /// The vendor tells, in one of these headers, what is spent.
    pub fn tell(&mut self, header: &str, value: &str, now: Moment) {
        self.advance(now);
        for day in &mut self.days {
            let told = day.told_by.as_ref().filter(|told| told.header == header).and_then(|told| told.read(value));
            if let Some((used, most)) = told {
                day.tell(now.wall, used, most);
            }
        }
    }

    /// An operator says that what the vendor said is over.
    pub fn release(&mut self) {
        self.held_until = None;
        self.foreign = None;
        self.windows.iter_mut().chain(&mut self.at_once).for_each(Limit::ease);
        self.days.iter_mut().for_each(Day::release);
    }
}
