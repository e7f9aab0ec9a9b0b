//! `/v1/sandboxes/{sandbox}/connections/{connection}/authorization`: a person's consent, asked for and how it stands.
//! `/oauth/callback`: where the vendor sends the person back to; the one place under which a browser without a key is
//! let in, with a state that was handed out before.

use super::State;
use super::body::query;
use super::scope::Scope;
use super::time::Instant;
use crate::app::authorizations::{Authorised, Begun, Returned, Standing};
use crate::app::refusal::{Refusal, Result};
use axum::extract;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

/// The callback's path, behind the host's public address.
pub(super) const CALLBACK: &str = "/oauth/callback";

pub(super) fn routes() -> Router<State> {
    Router::new().route("/v1/sandboxes/{sandbox}/connections/{connection}/authorization", get(show).post(begin))
}

pub(super) fn callback() -> Router<State> {
    Router::new().route(CALLBACK, get(returned))
}

#[derive(Serialize)]
struct BegunView {
    /// Where the person has to go. Good once.
    url: String,
    until: Instant,
    /// What has to stand in the app's settings at the vendor.
    redirect_uri: String,
}

async fn begin(state: extract::State<State>, scope: Scope) -> Result<Response> {
    let begun = scope.sandbox.ask_for_consent(&scope.caller, scope.param("connection"), &state.callback).await?;
    let Begun { url, until, redirect_uri } = begun;
    let view = BegunView { url, until: Instant(until), redirect_uri };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(view)).into_response())
}

#[derive(Serialize)]
struct StandingView {
    #[serde(skip_serializing_if = "Option::is_none")]
    given_at: Option<Instant>,
    /// Whose key it was asked for with.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
    /// Why it was not given when it was last asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<RefusedView>,
}

#[derive(Serialize)]
struct RefusedView {
    code: String,
    message: String,
    action: String,
}

async fn show(scope: Scope) -> Result<Json<StandingView>> {
    let Standing { consent, warning } = scope.sandbox.consent_standing(scope.param("connection"))?;
    let refused = consent.refused.map(|f| RefusedView { code: f.code, message: f.message, action: f.action });
    Ok(Json(StandingView {
        given_at: consent.given_at.map(Instant),
        asked_by: consent.asked_by.map(|key| key.to_string()),
        ends_at: consent.ends_at.map(Instant),
        warning,
        refused,
    }))
}

/// RFC 6749 4.1.2. Vendors add parameters of their own.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    state: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

async fn returned(state: extract::State<State>, uri: Uri) -> Response {
    let taken = match query::<Answer>(&uri) {
        Ok(Answer { state: told, code, error, error_description }) => {
            let answer = match code.as_str() {
                "" => Err(format!("{error} {error_description}").trim().to_owned()),
                _ => Ok(code.into()),
            };
            state.app.take_authorization(Returned { state: told.into(), answer }).await
        }
        Err(refusal) => Err(refusal),
    };
    match taken {
        Ok(Authorised { sandbox, connection }) => {
            let text = format!("The connection {connection} of the sandbox {sandbox} is authorised.");
            page(StatusCode::OK, "Done", &text, "This window can be closed.")
        }
        Err(Refusal { fault, .. }) => page(StatusCode::BAD_REQUEST, "Not authorised", &fault.message, &fault.action),
    }
}

/// A page that loads nothing, is kept nowhere, and tells the next one nothing.
fn page(status: StatusCode, title: &str, text: &str, action: &str) -> Response {
    let (title, text, action) = (escaped(title), escaped(text), escaped(action));
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\
         <body><h1>{title}</h1><p>{text}</p><p>{action}</p></body></html>"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, html).into_response()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vendors_words_are_no_markup() {
        assert_eq!(escaped("<b a=\"1\" c='2'>&\n"), "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp; ");
    }
}
