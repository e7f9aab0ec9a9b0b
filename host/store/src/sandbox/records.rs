//! Source records: a page goes in whole, with its rejects, its cursor and its place in the sequence.

use super::counter::Counter;
use super::json::{self, BodyReader};
use super::{entities, events, field_errors, links, stages, streams};
use crate::failure::{Outcome, known, limited};
use attiva_core::id::{ConnectionId, ProfileId, RunId};
use attiva_core::model::EntityName;
use attiva_core::page::{Reject, RowKind};
use attiva_core::ports::store::{Expect, PageCommit, PageCommitted, StoredRecord};
use attiva_core::record::{Applied, Presence, RecordChange, apply};
use rusqlite::{CachedStatement, Connection, Row, params};

/// A page and the texts of its full rows and events. They are made before the writer's turn: it is one thread for everybody.
pub(super) struct PreparedPage {
    page: PageCommit,
    /// By position; `None` where the row is not a full one.
    texts: Vec<Option<String>>,
    event_texts: Vec<Option<String>>,
}

pub(super) fn prepare(page: PageCommit) -> Outcome<PreparedPage> {
    let text = |change: &RecordChange| match change.kind {
        RowKind::Full => json::full_row_text(change).map(Some),
        RowKind::Patch | RowKind::Tombstone | RowKind::Merge => Ok(None),
    };
    let texts = page.records.iter().map(text).collect::<Outcome<_>>()?;
    let event_texts = page.events.iter().map(events::text).collect::<Outcome<_>>()?;
    Ok(PreparedPage { page, texts, event_texts })
}

pub(super) fn commit(connection: &Connection, prepared: PreparedPage) -> Outcome<PageCommitted> {
    let PreparedPage { page, texts, event_texts } = prepared;
    let mut counter = Counter::load(connection)?;
    let entity = entities::of_stream(connection, page.entity.as_ref(), &page.connection, &page.stream)?;
    let stream = streams::advance(connection, &mut counter, entity, &page)?;
    let mut done = PageCommitted { rejected: page.rejects.len() as u64, ..PageCommitted::default() };
    let mut writer = RecordWriter::new(connection, entity, stream, page.notes_seen)?;
    for (change, text) in page.records.into_iter().zip(texts) {
        match writer.apply(&mut counter, change, text)? {
            Effect::Changed => done.changed += 1,
            Effect::Unchanged => done.unchanged += 1,
            Effect::Stale => done.stale += 1,
        }
    }
    stages::note(connection, entity, &page.stages)?;
    field_errors::note(connection, &page.errors)?;
    let events = page.events.into_iter().zip(event_texts).collect();
    events::commit(connection, &mut counter, stream, events, &mut done)?;
    keep_rejects(connection, &page.run, &page.rejects)?;
    counter.save(connection)?;
    done.seq = counter.seq.cast_unsigned();
    if let Some(document) = (page.document.0)(done) {
        super::put(connection, &document, Expect::Anything)?;
    }
    Ok(done)
}

enum Effect {
    Changed,
    Unchanged,
    Stale,
}

/// The statements of a page, prepared once.
struct RecordWriter<'a> {
    entity: i64,
    stream: i64,
    find: CachedStatement<'a>,
    insert: CachedStatement<'a>,
    update: CachedStatement<'a>,
    tell: CachedStatement<'a>,
    merge: CachedStatement<'a>,
    unmerge: CachedStatement<'a>,
    /// Where what is found is noted.
    see: Option<CachedStatement<'a>>,
    bodies: BodyReader,
}

