//! The HTTP API: thin over the application layer. Each resource has a file with its routes, its wire forms and
//! nothing else; what holds for all requests is a layer.

mod accounts;
mod activations;
mod answer;
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
mod edge;
mod etag;
mod evaluations;
mod events;
mod exchange_rates;
mod exchanges;
mod explanation;
mod freshness;
mod grants;
mod guardrails;
mod health;
mod html;
mod idempotency;
mod identity;
mod ingestion;
mod keys;
mod listing;
mod mappings;
mod metrics;
mod model;
mod openapi;
mod operation;
mod operations;
mod organisations;
mod path;
mod permissions;
mod pins;
mod plugins;
mod privacy;
mod problem;
mod problem_pages;
mod profiles;
mod publishers;
mod quotas;
mod readbacks;
mod request_id;
mod routes;
mod runs;
mod sandboxes;
mod schemas;
mod scope;
mod secrets;
mod segments;
mod stamp;
mod tables;
mod targets;
mod throttle;
mod time;
mod timeline;
mod upgrades;
mod usage_policy;
mod waterfalls;

pub(crate) use body::PACKAGE;
pub use listing::Page;
pub use openapi::document;
pub use permissions::endpoints;
pub use problem::{MEDIA_TYPE, Problem};

use crate::app::App;
use crate::app::refusal::Refusal;
use crate::config::{Limits, Pages};
use attiva_core::{Fault, FaultKind};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use openapi::Passes;
use routes::Routes;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
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
    /// Places to follow events.
    streams: Arc<Semaphore>,
    /// The host stops: streams, which would never end, end.
    closing: CancellationToken,
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
        let streams = Arc::new(Semaphore::new(events::STREAMS_MAX));
        let (closing, tasks) = (CancellationToken::new(), TaskTracker::new());
        Self { app, limits, pages, callback, permits, waiting, throttles, streams, closing, tasks, requests }
    }

    /// Ends every stream of events.
    pub fn close(&self) {
        self.closing.cancel();
    }

    /// Waits until every request that was begun has been dealt with, answered or not.
    pub async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// All routes, by what a request to them passes through.
struct Groups {
    /// Bodies are documents.
    documents: Routes,
    /// Bodies are components, which are larger.
    components: Routes,
    /// Outside `/v1`, where monitors look for them; who asks is asked for a key all the same.
    metrics: Routes,
    /// For browsers and for programs that have no key yet.
    open: Routes,
    /// Answered however much there is to do.
    health: Routes,
}

impl Groups {
    fn all() -> Self {
        let open = openapi::routes().merge(problem_pages::routes()).merge(authorizations::callback());
        Self {
            documents: documents(),
            components: plugins::install_routes(),
            metrics: metrics::routes(),
            open,
            health: health::routes(),
        }
    }

    /// For the description. [`router`] is what it describes, and a test walks along both.
    fn each(&self) -> [(&Routes, Passes); 5] {
        let v1 = || Passes { keyed: true, repeatable: true, bounded: true };
        let open = |keyed, bounded| Passes { keyed, bounded, repeatable: false };
        [
            (&self.documents, v1()),
            (&self.components, v1()),
            (&self.metrics, open(true, true)),
            (&self.open, open(false, true)),
            (&self.health, open(false, false)),
        ]
    }
}

/// The HTTP API.
pub fn router(state: State) -> Router {
    let Groups { documents, components, metrics, open, health } = Groups::all();
    let documents = takes(&state, documents.router, state.limits.body_bytes);
    let components = takes(&state, components.router, state.limits.plugin_bytes);
    let keyed = documents.merge(components).merge(metrics.router);
    let keyed = keyed.layer(from_fn_with_state(state.clone(), auth::layer));
    let bounded = keyed.merge(open.router).layer(from_fn_with_state(state.clone(), bounded::layer));
    bounded
        .merge(health.router)
        .fallback(async || Refusal::from(no_route()))
        .method_not_allowed_fallback(async || Refusal::from(wrong_method()))
        .layer(from_fn_with_state(state.clone(), request_id::layer))
        .with_state(state)
}

fn documents() -> Routes {
    keys::routes()
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
        .merge(schemas::routes())
        .merge(consent_rules::routes())
        .merge(exchanges::routes())
        .merge(freshness::routes())
        .merge(tables::routes())
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
        .merge(waterfalls::routes())
        .merge(evaluations::routes())
        .merge(edge::routes())
        .merge(activations::routes())
        .merge(targets::routes())
        .merge(deliveries::routes())
        .merge(readbacks::routes())
        .merge(operations::routes())
}

/// Routes that take bodies up to a size.
fn takes(state: &State, routes: Router<State>, body_bytes: u64) -> Router<State> {
    let body_max = usize::try_from(body_bytes).unwrap_or(usize::MAX);
    let idempotency = idempotency::Idempotency { state: state.clone(), body_max };
    routes.layer(from_fn_with_state(idempotency, idempotency::layer)).layer(DefaultBodyLimit::max(body_max))
}

fn no_route() -> Fault {
    Fault::new(FaultKind::Config, "route.missing", "there is nothing at this path")
        .action("The paths are listed at `/docs`.")
}

fn wrong_method() -> Fault {
    Fault::new(FaultKind::Config, "request.method", "this path does not take this method")
}
