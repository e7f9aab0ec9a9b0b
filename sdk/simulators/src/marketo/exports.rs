//! Bulk extract jobs: what was ordered, and how far each job has come.
//!
//! ```text
//! Created --enqueue--> Queued --(one interval, then one of two places)--> Processing --(one interval)--> Completed | Failed
//!     any of these --cancel--> Cancelled
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value as Json, json};
use tokio::sync::Semaphore;

use super::clock::{self, Seconds};
use super::config::CancelSpelling;
use super::dice::mix;
use super::envelope::Refusal;
use super::export_file::{self, ExportFile};
use super::fault::{CsvQuirk, Fault};
use super::faults::Point;
use super::leads::Leads;
use super::schema::Field;
use super::service::Service;

/// Jobs that are processed at a time, and jobs that may be queued, those counted in.
const RUNNING: usize = 2;
const QUEUED: usize = 10;

/// What a job is to export.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) of: Of,
    pub(crate) header: Vec<String>,
    pub(crate) format: &'static str,
    pub(crate) delimiter: u8,
}

/// The three kinds of jobs share one queue and one quota.
#[derive(Debug, Clone)]
pub(crate) enum Of {
    Leads { fields: Vec<Field>, filter: Filter },
    Activities { fields: Vec<&'static str>, types: Vec<u32>, from: Seconds, to: Seconds },
    Members { fields: Vec<&'static str>, programs: Vec<u64> },
}

impl Of {
    /// Where jobs of this kind are, under `/bulk/v1/`.
    pub(crate) fn path(&self) -> &'static str {
        match self {
            Self::Leads { .. } => "leads",
            Self::Activities { .. } => "activities",
            Self::Members { .. } => "program/members",
        }
    }
}

/// Which leads a job exports: by time, both ends included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filter {
    pub(crate) by: FilterBy,
    pub(crate) from: Seconds,
    pub(crate) to: Seconds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FilterBy {
    CreatedAt,
    UpdatedAt,
}

impl Filter {
    pub(crate) fn ids(&self, leads: &Leads) -> Vec<u64> {
        match self.by {
            FilterBy::CreatedAt => leads.created_between(self.from, self.to),
            FilterBy::UpdatedAt => leads.changed_between(self.from, self.to),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Created,
    Queued,
    Processing,
    Completed,
    Failed,
    Cancelled,
}

impl Status {
    pub(crate) fn text(self, spelling: CancelSpelling) -> &'static str {
        match self {
            Self::Created => "Created",
            Self::Queued => "Queued",
            Self::Processing => "Processing",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Cancelled => spelling.text(),
        }
    }

    fn is_waiting(self) -> bool {
        matches!(self, Self::Queued | Self::Processing)
    }
}

#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) order: Order,
    pub(crate) status: Status,
    /// There once the job is completed, and only then.
    pub(crate) file: Option<Arc<ExportFile>>,
    checksum: Option<String>,
    error: Option<String>,
    created_at: Seconds,
    queued_at: Option<Seconds>,
    started_at: Option<Seconds>,
    finished_at: Option<Seconds>,
    finished_day: Option<i64>,
    polled: Option<Instant>,
}

impl Job {
    /// The job as the service tells of it.
    pub(crate) fn to_json(&self, spelling: CancelSpelling) -> Json {
        let mut job = Map::from_iter([
            ("exportId".to_owned(), json!(self.id)),
            ("format".to_owned(), json!(self.order.format)),
            ("status".to_owned(), json!(self.status.text(spelling))),
            ("createdAt".to_owned(), json!(clock::datetime(self.created_at))),
        ]);
        let times = [("queuedAt", self.queued_at), ("startedAt", self.started_at), ("finishedAt", self.finished_at)];
        job.extend(times.into_iter().filter_map(|(name, at)| Some((name.to_owned(), json!(clock::datetime(at?))))));
        if let Some(file) = &self.file {
            job.insert("numberOfRecords".to_owned(), json!(file.records));
            job.insert("fileSize".to_owned(), json!(file.length));
            let checksum = self.checksum.as_ref().unwrap_or(&file.checksum);
            job.insert("fileChecksum".to_owned(), json!(format!("sha256:{checksum}")));
        }
        if let Some(error) = &self.error {
            job.insert("errorMsg".to_owned(), json!(error));
        }
        Json::Object(job)
    }

    /// Notes a status call; true if the status cannot have changed since the last one.
    pub(crate) fn polled_too_early(&mut self, interval: std::time::Duration) -> bool {
        let now = Instant::now();
        let early = self.status.is_waiting() && self.polled.is_some_and(|last| now.duration_since(last) < interval);
        self.polled = Some(now);
        early
    }
}

#[derive(Debug)]
pub(crate) struct Exports {
    jobs: BTreeMap<u64, Job>,
    created: u64,
    places: Arc<Semaphore>,
    seed: u64,
}

impl Exports {
    pub(crate) fn new(seed: u64) -> Self {
        Self { jobs: BTreeMap::new(), created: 0, places: Arc::new(Semaphore::new(RUNNING)), seed: mix(seed ^ 0xb01c) }
    }

