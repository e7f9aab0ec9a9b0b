//! What Salesforce's error codes mean: who acts next, and when the call can succeed.

use attiva_connector::{Fault, FaultKind};
use serde::Deserialize;

/// Most characters of the vendor's words that go into a fault.
const MESSAGE_CHARS_MAX: usize = 500;
const HOUR_MS: u64 = 3_600_000;

/// One element of an error's list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Refusal {
    /// `errorCode` of a call, `statusCode` of a record in a composite one.
    #[serde(rename = "errorCode", alias = "statusCode", default)]
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) message: String,
    /// HTTP's.
    #[serde(skip)]
    pub(crate) status: u16,
}

impl Refusal {
    /// The fault for a whole call.
    pub(crate) fn fault(&self) -> Fault {
        use FaultKind::*;
        let (kind, action, wait_ms) = match self.code.as_str() {
            "INVALID_SESSION_ID" | "INVALID_AUTH_HEADER" => {
                (Auth, "Check the app and its user in Salesforce: is the user allowed to use the API?", None)
            }
            "REQUEST_LIMIT_EXCEEDED" if self.says("concurrent") => (RateLimited, "", Some(30_000)),
            "REQUEST_LIMIT_EXCEEDED" => {
                (Quota, "Wait: calls free up as those of yesterday fall out of the last 24 hours.", Some(HOUR_MS))
            }
            "API_DISABLED_FOR_ORG" => (Unsupported, "The org's edition has no API: ask Salesforce for it.", None),
            "API_CURRENTLY_DISABLED"
            | "SERVER_UNAVAILABLE"
            | "UNKNOWN_EXCEPTION"
            | "QUERY_TIMEOUT"
            | "UNABLE_TO_LOCK_ROW"
            | "CANNOT_CREATE_QUERY_LOCATOR" => (Transient, "", None),
            "INSUFFICIENT_ACCESS"
            | "INSUFFICIENT_ACCESS_OR_READONLY"
            | "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"
            | "FUNCTIONALITY_NOT_ENABLED"
            | "API_ACCESS_DENIED"
            | "FORBIDDEN" => (
                Scope,
                "Give the integration user a permission set with API access and read access to the object.",
                None,
            ),
            // A bulk budget of a day: jobs made, or results kept.
            "LIMIT_EXCEEDED" | "API_ERROR" if self.says("per 24 hrs") => {
                (Quota, "Wait, or delete jobs that nobody needs.", Some(HOUR_MS))
            }
            "INVALID_FIELD" => {
                (Config, "Discover the connection again: a field is gone, or the user may no longer see it.", None)
            }
            "NOT_FOUND" | "INVALID_TYPE" => (Scope, "The object is not in the org, or the user may not see it.", None),
            "OPERATION_TOO_LARGE" | "EXCEEDED_ID_LIMIT" => {
                (Data, "Choose fewer fields, or read the object in bulk.", None)
            }
            // The requests are this connector's own.
            "MALFORMED_QUERY" | "INVALID_QUERY_FILTER_OPERATOR" | "JSON_PARSER_ERROR" | "METHOD_NOT_ALLOWED" => {
                (Internal, "", None)
            }
            _ if self.status >= 500 => (Transient, "", None),
            _ => (Data, "Look the code up in Salesforce's list of API error codes.", None),
        };
        let words: String = self.message.split_whitespace().collect::<Vec<_>>().join(" ");
        let words: String = words.chars().take(MESSAGE_CHARS_MAX).collect();
        let code = if self.code.is_empty() { "unknown" } else { &self.code };
        let fault = Fault::new(kind, format!("salesforce.{code}"), format!("Salesforce: {words}")).action(action);
        match wait_ms {
            Some(wait) => fault.retry_after_ms(wait),
            None => fault,
        }
    }

    /// The session was not taken: a new one may be. Two texts of the same status are about the app, and no session helps.
    pub(crate) fn is_stale_session(&self) -> bool {
        let of_the_app = self.says("not valid for use with the rest api") || self.says("app is not attached");
        matches!(self.code.as_str(), "INVALID_SESSION_ID" | "INVALID_AUTH_HEADER") && !of_the_app
    }

    /// A field that is asked for is not there (any more).
    pub(crate) fn is_unknown_field(&self) -> bool {
        self.code == "INVALID_FIELD"
    }

