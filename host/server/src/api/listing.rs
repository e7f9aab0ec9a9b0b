//! Listings: `limit` and an opaque `cursor` in the query, `next_cursor` and a `Link` in the answer.

use super::State;
use super::body;
use super::operation::{Answers, Describer};
use crate::app::refusal::Refusal;
use attiva_core::{Fault, FaultKind};
use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::borrow::Cow;

/// What a listing was asked for: a page, and what to leave out.
pub(super) struct Listing<F> {
    pub(super) filter: F,
    pub(super) limit: usize,
    /// Where the page before this one ended.
    pub(super) after: Option<String>,
    path: String,
    /// The filter as it stood in the query.
    filter_query: String,
}

/// A listing that leaves nothing out.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Everything {}

#[derive(Debug, Deserialize, JsonSchema)]
struct Place {
    limit: Option<u32>,
    cursor: Option<String>,
}

impl<F: DeserializeOwned> FromRequestParts<State> for Listing<F> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Refusal> {
        let query = parts.uri.query().unwrap_or_default();
        let of_place = |pair: &&str| matches!(pair.split('=').next(), Some("limit" | "cursor"));
        let pairs = || query.split('&').filter(|p| !p.is_empty());
        let place: Place = parse(&pairs().filter(|p| of_place(p)).collect::<Vec<_>>().join("&"))?;
        let filter_query = pairs().filter(|p| !of_place(p)).collect::<Vec<_>>().join("&");
        let limit = place.limit.unwrap_or(state.pages.size_default);
        if limit == 0 || limit > state.pages.size_max {
            return Err(out_of_range(limit, state.pages.size_max));
        }
        Ok(Self {
            filter: parse(&filter_query)?,
            limit: limit as usize,
            after: place.cursor.as_deref().map(decode).transpose()?,
            path: parts.uri.path().to_owned(),
            filter_query,
        })
    }
}

fn parse<T: DeserializeOwned>(query: &str) -> Result<T, Refusal> {
    // The pieces come from a URI that was parsed already, so that they make one again.
    let uri = Uri::builder().path_and_query(format!("/?{query}")).build().map_err(|_| malformed())?;
    body::query(&uri)
}

fn malformed() -> Refusal {
    Fault::new(FaultKind::Config, "request.malformed", "the query cannot be read").into()
}

fn out_of_range(limit: u32, max: u32) -> Refusal {
    let message = format!("`limit` is {limit}; it must be 1 to {max}");
    Fault::new(FaultKind::Config, "request.malformed", message).field("limit").into()
}

fn encode(after: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("1:{after}"))
}

fn decode(cursor: &str) -> Result<String, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
    let text = bytes.and_then(|b| String::from_utf8(b).ok());
    text.as_deref().and_then(|t| t.strip_prefix("1:")).map(str::to_owned).ok_or_else(foreign_cursor)
}

pub(super) fn foreign_cursor() -> Refusal {
    Fault::new(FaultKind::Config, "request.cursor", "the cursor is not one that this host gave for this listing")
        .action("Begin again without a cursor.")
        .field("cursor")
        .into()
}

/// A page of a listing.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Absent: this was the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A page as it is answered, with a link to the next one.
pub(super) struct Paged<V> {
    page: Page<V>,
    link: Option<HeaderValue>,
}

impl<V: Serialize> IntoResponse for Paged<V> {
    fn into_response(self) -> Response {
        let mut response = Json(self.page).into_response();
        if let Some(link) = self.link {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}

impl<V: JsonSchema> Answers for Paged<V> {
    fn describe(to: &mut Describer<'_>) {
        let item = to.answered.subschema_for::<V>().to_value();
        let page = json!({
            "type": "object",
            "required": ["items"],
            "properties": {
                "items": { "type": "array", "items": item },
                "next_cursor": { "type": "string", "description": "`cursor` of the next page. Absent: this is the last." },
            },
        });
        to.answers_with(StatusCode::OK, "A page.", &["Link"], &[("application/json", page)]);
    }
}

/// All there is, in one answer.
#[derive(Debug, Serialize)]
pub(super) struct Items<T> {
    pub(super) items: Vec<T>,
}

impl<T: JsonSchema> JsonSchema for Items<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("ItemsOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<T>();
        json_schema!({
            "type": "object",
            "required": ["items"],
            "properties": { "items": { "type": "array", "items": item } },
        })
    }
}

impl<F> Listing<F> {
    /// How many to read: one more than the page holds, to know whether another one follows.
    pub(super) fn wanted(&self) -> usize {
        self.limit + 1
    }

    /// Where a listing by number goes on; 0 for the first page.
    pub(super) fn after_number<N: std::str::FromStr + Default>(&self) -> Result<N, Refusal> {
        self.after.as_deref().map_or_else(|| Ok(N::default()), |after| after.parse().map_err(|_| foreign_cursor()))
    }

    /// The answer. `items` are up to [`Listing::wanted`]; `place` says after what the next page begins.
    pub(super) fn answer<T, V>(
        &self,
        mut items: Vec<T>,
        place: impl Fn(&T) -> String,
        view: impl Fn(T) -> V,
    ) -> Paged<V> {
        let more = items.len() > self.limit;
        items.truncate(self.limit);
        let next_cursor = items.last().filter(|_| more).map(|last| encode(&place(last)));
        let link = next_cursor.as_deref().and_then(|cursor| self.link(cursor));
        Paged { page: Page { items: items.into_iter().map(view).collect(), next_cursor }, link }
    }

    fn link(&self, cursor: &str) -> Option<HeaderValue> {
        let filter = if self.filter_query.is_empty() { String::new() } else { format!("{}&", self.filter_query) };
        let uri = format!("{}?{filter}limit={}&cursor={cursor}", self.path, self.limit);
        HeaderValue::from_str(&format!("<{uri}>; rel=\"next\"")).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_and_others_are_refused() {
        for after in ["", "con_1", "17", "a:b"] {
            assert_eq!(decode(&encode(after)).unwrap(), after);
        }
        for bad in ["x", "MDox", "====", "con_1"] {
            assert_eq!(decode(bad).unwrap_err().fault.code, "request.cursor", "{bad}");
        }
    }
}
