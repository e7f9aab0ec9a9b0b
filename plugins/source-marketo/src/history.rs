//! All persons there are, by bulk extract: Marketo has no other way to list them.
//!
//! An export takes at most a month of creation dates, so history is read in windows of 30 days:
//!
//! ```text
//! create -> enqueue -> await and fetch -> read, page by page -> the next window
//!   ^          |             |             |
//!   +----------+-------------+-------------+  failed, cancelled, gone, or of other fields
//! ```
//!
//! Create and enqueue are two pages. A job that was created but whose id was never committed stays at Marketo as
//! *Created*, which starts nothing and expires; its id is noted in the spool at once, so that even this is rare.

use crate::cursor::{Chains, Failure, History, Job, Phase, Stage, Work};
use crate::export_file::{ExportFile, Opened};
use crate::export_job::{self, FILE, Order, Progress};
use crate::export_row::Rows;
use crate::reader::{self, Reader};
use attiva_connector::{Fault, Page, PageBuilder, Result, Warning};

/// Marketo takes ranges of at most 31 days.
const WINDOW_SECONDS: i64 = 30 * 86_400;
/// Exports of one window that may come to nothing before the run fails, and how long the window then rests.
const FAILURES_MAX: u32 = 3;
const REST_SECONDS: i64 = 3600;
/// Most characters of a failure's reason that are kept.
const REASON_CHARS_MAX: usize = 300;

/// The next page of history. After the last window it goes on with changes.
pub(crate) fn page(reader: &Reader, chains: Chains, mut history: History) -> Result<Page> {
    let number = history.window_number();
    let step = step(reader, &mut history)?;
    let estimate = format!("export {number} of {}: {}", history.windows(), step.doing);
    let records = history.records + history.job.as_ref().map_or(0, |job| job.records);
    let next = if history.window >= history.end { Phase::Changes(Work::default()) } else { Phase::History(history) };
    let cursor = reader::cursor(chains, next)?;
    let mut page = match step.rows {
        Some(rows) => rows.finish(cursor)?,
        None => Page::moved(cursor),
    };
    page.wait_ms = step.wait_ms;
    page.warnings.extend(step.warning);
    Ok(page.estimate(estimate, Some(records), None))
}

/// What one call did.
struct Step {
    /// For people.
    doing: &'static str,
    rows: Option<PageBuilder>,
    wait_ms: Option<u64>,
    warning: Option<Warning>,
}

impl Step {
    fn new(doing: &'static str) -> Self {
        Self { doing, rows: None, wait_ms: None, warning: None }
    }

    fn wait(doing: &'static str, ms: u64) -> Self {
        Self { wait_ms: Some(ms), ..Self::new(doing) }
    }
}

fn step(reader: &Reader, history: &mut History) -> Result<Step> {
    let Some(mut job) = history.job.take() else {
        history.rest_after_failures(reader.api.now())?;
        let fields = reader.fields()?.into_iter().map(|f| f.name).collect();
        let (start, end) = (history.window, history.window_end());
        let order = Order { start, end, fields, failures: history.failures };
        history.job = Some(export_job::create(reader, order)?);
        return Ok(Step::new("created"));
    };
    let progress = match job.stage {
        Stage::Created => export_job::enqueue(reader, &job)?,
        Stage::Enqueued => export_job::fetch(reader, &mut job)?,
        Stage::Fetched => Progress::Fetched,
    };
    match progress {
        Progress::Fetched => return read(reader, history, job),
        Progress::Failed(reason) => return Ok(failed(reader, history, reason)),
        Progress::Empty => {
            history.window_done(0);
            return Ok(Step::new("nobody"));
        }
        Progress::Unstarted => job.stage = Stage::Created,
        Progress::Wait | Progress::Fetching => job.stage = Stage::Enqueued,
    }
    history.job = Some(job);
    Ok(match progress {
        Progress::Wait => Step::wait("waiting for Marketo", reader.poll_ms()),
        Progress::Fetching => Step::new("fetching the file"),
        _ => Step::new("starting"),
    })
}

/// Reads a page of the fetched file.
fn read(reader: &Reader, history: &mut History, mut job: Job) -> Result<Step> {
    let spool = reader.api.host.spool(FILE);
    let file = spool.stat()?;
    if !file.complete {
        // The spool went with an earlier run: fetch the file once more and go on at the same byte.
        job.stage = Stage::Enqueued;
        history.job = Some(job);
        return Ok(Step::new("fetching the file"));
    }
    job.stage = Stage::Fetched;
    let fields = reader.fields()?;
    let file = match ExportFile::open(spool, file.size, &fields)? {
        Opened::File(file) => file,
        Opened::Empty => return Ok(finish(history, job, None)),
        Opened::OtherFields => return Ok(failed(reader, history, "other fields were chosen meanwhile".into())),
        Opened::Foreign(fault) => {
            spool.remove()?;
            return Err(fault);
        }
    };
    let mut rows = Rows::new(&file.header);
    let next = file.read(job.offset, &reader.limits, &mut rows)?;
    let (page, records) = rows.into_page();
    job.records += records;
    let Some(offset) = next else { return Ok(finish(history, job, Some(page))) };
    job.offset = offset;
    history.job = Some(job);
    Ok(Step { rows: Some(page), ..Step::new("reading") })
}

/// The window's file was read to its end.
fn finish(history: &mut History, job: Job, rows: Option<PageBuilder>) -> Step {
    let warning = job.announced.filter(|announced| *announced != job.records).map(|announced| {
        let message = format!("Marketo announced {announced} records, its export {} had {}", job.id, job.records);
        Warning::new("marketo.export-count", message)
    });
    history.window_done(job.records);
    Step { rows, warning, ..Step::new("read") }
}

/// The export came to nothing: the next page creates another.
fn failed(reader: &Reader, history: &mut History, reason: String) -> Step {
    let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
    let warning = Warning::new("marketo.export-failed", format!("an export came to nothing: {reason}"));
    history.failures += 1;
    history.failure = Some(Failure { at: reader.api.now(), reason });
    Step { warning: Some(warning), ..Step::wait("to be created again", reader.poll_ms()) }
}

impl History {
    /// From the start date to the moment reading begins.
    pub(crate) fn new(start: i64, end: i64) -> Self {
        Self { start, end, window: start, job: None, failures: 0, failure: None, records: 0 }
    }

    /// Where the present window ends and the next begins: the second in between belongs to both, since Marketo does
    /// not say whether its ranges include their ends. A person read twice is still one person.
    fn window_end(&self) -> i64 {
        self.end.min(self.window + WINDOW_SECONDS)
    }

    fn window_number(&self) -> i64 {
        (self.window - self.start) / WINDOW_SECONDS + 1
    }

    fn windows(&self) -> i64 {
        (self.end - self.start + WINDOW_SECONDS - 1) / WINDOW_SECONDS
    }

    fn window_done(&mut self, records: u64) {
        self.window = self.window_end();
        self.records += records;
        (self.failures, self.failure) = (0, None);
    }

    /// After too many failures the run ends; an hour later a run may try again.
    fn rest_after_failures(&mut self, now: i64) -> Result<()> {
        if self.failures < FAILURES_MAX {
            return Ok(());
        }
        match &self.failure {
            Some(failure) if now < failure.at + REST_SECONDS => Err(Fault::data(
                "marketo.export-failed",
                format!(
                    "{} exports of the same month came to nothing, the last one because: {}",
                    self.failures, failure.reason
                ),
            )
            .action("Look at the exports in Marketo; a run that begins an hour after the last one tries again.")),
            _ => {
                (self.failures, self.failure) = (0, None);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;
