//! The ledger: what each target acknowledged of each member, what is not settled with it, and what was refused.

use super::deliveries::status;
use super::readback;
use crate::failure::{Failure, Outcome, corrupt, known, limited};
use attiva_core::Millis;
use attiva_core::id::{ActivationId, DeliveryId, ProfileId};
use attiva_core::ledger::{Answer, Doubt, Refusal, RefusalStatus, Row, Sent, Standing, Why};
use attiva_core::page::{Operation, OutcomeStatus};
use attiva_core::ports::store::{ItemOutcome, ItemStatus, LedgerEntry, RefusalFilter, Refused, StoreError, TargetKey};
use rusqlite::{Connection, OptionalExtension, params};

/// The number of a target that keeps its members.
pub(super) fn target(connection: &Connection, id: &str) -> Outcome<Option<i64>> {
    let mut find = connection.prepare_cached("SELECT number FROM target WHERE id = ?1")?;
    Ok(find.query_row([id], |row| row.get(0)).optional()?)
}

pub(super) fn find_target(connection: &Connection, key: &TargetKey) -> Outcome<Option<String>> {
    let mut find = connection
        .prepare_cached("SELECT id FROM target WHERE system = ?1 AND instance = ?2 AND object = ?3 AND name = ?4")?;
    let TargetKey { system, instance, object, name } = key;
    Ok(find.query_row([system, instance, object, name], |row| row.get(0)).optional()?)
}

