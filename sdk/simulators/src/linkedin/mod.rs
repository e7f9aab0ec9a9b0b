//! LinkedIn's matched audiences: segments of people and of companies, filled by batches.
//!
//! Answers what the vendor documents, and where its documents are silent what clients in the field report, the harder reading first. No
//! live account has judged it. What is known to be a guess: the bodies of 426, 429 and 403, and what a segment that has expired answers to
//! new members.
//!
//! Time can be moved on by the handle or a [control endpoint](control), since segments take days.

mod answer;
mod config;
pub mod control;
mod elements;
mod fault;
mod gate;
mod limits;
mod login;
mod member_calls;
mod received;
mod segment_calls;
mod segments;
mod service;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;

pub use config::{Duplicates, Limits, LinkedInConfig, Role};
pub use control::SegmentView;
pub use fault::{Fault, Injection};
pub use received::{Received, ReceivedCall};

use crate::running::Running;
use service::Service;

/// A running LinkedIn. Dropped or [shut down](LinkedIn::shutdown), it is gone with all its data.
#[derive(Debug)]
pub struct LinkedIn {
    address: SocketAddr,
    service: Arc<Service>,
    running: Running,
}

impl LinkedIn {
    /// Starts one on 127.0.0.1. Needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    ///
    /// When the port cannot be bound.
    pub async fn start(config: LinkedInConfig) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, config.port)).await?;
        let address = listener.local_addr()?;
        let service = Service::new(config);
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

    /// `http://127.0.0.1:{port}`, in the place of both `https://api.linkedin.com` and `https://www.linkedin.com`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was started with.
    #[must_use]
    pub fn config(&self) -> &LinkedInConfig {
        &self.service.config
    }

    /// Misbehaves from now on; a bare [`Fault`] acts once, on the next call it makes sense for.
    pub fn inject(&self, injection: impl Into<Injection>) {
        self.service.faults().waiting.push(injection.into());
    }

    /// Takes back every fault that still waits.
    pub fn clear_faults(&self) {
        self.service.faults().waiting.clear();
    }

    /// What was received so far.
    #[must_use]
    pub fn received(&self) -> Received {
        self.service.received().clone()
    }

    /// Every segment, in order of creation.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentView> {
        control::views(&self.service)
    }

    /// Forces a segment's status; `None` takes it back. Whether there is such a segment.
    pub fn force_status(&self, id: u64, status: Option<&str>) -> bool {
        control::force(&self.service, id, status.map(str::to_owned))
    }

    /// Milliseconds since 1970, as it is here.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.service.now_ms()
    }

    /// Moves the time on.
    pub fn skip(&self, time: Duration) {
        self.service.skip(time);
    }

    /// The refresh token that works now.
    #[must_use]
    pub fn refresh_token(&self) -> String {
        self.service.login().refresh_token().to_owned()
    }

    /// Ends the life of all access tokens.
    pub fn expire_tokens(&self) {
        self.service.login().expire();
    }

    /// Counts calls that the member made otherwise against the daily limit.
    pub fn spend_calls(&self, calls: u64) {
        let now_ms = self.service.now_ms();
        self.service.limits().spend(calls, now_ms);
    }

    /// Stops, giving open calls a second to finish.
    pub async fn shutdown(self) {
        self.running.shutdown().await;
    }
}
