//! Call limits of the member: a minute's and a day's.

use std::collections::BTreeMap;

use super::answer::Refusal;
use super::config;

/// What a call is counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Users,
    Companies,
    Other,
}

#[derive(Debug)]
pub(crate) struct Limits {
    limits: config::Limits,
    minute: u64,
    in_minute: BTreeMap<Kind, u32>,
    day: u64,
    today: u64,
}

impl Limits {
    pub(crate) fn new(limits: config::Limits) -> Self {
        Self { limits, minute: 0, in_minute: BTreeMap::new(), day: 0, today: 0 }
    }

    /// Counts a call, or refuses it. The vendor says how long to wait in neither case.
    pub(crate) fn admit(&mut self, kind: Kind, now_ms: u64) -> Result<(), Refusal> {
        self.turn(now_ms);
        if self.today >= self.limits.daily {
            return Err(throttled(
                "Resource level throttle APPLICATION_AND_MEMBER DAY limit for calls to this resource is reached.",
            ));
        }
        let most = match kind {
            Kind::Users => self.limits.users_per_minute,
            Kind::Companies => self.limits.companies_per_minute,
            Kind::Other => u32::MAX,
        };
        let count = self.in_minute.entry(kind).or_default();
        if *count >= most {
            return Err(throttled("Resource level throttle limit for calls to this resource is reached."));
        }
        *count += 1;
        self.today += 1;
        Ok(())
    }

    /// Calls that the member made otherwise.
    pub(crate) fn spend(&mut self, calls: u64, now_ms: u64) {
        self.turn(now_ms);
        self.today = self.today.saturating_add(calls);
    }

    fn turn(&mut self, now_ms: u64) {
        if self.minute != now_ms / 60_000 {
            self.minute = now_ms / 60_000;
            self.in_minute.clear();
        }
        if self.day != now_ms / 86_400_000 {
            self.day = now_ms / 86_400_000;
            self.today = 0;
        }
    }
}

fn throttled(words: &str) -> Refusal {
    Refusal::coded(429, "TOO_MANY_REQUESTS", words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_and_days_turn() {
        let limits = config::Limits { users_per_minute: 1, daily: 3, ..config::Limits::VENDOR };
        let mut limits = Limits::new(limits);
        let status = |result: Result<(), Refusal>| result.err().map(|refusal| refusal.status);
        assert_eq!(status(limits.admit(Kind::Users, 0)), None);
        assert_eq!(status(limits.admit(Kind::Users, 59_999)), Some(429));
        assert_eq!(status(limits.admit(Kind::Companies, 59_999)), None);
        assert_eq!(status(limits.admit(Kind::Users, 60_000)), None);
        assert_eq!(limits.admit(Kind::Other, 60_000).map_err(|r| r.message.contains(" DAY ")), Err(true));
        assert_eq!(status(limits.admit(Kind::Other, 86_400_000)), None);
    }
}
