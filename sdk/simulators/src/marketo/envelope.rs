//! What a call is answered with: the vendor's envelope, where even a refusal has HTTP status 200.

use std::borrow::Cow;

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Map, Value as Json, json};

/// An answer to a call that went well.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The members of the envelope beside `requestId` and `success`.
    Members(Map<String, Json>),
    /// Something that is no envelope, such as an export file.
    Plain(Response<Body>),
}

impl Answer {
    pub(crate) fn result(result: impl Into<Json>) -> Self {
        Self::Members(Map::from_iter([("result".to_owned(), result.into())]))
    }

    /// As the asset API answers: `errors` and `warnings` are always there; nothing found is a warning, in words, and no
    /// `result`.
    pub(crate) fn assets(found: Vec<Json>) -> Self {
        let nothing = "No assets found for the given search criteria.";
        let warnings = if found.is_empty() { json!([nothing]) } else { json!([]) };
        let answer = if found.is_empty() { Self::Members(Map::new()) } else { Self::result(found) };
        answer.with("errors", json!([])).with("warnings", warnings)
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        if let Self::Members(members) = &mut self {
            members.insert(name.to_owned(), value.into());
        }
        self
    }

    pub(crate) fn plain(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Self {
        Self::Plain(plain(status, HeaderValue::from_static(content_type), body))
    }
}

/// An error of the whole call, or the reason why one record was skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: Cow<'static, str>,
}

impl Refusal {
    pub(crate) fn new(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: code.into(), message: message.into() }
    }

    pub(crate) fn not_found() -> Self {
        Self::new("610", "Requested resource not found")
    }

    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("1003", message)
    }

    pub(crate) fn missing(name: &str) -> Self {
        Self::new("1002", format!("Missing value for required parameter '{name}'"))
    }

    pub(crate) fn to_json(&self) -> Json {
        json!({"code": self.code, "message": self.message})
    }
}

pub(crate) type Outcome = Result<Answer, Refusal>;

/// Writes an outcome. `request_id` is what support would ask for.
pub(crate) fn response(outcome: Outcome, request_id: &str) -> Response<Body> {
    let mut envelope = Map::from_iter([("requestId".to_owned(), Json::from(request_id))]);
    match outcome {
        Ok(Answer::Plain(response)) => return response,
        Ok(Answer::Members(members)) => {
            envelope.insert("success".to_owned(), Json::Bool(true));
            envelope.extend(members);
        }
        Err(refusal) => {
            envelope.insert("success".to_owned(), Json::Bool(false));
            envelope.insert("errors".to_owned(), json!([refusal.to_json()]));
        }
    }
    json_response(StatusCode::OK, &Json::Object(envelope))
}

pub(crate) fn json_response(status: StatusCode, body: &Json) -> Response<Body> {
    plain(status, HeaderValue::from_static("application/json;charset=UTF-8"), body.to_string())
}

pub(crate) fn plain(status: StatusCode, content_type: HeaderValue, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
