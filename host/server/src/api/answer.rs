//! Kinds of answers. Each is a type, so that the description of the API knows its status and its headers.

use super::etag::with_version;
use super::operation::{Answers, Describer};
use crate::app::refusal::Refusal;
use axum::Json;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

impl<T: Answers> Answers for Result<T, Refusal> {
    fn describe(to: &mut Describer<'_>) {
        T::describe(to);
    }
}

impl<T: JsonSchema> Answers for Json<T> {
    fn describe(to: &mut Describer<'_>) {
        to.answers::<T>(StatusCode::OK, "As asked.", &[]);
    }
}

/// Plain text.
impl Answers for &'static str {
    fn describe(to: &mut Describer<'_>) {
        to.answers_with(StatusCode::OK, "As asked.", &[], &[("text/plain", json!({ "type": "string" }))]);
    }
}

/// An answer with headers that carry no meaning for a program.
impl<T: Answers, const N: usize> Answers for ([(HeaderName, &'static str); N], T) {
    fn describe(to: &mut Describer<'_>) {
        T::describe(to);
    }
}

/// A document and its version.
pub(super) struct Tagged<T> {
    pub(super) value: T,
    pub(super) version: u64,
}

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        with_version(Json(self.value).into_response(), self.version)
    }
}

impl<T: JsonSchema> Answers for Tagged<T> {
    fn describe(to: &mut Describer<'_>) {
        to.answers::<T>(StatusCode::OK, "As it is now.", &["ETag"]);
    }
}

/// Something that was made: where it is, and its version where it has one.
pub(super) struct Created<T> {
    value: T,
    place: Option<String>,
    version: Option<u64>,
}

impl<T> Created<T> {
    pub(super) fn at(place: String, value: T) -> Self {
        Self { value, place: Some(place), version: None }
    }

    /// Something that has no place of its own.
    pub(super) fn nowhere(value: T) -> Self {
        Self { value, place: None, version: None }
    }

    pub(super) fn version(self, version: u64) -> Self {
        Self { version: Some(version), ..self }
    }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let place = self.place.map(|place| [(header::LOCATION, place)]);
        let body = Json(self.value);
        let response = match place {
            Some(place) => (StatusCode::CREATED, place, body).into_response(),
            None => (StatusCode::CREATED, body).into_response(),
        };
        match self.version {
            Some(version) => with_version(response, version),
            None => response,
        }
    }
}

impl<T: JsonSchema> Answers for Created<T> {
    fn describe(to: &mut Describer<'_>) {
        to.answers::<T>(StatusCode::CREATED, "It was made.", &["Location", "ETag"]);
        to.refuses([409]);
    }
}

/// It is done, and there is nothing to show.
pub(super) struct Done;

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl Answers for Done {
    fn describe(to: &mut Describer<'_>) {
        to.answers_with(StatusCode::NO_CONTENT, "Done.", &[], &[]);
    }
}

/// A removal, or what it would remove.
pub(super) enum Removed<T> {
    Gone,
    WouldGo(T),
}

impl<T: Serialize> IntoResponse for Removed<T> {
    fn into_response(self) -> Response {
        match self {
            Self::Gone => Done.into_response(),
            Self::WouldGo(contents) => Json(contents).into_response(),
        }
    }
}

impl<T: JsonSchema> Answers for Removed<T> {
    fn describe(to: &mut Describer<'_>) {
        Done::describe(to);
        to.answers::<T>(StatusCode::OK, "With `dry_run`: what would go.", &[]);
        to.refuses([409]);
    }
}