impl<'a> RecordWriter<'a> {
    fn new(connection: &'a Connection, entity: i64, stream: i64, notes_seen: bool) -> Outcome<Self> {
        let see = "INSERT OR IGNORE INTO seen (stream, record) VALUES (?1, ?2)";
        Ok(Self {
            entity,
            stream,
            find: connection
                .prepare_cached("SELECT number, stream, body FROM record WHERE entity = ?1 AND source_key = ?2")?,
            insert: connection.prepare_cached(
                "INSERT INTO record (number, entity, source_key, stream, body) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?,
            update: connection.prepare_cached("UPDATE record SET stream = ?2, body = ?3 WHERE number = ?1")?,
            tell: connection.prepare_cached("INSERT INTO record_change (seq, subject) VALUES (?1, ?2)")?,
            merge: connection.prepare_cached(
                "INSERT INTO merged (record, into_key) VALUES (?1, ?2)
                 ON CONFLICT (record) DO UPDATE SET into_key = excluded.into_key",
            )?,
            unmerge: connection.prepare_cached("DELETE FROM merged WHERE record = ?1")?,
            see: notes_seen.then(|| connection.prepare_cached(see)).transpose()?,
            bodies: BodyReader::default(),
        })
    }

    /// `full`: the text of a full row.
    fn apply(&mut self, counter: &mut Counter, change: RecordChange, full: Option<String>) -> Outcome<Effect> {
        let key = change.source_key.clone();
        let mut rows = self.find.query(params![self.entity, key])?;
        let found = match rows.next()? {
            None => None,
            Some(row) => {
                let (number, stream, stored): (i64, i64, &str) = (row.get(0)?, row.get(1)?, text(row, 2)?);
                if let Some(see) = &mut self.see {
                    see.execute([self.stream, number])?;
                }
                let later = full.as_ref().and_then(|full| json::restated_after(stored, full));
                if later.is_some_and(|later| later == 0 || !change.dated) {
                    return Ok(Effect::Unchanged);
                }
                Some((number, stream, self.bodies.read(stored)?))
            }
        };
        drop(rows);
        let (body, effect) = match apply(found.as_ref().map(|(_, _, body)| body), change) {
            Applied::Changed(body) => (body, Effect::Changed),
            Applied::Restated(body) => (body, Effect::Unchanged),
            Applied::Unchanged => return Ok(Effect::Unchanged),
            Applied::Stale => return Ok(Effect::Stale),
        };
        let is_full = full.is_some();
        let was_merged = found.as_ref().is_some_and(|(_, _, body)| matches!(body.presence, Presence::MergedInto(_)));
        let merged_into = match &body.presence {
            Presence::MergedInto(key) => Some(key.clone()),
            Presence::Live | Presence::Deleted => None,
        };
        // Where something newer is known of a field, the row's own text is not the body's.
        let body = match full.filter(|_| body.patched.is_empty()) {
            Some(full) => full,
            None => json::body_text(&body)?,
        };
        let number = match found {
            None => {
                let number = counter.next_record();
                self.insert.execute(params![number, self.entity, key, self.stream, body])?;
                if let Some(see) = &mut self.see {
                    see.execute([self.stream, number])?;
                }
                number
            }
            Some((number, stream, _)) => {
                // A record belongs to the stream that last told all of it; a patch or a tombstone may come by another.
                let stream = if is_full { self.stream } else { stream };
                self.update.execute(params![number, stream, body])?;
                number
            }
        };
        match merged_into {
            Some(into) => self.merge.execute(params![number, into])?,
            None if was_merged => self.unmerge.execute([number])?,
            None => 0,
        };
        self.tell.execute(params![counter.next_seq(), number])?;
        Ok(effect)
    }
}

macro_rules! select_records {
    ($condition:literal) => {
        concat!(
            "SELECT r.number, r.source_key, s.connection, s.name, r.body, p.id, coalesce(p.records, 0), l.level,
               e.name, l.profile FROM record r
             JOIN stream s ON s.number = r.stream
             JOIN entity e ON e.number = r.entity
             LEFT JOIN link l ON l.record = r.number
             LEFT JOIN profile p ON p.number = l.profile
             WHERE ",
            $condition
        )
    };
}

pub(super) fn by_source_key(
    connection: &Connection,
    entity: &EntityName,
    source_key: &str,
) -> Outcome<Option<StoredRecord>> {
    let mut statement = connection.prepare_cached(select_records!("e.name = ?1 AND r.source_key = ?2"))?;
    let mut rows = statement.query([entity.as_str(), source_key])?;
    rows.next()?.map(|row| stored(row, &mut BodyReader::default())).transpose()
}

/// In the order asked for; numbers that name nothing are left out.
pub(super) fn by_number(connection: &Connection, numbers: &[i64]) -> Outcome<Vec<StoredRecord>> {
    let mut statement = connection.prepare_cached(select_records!("r.number = ?1"))?;
    let mut bodies = BodyReader::default();
    let mut found = Vec::with_capacity(numbers.len());
    for number in numbers {
        let mut rows = statement.query([number])?;
        if let Some(row) = rows.next()? {
            found.push(stored(row, &mut bodies)?);
        }
    }
    Ok(found)
}

/// In the order of numbers.
pub(super) fn of_stream(
    connection: &Connection,
    of: &ConnectionId,
    stream: &str,
    after: i64,
    limit: usize,
) -> Outcome<Vec<StoredRecord>> {
    let mut statement = connection.prepare_cached(select_records!(
        "r.stream = (SELECT number FROM stream WHERE connection = ?1 AND name = ?2) AND r.number > ?3
         ORDER BY r.number LIMIT ?4"
    ))?;
    let mut rows = statement.query(params![of.as_str(), stream, after, limited(limit)])?;
    let mut bodies = BodyReader::default();
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(stored(row, &mut bodies)?);
    }
    Ok(found)
}

/// Records of an entity that belong to a profile, each with the profile's number, in the order of numbers.
pub(super) fn each_linked(
    connection: &Connection,
    entity: &EntityName,
    mut tell: impl FnMut(i64, StoredRecord),
) -> Outcome<()> {
    let mut statement =
        connection.prepare_cached(select_records!("e.name = ?1 AND l.profile IS NOT NULL ORDER BY r.number"))?;
    let mut rows = statement.query([entity.as_str()])?;
    let mut bodies = BodyReader::default();
    while let Some(row) = rows.next()? {
        tell(row.get(9)?, stored(row, &mut bodies)?);
    }
    Ok(())
}

