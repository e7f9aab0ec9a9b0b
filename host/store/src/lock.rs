//! One process at a time: an advisory lock that the kernel drops when the process ends, however it ends.

use attiva_core::ports::store::StoreError;
use std::fs::{File, TryLockError};

/// Held for as long as it lives.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "the lock is the open file")] File);

impl Lock {
    pub(crate) fn take(file: File) -> Result<Self, StoreError> {
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
            Err(TryLockError::Error(error)) => Err(StoreError::Io(format!("taking the lock: {error}"))),
        }
    }
}
