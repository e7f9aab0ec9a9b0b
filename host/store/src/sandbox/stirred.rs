//! Whether a delivery would have anything to look at. Asked every second, so nothing here goes through a whole audience.

use super::projection;
use crate::failure::Outcome;
use attiva_core::Millis;
use attiva_core::id::{ActivationId, SegmentId};
use attiva_core::ports::store::{Feed, Seq};
use rusqlite::{Connection, OptionalExtension, params};

pub(super) fn is_stirred(
    connection: &Connection,
    activation: &ActivationId,
    segment: &SegmentId,
    looked: Seq,
    now: Millis,
) -> Outcome<(bool, Seq)> {
    let newest = projection::newest(connection, Feed::Profiles)?;
    let mut find =
        connection.prepare_cached("SELECT number, target, upto, history FROM claimant WHERE activation = ?1")?;
    let found = find.query_row([activation.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
    // It was never delivered.
    let Some((claimant, target, upto, history)): Option<(i64, i64, i64, i64)> = found.optional()? else {
        return Ok((true, newest));
    };
    let upto = upto.max(looked.cast_signed());
    let stirred = has_moved(connection, segment, history)?
        || has_changed(connection, segment, upto)?
        || is_due(connection, claimant, target, segment, now)?;
    Ok((stirred, newest))
}

/// Somebody entered or left.
fn has_moved(connection: &Connection, segment: &SegmentId, after: i64) -> Outcome<bool> {
    Ok(newest_move(connection, segment.as_str())? > after)
}

/// The newest change of a segment's membership; 0: there was none.
pub(super) fn newest_move(connection: &Connection, segment: &str) -> Outcome<i64> {
    let mut newest = connection.prepare_cached(
        "SELECT coalesce(max(number), 0) FROM membership_history
         WHERE segment = (SELECT number FROM segment WHERE id = ?1)",
    )?;
    Ok(newest.query_row([segment], |row| row.get(0))?)
}

/// A member changed.
fn has_changed(connection: &Connection, segment: &SegmentId, after: i64) -> Outcome<bool> {
    let mut changed = connection.prepare_cached(
        "SELECT 1 FROM profile_change c CROSS JOIN membership m ON m.profile = c.subject
         WHERE c.seq > ?2 AND m.segment = (SELECT number FROM segment WHERE id = ?1) LIMIT 1",
    )?;
    Ok(changed.exists(params![segment.as_str(), after])?)
}

/// Somebody is to be looked at again, whom a delivery of this activation would look at.
fn is_due(connection: &Connection, claimant: i64, target: i64, segment: &SegmentId, now: Millis) -> Outcome<bool> {
    let mut due = connection.prepare_cached(
        "SELECT 1 FROM ledger l WHERE l.target = ?1 AND l.due <= ?2
           AND (EXISTS (SELECT 1 FROM membership m
                  WHERE m.segment = (SELECT number FROM segment WHERE id = ?3) AND m.profile = l.profile)
             OR ((l.held IS NOT NULL OR l.unsure IS NOT NULL)
               AND NOT EXISTS (SELECT 1 FROM claimant c JOIN want w ON w.claimant = c.number
                 WHERE c.target = ?1 AND c.number <> ?4 AND w.profile = l.profile)))
         LIMIT 1",
    )?;
    Ok(due.exists(params![target, now, segment.as_str(), claimant])?)
}
