//! The control database: what spans sandboxes.

use crate::copy::{self, Mark};
use crate::database::{Database, Options};
use crate::documents;
use crate::failure::{Outcome, limited};
use crate::migration::Schema;
use async_trait::async_trait;
use attiva_core::Millis;
use attiva_core::id::PrivacyId;
use attiva_core::ports::privacy::TombstoneStore;
use attiva_core::ports::store::{
    AuditEvent, ControlKind, ControlStore, Document, Expect, KeptAnswer, KeptRequest, Result,
};
use attiva_core::privacy::Mentions;
use rusqlite::{Connection, OptionalExtension, params};
use std::path::Path;
use std::sync::Arc;

const SCHEMA: Schema = Schema {
    application: 0x4174_0002,
    steps: &[
        include_str!("schema/control-1.sql"),
        include_str!("schema/control-2.sql"),
        include_str!("schema/control-3.sql"),
    ],
};

/// The control database in SQLite.
pub struct Control {
    database: Database,
}

impl Control {
    /// Opens `<directory>/control.db`, making it as needed.
    ///
    /// # Errors
    /// `InUse` while another process (or another `Control`) has it open, `Unusable` for a directory that can't be
    /// written, `TooNew` and `Corrupt` for a file that this version can't read.
    pub fn open(directory: &Path, options: &Options) -> Result<Arc<Self>> {
        Ok(Arc::new(Self { database: Database::open(directory, "control", &SCHEMA, options)? }))
    }

    /// Copies the database, as it is at one moment, to a file that is not there yet; blocks until it is on the disk.
    ///
    /// # Errors
    /// `Full`, `Io`.
    pub fn copy_to(&self, target: &Path) -> Result<Mark> {
        self.database.copy_to(target)?;
        Self::look(target)
    }

    /// What a copy says of itself.
    ///
    /// # Errors
    /// `TooNew`, `Corrupt`.
    pub fn look(copy: &Path) -> Result<Mark> {
        copy::look(copy, &SCHEMA, |_| Ok(0))
    }
}

#[async_trait]
impl ControlStore for Control {
    fn document(&self, kind: ControlKind, id: &str) -> Result<Option<Document>> {
        self.database.read(|connection| documents::get(connection, name(kind), id))
    }

    fn documents(&self, kind: ControlKind, after: Option<&str>, limit: usize) -> Result<Vec<Document>> {
        self.database.read(|connection| documents::list(connection, name(kind), after, limit))
    }

    async fn put_document(
        &self,
        kind: ControlKind,
        id: &str,
        body: serde_json::Value,
        expect: Expect,
        audit: Option<AuditEvent>,
    ) -> Result<u64> {
        let id = id.to_owned();
        let work = move |connection: &Connection| {
            let version = documents::put(connection, name(kind), &id, &body, expect)?;
            tell(connection, audit.as_ref())?;
            Ok(version)
        };
        self.database.write(work).await
    }

    async fn delete_document(
        &self,
        kind: ControlKind,
        id: &str,
        expect: Expect,
        audit: Option<AuditEvent>,
    ) -> Result<()> {
        let id = id.to_owned();
        let work = move |connection: &Connection| {
            documents::delete(connection, name(kind), &id, expect)?;
            tell(connection, audit.as_ref())
        };
        self.database.write(work).await
    }

    async fn audit(&self, event: AuditEvent) -> Result<()> {
        self.database.write(move |connection| tell(connection, Some(&event))).await
    }

    async fn audit_once(&self, event: AuditEvent) -> Result<()> {
        let work = move |connection: &Connection| {
            if was_told(connection, &event)? { Ok(()) } else { tell(connection, Some(&event)) }
        };
        self.database.write(work).await
    }

    fn audit_events(&self, after: u64, limit: usize) -> Result<Vec<(u64, AuditEvent)>> {
        self.database.read(|connection| told(connection, after, limit))
    }

