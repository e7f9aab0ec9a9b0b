//! What operations share: the key, parameters, headers and refusals.

use super::super::problem::MEDIA_TYPE;
use serde_json::{Map, Value, json};

/// What holds for all of it.
pub(super) const ABOUT: &str = "Everything under `/v1` wants an API key: `Authorization: Bearer atv_...`. Refusals are \
    problem documents (RFC 9457): `code` is stable, `action` says what to do, `type` opens a page about it. Every answer \
    carries `x-request-id`. Documents that people edit have an `ETag`; sent back as `If-Match`, nobody overwrites what \
    they have not seen. A `POST` with an `Idempotency-Key` can be repeated: its work is done once, and a repeat is \
    answered as the first was, with `Idempotency-Replayed: true`. Long work is answered with `202` and an operation to \
    follow.";

/// Parameters of a path, in their order.
pub(super) fn of_path(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| {
            json!({
                "name": name,
                "in": "path",
                "required": true,
                "description": parameter(name),
                "schema": { "type": "string", "minLength": 1 },
            })
        })
        .collect()
}

/// What the parts of paths are. A test holds it against the paths.
fn parameter(name: &str) -> &'static str {
    match name {
        "activation" => "Its id: `act_…`.",
        "backup" => "Its id.",
        "base" => "The currency that rates are in: `EUR`.",
        "code" => "A problem's `code`.",
        "connection" => "Its id: `con_…`.",
        "delivery" => "Its id: `del_…`.",
        "erasure" => "Its id: `prv_…`.",
        "evaluation" => "Its id: `evl_…`.",
        "field" => "A field of the model.",
        "instance" => "What the vendor calls the instance.",
        "key" => "Its id: `key_…`.",
        "link" => "Its id: `nev_…`.",
        "operation" => "Its id: `op_…`.",
        "organisation" => "Its id: `org_…`.",
        "origin" => "The name that the connector's specification gives the place.",
        "plugin" => "A name, or a name and a version: `source-marketo@0.1.0`.",
        "profile" => "Its id: `prf_…` of a person, `acc_…` of an account.",
        "publisher" => "Its name.",
        "relation" => "One of the ways that lead on from a profile.",
        "removal" => "Its id: `rem_…`.",
        "run" => "Its id: `run_…`.",
        "sandbox" => "Its name: `default`.",
        "segment" => "Its id: `seg_…`.",
        "stream" => "A stream of the connection's connector.",
        "system" => "What the vendor's system is called in specifications.",
        "waterfall" => "Its id: `wfl_…`.",
        _ => "",
    }
}

/// Refusals with what each means here.
const REFUSALS: [(u16, &str, &str); 15] = [
    (400, "BadRequest", "The request cannot be read: its path, query, headers or body."),
    (401, "Unauthorised", "The request carries no API key, or one that is unknown, wrong or revoked."),
    (403, "Forbidden", "The key does not allow this."),
    (404, "Missing", "There is no such thing, or it is not the caller's."),
    (409, "Conflict", "There is one already, it is in use, or something is in progress."),
    (412, "Changed", "The document was changed since the version that `If-Match` names."),
    (413, "TooLarge", "The body is larger than this call takes."),
    (415, "MediaType", "The body is of another media type."),
    (422, "Invalid", "What was asked for is not right; `errors` names each field."),
    (429, "TooMany", "A budget is spent, or too many calls were made for now."),
    (500, "Defect", "A defect of the host, or of a connector."),
    (502, "Vendor", "The vendor refused the host, or answered what cannot be read."),
    (503, "Unavailable", "Something that passes: the host has too much to do, or a vendor is away."),
    (504, "TimedOut", "The host did not answer in time. What was begun goes on."),
    (507, "Full", "The disk is full. Nothing is lost, and nothing new is taken."),
];

/// A refusal's place among the components.
pub(super) fn refusal(status: u16) -> Value {
    match REFUSALS.iter().find(|(known, ..)| *known == status) {
        Some((_, name, _)) => json!({ "$ref": format!("#/components/responses/{name}") }),
        // A test finds it.
        None => json!({ "description": "" }),
    }
}

pub(super) fn components() -> Value {
    let refusals = REFUSALS.iter().map(|(status, name, about)| {
        let mut refusal = json!({
            "description": about,
            "content": { MEDIA_TYPE: { "schema": { "$ref": "#/components/schemas/Problem" } } },
        });
        match status {
            401 => {
                refusal["headers"] = json!({ "WWW-Authenticate": { "$ref": "#/components/headers/WWW-Authenticate" } })
            }
            429 | 503 => refusal["headers"] = json!({ "Retry-After": { "$ref": "#/components/headers/Retry-After" } }),
            _ => {}
        }
        ((*name).to_owned(), refusal)
    });
    json!({
        "securitySchemes": {
            "key": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "atv_…",
                "description": "An API key. It is bound to an organisation, and has scopes: each operation names the one it asks for. `attiva key create` makes one.",
            },
        },
        "parameters": {
            "Limit": {
                "name": "limit",
                "in": "query",
                "description": "How many items a page has at most. The host has a bound of its own (`pages.size_max`).",
                "schema": { "type": "integer", "minimum": 1 },
            },
            "Cursor": {
                "name": "cursor",
                "in": "query",
                "description": "`next_cursor` of the page before. It means something to this host alone.",
                "schema": { "type": "string" },
            },
            "IfMatch": {
                "name": "If-Match",
                "in": "header",
                "description": "The `ETag` of the version that is to be changed. Without it, whatever is there is changed.",
                "schema": { "type": "string", "pattern": r#"^(\*|"[0-9]{1,18}")$"# },
            },
            "LastEventId": {
                "name": "Last-Event-ID",
                "in": "header",
                "description": "The id of the last event that was seen: the stream goes on after it.",
                "schema": { "type": "string" },
            },
            "IdempotencyKey": {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "Names the request, so that it can be repeated. New for each request: a UUID will do.",
                "schema": { "type": "string", "pattern": "^[!#-~]{1,255}$" },
            },
        },
        "headers": headers(),
        "responses": refusals.collect::<Map<_, _>>(),
    })
}

fn headers() -> Value {
    let text = |about: &str| json!({ "description": about, "schema": { "type": "string" } });
    json!({
        "ETag": text("The document's version, for `If-Match`."),
        "Link": text("The next page, with `rel=\"next\"`. Absent: this is the last."),
        "Location": text("Where it is, or where its progress is."),
        "WWW-Authenticate": text("`Bearer`."),
        "Retry-After": {
            "description": "Seconds until it makes sense to try again.",
            "schema": { "type": "integer", "minimum": 1 },
        },
    })
}
