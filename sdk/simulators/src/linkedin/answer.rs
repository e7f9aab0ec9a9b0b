//! What a call is answered with. An error has an HTTP status that says so, and a body of three members.

use axum::body::Body;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Value as Json, json};

/// An answer that went well.
#[derive(Debug)]
pub(crate) enum Answer {
    Json(Json),
    /// 201 with an empty body: the id is in a header and nowhere else.
    Created(String),
    /// 204.
    Nothing,
    Plain(Response<Body>),
}

/// A call that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: Option<Json>,
    pub(crate) message: String,
    pub(crate) retry_after: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, code: None, message: message.into(), retry_after: None }
    }

    /// With a code that further classifies the error: a number in `serviceErrorCode`, a word in `code`.
    pub(crate) fn coded(status: u16, code: impl Into<Json>, message: impl Into<String>) -> Self {
        Self { code: Some(code.into()), ..Self::new(status, message) }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    pub(crate) fn body(&self) -> Json {
        let mut body = json!({"message": self.message, "status": self.status});
        match &self.code {
            Some(word @ Json::String(_)) => body["code"] = word.clone(),
            Some(number) => body["serviceErrorCode"] = number.clone(),
            None => {}
        }
        body
    }
}

pub(crate) type Outcome = Result<Answer, Refusal>;

pub(crate) fn response(outcome: Outcome) -> Response<Body> {
    match outcome {
        Ok(Answer::Json(body)) => json_response(200, &body),
        Ok(Answer::Created(id)) => {
            let mut response = empty(StatusCode::CREATED);
            if let Ok(id) = HeaderValue::try_from(id) {
                response.headers_mut().insert(HeaderName::from_static("x-restli-id"), id);
            }
            response
        }
        Ok(Answer::Nothing) => empty(StatusCode::NO_CONTENT),
        Ok(Answer::Plain(response)) => response,
        Err(refusal) => {
            let mut response = json_response(refusal.status, &refusal.body());
            response.headers_mut().extend(refusal.retry_after.map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds))));
            response
        }
    }
}

pub(crate) fn json_response(status: u16, body: &Json) -> Response<Body> {
    plain(status, "application/json", body.to_string())
}

pub(crate) fn plain(status: u16, content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Sends a browser somewhere else.
pub(crate) fn redirect(place: &str) -> Response<Body> {
    let mut response = empty(StatusCode::FOUND);
    response.headers_mut().extend(HeaderValue::try_from(place).ok().map(|place| (LOCATION, place)));
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
