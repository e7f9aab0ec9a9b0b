//! Records that a reading of all of a stream has found.

use super::{Sandbox, streams};
use crate::failure::Outcome;
use async_trait::async_trait;
use attiva_core::id::ConnectionId;
use attiva_core::ports::store::{Result, SeenStore};
use rusqlite::{Connection, params};

#[async_trait]
impl SeenStore for Sandbox {
    fn unseen(&self, connection: &ConnectionId, stream: &str, numbers: &[i64]) -> Result<Vec<i64>> {
        self.database.read(|sqlite| unseen(sqlite, connection, stream, numbers))
    }

    async fn forget_seen(&self, connection: &ConnectionId, stream: &str) -> Result<()> {
        let (connection, stream) = (connection.clone(), stream.to_owned());
        self.database
            .write(move |sqlite| match streams::number(sqlite, &connection, &stream)? {
                Some(number) => forget(sqlite, number),
                None => Ok(()),
            })
            .await
    }
}

/// Of a stream that is not known, nothing was seen.
fn unseen(connection: &Connection, of: &ConnectionId, stream: &str, numbers: &[i64]) -> Outcome<Vec<i64>> {
    let Some(stream) = streams::number(connection, of, stream)? else { return Ok(numbers.to_vec()) };
    let mut statement = connection.prepare_cached("SELECT 1 FROM seen WHERE stream = ?1 AND record = ?2")?;
    let mut unseen = Vec::new();
    for number in numbers {
        if !statement.exists(params![stream, number])? {
            unseen.push(*number);
        }
    }
    Ok(unseen)
}

pub(super) fn forget(connection: &Connection, stream: i64) -> Outcome<()> {
    connection.prepare_cached("DELETE FROM seen WHERE stream = ?1")?.execute([stream])?;
    Ok(())
}
