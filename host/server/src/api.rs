//! The HTTP API: thin over the application layer. Each resource has a file with its routes, its wire forms and
//! nothing else; what holds for all requests is a layer.

mod accounts;
mod activations;
mod audiences;
mod audit;
mod auth;
mod authorizations;
mod backups;
mod body;
mod bounded;
mod conduct;
mod connections;
mod consent_rules;
mod consents;
mod data_removal;
mod deliveries;
mod etag;
mod evaluations;
mod exchange_rates;
mod exchanges;
mod explanation;
mod grants;
mod guardrails;
mod health;
mod idempotency;
mod identity;
mod ingestion;
mod keys;
mod listing;
mod mappings;
mod metrics;
mod model;
mod operations;
mod organisations;
mod permissions;
mod pins;
mod plugins;
mod privacy;
mod problem;
mod problem_pages;
mod profiles;
mod publishers;
mod quotas;
mod request_id;
mod runs;
mod sandboxes;
mod scope;
mod secrets;
mod segments;
mod stamp;
mod targets;
mod throttle;
mod time;
mod timeline;
mod upgrades;
mod usage_policy;

pub(crate) use body::PACKAGE;
pub use listing::Page;
pub use permissions::endpoints;
pub use problem::{MEDIA_TYPE, Problem};

use crate::app::App;
use crate::app::refusal::Refusal;
use crate::config::{Limits, Pages};
use attiva_core::{Fault, FaultKind};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

/// What every handler can reach.
#[derive(Clone)]
pub struct State {
    app: App,
    limits: Limits,
    pages: Pages,
    /// Where vendors send a person back to who was asked for consent.
    callback: Arc<str>,
    permits: Arc<Semaphore>,
    /// Places to wait for a permit.
    waiting: Arc<Semaphore>,
    throttles: throttle::Throttles,
    tasks: TaskTracker,
    requests: metrics::Requests,
}

impl State {
    #[must_use]
    pub fn new(app: App, limits: Limits, pages: Pages, public_url: &str) -> Self {
        let permits = Arc::new(Semaphore::new(limits.requests_at_once as usize));
        let callback = format!("{public_url}{}", authorizations::CALLBACK).into();
        let requests = metrics::Requests::default();
        let waiting = Arc::new(Semaphore::new(limits.requests_at_once as usize));
        let throttles = throttle::Throttles::new(limits.throttle);
        let tasks = TaskTracker::new();
        Self { app, limits, pages, callback, permits, waiting, throttles, tasks, requests }
    }

    /// Waits until every request that was begun has been dealt with, answered or not.
    pub async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// All routes.
pub fn router(state: State) -> Router {
    let open = problem_pages::routes().merge(authorizations::callback());
    let bounded = v1(&state).merge(metrics(&state)).merge(open);
    let bounded = bounded.layer(from_fn_with_state(state.clone(), bounded::layer));
    bounded
        .merge(health::routes())
        .fallback(async || Refusal::from(no_route()))
        .method_not_allowed_fallback(async || Refusal::from(wrong_method()))
        .layer(from_fn_with_state(state.clone(), request_id::layer))
        .with_state(state)
}

fn v1(state: &State) -> Router<State> {
    let documents = Router::new()
        .merge(keys::routes())
        .merge(audit::routes())
        .merge(backups::routes())
        .merge(organisations::routes())
        .merge(plugins::routes())
        .merge(upgrades::routes())
        .merge(usage_policy::routes())
        .merge(publishers::routes())
        .merge(sandboxes::routes())
        .merge(connections::routes())
        .merge(authorizations::routes())
        .merge(conduct::routes())
        .merge(consents::routes())
        .merge(data_removal::routes())
        .merge(consent_rules::routes())
        .merge(exchanges::routes())
        .merge(grants::routes())
        .merge(guardrails::routes())
        .merge(quotas::routes())
        .merge(secrets::routes())
        .merge(runs::routes())
        .merge(pins::routes())
        .merge(privacy::routes())
        .merge(profiles::routes())
        .merge(ingestion::routes())
        .merge(exchange_rates::routes())
        .merge(explanation::routes())
        .merge(identity::routes())
        .merge(model::routes())
        .merge(mappings::routes())
        .merge(timeline::routes())
        .merge(segments::routes())
        .merge(accounts::routes())
        .merge(audiences::routes())
        .merge(evaluations::routes())
        .merge(activations::routes())
        .merge(targets::routes())
        .merge(deliveries::routes())
        .merge(operations::routes());
    let components = takes(state, plugins::install_routes(), state.limits.plugin_bytes);
    takes(state, documents, state.limits.body_bytes)
        .merge(components)
        .layer(from_fn_with_state(state.clone(), auth::layer))
}

/// Outside `/v1`, where monitors look for it; who asks is asked for a key all the same.
fn metrics(state: &State) -> Router<State> {
    metrics::routes().layer(from_fn_with_state(state.clone(), auth::layer))
}

/// Routes that take bodies up to a size.
fn takes(state: &State, routes: Router<State>, body_bytes: u64) -> Router<State> {
    let body_max = usize::try_from(body_bytes).unwrap_or(usize::MAX);
    let idempotency = idempotency::Idempotency { state: state.clone(), body_max };
    routes.layer(from_fn_with_state(idempotency, idempotency::layer)).layer(DefaultBodyLimit::max(body_max))
}

fn no_route() -> Fault {
    Fault::new(FaultKind::Config, "route.missing", "there is nothing at this path")
        .action("The paths are listed in the README of the server.")
}

fn wrong_method() -> Fault {
    Fault::new(FaultKind::Config, "request.method", "this path does not take this method")
}
