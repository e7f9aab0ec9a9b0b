//! Deliveries: the queue of members, the batch that is with the vendor, and what became of everyone.

use super::profiles;
use crate::failure::{Failure, Outcome, corrupt, known, limited};
use attiva_core::id::{DeliveryId, ProfileId, SegmentId};
use attiva_core::ports::store::{
    Books, DocumentWrite, Expect, Item, ItemOutcome, ItemStatus, OpenBatch, QueuedMember, StoreError,
};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;

/// Queues the members; positions follow the order of profile ids, from 0.
pub(super) fn begin(
    connection: &Connection,
    delivery: &DeliveryId,
    target: &str,
    segment: &SegmentId,
    document: &DocumentWrite,
) -> Outcome<u64> {
    if let Some(number) = find(connection, delivery)? {
        return count(connection, number);
    }
    let number: i64 = connection
        .prepare_cached("INSERT INTO delivery (id, target) VALUES (?1, ?2) RETURNING number")?
        .query_row([delivery.as_str(), target], |row| row.get(0))?;
    let queued = connection
        .prepare_cached(
            "INSERT INTO item (delivery, position, profile, status, code, message)
             SELECT ?1, row_number() OVER (ORDER BY p.id) - 1, p.number, ?3, '', ''
             FROM membership m JOIN profile p ON p.number = m.profile
             WHERE m.segment = (SELECT number FROM segment WHERE id = ?2)",
        )?
        .execute(params![number, segment.as_str(), code(ItemStatus::Queued)])?;
    super::put(connection, document, Expect::Anything)?;
    Ok(queued as u64)
}

/// How many members a delivery has: positions have no gaps.
fn count(connection: &Connection, delivery: i64) -> Outcome<u64> {
    let mut statement =
        connection.prepare_cached("SELECT coalesce(max(position) + 1, 0) FROM item WHERE delivery = ?1")?;
    let count: i64 = statement.query_row([delivery], |row| row.get(0))?;
    Ok(count.cast_unsigned())
}

pub(super) fn queued(
    connection: &Connection,
    delivery: &DeliveryId,
    first: u64,
    limit: usize,
) -> Outcome<Vec<QueuedMember>> {
    let mut statement = connection.prepare_cached(
        "SELECT i.position, p.number, p.id, p.records, p.changed_at, a.body, p.degraded, e.name, a.profile IS NULL,
           t.member_id
         FROM delivery d JOIN item i ON i.delivery = d.number JOIN profile p ON p.number = i.profile
           JOIN entity e ON e.number = p.entity
           LEFT JOIN attributes a ON a.profile = p.number
           LEFT JOIN target_member t ON t.target = d.target AND t.profile = p.number
         WHERE d.id = ?1 AND i.position >= ?2 AND i.status = ?3
         ORDER BY i.position LIMIT ?4",
    )?;
    let mut rows =
        statement.query(params![delivery.as_str(), first.cast_signed(), code(ItemStatus::Queued), limited(limit)])?;
    let mut members = Vec::new();
    while let Some(row) = rows.next()? {
        let position: i64 = row.get(0)?;
        let id: String = row.get(2)?;
        let gone: bool = row.get(8)?;
        members.push(QueuedMember {
            position: position.cast_unsigned(),
            profile: if gone { None } else { Some(profiles::read_from(row, 1)?) },
            profile_id: known(ProfileId::parse(&id), "a profile's id")?,
            member_id: row.get(9)?,
        });
    }
    Ok(members)
}

/// The open batch may be replaced by itself (its repeat carries another time), not by another one.
pub(super) fn open_batch(
    connection: &Connection,
    delivery: &DeliveryId,
    batch: &OpenBatch,
    settled: &[ItemOutcome],
) -> Outcome<()> {
    let number = find(connection, delivery)?.ok_or(StoreError::Missing)?;
    if opened_batch(connection, delivery)?.is_some_and(|open| open.number != batch.number) {
        return Err(StoreError::Exists.into());
    }
    connection
        .prepare_cached("UPDATE delivery SET open_batch = ?2 WHERE number = ?1")?
        .execute(params![number, serde_json::to_string(batch)?])?;
    settle(connection, number, settled)
}

pub(super) fn opened_batch(connection: &Connection, delivery: &DeliveryId) -> Outcome<Option<OpenBatch>> {
    let mut statement = connection.prepare_cached("SELECT open_batch FROM delivery WHERE id = ?1")?;
    let text: Option<Option<String>> = statement.query_row([delivery.as_str()], |row| row.get(0)).optional()?;
    text.flatten().map(|text| serde_json::from_str(&text).map_err(Failure::from)).transpose()
}

