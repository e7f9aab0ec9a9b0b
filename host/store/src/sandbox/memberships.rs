//! Who is a member of which segment now, and the history of it.

use super::{due, projection};
use crate::failure::{Outcome, known, limited};
use attiva_core::Millis;
use attiva_core::id::{ProfileId, SegmentId};
use attiva_core::membership::{DayMoves, MembershipCounts};
use attiva_core::ports::store::{HistoryOf, Member, MembershipCommit, MembershipEvent, MembershipStatus, Seq};
use attiva_core::time::DAY_MS;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use std::collections::HashMap;

const REALIZED: i64 = 1;
const EXITED: i64 = 0;
/// The cause of an exit because the profile is no more.
const PROFILE_REMOVED: &str = "profile-removed";

/// What is so already is not a change and leaves no history. A profile that is gone does not become a member.
pub(super) fn commit(connection: &Connection, commit: &MembershipCommit) -> Outcome<()> {
    let mut writer = MembershipWriter::new(connection)?;
    let mut segments: HashMap<&SegmentId, Tally> = HashMap::new();
    for change in &commit.changes {
        let tally = match segments.get_mut(&change.segment) {
            Some(tally) => tally,
            None => {
                let number = segment_number(connection, change.segment.as_str())?;
                segments.entry(&change.segment).or_insert(Tally { number, entered: 0 })
            }
        };
        let changed = match change.status {
            MembershipStatus::Realized => writer.enter(tally.number, change.profile, commit.now, &commit.cause)?,
            MembershipStatus::Exited => -writer.exit(tally.number, change.profile, commit.now, &commit.cause)?,
        };
        tally.entered += changed;
    }
    for tally in segments.values() {
        count_more(connection, tally.number, tally.entered)?;
    }
    due::forget(connection, &commit.looked_at_by)?;
    due::set(connection, &commit.looked_at, &commit.due)?;
    for (document, expect) in &commit.documents {
        super::put(connection, document, *expect)?;
    }
    let mut cursors = commit.cursors.iter();
    cursors.try_for_each(|(projector, upto)| projection::move_cursor(connection, projector, *upto))
}

struct Tally {
    number: i64,
    /// Less those who exited.
    entered: i64,
}

struct MembershipWriter<'a> {
    enter: CachedStatement<'a>,
    exit: CachedStatement<'a>,
    history: CachedStatement<'a>,
}

impl<'a> MembershipWriter<'a> {
    fn new(connection: &'a Connection) -> Outcome<Self> {
        Ok(Self {
            enter: connection.prepare_cached(
                "INSERT OR IGNORE INTO membership (segment, profile, since)
                 SELECT ?1, number, ?3 FROM profile WHERE number = ?2 AND NOT gone",
            )?,
            exit: connection.prepare_cached("DELETE FROM membership WHERE segment = ?1 AND profile = ?2")?,
            history: connection.prepare_cached(
                "INSERT INTO membership_history (segment, profile, status, at, cause) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?,
        })
    }

    /// 1 if the profile was no member, else 0.
    fn enter(&mut self, segment: i64, profile: i64, at: Millis, cause: &str) -> Outcome<i64> {
        let entered = self.enter.execute(params![segment, profile, at])?;
        if entered > 0 {
            self.history.execute(params![segment, profile, REALIZED, at, cause])?;
        }
        Ok(limited(entered))
    }

    /// 1 if the profile was a member, else 0.
    fn exit(&mut self, segment: i64, profile: i64, at: Millis, cause: &str) -> Outcome<i64> {
        let exited = self.exit.execute(params![segment, profile])?;
        if exited > 0 {
            self.history.execute(params![segment, profile, EXITED, at, cause])?;
        }
        Ok(limited(exited))
    }
}

/// A profile that is no more leaves every segment.
pub(super) fn exit_all(connection: &Connection, profile: i64, at: Millis) -> Outcome<()> {
    let segments: Vec<i64> = connection
        .prepare_cached("SELECT segment FROM membership WHERE profile = ?1")?
        .query_map([profile], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    due::forget_profile(connection, profile)?;
    if segments.is_empty() {
        return Ok(());
    }
    let mut writer = MembershipWriter::new(connection)?;
    for segment in segments {
        let exited = writer.exit(segment, profile, at, PROFILE_REMOVED)?;
        count_more(connection, segment, -exited)?;
    }
    Ok(())
}

pub(super) fn segment_number(connection: &Connection, id: &str) -> Outcome<i64> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO segment (id, members) VALUES (?1, 0) ON CONFLICT (id) DO UPDATE SET id = id RETURNING number",
    )?;
    Ok(statement.query_row([id], |row| row.get(0))?)
}

