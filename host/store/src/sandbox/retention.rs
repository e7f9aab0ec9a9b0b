//! What became of each member of a delivery is kept for a time. What the books say stays: counts take the place of rows.

use super::deliveries::{self, Found};
use crate::failure::{Outcome, known, limited};
use attiva_core::id::DeliveryId;
use attiva_core::ports::store::{DocumentWrite, Expect};
use rusqlite::{Connection, params};

/// Deliveries that have a row, in the order they began, after a number.
pub(super) fn with_items(connection: &Connection, after: u64, limit: usize) -> Outcome<Vec<(u64, DeliveryId)>> {
    let mut statement = connection.prepare_cached(
        "SELECT number, id FROM delivery d
         WHERE number > ?1 AND EXISTS (SELECT 1 FROM item i WHERE i.delivery = d.number) ORDER BY number LIMIT ?2",
    )?;
    let mut rows = statement.query(params![after.cast_signed(), limited(limit)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(1)?;
        let id = known(DeliveryId::parse(&id), "a delivery's id")?;
        found.push((row.get::<_, i64>(0)?.cast_unsigned(), id));
    }
    Ok(found)
}

/// Forgets the next rows of a delivery that has ended; true: there are more. Books and reasons are what they were, after
/// each of these.
pub(super) fn forget_items(
    connection: &Connection,
    delivery: &DeliveryId,
    document: &DocumentWrite,
    limit: usize,
) -> Outcome<bool> {
    let Some(Found { number, ledger }) = deliveries::find(connection, delivery)? else { return Ok(false) };
    let mut end = connection.prepare_cached(
        "SELECT coalesce(max(position), -1) FROM
           (SELECT position FROM item WHERE delivery = ?1 ORDER BY position LIMIT ?2)",
    )?;
    let end: i64 = end.query_row(params![number, limited(limit)], |row| row.get(0))?;
    connection
        .prepare_cached(
            "INSERT INTO carried (delivery, status, code, members)
             SELECT delivery, status, code, count(*) FROM item WHERE delivery = ?1 AND position <= ?2
             GROUP BY status, code
             ON CONFLICT (delivery, status, code) DO UPDATE SET members = members + excluded.members",
        )?
        .execute(params![number, end])?;
    // What a target holds is in its ledger; who was in a file is nowhere else.
    if ledger.is_none() {
        connection
            .prepare_cached(
                "INSERT OR IGNORE INTO filed (profile, target)
                 SELECT i.profile, d.target FROM item i JOIN delivery d ON d.number = i.delivery
                 WHERE i.delivery = ?1 AND i.position <= ?2 AND i.status IN (1, 2, 4, 8)
                   AND i.profile NOT IN (SELECT profile FROM erased)",
            )?
            .execute(params![number, end])?;
    }
    connection
        .prepare_cached("DELETE FROM item WHERE delivery = ?1 AND position <= ?2")?
        .execute(params![number, end])?;
    super::put(connection, document, Expect::Anything)?;
    Ok(connection.prepare_cached("SELECT 1 FROM item WHERE delivery = ?1")?.exists([number])?)
}