pub(super) fn close_batch(
    connection: &Connection,
    delivery: &DeliveryId,
    settled: &[ItemOutcome],
    document: &DocumentWrite,
) -> Outcome<()> {
    let number = find(connection, delivery)?.ok_or(StoreError::Missing)?;
    connection.prepare_cached("UPDATE delivery SET open_batch = NULL WHERE number = ?1")?.execute([number])?;
    settle(connection, number, settled)?;
    super::put(connection, document, Expect::Anything)?;
    Ok(())
}

fn settle(connection: &Connection, delivery: i64, settled: &[ItemOutcome]) -> Outcome<()> {
    let mut update = connection.prepare_cached(
        "UPDATE item SET status = ?3, code = ?4, field = ?5, message = ?6 WHERE delivery = ?1 AND position = ?2",
    )?;
    for outcome in settled {
        let ItemOutcome { position, status, code: reason, field, message, member_id } = outcome;
        let changed =
            update.execute(params![delivery, position.cast_signed(), code(*status), reason, field, message])?;
        if changed == 0 {
            return Err(StoreError::Missing.into());
        }
        if let Some(member_id) = member_id {
            name_member(connection, delivery, *position, member_id)?;
        }
    }
    Ok(())
}

/// Keeps what the vendor calls the member, for its next row.
fn name_member(connection: &Connection, delivery: i64, position: u64, member_id: &str) -> Outcome<()> {
    connection
        .prepare_cached(
            "INSERT INTO target_member (target, profile, member_id)
             SELECT d.target, i.profile, ?3 FROM item i JOIN delivery d ON d.number = i.delivery
             WHERE i.delivery = ?1 AND i.position = ?2
             ON CONFLICT (target, profile) DO UPDATE SET member_id = excluded.member_id",
        )?
        .execute(params![delivery, position.cast_signed(), member_id])?;
    Ok(())
}

/// An exception for a profile that is not pending is passed over: it was settled before.
pub(super) fn settle_pending(
    connection: &Connection,
    delivery: &DeliveryId,
    become_status: ItemStatus,
    exceptions: &[(ProfileId, ItemOutcome)],
    document: &DocumentWrite,
) -> Outcome<()> {
    let number = find(connection, delivery)?.ok_or(StoreError::Missing)?;
    let exceptional = exceptional(connection, number, exceptions)?;
    settle(connection, number, &exceptional)?;
    // Exceptions that stay pending are set aside while the others change.
    connection.prepare_cached("UPDATE item SET status = ?3 WHERE delivery = ?1 AND status = ?2")?.execute(params![
        number,
        code(ItemStatus::Pending),
        code(become_status)
    ])?;
    let still: Vec<_> = exceptional.into_iter().filter(|o| o.status == ItemStatus::Pending).collect();
    settle(connection, number, &still)?;
    super::put(connection, document, Expect::Anything)?;
    Ok(())
}

/// A delivery that ended before its audience was queued has nobody to settle.
pub(super) fn settle_rest(
    connection: &Connection,
    delivery: &DeliveryId,
    outcome: &ItemOutcome,
    document: &DocumentWrite,
) -> Outcome<()> {
    if let Some(number) = find(connection, delivery)? {
        let ItemOutcome { position: _, status, code: reason, field, message, member_id: _ } = outcome;
        connection
            .prepare_cached(
                "UPDATE item SET status = ?2, code = ?3, field = ?4, message = ?5
                 WHERE delivery = ?1 AND status IN (?6, ?7)",
            )?
            .execute(params![
                number,
                code(*status),
                reason,
                field,
                message,
                code(ItemStatus::Queued),
                code(ItemStatus::Pending)
            ])?;
        connection.prepare_cached("UPDATE delivery SET open_batch = NULL WHERE number = ?1")?.execute([number])?;
    }
    super::put(connection, document, Expect::Anything)?;
    Ok(())
}

