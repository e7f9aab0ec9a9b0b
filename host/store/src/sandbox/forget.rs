//! Documents go, with what hangs on them.

use super::kinds::{self, name};
use crate::documents;
use crate::failure::Outcome;
use attiva_core::ports::store::{Expect, Kind};
use rusqlite::Connection;

/// A document takes with it what hangs on it alone.
pub(super) fn delete(connection: &Connection, kind: Kind, id: &str, expect: Expect) -> Outcome<()> {
    documents::delete(connection, name(kind), id, expect)?;
    kinds::forget_with(connection, kind, id)
}
