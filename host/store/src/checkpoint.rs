//! Moves what the write-ahead log holds into the database, off the writer's path: a commit never waits for a
//! checkpoint that copies much.
//!
//! The checkpoint thread copies whenever the log has grown by a step. While the writer goes on writing it can't copy
//! the newest frames, so the log would never start over; past a limit it asks the writer to copy the little that is
//! left, between two transactions. Then the next transaction begins the log from its start, unless a reader still
//! needs it. Nobody is ever blocked: all checkpoints are passive ones.

use rusqlite::Connection;
use rusqlite::wal::CheckpointMode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Frames (pages of 4 KiB) after which the log is copied.
const STEP_FRAMES: i32 = 4_000;
/// Frames after which the log should start over.
const LIMIT_FRAMES: i32 = 12_000;

/// What the writer and the checkpoint thread tell each other.
#[derive(Debug, Default)]
pub(crate) struct Pressure {
    finish: AtomicBool,
}

impl Pressure {
    /// Called by the writer between transactions.
    pub(crate) fn relieve(&self, connection: &Connection) {
        if self.finish.swap(false, Ordering::Relaxed) {
            copy(connection);
        }
    }
}

/// Tells the checkpoint thread of every commit's effect on the log. The thread ends when the writer's connection does.
pub(crate) fn watch(connection: &mut Connection) -> rusqlite::Result<Receiver<i32>> {
    let (tell, told): (SyncSender<i32>, _) = sync_channel(1);
    connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, frames| {
        // A full channel means the thread has yet to look; the next commit tells it again.
        let _ = tell.try_send(frames);
        Ok(())
    }))?;
    Ok(told)
}

/// The checkpoint thread.
pub(crate) fn run(connection: &Connection, told: &Receiver<i32>, pressure: &Pressure) {
    let mut copied = 0;
    while let Ok(frames) = told.recv() {
        if frames < copied {
            copied = 0;
        }
        if frames - copied < STEP_FRAMES {
            continue;
        }
        copied = copy(connection).unwrap_or(copied);
        if frames > LIMIT_FRAMES {
            pressure.finish.store(true, Ordering::Relaxed);
        }
    }
}

/// Copies what can be copied now; returns how many frames of the log have been. A failure costs nothing but a longer
/// log: the next one tries again.
fn copy(connection: &Connection) -> Option<i32> {
    match connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE) {
        Ok((_, copied)) => Some(copied),
        Err(error) => {
            if error.sqlite_error_code() != Some(rusqlite::ErrorCode::DatabaseBusy) {
                tracing::warn!(%error, "a checkpoint failed; it is tried again");
            }
            None
        }
    }
}