/// All records whose numbers are from the first to before the second, each with the number of its profile.
pub(super) fn each_between(
    connection: &Connection,
    from: i64,
    until: i64,
    mut tell: impl FnMut(Option<i64>, StoredRecord) -> Outcome<()>,
) -> Outcome<()> {
    let mut statement =
        connection.prepare_cached(select_records!("r.number >= ?1 AND r.number < ?2 ORDER BY r.number"))?;
    let mut rows = statement.query([from, until])?;
    let mut bodies = BodyReader::default();
    while let Some(row) = rows.next()? {
        tell(row.get(9)?, stored(row, &mut bodies)?)?;
    }
    Ok(())
}

pub(super) fn numbers(connection: &Connection, entity: &EntityName, after: i64, limit: usize) -> Outcome<Vec<i64>> {
    let Some(entity) = entities::find(connection, entity)? else { return Ok(Vec::new()) };
    // In the order of the table, not of the index by key.
    let mut statement = connection
        .prepare_cached("SELECT number FROM record WHERE +entity = ?1 AND number > ?2 ORDER BY number LIMIT ?3")?;
    let rows = statement.query_map(params![entity, after, limited(limit)], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn stored(row: &Row<'_>, bodies: &mut BodyReader) -> Outcome<StoredRecord> {
    let connection: String = row.get(2)?;
    let profile: Option<String> = row.get(5)?;
    let entity: String = row.get(8)?;
    Ok(StoredRecord {
        number: row.get(0)?,
        // The name of a stream's own space is no entity's.
        entity: EntityName::parse(&entity),
        source_key: row.get(1)?,
        connection: known(ConnectionId::parse(&connection), "a connection's id")?,
        stream: row.get(3)?,
        body: bodies.read(text(row, 4)?)?,
        profile: profile.map(|id| known(ProfileId::parse(&id), "a profile's id")).transpose()?,
        profile_records: row.get(6)?,
        level: links::level(row.get(7)?)?,
    })
}

pub(super) fn presence(connection: &Connection, entity: &EntityName, source_key: &str) -> Outcome<Option<Presence>> {
    let Some(entity) = entities::find(connection, entity)? else { return Ok(None) };
    let mut statement = connection.prepare_cached("SELECT body FROM record WHERE entity = ?1 AND source_key = ?2")?;
    let mut rows = statement.query(params![entity, source_key])?;
    rows.next()?.map(|row| Ok(BodyReader::default().read(text(row, 0)?)?.presence)).transpose()
}

/// A text column, without a copy.
fn text<'a>(row: &'a Row<'_>, column: usize) -> Outcome<&'a str> {
    Ok(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?)
}

fn keep_rejects(connection: &Connection, run: &RunId, rejects: &[Reject]) -> Outcome<()> {
    if rejects.is_empty() {
        return Ok(());
    }
    let mut last: i64 = connection
        .prepare_cached("SELECT coalesce(max(number), 0) FROM reject WHERE run = ?1")?
        .query_row([run.as_str()], |row| row.get(0))?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO reject (run, number, key, code, field, message, sample) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for reject in rejects {
        last += 1;
        let Reject { key, code, field, message, sample } = reject;
        insert.execute(params![run.as_str(), last, key, code, field, message, sample])?;
    }
    Ok(())
}

pub(super) fn rejects(connection: &Connection, run: &RunId, after: u64, limit: usize) -> Outcome<Vec<(u64, Reject)>> {
    let mut statement = connection.prepare_cached(
        "SELECT number, key, code, field, message, sample FROM reject WHERE run = ?1 AND number > ?2
         ORDER BY number LIMIT ?3",
    )?;
    let rows = statement.query_map(params![run.as_str(), after.cast_signed(), limited(limit)], |row| {
        let number: i64 = row.get(0)?;
        let reject = Reject {
            key: row.get(1)?,
            code: row.get(2)?,
            field: row.get(3)?,
            message: row.get(4)?,
            sample: row.get(5)?,
        };
        Ok((number.cast_unsigned(), reject))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The next of a run's rejects; true: there are more.
pub(super) fn forget_next_rejects(connection: &Connection, run: &str, limit: usize) -> Outcome<bool> {
    connection
        .prepare_cached(
            "DELETE FROM reject WHERE run = ?1 AND number IN
               (SELECT number FROM reject WHERE run = ?1 ORDER BY number LIMIT ?2)",
        )?
        .execute(params![run, limited(limit)])?;
    Ok(connection.prepare_cached("SELECT 1 FROM reject WHERE run = ?1")?.exists([run])?)
}

pub(super) fn forget_rejects(connection: &Connection, run: &str) -> Outcome<()> {
    connection.prepare_cached("DELETE FROM reject WHERE run = ?1")?.execute([run])?;
    Ok(())
}
