//! `/v1/sandboxes/{sandbox}/connections/{connection}/authorization`: a person's consent, asked for and how it stands.
//! `/oauth/callback`: where the vendor sends the person back to; the one place under which a browser without a key is
//! let in, with a state that was handed out before.

use super::State;
use super::answer::Created;
use super::body::query;
use super::html::escaped;
use super::operation::{Answers, Describer, Takes};
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::authorizations::{Authorised, Begun, Returned, Standing};
use crate::app::refusal::{Refusal, Result};
use axum::Json;
use axum::extract::{self, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::convert::Infallible;

/// The callback's path, behind the host's public address.
pub(super) const CALLBACK: &str = "/oauth/callback";

pub(super) fn routes() -> Routes {
    Routes::of("connections", "Configured connectors.")
        .get(
            "/v1/sandboxes/{sandbox}/connections/{connection}/authorization",
            "authorization",
            "Show how a person's consent stands",
            show,
        )
        .post(
            "/v1/sandboxes/{sandbox}/connections/{connection}/authorization",
            "authorize",
            "Ask a person for consent at the vendor",
            begin,
        )
        .asks_a_vendor()
}

pub(super) fn callback() -> Routes {
    Routes::of("connections", "Configured connectors.").get(
        CALLBACK,
        "authorized",
        "Where a vendor sends a person back to",
        returned,
    )
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BegunAuthorization")]
struct BegunView {
    /// Where the person has to go. Good once.
    url: String,
    until: Instant,
    /// What has to stand in the app's settings at the vendor.
    redirect_uri: String,
}

/// No cache keeps it.
type NotKept<T> = ([(HeaderName, &'static str); 1], T);

async fn begin(state: extract::State<State>, scope: Scope) -> Result<NotKept<Created<BegunView>>> {
    let begun = scope.sandbox.ask_for_consent(&scope.caller, scope.param("connection"), &state.callback).await?;
    let Begun { url, until, redirect_uri } = begun;
    let view = BegunView { url, until: Instant(until), redirect_uri };
    Ok(([(header::CACHE_CONTROL, "no-store")], Created::nowhere(view)))
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Authorization")]
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

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuthorizationRefusal")]
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
#[derive(Deserialize, JsonSchema)]
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

async fn returned(state: extract::State<State>, Asked(answer): Asked) -> Page {
    let taken = match answer {
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

/// What a vendor sends along. That it cannot be read is told on a page, too: a person looks at it.
struct Asked(Result<Answer>);

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> std::result::Result<Self, Infallible> {
        Ok(Self(query(&parts.uri)))
    }
}

impl Takes for Asked {
    fn describe(to: &mut Describer<'_>) {
        to.query::<Answer>();
    }
}

/// A page for the person who was sent here.
struct Page(Response);

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Answers for Page {
    fn describe(to: &mut Describer<'_>) {
        let html = [("text/html", json!({ "type": "string" }))];
        to.answers_with(StatusCode::OK, "The connection is authorised.", &[], &html);
        to.answers_with(StatusCode::BAD_REQUEST, "It is not; the page says why.", &[], &html);
    }
}

/// A page that loads nothing, is kept nowhere, and tells the next one nothing.
fn page(status: StatusCode, title: &str, text: &str, action: &str) -> Page {
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
    Page((status, headers, html).into_response())
}
