//! The control endpoints, under `/_control`: what a test in another process or another language does to the simulator.
//!
//! | call | does |
//! | --- | --- |
//! | `POST faults` | injects the fault in the body (see [`Injection`]) |
//! | `GET faults`, `DELETE faults` | lists those that wait, clears them |
//! | `GET received`, `DELETE received` | tells what was received (see [`super::Received`]), starts counting anew |
//! | `GET segments` | every segment with its members and how many were lost (see [`SegmentView`]) |
//! | `PUT segments/{id}/status` | `{"status": "EXPIRED"}` forces a status; `null` takes it back |
//! | `POST clock/skip` | `{"seconds": 172800}` moves the time on |
//! | `POST tokens/expire` | ends the life of all access tokens |
//! | `POST calls/spend` | `{"calls": 100}` counts calls the member made otherwise against the daily limit |

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::fault::Injection;
use super::received::Received;
use super::service::Service;

/// A segment and who is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SegmentView {
    /// The vendor's id.
    pub id: u64,
    /// For people.
    pub name: String,
    /// `USER` or `COMPANY`.
    pub kind: String,
    /// The client's own id.
    pub source_segment_id: String,
    /// `BUILDING`, `READY` and so on.
    pub status: String,
    /// What identifies each member, as JSON text: `[{"idType":"SHA256_EMAIL","idValue":"…"}]`, `["Ada","Lovelace"]`, an object for a company. Sorted.
    pub members: Vec<String>,
    /// Elements that came too early, were answered 201 and are nowhere.
    pub lost: u64,
}

pub(crate) fn router() -> Router<Arc<Service>> {
    Router::new()
        .route("/faults", post(inject).get(faults).delete(clear_faults))
        .route("/received", get(received).delete(forget_received))
        .route("/segments", get(segments))
        .route("/segments/{id}/status", put(force_status))
        .route("/clock/skip", post(skip))
        .route("/tokens/expire", post(expire_tokens))
        .route("/calls/spend", post(spend_calls))
}

pub(crate) fn views(service: &Service) -> Vec<SegmentView> {
    let (segments, now_ms) = (service.segments(), service.now_ms());
    let view = |segment: &super::segments::Segment| SegmentView {
        id: segment.id,
        name: segment.about.name.clone(),
        kind: segment.about.kind.name().to_owned(),
        source_segment_id: segment.about.source_id.clone(),
        status: segments.status(segment, now_ms),
        members: segment.members.iter().cloned().collect(),
        lost: segment.lost,
    };
    segments.all().map(view).collect()
}

async fn inject(State(service): State<Arc<Service>>, Json(injection): Json<Injection>) -> StatusCode {
    service.faults().waiting.push(injection);
    StatusCode::NO_CONTENT
}

async fn faults(State(service): State<Arc<Service>>) -> Json<Vec<Injection>> {
    Json(service.faults().waiting.clone())
}

async fn clear_faults(State(service): State<Arc<Service>>) -> StatusCode {
    service.faults().waiting.clear();
    StatusCode::NO_CONTENT
}

async fn received(State(service): State<Arc<Service>>) -> Json<Received> {
    Json(service.received().clone())
}

async fn forget_received(State(service): State<Arc<Service>>) -> StatusCode {
    *service.received() = Received::default();
    StatusCode::NO_CONTENT
}

async fn segments(State(service): State<Arc<Service>>) -> Json<Vec<SegmentView>> {
    Json(views(&service))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Forced {
    status: Option<String>,
}

async fn force_status(
    State(service): State<Arc<Service>>,
    Path(id): Path<u64>,
    Json(forced): Json<Forced>,
) -> StatusCode {
    if force(&service, id, forced.status) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

pub(crate) fn force(service: &Service, id: u64, status: Option<String>) -> bool {
    let mut segments = service.segments();
    let segment = segments.get_mut(id);
    segment.map(|segment| segment.forced = status).is_some()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Skipped {
    seconds: u64,
}

async fn skip(State(service): State<Arc<Service>>, Json(skipped): Json<Skipped>) -> StatusCode {
    service.skip(Duration::from_secs(skipped.seconds));
    StatusCode::NO_CONTENT
}

async fn expire_tokens(State(service): State<Arc<Service>>) -> StatusCode {
    service.login().expire();
    StatusCode::NO_CONTENT
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spent {
    calls: u64,
}

async fn spend_calls(State(service): State<Arc<Service>>, Json(spent): Json<Spent>) -> StatusCode {
    let now_ms = service.now_ms();
    service.limits().spend(spent.calls, now_ms);
    StatusCode::NO_CONTENT
}
