//! Fields that mappings left empty, counted for a step.

use attiva_core::Millis;
use attiva_core::id::ConnectionId;
use attiva_core::ports::store::FieldError;
use std::collections::BTreeMap;

/// What the mapping computed cannot stand in its field, or could not be computed.
pub(crate) const VALUE: &str = "mapping.value";
/// A value that should name somebody names nobody.
pub(crate) const NAME: &str = "identity.value";
/// A list has more items than it may: the rest is left out.
pub(crate) const TRIMMED: &str = "value.trimmed";

/// Counts by stream, field and reason.
#[derive(Debug, Default)]
pub(crate) struct FieldErrors {
    counted: BTreeMap<(ConnectionId, String, String, &'static str), (u64, String)>,
}

impl FieldErrors {
    pub(crate) fn note(
        &mut self,
        connection: &ConnectionId,
        stream: &str,
        field: &str,
        code: &'static str,
        source_key: &str,
    ) {
        let key = (connection.clone(), stream.to_owned(), field.to_owned(), code);
        let (count, sample) = self.counted.entry(key).or_default();
        *count += 1;
        source_key.clone_into(sample);
    }

    pub(crate) fn finish(self, at: Millis) -> Vec<FieldError> {
        let error = |((connection, stream, field, code), (count, sample))| FieldError {
            connection,
            stream,
            field,
            code: String::from(code),
            count,
            sample,
            at,
        };
        self.counted.into_iter().map(error).collect()
    }
}
