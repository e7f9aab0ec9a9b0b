//! What Marketo answers, read. An HTTP status of 200 means nothing: the body says whether the call went well.

use crate::refusal::Refusal;
use attiva_connector::{Fault, Response, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

/// The part of every answer that says how the call went.
#[derive(Deserialize)]
struct Verdict {
    #[serde(default)]
    success: bool,
    #[serde(default)]
    errors: Option<Vec<Refusal>>,
}

/// What a call came to.
#[derive(Debug)]
pub enum Answer {
    /// It went well.
    Granted,
    /// It did not, whatever the HTTP status.
    Refused(Refusal),
}

/// Whether the call went well, by status and body.
///
/// # Errors
/// `transient` where the answer is not Marketo's (an error page, a body cut short); by status where there is no
/// verdict in the body.
pub fn judge(response: &Response) -> Result<Answer> {
    let text = match std::str::from_utf8(&response.body) {
        Ok(text) => text,
        Err(_) if !response.is_success() => return Err(status_fault(response)),
        Err(e) => return Err(foreign("marketo.not-utf8", format!("Marketo's answer is not UTF-8: {e}"))),
    };
    let verdict: Verdict = match serde_json::from_str(text) {
        Ok(verdict) => verdict,
        Err(_) if !response.is_success() => return Err(status_fault(response)),
        Err(_) if text.trim_start().starts_with('<') => {
            let message = format!("status {} came with an HTML page instead of Marketo's answer", response.status);
            return Err(foreign("marketo.html", message));
        }
        Err(e) => {
            let message = format!("Marketo's answer of {} bytes is cut short or no JSON: {e}", text.len());
            return Err(foreign("marketo.not-json", message));
        }
    };
    if verdict.success && response.is_success() {
        return Ok(Answer::Granted);
    }
    match verdict.errors.into_iter().flatten().next() {
        Some(refusal) => Ok(Answer::Refused(refusal)),
        None if response.is_success() => {
            Err(foreign("marketo.no-reason", "Marketo refused the call and gave no reason".into()))
        }
        None => Err(status_fault(response)),
    }
}

/// A granted answer's content.
///
/// # Errors
/// `data` `marketo.unexpected`: another shape than documented.
pub fn read<T: DeserializeOwned>(response: &Response) -> Result<T> {
    serde_json::from_slice(&response.body).map_err(|e| match e.classify() {
        Category::Data => Fault::data("marketo.unexpected", format!("Marketo's answer is not as documented: {e}")),
        _ => foreign("marketo.not-json", format!("Marketo's answer is cut short or no JSON: {e}")),
    })
}

/// The first element of a granted answer's `result`.
///
/// # Errors
/// `data` `marketo.unexpected`.
pub fn read_one<T: DeserializeOwned>(response: &Response) -> Result<T> {
    let listed: Listed<T> = read(response)?;
    let nothing = || Fault::data("marketo.unexpected", "Marketo's answer has no result");
    listed.result.into_iter().next().ok_or_else(nothing)
}

/// `result` of any call.
#[derive(Debug, Deserialize)]
pub struct Listed<T> {
    /// Empty where there is none: the asset API leaves it out.
    #[serde(default = "Vec::new")]
    pub result: Vec<T>,
    /// Of the next page, where there is one.
    #[serde(default, rename = "nextPageToken")]
    pub next: Option<String>,
    /// Absent where a page without a token is the last.
    #[serde(default, rename = "moreResult")]
    pub more: Option<bool>,
}

impl<T> Listed<T> {
    /// Whether there are further pages, where the family says so.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.more == Some(true)
    }
}

fn foreign(code: &str, message: String) -> Fault {
    Fault::transient(code, message)
        .action("If it stays so, look what stands between this host and Marketo: a proxy, a maintenance page.")
}

/// By status alone: 413 and 414 are requests of ours that are too large; the rest is HTTP's general meaning.
fn status_fault(response: &Response) -> Fault {
    match response.status {
        413 | 414 => Fault::internal(
            format!("http.{}", response.status),
            "a request of this connector is larger than Marketo takes",
        ),
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

    fn failed(status: u16, body: impl AsRef<[u8]>) -> (FaultKind, String) {
        let fault = judge(&response(status, body)).unwrap_err();
        (fault.kind, fault.code)
    }

    #[test]
    fn a_refusal_comes_with_status_200() {
        let body = r#"{"requestId":"a#1","success":false,"errors":[{"code":"606","message":"Max rate limit"}]}"#;
        let Ok(Answer::Refused(refusal)) = judge(&response(200, body)) else { panic!() };
        assert_eq!(refusal, Refusal { code: "606".into(), message: "Max rate limit".into() });
        assert!(matches!(judge(&response(200, r#"{"success":true}"#)), Ok(Answer::Granted)));
        assert!(matches!(judge(&response(200, r#"{"success":true,"errors":[],"warnings":[]}"#)), Ok(Answer::Granted)));
    }

    #[test]
    fn what_is_not_marketos_answer_passes() {
        use FaultKind::*;
        assert_eq!(failed(200, "<html><body>Maintenance</body></html>"), (Transient, "marketo.html".into()));
        assert_eq!(failed(200, r#"{"success":true,"result":[{"id":1"#), (Transient, "marketo.not-json".into()));
        assert_eq!(failed(200, b"{\"success\":true,\"a\":\"\xff\"}"), (Transient, "marketo.not-utf8".into()));
        assert_eq!(failed(200, ""), (Transient, "marketo.not-json".into()));
        assert_eq!(failed(200, r#"{"success":false}"#), (Transient, "marketo.no-reason".into()));
    }

    #[test]
    fn statuses() {
        use FaultKind::*;
        assert_eq!(failed(503, "<html>"), (Transient, "http.503".into()));
        assert_eq!(failed(502, b"\xff"), (Transient, "http.502".into()));
        assert_eq!(failed(414, ""), (Internal, "http.414".into()));
        assert_eq!(failed(413, ""), (Internal, "http.413".into()));
        assert_eq!(failed(404, "not found"), (Data, "http.404".into()));
        let body = r#"{"success":false,"errors":[{"code":"602","message":"expired"}]}"#;
        assert!(matches!(judge(&response(401, body)), Ok(Answer::Refused(r)) if r.code == "602"));
    }

    #[test]
    fn results() {
        let listed: Listed<i64> =
            read(&response(200, r#"{"success":true,"result":[],"nextPageToken":"T","moreResult":true}"#)).unwrap();
        assert_eq!((listed.result.len(), listed.next.as_deref(), listed.has_more()), (0, Some("T"), true));
        let listed: Listed<i64> = read(&response(200, r#"{"success":true}"#)).unwrap();
        assert_eq!((listed.result.len(), listed.next.clone(), listed.has_more()), (0, None, false));
        let empty = read_one::<i64>(&response(200, r#"{"success":true,"result":[]}"#));
        assert_eq!(empty.unwrap_err().code, "marketo.unexpected");
        let shape = read::<Listed<i64>>(&response(200, r#"{"success":true,"result":["x"]}"#));
        assert_eq!(shape.unwrap_err().kind, FaultKind::Data);
    }
}
