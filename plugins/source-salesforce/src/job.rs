//! A query job at Salesforce: created (which starts it), waited for, ended, deleted. Each step can be repeated.

use crate::api::Api;
use crate::cursor::Job;
use crate::reader::Reader;
use crate::refusal::Refusal;
use crate::{request, response};
use attiva_connector::{Fault, Result};
use serde::{Deserialize, Serialize};

/// The note of a job that may not be committed yet.
const NOTE: &str = "job";

/// Where a job is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Salesforce works on it, and has so many records so far.
    Wait(u64),
    /// All its records are there.
    Complete(u64),
    /// It will never have results, and why.
    Failed(String),
}

/// Creates a job for a query, or finds the one a killed host has created for the very same.
pub(crate) fn create(reader: &Reader, query: &str, failures: u32) -> Result<Result<Job, Refusal>> {
    #[derive(Serialize, Deserialize)]
    struct Note {
        query: String,
        /// How many jobs were made for it before.
        failures: u32,
        id: String,
        version: String,
    }
    #[derive(Deserialize)]
    struct Created {
        id: String,
    }

    let note = reader.api.host.spool(NOTE);
    let size = note.stat()?.size;
    if size > 0
        && let Ok(noted) = serde_json::from_slice::<Note>(&note.read_exact(0, size)?)
        && (noted.query.as_str(), noted.failures) == (query, failures)
    {
        return Ok(Ok(Job::created(noted.id, &noted.version)));
    }
    let version = &reader.config.api_version;
    let response = match reader.api.attempt(&request::create_job(version, query))? {
        Ok(response) => response,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let Created { id } = response::read(&response)?;
    let noted = Note { query: query.to_owned(), failures, id: id.clone(), version: version.clone() };
    if let Ok(bytes) = serde_json::to_vec(&noted) {
        note.write(0, &bytes)?;
    }
    Ok(Ok(Job::created(id, version)))
}

/// Asks where a job is.
pub(crate) fn progress(reader: &Reader, job: &Job) -> Result<Progress> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Status {
        state: String,
        #[serde(default)]
        number_records_processed: u64,
        #[serde(default)]
        error_message: Option<String>,
    }

    let status: Status = match reader.api.attempt(&request::job(&job.version, &job.id))? {
        Ok(response) => response::read(&response)?,
        Err(refusal) if refusal.is_gone() => return Ok(gone()),
        Err(refusal) => return Err(refusal.fault()),
    };
    let records = status.number_records_processed;
    match status.state.as_str() {
        "UploadComplete" | "InProgress" => Ok(Progress::Wait(records)),
        "JobComplete" => Ok(Progress::Complete(records)),
        "Failed" => Ok(Progress::Failed(status.error_message.unwrap_or_else(|| "Salesforce gave no reason".into()))),
        "Aborted" => Ok(Progress::Failed("somebody aborted it".into())),
        other => Err(Fault::transient("salesforce.job-state", format!("a job has the unknown state {other}"))),
    }
}

pub(crate) fn gone() -> Progress {
    Progress::Failed("Salesforce no longer has it".into())
}

/// Ends a job that nobody will read, and deletes it. One that has ended, or is gone, is well.
pub(crate) fn give_up(api: &Api, version: &str, id: &str) -> Result<()> {
    // A job that has ended already cannot be aborted; it can be deleted.
    let _ended = api.attempt(&request::abort_job(version, id))?;
    delete(api, version, id)
}

/// Deletes a job that has ended. Best effort: what is refused is left to Salesforce, which drops it after seven days.
pub(crate) fn delete(api: &Api, version: &str, id: &str) -> Result<()> {
    let _refused = api.attempt(&request::delete_job(version, id))?;
    Ok(())
}
