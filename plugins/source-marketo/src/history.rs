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

use crate::cursor::{Beside, Chains, Failure, History, Job, Phase, Stage, State, Work};
use crate::export_file::{ExportFile, Opened};
use crate::export_job::{self, FILE, Order, Progress};
use crate::export_row::Rows;
use crate::extract::Extract;
use crate::fields::Field;
use crate::reader::{self, Reader};
use crate::request;
use attiva_connector::{Cursor, Fault, FaultKind, Page, PageBuilder, Result, Warning};
use serde_json::Value;

/// Exports of one window that may come to nothing before the run fails, and how long the window then rests.
const FAILURES_MAX: u32 = 3;
const REST_SECONDS: i64 = 3600;
/// Where there are more windows than this, their number is not known.
const WINDOWS_SHOWN_MAX: i64 = 100_000;
/// After Marketo says that the bytes of a day are spent, and by its midnight, when it is asked again: somebody else may have spent
/// them, or its clock be another.
const SPENT_SECONDS: i64 = 3600;
const MIDNIGHT_SECONDS: i64 = 120;
/// Most characters of a failure's reason that are kept.
const REASON_CHARS_MAX: usize = 300;

/// The next page of the history of persons. After the last window it goes on with changes.
pub(crate) fn page(reader: &Reader, chains: Chains, mut history: History, beside: Beside) -> Result<Page> {
    let fields = || reader.fields();
    let order = |start, end| {
        let fields = fields()?;
        let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
        Ok(Some(request::persons_order(&names, start, end)))
    };
    let done = advance(reader, &mut history, &fields, &order)?;
    let over = history.is_over();
    let next = if over { Phase::Changes(Work::default()) } else { Phase::History(history) };
    let mut page = done.page(reader::encode(&State { chains, phase: next, beside, meanwhile: None })?)?;
    beside.bound(reader, &mut page, reader.api.now());
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
    history.begin_pace(reader.api.now());
    let step = step(reader, history, fields, order)?;
    let of = if of > WINDOWS_SHOWN_MAX { String::new() } else { format!(" of {of}") };
    let phase = format!("export {number}{of}: {}; {}", step.doing, history.said(reader));
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
    pub(crate) fn new(step: Step, phase: String, records: u64) -> Self {
        Self { step, phase, records }
    }

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
pub(crate) struct Step {
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

    /// A page of rows.
    pub(crate) fn of(rows: PageBuilder, warning: Option<Warning>) -> Self {
        Self { rows: Some(rows), warning, ..Self::new("reading") }
    }

    fn wait(doing: &'static str, ms: u64) -> Self {
        Self { wait_ms: Some(ms), ..Self::new(doing) }
    }
}

/// The bytes of exports that a day has, for all who use the instance.
fn is_spent(fault: &Fault) -> bool {
    fault.kind == FaultKind::Quota && fault.code == "marketo.1029"
}

fn step(reader: &Reader, history: &mut History, fields: Fields<'_>, order: Ordering<'_>) -> Result<Step> {
    let now = reader.api.now();
    if history.rests(now) {
        return Ok(history.rest(reader, now));
    }
    let Some(mut job) = history.job.take() else {
        history.rest_after_failures(reader.api.now())?;
        let Some(body) = order(history.window, history.window_end(reader.extract.window()))? else {
            history.window = history.end;
            return Ok(Step::new("no more"));
        };
        let order = Order { body, failures: history.failures };
        return match export_job::create(reader, order) {
            Ok(job) => {
                history.job = Some(job);
                Ok(Step::new("created"))
            }
            Err(fault) if is_spent(&fault) => Ok(history.spent(reader, &fault, now)),
            Err(fault) => Err(fault),
        };
    };
    let progress = match job.stage {
        Stage::Created => match export_job::enqueue(reader, &job) {
            Err(fault) if is_spent(&fault) => {
                history.job = Some(job);
                return Ok(history.spent(reader, &fault, now));
            }
            progress => progress?,
        },
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
    let (window, fields, size) = (reader.extract.window(), fields()?, file.size);
    let file = match ExportFile::open(spool, size, reader.extract, &fields)? {
        Opened::File(file) => file,
        Opened::Empty => return Ok(finish(window, history, job, None, 0)),
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
    let Some(offset) = next else { return Ok(finish(window, history, job, Some(page), size)) };
    job.offset = offset;
    history.job = Some(job);
    Ok(Step { rows: Some(page), ..Step::new("reading") })
}

/// The window's file was read to its end.
fn finish(window: i64, history: &mut History, job: Job, rows: Option<PageBuilder>, bytes: u64) -> Step {
    let warning = job.announced.filter(|announced| *announced != job.records).map(|announced| {
        let message = format!("Marketo announced {announced} records, its export {} had {}", job.id, job.records);
        Warning::new("marketo.export-count", message)
    });
    if job.records > 0 {
        history.note_file(bytes);
    }
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
        Self {
            start,
            end,
            window: start,
            job: None,
            failures: 0,
            failure: None,
            records: 0,
            rests_until: None,
            slice: None,
            pace: None,
        }
    }

    /// Where the present window ends and the next begins: the second in between belongs to both, since Marketo does
    /// not say whether its ranges include their ends. A person read twice is still one person.
    pub(crate) fn window_end(&self, window: i64) -> i64 {
        self.end.min(self.window.saturating_add(window))
    }

    /// Whether no export may be ordered or started for now; one that is started goes on.
    pub(crate) fn rests(&self, now: i64) -> bool {
        let is_started = self.job.as_ref().is_some_and(|job| job.stage != Stage::Created);
        !is_started && self.rests_until.is_some_and(|until| now < until)
    }

    fn rest(&self, reader: &Reader, now: i64) -> Step {
        let left = self.rests_until.unwrap_or(now).saturating_sub(now);
        let left_ms = u64::try_from(left).unwrap_or(0).saturating_mul(1000);
        Step::wait(
            "the exports of today are spent, by whoever uses the instance",
            left_ms.clamp(1_000, reader.poll_ms().max(1_000)),
        )
    }

    /// Marketo says that the bytes of a day are spent.
    fn spent(&mut self, reader: &Reader, fault: &Fault, now: i64) -> Step {
        let midnight = i64::try_from(fault.retry_after_ms.unwrap_or(0) / 1000).unwrap_or(0) + MIDNIGHT_SECONDS;
        let seconds = midnight.min(SPENT_SECONDS);
        self.rests_until = Some(now + seconds);
        if let Some(pace) = &mut self.pace {
            pace.rested += seconds;
        }
        self.rest(reader, now)
    }

    /// When it ends, for people.
    pub(crate) fn said(&self, reader: &Reader) -> String {
        let (now, window) = (reader.api.now(), reader.extract.window());
        self.outlook(window, reader.extract != Extract::Members, now).said(now)
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
