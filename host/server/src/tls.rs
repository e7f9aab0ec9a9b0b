//! HTTPS: what comes out of a handshake is served as what comes in without one.
//!
//! Handshakes take their time in tasks of their own, so that a client that says nothing keeps nobody else waiting; a
//! bounded number at once, each for a bounded time.

mod certificates;

pub(crate) use certificates::{Certificates, TlsError};

use axum::serve::Listener;
use rustls::ServerConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::task::AbortOnDropHandle;

/// Longest time for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes at once; whoever comes then waits in the system's queue.
const HANDSHAKES_MAX: usize = 256;

type Connection = (TlsStream<TcpStream>, SocketAddr);

/// Connections that have been through their handshake.
pub(crate) struct TlsListener {
    ready: mpsc::Receiver<Connection>,
    address: SocketAddr,
    /// Ends with this.
    _accepting: AbortOnDropHandle<()>,
    _renewing: AbortOnDropHandle<()>,
}

impl TlsListener {
    /// # Errors
    /// Where the protocol cannot be set up, or the listener has no address.
    pub(crate) fn start(listener: TcpListener, certificates: Arc<Certificates>) -> std::io::Result<Self> {
        let address = TcpListener::local_addr(&listener)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(std::io::Error::other)?.with_no_client_auth();
        let mut config = builder.with_cert_resolver(Arc::<Certificates>::clone(&certificates));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let (send, ready) = mpsc::channel(1);
        let accepting = tokio::spawn(accept_all(listener, TlsAcceptor::from(Arc::new(config)), send));
        let renewing = tokio::spawn(certificates.keep_new());
        let held = |task: JoinHandle<()>| AbortOnDropHandle::new(task);
        Ok(Self { ready, address, _accepting: held(accepting), _renewing: held(renewing) })
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Connection {
        match self.ready.recv().await {
            Some(connection) => connection,
            // Only when this listener ends does the other side.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.address)
    }
}

async fn accept_all(mut listener: TcpListener, acceptor: TlsAcceptor, ready: mpsc::Sender<Connection>) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    loop {
        let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await else { return };
        let (stream, peer) = Listener::accept(&mut listener).await;
        let (acceptor, ready) = (acceptor.clone(), ready.clone());
        tokio::spawn(async move {
            match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                // Nobody takes it any more when the host stops.
                Ok(Ok(stream)) => drop(ready.send((stream, peer)).await),
                Ok(Err(reason)) => tracing::debug!(%peer, %reason, "a handshake failed"),
                Err(_) => tracing::debug!(%peer, "a handshake took too long"),
            }
            drop(permit);
        });
    }
}