/// The id of a target: that of who came first.
pub(super) fn make_target(connection: &Connection, key: &TargetKey, id: &str) -> Outcome<String> {
    if let Some(found) = find_target(connection, key)? {
        return Ok(found);
    }
    let TargetKey { system, instance, object, name } = key;
    connection
        .prepare_cached("INSERT INTO target (id, system, instance, object, name) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute([id, system, instance, object, name])?;
    Ok(id.to_owned())
}

/// Columns of a standing, for joins of `ledger l` and `refusal r`.
pub(super) const STANDING: &str =
    "l.held, l.unsure, r.operation, r.status, r.code, r.field, r.message, r.row, r.retry_at, r.attempts";

pub(super) fn standing(row: &rusqlite::Row<'_>, first: usize) -> Outcome<Standing> {
    let at = |offset: usize| first + offset;
    let held: Option<String> = row.get(at(0))?;
    let unsure: Option<i64> = row.get(at(1))?;
    let refused: Option<i64> = row.get(at(2))?;
    let refusal = match refused {
        None => None,
        Some(operation) => Some(Refusal {
            operation: read_operation(operation)?,
            why: why(row, at(3))?,
            row: row.get::<_, Option<String>>(at(7))?.as_deref().map(read_row).transpose()?,
            retry_at: row.get(at(8))?,
            attempts: row.get(at(9))?,
        }),
    };
    Ok(Standing {
        held: held.as_deref().map(read_row).transpose()?,
        unsure: unsure.map(read_operation).transpose()?,
        refusal,
    })
}

fn why(row: &rusqlite::Row<'_>, first: usize) -> Outcome<Why> {
    let status = match status(row.get(first)?)? {
        ItemStatus::Excluded => RefusalStatus::Excluded,
        ItemStatus::Failed => RefusalStatus::Failed,
        ItemStatus::Unmatched => RefusalStatus::Unmatched,
        other => return Err(corrupt(format!("{other:?} is not why a member is missing"))),
    };
    Ok(Why { status, code: row.get(first + 1)?, field: row.get(first + 2)?, message: row.get(first + 3)? })
}

pub(super) fn read_row(text: &str) -> Outcome<Row> {
    Ok(serde_json::from_str(text)?)
}

/// What is about to be sent of a member is unsure from now on. Of one that is not there, the name of an earlier time says
/// nothing about who it will be.
pub(super) fn send(connection: &Connection, target: i64, profile: i64, sent: &Sent) -> Outcome<()> {
    connection
        .prepare_cached(
            "DELETE FROM target_member WHERE target = (SELECT id FROM target WHERE number = ?1) AND profile = ?2
               AND NOT EXISTS (SELECT 1 FROM ledger WHERE target = ?1 AND profile = ?2
                 AND (held IS NOT NULL OR unsure IS NOT NULL))",
        )?
        .execute([target, profile])?;
    connection
        .prepare_cached(
            "INSERT INTO ledger (target, profile, unsure, sent, due) VALUES (?1, ?2, ?3, ?4, 0)
             ON CONFLICT (target, profile) DO UPDATE SET doubt = CASE WHEN unsure IS NULL THEN 0
                 WHEN doubt = 2 OR unsure <> excluded.unsure OR sent IS NOT excluded.sent THEN 2 ELSE 1 END,
               unsure = excluded.unsure, sent = excluded.sent, due = 0",
        )?
        .execute(params![target, profile, operation(sent.operation), serde_json::to_string(&sent.row)?])?;
    Ok(())
}

/// Takes what became of a member: an answer to what was sent, or that nothing had to be sent. False: what the answer calls it
/// is not what it is held as.
pub(super) fn settle(
    connection: &Connection,
    target: i64,
    profile: i64,
    outcome: &ItemOutcome,
    now: Millis,
) -> Outcome<bool> {
    if outcome.is_left_to_another() {
        store(connection, target, profile, None, false, now)?;
        return Ok(true);
    }
    let (standing, sent) = load(connection, target, profile)?;
    let was_held = standing.held.is_some();
    let was_sent_again = sent.as_ref().is_some_and(|sent| sent.doubt != Doubt::None);
    let is_removal = sent.as_ref().is_some_and(|sent| sent.operation == Operation::Remove);
    let is_pending = sent.is_some() && outcome.answer == Some(OutcomeStatus::Pending);
    let after = match (sent, outcome.answer) {
        (Some(sent), Some(status)) => {
            let answer = Answer {
                status,
                code: outcome.code.clone(),
                field: outcome.field.clone(),
                message: outcome.message.clone(),
                passes: outcome.passes,
            };
            standing.after(sent, &answer, now)
        }
        // A decision to send nothing is about a member whose standing is sure.
        _ => Some(unsent(standing, outcome)),
    };
    let is_its_name = !is_removal || after.as_ref().is_none_or(|after| after.held.is_none());
    if is_pending {
        return Ok(is_its_name);
    }
    match (was_held, &after) {
        (true, None) => readback::note_taken_out(connection, target, profile, Some(now))?,
        (false, Some(Standing { held: Some(_), .. })) => {
            readback::note_taken_out(connection, target, profile, None)?;
        }
        _ => {}
    }
    // As it was sent before, which need not be as it is wanted by now: the next delivery looks.
    store(connection, target, profile, after.as_ref(), was_sent_again, now)?;
    let is_done = matches!(outcome.answer, Some(OutcomeStatus::Removed | OutcomeStatus::Unchanged));
    if is_removal && is_done && (is_its_name || outcome.member_id.is_some()) {
        take_along(connection, target, profile, outcome.member_id.as_deref())?;
    }
    Ok(is_its_name)
}

/// Who had no name of the vendor's when it was taken out may have been another member as well: by the name that the answer
/// gives, the target does not hold that one any more, and the next delivery puts it in again.
fn take_along(connection: &Connection, target: i64, profile: i64, name: Option<&str>) -> Outcome<()> {
    connection
        .prepare_cached(
            "UPDATE ledger SET held = NULL, held_at = NULL, due = 0
             WHERE target = ?1 AND unsure IS NULL AND held IS NOT NULL AND profile IN (
               SELECT other.profile FROM target t CROSS JOIN target_member other ON other.target = t.id
               WHERE t.number = ?1 AND other.profile <> ?2 AND other.member_id = coalesce(?3,
                 (SELECT member_id FROM target_member own WHERE own.target = t.id AND own.profile = ?2)))",
        )?
        .execute(params![target, profile, name])?;
    Ok(())
}

fn unsent(standing: Standing, outcome: &ItemOutcome) -> Standing {
    let status = match outcome.status {
        ItemStatus::Excluded => RefusalStatus::Excluded,
        // Refused before, and still.
        ItemStatus::Failed | ItemStatus::Unmatched => return standing,
        _ => return Standing { refusal: None, ..standing },
    };
    let why =
        Why { status, code: outcome.code.clone(), field: outcome.field.clone(), message: outcome.message.clone() };
    let refusal = Refusal { operation: Operation::Upsert, why, row: None, retry_at: None, attempts: 0 };
    Standing { refusal: Some(refusal), ..standing }
}

fn load(connection: &Connection, target: i64, profile: i64) -> Outcome<(Standing, Option<Sent>)> {
    let sql = format!(
        "SELECT {STANDING}, l.sent, l.doubt FROM ledger l
         LEFT JOIN refusal r ON r.target = l.target AND r.profile = l.profile
         WHERE l.target = ?1 AND l.profile = ?2"
    );
    let mut find = connection.prepare_cached(&sql)?;
    let mut rows = find.query([target, profile])?;
    let Some(row) = rows.next()? else { return Ok((Standing::default(), None)) };
    let standing = standing(row, 0)?;
    let sent: Option<String> = row.get(10)?;
    let doubt = match row.get(11)? {
        0 => Doubt::None,
        1 => Doubt::Same,
        2 => Doubt::Other,
        other => return Err(corrupt(format!("{other} is not a doubt"))),
    };
    let sent = match (standing.unsure, sent) {
        (Some(operation), Some(row)) => Some(Sent { operation, row: read_row(&row)?, doubt }),
        _ => None,
    };
    Ok((standing, sent))
}

/// `look`: the next delivery looks at it, whatever it is.
fn store(
    connection: &Connection,
    target: i64,
    profile: i64,
    standing: Option<&Standing>,
    look: bool,
    now: Millis,
) -> Outcome<()> {
    let refusal = standing.and_then(|s| s.refusal.as_ref());
    match refusal {
        None => {
            connection
                .prepare_cached("DELETE FROM refusal WHERE target = ?1 AND profile = ?2")?
                .execute([target, profile])?;
        }
        Some(refusal) => put_refusal(connection, target, profile, refusal, now)?,
    }
    let Some(standing) = standing else {
        connection
            .prepare_cached("DELETE FROM ledger WHERE target = ?1 AND profile = ?2")?
            .execute([target, profile])?;
        return Ok(());
    };
    let held = standing.held.as_ref().map(serde_json::to_string).transpose()?;
    let due = match refusal {
        _ if look => Some(0),
        Some(_) if standing.has_somebody_of_before() => Some(0),
        Some(refusal) => refusal.retry_at,
        None => standing.unsure.map(|_| 0),
    };
    connection
        .prepare_cached(
            "INSERT INTO ledger (target, profile, held, held_at, unsure, due) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (target, profile) DO UPDATE SET held_at = iif(held IS excluded.held, held_at, excluded.held_at),
               held = excluded.held, unsure = excluded.unsure, sent = iif(excluded.unsure IS NULL, NULL, sent),
               due = excluded.due",
        )?
        .execute(params![target, profile, held, held.is_some().then_some(now), standing.unsure.map(operation), due])?;
    Ok(())
}

fn put_refusal(connection: &Connection, target: i64, profile: i64, refusal: &Refusal, now: Millis) -> Outcome<()> {
    let Why { status, code, field, message } = &refusal.why;
    let row = refusal.row.as_ref().map(serde_json::to_string).transpose()?;
    connection
        .prepare_cached(
            "INSERT INTO refusal (target, profile, operation, status, code, field, message, row, at, retry_at, attempts)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (target, profile) DO UPDATE SET operation = excluded.operation, status = excluded.status,
               code = excluded.code, field = excluded.field, message = excluded.message, row = excluded.row,
               at = iif(attempts = excluded.attempts AND code = excluded.code, at, excluded.at),
               retry_at = excluded.retry_at, attempts = excluded.attempts",
        )?
        .execute(params![
            target,
            profile,
            operation(refusal.operation),
            super::deliveries::code(ItemStatus::from(*status)),
            code,
            field,
            message,
            row,
            now,
            refusal.retry_at,
            refusal.attempts
        ])?;
    Ok(())
}

/// Whom the target of a delivery holds under one of these names, with the name.
pub(super) fn holders(
    connection: &Connection,
    delivery: &DeliveryId,
    names: &[String],
) -> Outcome<Vec<(String, ProfileId)>> {
    let mut list = connection.prepare_cached(
        "SELECT t.member_id, p.id
         FROM delivery d CROSS JOIN target_member t ON t.target = d.target
           CROSS JOIN ledger l ON l.target = d.ledger AND l.profile = t.profile
           CROSS JOIN profile p ON p.number = t.profile
         WHERE d.id = ?1 AND t.member_id IN (SELECT value FROM json_each(?2)) AND l.held IS NOT NULL",
    )?;
    let mut rows = list.query(params![delivery.as_str(), serde_json::to_string(names)?])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(1)?;
        found.push((row.get(0)?, known(ProfileId::parse(&id), "a profile's id")?));
    }
    Ok(found)
}

