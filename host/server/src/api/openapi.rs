//! `/openapi.json`: the description of this API (OpenAPI 3.1), made of the handlers' signatures and the types of what they
//! take and answer. It is a function of the program, not of a host: no key is needed, and it can be printed without one.

mod components;
mod merge;
mod page;

use super::operation::{Answers, Describer};
use super::permissions;
use super::problem::Problem;
use super::routes::{Operation, Routes};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Refusals that any request may meet: too many at once, a defect, too slow. And for what needs a key: none, a wrong one,
/// one that does not allow it, one that asks too often.
const ANY: [u16; 3] = [500, 503, 504];
const KEYED: [u16; 3] = [401, 403, 429];
/// What writes may find no room on the disk.
const WRITES: [u16; 1] = [507];
/// What an idempotency key may add: it is no key, its request is at work, it was used for another.
const REPEATABLE: [u16; 4] = [400, 409, 413, 422];

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| describe(&super::Groups::all()));
static TEXT: LazyLock<String> = LazyLock::new(|| DOCUMENT.to_string());
static PAGE: LazyLock<String> = LazyLock::new(|| page::page(&DOCUMENT));

/// The description, as a document.
#[must_use]
pub fn document() -> &'static Value {
    &DOCUMENT
}

pub(super) fn routes() -> Routes {
    Routes::of("description", "What this API is.")
        .get("/openapi.json", "document", "Describe this API, as OpenAPI 3.1", served)
        .get("/docs", "page", "Describe this API, for people", readable)
}

/// The description itself.
struct Document;

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str()).into_response()
    }
}

impl Answers for Document {
    fn describe(to: &mut Describer<'_>) {
        let schema = json!({ "type": "object", "required": ["openapi", "info", "paths"] });
        to.answers_with(StatusCode::OK, "An OpenAPI 3.1 document.", &[], &[("application/json", schema)]);
    }
}

async fn served() -> Document {
    Document
}

async fn readable() -> page::Page {
    page::Page(PAGE.as_str())
}

/// Where a request to an operation passes through.
pub(super) struct Passes {
    /// It needs a key.
    pub(super) keyed: bool,
    /// A repeat with the same idempotency key is answered as the first was.
    pub(super) repeatable: bool,
    /// Its work is counted and bounded in time.
    pub(super) bounded: bool,
}

fn describe(groups: &super::Groups) -> Value {
    let generator = |settings: SchemaSettings| {
        let mut settings = settings;
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
        SchemaGenerator::new(settings)
    };
    let mut taken = generator(SchemaSettings::draft2020_12().for_deserialize());
    let mut answered = generator(SchemaSettings::draft2020_12().for_serialize());
    answered.subschema_for::<Problem>();
    let (mut inputs, mut outputs) = (BTreeMap::new(), BTreeMap::new());
    let mut resources: Vec<(&str, &str)> = Vec::new();
    for (routes, passes) in groups.each() {
        for resource in &routes.resources {
            if !resources.contains(resource) {
                resources.push(*resource);
            }
        }
        for operation in &routes.operations {
            let (input, output) = describe_one(operation, &passes, &mut taken, &mut answered);
            let place = (operation.path, operation.method.as_str().to_ascii_lowercase());
            inputs.insert(place.clone(), input);
            outputs.insert(place, output);
        }
    }
    let schemas = merge::merge(taken.take_definitions(true), answered.take_definitions(true), &mut inputs);
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for ((path, method), mut operation) in outputs {
        if let Some(input) = inputs.remove(&(path, method.clone())) {
            operation.extend(input);
        }
        paths.entry(path).or_default().insert(method, operation.into());
    }
    let mut components = components::components();
    components["schemas"] = schemas.into();
    let mut document = json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Attiva",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "B2B data becomes audiences that are used.",
            "description": components::ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "The host that served this." }],
        "tags": resources.iter().map(|(name, about)| json!({ "name": name, "description": about })).collect::<Vec<_>>(),
        "paths": paths,
        "components": components,
    });
    plain(&mut document);
    document
}

type Half = Map<String, Value>;

/// What an operation takes, and everything else.
fn describe_one(
    operation: &Operation,
    passes: &Passes,
    taken: &mut SchemaGenerator,
    answered: &mut SchemaGenerator,
) -> (Half, Half) {
    let mut to = Describer {
        taken,
        answered,
        parameters: components::of_path(operation.path),
        body: Map::new(),
        answers: BTreeMap::new(),
        refuses: BTreeSet::new(),
    };
    (operation.describe)(&mut to);
    let mut refuse = |statuses: &[u16]| to.refuses.extend(statuses);
    refuse(&operation.refuses);
    if passes.bounded {
        refuse(&ANY);
    }
    if passes.keyed {
        refuse(&KEYED);
    }
    if operation.method != Method::GET {
        refuse(&WRITES);
    }
    if passes.repeatable && operation.method == Method::POST {
        refuse(&REPEATABLE);
        to.parameters.push(json!({ "$ref": "#/components/parameters/IdempotencyKey" }));
    }
    let Describer { parameters, body, answers, refuses, .. } = to;
    let mut input = Map::new();
    if !parameters.is_empty() {
        input.insert("parameters".into(), parameters.into());
    }
    if !body.is_empty() {
        input.insert("requestBody".into(), json!({ "required": true, "content": body }));
    }
    let mut responses: Map<String, Value> =
        refuses.iter().map(|status| (status.to_string(), components::refusal(*status))).collect();
    responses.extend(answers.into_iter().map(|(status, answer)| (status.to_string(), answer)));
    let mut output = Map::new();
    output.insert("operationId".into(), operation.id().into());
    output.insert("tags".into(), json!([operation.resource]));
    output.insert("summary".into(), operation.summary.into());
    output.insert("responses".into(), responses.into());
    let security = match permissions::asked(operation.method.as_str(), operation.path) {
        Some(scope) => json!([{ "key": [scope] }]),
        None => json!([]),
    };
    output.insert("security".into(), security);
    (input, output)
}

/// Descriptions are the types' own comments; links between items of the code lead nowhere here.
fn plain(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(text)) = map.get_mut("description") {
                *text = text.replace("[`", "`").replace("`]", "`").replace('\n', " ");
            }
            map.values_mut().for_each(plain);
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}
