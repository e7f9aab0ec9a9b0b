//! Objects in a bucket, below a place of their own there.

use crate::{Fault, Millis};
use async_trait::async_trait;

/// An object, as a listing tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectEntry {
    /// Below the place.
    pub name: String,
    pub bytes: u64,
    /// When it was written, by the bucket's own clock; `None`: it does not tell.
    pub written_at: Option<Millis>,
}

/// Names are letters, digits, `-`, `_`, `.` and `/`: they stand in addresses as they are.
#[async_trait]
pub trait Objects: Send + Sync + 'static {
    /// What stands before a name, as readers write it: `s3://bucket/prefix/`.
    fn location(&self) -> &str;

    /// All there are.
    async fn list(&self) -> Result<Vec<ObjectEntry>, Fault>;

    /// `None`: there is none of this name.
    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, Fault>;

    /// Writes one, in the place of one that was there: whoever reads meanwhile has the old one or the new one, whole.
    async fn put(&self, name: &str, content_type: &str, bytes: Vec<u8>) -> Result<(), Fault>;

    /// One that is not there is as good as removed.
    async fn remove(&self, name: &str) -> Result<(), Fault>;
}
