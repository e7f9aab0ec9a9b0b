//! Who a delivery is about: the members of whom what is wanted and what was acknowledged may differ.

use super::audience::Audience;
use super::deliveries::code;
use super::{projection, stirred};
use crate::failure::Outcome;
use attiva_core::Millis;
use attiva_core::ports::store::{Feed, ItemStatus, Reconcile};
use rusqlite::types::Null;
use rusqlite::{Connection, params};

/// Queues the difference, leavers first: a leaver and a newcomer may be one person to the vendor, and the later row
/// holds. Then what is wanted is written down, unless the run is dry.
pub(super) fn queue(
    connection: &Connection,
    delivery: i64,
    target: i64,
    audience: Audience<'_>,
    reconcile: &Reconcile,
) -> Outcome<()> {
    let newest = projection::newest(connection, Feed::Profiles)?;
    let history = stirred::newest_move(connection, audience.segment)?;
    let claim = claim(connection, target, audience, reconcile)?;
    queue_candidates(connection, delivery, &claim, reconcile.now)?;
    carry_the_rest(connection, delivery, &claim)?;
    if reconcile.dry_run {
        return Ok(());
    }
    write_wants(connection, &claim)?;
    // Whatever becomes of this delivery, they are looked at until they are settled.
    connection
        .prepare_cached(
            "UPDATE ledger SET due = 0
             WHERE target = ?1 AND profile IN (SELECT profile FROM item WHERE delivery = ?2)",
        )?
        .execute([claim.target, delivery])?;
    connection
        .prepare_cached("UPDATE claimant SET upto = ?2, mapping = ?3, history = ?4 WHERE number = ?1")?
        .execute(params![claim.claimant, newest.cast_signed(), reconcile.mapping, history])?;
    Ok(())
}

struct Claim<'a> {
    target: i64,
    claimant: i64,
    audience: Audience<'a>,
    /// Profile changes up to here are looked at.
    upto: i64,
    /// All members are to be looked at.
    anew: bool,
}

fn claim<'a>(
    connection: &Connection,
    target: i64,
    audience: Audience<'a>,
    reconcile: &Reconcile,
) -> Outcome<Claim<'a>> {
    connection
        .prepare_cached(
            "INSERT INTO claimant (activation, target, upto, mapping) VALUES (?1, ?2, 0, '')
             ON CONFLICT (activation) DO NOTHING",
        )?
        .execute(params![reconcile.activation.as_str(), target])?;
    let mut find =
        connection.prepare_cached("SELECT number, upto, mapping <> ?2 FROM claimant WHERE activation = ?1")?;
    let claim = find.query_row([reconcile.activation.as_str(), &reconcile.mapping], |row| {
        Ok(Claim { target, claimant: row.get(0)?, audience, upto: row.get(1)?, anew: reconcile.anew || row.get(2)? })
    })?;
    Ok(claim)
}

fn queue_candidates(connection: &Connection, delivery: i64, claim: &Claim<'_>, now: Millis) -> Outcome<()> {
    let Audience { from, is_in, segment } = claim.audience;
    connection
        .prepare_cached(&format!(
            "WITH candidate (profile, wanted) AS (
               SELECT m.profile, 1 FROM {from} m
                 LEFT JOIN ledger l ON l.target = ?2 AND l.profile = m.profile
               WHERE {is_in}
                 AND (l.profile IS NULL OR l.due <= ?5 OR ?6
                   OR m.profile IN (SELECT subject FROM profile_change WHERE seq > ?7)
                   OR NOT EXISTS (SELECT 1 FROM want w WHERE w.claimant = ?3 AND w.profile = m.profile))
               UNION ALL
               SELECT l.profile, 0 FROM ledger l
               WHERE l.target = ?2 AND (l.held IS NOT NULL OR l.unsure IS NOT NULL)
                 AND NOT EXISTS (SELECT 1 FROM {from} m WHERE {is_in} AND m.profile = l.profile)
                 AND NOT EXISTS (SELECT 1 FROM claimant c JOIN want w ON w.claimant = c.number
                   WHERE c.target = ?2 AND c.number <> ?3 AND w.profile = l.profile)
                 AND (l.due <= ?5
                   OR EXISTS (SELECT 1 FROM want w WHERE w.claimant = ?3 AND w.profile = l.profile)))
             INSERT INTO item (delivery, position, profile, wanted, status, code, message)
             SELECT ?1, row_number() OVER (ORDER BY c.wanted, p.id) - 1, p.number, c.wanted, ?8, '', ''
             FROM candidate c JOIN profile p ON p.number = c.profile",
        ))?
        .execute(params![
            delivery,
            claim.target,
            claim.claimant,
            segment,
            now,
            claim.anew,
            claim.upto,
            code(ItemStatus::Queued)
        ])?;
    Ok(())
}

