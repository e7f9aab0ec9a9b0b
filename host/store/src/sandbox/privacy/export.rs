//! All that is kept about somebody, as JSON for people: what an access request is answered with.

use super::super::{ledger, links, memberships, profiles, records, timeline};
use super::footprint;
use crate::failure::Outcome;
use attiva_core::ports::privacy::Footprint;
use attiva_core::ports::store::{Order, StoredEvent, StoredRecord};
use attiva_core::record::Presence;
use attiva_core::{Millis, Value as Typed, time};
use rusqlite::{Connection, params};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(super) fn export(connection: &Connection, footprint: &Footprint) -> Outcome<Value> {
    let all = || footprint.profiles.iter().chain(&footprint.related);
    // What was sent of somebody who was merged into them by now is told under the number that they had.
    let ever = footprint::with_former(connection, all().map(|(number, _)| number))?;
    let records = records::by_number(connection, &footprint.records)?;
    let names = footprint.names.iter().map(|name| {
        let (entity, identity) = (&name.subject.entity, &name.subject.identity);
        json!({ "entity": entity, "namespace": identity.namespace, "value": identity.value, "shared": name.shared })
    });
    Ok(json!({
        "identities": names.collect::<Vec<_>>(),
        "profiles": all().map(|(number, _)| profile(connection, *number)).collect::<Outcome<Vec<_>>>()?,
        "records": records.iter().map(record).collect::<Vec<_>>(),
        "events": footprint.profiles.iter().map(|(number, _)| events(connection, *number))
            .collect::<Outcome<Vec<_>>>()?.concat(),
        "consents": said(connection, footprint, "consent", &["channel", "purpose", "given", "source"])?,
        "suppressions": said(connection, footprint, "suppression", &["channel", "reason", "source"])?,
        "targets": ever.iter().map(|number| targets(connection, *number)).collect::<Outcome<Vec<_>>>()?.concat(),
        "outcomes": ever.iter().map(|number| outcomes(connection, *number)).collect::<Outcome<Vec<_>>>()?.concat(),
    }))
}

fn instant(at: Millis) -> Value {
    json!(time::format_timestamp(at))
}

fn plain<'a>(pairs: impl Iterator<Item = (&'a str, &'a Typed)>) -> Value {
    Value::Object(pairs.map(|(name, value)| (name.to_owned(), value.to_json())).collect::<Map<_, _>>())
}

fn profile(connection: &Connection, number: i64) -> Outcome<Value> {
    let Some(found) = profiles::by_number(connection, &[number])?.pop() else { return Ok(json!({})) };
    let mut history = connection.prepare_cached(
        "SELECT s.id, h.status, h.at, h.cause, h.number FROM membership_history h JOIN segment s ON s.number = h.segment
         WHERE h.profile = ?1",
    )?;
    let mut told = BTreeMap::new();
    for ever in footprint::with_former(connection, [number].iter())? {
        let mut rows = history.query([ever])?;
        while let Some(row) = rows.next()? {
            let status = if row.get::<_, i64>(1)? == 1 { "realized" } else { "exited" };
            let (segment, cause): (String, String) = (row.get(0)?, row.get(3)?);
            let one = json!({ "segment": segment, "status": status, "at": instant(row.get(2)?), "cause": cause });
            told.insert(row.get::<_, i64>(4)?, one);
        }
    }
    let mut former = connection.prepare_cached("SELECT id FROM redirect WHERE target = ?1 ORDER BY id")?;
    let former = former.query_map([found.id.as_str()], |row| row.get::<_, String>(0))?;
    Ok(json!({
        "id": found.id,
        "entity": found.entity,
        "attributes": plain(found.attributes.iter().map(|(name, value)| (name.as_str(), value))),
        "changed_at": instant(found.changed_at),
        "segments": memberships::of_profiles(connection, &[number])?.concat(),
        "membership_history": told.into_values().collect::<Vec<_>>(),
        "former_ids": former.collect::<rusqlite::Result<Vec<_>>>()?,
        "names": links::identities_of_profile(connection, number)?,
    }))
}

