//! How often a key may ask: a quota for a window, spent and given back evenly (the generic cell rate algorithm). What is
//! kept of a key is one number, so that a burst may take the whole quota and no window has an edge to wait at.

/// So many requests in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    quota: u64,
    window_us: u64,
}

/// What a request may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// How long to wait before the next try; 0: it may go on.
    pub wait_us: u64,
    /// Requests that may follow at once.
    pub left: u64,
    /// Until the whole quota is there again, if nobody asks.
    pub full_in_us: u64,
    /// To be kept for the key: when its quota is whole again.
    pub full_at_us: u64,
}

impl Throttle {
    /// `None` for a quota of 0: there is no limit then. At most a request a microsecond is told apart.
    #[must_use]
    pub fn new(quota: u32, window_seconds: u32) -> Option<Self> {
        let window_us = u64::from(window_seconds) * 1_000_000;
        (quota > 0 && window_us >= u64::from(quota)).then_some(Self { quota: quota.into(), window_us })
    }

    #[must_use]
    pub fn quota(&self) -> u64 {
        self.quota
    }

    #[must_use]
    pub fn window_seconds(&self) -> u64 {
        self.window_us / 1_000_000
    }

    /// A request at a time, both in microseconds from any beginning; `full_at_us` as it was kept, 0 for a new key.
    #[must_use]
    pub fn ask(&self, full_at_us: u64, now_us: u64) -> Turn {
        let each = self.window_us / self.quota;
        // Rounding down would give more than the quota at once.
        let whole = each * self.quota;
        let before = full_at_us.max(now_us);
        let after = before + each;
        let spent = after - now_us;
        if spent > whole {
            let full_in_us = before - now_us;
            return Turn { wait_us: spent - whole, left: 0, full_in_us, full_at_us: before };
        }
        Turn { wait_us: 0, left: (whole - spent) / each, full_in_us: spent, full_at_us: after }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_takes_the_quota_and_it_comes_back_evenly() {
        let throttle = Throttle::new(10, 5).unwrap();
        let (mut full_at, mut now) = (0, 1_000_000);
        let mut ask = |now: u64| {
            let turn = throttle.ask(full_at, now);
            full_at = turn.full_at_us;
            turn
        };
        let left: Vec<u64> = (0..10).map(|_| ask(now).left).collect();
        assert_eq!(left, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
        let refused = ask(now);
        assert_eq!((refused.wait_us, refused.left, refused.full_in_us), (500_000, 0, 5_000_000));
        // Being refused costs nothing, and the wait is exact.
        assert_eq!(ask(now + 499_999).wait_us, 1);
        assert_eq!(ask(now + 500_000).wait_us, 0);
        assert!(ask(now + 500_000).wait_us > 0);
        now += 60_000_000;
        assert_eq!(ask(now).left, 9, "whole again, and not more than whole");
    }

    #[test]
    fn over_a_long_time_it_is_the_quota() {
        for (quota, window) in [(7, 3), (100, 1), (3, 60)] {
            let throttle = Throttle::new(quota, window).unwrap();
            let (mut full_at, mut taken) = (0, 0_u64);
            let windows = 20;
            for now in (0..u64::from(window) * windows * 1_000_000).step_by(1_777) {
                let turn = throttle.ask(full_at, now);
                full_at = turn.full_at_us;
                taken += u64::from(turn.wait_us == 0);
            }
            let most = u64::from(quota) * (windows + 1) + 1;
            assert!((u64::from(quota) * windows..=most).contains(&taken), "{quota} in {window} s: {taken} of {most}");
        }
    }

    #[test]
    fn no_quota_is_no_limit() {
        assert_eq!(Throttle::new(0, 1), None);
        assert_eq!(Throttle::new(1, 0), None);
    }
}
