//! `/v1/sandboxes/{sandbox}/connections/{connection}/mappings`: what becomes of the native records of each stream.

use super::answer::Tagged;
use super::body::Body;
use super::etag::IfMatch;
use super::listing::Items;
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::mappings::field_problem;
use crate::app::refusal::{FieldProblem, Refusal, Result};
use attiva_core::ports::store::FieldError;
use attiva_core::spec::MappingSpec;
use attiva_sync::{FieldExample, FieldPreview, MappingPreview, MappingState};
use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) fn routes() -> Routes {
    Routes::of("mappings", "What becomes of the native records of each stream.")
        .get(
            "/v1/sandboxes/{sandbox}/connections/{connection}/mappings",
            "list",
            "List the mappings of a connection",
            list,
        )
        .get(
            "/v1/sandboxes/{sandbox}/connections/{connection}/mappings/{stream}",
            "show",
            "Show the mapping of a stream",
            show,
        )
        .put(
            "/v1/sandboxes/{sandbox}/connections/{connection}/mappings/{stream}",
            "publish",
            "Replace the mapping of a stream",
            publish,
        )
        .delete(
            "/v1/sandboxes/{sandbox}/connections/{connection}/mappings/{stream}",
            "restore",
            "Go back to the mapping that the connector ships",
            restore,
        )
        .post(
            "/v1/sandboxes/{sandbox}/connections/{connection}/mappings/{stream}/preview",
            "preview",
            "Tell what another mapping would change",
            preview,
        )
        .get(
            "/v1/sandboxes/{sandbox}/connections/{connection}/mapping-errors",
            "errors",
            "List values that mappings could not make",
            errors,
        )
}

/// A mapping as people edit it; the stream is in the path.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "MappingChange")]
#[serde(deny_unknown_fields)]
struct Edited {
    entity: String,
    /// Expressions by field of the entity.
    fields: BTreeMap<String, String>,
}

impl Edited {
    fn of(self, stream: &str) -> MappingSpec {
        MappingSpec { stream: stream.to_owned(), entity: self.entity, fields: self.fields }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Mapping")]
struct View {
    stream: String,
    /// Null: the stream has no mapping, and its records are kept and make nothing.
    entity: Option<String>,
    fields: BTreeMap<String, String>,
    /// Of what was published; 0: it is what the connector ships.
    version: u64,
    shipped: bool,
    /// Fields that stay empty here, and why.
    problems: Vec<FieldProblem>,
}

impl View {
    fn of(stream: &str, state: MappingState) -> Self {
        let (entity, fields) = state.mapping.map(|spec| (spec.entity, spec.fields)).unzip();
        Self {
            stream: stream.to_owned(),
            entity,
            fields: fields.unwrap_or_default(),
            version: state.version,
            shipped: state.version == 0,
            problems: state.problems.into_iter().map(field_problem).collect(),
        }
    }

    fn answer(stream: &str, state: MappingState) -> Tagged<Self> {
        let version = state.version;
        Tagged { value: Self::of(stream, state), version }
    }
}

async fn list(scope: Scope) -> Result<Json<Items<View>>> {
    let mappings = scope.sandbox.mappings(scope.param("connection"))?;
    Ok(Json(Items { items: mappings.into_iter().map(|(stream, state)| View::of(&stream, state)).collect() }))
}

async fn show(scope: Scope) -> Result<Tagged<View>> {
    let stream = scope.param("stream");
    Ok(View::answer(stream, scope.sandbox.mapping(scope.param("connection"), stream)?))
}

async fn publish(scope: Scope, IfMatch(expect): IfMatch, Body(edited): Body<Edited>) -> Result<Tagged<View>> {
    let (connection, stream) = (scope.param("connection"), scope.param("stream"));
    let state = scope.sandbox.publish_mapping(&scope.caller, connection, edited.of(stream), expect).await?;
    Ok(View::answer(stream, state))
}

/// Answers with the mapping that holds from now on.
async fn restore(scope: Scope, IfMatch(expect): IfMatch) -> Result<Tagged<View>> {
    let (connection, stream) = (scope.param("connection"), scope.param("stream"));
    let state = scope.sandbox.restore_mapping(&scope.caller, connection, stream, expect).await?;
    Ok(View::answer(stream, state))
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "MappingPreviewRequest")]
#[serde(deny_unknown_fields)]
struct Try {
    mapping: Edited,
    /// Records looked at, at most.
    records_max: Option<usize>,
}

/// Records looked at unless the request says otherwise, and at most.
const PREVIEW_RECORDS: usize = 1_000;
const PREVIEW_RECORDS_MAX: usize = 100_000;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MappingPreview")]
struct PreviewView {
    records: u64,
    /// False: the stream has more records.
    whole: bool,
    records_changed: u64,
    profiles_changed: u64,
    /// Events that are stored stay as they were taken: each is what its source said then.
    only_new_events: bool,
    fields: BTreeMap<String, FieldView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MappingPreviewField")]
struct FieldView {
    changed: u64,
    errors: u64,
    /// The source key of the first record with an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_sample: Option<String>,
    examples: Vec<ExampleView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MappingExample")]
struct ExampleView {
    source_key: String,
    before: Value,
    after: Value,
}

impl PreviewView {
    fn of(preview: MappingPreview) -> Self {
        let example = |FieldExample { source_key, before, after }| ExampleView {
            source_key,
            before: attiva_core::Value::to_json(&before),
            after: attiva_core::Value::to_json(&after),
        };
        let field = |(name, FieldPreview { changed, errors, error_sample, examples })| {
            (name, FieldView { changed, errors, error_sample, examples: examples.into_iter().map(example).collect() })
        };
        Self {
            records: preview.records,
            whole: preview.whole,
            records_changed: preview.records_changed,
            profiles_changed: preview.profiles_changed,
            only_new_events: preview.only_new_events,
            fields: preview.fields.into_iter().map(field).collect(),
        }
    }
}

async fn preview(scope: Scope, Body(body): Body<Try>) -> Result<Json<PreviewView>> {
    let records_max = body.records_max.unwrap_or(PREVIEW_RECORDS);
    if !(1..=PREVIEW_RECORDS_MAX).contains(&records_max) {
        let problem = format!("must be 1 to {PREVIEW_RECORDS_MAX}");
        let field = FieldProblem::new("/records_max", problem.clone());
        return Err(Refusal::invalid("request.invalid", format!("`records_max` {problem}"), vec![field]));
    }
    let spec = body.mapping.of(scope.param("stream"));
    let preview = scope.sandbox.preview_mapping(scope.param("connection"), spec, records_max).await?;
    Ok(Json(PreviewView::of(preview)))
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MappingError")]
struct ErrorView {
    stream: String,
    field: String,
    /// `mapping.value`: what was computed cannot stand there; `identity.value`: it names nobody.
    code: String,
    /// Since the mapping was published; a record that is told again counts again.
    count: u64,
    /// The source key of the newest.
    sample: String,
    last_at: Instant,
}

async fn errors(scope: Scope) -> Result<Json<Items<ErrorView>>> {
    let errors = scope.sandbox.mapping_errors(scope.param("connection"))?;
    let view = |FieldError { stream, field, code, count, sample, at, .. }| ErrorView {
        stream,
        field,
        code,
        count,
        sample,
        last_at: Instant(at),
    };
    Ok(Json(Items { items: errors.into_iter().map(view).collect() }))
}
