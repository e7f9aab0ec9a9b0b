//! Deliveries: the queue of members, the batch that is with the vendor, and what became of everyone.

use super::audience::{self, Audience};
use super::{difference, ledger, profiles};
use crate::failure::{Failure, Outcome, corrupt, known, limited};
use attiva_core::Millis;
use attiva_core::id::{DeliveryId, ProfileId};
use attiva_core::ledger::{Doubt, Row, Sent};
use attiva_core::page::{Operation, OutcomeStatus};
use attiva_core::ports::store::{
    Begin, Begun, Books, DocumentWrite, Expect, Item, ItemOutcome, ItemStatus, OpenBatch, OpenRow, QueuedMember,
    Reason, StoreError,
};
use rusqlite::types::Null;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{HashMap, HashSet};

/// A delivery as it is stored.
pub(super) struct Found {
    pub(super) number: i64,
    /// The number of the target whose ledger it keeps; none for one that makes a whole of its own.
    pub(super) ledger: Option<i64>,
}

/// Positions follow the order of profile ids, from 0.
pub(super) fn begin(connection: &Connection, begin: &Begin) -> Outcome<Begun> {
    let Begin { delivery, target, wanted, reconcile, document } = begin;
    if let Some(found) = find(connection, delivery)? {
        return begun(connection, &found);
    }
    let ledger = match reconcile {
        Some(_) => Some(ledger::target(connection, target)?.ok_or(StoreError::Missing)?),
        None => None,
    };
    let number: i64 = connection
        .prepare_cached(
            "INSERT INTO delivery (id, target, ledger, whole) VALUES (?1, ?2, ?3, ?3 IS NULL) RETURNING number",
        )?
        .query_row(params![delivery.as_str(), target, ledger], |row| row.get(0))?;
    let found = Found { number, ledger };
    let audience = audience::of(connection, wanted)?;
    match (ledger, reconcile) {
        (Some(target), Some(reconcile)) => {
            difference::queue(connection, number, target, audience, reconcile)?;
        }
        _ => queue_all(connection, number, audience)?,
    }
    super::put(connection, document, Expect::Anything)?;
    begun(connection, &found)
}

fn queue_all(connection: &Connection, delivery: i64, audience: Audience<'_>) -> Outcome<()> {
    let Audience { from, is_in, segment } = audience;
    connection
        .prepare_cached(&format!(
            "INSERT INTO item (delivery, position, profile, status, code, message)
             SELECT ?1, row_number() OVER (ORDER BY p.id) - 1, p.number, ?2, '', ''
             FROM {from} m JOIN profile p ON p.number = m.profile WHERE {is_in}"
        ))?
        .execute(params![delivery, code(ItemStatus::Queued), Null, segment])?;
    Ok(())
}

fn begun(connection: &Connection, delivery: &Found) -> Outcome<Begun> {
    let mut carried = connection.prepare_cached("SELECT coalesce(sum(members), 0) FROM carried WHERE delivery = ?1")?;
    let carried: i64 = carried.query_row([delivery.number], |row| row.get(0))?;
    let held = delivery.ledger.map(|target| ledger::count_held(connection, target)).transpose()?;
    Ok(Begun {
        queued: count(connection, delivery.number)?,
        carried: carried.cast_unsigned(),
        held: held.unwrap_or_default(),
    })
}

