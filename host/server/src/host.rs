//! A host at work: the application, its HTTP API on a port, and the way both stop. What `serve` runs, what the demo
//! and tests start in their own process.

use crate::api;
use crate::app::keys::NewKey;
use crate::app::refusal::Refusal;
use crate::app::settings::Settings;
use crate::app::{App, Opened};
use crate::config::{Config, Tls};
use crate::doors::Doors;
use crate::tls::{Certificates, TlsError, TlsListener};
use axum::Router;
use axum::serve::Listener;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Why a host could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{address} is in use by another process. Stop that one, or choose another port with --listen")]
    PortTaken { address: SocketAddr },
    #[error("cannot listen on {address}: {reason}. Choose an address of this machine with --listen")]
    Listen { address: SocketAddr, reason: std::io::Error },
    #[error("HTTPS: {0}. Correct tls.certificate_file and tls.key_file")]
    Tls(#[from] TlsError),
    #[error("{data_dir}: {}. {}", refusal.fault.message, refusal.fault.action)]
    Data { data_dir: String, refusal: Refusal },
}

/// Nothing moves on a connection for this much longer than a request may take: it is closed. Events are told at least
/// every fifteen seconds (`api/events.rs`).
const IDLE_BEYOND: Duration = Duration::from_secs(15);

/// A running host.
pub struct Host {
    url: String,
    address: SocketAddr,
    app: App,
    state: api::State,
    stop: CancellationToken,
    serving: JoinHandle<std::io::Result<()>>,
    drain: Duration,
}

impl Host {
    /// Takes the port, opens the data directory and begins to answer; returns the first API key if there was none.
    /// The port comes first: a host that could not be reached should not have touched any data.
    pub async fn start(config: &Config) -> Result<(Self, Option<NewKey>), StartError> {
        let read = |tls: &Tls| Certificates::read(&tls.certificate_file, &tls.key_file);
        let certificates = config.tls.as_ref().map(read).transpose()?;
        let address = config.listen;
        let listener = TcpListener::bind(address).await.map_err(|reason| match reason.kind() {
            ErrorKind::AddrInUse => StartError::PortTaken { address },
            _ => StartError::Listen { address, reason },
        })?;
        let address = listener.local_addr().map_err(|reason| StartError::Listen { address, reason })?;
        let data = |refusal| StartError::Data { data_dir: config.data_dir.display().to_string(), refusal };
        let limits = config.limits;
        let bytes = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        let settings = Settings {
            disk_free_bytes_min: limits.disk_free_bytes,
            exchanges_kept: limits.exchanges_kept as usize,
            kept: limits.kept,
            tables: config.tables,
            plugin_memory_bytes: bytes(limits.plugin_memory_bytes),
            plugin_bytes: bytes(limits.plugin_bytes),
            egress_domains: config.egress_domains.clone(),
            connections: limits.connections,
            plugin_connections: limits.plugin_connections,
            plugin_pool: limits.plugin_pool,
            organisation_memory_bytes: bytes(limits.organisation_memory_bytes),
            seal_key_file: config.seal_key_file.clone(),
        };
        let Opened { app, first_key } = App::open(&config.data_dir, settings).await.map_err(data)?;
        let url = format!("{}://{address}", if certificates.is_some() { "https" } else { "http" });
        let public_url = config.public_url.as_deref().unwrap_or(&url);
        let state = api::State::new(app.clone(), limits, config.pages, public_url);
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let router = api::router(state.clone());
        // Whoever waits for an answer is answered, if with a refusal, before this is over.
        let idle = limits.request + IDLE_BEYOND;
        let clients = limits.clients_at_once;
        let serving = match certificates {
            Some(certificates) => {
                let listener = TlsListener::start(listener, Arc::new(certificates))
                    .map_err(|reason| StartError::Listen { address, reason })?;
                serve(Doors::new(listener, clients, idle), router, stopped)
            }
            None => serve(Doors::new(listener, clients, idle), router, stopped),
        };
        if config.tls.is_none() && !address.ip().is_loopback() {
            tracing::warn!(%address, "API keys and data can be read on their way by whoever sits between: this is plain \
                HTTP. Set tls.certificate_file and tls.key_file, or let only a proxy that brings HTTPS reach it");
        }
        tracing::info!(%address, %url, data_dir = %config.data_dir.display(), "listening");
        Ok((Self { url, address, app, state, stop, serving, drain: config.limits.drain }, first_key))
    }

    /// Where it answers; with the real port where the configuration said 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The application behind it.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// `http://127.0.0.1:8480`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Stops: takes no more requests, deals with those it has, and lets runs and deliveries reach a boundary. Whatever
    /// is not done in time goes on at the next start.
    pub async fn stop(mut self) {
        self.stop.cancel();
        self.state.close();
        let requests = async {
            // An error of the listener has been told by then, and there is nothing left to stop.
            let _ = (&mut self.serving).await;
            self.state.finish().await;
        };
        let finished = tokio::time::timeout(self.drain, requests);
        let (finished, ()) = tokio::join!(finished, self.app.drain(self.drain));
        if finished.is_err() {
            self.serving.abort();
            tracing::warn!("some requests were not done in time");
        }
        tracing::info!("stopped");
    }
}

fn serve<L>(listener: L, router: Router, stopped: WaitForCancellationFutureOwned) -> JoinHandle<std::io::Result<()>>
where
    L: Listener,
    L::Addr: std::fmt::Debug,
{
    tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(stopped).await })
}
