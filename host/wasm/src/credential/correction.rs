//! What a store's refusal says of the signature that it refuses: that the bucket is in another region, or that our clock
//! is wrong. Either is taken at the store's word, within bounds: a region has to be a word of a host's name, which stays
//! inside the declared domains, and a clock that is a day off is for a person. What a signature allows is one request,
//! with its body, to one region, within minutes: whoever names another region gets no more than that.

use super::assume::texts;
use crate::broker::GuestResponse;
use crate::egress::policy::is_label;
use attiva_core::Millis;
use attiva_core::time::{parse_http_date, parse_timestamp};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Stores take a time that is 15 minutes from theirs; they tell it in seconds, and a little later.
const SKEW_TAKEN_MS: Millis = 10 * 60_000;
/// A signature made for a time far ahead could be used then.
const SKEW_FOLLOWED_MS: Millis = 24 * 3_600_000;

/// What to sign by another time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Correction {
    Region(String),
    /// What our clock lacks; negative where it is ahead.
    ClockMs(Millis),
}

/// How a refused request was signed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    pub(crate) region: &'a str,
    /// Our clock's time, and what was added to it.
    pub(crate) now_ms: Millis,
    pub(crate) clock_ms: Millis,
}

impl Correction {
    /// What an answer says of how its request was signed, if anything.
    pub(crate) fn of(signed: Signed<'_>, answer: &GuestResponse) -> Option<Self> {
        match answer.status {
            301 | 307 | 400 => another_region(signed, answer).map(Self::Region),
            403 => another_time(signed, answer).map(Self::ClockMs),
            _ => None,
        }
    }
}

fn another_region(signed: Signed<'_>, answer: &GuestResponse) -> Option<String> {
    let named = header(answer, "x-amz-bucket-region").map(str::to_owned).or_else(|| said(answer).remove("Region"))?;
    (named != signed.region && is_label(&named)).then_some(named)
}

fn another_time(signed: Signed<'_>, answer: &GuestResponse) -> Option<Millis> {
    let mut said = said(answer);
    match said.get("Code").map(String::as_str) {
        Some("RequestTimeTooSkewed") => {}
        // An answer to HEAD has no body: its date has to do.
        None if signed.method == "HEAD" => {}
        _ => return None,
    }
    let told = said.remove("ServerTime").and_then(|text| parse_timestamp(&text));
    let theirs = told.or_else(|| header(answer, "date").and_then(parse_http_date))?;
    let clock_ms = theirs.checked_sub(signed.now_ms)?;
    let was_off = clock_ms.abs_diff(signed.clock_ms) >= SKEW_TAKEN_MS.unsigned_abs();
    (was_off && clock_ms.abs() <= SKEW_FOLLOWED_MS).then_some(clock_ms)
}

/// The texts of S3's error document, by name.
fn said(answer: &GuestResponse) -> HashMap<String, String> {
    texts(&answer.body)
}

fn header<'a>(answer: &'a GuestResponse, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// What was found out, by whose request it was: the next call need not be refused first.
#[derive(Default)]
pub(crate) struct Corrections {
    kept: Mutex<HashMap<String, Kept>>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) region: Option<String>,
    pub(crate) clock_ms: Millis,
}

impl Corrections {
    pub(crate) fn of(&self, whose: &str) -> Kept {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(whose).cloned().unwrap_or_default()
    }

    pub(crate) fn keep(&self, whose: String, found: Kept) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(whose, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-29T10:00:00Z.
    const NOW: Millis = 1_795_946_400_000;
    const MINUTE: Millis = 60_000;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> GuestResponse {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        GuestResponse { status, headers, body: body.into() }
    }

    fn of(method: &str, clock_ms: Millis, answer: &GuestResponse) -> Option<Correction> {
        Correction::of(Signed { method, region: "us-east-1", now_ms: NOW, clock_ms }, answer)
    }

    #[test]
    fn a_region_is_named_in_a_header_or_in_the_body() {
        let malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>";
        let there = Some(Correction::Region("eu-west-1".into()));
        assert_eq!(of("PUT", 0, &answer(400, &[], malformed)), there);
        assert_eq!(of("HEAD", 0, &answer(301, &[("x-amz-bucket-region", "eu-west-1")], "")), there);
        assert_eq!(of("PUT", 0, &answer(307, &[("x-amz-bucket-region", "eu-west-1")], malformed)), there);
        // It was signed for that one, nothing is said of one, it is none, or it is not what the refusal is about.
        for nothing in [
            answer(400, &[], "<Error><Code>MalformedXML</Code></Error>"),
            answer(301, &[("x-amz-bucket-region", "us-east-1")], ""),
            answer(301, &[("x-amz-bucket-region", "evil.com/")], ""),
            answer(301, &[("x-amz-bucket-region", "")], ""),
            answer(403, &[("x-amz-bucket-region", "eu-west-1")], ""),
            answer(200, &[("x-amz-bucket-region", "eu-west-1")], ""),
        ] {
            assert_eq!(of("PUT", 0, &nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn a_clock_is_set_by_the_stores_within_a_day() {
        let skewed = |time: &str| {
            answer(
                403,
                &[],
                &format!("<Error><Code>RequestTimeTooSkewed</Code><ServerTime>{time}</ServerTime></Error>"),
            )
        };
        assert_eq!(of("PUT", 0, &skewed("2026-11-29T10:20:00Z")), Some(Correction::ClockMs(20 * MINUTE)));
        assert_eq!(of("PUT", 0, &skewed("2026-11-29T08:00:00Z")), Some(Correction::ClockMs(-120 * MINUTE)));
        // It was corrected before, and the machine's own clock was set since.
        assert_eq!(of("PUT", 60 * MINUTE, &skewed("2026-11-29T10:00:00Z")), Some(Correction::ClockMs(0)));
        let dated = |code: &str, date: &str| answer(403, &[("date", date)], code);
        let code = "<Error><Code>RequestTimeTooSkewed</Code></Error>";
        let later = "Sun, 29 Nov 2026 10:20:00 GMT";
        assert_eq!(of("PUT", 0, &dated(code, later)), Some(Correction::ClockMs(20 * MINUTE)));
        assert_eq!(of("HEAD", 0, &dated("", later)), Some(Correction::ClockMs(20 * MINUTE)));
        for nothing in [
            skewed("2026-11-30T10:01:00Z"),
            skewed("2026-11-29T10:09:00Z"),
            skewed("soon"),
            dated("<Error><Code>AccessDenied</Code></Error>", later),
            dated("", later),
            dated("", "Sun, 29 Nov 2026 10:01:00 GMT"),
        ] {
            assert_eq!(of("PUT", 0, &nothing), None, "{nothing:?}");
        }
        assert_eq!(of("HEAD", 0, &dated("", "Sun, 29 Nov 2026 10:01:00 GMT")), None, "another reason");
    }
}
