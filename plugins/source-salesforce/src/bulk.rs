//! A window by a bulk job.
//!
//! ```text
//! create (it runs) -> await -> fetch a file and read it, page by page -> the next file … -> delete the job
//!   ^                   |          |
//!   +-------------------+----------+  failed, aborted, gone: another job, three times
//! ```
//!
//! A file holds up to 50,000 records and is one call of the day's budget. It goes to a spool, is read from a byte to a
//! byte, and is removed by the call after the page that no longer needs it.

use crate::cursor::{Failure, Job, Phase, Place, State, Way, Window};
use crate::fields;
use crate::job::{self, Progress};
use crate::reader::Reader;
use crate::results::{Opened, Results};
use crate::rows::Rows;
use crate::{request, soql, window};
use attiva_connector::{Fault, Page, PageBuilder, Result, SpoolStatus, Warning};

/// Jobs of one window that may come to nothing before the run fails, and how long the window then rests.
const FAILURES_MAX: u32 = 3;
const REST_SECONDS: i64 = 3_600;
/// The wait between two looks at a job doubles up to this.
const WAIT_MS_MIN: u64 = 500;
const WAIT_MS_MAX: u64 = 300_000;
/// Most characters of a failure's reason that are kept.
const REASON_CHARS_MAX: usize = 300;

/// What one call did.
struct Step {
    /// For people.
    doing: &'static str,
    next: Phase,
    rows: Option<PageBuilder>,
    wait_ms: Option<u64>,
    warnings: Vec<Warning>,
}

impl Step {
    fn new(doing: &'static str, next: Phase) -> Self {
        Self { doing, next, rows: None, wait_ms: None, warnings: Vec::new() }
    }

    fn warn(mut self, warning: Option<Warning>) -> Self {
        self.warnings.extend(warning);
        self
    }
}

/// The next step of a window.
pub(crate) fn page(reader: &Reader, mut state: State, window: Window) -> Result<Page> {
    let (to, before) = (window.to, window.records);
    let job = match &window.way {
        Way::Bulk(job) => job.clone(),
        Way::Rest(_) => return window::open(reader, State { phase: Phase::Idle, ..state }),
    };
    let total = window.total.or(job.as_ref().and_then(|job| job.announced));
    let step = match job {
        None => {
            let step = create(reader, window)?;
            // A field may have gone since the window was opened: should it come back, these records do not have it.
            if let Some(object) = reader.described()? {
                state.columns = Some(fields::digest(&object.selected(reader.config, reader.wanted)));
            }
            step
        }
        Some(job) if !job.complete => wait(reader, window, job)?,
        Some(job) => read(reader, window, job)?,
    };
    let read_to = if matches!(step.next, Phase::Tidy { .. }) { Some(to) } else { state.read_to };
    let done = match &step.next {
        Phase::Window(Window { way: Way::Bulk(Some(job)), .. }) => before + job.records + job.file_records,
        Phase::Window(window) => window.records,
        _ => total.unwrap_or(before),
    };
    let cursor = reader.cursor(State { read_to, ..state }, step.next)?;
    let mut page = match step.rows {
        Some(rows) => rows.finish(cursor)?,
        None => Page::moved(cursor),
    };
    page.wait_ms = step.wait_ms;
    page.warnings.extend(step.warnings);
    Ok(page.estimate(step.doing, Some(done), total))
}

/// Deletes a job that was read; then the stream has caught up.
pub(crate) fn tidy(reader: &Reader, state: State, job: &str) -> Result<Page> {
    job::delete(&reader.api, &reader.config.api_version, job)?;
    Ok(Page::moved(reader.cursor(state, Phase::Idle)?).caught_up().estimate("caught up", None, None))
}

fn create(reader: &Reader, mut window: Window) -> Result<Step> {
    rest_after_failures(&mut window, reader.api.now())?;
    let mut warning = None;
    loop {
        let Some(object) = reader.described()? else {
            // Gone in the middle of reading: the next call finds it so, and says it.
            return Ok(Step::new("looking for the object", Phase::Idle));
        };
        let fields = object.selected(reader.config, reader.wanted);
        let query = soql::window(&object, &fields, window.from, window.to);
        match job::create(reader, &query, window.failures)? {
            Ok(job) => {
                window.way = Way::Bulk(Some(job));
                return Ok(Step { wait_ms: Some(WAIT_MS_MIN), ..Step::new("created a job", Phase::Window(window)) }
                    .warn(warning));
            }
            Err(refusal) if refusal.is_not_for_bulk() => {
                window.way = Way::Rest(Place { only_rest: true, ..Place::default() });
                return Ok(
                    Step::new("the object takes no jobs: reading page by page", Phase::Window(window)).warn(warning)
                );
            }
            Err(refusal) if refusal.is_unknown_field() && warning.is_none() => {
                warning = Some(window::field_gone(reader, &refusal)?);
            }
            Err(refusal) => return Err(refusal.fault()),
        }
    }
}

fn wait(reader: &Reader, mut window: Window, mut job: Job) -> Result<Step> {
    match job::progress(reader, &job)? {
        Progress::Failed(reason) => Ok(failed(reader, window, reason)),
        Progress::Wait(records) => {
            let doubled = WAIT_MS_MIN.saturating_mul(1 << job.polls.min(20));
            job.polls += 1;
            job.announced = Some(records).filter(|records| *records > 0);
            window.way = Way::Bulk(Some(job));
            Ok(Step {
                wait_ms: Some(doubled.min(WAIT_MS_MAX)),
                ..Step::new("waiting for Salesforce", Phase::Window(window))
            })
        }
        Progress::Complete(0) => Ok(Step::new("nothing", Phase::Tidy { job: job.id })),
        Progress::Complete(records) => {
            job.complete = true;
            job.announced = Some(records);
            window.total = Some(records);
            window.way = Way::Bulk(Some(job));
            Ok(Step::new("fetching results", Phase::Window(window)))
        }
    }
}

