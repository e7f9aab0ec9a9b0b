//! Row numbers and sequence numbers, given out within a transaction and never twice.

use crate::failure::Outcome;
use rusqlite::{Connection, params};

/// The numbers given last. Loaded at the start of a commit and saved at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counter {
    pub(super) seq: i64,
    pub(super) record: i64,
    pub(super) profile: i64,
    pub(super) event: i64,
}

impl Counter {
    pub(super) fn load(connection: &Connection) -> Outcome<Self> {
        let mut statement = connection.prepare_cached("SELECT seq, record, profile, event FROM counter")?;
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Self { seq: row.get(0)?, record: row.get(1)?, profile: row.get(2)?, event: row.get(3)? })
        };
        Ok(statement.query_row([], read)?)
    }

    pub(super) fn save(&self, connection: &Connection) -> Outcome<()> {
        connection
            .prepare_cached("UPDATE counter SET seq = ?1, record = ?2, profile = ?3, event = ?4")?
            .execute(params![self.seq, self.record, self.profile, self.event])?;
        Ok(())
    }

    pub(super) fn next_seq(&mut self) -> i64 {
        self.seq += 1;
        self.seq
    }

    pub(super) fn next_record(&mut self) -> i64 {
        self.record += 1;
        self.record
    }

    pub(super) fn next_profile(&mut self) -> i64 {
        self.profile += 1;
        self.profile
    }

    pub(super) fn next_event(&mut self) -> i64 {
        self.event += 1;
        self.event
    }
}