    async fn forget_audit(&self, before: Millis, limit: usize, mut told: AuditEvent) -> Result<bool> {
        let work = move |connection: &Connection| {
            let (entries, more) = forget_audit(connection, before, limit)?;
            if entries > 0 {
                if let Some(detail) = told.detail.as_object_mut() {
                    detail.insert("entries".into(), entries.into());
                }
                tell(connection, Some(&told))?;
            }
            Ok(more)
        };
        self.database.write(work).await
    }

    fn kept_request(&self, key: &str) -> Result<Option<KeptRequest>> {
        self.database.read(|connection| kept(connection, key))
    }

    async fn keep_request(&self, key: &str, request: KeptRequest, forget_before: Millis) -> Result<()> {
        let key = key.to_owned();
        self.database.write(move |connection| keep(connection, &key, &request, forget_before)).await
    }
}

#[async_trait]
impl TombstoneStore for Control {
    fn tombstones(&self, sandbox: &str) -> Result<Vec<[u8; 32]>> {
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT hash FROM tombstone WHERE sandbox = ?1")?;
            let hashes = statement.query_map([sandbox], |row| row.get(0))?;
            Ok(hashes.collect::<rusqlite::Result<_>>()?)
        })
    }

    async fn put_tombstones(&self, sandbox: &str, request: &PrivacyId, hashes: Vec<[u8; 32]>) -> Result<u64> {
        let (sandbox, request) = (sandbox.to_owned(), request.clone());
        let work = move |connection: &Connection| {
            let mut put = connection
                .prepare_cached("INSERT OR IGNORE INTO tombstone (sandbox, hash, request) VALUES (?1, ?2, ?3)")?;
            let mut new = 0;
            for hash in &hashes {
                new += put.execute(params![sandbox, hash, request.as_str()])? as u64;
            }
            Ok(new)
        };
        self.database.write(work).await
    }

    async fn forget_tombstones(&self, sandbox: &str) -> Result<()> {
        let sandbox = sandbox.to_owned();
        let work = move |connection: &Connection| {
            connection.prepare_cached("DELETE FROM tombstone WHERE sandbox = ?1")?.execute([sandbox])?;
            Ok(())
        };
        self.database.write(work).await
    }

    async fn forget_answers(&self) -> Result<u64> {
        let work = |connection: &Connection| {
            connection.pragma_update(None, "secure_delete", true)?;
            let forgotten = connection
                .prepare_cached("UPDATE kept_request SET status = NULL, body = NULL WHERE body IS NOT NULL")?
                .execute([])?;
            Ok(forgotten as u64)
        };
        self.database.write(work).await
    }

    async fn sweep_audit(&self, of: Mentions) -> Result<u64> {
        let said = self.database.read(|connection| {
            let mut statement = connection.prepare("SELECT number, subject, detail FROM audit")?;
            let mut rows = statement.query([])?;
            let mut said: Vec<(i64, String, String)> = Vec::new();
            while let Some(row) = rows.next()? {
                let (subject, detail): (String, String) = (row.get(1)?, row.get(2)?);
                let (out, rest) = (of.taken_out(&subject), of.taken_out(&detail));
                if out.is_some() || rest.is_some() {
                    said.push((row.get(0)?, out.unwrap_or(subject), rest.unwrap_or(detail)));
                }
            }
            Ok(said)
        })?;
        let work = move |connection: &Connection| {
            let mut update =
                connection.prepare_cached("UPDATE audit SET subject = ?2, detail = ?3 WHERE number = ?1")?;
            for (number, subject, detail) in &said {
                update.execute(params![number, subject, detail])?;
            }
            Ok(said.len() as u64)
        };
        self.database.write(work).await
    }

    async fn empty_log(&self) -> Result<bool> {
        self.database.empty_log().await
    }

    async fn rewrite(&self) -> Result<()> {
        self.database.rewrite().await
    }
}

