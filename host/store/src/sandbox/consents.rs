//! Consents and suppressions.

use super::Sandbox;
use crate::failure::{Outcome, limited};
use async_trait::async_trait;
use attiva_core::consent::{Consent, Suppression};
use attiva_core::identity::Identity;
use attiva_core::ports::consent::{ConsentStore, Put};
use attiva_core::ports::store::Result;
use rusqlite::{Connection, Row, ToSql, params};

#[async_trait]
impl ConsentStore for Sandbox {
    async fn put_consents(&self, consents: Vec<Consent>) -> Result<Put> {
        let work = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(
                "INSERT OR IGNORE INTO consent (namespace, value, channel, purpose, at, given, source)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            each(&consents, |c| {
                let Identity { namespace, value } = &c.identity;
                Ok(statement.execute(params![namespace, value, c.channel, c.purpose, c.at, c.given, c.source])?)
            })
        };
        self.database.write(work).await
    }

    fn consents_of(&self, identities: &[Identity]) -> Result<Vec<Consent>> {
        const OF: &str = "SELECT number, namespace, value, channel, purpose, at, given, source FROM consent
                          WHERE namespace = ?1 AND value = ?2";
        self.database.read(|connection| of_each(connection, OF, identities, consent))
    }

    fn consents(&self, after: i64, limit: usize) -> Result<Vec<(i64, Consent)>> {
        const AFTER: &str = "SELECT number, namespace, value, channel, purpose, at, given, source FROM consent
                             WHERE number > ?1 ORDER BY number LIMIT ?2";
        self.database.read(|connection| select(connection, AFTER, &[&after, &limited(limit)], consent))
    }

    async fn put_suppressions(&self, suppressions: Vec<Suppression>) -> Result<Put> {
        let work = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(
                "INSERT INTO suppression (namespace, value, channel, at, reason, source) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (namespace, value, channel) DO UPDATE
                   SET at = excluded.at, reason = excluded.reason, source = excluded.source
                 WHERE (excluded.at, excluded.reason, excluded.source) > (at, reason, source)",
            )?;
            each(&suppressions, |s| {
                let Identity { namespace, value } = &s.identity;
                Ok(statement.execute(params![namespace, value, s.channel, s.at, s.reason, s.source])?)
            })
        };
        self.database.write(work).await
    }

    async fn remove_suppressions(&self, which: Vec<(Identity, String)>) -> Result<Put> {
        let work = move |connection: &Connection| {
            let mut statement = connection
                .prepare_cached("DELETE FROM suppression WHERE namespace = ?1 AND value = ?2 AND channel = ?3")?;
            each(&which, |(identity, channel)| {
                Ok(statement.execute(params![identity.namespace, identity.value, channel])?)
            })
        };
        self.database.write(work).await
    }

    fn suppressions_of(&self, identities: &[Identity]) -> Result<Vec<Suppression>> {
        const OF: &str = "SELECT number, namespace, value, channel, at, reason, source FROM suppression
                          WHERE namespace = ?1 AND value = ?2";
        self.database.read(|connection| of_each(connection, OF, identities, suppression))
    }

    fn suppressions(&self, after: i64, limit: usize) -> Result<Vec<(i64, Suppression)>> {
        const AFTER: &str = "SELECT number, namespace, value, channel, at, reason, source FROM suppression
                             WHERE number > ?1 ORDER BY number LIMIT ?2";
        self.database.read(|connection| select(connection, AFTER, &[&after, &limited(limit)], suppression))
    }
}

fn each<T>(all: &[T], mut write: impl FnMut(&T) -> Outcome<usize>) -> Outcome<Put> {
    let mut put = Put { received: all.len() as u64, changed: 0 };
    for one in all {
        put.changed += write(one)? as u64;
    }
    Ok(put)
}

fn of_each<T>(
    connection: &Connection,
    sql: &str,
    identities: &[Identity],
    read: fn(&Row<'_>) -> rusqlite::Result<(i64, T)>,
) -> Outcome<Vec<T>> {
    let mut all = Vec::new();
    for Identity { namespace, value } in identities {
        all.extend(select(connection, sql, &[namespace, value], read)?.into_iter().map(|(_, found)| found));
    }
    Ok(all)
}

fn select<T>(
    connection: &Connection,
    sql: &str,
    parameters: &[&dyn ToSql],
    read: fn(&Row<'_>) -> rusqlite::Result<(i64, T)>,
) -> Outcome<Vec<(i64, T)>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(parameters, read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn identity(row: &Row<'_>) -> rusqlite::Result<Identity> {
    Ok(Identity { namespace: row.get("namespace")?, value: row.get("value")? })
}

fn consent(row: &Row<'_>) -> rusqlite::Result<(i64, Consent)> {
    let consent = Consent {
        identity: identity(row)?,
        channel: row.get("channel")?,
        purpose: row.get("purpose")?,
        given: row.get("given")?,
        source: row.get("source")?,
        at: row.get("at")?,
    };
    Ok((row.get("number")?, consent))
}

fn suppression(row: &Row<'_>) -> rusqlite::Result<(i64, Suppression)> {
    let suppression = Suppression {
        identity: identity(row)?,
        channel: row.get("channel")?,
        reason: row.get("reason")?,
        source: row.get("source")?,
        at: row.get("at")?,
    };
    Ok((row.get("number")?, suppression))
}
