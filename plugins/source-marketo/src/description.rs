//! What Marketo describes of a stream's fields, remembered for an hour: a call for each run, or each page, would cost a stream
//! that is read every minute more than what it reads. A cursor outlives its run, so it is kept there, behind the state; what is
//! too large for that is kept in the run's spool.

use crate::fields::Field;
use attiva_connector::{Cursor, Fault, Result};
use marketo_api::Api;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;

/// Where a run keeps what is too large for a cursor.
const SPOOL: &str = "fields";
/// How long a description is believed, in seconds: a new field is seen at last after this.
const BELIEVED_SECONDS: i64 = 3600;
/// Most bytes it may have in a cursor, and a cursor with it: some four hundred fields, and the host takes 64 KiB.
const KEPT_BYTES_MAX: usize = 12 * 1024;
const CURSOR_BYTES_MAX: usize = 63 * 1024;
/// Stands between a state and the description; no JSON that is written here has one.
const BETWEEN: u8 = b'\n';
/// A field that Marketo does not have, and one that the description does not.
const DOUBTS: [&str; 2] = ["marketo.1006", "marketo.field-unknown"];

/// Fields, and when they were described, in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Known {
    at: i64,
    /// Name and type of each.
    fields: Vec<(String, String)>,
}

impl Known {
    fn is_recent(&self, now: i64) -> bool {
        (self.at..self.at.saturating_add(BELIEVED_SECONDS)).contains(&now)
    }

    fn fields(&self) -> Vec<Field> {
        self.fields.iter().map(|(name, kind)| Field::new(name, kind, name)).collect()
    }
}

/// What is remembered in one call.
#[derive(Debug, Default)]
pub(crate) struct Description {
    known: RefCell<Option<Known>>,
    doubted: bool,
    /// Whether fields came from memory.
    used: RefCell<bool>,
}

impl Description {
    /// Takes a cursor apart: the state, and what was remembered with it.
    pub(crate) fn take(cursor: Option<&Cursor>) -> (Option<Cursor>, Self) {
        let Some(cursor) = cursor else { return (None, Self::default()) };
        let Some(end) = cursor.bytes.iter().position(|byte| *byte == BETWEEN) else {
            return (Some(cursor.clone()), Self::default());
        };
        let state = Cursor { state_version: cursor.state_version, bytes: cursor.bytes[..end].to_vec() };
        let known = serde_json::from_slice(&cursor.bytes[end + 1..]).ok();
        (Some(state), Self { known: RefCell::new(known), ..Self::default() })
    }

    /// Remembers nothing, and takes nothing from the spool.
    pub(crate) fn doubted() -> Self {
        Self { doubted: true, ..Self::default() }
    }

    /// Whether a fault may be for what was remembered: Marketo has other fields now, or other fields are asked for.
    pub(crate) fn is_doubted_by(&self, fault: &Fault) -> bool {
        *self.used.borrow() && DOUBTS.contains(&fault.code.as_str())
    }

    /// Puts what is remembered behind a state, where it is of use and has room.
    pub(crate) fn put(&self, mut state: Cursor, now: i64) -> Cursor {
        let known = self.known.borrow();
        let bytes =
            known.as_ref().filter(|known| known.is_recent(now)).and_then(|known| serde_json::to_vec(known).ok());
        let fits = |bytes: &Vec<u8>| state.bytes.len() + bytes.len() < CURSOR_BYTES_MAX;
        if let Some(bytes) = bytes.filter(fits) {
            state.bytes.push(BETWEEN);
            state.bytes.extend(bytes);
        }
        state
    }

    /// The fields: remembered, or as `describe` says. A stream has a spool of its own, and describes one thing.
    pub(crate) fn fields(&self, api: &Api, describe: impl FnOnce() -> Result<Vec<Field>>) -> Result<Vec<Field>> {
        let now = api.now();
        if let Some(known) = self.known.borrow().as_ref().filter(|known| known.is_recent(now)) {
            self.used.replace(true);
            return Ok(known.fields());
        }
        let spool = api.host.spool(SPOOL);
        let size = if self.doubted { 0 } else { spool.stat()?.size };
        if size > 0
            && let Ok(known) = serde_json::from_slice::<Known>(&spool.read_exact(0, size)?)
            && known.is_recent(now)
        {
            self.used.replace(true);
            return Ok(known.fields());
        }
        let fields = describe()?;
        let pairs = fields.iter().map(|field| (field.name.clone(), field.kind.clone())).collect();
        let known = Known { at: now, fields: pairs };
        match serde_json::to_vec(&known) {
            Ok(bytes) if bytes.len() > KEPT_BYTES_MAX => drop(spool.write(0, &bytes)?),
            Ok(_) => drop(self.known.replace(Some(known))),
            Err(_) => {}
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests;