fn record(record: &StoredRecord) -> Value {
    let presence = match &record.body.presence {
        Presence::Live => json!("live"),
        Presence::Deleted => json!("deleted at the source"),
        Presence::MergedInto(key) => json!(format!("merged into {key} at the source")),
    };
    json!({
        "entity": record.entity,
        "source_key": record.source_key,
        "connection": record.connection,
        "stream": record.stream,
        "changed_at": instant(record.body.changed_at()),
        "presence": presence,
        "fields": plain(record.body.fields.iter().map(|(name, value)| (&**name, value))),
    })
}

fn events(connection: &Connection, profile: i64) -> Outcome<Vec<Value>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = timeline::of_profile(connection, profile, after, Order::OldestFirst, 500)?;
        let Some(last) = page.last() else { return Ok(all) };
        after = Some(last.place());
        all.extend(page.iter().map(event));
    }
}

fn event(event: &StoredEvent) -> Value {
    json!({
        "source_key": event.source_key,
        "connection": event.connection,
        "stream": event.stream,
        "time": instant(event.time),
        "type": event.event_type,
        "attributes": plain(event.attributes.iter().map(|(name, value)| (name.as_str(), value))),
        "native": plain(event.native.iter().map(|(name, value)| (&**name, value))),
    })
}

fn said(connection: &Connection, footprint: &Footprint, table: &str, columns: &[&str]) -> Outcome<Vec<Value>> {
    let sql = format!("SELECT at, {} FROM {table} WHERE namespace = ?1 AND value = ?2", columns.join(", "));
    let mut statement = connection.prepare_cached(&sql)?;
    let mut all = Vec::new();
    for name in &footprint.names {
        let identity = &name.subject.identity;
        let mut rows = statement.query([&identity.namespace, &identity.value])?;
        while let Some(row) = rows.next()? {
            let mut one =
                Map::from_iter([("identity".to_owned(), json!(identity)), ("at".to_owned(), instant(row.get(0)?))]);
            for (i, column) in columns.iter().enumerate() {
                let value = if *column == "given" {
                    json!(row.get::<_, bool>(i + 1)?)
                } else {
                    json!(row.get::<_, String>(i + 1)?)
                };
                one.insert((*column).to_owned(), value);
            }
            all.push(Value::Object(one));
        }
    }
    Ok(all)
}

fn targets(connection: &Connection, profile: i64) -> Outcome<Vec<Value>> {
    let mut held = connection.prepare_cached(
        "SELECT t.system, t.instance, t.object, t.name, l.held, l.held_at, l.sent, r.code, r.message
         FROM ledger l JOIN target t ON t.number = l.target
           LEFT JOIN refusal r ON r.target = l.target AND r.profile = l.profile
         WHERE l.profile = ?1 ORDER BY t.number",
    )?;
    let mut rows = held.query([profile])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let text = |column: usize| row.get::<_, Option<String>>(column);
        let read = |column: usize| -> Outcome<Value> {
            Ok(match text(column)?.as_deref().map(ledger::read_row).transpose()? {
                Some(row) => plain(row.iter().map(|(name, value)| (name.as_str(), value))),
                None => Value::Null,
            })
        };
        let since: Option<Millis> = row.get(5)?;
        all.push(json!({
            "system": text(0)?, "instance": text(1)?, "object": text(2)?, "name": text(3)?,
            "holds": read(4)?, "since": since.map(instant), "on_its_way": read(6)?,
            "refused": text(7)?, "because": text(8)?,
        }));
    }
    Ok(all)
}

fn outcomes(connection: &Connection, profile: i64) -> Outcome<Vec<Value>> {
    let mut statement = connection.prepare_cached(
        "SELECT d.id, i.status, i.code, i.message FROM item i JOIN delivery d ON d.number = i.delivery
         WHERE i.profile = ?1 ORDER BY d.number",
    )?;
    let mut rows = statement.query(params![profile])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let (delivery, code, message): (String, String, String) = (row.get(0)?, row.get(2)?, row.get(3)?);
        let status = super::super::deliveries::status(row.get(1)?)?;
        all.push(json!({ "delivery": delivery, "status": status, "code": code, "message": message }));
    }
    Ok(all)
}
