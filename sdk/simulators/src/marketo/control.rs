//! The control endpoints, under `/_control`: what a test in another process or another language does to the simulator.
//!
//! | call | does |
//! | --- | --- |
//! | `POST faults` | injects the fault in the body (see [`Injection`]) |
//! | `GET faults`, `DELETE faults` | lists those that wait, clears them |
//! | `GET received`, `DELETE received` | tells what was received (see [`super::Received`]), starts counting anew |
//! | `GET leads[?view=exported]` | every lead, one JSON object a line; `exported` as far as an export file can tell |
//! | `POST leads` | `{"count": 5}` adds seeded leads, `{"values": {…}}` one of your own; answers their ids |
//! | `GET leads/{id}` | one lead |
//! | `PATCH leads/{id}` | `{"values": {…}, "dated": "2026-11-01T00:00:00Z"}` changes a lead; `dated` back-dates its activities |
//! | `DELETE leads/{id}` | deletes a lead |
//! | `POST leads/{id}/merge` | `{"losers": [7, 8]}` merges leads into this one |
//! | `POST leads/{id}/visits` | `{"page": "/pricing", "dated": "…"}` logs a visit |
//! | `DELETE lists/{id}`, `DELETE programs/{id}` | deletes it: those behind it move up, on a page that may have been read |
//! | `POST tokens/expire` | ends the life of the token |
//! | `POST calls/spend` | `{"calls": 100}` counts calls that somebody else made against the daily limit |
//! | `GET exports`, `DELETE exports` | lists every bulk job, forgets those that have ended and frees the memory their files take |

use std::convert::Infallible;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use hyper::body::{Body as HttpBody, Frame};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::clock;
use super::envelope::Refusal;
use super::fault::Injection;
use super::leads::Lead;
use super::received::Received;
use super::schema::Field;
use super::service::{Service, read_values};

/// How a lead is shown to those who compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// As it is.
    #[default]
    Actual,
    /// As far as an export file can tell: there a text `null` is a missing value.
    Exported,
}

pub(crate) fn router() -> Router<Arc<Service>> {
    Router::new()
        .route("/faults", post(inject).get(faults).delete(clear_faults))
        .route("/received", get(received).delete(forget_received))
        .route("/leads", get(leads).post(add_leads))
        .route("/leads/{id}", get(lead).patch(change_lead).delete(delete_lead))
        .route("/leads/{id}/merge", post(merge_leads))
        .route("/leads/{id}/visits", post(visit))
        .route("/lists/{id}", delete(delete_list))
        .route("/programs/{id}", delete(delete_program))
        .route("/tokens/expire", post(expire_tokens))
        .route("/calls/spend", post(spend_calls))
        .route("/exports", get(exports).delete(forget_exports))
}

/// Every field of a lead.
pub(crate) fn lead_json(lead: Lead<'_>, view: View) -> Map<String, Value> {
    let fields: Vec<Field> = Field::all().collect();
    let mut json = lead.to_json(&fields);
    if view == View::Exported {
        json.values_mut().filter(|value| value.as_str() == Some("null")).for_each(|value| *value = Value::Null);
    }
    json
}

/// Why a control call was refused: the code and words the vendor would have used.
struct Refused(Refusal);

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(self.0.to_json())).into_response()
    }
}

type Done<T = Json<Value>> = Result<T, Refused>;

async fn inject(State(service): State<Arc<Service>>, Json(injection): Json<Injection>) -> StatusCode {
    service.faults().inject(injection);
    StatusCode::NO_CONTENT
}

async fn faults(State(service): State<Arc<Service>>) -> Json<Vec<Injection>> {
    Json(service.faults().waiting().to_vec())
}

async fn clear_faults(State(service): State<Arc<Service>>) -> StatusCode {
    service.faults().clear();
    StatusCode::NO_CONTENT
}

async fn received(State(service): State<Arc<Service>>) -> Json<Received> {
    Json(service.received().clone())
}

async fn forget_received(State(service): State<Arc<Service>>) -> StatusCode {
    *service.received() = Received::default();
    StatusCode::NO_CONTENT
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Viewed {
    #[serde(default)]
    view: View,
}

async fn leads(State(service): State<Arc<Service>>, Query(Viewed { view }): Query<Viewed>) -> impl IntoResponse {
    let ids = service.leads().ids();
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::new(Lines { service, ids, view }))
}

