//! Consents and suppressions.

use super::{Sandbox, ledger, links};
use crate::failure::{Outcome, limited};
use async_trait::async_trait;
use attiva_core::consent::{Consent, Suppression};
use attiva_core::identity::Identity;
use attiva_core::ports::consent::{ConsentStore, Put, Said};
use attiva_core::ports::store::Result;
use rusqlite::{Connection, Row, ToSql, params};

const CONSENTS_OF: &str = "SELECT number, namespace, value, channel, purpose, at, given, source FROM consent
    WHERE namespace = ?1 AND value = ?2";
const SUPPRESSIONS_OF: &str = "SELECT number, namespace, value, channel, at, reason, source FROM suppression
    WHERE namespace = ?1 AND value = ?2";

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
                let changed =
                    statement.execute(params![namespace, value, c.channel, c.purpose, c.at, c.given, c.source])?;
                look_again(connection, changed, &c.identity)
            })
        };
        self.database.write(work).await
    }

    fn consents_of(&self, identities: &[Identity]) -> Result<Vec<Consent>> {
        self.database.read(|connection| of_each(connection, CONSENTS_OF, identities, consent))
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
                let changed = statement.execute(params![namespace, value, s.channel, s.at, s.reason, s.source])?;
                look_again(connection, changed, &s.identity)
            })
        };
        self.database.write(work).await
    }

    async fn remove_suppressions(&self, which: Vec<(Identity, String)>) -> Result<Put> {
        let work = move |connection: &Connection| {
            let mut statement = connection
                .prepare_cached("DELETE FROM suppression WHERE namespace = ?1 AND value = ?2 AND channel = ?3")?;
            each(&which, |(identity, channel)| {
                let changed = statement.execute(params![identity.namespace, identity.value, channel])?;
                look_again(connection, changed, identity)
            })
        };
        self.database.write(work).await
    }

    fn suppressions_of(&self, identities: &[Identity]) -> Result<Vec<Suppression>> {
        self.database.read(|connection| of_each(connection, SUPPRESSIONS_OF, identities, suppression))
    }

    fn said_of(&self, profiles: &[i64]) -> Result<Vec<Said>> {
        self.database.read(|connection| {
            let mut any = connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM consent) OR EXISTS (SELECT 1 FROM suppression)")?;
            if !any.query_row([], |row| row.get(0))? {
                return Ok(vec![Said::default(); profiles.len()]);
            }
            let said = |profile: &i64| {
                let identities = links::identities_of_profile(connection, *profile)?;
                Ok(Said {
                    consents: of_each(connection, CONSENTS_OF, &identities, consent)?,
                    suppressions: of_each(connection, SUPPRESSIONS_OF, &identities, suppression)?,
                })
            };
            profiles.iter().map(said).collect()
        })
    }

    fn suppressions(&self, after: i64, limit: usize) -> Result<Vec<(i64, Suppression)>> {
        const AFTER: &str = "SELECT number, namespace, value, channel, at, reason, source FROM suppression
                             WHERE number > ?1 ORDER BY number LIMIT ?2";
        self.database.read(|connection| select(connection, AFTER, &[&after, &limited(limit)], suppression))
    }
}

/// Where something was said anew, the next delivery to each target asks again about whoever it was said of.
fn look_again(connection: &Connection, changed: usize, said_of: &Identity) -> Outcome<usize> {
    if changed > 0 {
        for profile in links::persons_with(connection, said_of)? {
            ledger::look_again(connection, profile)?;
        }
    }
    Ok(changed)
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
