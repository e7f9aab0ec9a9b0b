//! Whom a delivery is to be about, as a table that statements join: members of a segment, or profiles that were worked out
//! elsewhere.

use crate::failure::Outcome;
use attiva_core::ports::store::Wanted;
use rusqlite::Connection;

/// Where those who are wanted stand. In statements, the segment is parameter 4.
#[derive(Clone, Copy)]
pub(super) struct Audience<'a> {
    /// The table, which statements call `m`.
    pub(super) from: &'static str,
    /// Which of its rows.
    pub(super) is_in: &'static str,
    /// Empty: no segment, and of the segments' members nobody.
    pub(super) segment: &'a str,
}

/// Profiles are put into a table of the connection's own: it is asked in the same transaction, and nowhere else.
pub(super) fn of<'a>(connection: &Connection, wanted: &'a Wanted) -> Outcome<Audience<'a>> {
    const MEMBERS: &str = "m.segment = (SELECT number FROM segment WHERE id = ?4)";
    let members = |segment: &'a str| Audience { from: "membership", is_in: MEMBERS, segment };
    match wanted {
        Wanted::Nobody => Ok(members("")),
        Wanted::Members(segment) => Ok(members(segment.as_str())),
        Wanted::Profiles(numbers) => {
            connection.execute_batch(
                "CREATE TEMP TABLE IF NOT EXISTS wanted (profile INTEGER PRIMARY KEY);
                 DELETE FROM temp.wanted;",
            )?;
            let mut insert = connection.prepare_cached("INSERT OR IGNORE INTO temp.wanted (profile) VALUES (?1)")?;
            for number in numbers {
                insert.execute([number])?;
            }
            Ok(Audience { from: "temp.wanted", is_in: "?4 = ''", segment: "" })
        }
    }
}
