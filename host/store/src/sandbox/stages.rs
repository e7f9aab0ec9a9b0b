//! The stages that records of opportunities were seen in. They stay with the record: what a profile's records saw
//! together is put together when it is asked for.

use crate::failure::Outcome;
use attiva_core::ports::store::Sighting;
use attiva_core::stages::StageHistory;
use rusqlite::{Connection, OptionalExtension, params};

/// To be called when the page's records are there.
pub(super) fn note(connection: &Connection, entity: i64, seen: &[Sighting]) -> Outcome<()> {
    let mut record = connection.prepare_cached("SELECT number FROM record WHERE entity = ?1 AND source_key = ?2")?;
    let mut find = connection.prepare_cached("SELECT body FROM stage_history WHERE record = ?1")?;
    let mut set = connection.prepare_cached(
        "INSERT INTO stage_history (record, body) VALUES (?1, ?2)
         ON CONFLICT (record) DO UPDATE SET body = excluded.body",
    )?;
    for Sighting { source_key, stage, at } in seen {
        let number: Option<i64> = record.query_row(params![entity, source_key], |row| row.get(0)).optional()?;
        let Some(number) = number else { continue };
        let stored: Option<String> = find.query_row([number], |row| row.get(0)).optional()?;
        let mut history: StageHistory = match stored {
            Some(text) => serde_json::from_str(&text)?,
            None => StageHistory::default(),
        };
        if history.see(stage, *at) {
            set.execute(params![number, serde_json::to_string(&history)?])?;
        }
    }
    Ok(())
}

pub(super) fn of_profile(connection: &Connection, profile: i64) -> Outcome<StageHistory> {
    let mut statement = connection.prepare_cached(
        "SELECT h.body FROM link l JOIN stage_history h ON h.record = l.record WHERE l.profile = ?1 ORDER BY l.record",
    )?;
    let mut together = StageHistory::default();
    for text in statement.query_map([profile], |row| row.get::<_, String>(0))? {
        together.join(&serde_json::from_str(&text?)?);
    }
    Ok(together)
}
