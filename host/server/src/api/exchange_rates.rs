//! `/v1/sandboxes/{sandbox}/exchange-rates`: what currencies are worth in a base, by the day.

use super::answer::Tagged;
use super::body::{Body, Query};
use super::etag::IfMatch;
use super::listing::{Everything, Listing, Paged};
use super::routes::Routes;
use super::scope::Scope;
use crate::app::refusal::Result;
use attiva_core::exchange::{Converted, RatesTable};
use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Routes {
    Routes::of("exchange_rates", "What currencies are worth, by the day.")
        .get("/v1/sandboxes/{sandbox}/exchange-rates", "list", "List tables of rates", list)
        .get("/v1/sandboxes/{sandbox}/exchange-rates/{base}", "show", "Show the rates in a base currency", show)
        .put(
            "/v1/sandboxes/{sandbox}/exchange-rates/{base}",
            "publish",
            "Replace the rates in a base currency",
            publish,
        )
        .get(
            "/v1/sandboxes/{sandbox}/exchange-rates/{base}/convert",
            "convert",
            "Convert an amount as of a day",
            convert,
        )
        .refuses(&[422])
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RatesSummary")]
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

async fn list(scope: Scope, listing: Listing<Everything>) -> Result<Paged<View>> {
    let tables = scope.sandbox.all_rates(listing.after.as_deref(), listing.wanted())?;
    Ok(listing.answer(tables, |table| table.base.clone(), View::of))
}

async fn show(scope: Scope) -> Result<Tagged<RatesTable>> {
    let found = scope.sandbox.rates(scope.param("base"))?;
    Ok(Tagged { value: found.value, version: found.version })
}

async fn publish(scope: Scope, IfMatch(expect): IfMatch, Body(table): Body<RatesTable>) -> Result<Tagged<RatesTable>> {
    let published = scope.sandbox.publish_rates(&scope.caller, scope.param("base"), table, expect).await?;
    Ok(Tagged { value: published.value, version: published.version })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Question {
    amount: String,
    currency: String,
    on: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Converted")]
struct Answer {
    /// The amount in the base; null: not known.
    amount: Option<String>,
    /// Why it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<String>,
}

async fn convert(scope: Scope, Query(asked): Query<Question>) -> Result<Json<Answer>> {
    let Question { amount, currency, on } = asked;
    Ok(Json(match scope.sandbox.convert(scope.param("base"), &amount, &currency, &on)? {
        Converted::Known(amount) => Answer { amount: Some(amount.to_string()), because: None },
        Converted::Unknown(problem) => Answer { amount: None, because: Some(problem.to_string()) },
    }))
}