    pub(crate) fn create(&mut self, order: Order, now: Seconds) -> &Job {
        self.created += 1;
        let number = self.created;
        let (high, low) = (mix(self.seed ^ number), mix(self.seed.wrapping_add(number << 20)));
        let id = format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        );
        self.jobs.entry(number).or_insert(Job {
            id,
            order,
            status: Status::Created,
            file: None,
            checksum: None,
            error: None,
            created_at: now,
            queued_at: None,
            started_at: None,
            finished_at: None,
            finished_day: None,
            polled: None,
        })
    }

    /// Every job, in order of creation.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values()
    }

    pub(crate) fn job_mut(&mut self, id: &str) -> Option<&mut Job> {
        self.jobs.values_mut().find(|job| job.id == id)
    }

    /// The job of this kind: another kind's path knows nothing of it.
    pub(crate) fn job_at(&mut self, path: &str, id: &str) -> Option<&mut Job> {
        self.job_mut(id).filter(|job| job.order.of.path() == path)
    }

    /// Forgets jobs that have ended, and their files with them.
    pub(crate) fn forget_ended(&mut self) {
        self.jobs.retain(|_, job| job.status == Status::Created || job.status.is_waiting());
    }

    /// Bytes of the files that were finished on this day.
    pub(crate) fn bytes_on(&self, day: i64) -> u64 {
        self.jobs
            .values()
            .filter(|job| job.finished_day == Some(day))
            .filter_map(|job| job.file.as_ref())
            .map(|file| file.length)
            .sum()
    }

    /// Puts a created job into the queue.
    pub(crate) fn enqueue(&mut self, id: &str, now: Seconds) -> Result<&Job, Refusal> {
        let waiting = self.jobs.values().filter(|job| job.status.is_waiting()).count();
        let job = self.job_mut(id).ok_or_else(unknown)?;
        match job.status {
            Status::Created if waiting >= QUEUED => Err(Refusal::new("1029", "Too many jobs in queue")),
            Status::Created => {
                job.status = Status::Queued;
                job.queued_at = Some(now);
                Ok(job)
            }
            Status::Queued | Status::Processing => Err(Refusal::new("1029", "Job already queued")),
            Status::Completed | Status::Failed | Status::Cancelled => {
                Err(Refusal::invalid("Export job cannot be enqueued in its status"))
            }
        }
    }

    /// Cancels a job that has not ended.
    pub(crate) fn cancel(&mut self, id: &str, now: Seconds) -> Result<&Job, Refusal> {
        let job = self.job_mut(id).ok_or_else(unknown)?;
        match job.status {
            Status::Created | Status::Queued | Status::Processing => {
                job.status = Status::Cancelled;
                job.finished_at = Some(now);
                Ok(job)
            }
            Status::Completed | Status::Failed | Status::Cancelled => {
                Err(Refusal::invalid("Export job cannot be cancelled in its status"))
            }
        }
    }

    /// Moves a job from one status to the next; false if it is not in the first any more.
    fn step(&mut self, id: &str, from: Status, then: impl FnOnce(&mut Job)) -> bool {
        match self.job_mut(id) {
            Some(job) if job.status == from => {
                then(job);
                true
            }
            _ => false,
        }
    }
}

pub(crate) fn unknown() -> Refusal {
    Refusal::new("610", "Export job not found")
}

/// Carries an enqueued job to its end.
pub(crate) async fn run(service: Arc<Service>, id: String) {
    let interval = service.config.status_interval;
    let places = { Arc::clone(&service.exports().places) };
    tokio::time::sleep(interval).await;
    // Never closed, so a place always comes.
    let Ok(_place) = places.acquire_owned().await else { return };
    let now = service.clock.now();
    let mut order = None;
    let started = service.exports().step(&id, Status::Queued, |job| {
        job.status = Status::Processing;
        job.started_at = Some(now);
        order = Some(job.order.clone());
    });
    let (true, Some(order)) = (started, order) else { return };

    let path = format!("/bulk/v1/{}/export/{id}", order.of.path());
    let spoiled = service.fault(Point::RunExport, &path);
    let faults = service.faults().take_all(Point::MakeFile, &path);
    let quirks: Vec<(CsvQuirk, u64)> = faults
        .iter()
        .filter_map(|fault| match fault {
            Fault::Csv { quirk, row } => Some((quirk.clone(), *row)),
            _ => None,
        })
        .collect();
    let making = Arc::clone(&service);
    let made = tokio::task::spawn_blocking(move || export_file::make(&making, &order, &quirks));
    let (file, ()) = tokio::join!(made, tokio::time::sleep(interval));

    let now = service.clock.now();
    let day = service.clock.central_day();
    service.exports().step(&id, Status::Processing, |job| {
        job.finished_at = Some(now);
        match (spoiled, file) {
            (Some(Fault::ExportCancelled), _) => job.status = Status::Cancelled,
            (Some(Fault::ExportFails { message }), _) => {
                job.status = Status::Failed;
                job.error = Some(message);
            }
            (_, Ok(file)) => {
                job.status = Status::Completed;
                job.finished_day = Some(day);
                job.checksum = faults.contains(&Fault::WrongChecksum).then(|| "0".repeat(64));
                job.file = Some(Arc::new(file));
            }
            (_, Err(error)) => {
                job.status = Status::Failed;
                job.error = Some(format!("the file could not be made: {error}"));
            }
        }
    });
}
