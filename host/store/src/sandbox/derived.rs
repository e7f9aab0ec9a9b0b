//! Attributes that are worked out from other profiles: beside those that records give, and never written by who writes
//! those.

use super::counter::Counter;
use super::references::ReferenceWriter;
use super::{json, profiles};
use crate::failure::Outcome;
use attiva_core::ports::store::{Derived, DerivedWrite, Reference};
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

/// The statements that write derived attributes, prepared once a commit.
pub(super) struct DerivedWriter<'a> {
    connection: &'a Connection,
    find: CachedStatement<'a>,
    set: CachedStatement<'a>,
    unset: CachedStatement<'a>,
    tell: CachedStatement<'a>,
    references: ReferenceWriter<'a>,
}

impl<'a> DerivedWriter<'a> {
    pub(super) fn new(connection: &'a Connection) -> Outcome<Self> {
        Ok(Self {
            connection,
            find: connection.prepare_cached("SELECT body, degraded FROM derived WHERE profile = ?1")?,
            set: connection.prepare_cached(
                "INSERT INTO derived (profile, body, degraded) VALUES (?1, ?2, ?3)
                 ON CONFLICT (profile) DO UPDATE SET body = excluded.body, degraded = excluded.degraded",
            )?,
            unset: connection.prepare_cached("DELETE FROM derived WHERE profile = ?1")?,
            tell: connection.prepare_cached("INSERT INTO profile_change (seq, subject) VALUES (?1, ?2)")?,
            references: ReferenceWriter::of_derived(connection)?,
        })
    }

    /// To be called at the end.
    pub(super) fn finish(self) -> Outcome<()> {
        self.references.finish()
    }

    /// A profile that is gone has none. What is so already is no change.
    pub(super) fn set(&mut self, counter: &mut Counter, write: &DerivedWrite) -> Outcome<()> {
        let DerivedWrite { profile, derived, reference } = write;
        let Some(entity) = profiles::entity_of_live(self.connection, *profile)? else {
            self.unset.execute([profile])?;
            return Ok(());
        };
        let had: Option<(String, bool)> =
            self.find.query_row([profile], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let has = if *derived == Derived::default() {
            None
        } else {
            Some((json::attributes_text(&derived.attributes)?, derived.degraded))
        };
        let reference = reference.as_ref().map(|(field, to, key)| Reference {
            field: (*field).into(),
            to: to.clone(),
            key: key.clone(),
        });
        let refers_anew = self.references.set(*profile, entity, reference.as_slice(), had.is_none())?;
        if had == has && !refers_anew {
            return Ok(());
        }
        match &has {
            Some((body, degraded)) => self.set.execute(params![profile, body, degraded])?,
            None => self.unset.execute([profile])?,
        };
        self.tell.execute(params![counter.next_seq(), profile])?;
        Ok(())
    }
}

pub(super) fn of_profiles(connection: &Connection, profiles: &[i64]) -> Outcome<Vec<Option<Derived>>> {
    let mut statement = connection.prepare_cached("SELECT body, degraded FROM derived WHERE profile = ?1")?;
    let mut of_one = |profile: &i64| {
        let found: Option<(String, bool)> =
            statement.query_row([profile], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        found.map(|(body, degraded)| Ok(Derived { attributes: json::attributes(&body)?, degraded })).transpose()
    };
    profiles.iter().map(&mut of_one).collect()
}
