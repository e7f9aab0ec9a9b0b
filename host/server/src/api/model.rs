//! `/v1/sandboxes/{sandbox}/schema`: the model with its fields and the values they may have; `…/model`: what the operator
//! added to it.

use super::State;
use super::body::Body;
use super::etag::{IfMatch, with_version};
use super::scope::Scope;
use crate::app::refusal::Result;
use attiva_core::model::custom::Custom;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/v1/sandboxes/{sandbox}/schema", get(schema))
        .route("/v1/sandboxes/{sandbox}/model", get(model).put(publish))
}

async fn schema(scope: Scope) -> Result<Response> {
    let schema = scope.sandbox.model_schema()?;
    Ok(with_version(Json(schema.value).into_response(), schema.version))
}

async fn model(scope: Scope) -> Result<Response> {
    let custom = scope.sandbox.custom_model()?;
    Ok(with_version(Json(custom.value).into_response(), custom.version))
}

#[derive(Serialize)]
struct Published {
    #[serde(flatten)]
    custom: Custom,
    /// Streams whose records are looked at again.
    streams_reconsidered: u64,
}

async fn publish(scope: Scope, IfMatch(expect): IfMatch, Body(custom): Body<Custom>) -> Result<Response> {
    let (published, streams_reconsidered) = scope.sandbox.publish_model(&scope.caller, custom, expect).await?;
    let view = Published { custom: published.value, streams_reconsidered };
    Ok(with_version(Json(view).into_response(), published.version))
}