/// Fetches the present file, or reads a page of it.
fn read(reader: &Reader, mut window: Window, mut job: Job) -> Result<Step> {
    let name = spool_name(job.file);
    let spool = reader.api.host.spool(&name);
    let mut file = spool.stat()?;
    if !file.complete {
        if job.file > 0 {
            reader.api.host.spool(&spool_name(job.file - 1)).remove()?;
        }
        file = match reader.api.fetch(&name, &request::results(&job.version, &job.id, job.locator.as_deref()))? {
            Ok(file) => file,
            Err(refusal) if refusal.is_gone() => {
                return Ok(failed(reader, window, "Salesforce no longer has its results".into()));
            }
            Err(refusal) => return Err(refusal.fault()),
        };
        // The file is read by the next call, from wherever this or an earlier run had come to.
        let doing = if file.complete { "fetched a file" } else { "fetching results" };
        window.way = Way::Bulk(Some(job));
        return Ok(Step::new(doing, Phase::Window(window)));
    }
    let Some(object) = reader.described()? else {
        return Ok(failed(reader, window, "the object is gone, or the user may no longer see it".into()));
    };
    let fields = object.selected(reader.config, reader.wanted);
    let results = match Results::open(spool, file.size, &fields)? {
        Opened::File(results) => results,
        Opened::Empty => return finish_file(reader, window, job, &file, None),
        Opened::OtherFields => return Ok(failed(reader, window, "other fields were chosen meanwhile".into())),
    };
    let mut rows = Rows::new(&object, &fields);
    let next = results.read(job.offset, &reader.limits, &mut rows)?;
    let (page, records) = rows.into_page();
    job.file_records += records;
    let Some(offset) = next else { return finish_file(reader, window, job, &file, Some(page)) };
    job.offset = offset;
    window.way = Way::Bulk(Some(job));
    Ok(Step { rows: Some(page), ..Step::new("reading", Phase::Window(window)) })
}

/// A file was read to its end: its count must be what the vendor said, and its locator names the next.
fn finish_file(
    reader: &Reader,
    mut window: Window,
    mut job: Job,
    file: &SpoolStatus,
    rows: Option<PageBuilder>,
) -> Result<Step> {
    let announced = header(file, "sforce-numberofrecords").and_then(|n| n.trim().parse::<u64>().ok());
    if announced.is_some_and(|announced| announced != job.file_records) {
        reader.api.host.spool(&spool_name(job.file)).remove()?;
        let message = format!(
            "a file of results has {} records where Salesforce announced {}",
            job.file_records,
            announced.unwrap_or(0)
        );
        // The repeat fetches it anew, and goes on at the same byte with the same count.
        return Err(Fault::transient("salesforce.results-short", message)
            .action("If it stays so, read the stream from the start: attiva run backfill --reset."));
    }
    job.records += job.file_records;
    // The last page says the word null, or nothing.
    let locator = header(file, "sforce-locator").filter(|locator| !locator.is_empty() && *locator != "null");
    let Some(locator) = locator else {
        let warning = job.announced.filter(|announced| *announced != job.records).map(|announced| {
            Warning::new(
                "salesforce.job-count",
                format!("Salesforce counted {announced} records, its job {} had {}", job.id, job.records),
            )
        });
        let step = Step { rows, ..Step::new("read", Phase::Tidy { job: job.id }) };
        return Ok(step.warn(warning));
    };
    job.locator = Some(locator.to_owned());
    (job.file, job.offset, job.file_records) = (job.file + 1, 0, 0);
    window.way = Way::Bulk(Some(job));
    Ok(Step { rows, ..Step::new("fetching results", Phase::Window(window)) })
}

/// The job came to nothing: the next page creates another.
fn failed(reader: &Reader, mut window: Window, reason: String) -> Step {
    let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
    let warning = Warning::new("salesforce.job-failed", format!("a job came to nothing: {reason}"));
    window.failures += 1;
    window.failure = Some(Failure { at: reader.api.now(), reason });
    window.way = Way::Bulk(None);
    Step { wait_ms: Some(WAIT_MS_MIN), ..Step::new("to be created again", Phase::Window(window)) }.warn(Some(warning))
}

/// After too many failures the run ends; an hour later a run may try again.
fn rest_after_failures(window: &mut Window, now: i64) -> Result<()> {
    if window.failures < FAILURES_MAX {
        return Ok(());
    }
    match &window.failure {
        Some(failure) if now < failure.at + REST_SECONDS => Err(Fault::data(
            "salesforce.job-failed",
            format!("{} jobs of the same window came to nothing, the last one because: {}", window.failures, failure.reason),
        )
        .action("Look at the jobs in Salesforce, under Setup > Bulk Data Load Jobs; a run that begins an hour after the last one tries again.")),
        _ => {
            (window.failures, window.failure) = (0, None);
            Ok(())
        }
    }
}

fn spool_name(file: u32) -> String {
    format!("results-{file}")
}

fn header<'f>(file: &'f SpoolStatus, name: &str) -> Option<&'f str> {
    file.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests;
