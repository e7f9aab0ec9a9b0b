//! What Salesforce answers, read. Errors come as a list with a status of 4xx or 5xx; what is neither that nor the
//! answer is somebody else's: a proxy's page, a body cut short.

use crate::refusal::Refusal;
use attiva_connector::{Fault, Response, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;

/// The refusal in an answer that did not go well.
///
/// # Errors
/// By status, where the body is not the vendor's.
pub(crate) fn refusal(response: &Response) -> Result<Refusal> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Body {
        List(Vec<Refusal>),
        // As the token endpoint and some gateways have it.
        One {
            error: String,
            #[serde(default)]
            error_description: String,
        },
        Bare(Refusal),
    }
    let of = |code: String, message: String| Refusal { code, message, status: response.status };
    let found = match serde_json::from_slice::<Body>(&response.body) {
        Ok(Body::List(list)) => list.into_iter().next(),
        Ok(Body::One { error, error_description }) => Some(of(error, error_description)),
        Ok(Body::Bare(refusal)) => Some(refusal).filter(|r| !r.code.is_empty()),
        Err(_) => None,
    };
    match found {
        Some(refusal) => Ok(Refusal { status: response.status, ..refusal }),
        None if response.status == 404 => Ok(of("NOT_FOUND".into(), "The requested resource does not exist".into())),
        None => Err(status_fault(response)),
    }
}

/// An answer's content.
///
/// # Errors
/// `transient` where it is no JSON; `data` `salesforce.unexpected`: another shape than documented.
pub(crate) fn read<T: DeserializeOwned>(response: &Response) -> Result<T> {
    serde_json::from_slice(&response.body).map_err(|e| match e.classify() {
        Category::Data => {
            Fault::data("salesforce.unexpected", format!("Salesforce's answer is not as documented: {e}"))
        }
        _ if response.body.trim_ascii_start().starts_with(b"<") => {
            foreign("salesforce.html", "an HTML page came instead of Salesforce's answer".into())
        }
        _ => foreign("salesforce.not-json", format!("Salesforce's answer is cut short or no JSON: {e}")),
    })
}

/// A page of a query's records.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Queried {
    #[serde(default)]
    pub(crate) total_size: u64,
    pub(crate) done: bool,
    #[serde(default)]
    pub(crate) next_records_url: Option<String>,
    #[serde(default)]
    pub(crate) records: Vec<serde_json::Map<String, Value>>,
}

fn foreign(code: &str, message: String) -> Fault {
    Fault::transient(code, message)
        .action("If it stays so, look what stands between this host and Salesforce: a proxy, a maintenance page.")
}

/// By status alone. Without a body, 406, 420 and 429 are what an org answers that is busy or being set up.
fn status_fault(response: &Response) -> Fault {
    let code = format!("http.{}", response.status);
    match response.status {
        406 | 420 => {
            Fault::transient(code, format!("Salesforce answered with status {} and no reason", response.status))
        }
        414 | 431 => Fault::internal(code, "a request of this connector is longer than Salesforce takes"),
        _ => response.status_fault(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use attiva_connector::FaultKind;

    fn response(status: u16, body: impl AsRef<[u8]>) -> Response {
        Response { status, headers: Vec::new(), body: body.as_ref().to_vec() }
    }

    #[test]
    fn a_refusal_has_three_shapes() {
        let read = |status, body: &str| refusal(&response(status, body)).map(|r| (r.code, r.status));
        let list = r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#;
        assert_eq!(read(401, list), Ok(("INVALID_SESSION_ID".into(), 401)));
        let record = r#"[{"message":"m","statusCode":"UNABLE_TO_LOCK_ROW","fields":[]}]"#;
        assert_eq!(read(400, record), Ok(("UNABLE_TO_LOCK_ROW".into(), 400)));
        assert_eq!(
            read(400, r#"{"error":"invalid_grant","error_description":"expired"}"#),
            Ok(("invalid_grant".into(), 400))
        );
        assert_eq!(read(404, "not found"), Ok(("NOT_FOUND".into(), 404)));
    }

    #[test]
    fn what_is_not_salesforces_answer_passes_or_is_judged_by_status() {
        let kind = |status, body: &str| refusal(&response(status, body)).unwrap_err().kind;
        for status in [406, 420, 500, 502, 503, 504] {
            assert_eq!(kind(status, ""), FaultKind::Transient, "{status}");
        }
        assert_eq!(kind(429, ""), FaultKind::RateLimited);
        assert_eq!(kind(503, "<html>"), FaultKind::Transient);
        assert_eq!(kind(414, ""), FaultKind::Internal);
        assert_eq!(kind(431, ""), FaultKind::Internal);
        let code = |body: &str| self::read::<Queried>(&response(200, body)).unwrap_err().code;
        assert_eq!(code("<html></html>"), "salesforce.html");
        assert_eq!(code(r#"{"done":tr"#), "salesforce.not-json");
        assert_eq!(code(r#"{"records":[]}"#), "salesforce.unexpected");
    }
}