/// The exceptions among the pending members, each with its true position.
fn exceptional(
    connection: &Connection,
    delivery: i64,
    exceptions: &[(ProfileId, ItemOutcome)],
) -> Outcome<Vec<ItemOutcome>> {
    if exceptions.is_empty() {
        return Ok(Vec::new());
    }
    let by_profile: HashMap<&str, &ItemOutcome> = exceptions.iter().map(|(id, o)| (id.as_str(), o)).collect();
    let mut statement = connection.prepare_cached(
        "SELECT i.position, p.id FROM item i JOIN profile p ON p.number = i.profile
         WHERE i.delivery = ?1 AND i.status = ?2",
    )?;
    let mut rows = statement.query(params![delivery, code(ItemStatus::Pending)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let position: i64 = row.get(0)?;
        let id = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        if let Some(outcome) = by_profile.get(id) {
            found.push(ItemOutcome { position: position.cast_unsigned(), ..(*outcome).clone() });
        }
    }
    Ok(found)
}

pub(super) fn books(connection: &Connection, delivery: &DeliveryId) -> Outcome<Books> {
    let mut books = Books::default();
    let Some(number) = find(connection, delivery)? else { return Ok(books) };
    let mut statement =
        connection.prepare_cached("SELECT status, count(*) FROM item WHERE delivery = ?1 GROUP BY status")?;
    let mut rows = statement.query([number])?;
    while let Some(row) = rows.next()? {
        let count: i64 = row.get(1)?;
        let count = count.cast_unsigned();
        books.received += count;
        *match status(row.get(0)?)? {
            ItemStatus::Created => &mut books.created,
            ItemStatus::Updated => &mut books.updated,
            ItemStatus::Removed => &mut books.removed,
            ItemStatus::Unchanged => &mut books.unchanged,
            ItemStatus::Excluded => &mut books.excluded,
            ItemStatus::Failed => &mut books.failed,
            ItemStatus::Unmatched => &mut books.unmatched,
            ItemStatus::Queued | ItemStatus::Pending => &mut books.pending,
        } += count;
    }
    Ok(books)
}

pub(super) fn items(
    connection: &Connection,
    delivery: &DeliveryId,
    only: Option<ItemStatus>,
    first: u64,
    limit: usize,
) -> Outcome<Vec<Item>> {
    let mut statement = connection.prepare_cached(
        "SELECT i.position, p.id, i.status, i.code, i.field, i.message, t.member_id
         FROM delivery d JOIN item i ON i.delivery = d.number JOIN profile p ON p.number = i.profile
           LEFT JOIN target_member t ON t.target = d.target AND t.profile = p.number
         WHERE d.id = ?1 AND i.position >= ?2
           AND (?3 IS NULL OR i.status = ?3)
         ORDER BY i.position LIMIT ?4",
    )?;
    let mut rows = statement.query(params![delivery.as_str(), first.cast_signed(), only.map(code), limited(limit)])?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        let position: i64 = row.get(0)?;
        let id: String = row.get(1)?;
        let outcome = ItemOutcome {
            position: position.cast_unsigned(),
            status: status(row.get(2)?)?,
            code: row.get(3)?,
            field: row.get(4)?,
            message: row.get(5)?,
            member_id: row.get(6)?,
        };
        items.push(Item { profile: known(ProfileId::parse(&id), "a profile's id")?, outcome });
    }
    Ok(items)
}

fn find(connection: &Connection, delivery: &DeliveryId) -> Outcome<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT number FROM delivery WHERE id = ?1")?;
    Ok(statement.query_row([delivery.as_str()], |row| row.get(0)).optional()?)
}

pub(super) fn forget(connection: &Connection, delivery: &str) -> Outcome<()> {
    connection
        .prepare_cached("DELETE FROM item WHERE delivery = (SELECT number FROM delivery WHERE id = ?1)")?
        .execute([delivery])?;
    connection.prepare_cached("DELETE FROM delivery WHERE id = ?1")?.execute([delivery])?;
    Ok(())
}

/// How a status is stored. Never renumbered.
fn code(status: ItemStatus) -> i64 {
    match status {
        ItemStatus::Queued => 0,
        ItemStatus::Created => 1,
        ItemStatus::Updated => 2,
        ItemStatus::Removed => 3,
        ItemStatus::Unchanged => 4,
        ItemStatus::Excluded => 5,
        ItemStatus::Failed => 6,
        ItemStatus::Unmatched => 7,
        ItemStatus::Pending => 8,
    }
}

fn status(code: i64) -> Outcome<ItemStatus> {
    Ok(match code {
        0 => ItemStatus::Queued,
        1 => ItemStatus::Created,
        2 => ItemStatus::Updated,
        3 => ItemStatus::Removed,
        4 => ItemStatus::Unchanged,
        5 => ItemStatus::Excluded,
        6 => ItemStatus::Failed,
        7 => ItemStatus::Unmatched,
        8 => ItemStatus::Pending,
        other => return Err(corrupt(format!("{other} is not the status of a member"))),
    })
}
