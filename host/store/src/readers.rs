//! A few connections that only read. Each read is one snapshot.

use crate::failure::Outcome;
use attiva_core::ports::store::{Result, StoreError};
use rusqlite::Connection;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

pub(crate) type Opener = Box<dyn Fn() -> Outcome<Connection> + Send + Sync>;

/// Connections are opened when they are first needed, up to a maximum; then callers wait for one.
pub(crate) struct Readers {
    open: Opener,
    max: usize,
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    count: usize,
}

impl Readers {
    pub(crate) fn new(max: usize, open: Opener) -> Self {
        Self { open, max: max.max(1), state: Mutex::default(), returned: Condvar::new() }
    }

    /// Runs `read` in one snapshot.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> Outcome<T>) -> Result<T> {
        let lease = Lease { connection: Some(self.take()?), readers: self };
        let connection = lease.connection.as_ref().ok_or(StoreError::Closed)?;
        in_snapshot(connection, read).map_err(StoreError::from)
    }

    fn take(&self) -> Result<Connection> {
        let mut state = self.lock();
        loop {
            if let Some(connection) = state.idle.pop() {
                return Ok(connection);
            }
            if state.count < self.max {
                break;
            }
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.count += 1;
        drop(state);
        (self.open)().map_err(|failure| {
            self.lock().count -= 1;
            self.returned.notify_one();
            failure.0
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What is under the lock is whole at every moment, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn in_snapshot<T>(connection: &Connection, read: impl FnOnce(&Connection) -> Outcome<T>) -> Outcome<T> {
    connection.prepare_cached("BEGIN")?.execute([])?;
    let result = read(connection);
    connection.prepare_cached("COMMIT")?.execute([])?;
    result
}

/// Gives the connection back, also when reading panicked.
struct Lease<'a> {
    connection: Option<Connection>,
    readers: &'a Readers,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut state = self.readers.lock();
        match self.connection.take() {
            Some(connection) if connection.is_autocommit() => state.idle.push(connection),
            // Left in the middle of a snapshot: not used again.
            _ => state.count -= 1,
        }
        self.readers.returned.notify_one();
    }
}