/// How many members a delivery has queued: positions have no gaps.
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
    let sql = format!(
        "SELECT i.position, p.number, p.id, p.records, p.changed_at, coalesce(f.body, a.body), p.degraded, e.name,
           iif(f.profile IS NULL, v.body, f.derived), v.degraded,
           a.profile IS NULL,
           t.member_id, i.wanted, {}, l.sent
         FROM delivery d JOIN item i ON i.delivery = d.number JOIN profile p ON p.number = i.profile
           JOIN entity e ON e.number = p.entity
           LEFT JOIN attributes a ON a.profile = p.number LEFT JOIN derived v ON v.profile = p.number
           LEFT JOIN frozen f ON f.delivery = d.number AND f.profile = p.number
           LEFT JOIN target_member t ON t.target = d.target AND t.profile = p.number
           LEFT JOIN ledger l ON l.target = d.ledger AND l.profile = p.number
           LEFT JOIN refusal r ON r.target = d.ledger AND r.profile = p.number
         WHERE d.id = ?1 AND i.position >= ?2 AND i.status = ?3
         ORDER BY i.position LIMIT ?4",
        ledger::STANDING
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows =
        statement.query(params![delivery.as_str(), first.cast_signed(), code(ItemStatus::Queued), limited(limit)])?;
    let mut members = Vec::new();
    while let Some(row) = rows.next()? {
        let position: i64 = row.get(0)?;
        let id: String = row.get(2)?;
        let gone: bool = row.get(10)?;
        members.push(QueuedMember {
            position: position.cast_unsigned(),
            profile: if gone { None } else { Some(profiles::read_from(row, 1)?) },
            profile_id: known(ProfileId::parse(&id), "a profile's id")?,
            member_id: row.get(11)?,
            wanted: row.get(12)?,
            standing: ledger::standing(row, 13)?,
            sent: row.get::<_, Option<String>>(23)?.as_deref().map(ledger::read_row).transpose()?,
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
    let found = find(connection, delivery)?.ok_or(StoreError::Missing)?;
    if opened_batch(connection, delivery)?.is_some_and(|open| open.number != batch.number) {
        return Err(StoreError::Exists.into());
    }
    keep_open(connection, found.number, batch)?;
    if let Some(target) = found.ledger {
        for row in &batch.rows {
            let profile = profile_at(connection, found.number, row.position)?;
            ledger::send(connection, target, profile, &sent(batch, row))?;
        }
    }
    settle(connection, &found, settled, batch.opened_at)
}

fn sent(batch: &OpenBatch, row: &OpenRow) -> Sent {
    let names = batch.columns.iter().map(|(name, _)| name.clone());
    let values = names.zip(row.values.iter().cloned()).filter(|(_, value)| !value.is_null());
    Sent { operation: row.operation, row: values.collect::<Row>(), doubt: Doubt::None }
}

fn profile_at(connection: &Connection, delivery: i64, position: u64) -> Outcome<i64> {
    let mut find = connection.prepare_cached("SELECT profile FROM item WHERE delivery = ?1 AND position = ?2")?;
    let profile = find.query_row(params![delivery, position.cast_signed()], |row| row.get(0)).optional()?;
    Ok(profile.ok_or(StoreError::Missing)?)
}

pub(super) fn opened_batch(connection: &Connection, delivery: &DeliveryId) -> Outcome<Option<OpenBatch>> {
    let mut statement = connection.prepare_cached("SELECT open_batch FROM delivery WHERE id = ?1")?;
    let text: Option<Option<String>> = statement.query_row([delivery.as_str()], |row| row.get(0)).optional()?;
    text.flatten().map(|text| serde_json::from_str(&text).map_err(Failure::from)).transpose()
}

/// What was sent of the rest is in the ledger already.
pub(super) fn close_part(
    connection: &Connection,
    delivery: &DeliveryId,
    settled: &[ItemOutcome],
    rest: &OpenBatch,
    now: Millis,
) -> Outcome<()> {
    let found = find(connection, delivery)?.ok_or(StoreError::Missing)?;
    if opened_batch(connection, delivery)?.is_none_or(|open| open.number != rest.number) {
        return Err(StoreError::Missing.into());
    }
    keep_open(connection, found.number, rest)?;
    settle(connection, &found, settled, now)
}

fn keep_open(connection: &Connection, delivery: i64, batch: &OpenBatch) -> Outcome<()> {
    connection
        .prepare_cached("UPDATE delivery SET open_batch = ?2 WHERE number = ?1")?
        .execute(params![delivery, serde_json::to_string(batch)?])?;
    Ok(())
}

pub(super) fn close_batch(
    connection: &Connection,
    delivery: &DeliveryId,
    settled: &[ItemOutcome],
    document: &DocumentWrite,
    now: Millis,
) -> Outcome<()> {
    let found = find(connection, delivery)?.ok_or(StoreError::Missing)?;
    connection.prepare_cached("UPDATE delivery SET open_batch = NULL WHERE number = ?1")?.execute([found.number])?;
    settle(connection, &found, settled, now)?;
    super::put(connection, document, Expect::Anything)?;
    Ok(())
}

fn settle(connection: &Connection, delivery: &Found, settled: &[ItemOutcome], now: Millis) -> Outcome<()> {
    let mut update = connection.prepare_cached(
        "UPDATE item SET status = ?3, code = ?4, field = ?5, message = ?6, operation = coalesce(?7, operation),
           resent = max(resent, ?8)
         WHERE delivery = ?1 AND position = ?2 RETURNING profile",
    )?;
    for outcome in settled {
        let ItemOutcome { position, status, code: reason, field, message, .. } = outcome;
        let operation = outcome.operation.map(ledger::operation);
        let values = params![
            delivery.number,
            position.cast_signed(),
            code(*status),
            reason,
            field,
            message,
            operation,
            outcome.resent
        ];
        let profile: Option<i64> = update.query_row(values, |row| row.get(0)).optional()?;
        let profile = profile.ok_or(StoreError::Missing)?;
        if is_erased(connection, profile)? {
            connection
                .prepare_cached("UPDATE item SET field = NULL, message = '' WHERE delivery = ?1 AND position = ?2")?
                .execute(params![delivery.number, position.cast_signed()])?;
            continue;
        }
        let is_its_name = match delivery.ledger {
            Some(target) => ledger::settle(connection, target, profile, outcome, now)?,
            None => true,
        };
        if let Some(member_id) = outcome.member_id.as_ref().filter(|_| is_its_name) {
            name_member(connection, delivery.number, *position, member_id)?;
        }
    }
    Ok(())
}

/// Somebody was erased while this was with the vendor: nothing of it is kept but that it happened.
fn is_erased(connection: &Connection, profile: i64) -> Outcome<bool> {
    Ok(connection.prepare_cached("SELECT 1 FROM erased WHERE profile = ?1")?.exists([profile])?)
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
    become_status: OutcomeStatus,
    exceptions: &[(ProfileId, ItemOutcome)],
    document: &DocumentWrite,
    now: Millis,
) -> Outcome<()> {
    let found = find(connection, delivery)?.ok_or(StoreError::Missing)?;
    let exceptional = exceptional(connection, found.number, exceptions)?;
    settle(connection, &found, &exceptional, now)?;
    if become_status != OutcomeStatus::Pending {
        let still: HashSet<u64> =
            exceptional.iter().filter(|o| o.status == ItemStatus::Pending).map(|o| o.position).collect();
        settle_others(connection, &found, become_status, &still, now)?;
    }
    super::put(connection, document, Expect::Anything)?;
    Ok(())
}

/// Everybody pending but these. A ledger takes each one; else one statement is enough.
fn settle_others(
    connection: &Connection,
    delivery: &Found,
    become_status: OutcomeStatus,
    still: &HashSet<u64>,
    now: Millis,
) -> Outcome<()> {
    if delivery.ledger.is_none() && still.is_empty() {
        connection
            .prepare_cached("UPDATE item SET status = ?3 WHERE delivery = ?1 AND status = ?2")?
            .execute(params![delivery.number, code(ItemStatus::Pending), code(become_status.into())])?;
        return Ok(());
    }
    let mut pending =
        connection.prepare_cached("SELECT position, operation FROM item WHERE delivery = ?1 AND status = ?2")?;
    let mut rows = pending.query(params![delivery.number, code(ItemStatus::Pending)])?;
    let mut outcomes = Vec::new();
    while let Some(row) = rows.next()? {
        let position = row.get::<_, i64>(0)?.cast_unsigned();
        if still.contains(&position) {
            continue;
        }
        let operation = row.get::<_, Option<i64>>(1)?.map(ledger::read_operation).transpose()?;
        let status = done(operation.unwrap_or(Operation::Upsert), become_status);
        let unsent = ItemOutcome::unsent(position, status.into(), String::new(), None, String::new());
        outcomes.push(ItemOutcome { answer: Some(status), ..unsent });
    }
    settle(connection, delivery, &outcomes, now)
}

/// One word is said of all that was pending; of a row it means that what was asked is done.
fn done(operation: Operation, status: OutcomeStatus) -> OutcomeStatus {
    match (operation, status) {
        (Operation::Remove, OutcomeStatus::Created | OutcomeStatus::Updated) => OutcomeStatus::Removed,
        (Operation::Upsert, OutcomeStatus::Removed) => OutcomeStatus::Updated,
        (_, status) => status,
    }
}

/// A delivery that ended before its audience was queued has nobody to settle.
pub(super) fn settle_rest(
    connection: &Connection,
    delivery: &DeliveryId,
    outcome: &ItemOutcome,
    document: &DocumentWrite,
) -> Outcome<()> {
    if let Some(Found { number, ledger: _ }) = find(connection, delivery)? {
        let ItemOutcome { status, code: reason, field, message, .. } = outcome;
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

pub(super) fn end_whole(connection: &Connection, delivery: &DeliveryId) -> Outcome<()> {
    if let Some(Found { number, .. }) = find(connection, delivery)? {
        connection
            .prepare_cached("UPDATE delivery SET whole = 0 WHERE number = ?1 AND whole = 1")?
            .execute([number])?;
        connection.prepare_cached("DELETE FROM frozen WHERE delivery = ?1")?.execute([number])?;
    }
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
    Ok(Books::of(&reasons(connection, delivery)?))
}

/// By status, then code.
pub(super) fn reasons(connection: &Connection, delivery: &DeliveryId) -> Outcome<Vec<Reason>> {
    let Some(Found { number, ledger: _ }) = find(connection, delivery)? else { return Ok(Vec::new()) };
    let mut statement = connection.prepare_cached(
        "SELECT status, code, sum(members) FROM (
           SELECT status, code, count(*) AS members FROM item WHERE delivery = ?1 GROUP BY status, code
           UNION ALL
           SELECT status, code, members FROM carried WHERE delivery = ?1)
         GROUP BY status, code ORDER BY status, code",
    )?;
    let mut rows = statement.query([number])?;
    let mut reasons = Vec::new();
    while let Some(row) = rows.next()? {
        let members: i64 = row.get(2)?;
        reasons.push(Reason { status: status(row.get(0)?)?, code: row.get(1)?, members: members.cast_unsigned() });
    }
    Ok(reasons)
}

pub(super) fn items(
    connection: &Connection,
    delivery: &DeliveryId,
    only: Option<ItemStatus>,
    first: u64,
    limit: usize,
) -> Outcome<Vec<Item>> {
    let mut statement = connection.prepare_cached(
        "SELECT i.position, p.id, i.status, i.code, i.field, i.message, t.member_id, i.operation, i.resent
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
            answer: None,
            passes: false,
            operation: row.get::<_, Option<i64>>(7)?.map(ledger::read_operation).transpose()?,
            resent: row.get(8)?,
            code: row.get(3)?,
            field: row.get(4)?,
            message: row.get(5)?,
            member_id: row.get(6)?,
        };
        items.push(Item { profile: known(ProfileId::parse(&id), "a profile's id")?, outcome });
    }
    Ok(items)
}

pub(super) fn find(connection: &Connection, delivery: &DeliveryId) -> Outcome<Option<Found>> {
    let mut statement = connection.prepare_cached("SELECT number, ledger FROM delivery WHERE id = ?1")?;
    let found = statement.query_row([delivery.as_str()], |row| Ok(Found { number: row.get(0)?, ledger: row.get(1)? }));
    Ok(found.optional()?)
}

pub(super) fn forget(connection: &Connection, delivery: &str) -> Outcome<()> {
    for table in ["item", "carried", "frozen"] {
        connection
            .prepare_cached(&format!(
                "DELETE FROM {table} WHERE delivery = (SELECT number FROM delivery WHERE id = ?1)"
            ))?
            .execute([delivery])?;
    }
    connection.prepare_cached("DELETE FROM delivery WHERE id = ?1")?.execute([delivery])?;
    Ok(())
}

/// How a status is stored. Never renumbered.
pub(super) fn code(status: ItemStatus) -> i64 {
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

pub(super) fn status(code: i64) -> Outcome<ItemStatus> {
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