fn count_more(connection: &Connection, segment: i64, more: i64) -> Outcome<()> {
    if more != 0 {
        connection
            .prepare_cached("UPDATE segment SET members = members + ?2 WHERE number = ?1")?
            .execute([segment, more])?;
    }
    Ok(())
}

/// By profile as asked for; of each, in the order of the segments' ids.
pub(super) fn of_profiles(connection: &Connection, profiles: &[i64]) -> Outcome<Vec<Vec<SegmentId>>> {
    let mut statement = connection.prepare_cached(
        "SELECT s.id FROM membership m JOIN segment s ON s.number = m.segment WHERE m.profile = ?1 ORDER BY s.id",
    )?;
    let mut of_one = |profile: &i64| {
        let mut rows = statement.query([profile])?;
        let mut segments = Vec::new();
        while let Some(row) = rows.next()? {
            let id = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
            segments.push(known(SegmentId::parse(id), "a segment's id")?);
        }
        Ok(segments)
    };
    profiles.iter().map(&mut of_one).collect()
}

pub(super) fn members(
    connection: &Connection,
    segment: &SegmentId,
    after: i64,
    limit: usize,
) -> Outcome<Vec<(i64, Member)>> {
    let mut statement = connection.prepare_cached(
        "SELECT m.profile, p.id, m.since FROM membership m JOIN profile p ON p.number = m.profile
         WHERE m.segment = (SELECT number FROM segment WHERE id = ?1) AND m.profile > ?2
         ORDER BY m.profile LIMIT ?3",
    )?;
    let mut rows = statement.query(params![segment.as_str(), after, limited(limit)])?;
    let mut members = Vec::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(1)?;
        let profile = known(ProfileId::parse(&id), "a profile's id")?;
        members.push((row.get(0)?, Member { profile, since: row.get(2)? }));
    }
    Ok(members)
}

pub(super) fn count(connection: &Connection, segment: &SegmentId) -> Outcome<u64> {
    let mut statement = connection.prepare_cached("SELECT members FROM segment WHERE id = ?1")?;
    let members: Option<i64> = statement.query_row([segment.as_str()], |row| row.get(0)).optional()?;
    Ok(members.unwrap_or(0).cast_unsigned())
}

/// By profile as asked for.
pub(super) fn since(connection: &Connection, segment: &SegmentId, profiles: &[i64]) -> Outcome<Vec<Option<Millis>>> {
    let mut statement = connection.prepare_cached(
        "SELECT since FROM membership WHERE segment = (SELECT number FROM segment WHERE id = ?1) AND profile = ?2",
    )?;
    let mut of_one =
        |profile: &i64| Ok(statement.query_row(params![segment.as_str(), profile], |row| row.get(0)).optional()?);
    profiles.iter().map(&mut of_one).collect()
}

/// History of a segment since an instant. It is in the order of time: it is read back to the instant, and no further.
const SINCE: &str = "FROM membership_history WHERE segment = (SELECT number FROM segment WHERE id = ?1)
         AND number > coalesce((SELECT number FROM membership_history
           WHERE segment = (SELECT number FROM segment WHERE id = ?1) AND at < ?2 ORDER BY number DESC LIMIT 1), 0)";

/// Of an audience now, since an instant, and day by day.
pub(super) fn counts(
    connection: &Connection,
    segment: &SegmentId,
    new_since: Millis,
    from: Millis,
) -> Outcome<MembershipCounts> {
    let members = count(connection, segment)?;
    let mut new = connection.prepare_cached(
        "SELECT count(*) FROM membership WHERE segment = (SELECT number FROM segment WHERE id = ?1) AND since >= ?2",
    )?;
    let realized: i64 = new.query_row(params![segment.as_str(), new_since], |row| row.get(0))?;
    let mut left = connection.prepare_cached(&format!("SELECT count(*) {SINCE} AND status = 0"))?;
    let exited: i64 = left.query_row(params![segment.as_str(), new_since], |row| row.get(0))?;
    let mut moved = connection.prepare_cached(&format!(
        "SELECT at / {DAY_MS}, sum(status = 1), sum(status = 0) {SINCE} GROUP BY 1 ORDER BY 1"
    ))?;
    let day = |row: &rusqlite::Row<'_>| {
        let (realized, exited): (i64, i64) = (row.get(1)?, row.get(2)?);
        Ok(DayMoves { day: row.get(0)?, realized: realized.cast_unsigned(), exited: exited.cast_unsigned() })
    };
    let days = moved.query_map(params![segment.as_str(), from], day)?.collect::<rusqlite::Result<_>>()?;
    Ok(MembershipCounts { members, realized: realized.cast_unsigned(), exited: exited.cast_unsigned(), days })
}

