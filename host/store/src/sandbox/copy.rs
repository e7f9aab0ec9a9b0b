//! A copy of a sandbox's database while it is at work.

use super::counter::Counter;
use super::{SCHEMA, Sandbox};
use crate::copy::{self, Mark};
use attiva_core::ports::store::Result;
use std::path::Path;

impl Sandbox {
    /// Copies the database, as it is at one moment, to a file that is not there yet; blocks until it is on the disk.
    ///
    /// # Errors
    /// `Full`, `Io`.
    pub fn copy_to(&self, target: &Path) -> Result<Mark> {
        self.database.copy_to(target)?;
        Self::look(target)
    }

    /// What a copy says of itself.
    ///
    /// # Errors
    /// `TooNew`, `Corrupt`.
    pub fn look(copy: &Path) -> Result<Mark> {
        copy::look(copy, &SCHEMA, |connection| Ok(Counter::load(connection)?.seq.cast_unsigned()))
    }
}
