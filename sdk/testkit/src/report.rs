//! What was found: 53 rows for each connector, for people and for programs.

mod junit;

use serde::Serialize;
use std::fmt::Write;

/// How one check ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Verdict {
    /// With what was measured, or left out.
    Passed {
        notes: Vec<String>,
    },
    Failed {
        problems: Vec<String>,
    },
    NotApplicable {
        reason: String,
    },
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    pub number: u8,
    pub name: &'static str,
    /// What holds if it passes.
    pub claim: &'static str,
    pub area: &'static str,
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// All rows of one connector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Of the kit: another version may have other checks.
    pub kit: &'static str,
    /// `name@version`; the reason of the refusal in its place where it was not admitted.
    pub connector: String,
    /// SHA-256 of the component.
    pub digest: String,
    pub passed: usize,
    pub failed: usize,
    pub not_applicable: usize,
    pub rows: Vec<Row>,
}

impl Report {
    pub(crate) fn new(connector: String, digest: String, rows: Vec<Row>) -> Self {
        let count = |is: fn(&Verdict) -> bool| rows.iter().filter(|row| is(&row.verdict)).count();
        Self {
            kit: env!("CARGO_PKG_VERSION"),
            connector,
            digest,
            passed: count(|v| matches!(v, Verdict::Passed { .. })),
            failed: count(|v| matches!(v, Verdict::Failed { .. })),
            not_applicable: count(|v| matches!(v, Verdict::NotApplicable { .. })),
            rows,
        }
    }

    /// Whether nothing failed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.failed == 0
    }

    /// Numbers of the checks that failed.
    #[must_use]
    pub fn failures(&self) -> Vec<u8> {
        let failed = |row: &&Row| matches!(row.verdict, Verdict::Failed { .. });
        self.rows.iter().filter(failed).map(|row| row.number).collect()
    }

    /// For people.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{}\n", self.connector);
        let mut area = "";
        for row in &self.rows {
            if row.area != area {
                area = row.area;
                let _ = writeln!(text, "\n{area}");
            }
            let (mark, lines): (_, &[String]) = match &row.verdict {
                Verdict::Passed { notes } => ("pass", notes),
                Verdict::Failed { problems } => ("FAIL", problems),
                Verdict::NotApplicable { reason } => ("n/a ", std::slice::from_ref(reason)),
            };
            let _ = writeln!(text, "  {mark} {:>2} {:<22} {}", row.number, row.name, row.claim);
            for line in lines {
                let _ = writeln!(text, "          {}", plain(line));
            }
        }
        let Self { passed, failed, not_applicable, .. } = self;
        let _ = writeln!(
            text,
            "\n{passed} passed, {failed} failed, {not_applicable} not applicable, of {}",
            self.rows.len()
        );
        text
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// For continuous integration.
    #[must_use]
    pub fn to_junit(&self) -> String {
        junit::junit(self)
    }
}

/// On a terminal: what a connector said may hold anything.
fn plain(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(600).collect()
}

/// Problems and notes while a check goes on.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    problems: Vec<String>,
    notes: Vec<String>,
    looked: usize,
}

/// Problems of one check that are told; there may be one for each record.
const PROBLEMS_MAX: usize = 12;

impl Findings {
    pub(crate) fn problem(&mut self, what: impl Into<String>) {
        self.problems.push(what.into());
    }

    pub(crate) fn note(&mut self, what: impl Into<String>) {
        self.notes.push(what.into());
    }

    /// Something was really looked at: a check that looked at nothing has not passed.
    pub(crate) fn looked(&mut self) {
        self.looked += 1;
    }

    /// Holds, or is a problem.
    pub(crate) fn hold(&mut self, holds: bool, or_else: impl FnOnce() -> String) {
        self.looked += 1;
        if !holds {
            self.problems.push(or_else());
        }
    }

    pub(crate) fn verdict(mut self, nothing: &str) -> Verdict {
        if !self.problems.is_empty() {
            let more = self.problems.len().saturating_sub(PROBLEMS_MAX);
            self.problems.truncate(PROBLEMS_MAX);
            if more > 0 {
                self.problems.push(format!("and {more} more"));
            }
            return Verdict::Failed { problems: self.problems };
        }
        if self.looked == 0 {
            return Verdict::NotApplicable { reason: nothing.to_owned() };
        }
        Verdict::Passed { notes: self.notes }
    }
}

pub(crate) fn not_applicable(reason: impl Into<String>) -> Verdict {
    Verdict::NotApplicable { reason: reason.into() }
}
