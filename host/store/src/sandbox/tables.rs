//! A sandbox told as tables, as it is at one moment and part by part: a part is a range of row numbers, so that reading one
//! touches no other.

use super::events::EventBody;
use super::{Sandbox, deliveries, entities, json, kinds, ledger, links, memberships, projection, records};
use crate::documents;
use crate::failure::{Failure, Outcome, known};
use attiva_core::id::{DeliveryId, ProfileId, SegmentId};
use attiva_core::identity::Identity;
use attiva_core::model::EntityName;
use attiva_core::ports::store::{Document, Feed, Kind, MembershipStatus, Result};
use attiva_core::ports::tables::{
    Each, Moment, TableEvent, TableMember, TableMove, TableOutcome, TableProfile, TableRecord, TableStore, TableSubject,
};
use attiva_core::tables::{Origin, Stamps, TableCut};
use rusqlite::types::Value as Parameter;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use std::collections::BTreeSet;

impl TableStore for Sandbox {
    fn at_one_moment(&self, work: &mut dyn FnMut(&dyn Moment) -> Result<()>) -> Result<()> {
        self.database.read(|connection| work(&At(connection)).map_err(Failure::from))
    }
}

/// A snapshot.
struct At<'a>(&'a Connection);

impl Moment for At<'_> {
    fn cut(&self) -> Result<TableCut> {
        Ok(cut(self.0)?)
    }

    fn documents(&self, kind: Kind, after: Option<&str>, limit: usize) -> Result<Vec<Document>> {
        Ok(documents::list(self.0, kinds::name(kind), after, limit)?)
    }

    fn told(&self, origin: &Origin, after: &TableCut) -> Result<BTreeSet<i64>> {
        Ok(told(self.0, origin, after)?)
    }

    fn stamps(&self, origin: &Origin) -> Result<Stamps> {
        Ok(stamps(self.0, origin)?)
    }

    fn profiles(&self, entity: &EntityName, part: i64, each: Each<'_, TableProfile>) -> Result<()> {
        Ok(profiles(self.0, entity, part, each)?)
    }

    fn records(&self, part: i64, each: Each<'_, TableRecord>) -> Result<()> {
        Ok(all_records(self.0, part, each)?)
    }

    fn events(&self, part: i64, each: Each<'_, TableEvent>) -> Result<()> {
        Ok(events(self.0, part, each)?)
    }

    fn subjects(&self, part: i64, each: Each<'_, TableSubject>) -> Result<()> {
        Ok(subjects(self.0, part, each)?)
    }

    fn members(&self, part: i64, each: Each<'_, TableMember>) -> Result<()> {
        Ok(members(self.0, part, each)?)
    }

    fn moves(&self, part: i64, each: Each<'_, TableMove>) -> Result<()> {
        Ok(moves(self.0, part, each)?)
    }

    fn outcomes(&self, part: i64, each: Each<'_, TableOutcome>) -> Result<()> {
        Ok(outcomes(self.0, part, each)?)
    }
}

fn cut(connection: &Connection) -> Outcome<TableCut> {
    let one = |sql: &str| -> Outcome<i64> { Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?) };
    Ok(TableCut {
        records: projection::newest(connection, Feed::Records)?,
        profiles: projection::newest(connection, Feed::Profiles)?,
        events: projection::newest(connection, Feed::Events)?,
        moves: memberships::newest_move(connection)?.cast_signed(),
        erasures: one("SELECT count(*) FROM erasure")?.cast_unsigned(),
    })
}

fn told(connection: &Connection, origin: &Origin, after: &TableCut) -> Outcome<BTreeSet<i64>> {
    let (records, profiles, events) =
        (after.records.cast_signed(), after.profiles.cast_signed(), after.events.cast_signed());
    let (sql, after): (&str, Vec<i64>) = match origin {
        Origin::Profiles(entity) => {
            let Some(entity) = entities::find(connection, entity)? else { return Ok(BTreeSet::new()) };
            (
                "SELECT DISTINCT c.subject >> ?1 FROM profile_change c JOIN profile p ON p.number = c.subject
                 WHERE c.seq > ?2 AND p.entity = ?3",
                vec![profiles, entity],
            )
        }
        // Where a record belongs to another profile, both are told.
        Origin::Records => (
            "SELECT subject >> ?1 FROM record_change WHERE seq > ?2
             UNION SELECT l.record >> ?1 FROM profile_change c JOIN link l ON l.profile = c.subject WHERE c.seq > ?3",
            vec![records, profiles],
        ),
        Origin::Events => ("SELECT DISTINCT subject >> ?1 FROM event_change WHERE seq > ?2", vec![events]),
        // What history says of whom an erasure removed is gone as well.
        Origin::Members => (
            "SELECT profile >> ?1 FROM membership_history WHERE number > ?2
             UNION SELECT c.subject >> ?1 FROM profile_change c JOIN profile p ON p.number = c.subject
               WHERE c.seq > ?3 AND p.gone",
            vec![after.moves, profiles],
        ),
        _ => return Ok(BTreeSet::new()),
    };
    let mut statement = connection.prepare_cached(sql)?;
    let parameters = std::iter::once(i64::from(origin.part_bits())).chain(after);
    let parts = statement.query_map(params_from_iter(parameters), |row| row.get(0))?;
    Ok(parts.collect::<rusqlite::Result<_>>()?)
}

