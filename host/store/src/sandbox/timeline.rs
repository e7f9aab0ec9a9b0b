//! Events come out: by person in order of time, or by number. Whose an event is is looked up here, through identity and
//! record to profile: it is that of the firmest of its names that names anybody.

use super::events::EventBody;
use super::links;
use crate::failure::{Outcome, known};
use attiva_core::Value;
use attiva_core::id::ConnectionId;
use attiva_core::ports::store::{Carrier, EventPlace, Order, PersonsEvent, StoredEvent};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeSet, HashMap};

/// Who subjects are, each looked up once.
pub(super) struct People<'a> {
    connection: &'a Connection,
    known: HashMap<i64, Option<Carrier>>,
}

impl<'a> People<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { connection, known: HashMap::new() }
    }

    pub(super) fn profile(&mut self, subject: i64) -> Outcome<Option<i64>> {
        Ok(self.carrier(subject)?.map(|carrier| carrier.profile))
    }

    /// The record by which a subject is somebody.
    pub(super) fn carrier(&mut self, subject: i64) -> Outcome<Option<Carrier>> {
        if let Some(carrier) = self.known.get(&subject) {
            return Ok(*carrier);
        }
        let mut statement = self.connection.prepare_cached(
            "SELECT n.entity, n.name, s.value FROM event_subject s JOIN namespace n ON n.number = s.namespace
             WHERE s.number = ?1",
        )?;
        let name = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let (entity, namespace, value): (i64, String, String) = statement.query_row([subject], name)?;
        let carrier = links::carrier_named(self.connection, entity, &namespace, &value)?;
        self.known.insert(subject, carrier);
        Ok(carrier)
    }

    /// Whether none of an event's firmer names names anybody, so that the one at `rank` decides.
    pub(super) fn decides(&mut self, number: i64, rank: u32) -> Outcome<bool> {
        if rank == 0 {
            return Ok(true);
        }
        let mut statement = self.connection.prepare_cached("SELECT subjects FROM event_payload WHERE number = ?1")?;
        let subjects: String = statement.query_row([number], |row| row.get(0))?;
        let subjects: Vec<i64> = serde_json::from_str(&subjects)?;
        for subject in subjects.into_iter().take(rank as usize) {
            if self.profile(subject)?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn first(&mut self, subjects: &[i64]) -> Outcome<Option<i64>> {
        Ok(self.first_carrier(subjects)?.map(|carrier| carrier.profile))
    }

    /// The record by which the firmest of these that is somebody is.
    pub(super) fn first_carrier(&mut self, subjects: &[i64]) -> Outcome<Option<Carrier>> {
        for subject in subjects {
            if let Some(carrier) = self.carrier(*subject)? {
                return Ok(Some(carrier));
            }
        }
        Ok(None)
    }
}

/// The subjects that are a profile: its names that lead to it and to no other first.
fn subjects_of(connection: &Connection, people: &mut People<'_>, profile: i64) -> Outcome<Vec<i64>> {
    let mut find = connection.prepare_cached("SELECT number FROM event_subject WHERE namespace = ?1 AND value = ?2")?;
    let mut subjects = Vec::new();
    for (namespace, value) in links::names_of(connection, profile)? {
        let subject: Option<i64> = find.query_row(params![namespace, value], |row| row.get(0)).optional()?;
        if let Some(subject) = subject
            && people.profile(subject)? == Some(profile)
        {
            subjects.push(subject);
        }
    }
    Ok(subjects)
}

pub(super) fn of_profile(
    connection: &Connection,
    profile: i64,
    after: Option<EventPlace>,
    order: Order,
    limit: usize,
) -> Outcome<Vec<StoredEvent>> {
    let mut people = People::new(connection);
    let start = after.unwrap_or(match order {
        Order::OldestFirst => EventPlace { time: i64::MIN, number: i64::MIN },
        Order::NewestFirst => EventPlace { time: i64::MAX, number: i64::MAX },
    });
    let mut rows = connection.prepare_cached(match order {
        Order::OldestFirst => {
            "SELECT time, number, rank FROM event WHERE subject = ?1 AND (time, number) > (?2, ?3)
             ORDER BY time, number"
        }
        Order::NewestFirst => {
            "SELECT time, number, rank FROM event WHERE subject = ?1 AND (time, number) < (?2, ?3)
             ORDER BY time DESC, number DESC"
        }
    })?;
    let mut places: BTreeSet<EventPlace> = BTreeSet::new();
    for subject in subjects_of(connection, &mut people, profile)? {
        let mut rows = rows.query([subject, start.time, start.number])?;
        let mut taken = 0;
        while taken < limit {
            let Some(row) = rows.next()? else { break };
            let place = EventPlace { time: row.get(0)?, number: row.get(1)? };
            if people.decides(place.number, row.get(2)?)? {
                taken += 1;
                places.insert(place);
            }
        }
    }
    let numbers: Vec<i64> = match order {
        Order::OldestFirst => places.iter().take(limit).map(|place| place.number).collect(),
        Order::NewestFirst => places.iter().rev().take(limit).map(|place| place.number).collect(),
    };
    read(connection, &mut people, &numbers)
}

/// All of a profile's events, each once; by subject, and of each in the order of time.
pub(super) fn all_of(connection: &Connection, people: &mut People<'_>, profile: i64) -> Outcome<Vec<PersonsEvent>> {
    let mut rows = connection.prepare_cached(
        "SELECT e.number, e.time, t.name, e.rank FROM event e JOIN event_type t ON t.number = e.type
         WHERE e.subject = ?1 ORDER BY e.time",
    )?;
    let mut events = Vec::new();
    for subject in subjects_of(connection, people, profile)? {
        let mut rows = rows.query([subject])?;
        while let Some(row) = rows.next()? {
            let number = row.get(0)?;
            if people.decides(number, row.get(3)?)? {
                events.push(PersonsEvent { number, time: row.get(1)?, event_type: row.get(2)? });
            }
        }
    }
    Ok(events)
}

/// An event is counted once: where the name that decides stands.
pub(super) fn count(connection: &Connection, profile: i64) -> Outcome<u64> {
    let mut people = People::new(connection);
    let mut firm = connection.prepare_cached("SELECT count(*) FROM event WHERE subject = ?1 AND rank = 0")?;
    let mut others = connection.prepare_cached("SELECT number, rank FROM event WHERE subject = ?1 AND rank > 0")?;
    let mut count = 0;
    for subject in subjects_of(connection, &mut people, profile)? {
        let named: i64 = firm.query_row([subject], |row| row.get(0))?;
        count += named.cast_unsigned();
        let mut rows = others.query([subject])?;
        while let Some(row) = rows.next()? {
            count += u64::from(people.decides(row.get(0)?, row.get(1)?)?);
        }
    }
    Ok(count)
}

pub(super) fn by_number(connection: &Connection, numbers: &[i64]) -> Outcome<Vec<StoredEvent>> {
    read(connection, &mut People::new(connection), numbers)
}

fn read(connection: &Connection, people: &mut People<'_>, numbers: &[i64]) -> Outcome<Vec<StoredEvent>> {
    let mut statement = connection.prepare_cached(
        "SELECT p.source_key, s.connection, s.name, p.time, t.name, p.subjects, p.body FROM event_payload p
         JOIN stream s ON s.number = p.stream JOIN event_type t ON t.number = p.type
         WHERE p.number = ?1 AND p.body IS NOT NULL",
    )?;
    let mut events = Vec::with_capacity(numbers.len());
    for number in numbers {
        let mut rows = statement.query([number])?;
        let Some(row) = rows.next()? else { continue };
        let of: String = row.get(1)?;
        let subjects: String = row.get(5)?;
        let body: EventBody = serde_json::from_str(row.get_ref(6)?.as_str().map_err(rusqlite::Error::from)?)?;
        let attributes: Vec<(String, Value)> =
            body.attributes.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        events.push(StoredEvent {
            number: *number,
            source_key: row.get(0)?,
            connection: known(ConnectionId::parse(&of), "a connection's id")?,
            stream: row.get(2)?,
            time: row.get(3)?,
            event_type: row.get(4)?,
            attributes,
            native: body.native,
            profile: people.first(&serde_json::from_str::<Vec<i64>>(&subjects)?)?,
        });
    }
    Ok(events)
}
