//! `/v1/sandboxes/{sandbox}/connections/{connection}/exchanges`: the last requests to a vendor and their answers, as they
//! went over the wire, without credentials and with secrets taken out. With `?containing=<text>`, only those in which a
//! text stands: a record's key, to see where it came from or how it was sent.

use super::body::Query;
use super::listing::Items;
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::exchanges::ExchangeLine;
use crate::app::refusal::Result;
use attiva_wasm::Exchanged;
use attiva_wasm::usage::Body;
use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Routes {
    Routes::of("connections", "Configured connectors.").get(
        "/v1/sandboxes/{sandbox}/connections/{connection}/exchanges",
        "exchanges",
        "List the last requests to the vendor and their answers, without secrets",
        list,
    )
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Question {
    #[serde(default)]
    containing: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Exchange")]
struct View {
    at: Instant,
    plugin: String,
    function: String,
    method: String,
    host: String,
    path: String,
    /// The name of the credential it carried.
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<String>,
    request_headers: Vec<(String, String)>,
    request_body: Body,
    /// Absent: no answer came.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    response_headers: Vec<(String, String)>,
    response_body: Body,
}

impl View {
    fn of(line: ExchangeLine) -> Self {
        let ExchangeLine { plugin, function, exchanged } = line;
        let Exchanged {
            at_ms,
            method,
            host,
            path,
            credential,
            request_headers,
            request_body,
            status,
            response_headers,
            response_body,
        } = exchanged;
        Self {
            at: Instant(i64::try_from(at_ms).unwrap_or(i64::MAX)),
            plugin,
            function,
            method,
            host,
            path,
            credential,
            request_headers,
            request_body,
            status,
            response_headers,
            response_body,
        }
    }
}

async fn list(scope: Scope, Query(asked): Query<Question>) -> Result<Json<Items<View>>> {
    let lines = scope.sandbox.exchanges(scope.param("connection"), asked.containing)?;
    Ok(Json(Items { items: lines.into_iter().map(View::of).collect() }))
}