/// The next delivery to each target that knows the profile looks at it again.
pub(super) fn look_again(connection: &Connection, profile: i64) -> Outcome<()> {
    connection
        .prepare_cached("UPDATE ledger SET due = 0 WHERE target IN (SELECT number FROM target) AND profile = ?1")?
        .execute([profile])?;
    Ok(())
}

pub(super) fn count_held(connection: &Connection, target: i64) -> Outcome<u64> {
    let mut count = connection.prepare_cached("SELECT count(held) FROM ledger WHERE target = ?1")?;
    let held: i64 = count.query_row([target], |row| row.get(0))?;
    Ok(held.cast_unsigned())
}

pub(super) fn has_members(connection: &Connection, target: &str) -> Outcome<bool> {
    let mut find = connection.prepare_cached(
        "SELECT 1 FROM target t JOIN ledger l ON l.target = t.number
         WHERE t.id = ?1 AND (l.held IS NOT NULL OR l.unsure IS NOT NULL) LIMIT 1",
    )?;
    Ok(find.exists([target])?)
}

/// In the order of profile numbers.
pub(super) fn list(
    connection: &Connection,
    target: &str,
    after: i64,
    limit: usize,
) -> Outcome<Vec<(i64, LedgerEntry)>> {
    let sql = format!(
        "SELECT l.profile, p.id, l.held_at, {STANDING}
         FROM target t JOIN ledger l ON l.target = t.number JOIN profile p ON p.number = l.profile
           LEFT JOIN refusal r ON r.target = l.target AND r.profile = l.profile
         WHERE t.id = ?1 AND l.profile > ?2 ORDER BY l.profile LIMIT ?3"
    );
    let mut list = connection.prepare_cached(&sql)?;
    let mut rows = list.query(params![target, after, limited(limit)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let profile: i64 = row.get(0)?;
        let id: String = row.get(1)?;
        let entry = LedgerEntry {
            profile: known(ProfileId::parse(&id), "a profile's id")?,
            held_at: row.get(2)?,
            standing: standing(row, 3)?,
            wanted_by: wanted_by(connection, target, profile)?,
        };
        found.push((profile, entry));
    }
    Ok(found)
}

fn wanted_by(connection: &Connection, target: &str, profile: i64) -> Outcome<Vec<ActivationId>> {
    let mut list = connection.prepare_cached(
        "SELECT c.activation FROM target t JOIN claimant c ON c.target = t.number
           JOIN want w ON w.claimant = c.number AND w.profile = ?2
         WHERE t.id = ?1 ORDER BY c.activation",
    )?;
    let mut rows = list.query(params![target, profile])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        found.push(known(ActivationId::parse(&id), "an activation's id")?);
    }
    Ok(found)
}

