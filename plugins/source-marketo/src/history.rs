//! All there is, by bulk extract: Marketo has no other way to list persons and activities, and none that lists the
//! members of all programs.
//!
//! An export takes at most a month, or ten programs, so history is read in windows:
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
use crate::fields::Field;
use crate::reader::{self, Reader};
use crate::request;
use attiva_connector::{Cursor, Fault, Page, PageBuilder, Result, Warning};
use serde_json::Value;

/// Exports of one window that may come to nothing before the run fails, and how long the window then rests.
const FAILURES_MAX: u32 = 3;
const REST_SECONDS: i64 = 3600;
/// Where there are more windows than this, their number is not known.
const WINDOWS_SHOWN_MAX: i64 = 100_000;
/// Most characters of a failure's reason that are kept.
const REASON_CHARS_MAX: usize = 300;

/// The next page of the history of persons. After the last window it goes on with changes.
pub(crate) fn page(reader: &Reader, chains: Chains, mut history: History) -> Result<Page> {
    let fields = || reader.fields();
    let order = |start, end| {
        let fields = fields()?;
        let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
        Ok(Some(request::persons_order(&names, start, end)))
    };
    let done = advance(reader, &mut history, &fields, &order)?;
    let over = history.is_over();
    let next = if over { Phase::Changes(Work::default()) } else { Phase::History(history) };
    let page = done.page(reader::cursor(chains, next)?)?;
    Ok(if over && reader.config.end_date.is_some() { page.caught_up() } else { page })
}

/// What the next export is ordered with, for its window; nothing if there is nothing left to order.
pub(crate) type Ordering<'a> = &'a dyn Fn(i64, i64) -> Result<Option<Value>>;

/// The fields of the rows, asked for only where they are needed: while an export is waited for, none are.
pub(crate) type Fields<'a> = &'a dyn Fn() -> Result<Vec<Field>>;

/// Goes one step on in history, whose rows have these fields.
pub(crate) fn advance(reader: &Reader, history: &mut History, fields: Fields<'_>, order: Ordering<'_>) -> Result<Done> {
    let window = reader.extract.window();
    let (number, of) = (history.window_number(window), history.windows(window));
    let step = step(reader, history, fields, order)?;
    let of = if of > WINDOWS_SHOWN_MAX { String::new() } else { format!(" of {of}") };
    let phase = format!("export {number}{of}: {}", step.doing);
    let records = history.records + history.job.as_ref().map_or(0, |job| job.records);
    Ok(Done { step, phase, records })
}

/// One step, and how far it is.
pub(crate) struct Done {
    step: Step,
    phase: String,
    records: u64,
}

impl Done {
    /// The step's page, with where to go on.
    pub(crate) fn page(self, cursor: Cursor) -> Result<Page> {
        let mut page = match self.step.rows {
            Some(rows) => rows.finish(cursor)?,
            None => Page::moved(cursor),
        };
        page.wait_ms = self.step.wait_ms;
        page.warnings.extend(self.step.warning);
        Ok(page.estimate(self.phase, Some(self.records), None))
    }
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

fn step(reader: &Reader, history: &mut History, fields: Fields<'_>, order: Ordering<'_>) -> Result<Step> {
    let Some(mut job) = history.job.take() else {
        history.rest_after_failures(reader.api.now())?;
        let Some(body) = order(history.window, history.window_end(reader.extract.window()))? else {
            history.window = history.end;
            return Ok(Step::new("no more"));
        };
        let order = Order { body, failures: history.failures };
        history.job = Some(export_job::create(reader, order)?);
        return Ok(Step::new("created"));
    };
    let progress = match job.stage {
        Stage::Created => export_job::enqueue(reader, &job)?,
        Stage::Enqueued => export_job::fetch(reader, &mut job)?,
        Stage::Fetched => Progress::Fetched,
    };
    match progress {
        Progress::Fetched => return read(reader, history, job, fields),
        Progress::Failed(reason) => return Ok(failed(reader, history, reason)),
        Progress::Empty => {
            history.window_done(reader.extract.window(), 0);
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
fn read(reader: &Reader, history: &mut History, mut job: Job, fields: Fields<'_>) -> Result<Step> {
    let spool = reader.api.host.spool(FILE);
    let file = spool.stat()?;
    if !file.complete {
        // The spool went with an earlier run: fetch the file once more and go on at the same byte.
        job.stage = Stage::Enqueued;
        history.job = Some(job);
        return Ok(Step::new("fetching the file"));
    }
    job.stage = Stage::Fetched;
    let (window, fields) = (reader.extract.window(), fields()?);
    let file = match ExportFile::open(spool, file.size, reader.extract, &fields)? {
        Opened::File(file) => file,
        Opened::Empty => return Ok(finish(window, history, job, None)),
        Opened::OtherFields => return Ok(failed(reader, history, "other fields were chosen meanwhile".into())),
        Opened::Foreign(fault) => {
            spool.remove()?;
            return Err(fault);
        }
    };
    let mut rows = Rows::new(&file.header, &fields);
    let next = file.read(job.offset, &reader.limits, &mut rows)?;
    let (page, records) = rows.into_page();
    job.records += records;
    let Some(offset) = next else { return Ok(finish(window, history, job, Some(page))) };
    job.offset = offset;
    history.job = Some(job);
    Ok(Step { rows: Some(page), ..Step::new("reading") })
}

/// The window's file was read to its end.
fn finish(window: i64, history: &mut History, job: Job, rows: Option<PageBuilder>) -> Step {
    let warning = job.announced.filter(|announced| *announced != job.records).map(|announced| {
        let message = format!("Marketo announced {announced} records, its export {} had {}", job.id, job.records);
        Warning::new("marketo.export-count", message)
    });
    history.window_done(window, job.records);
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
    fn window_end(&self, window: i64) -> i64 {
        self.end.min(self.window.saturating_add(window))
    }

    pub(crate) fn is_over(&self) -> bool {
        self.window >= self.end
    }

    fn window_number(&self, window: i64) -> i64 {
        (self.window - self.start) / window + 1
    }

    fn windows(&self, window: i64) -> i64 {
        (self.end - self.start).saturating_add(window - 1) / window
    }

    fn window_done(&mut self, window: i64, records: u64) {
        self.window = self.window_end(window);
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
