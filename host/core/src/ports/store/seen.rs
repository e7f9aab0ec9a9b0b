//! Which records of a stream a reading of all of it has found: the others are gone at the vendor.

use super::Result;
use crate::id::ConnectionId;
use async_trait::async_trait;

/// What pages that note it have found. One reading of a stream at a time.
#[async_trait]
pub trait SeenStore: Send + Sync {
    /// Those of these numbers of a stream's records that no page has noted since `forget_seen`, in the order asked for.
    fn unseen(&self, connection: &ConnectionId, stream: &str, numbers: &[i64]) -> Result<Vec<i64>>;
    async fn forget_seen(&self, connection: &ConnectionId, stream: &str) -> Result<()>;
}
