//! Bodies and queries: bounded, unknown keys refused, and what is wrong with them is named.

use crate::app::refusal::{FieldProblem, Refusal};
use attiva_core::{Fault, FaultKind};
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A JSON body. The type refuses unknown keys.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        media_type(request.headers(), "application/json", "+json")?;
        let bytes = Bytes::from_request(request, state).await.map_err(unread)?;
        parse(&bytes).map(Self)
    }
}

/// A plugin: a package, a component alone, or where a package is to be fetched from.
pub(super) enum PluginBody {
    Bytes(Bytes),
    Fetched(FetchBody),
}

/// A package by its address and its digest.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "PackageToFetch")]
#[serde(deny_unknown_fields)]
pub(super) struct FetchBody {
    pub(super) url: String,
    /// Of the file, lower-case hex.
    pub(super) sha256: String,
}

/// The media type of packages.
pub(crate) const PACKAGE: &str = "application/vnd.attiva.plugin";

impl<S: Send + Sync> FromRequest<S> for PluginBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        if media_type(request.headers(), "application/json", "+json").is_ok() {
            let bytes = Bytes::from_request(request, state).await.map_err(unread)?;
            return parse(&bytes).map(Self::Fetched);
        }
        media_type(request.headers(), PACKAGE, "application/wasm")?;
        Bytes::from_request(request, state).await.map(Self::Bytes).map_err(unread)
    }
}

fn media_type(headers: &HeaderMap, wanted: &str, or_ends_in: &str) -> Result<(), Refusal> {
    let sent = headers.get(CONTENT_TYPE).and_then(|h| h.to_str().ok()).unwrap_or_default();
    let essence = sent.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == wanted || essence.ends_with(or_ends_in) {
        return Ok(());
    }
    let message = format!("the body must be {wanted}");
    Err(Fault::new(FaultKind::Config, "request.media-type", message)
        .action(format!("Send `Content-Type: {wanted}`."))
        .into())
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|e| {
        let pointer = pointer(e.path());
        wrong(e.into_inner(), pointer)
    })?;
    deserializer.end().map_err(|e| wrong(e, String::new()))?;
    Ok(value)
}

fn wrong(error: serde_json::Error, pointer: String) -> Refusal {
    if error.is_data() {
        let field = FieldProblem::new(pointer, error.to_string());
        return Refusal::invalid("request.invalid", "the body is not what this call takes", vec![field]);
    }
    malformed(format!("the body is not JSON: {error}"))
}

fn malformed(message: String) -> Refusal {
    Fault::new(FaultKind::Config, "request.malformed", message).action("Correct the request and repeat.").into()
}

/// `mapping[0].field` as a JSON pointer.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

fn unread(rejection: BytesRejection) -> Refusal {
    if rejection.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE {
        return too_large();
    }
    malformed("the body could not be read to its end".into())
}

pub(super) fn too_large() -> Refusal {
    Fault::new(FaultKind::Config, "request.too-large", "the body is larger than this call takes")
        .action("Send less, or have the operator raise limits.body_bytes or limits.plugin_bytes.")
        .into()
}

/// A query string. The type refuses unknown keys.
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        query(&parts.uri).map(Self)
    }
}

/// Reads a query string. The type refuses unknown keys.
pub(super) fn query<T: DeserializeOwned>(uri: &axum::http::Uri) -> Result<T, Refusal> {
    let parsed = axum::extract::Query::<T>::try_from_uri(uri);
    parsed.map(|q| q.0).map_err(|e| malformed(format!("the query is not what this call takes: {}", e.body_text())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code, reason = "only its reading is tested")]
        list: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only its reading is tested")]
        n: u8,
    }

    #[test]
    fn what_is_wrong_with_a_body_is_named() {
        let cases = [
            (r#"{"list": [{"n": 1}, {"n": "x"}]}"#, "request.invalid", "/list/1/n"),
            (r#"{"list": [{"n": 1, "m": 2}]}"#, "request.invalid", "/list/0/m"),
            (r#"{"liste": []}"#, "request.invalid", "/liste"),
            (r#"{"list": []"#, "request.malformed", ""),
            (r#"{"list": []} x"#, "request.malformed", ""),
            ("", "request.malformed", ""),
        ];
        for (body, code, field) in cases {
            let refusal = parse::<Outer>(body.as_bytes()).unwrap_err();
            assert_eq!(refusal.fault.code, code, "{body}");
            assert_eq!(refusal.fields.first().map_or("", |f| f.field.as_str()), field, "{body}");
        }
        assert!(parse::<Outer>(br#"{"list": [{"n": 1}]}"#).is_ok());
    }
}
