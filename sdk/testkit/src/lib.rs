//! Proves a connector: 53 checks, run in the sandbox that will run it in production, against a vendor that is there, a
//! recording of one, or a function.
//!
//! Between connector and vendor stands the kit's own server on loopback ([`wire`]): it passes requests on or answers
//! them from a [`wire::recording::Recording`], makes faults of the answers, and sees everything. What the kit has to know
//! of a connector is its [`suite::Suite`]. [`prove`] runs the checks and answers a [`report::Report`].
//!
//! Reading order: `subject` (the connector and what stands around it), `run` (whole runs, as a host makes them), `checks`
//! (the table, and a file for each part of it).

mod checks;
mod evidence;
mod links;
pub mod report;
mod run;
mod subject;
pub mod suite;
mod surroundings;
pub mod wire;

pub use subject::{Documents, KitError, Options};
pub use surroundings::Time;
pub use wire::recording::Recording;

use crate::report::{Report, Row, Verdict};
use crate::subject::Subject;
use sha2::{Digest, Sha256};

/// What a proof came to.
#[derive(Debug)]
pub struct Proof {
    pub report: Report,
    /// What the vendor answered, where it was recorded.
    pub recording: Option<Recording>,
    /// Names and values that must not stand in a recording.
    pub secrets: Vec<(String, String)>,
    /// Requests that a recording had no answer for.
    pub unrecorded: Vec<String>,
}

/// Runs the checks, or those of these numbers, and tells of each row.
///
/// # Errors
/// [`KitError`]: nothing could be proved. A connector that is refused is a report.
pub async fn prove(options: Options, only: &[u8]) -> Result<Proof, KitError> {
    let digest = hex::encode(Sha256::digest(&options.component));
    let subject = match Subject::admit(options).await? {
        Ok(subject) => subject,
        Err(refused) => {
            let reason = refused.to_string();
            let rows = checks::TABLE.iter().map(|check| {
                let problems = vec![reason.clone()];
                let verdict = if check.number == 1 { Verdict::Failed { problems } } else { checks::refused() };
                row(check, verdict)
            });
            let report = Report::new(format!("refused: {reason}"), digest, rows.collect());
            return Ok(Proof { report, recording: None, secrets: Vec::new(), unrecorded: Vec::new() });
        }
    };
    let wanted = |check: &&checks::Check| only.is_empty() || only.contains(&check.number);
    let mut rows = Vec::new();
    for is_late in [false, true] {
        for check in checks::TABLE.iter().filter(wanted).filter(|check| check.is_late == is_late) {
            rows.push(row(check, (check.run)(&subject).await));
        }
    }
    rows.sort_by_key(|row| row.number);
    let spec = subject.spec();
    let report = Report::new(format!("{}@{}", spec.name, spec.version), digest, rows);
    let recording = subject.stand.recorded();
    let unrecorded = subject.stand.unrecorded();
    Ok(Proof { report, recording, secrets: subject.secrets.clone(), unrecorded })
}

fn row(check: &checks::Check, verdict: Verdict) -> Row {
    Row { number: check.number, name: check.name, claim: check.claim, area: check.area, verdict }
}