/// One lead a line, made as it is sent.
struct Lines {
    service: Arc<Service>,
    ids: Range<u64>,
    view: View,
}

impl HttpBody for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut lines = Vec::new();
        let view = self.view;
        while lines.is_empty() && !self.ids.is_empty() {
            let some: Vec<u64> = self.ids.by_ref().take(200).collect();
            let leads = self.service.leads();
            for lead in some.into_iter().filter_map(|id| leads.get(id)) {
                lines.extend_from_slice(Value::Object(lead_json(lead, view)).to_string().as_bytes());
                lines.push(b'\n');
            }
        }
        Poll::Ready((!lines.is_empty()).then(|| Ok(Frame::data(lines.into()))))
    }
}

async fn lead(State(service): State<Arc<Service>>, Path(id): Path<u64>, Query(Viewed { view }): Query<Viewed>) -> Done {
    let leads = service.leads();
    let lead = leads.get(id).ok_or_else(|| Refusal::new("1004", format!("Lead [{id}] not found")))?;
    Ok(Json(Value::Object(lead_json(lead, view))))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, untagged)]
enum NewLeads {
    Seeded { count: u64 },
    Own { values: Map<String, Value> },
}

async fn add_leads(State(service): State<Arc<Service>>, Json(new): Json<NewLeads>) -> Done {
    let ids: Vec<u64> = match new {
        NewLeads::Seeded { count } => (0..count).map(|_| service.create_lead_alike()).collect(),
        NewLeads::Own { values } => vec![service.create_lead(&read_values(&values, true)?)],
    };
    Ok(Json(json!({"ids": ids})))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangedLead {
    values: Map<String, Value>,
    dated: Option<String>,
}

async fn change_lead(
    State(service): State<Arc<Service>>,
    Path(id): Path<u64>,
    Json(change): Json<ChangedLead>,
) -> Done {
    let values = read_values(&change.values, true)?;
    let changed = service.change_lead(id, values, "Web form fillout", read_dated(change.dated.as_deref())?)?;
    Ok(Json(json!({"changed": changed})))
}

fn read_dated(text: Option<&str>) -> Result<Option<clock::Seconds>, Refusal> {
    text.map(|text| clock::parse(text).ok_or_else(|| Refusal::new("704", format!("Invalid date '{text}'")))).transpose()
}

async fn delete_lead(State(service): State<Arc<Service>>, Path(id): Path<u64>) -> Done<StatusCode> {
    service.delete_lead(id)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Merge {
    losers: Vec<u64>,
}

async fn merge_leads(
    State(service): State<Arc<Service>>,
    Path(id): Path<u64>,
    Json(merge): Json<Merge>,
) -> Done<StatusCode> {
    service.merge_leads(id, merge.losers)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Visit {
    page: String,
    dated: Option<String>,
}

async fn visit(State(service): State<Arc<Service>>, Path(id): Path<u64>, Json(visit): Json<Visit>) -> Done<StatusCode> {
    service.visit(id, visit.page, read_dated(visit.dated.as_deref())?)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete_list(State(service): State<Arc<Service>>, Path(id): Path<u64>) -> StatusCode {
    if service.lists().remove_list(id) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

async fn delete_program(State(service): State<Arc<Service>>, Path(id): Path<u64>) -> StatusCode {
    if service.programs().remove(id) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

async fn expire_tokens(State(service): State<Arc<Service>>) -> StatusCode {
    service.identity().expire();
    StatusCode::NO_CONTENT
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spent {
    calls: u64,
}

async fn spend_calls(State(service): State<Arc<Service>>, Json(spent): Json<Spent>) -> StatusCode {
    let day = service.clock.central_day();
    service.limits().spend(day, spent.calls);
    StatusCode::NO_CONTENT
}

async fn exports(State(service): State<Arc<Service>>) -> Json<Vec<Value>> {
    let spelling = service.config.cancel_spelling;
    Json(service.exports().jobs().map(|job| job.to_json(spelling)).collect())
}

async fn forget_exports(State(service): State<Arc<Service>>) -> StatusCode {
    service.exports().forget_ended();
    StatusCode::NO_CONTENT
}