/// In the order of profile numbers, which are not told: `after` is the number returned with the last one.
pub(super) fn refused(
    connection: &Connection,
    target: &str,
    filter: &RefusalFilter,
    after: i64,
    limit: usize,
) -> Outcome<Vec<(i64, Refused)>> {
    let mut list = connection.prepare_cached(
        "SELECT r.profile, p.id, r.operation, r.status, r.code, r.field, r.message, r.row, r.at, r.retry_at
         FROM target t JOIN refusal r ON r.target = t.number JOIN profile p ON p.number = r.profile
         WHERE t.id = ?1 AND r.profile > ?2 AND (?3 IS NULL OR r.code = ?3) AND r.at >= ?4 AND r.at < ?5
         ORDER BY r.profile LIMIT ?6",
    )?;
    let (since, until) = filter.range();
    let mut rows = list.query(params![target, after, filter.code, since, until, limited(limit)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(1)?;
        let refused = Refused {
            profile: known(ProfileId::parse(&id), "a profile's id")?,
            operation: read_operation(row.get(2)?)?,
            why: why(row, 3)?,
            row: row.get::<_, Option<String>>(7)?.as_deref().map(read_row).transpose()?,
            at: row.get(8)?,
            retry_at: row.get(9)?,
        };
        found.push((row.get(0)?, refused));
    }
    Ok(found)
}

/// Has refused rows sent again with the next delivery, as they then are. Returns how many.
pub(super) fn replay(connection: &Connection, target: &str, filter: &RefusalFilter) -> Outcome<u64> {
    const CHOSEN: &str = "target = (SELECT number FROM target WHERE id = ?1) AND (?2 IS NULL OR code = ?2)
        AND at >= ?3 AND at < ?4
        AND (?5 IS NULL OR EXISTS (SELECT 1 FROM claimant c JOIN want w ON w.claimant = c.number
                WHERE c.activation = ?5 AND w.profile = refusal.profile)
          OR NOT EXISTS (SELECT 1 FROM claimant c JOIN want w ON w.claimant = c.number
                WHERE c.target = refusal.target AND w.profile = refusal.profile))";
    let (since, until) = filter.range();
    let wanted_by = filter.wanted_by.as_ref().map(ActivationId::as_str);
    let chosen = params![target, filter.code, since, until, wanted_by];
    connection
        .prepare_cached(&format!(
            "UPDATE ledger SET due = 0 WHERE target = (SELECT number FROM target WHERE id = ?1)
               AND profile IN (SELECT profile FROM refusal WHERE {CHOSEN})"
        ))?
        .execute(chosen)?;
    let replayed =
        connection.prepare_cached(&format!("UPDATE refusal SET retry_at = 0 WHERE {CHOSEN}"))?.execute(chosen)?;
    Ok(replayed as u64)
}

/// How an operation is stored. Never renumbered.
pub(super) fn operation(operation: Operation) -> i64 {
    match operation {
        Operation::Upsert => 0,
        Operation::Remove => 1,
    }
}

pub(super) fn read_operation(code: i64) -> Outcome<Operation> {
    match code {
        0 => Ok(Operation::Upsert),
        1 => Ok(Operation::Remove),
        other => Err(Failure(StoreError::Corrupt(format!("{other} is not an operation")))),
    }
}
