//! Sends requests: resolves, checks and pins the address, connects, reuses connections. Knows no proxy and follows no
//! redirect. Everything that leaves the host for a connector goes through here, tokens included.

use super::policy::Endpoint;
use super::{Resolve, body};
use crate::connection::Scheme;
use attiva_core::{Fault, FaultKind};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Vendors close idle connections after a minute or so; we are first.
const IDLE_MAX: Duration = Duration::from_secs(30);
const IDLE_PER_KEY_MAX: usize = 16;
const RESPONSE_HEAD_BYTES_MAX: usize = 256 << 10;

/// The host's client. One for all plugins: connections carry no identity, requests do.
pub(crate) struct Transport {
    resolver: Arc<dyn Resolve>,
    tls: Arc<ClientConfig>,
    idle: Mutex<HashMap<Key, Vec<Idle>>>,
}

/// What makes two requests fit for one connection: the same authority, the same scheme, the same pinned address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    scheme: Scheme,
    host: String,
    address: SocketAddr,
}

struct Idle {
    sender: SendRequest<Full<Bytes>>,
    since: Instant,
}

/// A response whose body is still on the wire, and the connection it holds.
pub(crate) struct Exchange {
    pub(crate) response: Response<Incoming>,
    key: Key,
    sender: SendRequest<Full<Bytes>>,
}

impl Transport {
    /// # Errors
    /// A certificate that is none.
    pub(crate) fn new(resolver: Arc<dyn Resolve>, extra_roots: &[Vec<u8>]) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for der in extra_roots {
            roots.add(CertificateDer::from(der.clone()))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { resolver, tls: Arc::new(tls), idle: Mutex::default() })
    }

    /// Sends a request whose headers are complete, `Host` included, and whose URI is a path.
    ///
    /// # Errors
    /// `egress.address` (no address of the host may be dialled) and `network.*`, transient.
    pub(crate) async fn send(&self, endpoint: &Endpoint, request: Request<Full<Bytes>>) -> Result<Exchange, Fault> {
        let addresses = self.addresses(endpoint).await?;
        let mut request = request;
        for address in &addresses {
            let key = key(endpoint, *address);
            while let Some(mut sender) = self.take_idle(&key) {
                if sender.ready().await.is_err() {
                    continue;
                }
                match sender.try_send_request(request).await {
                    Ok(response) => return Ok(Exchange { response, key, sender }),
                    Err(mut failed) => match failed.take_message() {
                        // The server had hung up; nothing was sent.
                        Some(unsent) => request = unsent,
                        None => return Err(broken(endpoint, &failed.into_error())),
                    },
                }
            }
        }
        let (key, mut sender) = self.connect(endpoint, &addresses).await?;
        match sender.send_request(request).await {
            Ok(response) => Ok(Exchange { response, key, sender }),
            Err(error) => Err(broken(endpoint, &error)),
        }
    }

    /// Keeps an exchange's connection for the next request. Only after the body was read to its end.
    pub(crate) fn give_back(&self, exchange: Exchange) {
        let Exchange { key, sender, .. } = exchange;
        if sender.is_closed() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|_, kept| {
            kept.retain(|idle| idle.since.elapsed() < IDLE_MAX && !idle.sender.is_closed());
            !kept.is_empty()
        });
        let kept = idle.entry(key).or_default();
        if kept.len() < IDLE_PER_KEY_MAX {
            kept.push(Idle { sender, since: Instant::now() });
        }
    }

    /// The addresses of a host that may be dialled: one that may not makes all suspect, since a name that answers
    /// with a public and a private address is how rebinding begins.
    async fn addresses(&self, endpoint: &Endpoint) -> Result<Vec<IpAddr>, Fault> {
        let host = &endpoint.host;
        let found = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => match tokio::time::timeout(CONNECT_TIMEOUT, self.resolver.resolve(host)).await {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => {
                    return Err(network("network.resolve", format!("{host} cannot be resolved: {error}")));
                }
                Err(_) => return Err(network("network.resolve", format!("resolving {host} took too long"))),
            },
        };
        if let Some(why) = found.iter().find_map(|address| endpoint.refuses(*address)) {
            let what = format!("{host} may not be reached: {why}");
            return Err(Fault::new(FaultKind::Config, "egress.address", what)
                .action("Have an operator grant this endpoint to the connection, with its addresses."));
        }
        if found.is_empty() {
            return Err(network("network.resolve", format!("{host} has no address")));
        }
        Ok(found)
    }

    async fn connect(
        &self,
        endpoint: &Endpoint,
        addresses: &[IpAddr],
    ) -> Result<(Key, SendRequest<Full<Bytes>>), Fault> {
        let mut last = network("network.connect", format!("{} has no address", endpoint.host));
        for address in addresses {
            let key = key(endpoint, *address);
            match tokio::time::timeout(CONNECT_TIMEOUT, self.connect_to(endpoint, key.address)).await {
                Ok(Ok(sender)) => return Ok((key, sender)),
                Ok(Err(fault)) => last = fault,
                Err(_) => {
                    last = network("network.connect", format!("connecting to {} took too long", endpoint.authority()))
                }
            }
        }
        Err(last)
    }

    async fn connect_to(&self, endpoint: &Endpoint, address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, Fault> {
        let refused = |error: &dyn std::fmt::Display| {
            network("network.connect", format!("no connection to {} at {address}: {error}", endpoint.authority()))
        };
        let tcp = TcpStream::connect(address).await.map_err(|e| refused(&e))?;
        tcp.set_nodelay(true).map_err(|e| refused(&e))?;
        match endpoint.scheme {
            Scheme::Http => handshake(endpoint, TokioIo::new(tcp)).await,
            Scheme::Https => {
                let name = ServerName::try_from(endpoint.host.clone()).map_err(|e| refused(&e))?;
                let tls = TlsConnector::from(self.tls.clone()).connect(name, tcp).await.map_err(|e| {
                    network("network.tls", format!("no TLS with {} at {address}: {e}", endpoint.authority()))
                })?;
                handshake(endpoint, TokioIo::new(tls)).await
            }
        }
    }

    fn take_idle(&self, key: &Key) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.get_mut(key)?;
        while let Some(idle) = kept.pop() {
            if idle.since.elapsed() < IDLE_MAX && !idle.sender.is_closed() {
                return Some(idle.sender);
            }
        }
        None
    }
}

async fn handshake<I>(endpoint: &Endpoint, io: I) -> Result<SendRequest<Full<Bytes>>, Fault>
where
    I: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(RESPONSE_HEAD_BYTES_MAX);
    let (sender, connection) = builder.handshake(io).await.map_err(|e| broken(endpoint, &e))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = body::error_chain(&error), "a connection ended");
        }
    });
    Ok(sender)
}

fn key(endpoint: &Endpoint, address: IpAddr) -> Key {
    let address = SocketAddr::new(address, endpoint.port);
    Key { scheme: endpoint.scheme, host: endpoint.host.clone(), address }
}

fn broken(endpoint: &Endpoint, error: &hyper::Error) -> Fault {
    let what = format!("the exchange with {} broke: {}", endpoint.authority(), body::error_chain(error));
    network("network.broken", what)
}

pub(crate) fn network(code: &str, message: impl Into<String>) -> Fault {
    Fault::new(FaultKind::Transient, code, message)
}
