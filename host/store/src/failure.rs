//! What SQLite says, in the words of the port.

use attiva_core::ports::store::StoreError;
use rusqlite::ErrorCode;

/// An error on its way out of a piece of work. The port's error type and SQLite's both come from elsewhere, so `?`
/// needs a type of ours between them.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) StoreError);

pub(crate) type Outcome<T> = Result<T, Failure>;

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self(translate(&error))
    }
}

/// Stored JSON that does not read back; what is written is always well-formed.
impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self(StoreError::Corrupt(error.to_string()))
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        failure.0
    }
}

fn translate(error: &rusqlite::Error) -> StoreError {
    use rusqlite::Error as E;
    match error {
        E::FromSqlConversionFailure(..) | E::InvalidColumnType(..) | E::IntegralValueOutOfRange(..) => {
            StoreError::Corrupt(error.to_string())
        }
        other => match other.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreError::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::InUse,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt(error.to_string()),
            _ => StoreError::Io(error.to_string()),
        },
    }
}

/// Reads an id back: what does not parse was not written by us.
pub(crate) fn known<T>(parsed: Option<T>, what: &str) -> Outcome<T> {
    parsed.ok_or_else(|| Failure(StoreError::Corrupt(format!("{what} is not one"))))
}

/// Stored data that does not read back.
pub(crate) fn corrupt(error: impl std::fmt::Display) -> Failure {
    Failure(StoreError::Corrupt(error.to_string()))
}

/// A limit as SQL takes it.
pub(crate) fn limited(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
