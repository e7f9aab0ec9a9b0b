//! `/v1/sandboxes/{sandbox}/exchange-rates`: what currencies are worth in a base, by the day.

use super::State;
use super::body::{Body, query};
use super::etag::{IfMatch, with_version};
use super::listing::{Everything, Listing};
use super::scope::Scope;
use crate::app::refusal::Result;
use attiva_core::exchange::{Converted, RatesTable};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/v1/sandboxes/{sandbox}/exchange-rates", get(list))
        .route("/v1/sandboxes/{sandbox}/exchange-rates/{base}", get(show).put(publish))
        .route("/v1/sandboxes/{sandbox}/exchange-rates/{base}/convert", get(convert))
}

#[derive(Serialize)]
struct View {
    base: String,
    currencies: Vec<String>,
    rates: usize,
    /// The newest day that has a rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    newest: Option<String>,
}

impl View {
    fn of(table: RatesTable) -> Self {
        let mut currencies: Vec<String> = table.rates.iter().map(|rate| rate.currency.clone()).collect();
        currencies.sort_unstable();
        currencies.dedup();
        let newest = table.rates.iter().map(|rate| &rate.from).max().cloned();
        Self { base: table.base, currencies, rates: table.rates.len(), newest }
    }
}

async fn list(scope: Scope, listing: Listing<Everything>) -> Result<Response> {
    let tables = scope.sandbox.all_rates(listing.after.as_deref(), listing.wanted())?;
    Ok(listing.answer(tables, |table| table.base.clone(), View::of))
}

async fn show(scope: Scope) -> Result<Response> {
    let found = scope.sandbox.rates(scope.param("base"))?;
    Ok(with_version(Json(found.value).into_response(), found.version))
}

async fn publish(scope: Scope, IfMatch(expect): IfMatch, Body(table): Body<RatesTable>) -> Result<Response> {
    let published = scope.sandbox.publish_rates(&scope.caller, scope.param("base"), table, expect).await?;
    Ok(with_version(Json(published.value).into_response(), published.version))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    amount: String,
    currency: String,
    on: String,
}

#[derive(Serialize)]
struct Answer {
    /// The amount in the base; null: not known.
    amount: Option<String>,
    /// Why it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<String>,
}

async fn convert(scope: Scope, uri: Uri) -> Result<Json<Answer>> {
    let Question { amount, currency, on } = query(&uri)?;
    Ok(Json(match scope.sandbox.convert(scope.param("base"), &amount, &currency, &on)? {
        Converted::Known(amount) => Answer { amount: Some(amount.to_string()), because: None },
        Converted::Unknown(problem) => Answer { amount: None, because: Some(problem.to_string()) },
    }))
}
