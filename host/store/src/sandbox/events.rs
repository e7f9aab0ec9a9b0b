//! Events go in: each once, by its source key, with a narrow row for each name that its person has in it.

use super::counter::Counter;
use super::{due, entities, json};
use crate::failure::Outcome;
use attiva_core::Millis;
use attiva_core::event::{Event, EventChange};
use attiva_core::identity::Identity;
use attiva_core::model::EntityName;
use attiva_core::ports::store::PageCommitted;
use attiva_core::record::Fields;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What is read back of an event's text.
#[derive(Deserialize)]
pub(super) struct EventBody {
    pub(super) attributes: Fields,
    pub(super) native: Fields,
}

/// `None` for an event that was taken back.
pub(super) fn text(change: &EventChange) -> Outcome<Option<String>> {
    let Some(Event { time, event_type, subjects, attributes, native }) = &change.event else { return Ok(None) };
    /// All of it, also what columns hold: equal texts are equal events. The time first, as in a record's body.
    #[derive(Serialize)]
    struct Text<'a> {
        at: Millis,
        time: Millis,
        #[serde(rename = "type")]
        event_type: &'a str,
        subjects: &'a [Identity],
        attributes: Map<'a>,
        native: &'a Fields,
    }
    let attributes = Map(attributes);
    Ok(Some(serde_json::to_string(&Text { at: change.at, time: *time, event_type, subjects, attributes, native })?))
}

struct Map<'a>(&'a [(String, attiva_core::Value)]);

impl Serialize for Map<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// The events of a page, each with its text.
pub(super) fn commit(
    connection: &Connection,
    counter: &mut Counter,
    stream: i64,
    events: Vec<(EventChange, Option<String>)>,
    done: &mut PageCommitted,
) -> Outcome<()> {
    if events.is_empty() {
        return Ok(());
    }
    let mut writer = EventWriter::new(connection, stream)?;
    for (change, text) in events {
        match writer.apply(counter, &change, text)? {
            Effect::Changed => done.changed += 1,
            Effect::Unchanged => done.unchanged += 1,
            Effect::Stale => done.stale += 1,
        }
    }
    Ok(())
}

enum Effect {
    Changed,
    Unchanged,
    Stale,
}

/// What is stored under a source key.
struct Known {
    number: i64,
    at: Millis,
    time: Millis,
    subjects: Vec<i64>,
    is_gone: bool,
}

/// The statements of a page, prepared once.
struct EventWriter<'a> {
    connection: &'a Connection,
    person: i64,
    stream: i64,
    types: HashMap<String, i64>,
    subjects: HashMap<Identity, i64>,
    find: CachedStatement<'a>,
    insert: CachedStatement<'a>,
    update: CachedStatement<'a>,
    restate: CachedStatement<'a>,
    add: CachedStatement<'a>,
    drop: CachedStatement<'a>,
    tell: CachedStatement<'a>,
}

