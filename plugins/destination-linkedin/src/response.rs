//! What LinkedIn answers, read: errors by who acts next, segments, and the results inside a 200. Pure.

use attiva_connector::{Fault, FaultKind, Response, Result};
use serde::Deserialize;

const DAY_MS: u64 = 86_400_000;
const MINUTE_MS: u64 = 60_000;

#[derive(Debug, Default, Deserialize)]
struct ErrorBody {
    #[serde(default)]
    message: String,
    #[serde(default)]
    code: Option<String>,
    #[serde(default, rename = "serviceErrorCode")]
    service_error_code: Option<i64>,
}

/// What an answer that is no success means. `what` completes "could not".
pub(crate) fn fault(response: &Response, what: &str, now_ms: u64) -> Fault {
    let status = response.status;
    let body: Option<ErrorBody> = serde_json::from_slice(&response.body).ok();
    let is_theirs = body.is_some();
    let body = body.unwrap_or_default();
    let detail = body.code.or(body.service_error_code.map(|code| code.to_string()));
    let code = format!("linkedin.{}", detail.unwrap_or_else(|| status.to_string()));
    let words: String = body.message.chars().take(300).collect();
    let words = if words.is_empty() { String::new() } else { format!(": {words}") };
    let message = format!("LinkedIn could not {what}, status {status}{words}");
    let fault = |kind| Fault::new(kind, code, message);
    let version = "Set api_version to a version that LinkedIn serves; its documentation lists them.";
    let mut fault = match status {
        _ if !is_theirs && (response.is_success() || !matches!(status, 401 | 403 | 426 | 429)) => {
            Fault::transient("linkedin.foreign", format!("status {status} came with an answer that is not LinkedIn's"))
        }
        426 => fault(FaultKind::Config).field("api_version").action(version),
        400 if body.message.to_lowercase().contains("version") => {
            fault(FaultKind::Config).field("api_version").action(version)
        }
        401 => fault(FaultKind::Auth).action("Have the member authorise the app again."),
        403 => fault(FaultKind::Scope).action(
            "Give the member a role other than viewer in the ad account, and the app the scope rw_dmp_segments.",
        ),
        404 => fault(FaultKind::Config).action("Check account_id and the target: LinkedIn has no such thing."),
        429 if body.message.contains(" DAY ") => spent(fault(FaultKind::Quota), now_ms),
        429 => fault(FaultKind::RateLimited).retry_after_ms(MINUTE_MS - now_ms % MINUTE_MS),
        408 | 409 | 423 | 425 | 500.. => fault(FaultKind::Transient),
        _ => fault(FaultKind::Internal).action("Report this with LinkedIn's words."),
    };
    if let Some(wait) = response.retry_after_ms().filter(|_| fault.kind != FaultKind::Quota) {
        fault.retry_after_ms = Some(wait);
    }
    fault
}

/// A day's budget is there again at 00:00 UTC.
pub(crate) fn spent(fault: Fault, now_ms: u64) -> Fault {
    fault
        .retry_after_ms(DAY_MS - now_ms % DAY_MS)
        .action("Nothing: what was not sent goes out with the next delivery after 00:00 UTC. LinkedIn's developer portal shows the limit.")
}

/// A segment, as far as we need it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Segment {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) account: String,
    #[serde(default, rename = "sourcePlatform")]
    pub(crate) platform: String,
    #[serde(default, rename = "sourceSegmentId")]
    pub(crate) source_id: String,
    #[serde(default)]
    pub(crate) created: u64,
    #[serde(default)]
    destinations: Vec<Destination>,
}

/// Status and counts stand here and not with the segment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Destination {
    #[serde(default)]
    pub(crate) destination: String,
    #[serde(default)]
    pub(crate) status: String,
    #[serde(default, rename = "matchedCount")]
    pub(crate) matched: Option<u64>,
    /// 0 or absent where the audience is small.
    #[serde(default, rename = "audienceSize")]
    pub(crate) size: Option<u64>,
}

impl Segment {
    pub(crate) fn at_linkedin(&self) -> Option<&Destination> {
        self.destinations.iter().find(|d| d.destination == "LINKEDIN").or(self.destinations.first())
    }

    /// `BUILDING` and so on; empty where LinkedIn does not say.
    pub(crate) fn status(&self) -> &str {
        self.at_linkedin().map_or("", |d| d.status.as_str())
    }

    /// Why nothing can be done with it: no campaign takes it, and it takes nobody.
    pub(crate) fn is_dead(&self) -> bool {
        matches!(self.status(), "EXPIRED" | "FAILED" | "ERROR")
    }
}

pub(crate) fn segment(response: &Response) -> Result<Segment> {
    response.json()
}

