//! What an operation takes and answers, read off its handler's signature: each extractor says what it asks of a request,
//! each kind of answer which status, headers and body it has.

use super::body::{Body, FetchBody, PACKAGE, PluginBody, Query};
use super::etag::IfMatch;
use super::listing::Listing;
use super::path::Path;
use super::scope::Scope;
use crate::app::keys::Caller;
use crate::app::stamp::Stamp;
use axum::extract;
use axum::http::StatusCode;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Collects what there is to say of one operation.
pub(super) struct Describer<'a> {
    /// Schemas of what is taken, and of what is answered: a type that is both may have two.
    pub(super) taken: &'a mut SchemaGenerator,
    pub(super) answered: &'a mut SchemaGenerator,
    pub(super) parameters: Vec<Value>,
    /// By media type.
    pub(super) body: Map<String, Value>,
    pub(super) answers: BTreeMap<u16, Value>,
    pub(super) refuses: BTreeSet<u16>,
}

impl Describer<'_> {
    /// Query parameters, one for each field of a type.
    pub(super) fn query<T: JsonSchema>(&mut self) {
        let schema = T::json_schema(self.taken).to_value();
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            let mut schema = schema.clone();
            without_null(&mut schema);
            let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
            let mut parameter = json!({
                "name": name, "in": "query", "required": required.contains(&name.as_str()), "schema": schema,
            });
            if let Some(description) = description {
                parameter["description"] = description;
            }
            self.parameters.push(parameter);
        }
    }

    pub(super) fn json_body<T: JsonSchema>(&mut self) {
        let schema = self.taken.subschema_for::<T>().to_value();
        self.body.insert("application/json".into(), json!({ "schema": schema }));
        self.refuses([400, 413, 415, 422]);
    }

    pub(super) fn refuses<const N: usize>(&mut self, statuses: [u16; N]) {
        self.refuses.extend(statuses);
    }

    /// An answer with a JSON body, and headers that components describe.
    pub(super) fn answers<T: JsonSchema>(&mut self, status: StatusCode, about: &str, headers: &[&str]) {
        let schema = self.answered.subschema_for::<T>().to_value();
        self.answers_with(status, about, headers, &[("application/json", schema)]);
    }

    /// An answer with bodies of these media types.
    pub(super) fn answers_with(&mut self, status: StatusCode, about: &str, headers: &[&str], bodies: &[(&str, Value)]) {
        let mut answer = json!({ "description": about });
        if !headers.is_empty() {
            let refer = |name: &&str| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }));
            answer["headers"] = headers.iter().map(refer).collect::<Map<_, _>>().into();
        }
        if !bodies.is_empty() {
            let content = |(media, schema): &(&str, Value)| ((*media).to_owned(), json!({ "schema": schema }));
            answer["content"] = bodies.iter().map(content).collect::<Map<_, _>>().into();
        }
        self.answers.insert(status.as_u16(), answer);
    }
}

/// In a query nothing is null: what is not given is left out.
fn without_null(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            schema.insert("type".into(), one);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [Value::Object(one)] = choices.as_slice() {
            let one = one.clone();
            schema.remove("anyOf");
            schema.extend(one);
        }
    }
}

/// Something that a handler takes out of a request.
pub(super) trait Takes {
    fn describe(to: &mut Describer<'_>);
}

/// Something that a handler answers.
pub(super) trait Answers {
    fn describe(to: &mut Describer<'_>);
}

/// A handler whose signature says it all.
pub(super) trait Described<A> {
    fn describe(to: &mut Describer<'_>);
}

macro_rules! described {
    ($($taken:ident)*) => {
        impl<F, Work, Answer, $($taken),*> Described<($($taken,)*)> for F
        where
            F: FnOnce($($taken),*) -> Work,
            Work: Future<Output = Answer>,
            $($taken: Takes,)*
            Answer: Answers,
        {
            fn describe(to: &mut Describer<'_>) {
                $($taken::describe(to);)*
                Answer::describe(to);
            }
        }
    };
}

described!();
described!(A);
described!(A B);
described!(A B C);
described!(A B C D);
described!(A B C D E);

/// The host's own; and who asks, which the layer with the key has found out.
macro_rules! take_nothing {
    ($($name:ty),*) => {$(
        impl Takes for $name {
            fn describe(_: &mut Describer<'_>) {}
        }
    )*};
}

take_nothing!(extract::State<super::State>, Caller, Stamp);

/// What a path names may not be there, and its sandbox may be on its way out. Its parameters are in the path's own text.
impl Takes for Scope {
    fn describe(to: &mut Describer<'_>) {
        to.refuses([400, 404, 409]);
    }
}

impl<T> Takes for Path<T> {
    fn describe(to: &mut Describer<'_>) {
        to.refuses([400, 404]);
    }
}

impl<T: JsonSchema> Takes for Body<T> {
    fn describe(to: &mut Describer<'_>) {
        to.json_body::<T>();
    }
}

impl Takes for PluginBody {
    fn describe(to: &mut Describer<'_>) {
        to.json_body::<FetchBody>();
        // Bytes have no schema: the media type says it.
        to.body.insert(PACKAGE.into(), json!({}));
        to.body.insert("application/wasm".into(), json!({}));
    }
}

impl<T: JsonSchema> Takes for Query<T> {
    fn describe(to: &mut Describer<'_>) {
        to.query::<T>();
        to.refuses([400]);
    }
}

impl<F: JsonSchema> Takes for Listing<F> {
    fn describe(to: &mut Describer<'_>) {
        for name in ["Limit", "Cursor"] {
            to.parameters.push(json!({ "$ref": format!("#/components/parameters/{name}") }));
        }
        to.query::<F>();
        to.refuses([400]);
    }
}

impl Takes for IfMatch {
    fn describe(to: &mut Describer<'_>) {
        to.parameters.push(json!({ "$ref": "#/components/parameters/IfMatch" }));
        to.refuses([400, 412]);
    }
}