impl<'a> EventWriter<'a> {
    fn new(connection: &'a Connection, stream: i64) -> Outcome<Self> {
        Ok(Self {
            connection,
            person: entities::make(connection, &EntityName::PERSON)?,
            stream,
            types: HashMap::new(),
            subjects: HashMap::new(),
            find: connection
                .prepare_cached("SELECT number, at, time, subjects, body FROM event_payload WHERE source_key = ?1")?,
            insert: connection.prepare_cached(
                "INSERT INTO event_payload (number, stream, at, time, type, subjects, body, source_key)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?,
            update: connection.prepare_cached(
                "UPDATE event_payload SET stream = ?2, at = ?3, time = ?4, type = ?5, subjects = ?6, body = ?7
                 WHERE number = ?1",
            )?,
            restate: connection.prepare_cached("UPDATE event_payload SET at = ?2, body = ?3 WHERE number = ?1")?,
            add: connection
                .prepare_cached("INSERT INTO event (subject, time, number, type, rank) VALUES (?1, ?2, ?3, ?4, ?5)")?,
            drop: connection.prepare_cached("DELETE FROM event WHERE subject = ?1 AND time = ?2 AND number = ?3")?,
            tell: connection.prepare_cached("INSERT INTO event_change (seq, subject) VALUES (?1, ?2)")?,
        })
    }

    fn apply(&mut self, counter: &mut Counter, change: &EventChange, text: Option<String>) -> Outcome<Effect> {
        let mut rows = self.find.query([&change.source_key])?;
        let known = match rows.next()? {
            None => None,
            Some(row) => {
                let body = row.get_ref(4)?.as_str_or_null().map_err(rusqlite::Error::from)?;
                let subjects: String = row.get(3)?;
                let (at, is_gone) = (row.get(1)?, body.is_none());
                let later = match (body, &text) {
                    (Some(stored), Some(text)) => json::restated_after(stored, text),
                    (None, None) => (at <= change.at).then(|| change.at.saturating_sub(at)),
                    _ => None,
                };
                if let Some(later) = later {
                    if later > 0 && change.dated {
                        // What lies between is old by now.
                        self.restate.execute(params![row.get::<_, i64>(0)?, change.at, text])?;
                    }
                    return Ok(Effect::Unchanged);
                }
                let subjects = serde_json::from_str(&subjects)?;
                Some(Known { number: row.get(0)?, at, time: row.get(2)?, subjects, is_gone })
            }
        };
        drop(rows);
        if known.as_ref().is_some_and(|known| known.at > change.at) {
            return Ok(Effect::Stale);
        }
        for subject in known.iter().flat_map(|known| &known.subjects) {
            let (time, number) = known.as_ref().map_or((0, 0), |known| (known.time, known.number));
            self.drop.execute([*subject, time, number])?;
        }
        let number = known.as_ref().map_or_else(|| counter.next_event(), |known| known.number);
        let (time, kind, subjects) = match &change.event {
            None => (0, 0, Vec::new()),
            Some(event) => (event.time, self.event_type(&event.event_type)?, self.subject_numbers(&event.subjects)?),
        };
        due::look_again(self.connection, known.iter().flat_map(|known| &known.subjects))?;
        for (rank, subject) in (0_i64..).zip(&subjects) {
            self.add.execute([*subject, time, number, kind, rank])?;
        }
        let subjects = serde_json::to_string(&subjects)?;
        if known.is_some() {
            self.update.execute(params![number, self.stream, change.at, time, kind, subjects, text])?;
        } else {
            let key = &change.source_key;
            self.insert.execute(params![number, self.stream, change.at, time, kind, subjects, text, key])?;
        }
        // Nobody has heard of an event that is taken back before it came.
        if change.event.is_none() && known.is_none_or(|known| known.is_gone) {
            return Ok(Effect::Unchanged);
        }
        self.tell.execute([counter.next_seq(), number])?;
        Ok(Effect::Changed)
    }

    fn event_type(&mut self, name: &str) -> Outcome<i64> {
        if let Some(number) = self.types.get(name) {
            return Ok(*number);
        }
        let number = number_of(
            self.connection,
            "SELECT number FROM event_type WHERE name = ?1",
            "INSERT INTO event_type (name) VALUES (?1) RETURNING number",
            params![name],
        )?;
        self.types.insert(name.to_owned(), number);
        Ok(number)
    }

    fn subject_numbers(&mut self, identities: &[Identity]) -> Outcome<Vec<i64>> {
        identities.iter().map(|identity| self.subject(identity)).collect()
    }

    fn subject(&mut self, identity: &Identity) -> Outcome<i64> {
        if let Some(number) = self.subjects.get(identity) {
            return Ok(*number);
        }
        let namespace = number_of(
            self.connection,
            "SELECT number FROM namespace WHERE entity = ?1 AND name = ?2",
            "INSERT INTO namespace (entity, name) VALUES (?1, ?2) RETURNING number",
            params![self.person, identity.namespace],
        )?;
        let number = number_of(
            self.connection,
            "SELECT number FROM event_subject WHERE namespace = ?1 AND value = ?2",
            "INSERT INTO event_subject (namespace, value) VALUES (?1, ?2) RETURNING number",
            params![namespace, identity.value],
        )?;
        self.subjects.insert(identity.clone(), number);
        Ok(number)
    }
}

fn number_of(connection: &Connection, find: &str, insert: &str, named: &[&dyn rusqlite::ToSql]) -> Outcome<i64> {
    let found: Option<i64> = connection.prepare_cached(find)?.query_row(named, |row| row.get(0)).optional()?;
    match found {
        Some(number) => Ok(number),
        None => Ok(connection.prepare_cached(insert)?.query_row(named, |row| row.get(0))?),
    }
}
