//! Where a page of a stream begins, if another version of the plugin has read before: with state of its own form, which
//! is made of a copy. What is stored changes only with the page's commit.

use crate::engine::Inner;
use attiva_core::Fault;
use attiva_core::id::ConnectionId;
use attiva_core::page::{Cursor, Page};
use attiva_core::plugin::state::{Start, start};
use attiva_core::ports::connector::{PageLimits, Source, Usage};

/// A cursor, and whether it is in the present form.
pub(crate) struct Place {
    pub(crate) cursor: Option<Cursor>,
    is_older: bool,
}

impl Place {
    /// A place of this plugin version.
    pub(crate) fn at(cursor: Option<Cursor>) -> Self {
        Self { cursor, is_older: false }
    }
}

/// Finds where a stream goes on.
///
/// # Errors
/// `plugin.state-too-new`: a newer version of the plugin has read on, and what was before it is no longer kept.
pub(crate) fn place(
    inner: &Inner,
    source: &dyn Source,
    connection: &ConnectionId,
    stream: &str,
) -> Result<Place, Fault> {
    let Some(stored) = inner.store.stream_state(connection, stream)?.map(|state| state.cursor) else {
        return Ok(Place { cursor: None, is_older: false });
    };
    let Some(wanted) = source.state_version() else { return Ok(Place { cursor: Some(stored), is_older: false }) };
    if stored.state_version == wanted {
        return Ok(Place { cursor: Some(stored), is_older: false });
    }
    let before = inner.store.states_before(connection, stream)?;
    let kept: Vec<u32> = before.iter().map(|state| state.cursor.state_version).collect();
    let begin = start(stored.state_version, &kept, wanted)
        .map_err(|too_new| too_new.fault(&format!("the stream {stream} of {connection}")))?;
    let of_version = |version| before.into_iter().map(|s| s.cursor).find(|c| c.state_version == version);
    Ok(match begin {
        Start::Stored => Place { cursor: Some(stored), is_older: false },
        Start::StoredMigrated => Place { cursor: Some(stored), is_older: true },
        Start::Kept { state_version } => Place { cursor: of_version(state_version), is_older: false },
        Start::KeptMigrated { state_version } => Place { cursor: of_version(state_version), is_older: true },
    })
}

/// Reads the page that begins at a place, with these fields; none named: all.
pub(crate) async fn read(
    source: &dyn Source,
    (stream, fields): (&str, &[String]),
    place: Place,
    keys: &[String],
    limits: PageLimits,
) -> Result<(Page, Usage), Fault> {
    let cursor = match place.cursor {
        Some(cursor) if place.is_older => Some(source.migrate(&cursor).await?),
        cursor => cursor,
    };
    source.read(stream, fields, cursor.as_ref(), keys, limits).await
}
