//! All persons there are, by bulk extract: Marketo has no other way to list them.
//!
//! An export takes at most a month of creation dates, so history is read in windows of 30 days:
//!
//! ```text
//! create -> enqueue -> await -> fetch -> read, page by page -> the next window
//!   ^                    |        |
//!   +---- failed, cancelled, gone +
//! ```
//!
//! Create and enqueue are two pages. A job that was created but never committed stays at Marketo as *Created*, which
//! starts nothing and expires; its id is noted in the spool at once, so that even this is rare.

use crate::api::Api;
use crate::cursor::{Failure, History, Job, Stage};
use crate::export_file::{ExportFile, Opened};
use crate::export_row::Rows;
use crate::fields::Field;
use crate::reader::Reader;
use crate::request;
use crate::response;
use attiva_connector::{Fault, FaultKind, PageBuilder, Result, Warning};
use serde::{Deserialize, Serialize};

/// Marketo takes ranges of at most 31 days.
const WINDOW_SECONDS: i64 = 30 * 86_400;
/// Exports of one window that may fail in a row, and for how long it is then left alone.
const FAILURES_MAX: u32 = 3;
const FAILURE_REST_SECONDS: i64 = 3600;
/// How often a completed export's file may be missing or damaged.
const MISSING_MAX: u32 = 10;
const DAMAGED_MAX: u32 = 3;

/// The spools of a run: an export's file, and the note of a job that may not be committed yet.
const FILE: &str = "export";
const NOTE: &str = "export-job";

/// What one step came to.
#[derive(Default)]
pub(crate) struct Step {
    pub(crate) rows: Option<PageBuilder>,
    pub(crate) wait_ms: Option<u64>,
    pub(crate) warnings: Vec<Warning>,
    /// For people.
    pub(crate) doing: &'static str,
}

/// An export's status as Marketo tells it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    status: String,
    number_of_records: Option<u64>,
    file_checksum: Option<String>,
    error_msg: Option<String>,
}

/// One step of the present window.
pub(crate) fn step(reader: &Reader, history: &mut History) -> Result<Step> {
    let Some(mut job) = history.job.take() else { return create(reader, history) };
    match job.stage {
        Stage::Created => enqueue(reader, history, job),
        Stage::Enqueued => match await_file(reader, history, &mut job)? {
            Some(step) => Ok(step),
            None => read(reader, history, job),
        },
        Stage::Fetched => read(reader, history, job),
    }
}
