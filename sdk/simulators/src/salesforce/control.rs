//! The control endpoints, under `/_control`: what a test in another process or another language does to the org.
//!
//! | call | does |
//! | --- | --- |
//! | `POST faults` | injects the fault in the body (see [`Injection`]) |
//! | `DELETE faults` | clears those that wait |
//! | `GET received` | the calls so far, as `[line, status]` |
//! | `GET records/{object}` | every record, one JSON object a line, those in the bin too |
//! | `POST records/{object}` | makes a record of the values in the body; answers its id |
//! | `PATCH records/{object}/{id}` | changes a record: `{"values": {…}, "dated": "2026-11-01T00:00:00Z"}` |
//! | `DELETE records/{object}/{id}` | puts a record into the recycle bin |
//! | `POST records/{object}/{id}/undelete`, `…/erase` | takes it out; empties the bin of it |
//! | `POST records/{object}/{id}/merge` | `{"losers": ["003…"]}` merges records into this one |
//! | `POST sessions/expire` | ends all sessions |
//! | `POST calls/spend` | `{"calls": 100}` counts calls that somebody else made |
//! | `PUT hidden` | `["Lead", "Contact.Title"]`: what the user may not see from now on |

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post, put};
use axum::{Json, Router};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::{Value, json};

use super::fault::Injection;
use super::refusal::Refusal;
use super::schema::Object;
use super::service::Service;
use crate::marketo::clock;

pub(crate) fn router() -> Router<Arc<Service>> {
    Router::new()
        .route("/faults", post(inject).delete(clear))
        .route("/received", get(received))
        .route("/records/{object}", get(records).post(create))
        .route("/records/{object}/{id}", patch(change).delete(delete))
        .route("/records/{object}/{id}/undelete", post(undelete))
        .route("/records/{object}/{id}/erase", post(erase))
        .route("/records/{object}/{id}/merge", post(merge))
        .route("/sessions/expire", post(expire))
        .route("/calls/spend", post(spend))
        .route("/hidden", put(hide))
}

type Shared = State<Arc<Service>>;

async fn inject(State(service): Shared, Json(injection): Json<Injection>) -> StatusCode {
    service.state().faults.push(injection);
    StatusCode::NO_CONTENT
}

async fn clear(State(service): Shared) -> StatusCode {
    service.state().faults.clear();
    StatusCode::NO_CONTENT
}

async fn received(State(service): Shared) -> Json<Vec<(String, u16)>> {
    Json(service.state().received.clone())
}

async fn records(State(service): Shared, Path(object): Path<String>) -> Response {
    let state = service.state();
    let lines: String = state.org.of(&object).map(|r| format!("{}\n", Value::Object(r.values.clone()))).collect();
    ([(CONTENT_TYPE, "application/x-ndjson")], lines).into_response()
}

async fn create(State(service): Shared, Path(object): Path<String>, Json(values): Json<Value>) -> Response {
    match Object::named(&object) {
        None => Refusal::not_found().into_response(),
        Some(object) => {
            let now = service.clock.now();
            Json(json!({"id": service.state().org.create(object, values, now)})).into_response()
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    values: Value,
    dated: Option<String>,
}

async fn change(
    State(service): Shared,
    Path((object, id)): Path<(String, String)>,
    Json(change): Json<Change>,
) -> Response {
    let at = match change.dated.as_deref().map(clock::parse) {
        Some(None) => return Refusal::new(400, "INVALID_FIELD", "dated is no time").into_response(),
        Some(Some(at)) => at,
        None => service.clock.now(),
    };
    done(service.state().org.change(&object, &id, &change.values, Some(at)))
}

async fn delete(State(service): Shared, Path((object, id)): Path<(String, String)>) -> Response {
    let now = service.clock.now();
    done(service.state().org.delete(&object, &id, true, now))
}

async fn undelete(State(service): Shared, Path((object, id)): Path<(String, String)>) -> Response {
    let now = service.clock.now();
    done(service.state().org.delete(&object, &id, false, now))
}

async fn erase(State(service): Shared, Path((object, id)): Path<(String, String)>) -> Response {
    done(service.state().org.erase(&object, &id))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Merge {
    losers: Vec<String>,
}

async fn merge(
    State(service): Shared,
    Path((object, id)): Path<(String, String)>,
    Json(merge): Json<Merge>,
) -> Response {
    let now = service.clock.now();
    let mut state = service.state();
    done(merge.losers.iter().all(|loser| state.org.merge(&object, loser, &id, now)))
}

async fn expire(State(service): Shared) -> StatusCode {
    service.state().sessions.expire();
    StatusCode::NO_CONTENT
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spent {
    calls: u64,
}

async fn spend(State(service): Shared, Json(spent): Json<Spent>) -> StatusCode {
    service.state().calls_today += spent.calls;
    StatusCode::NO_CONTENT
}

async fn hide(State(service): Shared, Json(hidden): Json<Vec<String>>) -> StatusCode {
    service.state().hidden = hidden;
    StatusCode::NO_CONTENT
}

fn done(done: bool) -> Response {
    if done { StatusCode::NO_CONTENT.into_response() } else { Refusal::not_found().into_response() }
}