pub(crate) fn segments(response: &Response) -> Result<Vec<Segment>> {
    #[derive(Deserialize)]
    struct Found {
        elements: Vec<Segment>,
    }
    Ok(response.json::<Found>()?.elements)
}

/// The id of what was made: the body is empty.
pub(crate) fn created_id(response: &Response) -> Result<u64> {
    let id = response.header("x-restli-id").or_else(|| response.header("x-linkedin-id"));
    id.and_then(|id| id.parse().ok())
        .ok_or_else(|| Fault::transient("linkedin.no-id", "LinkedIn made a segment and did not say which"))
}

/// What became of one element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ElementResult {
    pub(crate) status: u16,
    pub(crate) message: String,
}

impl ElementResult {
    pub(crate) fn is_taken(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the same element may well be taken in a moment.
    pub(crate) fn passes(&self) -> bool {
        matches!(self.status, 408 | 409 | 423 | 425 | 429 | 500..)
    }
}

/// One result for each of `count` elements, in their order.
pub(crate) fn results(response: &Response, count: usize) -> Result<Vec<ElementResult>> {
    #[derive(Deserialize)]
    struct Results {
        elements: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        status: u16,
        #[serde(default)]
        error: Option<ErrorBody>,
    }
    let results: Results = response.json()?;
    if results.elements.len() != count {
        let what = format!("LinkedIn answered {} results for {count} members", results.elements.len());
        return Err(Fault::transient("linkedin.results", what));
    }
    let one =
        |one: One| ElementResult { status: one.status, message: one.error.map(|e| e.message).unwrap_or_default() };
    Ok(results.elements.into_iter().map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Response {
        Response { status, headers: Vec::new(), body: body.into() }
    }

    #[test]
    fn an_error_says_who_acts_and_when() {
        // 2026-01-01T00:00:30Z
        let now_ms = 1_767_225_630_000;
        let day = r#"{"message":"Resource level throttle MEMBER DAY limit for calls to this resource is reached."}"#;
        let cases = [
            (400, r#"{"message":"A version must be present","code":"VERSION_MISSING"}"#, FaultKind::Config, None),
            (426, r#"{"message":"x","code":"NONEXISTENT_VERSION"}"#, FaultKind::Config, None),
            // What a version's end answers is documented by its status alone; to try it again would help nobody.
            (426, "", FaultKind::Config, None),
            (426, "<html>", FaultKind::Config, None),
            (401, r#"{"message":"x","serviceErrorCode":65602}"#, FaultKind::Auth, None),
            (403, r#"{"message":"x"}"#, FaultKind::Scope, None),
            (403, "<html>", FaultKind::Scope, None),
            (404, r#"{"message":"x"}"#, FaultKind::Config, None),
            (404, "<html>", FaultKind::Transient, None),
            (409, r#"{"message":"x"}"#, FaultKind::Transient, None),
            (429, r#"{"message":"Resource level throttle limit"}"#, FaultKind::RateLimited, Some(30_000)),
            (429, day, FaultKind::Quota, Some(DAY_MS - 30_000)),
            (429, "", FaultKind::RateLimited, Some(30_000)),
            (500, r#"{"message":"x"}"#, FaultKind::Transient, None),
            (502, "<html>", FaultKind::Transient, None),
            (200, "<html>", FaultKind::Transient, None),
            (400, r#"{"message":"Batch size"}"#, FaultKind::Internal, None),
        ];
        for (status, body, kind, wait) in cases {
            let fault = fault(&answer(status, body), "do it", now_ms);
            assert_eq!((fault.kind, fault.retry_after_ms), (kind, wait), "{status} {body}");
        }
        let named = fault(&answer(426, r#"{"message":"x","code":"NONEXISTENT_VERSION"}"#), "do it", 0);
        assert_eq!(
            (named.field.as_deref(), named.code.as_str()),
            (Some("api_version"), "linkedin.NONEXISTENT_VERSION")
        );
    }

    #[test]
    fn results_are_read_by_position_and_counted() {
        let body = r#"{"elements":[{"status":201},{"status":400,"error":{"message":"no","status":400}}]}"#;
        let read = results(&answer(200, body), 2).unwrap();
        assert_eq!(read.iter().map(|r| (r.status, r.message.as_str())).collect::<Vec<_>>(), [(201, ""), (400, "no")]);
        assert!(read[0].is_taken() && !read[1].is_taken() && !read[1].passes());
        assert_eq!(results(&answer(200, body), 3).unwrap_err().code, "linkedin.results");
        assert_eq!(results(&answer(200, "<html>"), 1).unwrap_err().kind, FaultKind::Transient);
    }
}
