//! Bulk imports of leads: files that wait, run two at a time, and end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::envelope::Refusal;

/// Files that may wait and run.
const QUEUED_AT_MOST: usize = 10;
const RUNNING_AT_MOST: usize = 2;

/// What a file shall do.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) lookup: &'static str,
    pub(crate) list: Option<u64>,
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

#[derive(Debug)]
struct Job {
    order: Order,
    starts: Instant,
    ends: Instant,
    /// The rows that were refused with the reason, once it has run.
    failed: Option<Vec<(Vec<String>, String)>>,
    /// Why the whole of it came to nothing.
    fault: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Imports {
    step: Duration,
    next: u64,
    jobs: BTreeMap<u64, Job>,
}

impl Imports {
    pub(crate) fn new(step: Duration) -> Self {
        Self { step, next: 1_021, jobs: BTreeMap::new() }
    }

    /// Takes a file in; it begins when one of the two places is free.
    pub(crate) fn add(&mut self, order: Order, now: Instant) -> Result<u64, Refusal> {
        let open: Vec<&Job> = self.jobs.values().filter(|job| job.ends > now).collect();
        if open.len() >= QUEUED_AT_MOST {
            return Err(Refusal::new("1016", "Too many imports queued"));
        }
        if order.list.is_some() && open.iter().any(|job| job.order.list == order.list) {
            return Err(Refusal::new("1019", "Import in progress for the list"));
        }
        let mut ends: Vec<Instant> = open.iter().map(|job| job.ends).collect();
        ends.sort_unstable();
        let free = ends.len().checked_sub(RUNNING_AT_MOST).and_then(|at| ends.get(at)).copied().unwrap_or(now);
        let starts = free.max(now) + self.step;
        let id = self.next;
        self.next += 1;
        self.jobs.insert(id, Job { order, starts, ends: starts + self.step, failed: None, fault: None });
        Ok(id)
    }

    /// Files whose time has come and that have had no effect yet.
    pub(crate) fn due(&self, now: Instant) -> Vec<(u64, Order)> {
        let due = self.jobs.iter().filter(|(_, job)| job.failed.is_none() && now >= job.ends);
        due.map(|(id, job)| (*id, job.order.clone())).collect()
    }

    pub(crate) fn end(&mut self, id: u64, failed: Vec<(Vec<String>, String)>) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.failed = Some(failed);
        }
    }

    /// Ends a file of which nothing was taken.
    pub(crate) fn fail(&mut self, id: u64, message: String) {
        if let Some(job) = self.jobs.get_mut(&id) {
            (job.failed, job.fault) = (Some(Vec::new()), Some(message));
        }
    }

    pub(crate) fn status(&self, id: u64, now: Instant) -> Option<Json> {
        let job = self.jobs.get(&id)?;
        let mut status = json!({"batchId": id, "importId": id.to_string()});
        let Some(failed) = &job.failed else {
            status["status"] = json!(if now < job.starts { "Queued" } else { "Importing" });
            return Some(status);
        };
        if let Some(message) = &job.fault {
            status["status"] = json!("Failed");
            status["message"] = json!(message);
            return Some(status);
        }
        status["status"] = json!("Complete");
        status["numOfLeadsProcessed"] = json!(job.order.rows.len() - failed.len());
        status["numOfRowsFailed"] = json!(failed.len());
        status["numOfRowsWithWarning"] = json!(0);
        let words = if failed.is_empty() { "succeeded" } else { "completed with errors" };
        status["message"] = json!(format!(
            "Import {words}, {} records imported, {} failed",
            job.order.rows.len() - failed.len(),
            failed.len()
        ));
        Some(status)
    }

    /// The rows that were refused, as they came, with a column more; `None` while it runs.
    pub(crate) fn failures(&self, id: u64) -> Option<String> {
        let job = self.jobs.get(&id)?;
        let failed = job.failed.as_ref()?;
        let header = job.order.header.iter().map(String::as_str).chain(["Import Failure Reason"]);
        let mut text = line(header);
        for (row, reason) in failed {
            text.push_str(&line(row.iter().map(String::as_str).chain([reason.as_str()])));
        }
        Some(text)
    }
}

fn line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let quoted = |cell: &str| {
        if cell.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.to_owned()
        }
    };
    cells.map(quoted).collect::<Vec<_>>().join(",") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(list: u64) -> Order {
        Order {
            lookup: "email",
            list: Some(list),
            header: vec!["email".into()],
            rows: vec![vec!["a@x.example".into()]],
        }
    }

    #[test]
    fn two_run_ten_wait_and_a_list_is_busy() {
        let (mut imports, now) = (Imports::new(Duration::from_secs(60)), Instant::now());
        let ids: Vec<u64> = (0..10).map(|list| imports.add(order(list), now).unwrap()).collect();
        assert_eq!(imports.add(order(11), now).unwrap_err().code, "1016");
        let later = now + Duration::from_secs(120);
        assert_eq!(imports.due(later).len(), 2, "two at a time");
        imports.end(ids[0], vec![(vec!["a@x.example".into()], "no, \"never\"".into())]);
        assert_eq!(imports.status(ids[0], later).map(|s| s["numOfRowsFailed"].clone()), Some(json!(1)));
        assert_eq!(
            imports.failures(ids[0]).as_deref(),
            Some("email,Import Failure Reason\na@x.example,\"no, \"\"never\"\"\"\n")
        );
        assert_eq!(imports.status(ids[2], later).map(|s| s["status"].clone()), Some(json!("Queued")));
        assert_eq!(imports.add(order(5), later).unwrap_err().code, "1019");
        assert!(imports.failures(ids[5]).is_none());
    }
}