fn stamps(connection: &Connection, origin: &Origin) -> Outcome<Stamps> {
    let bits = Parameter::Integer(origin.part_bits().into());
    let (sql, parameters) = match origin {
        Origin::Profiles(entity) => {
            let Some(entity) = entities::find(connection, entity)? else { return Ok(Stamps::new()) };
            let sql = "SELECT DISTINCT number >> ?1, '' FROM profile WHERE entity = ?2 AND NOT gone";
            (sql, vec![bits, entity.into()])
        }
        // Numbers rise: what comes has a larger one than what goes had.
        Origin::Records => ("SELECT number >> ?1, count(*) || ':' || sum(number) FROM record GROUP BY 1", vec![bits]),
        Origin::Events => ("SELECT DISTINCT number >> ?1, '' FROM event_payload", vec![bits]),
        Origin::Subjects => {
            ("SELECT number >> ?1, count(*) || ':' || sum(number) FROM event_subject GROUP BY 1", vec![bits])
        }
        Origin::Members => ("SELECT DISTINCT profile >> ?1, '' FROM membership", vec![bits]),
        Origin::Moves => (
            "SELECT number >> ?1, count(*) || ':' || sum(number) || ':' || max(at) FROM membership_history GROUP BY 1",
            vec![bits],
        ),
        // A delivery writes its document with every batch that it closes; one that goes on has settled more than it says.
        Origin::Outcomes => (
            "SELECT d.number >> ?1,
               CASE WHEN count(CASE WHEN json_extract(o.body, '$.ended_at') IS NULL THEN 1 END) > 0 THEN ''
                    ELSE count(*) || ':' || sum(o.version) || ':' || max(d.id) END
             FROM delivery d LEFT JOIN document o ON o.kind = ?2 AND o.id = d.id GROUP BY 1",
            vec![bits, kinds::name(Kind::Delivery).to_owned().into()],
        ),
        Origin::Segments | Origin::Runs | Origin::Deliveries => return Ok(Stamps::from([(0, String::new())])),
    };
    let mut statement = connection.prepare_cached(sql)?;
    let stamps = statement.query_map(params_from_iter(parameters), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(stamps.collect::<rusqlite::Result<_>>()?)
}

fn profiles(connection: &Connection, entity: &EntityName, part: i64, each: Each<'_, TableProfile>) -> Outcome<()> {
    let (from, until) = Origin::Profiles(entity.clone()).numbers(part);
    let Some(entity) = entities::find(connection, entity)? else { return Ok(()) };
    let mut statement = connection.prepare_cached(
        "SELECT p.number, p.id, p.records, a.body, d.body FROM profile p JOIN attributes a ON a.profile = p.number
         LEFT JOIN derived d ON d.profile = p.number
         WHERE p.entity = ?1 AND p.number >= ?2 AND p.number < ?3 ORDER BY p.number",
    )?;
    let mut rows = statement.query(params![entity, from, until])?;
    while let Some(row) = rows.next()? {
        let id: String = row.get(1)?;
        let mut attributes = json::attributes(row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?)?;
        if let Some(derived) = row.get_ref(4)?.as_str_or_null().map_err(rusqlite::Error::from)? {
            attributes.extend(json::attributes(derived)?);
        }
        each(TableProfile {
            number: row.get(0)?,
            id: known(ProfileId::parse(&id), "a profile's id")?,
            records: row.get(2)?,
            attributes,
        })?;
    }
    Ok(())
}

fn all_records(connection: &Connection, part: i64, each: Each<'_, TableRecord>) -> Outcome<()> {
    let (from, until) = Origin::Records.numbers(part);
    let mut merged = connection.prepare_cached("SELECT into_key FROM merged WHERE record = ?1")?;
    records::each_between(connection, from, until, |profile, record| {
        let number = record.number;
        let identities = links::identities_of(connection, &[number])?.pop().unwrap_or_default();
        let merged_into = merged.query_row([number], |row| row.get(0)).optional()?;
        Ok(each(TableRecord { record, profile, identities, merged_into })?)
    })
}

fn events(connection: &Connection, part: i64, each: Each<'_, TableEvent>) -> Outcome<()> {
    let (from, until) = Origin::Events.numbers(part);
    let mut order = connection.prepare_cached(
        "SELECT json_extract(subjects, '$[0]'), time, number FROM event_payload
         WHERE number >= ?1 AND number < ?2 AND body IS NOT NULL",
    )?;
    let places = order.query_map([from, until], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    // Sorted here: SQLite would carry the bodies along, and may put them into a file of its own.
    let mut places: Vec<(Option<i64>, i64, i64)> = places.collect::<rusqlite::Result<_>>()?;
    places.sort_unstable();
    let mut find = connection.prepare_cached(
        "SELECT p.source_key, t.name, p.subjects, p.body FROM event_payload p JOIN event_type t ON t.number = p.type
         WHERE p.number = ?1",
    )?;
    for (_, time, number) in places {
        let mut rows = find.query([number])?;
        let Some(row) = rows.next()? else { continue };
        let subjects: String = row.get(2)?;
        let body: EventBody = serde_json::from_str(row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?)?;
        each(TableEvent {
            number,
            source_key: row.get(0)?,
            time,
            event_type: row.get(1)?,
            subjects: serde_json::from_str(&subjects)?,
            attributes: body.attributes.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
        })?;
    }
    Ok(())
}

fn subjects(connection: &Connection, part: i64, each: Each<'_, TableSubject>) -> Outcome<()> {
    let (from, until) = Origin::Subjects.numbers(part);
    let mut statement = connection.prepare_cached(
        "SELECT s.number, e.name, n.name, s.value FROM event_subject s JOIN namespace n ON n.number = s.namespace
         JOIN entity e ON e.number = n.entity WHERE s.number >= ?1 AND s.number < ?2 ORDER BY s.number",
    )?;
    let mut rows = statement.query([from, until])?;
    while let Some(row) = rows.next()? {
        let identity = Identity { namespace: row.get(2)?, value: row.get(3)? };
        each(TableSubject { number: row.get(0)?, entity: row.get(1)?, identity })?;
    }
    Ok(())
}

fn members(connection: &Connection, part: i64, each: Each<'_, TableMember>) -> Outcome<()> {
    let (from, until) = Origin::Members.numbers(part);
    let mut statement = connection.prepare_cached(
        "SELECT s.id, m.profile, m.since FROM membership m JOIN segment s ON s.number = m.segment
         WHERE m.profile >= ?1 AND m.profile < ?2 ORDER BY m.profile, m.segment",
    )?;
    let mut rows = statement.query([from, until])?;
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        let segment = known(SegmentId::parse(&id), "a segment's id")?;
        each(TableMember { segment, profile: row.get(1)?, since: row.get(2)? })?;
    }
    Ok(())
}

fn moves(connection: &Connection, part: i64, each: Each<'_, TableMove>) -> Outcome<()> {
    let (from, until) = Origin::Moves.numbers(part);
    let mut statement = connection.prepare_cached(
        "SELECT h.number, s.id, h.profile, h.status, h.at, h.cause FROM membership_history h
         JOIN segment s ON s.number = h.segment WHERE h.number >= ?1 AND h.number < ?2 ORDER BY h.number",
    )?;
    let mut rows = statement.query([from, until])?;
    while let Some(row) = rows.next()? {
        let id: String = row.get(1)?;
        let is_in: bool = row.get(3)?;
        each(TableMove {
            number: row.get(0)?,
            segment: known(SegmentId::parse(&id), "a segment's id")?,
            profile: row.get(2)?,
            status: if is_in { MembershipStatus::Realized } else { MembershipStatus::Exited },
            at: row.get(4)?,
            cause: row.get(5)?,
        })?;
    }
    Ok(())
}

fn outcomes(connection: &Connection, part: i64, each: Each<'_, TableOutcome>) -> Outcome<()> {
    let (from, until) = Origin::Outcomes.numbers(part);
    let mut statement = connection.prepare_cached(
        "SELECT d.id, i.position, i.profile, i.status, i.code, i.field, i.message, i.operation, i.resent
         FROM item i JOIN delivery d ON d.number = i.delivery
         WHERE i.delivery >= ?1 AND i.delivery < ?2 ORDER BY i.delivery, i.position",
    )?;
    let mut rows = statement.query([from, until])?;
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        each(TableOutcome {
            delivery: known(DeliveryId::parse(&id), "a delivery's id")?,
            position: row.get(1)?,
            profile: row.get(2)?,
            status: deliveries::status(row.get(3)?)?,
            code: row.get(4)?,
            field: row.get(5)?,
            message: row.get(6)?,
            operation: row.get::<_, Option<i64>>(7)?.map(ledger::read_operation).transpose()?,
            resent: row.get(8)?,
        })?;
    }
    Ok(())
}
