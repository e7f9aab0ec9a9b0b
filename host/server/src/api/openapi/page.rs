//! `/docs`: the description for people. One page of HTML without scripts, which loads nothing.

use super::super::html::escaped;
use super::super::operation::{Answers, Describer};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt::Write;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1f;\
    background:#fff}code,pre{font:14px/1.4 ui-monospace,monospace;background:#f3f3f6;border-radius:3px;padding:0 .2em}\
    nav{columns:3 12rem}nav a{display:block}details{border-top:1px solid #ddd;padding:.4rem 0}summary{cursor:pointer}\
    .method{display:inline-block;min-width:4.2rem;font-weight:600}.path{overflow-wrap:anywhere}\
    .what{color:#55555f;margin-left:.5rem}table{border-collapse:collapse;margin:.5rem 0}\
    td{vertical-align:top;padding:.1rem .8rem .1rem 0}h2{margin-top:2.5rem}h3{margin-bottom:.2rem}\
    @media(prefers-color-scheme:dark){body{color:#e6e6ea;background:#16161a}code,pre{background:#26262c}a{color:#9ab8ff}\
    details{border-color:#333}.what{color:#a0a0aa}}";

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The page as it is served.
pub(super) struct Page(pub(super) &'static str);

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let style = STANDARD.encode(Sha256::digest(STYLE));
        let policy = format!("default-src 'none'; style-src 'sha256-{style}'; frame-ancestors 'none'");
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
            (header::CONTENT_SECURITY_POLICY, policy),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        ];
        (headers, self.0).into_response()
    }
}

impl Answers for Page {
    fn describe(to: &mut Describer<'_>) {
        to.answers_with(StatusCode::OK, "A page.", &[], &[("text/html", json!({ "type": "string" }))]);
    }
}

/// The whole page, of a description.
pub(super) fn page(document: &Value) -> String {
    let mut html = String::with_capacity(512 * 1024);
    let text = |pointer: &str| escaped(document.pointer(pointer).and_then(Value::as_str).unwrap_or_default());
    push(&mut html, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    push(&mut html, "<meta name=\"viewport\" content=\"width=device-width\">");
    put(&mut html, format_args!("<title>{} API</title><style>{STYLE}</style></head><body>", text("/info/title")));
    put(&mut html, format_args!("<h1>{} API {}</h1>", text("/info/title"), text("/info/version")));
    put(&mut html, format_args!("<p>{}</p>", code(&text("/info/description"))));
    push(&mut html, "<p>The same for programs: <a href=\"/openapi.json\">openapi.json</a>.</p><nav>");
    let tags = document["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
    for tag in tags {
        let name = escaped(str_of(&tag["name"]));
        put(&mut html, format_args!("<a href=\"#{name}\">{name}</a>"));
    }
    push(&mut html, "<a href=\"#schemas\">schemas</a></nav>");
    for tag in tags {
        resource(&mut html, document, tag);
    }
    push(&mut html, "<h2 id=\"schemas\">schemas</h2>");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let name = escaped(name);
        put(&mut html, format_args!("<h3 id=\"schema-{name}\">{name}</h3>"));
        fields(&mut html, schema);
    }
    push(&mut html, "</body></html>");
    html
}

fn resource(html: &mut String, document: &Value, tag: &Value) {
    let (name, about) = (escaped(str_of(&tag["name"])), code(&escaped(str_of(&tag["description"]))));
    put(html, format_args!("<h2 id=\"{name}\">{name}</h2><p>{about}</p>"));
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for method in METHODS {
            if methods[method]["tags"][0] == tag["name"] {
                operation(html, document, path, method, &methods[method]);
            }
        }
    }
}

fn operation(html: &mut String, document: &Value, path: &str, method: &str, operation: &Value) {
    let id = escaped(str_of(&operation["operationId"]));
    let (verb, path) = (method.to_ascii_uppercase(), escaped(path));
    put(html, format_args!("<details id=\"{id}\"><summary><code class=\"method\">{verb}</code> "));
    put(html, format_args!("<code class=\"path\">{path}</code>"));
    put(html, format_args!("<span class=\"what\">{}</span></summary>", escaped(str_of(&operation["summary"]))));
    if let Some(scope) = operation["security"][0]["key"][0].as_str() {
        put(html, format_args!("<p>Asks for <code>{}</code>.</p>", escaped(scope)));
    }
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !parameters.is_empty() {
        push(html, "<table>");
        for parameter in parameters {
            let parameter = resolved(document, parameter);
            let (name, place) = (escaped(str_of(&parameter["name"])), escaped(str_of(&parameter["in"])));
            let needed = if parameter["required"] == true { ", required" } else { "" };
            let about = code(&escaped(str_of(&parameter["description"])));
            put(html, format_args!("<tr><td><code>{name}</code><td>{place}{needed}<td>{about}"));
        }
        push(html, "</table>");
    }
    for (media, body) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
        put(html, format_args!("<p>Takes <code>{}</code>: {}</p>", escaped(media), kind(&body["schema"])));
    }
    push(html, "<table>");
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        let answer = resolved(document, answer);
        let about = code(&escaped(str_of(&answer["description"])));
        put(html, format_args!("<tr><td><code>{}</code><td>{about}", escaped(status)));
        for (_, body) in answer["content"].as_object().into_iter().flatten() {
            put(html, format_args!("<td>{}", kind(&body["schema"])));
        }
    }
    push(html, "</table></details>");
}

fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let place = value["$ref"].as_str().and_then(|text| text.strip_prefix('#'));
    place.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

/// A schema's own line on itself, and its fields.
fn fields(html: &mut String, schema: &Value) {
    put(html, format_args!("<p>{}</p>", code(&escaped(str_of(&schema["description"])))));
    let Some(properties) = schema["properties"].as_object() else {
        put(html, format_args!("<p>{}</p>", kind(schema)));
        return;
    };
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    push(html, "<table>");
    for (name, field) in properties {
        let needed = if required.iter().any(|r| r == name) { "" } else { "?" };
        let about = code(&escaped(str_of(&field["description"])));
        put(html, format_args!("<tr><td><code>{}{needed}</code><td>{}<td>{about}", escaped(name), kind(field)));
    }
    push(html, "</table>");
}

/// What a value is, in a few words, with links to the schemas it names.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|place| place.rsplit('/').next()) {
        let name = escaped(name);
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    if let Some(values) = schema["enum"].as_array() {
        return values
            .iter()
            .map(|v| format!("<code>{}</code>", escaped(&v.to_string())))
            .collect::<Vec<_>>()
            .join(", ");
    }
    if !schema["const"].is_null() {
        return format!("<code>{}</code>", escaped(&schema["const"].to_string()));
    }
    for choice in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[choice].as_array() {
            return choices.iter().map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    let types = match &schema["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => names.iter().map(str_of).collect::<Vec<_>>().join(" or "),
        _ => "anything".to_owned(),
    };
    if schema["items"].is_object() {
        return format!("{} of {}", escaped(&types), kind(&schema["items"]));
    }
    if let Some(properties) = schema["properties"].as_object() {
        let fields = properties.iter().map(|(name, field)| format!("<code>{}</code> {}", escaped(name), kind(field)));
        return format!("{} with {}", escaped(&types), fields.collect::<Vec<_>>().join(", "));
    }
    if schema["additionalProperties"].is_object() {
        return format!("{} of {}", escaped(&types), kind(&schema["additionalProperties"]));
    }
    escaped(&types)
}

fn str_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What stands between backticks as code. The text is escaped already.
fn code(text: &str) -> String {
    let mut pieces = text.split('`');
    let mut html = pieces.next().unwrap_or_default().to_owned();
    for (i, piece) in pieces.enumerate() {
        html.push_str(if i % 2 == 0 { "<code>" } else { "</code>" });
        html.push_str(piece);
    }
    html
}

fn push(html: &mut String, text: &str) {
    html.push_str(text);
}

fn put(html: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a string does not fail.
    let _ = html.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_description_is_no_markup() {
        let document = json!({
            "info": { "title": "<T>", "version": "1", "description": "a `b` <c>" },
            "tags": [{ "name": "x", "description": "d" }],
            "paths": { "/p": { "get": { "tags": ["x"], "operationId": "x.g", "summary": "s<", "responses": {
                "200": { "description": "ok", "content": { "application/json": {
                    "schema": { "$ref": "#/components/schemas/S" } } } } } } } },
            "components": { "schemas": { "S": { "type": "object", "properties": { "f": { "type": "string" } } } } },
        });
        let html = page(&document);
        assert!(
            html.contains("a <code>b</code> &lt;c&gt;") && html.contains("&lt;T&gt; API") && html.contains("s&lt;")
        );
        assert!(html.contains("<a href=\"#schema-S\">S</a>") && html.contains("<code>f?</code><td>string"), "{html}");
        for foreign in ["<script", "src=", "http:", "https:", "@import", "url("] {
            assert!(!html.contains(foreign), "{foreign}");
        }
    }
}
