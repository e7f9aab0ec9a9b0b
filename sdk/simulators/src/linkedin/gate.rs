//! A call's way in: what is checked before an endpoint sees it, in order, and what is written down about it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Method, Response};
use http_body_util::{BodyExt, Limited};
use serde_json::Value as Json;

use super::answer::{self, Answer, Outcome, Refusal};
use super::config::Role;
use super::fault::Fault;
use super::limits::Kind;
use super::received::ReceivedCall;
use super::service::Service;
use super::{login, member_calls, segment_calls};

const BODY_BYTES: usize = 16 * 1024 * 1024;
const TOKEN_PATH: &str = "/oauth/v2/accessToken";
const AUTHORIZE_PATH: &str = "/oauth/v2/authorization";

/// A call as the endpoints see it.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// As it stood on the wire: encoding is part of the protocol.
    pub(crate) raw_query: String,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) body: Bytes,
    headers: HeaderMap,
}

impl Call {
    fn new(parts: Parts, body: Bytes) -> Self {
        let raw_query = parts.uri.query().unwrap_or_default().to_owned();
        let read = |text: &[u8]| -> Vec<(String, String)> {
            form_urlencoded::parse(text).map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
        };
        let mut params = read(raw_query.as_bytes());
        let path = parts.uri.path().to_owned();
        if path == TOKEN_PATH {
            params.extend(read(&body));
        }
        Self { method: parts.method, path, raw_query, params, body, headers: parts.headers }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn restli_method(&self) -> String {
        self.header("x-restli-method").unwrap_or_default().to_ascii_uppercase()
    }

    pub(crate) fn json(&self) -> Result<Json, Refusal> {
        if !self.header("content-type").is_some_and(|text| text.starts_with("application/json")) {
            return Err(Refusal::new(415, "Content-Type must be application/json"));
        }
        serde_json::from_slice(&self.body).map_err(|_| Refusal::bad("The body is no JSON"))
    }
}

/// Answers a call, and notes that it came.
pub(crate) async fn answer(State(service): State<Arc<Service>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or_else(String::new, |text| text.as_str().to_owned());
    let Ok(body) = Limited::new(body, BODY_BYTES).collect().await else {
        return answer::response(Err(Refusal::new(413, "Request entity too large")));
    };
    let call = Call::new(parts, body.to_bytes());
    let carries = call.path.ends_with("/users") || call.path.ends_with("/companies");
    let fault = service.faults().take(&call.path, carries);
    let outcome = handle(&service, &call, fault.as_ref());
    let mut response = answer::response(outcome);
    if matches!(fault, Some(Fault::Cut)) {
        response = answer::plain(response.status().as_u16(), "application/json", "{\"elements\":[{\"sta");
    }
    service.received().add(ReceivedCall {
        method: call.method.to_string(),
        path,
        status: response.status().as_u16(),
        version: call.header("linkedin-version").map(str::to_owned),
        restli_method: call.header("x-restli-method").map(str::to_owned),
    });
    response
}

fn handle(service: &Service, call: &Call, fault: Option<&Fault>) -> Outcome {
    match fault {
        Some(Fault::Status { status, message, retry_after }) => {
            return Err(Refusal { retry_after: *retry_after, ..Refusal::new(*status, message.clone()) });
        }
        Some(Fault::HtmlPage { status }) => return Ok(page(*status)),
        Some(Fault::TokenExpired) => return Err(login::expired()),
        Some(Fault::SegmentNotFound) => return Err(segment_calls::no_segment()),
        _ => {}
    }
    if call.path == TOKEN_PATH {
        return token(service, call, fault);
    }
    if call.path == AUTHORIZE_PATH && call.method == Method::GET {
        let place = service.login().authorize(&call.params, service.now_ms())?;
        return Ok(Answer::Plain(answer::redirect(&place)));
    }
    let now_ms = service.now_ms();
    service.login().check(call.header(AUTHORIZATION.as_str()), now_ms)?;
    let rest = call.path.strip_prefix("/rest/").ok_or_else(|| Refusal::new(404, "No resource at this path"))?;
    version(service, call)?;
    let segments: Vec<&str> = rest.split('/').collect();
    let kind = match segments.as_slice() {
        ["dmpSegments", _, "users"] => Kind::Users,
        ["dmpSegments", _, "companies"] => Kind::Companies,
        _ => Kind::Other,
    };
    service.limits().admit(kind, now_ms)?;
    let needed: &[&str] = if segments[0] == "dmpSegments" { &["rw_dmp_segments"] } else { &["rw_ads", "r_ads"] };
    let granted = needed.iter().any(|scope| service.config.scopes.iter().any(|granted| granted == scope));
    let may = service.config.role != Role::Viewer || segments[0] != "dmpSegments";
    if !granted || !may {
        return Err(Refusal::coded(403, "ACCESS_DENIED", format!("Not enough permissions to access: {}", segments[0])));
    }
    let outcome = match segments.as_slice() {
        ["dmpSegments"] => segment_calls::all(service, call),
        ["dmpSegments", id] => segment_calls::one(service, call, id),
        ["dmpSegments", id, "users" | "companies"] => member_calls::batch(service, call, id, kind, fault),
        ["adAccounts", id] => segment_calls::account(service, call, id),
        _ => Err(Refusal::new(404, "No resource at this path")),
    };
    if matches!(fault, Some(Fault::AnswerLost)) {
        return Ok(page(504));
    }
    outcome
}

/// There is no version that goes without saying, and none that lives for ever.
fn version(service: &Service, call: &Call) -> Result<(), Refusal> {
    let missing = || {
        Refusal::coded(
            400,
            "VERSION_MISSING",
            "A version must be present. Please specify a version by adding the LinkedIn-Version header.",
        )
    };
    let given = call.header("linkedin-version").ok_or_else(missing)?;
    let (first, last) = service.config.versions;
    let served = given.len() == 6 && given.parse::<u32>().is_ok_and(|version| (first..=last).contains(&version));
    if !served {
        return Err(Refusal::coded(426, "NONEXISTENT_VERSION", format!("Requested version {given} is not active")));
    }
    if call.header("x-restli-protocol-version") != Some("2.0.0") {
        return Err(Refusal::bad("Rest.li protocol version 2.0.0 is required"));
    }
    // In protocol 2.0.0 `:` `(` `)` and `,` in a query are structure; a URN stands there encoded.
    if call.raw_query.contains("urn:") {
        return Err(Refusal::bad("Invalid query parameters passed to request"));
    }
    Ok(())
}

fn token(service: &Service, call: &Call, fault: Option<&Fault>) -> Outcome {
    let form =
        call.header(CONTENT_TYPE.as_str()).is_some_and(|text| text.starts_with("application/x-www-form-urlencoded"));
    if call.method != Method::POST || !form {
        return Err(Refusal::bad("A token is asked for by a form that is posted"));
    }
    let (status, body) = match fault {
        Some(Fault::InvalidGrant) => service.login().answer(&[], 0),
        _ => service.login().answer(&call.params, service.now_ms()),
    };
    let body = match fault {
        Some(Fault::InvalidGrant) => {
            serde_json::json!({"error": "invalid_grant", "error_description": "The refresh token has been revoked by the member."})
        }
        _ => body,
    };
    Ok(Answer::Plain(answer::json_response(status, &body)))
}

fn page(status: u16) -> Answer {
    Answer::Plain(answer::plain(status, "text/html", "<html><body><h1>Just a moment</h1></body></html>"))
}
