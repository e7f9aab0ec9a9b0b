//! The org's calls of a day, as every answer tells them: `Sforce-Limit-Info: api-usage=8370/15000`.

use attiva_connector::Fault;
use serde::{Deserialize, Serialize};

/// How long a spent budget is believed in, in seconds: the day is a rolling one, so calls free up all the time.
const BELIEVED_SECONDS: i64 = 3_600;

/// Calls of the last 24 hours, and how many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Usage {
    pub(crate) used: u64,
    pub(crate) max: u64,
    /// When the vendor said so, in seconds.
    pub(crate) at: i64,
}

impl Usage {
    /// Reads the header. There may be more in it: `api-usage=18/5000;per-app-api-usage=17/250(appName=sample)`.
    pub(crate) fn read(header: &str, at: i64) -> Option<Self> {
        let named = |part: &str| part.trim().strip_prefix("api-usage=").map(str::to_owned);
        let usage = header.split([';', ',']).find_map(named)?;
        let (used, max) = usage.split_once('/')?;
        let digits: String = max.chars().take_while(char::is_ascii_digit).collect();
        let max = digits.parse().ok().filter(|max| *max > 0)?;
        Some(Self { used: used.trim().parse().ok()?, max, at })
    }

    /// The fault of a run that may not go on, while what is known is fresh.
    pub(crate) fn spent(&self, share: u32, now: i64) -> Option<Fault> {
        let over = self.used.saturating_mul(100) >= self.max.saturating_mul(share.into());
        let until = self.at.saturating_add(BELIEVED_SECONDS);
        if !over || !(self.at..until).contains(&now) {
            return None;
        }
        let what =
            format!("{} of the org's {} calls of a day are spent; reading stops at {share} %", self.used, self.max);
        let wait = u64::try_from(until - now).unwrap_or(0) * 1000;
        let fault = Fault::quota("salesforce.daily-share", what).retry_after_ms(wait).field("daily_share");
        Some(fault.action("Wait, or raise the share, or see which other programs use the org's calls."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_read_with_whatever_else_is_in_it() {
        let read = |header| Usage::read(header, 7).map(|u| (u.used, u.max));
        assert_eq!(read("api-usage=8370/15000"), Some((8_370, 15_000)));
        assert_eq!(read("api-usage=18/5000; per-app-api-usage=17/250(appName=sample)"), Some((18, 5_000)));
        assert_eq!(read("per-app-api-usage=17/250(appName=a), api-usage=1/2"), Some((1, 2)));
        for bad in ["", "api-usage=", "api-usage=1", "api-usage=x/2", "api-usage=1/0", "per-app-api-usage=17/250"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_share_that_is_spent_ends_the_run_for_an_hour() {
        let usage = Usage { used: 12_000, max: 15_000, at: 1_000 };
        let fault = usage.spent(80, 1_600).unwrap();
        assert_eq!((fault.code.as_str(), fault.retry_after_ms), ("salesforce.daily-share", Some(3_000_000)));
        assert_eq!(usage.spent(81, 1_600), None);
        assert_eq!(usage.spent(80, 4_600), None);
        assert_eq!(usage.spent(80, 999), None, "the clock went back: ask again");
    }
}
