//! `/v1/sandboxes/{sandbox}/schema`: the model with its fields and the values they may have; `…/model`: what the operator
//! added to it.

use super::answer::Tagged;
use super::body::Body;
use super::etag::IfMatch;
use super::routes::Routes;
use super::scope::Scope;
use crate::app::refusal::Result;
use attiva_core::model::Schema;
use attiva_core::model::custom::Custom;
use schemars::JsonSchema;
use serde::Serialize;

pub(super) fn routes() -> Routes {
    Routes::of("model", "The model: entities, fields, relations, and what the operator added.")
        .get("/v1/sandboxes/{sandbox}/schema", "schema", "Show the whole model", schema)
        .get("/v1/sandboxes/{sandbox}/model", "custom", "Show what was added to the model", model)
        .put("/v1/sandboxes/{sandbox}/model", "publish", "Replace what is added to the model", publish)
        .refuses(&[409])
}

async fn schema(scope: Scope) -> Result<Tagged<Schema>> {
    let schema = scope.sandbox.model_schema()?;
    Ok(Tagged { value: schema.value, version: schema.version })
}

async fn model(scope: Scope) -> Result<Tagged<Custom>> {
    let custom = scope.sandbox.custom_model()?;
    Ok(Tagged { value: custom.value, version: custom.version })
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PublishedModel")]
struct Published {
    #[serde(flatten)]
    custom: Custom,
    /// Streams whose records are looked at again.
    streams_reconsidered: u64,
}

async fn publish(scope: Scope, IfMatch(expect): IfMatch, Body(custom): Body<Custom>) -> Result<Tagged<Published>> {
    let (published, streams_reconsidered) = scope.sandbox.publish_model(&scope.caller, custom, expect).await?;
    let view = Published { custom: published.value, streams_reconsidered };
    Ok(Tagged { value: view, version: published.version })
}