    /// The object is not there, or the user may not see it.
    pub(crate) fn is_unknown_object(&self) -> bool {
        matches!(self.code.as_str(), "NOT_FOUND" | "INVALID_TYPE" | "INSUFFICIENT_ACCESS")
    }

    /// A page of a query, or a job, that the vendor no longer has.
    pub(crate) fn is_gone(&self) -> bool {
        self.status == 404 || matches!(self.code.as_str(), "INVALID_QUERY_LOCATOR" | "INVALIDJOB" | "NOT_FOUND")
    }

    /// The object, or a field of it, cannot be read by a bulk job.
    pub(crate) fn is_not_for_bulk(&self) -> bool {
        self.code == "INVALIDENTITY"
            || self.says("not supported by the bulk api")
            || self.says("does not support query")
            || self.says("not supported in bulk query")
    }

    /// The query cannot be answered in one go: too much to sort or to count.
    pub(crate) fn is_too_large(&self) -> bool {
        matches!(self.code.as_str(), "QUERY_TIMEOUT" | "OPERATION_TOO_LARGE" | "EXCEEDED_ID_LIMIT")
    }

    /// Only in lower case.
    pub(crate) fn says(&self, words: &str) -> bool {
        self.message.to_ascii_lowercase().contains(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: &str, message: &str) -> Refusal {
        Refusal { code: code.into(), message: message.into(), status: 400 }
    }

    #[test]
    fn every_code_names_who_acts_next_and_when() {
        use FaultKind::*;
        let cases = [
            ("INVALID_SESSION_ID", "Session expired or invalid", Auth, None),
            ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", Quota, Some(HOUR_MS)),
            ("REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.", RateLimited, Some(30_000)),
            ("API_DISABLED_FOR_ORG", "", Unsupported, None),
            ("INSUFFICIENT_ACCESS", "", Scope, None),
            ("FUNCTIONALITY_NOT_ENABLED", "", Scope, None),
            ("NOT_FOUND", "The requested resource does not exist", Scope, None),
            ("INVALID_FIELD", "No such column 'X' on entity 'Contact'", Config, None),
            ("MALFORMED_QUERY", "unexpected token", Internal, None),
            ("QUERY_TIMEOUT", "Your query request was running for too long", Transient, None),
            ("UNKNOWN_EXCEPTION", "", Transient, None),
            ("SERVER_UNAVAILABLE", "", Transient, None),
            ("API_ERROR", "Max bulk v2 query jobs (10000) per 24 hrs has been reached", Quota, Some(HOUR_MS)),
            (
                "LIMIT_EXCEEDED",
                "Max bulk v2 query result size stored (1000000000) kb per 24 hrs has been exceeded",
                Quota,
                Some(HOUR_MS),
            ),
            ("SOMETHING_NEW", "", Data, None),
        ];
        for (code, message, kind, wait) in cases {
            let fault = refusal(code, message).fault();
            assert_eq!((fault.kind, fault.retry_after_ms), (kind, wait), "{code} {message}");
            assert_eq!(fault.code, format!("salesforce.{code}"));
        }
        assert_eq!(Refusal { status: 503, ..refusal("SOMETHING_NEW", "") }.fault().kind, Transient);
    }

    #[test]
    fn what_looks_like_an_expired_session_and_is_none() {
        assert!(refusal("INVALID_SESSION_ID", "Session expired or invalid").is_stale_session());
        for about_the_app in
            ["This session is not valid for use with the REST API", "Connected App is not attached to Agent"]
        {
            assert!(!refusal("INVALID_SESSION_ID", about_the_app).is_stale_session(), "{about_the_app}");
        }
    }

    #[test]
    fn a_query_with_its_picture_is_one_line_of_bounded_length() {
        let fault =
            refusal("INVALID_TYPE", "\nselect count() from XYZZY\n                     ^\nERROR at Row:1:Column:21")
                .fault();
        assert_eq!(fault.message, "Salesforce: select count() from XYZZY ^ ERROR at Row:1:Column:21");
        assert_eq!(refusal("X", &"y".repeat(9_000)).fault().message.len(), "Salesforce: ".len() + MESSAGE_CHARS_MAX);
    }
}
