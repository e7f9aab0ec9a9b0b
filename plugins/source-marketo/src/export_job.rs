//! An export at Marketo: created, started, waited for, fetched. Each step is one page, and each can be repeated.

use crate::cursor::Job;
use crate::extract::Extract;
use crate::reader::Reader;
use crate::request;
use attiva_connector::{Fault, FaultKind, Result};
use marketo_api::Api;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The run's spools: the export's file, and the note of a job that may not be committed yet.
pub(crate) const FILE: &str = "export";
const NOTE: &str = "export-job";

/// How often a completed export's file may be missing, and come damaged.
const MISSING_MAX: u32 = 10;
const DAMAGED_MAX: u32 = 3;

/// What is ordered.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The body of the request.
    pub(crate) body: Value,
    /// How many times it was ordered before.
    pub(crate) failures: u32,
}

/// Where a started export is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Marketo works on it, or has put its file not yet in place.
    Wait,
    /// It was never started.
    Unstarted,
    /// A part of the file was fetched.
    Fetching,
    Fetched,
    /// There is nothing in it.
    Empty,
    /// It will never be a file, and why.
    Failed(String),
}

/// Creates an export, or finds the one a killed host has created for the same order.
pub(crate) fn create(reader: &Reader, order: Order) -> Result<Job> {
    #[derive(Serialize, Deserialize)]
    struct Note {
        order: Order,
        id: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Created {
        export_id: String,
    }

    let note = reader.api.host.spool(NOTE);
    let size = note.stat()?.size;
    if size > 0
        && let Ok(noted) = serde_json::from_slice::<Note>(&note.read_exact(0, size)?)
        && noted.order == order
    {
        return Ok(Job::created(noted.id));
    }
    // Whatever is there belongs to another export, also if it is an empty file.
    reader.api.host.spool(FILE).remove()?;
    let response = reader.api.send(&request::create_export(reader.extract, &order.body))?;
    let id = marketo_api::read_one::<Created>(&response)?.export_id;
    if let Ok(bytes) = serde_json::to_vec(&Note { order, id: id.clone() }) {
        note.write(0, &bytes)?;
    }
    Ok(Job::created(id))
}

/// Starts a created export. A repeat is no failure: what was started before may have gone on or ended meanwhile, so
/// where the start is refused, the status decides.
pub(crate) fn enqueue(reader: &Reader, job: &Job) -> Result<Progress> {
    let refusal = match reader.api.attempt(&request::enqueue_export(reader.extract, &job.id))? {
        Ok(_) => return Ok(Progress::Wait),
        Err(refusal) if refusal.is_already_queued() => return Ok(Progress::Wait),
        Err(refusal) => refusal,
    };
    let fault = refusal.fault(reader.api.host.now_ms());
    if fault.kind != FaultKind::Data {
        return Err(fault);
    }
    match status(reader, job)? {
        None => Ok(gone()),
        Some(status) if status.is("created") => Err(fault),
        Some(_) => Ok(Progress::Wait),
    }
}

/// Ends an export that nobody will fetch. One that has ended, or is gone, is well.
pub(crate) fn cancel(api: &Api, of: Extract, job: &Job) -> Result<()> {
    let refusal = match api.attempt(&request::cancel_export(of, &job.id))? {
        Ok(_) => return Ok(()),
        Err(refusal) => refusal,
    };
    let fault = refusal.fault(api.host.now_ms());
    if fault.kind == FaultKind::Data { Ok(()) } else { Err(fault) }
}

/// Asks for a started export's status, and fetches its file once there is one.
pub(crate) fn fetch(reader: &Reader, job: &mut Job) -> Result<Progress> {
    let Some(status) = status(reader, job)? else { return Ok(gone()) };
    job.announced = status.number_of_records;
    match status.status.to_ascii_lowercase().as_str() {
        "created" => Ok(Progress::Unstarted),
        "queued" | "processing" => Ok(Progress::Wait),
        "completed" if status.number_of_records == Some(0) => Ok(Progress::Empty),
        "completed" => fetch_file(reader, job, status.file_checksum.as_deref()),
        "failed" => Ok(Progress::Failed(status.error_msg.unwrap_or_else(|| "Marketo gave no reason".into()))),
        // The documents have one l, the service has two.
        "canceled" | "cancelled" => Ok(Progress::Failed("somebody cancelled it".into())),
        other => Err(Fault::transient("marketo.export-status", format!("an export has the unknown status {other}"))),
    }
}

/// The export's status; nothing if Marketo no longer has it.
fn status(reader: &Reader, job: &Job) -> Result<Option<Status>> {
    match reader.api.attempt(&request::export_status(reader.extract, &job.id))? {
        Ok(response) => marketo_api::read_one(&response).map(Some),
        Err(refusal) if refusal.is_unknown_resource() => Ok(None),
        Err(refusal) => Err(refusal.fault(reader.api.host.now_ms())),
    }
}

fn gone() -> Progress {
    Progress::Failed("Marketo no longer knows it".into())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    status: String,
    number_of_records: Option<u64>,
    file_checksum: Option<String>,
    error_msg: Option<String>,
}

impl Status {
    fn is(&self, status: &str) -> bool {
        self.status.eq_ignore_ascii_case(status)
    }
}

fn fetch_file(reader: &Reader, job: &mut Job, checksum: Option<&str>) -> Result<Progress> {
    let sha256 = checksum.and_then(|c| c.strip_prefix("sha256:")).map(str::to_ascii_lowercase);
    match reader.api.fetch(FILE, &request::export_file(reader.extract, &job.id), sha256.as_deref()) {
        Ok(Some(file)) if file.complete => Ok(Progress::Fetched),
        Ok(Some(_)) => Ok(Progress::Fetching),
        // Completed, but the file is not yet in its place, or no longer.
        Ok(None) if job.missing < MISSING_MAX => {
            job.missing += 1;
            Ok(Progress::Wait)
        }
        Ok(None) => Ok(Progress::Failed("it is completed, but has no file".into())),
        Err(fault) if fault.code == "spool.checksum" && job.damaged + 1 < DAMAGED_MAX => {
            job.damaged += 1;
            Ok(Progress::Fetching)
        }
        Err(fault) if fault.code == "spool.checksum" => {
            Ok(Progress::Failed(format!("its file had another checksum than announced, {DAMAGED_MAX} times")))
        }
        Err(fault) => Err(fault),
    }
}
