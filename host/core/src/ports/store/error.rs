//! Why the store did not do something, and who acts next.

use crate::{Fault, FaultKind};

/// Why the store did not do it. Nothing of the operation has happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("the data directory is in use by another process")]
    InUse,
    #[error("the data directory {path} cannot be used: {reason}")]
    Unusable { path: String, reason: String },
    #[error("the disk is full")]
    Full,
    #[error("the version is {found}, not {expected}")]
    VersionMismatch { expected: String, found: String },
    #[error("it exists already")]
    Exists,
    #[error("there is no such thing")]
    Missing,
    #[error("the data was written by a newer version ({found}; this one knows {known})")]
    TooNew { found: u32, known: u32 },
    #[error("the stored data cannot be read: {0}")]
    Corrupt(String),
    #[error("the store is closed")]
    Closed,
    #[error("the disk refused: {0}")]
    Io(String),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        let (kind, code, action) = match &error {
            StoreError::InUse => {
                (FaultKind::Config, "store.in-use", "Stop the other process, or use another directory.")
            }
            StoreError::Unusable { .. } => {
                (FaultKind::Config, "store.unusable", "Name a directory that this user may read and write.")
            }
            StoreError::Full => (FaultKind::Transient, "store.full", "Free disk space; work goes on by itself."),
            StoreError::VersionMismatch { .. } => {
                (FaultKind::Config, "store.version-mismatch", "Read it again and repeat the change.")
            }
            StoreError::Exists => {
                (FaultKind::Config, "store.exists", "Choose another name, or change the existing one.")
            }
            StoreError::Missing => (FaultKind::Config, "store.missing", "Check the id."),
            StoreError::TooNew { .. } => (FaultKind::Config, "store.too-new", "Start the newer version of Attiva."),
            StoreError::Corrupt(_) => (FaultKind::Internal, "store.corrupt", "Restore a backup, and report this."),
            StoreError::Closed => (FaultKind::Transient, "store.closed", "The host is stopping; repeat when it is up."),
            StoreError::Io(_) => (FaultKind::Transient, "store.io", "Check the disk; work goes on by itself."),
        };
        Fault::new(kind, code, error.to_string()).action(action)
    }
}

pub type Result<T> = std::result::Result<T, StoreError>;
