//! An S3 endpoint: [`s3s_fs`] on loopback, with signatures enforced. Others wrote it, so that it knows nothing of our client's habits.
//!
//! The README lists what it does not honour.

mod watch;

pub use watch::Watch;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{HttpError, HttpResponse};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::running::Running;

/// What the endpoint is like.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// The only access key that is let in.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
    /// A bucket that exists from the start; a directory of this name under `root`.
    pub bucket: String,
    /// Where buckets are kept; made if it is not there. What it holds outlives the endpoint.
    pub root: PathBuf,
}

/// A running endpoint. Path-style addresses only; any region is taken.
#[derive(Debug)]
pub struct S3 {
    address: SocketAddr,
    config: S3Config,
    watch: Watch,
    running: Running,
}

impl S3 {
    /// Starts the endpoint on 127.0.0.1. Needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    ///
    /// When the port cannot be bound or the directory cannot be made or read.
    pub async fn start(config: S3Config) -> io::Result<Self> {
        std::fs::create_dir_all(config.root.join(&config.bucket))?;
        let files = FileSystem::new(&config.root).map_err(|error| io::Error::other(format!("{error:?}")))?;
        let service = {
            let mut builder = S3ServiceBuilder::new(files);
            builder.set_auth(SimpleAuth::from_single(config.access_key.clone(), config.secret_key.clone()));
            builder.build()
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, config.port)).await?;
        let address = listener.local_addr()?;
        let watch = Watch::default();
        let running = Running::spawn({
            let watch = watch.clone();
            |stopped| serve(listener, service, watch, stopped)
        });
        Ok(Self { address, config, watch, running })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:{port}`; a bucket's objects are at `{endpoint}/{bucket}/{key}`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was started with.
    #[must_use]
    pub fn config(&self) -> &S3Config {
        &self.config
    }

    /// Begins to keep what is asked of it.
    #[must_use]
    pub fn watch(&self) -> Watch {
        self.watch.begin();
        self.watch.clone()
    }

    /// Stops at once.
    pub async fn shutdown(self) {
        self.running.shutdown().await;
    }
}

async fn serve(listener: TcpListener, service: S3Service, watch: Watch, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // A sender that is dropped asks for a stop as well.
            _ = &mut stopped => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                // A connection that is gone before it is accepted is its client's affair.
                let Ok((stream, _)) = accepted else { continue };
                let _ = stream.set_nodelay(true);
                let (service, watch) = (service.clone(), watch.clone());
                connections.spawn(async move {
                    let watched = service_fn(|request: Request<Incoming>| answer(&service, &watch, request));
                    let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), watched).await;
                });
            }
        }
    }
}

async fn answer(service: &S3Service, watch: &Watch, request: Request<Incoming>) -> Result<HttpResponse, HttpError> {
    let (method, target) = (request.method().clone(), request.uri().clone());
    let answer = service.call(request.map(s3s::Body::from)).await;
    let target = target.path_and_query().map_or("/", |target| target.as_str());
    if watch.note(method.as_str(), target) {
        // Until the client hangs up: then hyper drops this.
        std::future::pending::<()>().await;
    }
    answer
}
