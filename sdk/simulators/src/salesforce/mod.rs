//! A Salesforce org: token endpoint, describe, queries by REST, query jobs of the Bulk API 2.0, and limits.
//!
//! Its people and companies are those of the [Marketo](crate::marketo) of the same seed, with the ids that Marketo has of
//! them; opportunities, campaigns and relations are its own. Changes are made through the handle or the
//! [control endpoints](control).

mod auth;
mod calls;
mod config;
pub mod control;
mod fault;
mod gate;
mod jobs;
mod org;
mod refusal;
mod schema;
mod seeded;
mod service;
mod soql;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::serve::ListenerExt;
use jiff::Timestamp;
use serde_json::{Map, Value as Json};
use tokio::net::TcpListener;

pub use config::SalesforceConfig;
pub use fault::{Fault, Injection};

use crate::running::Running;
use schema::Object;
use service::Service;

/// A running org. Dropped or [shut down](Salesforce::shutdown), it is gone with all its data.
#[derive(Debug)]
pub struct Salesforce {
    address: SocketAddr,
    service: Arc<Service>,
    running: Running,
}

impl Salesforce {
    /// Starts an org on 127.0.0.1. Needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    ///
    /// When the port cannot be bound.
    pub async fn start(config: SalesforceConfig) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, config.port)).await?;
        let address = listener.local_addr()?;
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        let service = Service::new(config, format!("http://{address}"));
        let app =
            Router::new().nest("/_control", control::router()).fallback(gate::answer).with_state(Arc::clone(&service));
        let running = Running::spawn(|stopped| async move {
            let stopped = async {
                let _ = stopped.await;
            };
            // Serving ends without an error once it is told to stop.
            let _ = axum::serve(listener, app).with_graceful_shutdown(stopped).await;
        });
        Ok(Self { address, service, running })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:{port}`, in the place of both `https://{my domain}.my.salesforce.com` and what the token's reply
    /// names.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was started with.
    #[must_use]
    pub fn config(&self) -> &SalesforceConfig {
        &self.service.config
    }

    /// The org's time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_second(self.service.clock.now()).unwrap_or(Timestamp::MAX)
    }

    /// Misbehaves from now on; a bare [`Fault`] acts once, on the next call it makes sense for.
    pub fn inject(&self, injection: impl Into<Injection>) {
        self.service.state().faults.push(injection.into());
    }

    /// Takes back every fault that still waits, and returns them.
    pub fn clear_faults(&self) -> Vec<Injection> {
        std::mem::take(&mut self.service.state().faults)
    }

    /// The calls so far, as `METHOD /path` with the status.
    #[must_use]
    pub fn received(&self) -> Vec<(String, u16)> {
        self.service.state().received.clone()
    }

    /// Every record of an object, those in the recycle bin too, in the order of ids.
    #[must_use]
    pub fn records(&self, object: &str) -> Vec<Map<String, Json>> {
        self.service.state().org.of(object).map(|record| record.values.clone()).collect()
    }

    /// Makes a record now; answers its id. `None`: there is no such object.
    pub fn create(&self, object: &str, values: Json) -> Option<String> {
        let object = Object::named(object)?;
        let now = self.service.clock.now();
        Some(self.service.state().org.create(object, values, now))
    }

    /// Changes a record now; null clears a field. False: there is none.
    pub fn change(&self, object: &str, id: &str, values: &Json) -> bool {
        let now = self.service.clock.now();
        self.service.state().org.change(object, id, values, Some(now))
    }

    /// Changes a record that becomes visible late: it carries this time.
    pub fn change_dated(&self, object: &str, id: &str, values: &Json, dated: Timestamp) -> bool {
        self.service.state().org.change(object, id, values, Some(dated.as_second()))
    }

    /// Changes what a formula makes of a record: its time stays.
    pub fn change_formula(&self, object: &str, id: &str, values: &Json) -> bool {
        self.service.state().org.change(object, id, values, None)
    }

    /// Puts a record into the recycle bin.
    pub fn delete(&self, object: &str, id: &str) -> bool {
        let now = self.service.clock.now();
        self.service.state().org.delete(object, id, true, now)
    }

    /// Takes a record out of the recycle bin.
    pub fn undelete(&self, object: &str, id: &str) -> bool {
        let now = self.service.clock.now();
        self.service.state().org.delete(object, id, false, now)
    }

    /// Empties the recycle bin of a record: nothing tells of it any more.
    pub fn erase(&self, object: &str, id: &str) -> bool {
        self.service.state().org.erase(object, id)
    }

    /// Merges one record into another of the same object.
    pub fn merge(&self, object: &str, loser: &str, winner: &str) -> bool {
        let now = self.service.clock.now();
        self.service.state().org.merge(object, loser, winner, now)
    }

    /// What the user may not see from now on: objects, and fields as `Object.Field`.
    pub fn hide(&self, hidden: &[&str]) {
        self.service.state().hidden = hidden.iter().map(|name| (*name).to_owned()).collect();
    }

    /// Ends all sessions.
    pub fn expire_sessions(&self) {
        self.service.state().sessions.expire();
    }

    /// The token's reply names another organisation from now on; sessions end.
    pub fn become_organization(&self, id: &str) {
        let mut state = self.service.state();
        state.sessions.organization = Some(id.to_owned());
        state.sessions.expire();
    }

    /// Counts calls that somebody else made.
    pub fn spend_calls(&self, calls: u64) {
        self.service.state().calls_today += calls;
    }

    /// How many query jobs there are.
    #[must_use]
    pub fn jobs(&self) -> usize {
        self.service.state().jobs.len()
    }

    /// Ends it; open calls may finish for a second.
    pub async fn shutdown(self) {
        self.running.shutdown().await;
    }
}