fn name(kind: ControlKind) -> &'static str {
    match kind {
        ControlKind::Organisation => "organisation",
        ControlKind::Sandbox => "sandbox",
        ControlKind::ApiKey => "api-key",
        ControlKind::KeyUse => "key-use",
        ControlKind::Plugin => "plugin",
        ControlKind::Conduct => "conduct",
        ControlKind::PluginInUse => "plugin-in-use",
        ControlKind::Publisher => "publisher",
        ControlKind::Secret => "secret",
        ControlKind::Grant => "grant",
        ControlKind::Instance => "instance",
        ControlKind::Holding => "holding",
        ControlKind::Erasure => "erasure",
        ControlKind::Quota => "quota",
        ControlKind::QuotaLimits => "quota-limits",
        ControlKind::Authorization => "authorization",
        ControlKind::AppConsent => "app-consent",
    }
}

fn tell(connection: &Connection, event: Option<&AuditEvent>) -> Outcome<()> {
    let Some(event) = event else { return Ok(()) };
    let detail = serde_json::to_string(&event.detail)?;
    connection
        .prepare_cached("INSERT INTO audit (at, actor, action, subject, detail) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![event.at, event.actor, event.action, event.subject, detail])?;
    Ok(())
}

fn was_told(connection: &Connection, event: &AuditEvent) -> Outcome<bool> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM audit WHERE subject = ?1 AND action = ?2")?;
    Ok(statement.exists(params![event.subject, event.action])?)
}

fn told(connection: &Connection, after: u64, limit: usize) -> Outcome<Vec<(u64, AuditEvent)>> {
    let mut statement = connection.prepare_cached(
        "SELECT number, at, actor, action, subject, detail FROM audit WHERE number > ?1 ORDER BY number LIMIT ?2",
    )?;
    let mut rows = statement.query(params![after.cast_signed(), limited(limit)])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let event = AuditEvent {
            at: row.get(1)?,
            actor: row.get(2)?,
            action: row.get(3)?,
            subject: row.get(4)?,
            detail: serde_json::from_str(row.get_ref(5)?.as_str().map_err(rusqlite::Error::from)?)?,
        };
        events.push((number.cast_unsigned(), event));
    }
    Ok(events)
}

fn forget_audit(connection: &Connection, before: Millis, limit: usize) -> Outcome<(u64, bool)> {
    let mut oldest = connection.prepare_cached(
        "SELECT number, at < ?1 FROM audit WHERE number < (SELECT max(number) FROM audit) ORDER BY number LIMIT ?2",
    )?;
    let mut rows = oldest.query(params![before, limited(limit)])?;
    let (mut end, mut all) = (0_i64, true);
    while let Some(row) = rows.next()? {
        all = row.get(1)?;
        if !all {
            break;
        }
        end = row.get(0)?;
    }
    let forgotten = connection.prepare_cached("DELETE FROM audit WHERE number <= ?1")?.execute([end])?;
    Ok((forgotten as u64, all && forgotten >= limit))
}

fn kept(connection: &Connection, key: &str) -> Outcome<Option<KeptRequest>> {
    let mut statement =
        connection.prepare_cached("SELECT fingerprint, at, chance, status, body FROM kept_request WHERE key = ?1")?;
    let request = statement.query_row([key], |row| {
        let (status, body): (Option<u16>, Option<Vec<u8>>) = (row.get(3)?, row.get(4)?);
        let answer = status.zip(body).map(|(status, body)| KeptAnswer { status, body });
        Ok(KeptRequest { fingerprint: row.get(0)?, at: row.get(1)?, chance: row.get(2)?, answer })
    });
    Ok(request.optional()?)
}

fn keep(connection: &Connection, key: &str, request: &KeptRequest, forget_before: Millis) -> Outcome<()> {
    let KeptRequest { fingerprint, at, chance, answer } = request;
    let (status, body) = answer.as_ref().map(|a| (a.status, a.body.as_slice())).unzip();
    connection.prepare_cached("DELETE FROM kept_request WHERE at < ?1")?.execute([forget_before])?;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO kept_request (key, fingerprint, at, chance, status, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![key, fingerprint, at, chance, status, body])?;
    Ok(())
}
