//! Names to addresses. A seam, so that a test can answer what a hostile name server would.

use async_trait::async_trait;
use std::io;
use std::net::IpAddr;

/// Resolves host names.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// All addresses of a host. `host` may be an address in text.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((host, 0)).await?;
        Ok(found.map(|socket| socket.ip()).collect())
    }
}