/// Of everybody else is known that nothing has to be done, and why.
fn carry_the_rest(connection: &Connection, delivery: i64, claim: &Claim<'_>) -> Outcome<()> {
    let Audience { from, is_in, segment } = claim.audience;
    connection
        .prepare_cached(&format!(
            "WITH rest (profile) AS (
               SELECT m.profile FROM {from} m WHERE {is_in}
               UNION ALL
               SELECT l.profile FROM ledger l JOIN refusal r ON r.target = l.target AND r.profile = l.profile
               WHERE l.target = ?2 AND r.operation = 1
                 AND NOT EXISTS (SELECT 1 FROM {from} m WHERE {is_in} AND m.profile = l.profile)
                 AND NOT EXISTS (SELECT 1 FROM claimant c JOIN want w ON w.claimant = c.number
                   WHERE c.target = ?2 AND c.number <> ?3 AND w.profile = l.profile))
             INSERT INTO carried (delivery, status, code, members)
             SELECT ?1, coalesce(r.status, ?5), coalesce(r.code, ''), count(*)
             FROM rest LEFT JOIN refusal r ON r.target = ?2 AND r.profile = rest.profile
             WHERE rest.profile NOT IN (SELECT profile FROM item WHERE delivery = ?1)
             GROUP BY 2, 3",
        ))?
        .execute(params![delivery, claim.target, claim.claimant, segment, code(ItemStatus::Unchanged)])?;
    Ok(())
}

fn write_wants(connection: &Connection, claim: &Claim<'_>) -> Outcome<()> {
    let Audience { from, is_in, segment } = claim.audience;
    let values = params![claim.claimant, Null, Null, segment];
    connection
        .prepare_cached(&format!(
            "DELETE FROM want WHERE claimant = ?1
               AND NOT EXISTS (SELECT 1 FROM {from} m WHERE {is_in} AND m.profile = want.profile)"
        ))?
        .execute(values)?;
    connection
        .prepare_cached(&format!(
            "INSERT INTO want (claimant, profile)
             SELECT ?1, m.profile FROM {from} m
             WHERE {is_in} AND NOT EXISTS (SELECT 1 FROM want w WHERE w.claimant = ?1 AND w.profile = m.profile)"
        ))?
        .execute(values)?;
    forget_strangers(connection, claim.target)
}

/// Nobody wants them, and the target does not have them: a refusal of theirs is of no interest any more.
fn forget_strangers(connection: &Connection, target: i64) -> Outcome<()> {
    const STRANGER: &str = "l.target = ?1 AND l.held IS NULL AND l.unsure IS NULL
        AND NOT EXISTS (SELECT 1 FROM claimant c JOIN want w ON w.claimant = c.number
          WHERE c.target = ?1 AND w.profile = l.profile)";
    let strangers = format!("SELECT l.profile FROM ledger l WHERE {STRANGER}");
    connection
        .prepare_cached(&format!("DELETE FROM refusal WHERE target = ?1 AND profile IN ({strangers})"))?
        .execute([target])?;
    connection.prepare_cached(&format!("DELETE FROM ledger AS l WHERE {STRANGER}"))?.execute([target])?;
    Ok(())
}

/// The activation is no more: it wants nobody. Who of its members goes is for the next delivery to the target to say.
pub(super) fn release(connection: &Connection, activation: &str) -> Outcome<()> {
    connection
        .prepare_cached(
            "UPDATE ledger SET due = 0 WHERE target = (SELECT target FROM claimant WHERE activation = ?1)
               AND profile IN (SELECT w.profile FROM claimant c JOIN want w ON w.claimant = c.number
                 WHERE c.activation = ?1)",
        )?
        .execute([activation])?;
    connection
        .prepare_cached("DELETE FROM want WHERE claimant = (SELECT number FROM claimant WHERE activation = ?1)")?
        .execute([activation])?;
    connection.prepare_cached("DELETE FROM claimant WHERE activation = ?1")?.execute([activation])?;
    Ok(())
}
