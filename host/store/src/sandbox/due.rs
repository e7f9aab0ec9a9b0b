//! When memberships are to be looked at again although nothing has happened.

use super::memberships::segment_number;
use super::timeline::People;
use crate::failure::{Outcome, limited};
use attiva_core::Millis;
use attiva_core::id::SegmentId;
use attiva_core::ports::store::MembershipDue;
use rusqlite::{Connection, params};

/// Stands for every segment that is evaluated in streaming: no segment has this number.
const ALL: i64 = 0;

pub(super) fn set(connection: &Connection, looked_at: &[i64], due: &[MembershipDue]) -> Outcome<()> {
    let mut forget = connection.prepare_cached("DELETE FROM membership_due WHERE profile = ?1")?;
    for profile in looked_at {
        forget.execute([profile])?;
    }
    // Of a profile that is gone nothing is due.
    let mut put = connection.prepare_cached(
        "INSERT INTO membership_due (profile, segment, at)
         SELECT number, ?2, ?3 FROM profile WHERE number = ?1 AND NOT gone
         ON CONFLICT (profile, segment) DO UPDATE SET at = excluded.at",
    )?;
    for MembershipDue { segment, profile, at } in due {
        let segment = match segment {
            Some(segment) => segment_number(connection, segment.as_str())?,
            None => ALL,
        };
        put.execute(params![profile, segment, at])?;
    }
    Ok(())
}

/// Of these nothing is due any more.
pub(super) fn forget(connection: &Connection, looked_at: &[(SegmentId, i64)]) -> Outcome<()> {
    let mut forget = connection.prepare_cached(
        "DELETE FROM membership_due WHERE profile = ?2 AND segment = (SELECT number FROM segment WHERE id = ?1)",
    )?;
    for (segment, profile) in looked_at {
        forget.execute(params![segment.as_str(), profile])?;
    }
    Ok(())
}

/// Whoever these names of events lead to is looked at again, by every segment and at once: an event of theirs has gone or
/// says something else, and does not tell any more whose it was and what it said.
pub(super) fn look_again<'a>(connection: &Connection, subjects: impl IntoIterator<Item = &'a i64>) -> Outcome<()> {
    const LONG_DUE: Millis = 0;
    let mut people = People::new(connection);
    for subject in subjects {
        if let Some(profile) = people.profile(*subject)? {
            set(connection, &[], &[MembershipDue::of_all(profile, LONG_DUE)])?;
        }
    }
    Ok(())
}

/// Profiles, each once.
pub(super) fn at(connection: &Connection, now: Millis, limit: usize) -> Outcome<Vec<i64>> {
    let mut statement =
        connection.prepare_cached("SELECT profile FROM membership_due WHERE at <= ?1 ORDER BY at, profile LIMIT ?2")?;
    let rows = statement.query_map(params![now, limited(limit)], |row| row.get(0))?;
    let mut profiles: Vec<i64> = rows.collect::<rusqlite::Result<_>>()?;
    profiles.sort_unstable();
    profiles.dedup();
    Ok(profiles)
}

pub(super) fn next(connection: &Connection) -> Outcome<Option<Millis>> {
    let mut statement = connection.prepare_cached("SELECT min(at) FROM membership_due")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

pub(super) fn forget_profile(connection: &Connection, profile: i64) -> Outcome<()> {
    connection.prepare_cached("DELETE FROM membership_due WHERE profile = ?1")?.execute([profile])?;
    Ok(())
}

pub(super) fn forget_segment(connection: &Connection, segment: &str) -> Outcome<()> {
    connection
        .prepare_cached("DELETE FROM membership_due WHERE segment = (SELECT number FROM segment WHERE id = ?1)")?
        .execute([segment])?;
    Ok(())
}