pub(super) fn count_common(connection: &Connection, one: &SegmentId, other: &SegmentId) -> Outcome<u64> {
    let mut statement = connection.prepare_cached(
        "SELECT count(*) FROM membership a JOIN membership b ON b.profile = a.profile
         WHERE a.segment = (SELECT number FROM segment WHERE id = ?1)
           AND b.segment = (SELECT number FROM segment WHERE id = ?2)",
    )?;
    let count: i64 = statement.query_row([one.as_str(), other.as_str()], |row| row.get(0))?;
    Ok(count.cast_unsigned())
}

/// Newest first, before `before`.
pub(super) fn history(
    connection: &Connection,
    of: &HistoryOf,
    before: Option<i64>,
    limit: usize,
) -> Outcome<Vec<MembershipEvent>> {
    let before = before.unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(match of {
        HistoryOf::Segment(_) => {
            "SELECT h.number, s.id, p.id, h.status, h.at, h.cause FROM membership_history h
             JOIN segment s ON s.number = h.segment JOIN profile p ON p.number = h.profile
             WHERE h.segment = (SELECT number FROM segment WHERE id = ?1) AND h.number < ?2
             ORDER BY h.number DESC LIMIT ?3"
        }
        HistoryOf::Profile(_) => {
            "SELECT h.number, s.id, p.id, h.status, h.at, h.cause FROM membership_history h
             JOIN segment s ON s.number = h.segment JOIN profile p ON p.number = h.profile
             WHERE h.profile = ?1 AND h.number < ?2 ORDER BY h.number DESC LIMIT ?3"
        }
    })?;
    let mut rows = match of {
        HistoryOf::Segment(segment) => statement.query(params![segment.as_str(), before, limited(limit)])?,
        HistoryOf::Profile(profile) => statement.query(params![profile, before, limited(limit)])?,
    };
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let (segment, profile): (String, String) = (row.get(1)?, row.get(2)?);
        let status: i64 = row.get(3)?;
        events.push(MembershipEvent {
            number: row.get(0)?,
            segment: known(SegmentId::parse(&segment), "a segment's id")?,
            profile: known(ProfileId::parse(&profile), "a profile's id")?,
            status: if status == REALIZED { MembershipStatus::Realized } else { MembershipStatus::Exited },
            at: row.get(4)?,
            cause: row.get(5)?,
        });
    }
    Ok(events)
}

/// The number of the newest change; 0: there was none.
pub(super) fn newest_move(connection: &Connection) -> Outcome<Seq> {
    let mut newest = connection.prepare_cached("SELECT coalesce(max(number), 0) FROM membership_history")?;
    Ok(newest.query_row([], |row| row.get::<_, i64>(0))?.cast_unsigned())
}

/// Who came (true) and went after a change, in the order in which they did. `None`: they are more than `most`.
pub(super) fn moves_since(
    connection: &Connection,
    segment: &SegmentId,
    after: Seq,
    most: u64,
) -> Outcome<Option<Vec<(i64, bool)>>> {
    let mut list = connection.prepare_cached(
        "SELECT profile, status FROM membership_history
         WHERE segment = (SELECT number FROM segment WHERE id = ?1) AND number > ?2 ORDER BY number",
    )?;
    let mut rows = list.query(params![segment.as_str(), after.cast_signed()])?;
    let mut moves = Vec::new();
    while let Some(row) = rows.next()? {
        if moves.len() as u64 >= most {
            return Ok(None);
        }
        moves.push((row.get(0)?, row.get::<_, i64>(1)? == REALIZED));
    }
    Ok(Some(moves))
}

/// Profiles that are members now, in the order of their numbers.
pub(super) fn each_member(connection: &Connection, segment: &SegmentId, mut tell: impl FnMut(i64)) -> Outcome<()> {
    let mut statement = connection.prepare_cached(
        "SELECT profile FROM membership WHERE segment = (SELECT number FROM segment WHERE id = ?1) ORDER BY profile",
    )?;
    let mut rows = statement.query([segment.as_str()])?;
    while let Some(row) = rows.next()? {
        tell(row.get(0)?);
    }
    Ok(())
}

/// The segment is deleted: nobody is its member. Its number stays, since history names it.
pub(super) fn forget(connection: &Connection, segment: &str) -> Outcome<()> {
    due::forget_segment(connection, segment)?;
    connection
        .prepare_cached("DELETE FROM membership WHERE segment = (SELECT number FROM segment WHERE id = ?1)")?
        .execute([segment])?;
    connection.prepare_cached("UPDATE segment SET members = 0 WHERE id = ?1")?.execute([segment])?;
    // Of each version of the definition there is one: `segment:<id>`, `segment:<id>:<version>`.
    let cursor = format!("segment:{segment}");
    connection
        .prepare_cached("DELETE FROM projector WHERE name = ?1 OR substr(name, 1, length(?1) + 1) = ?1 || ':'")?
        .execute([cursor])?;
    Ok(())
}
