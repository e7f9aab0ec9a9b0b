//! What the kit hears of every call: what it cost, what it logged, what it was refused, how it failed.

use attiva_core::Fault;
use attiva_wasm::{CallObserver, CallReport};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Everything heard so far.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    scene: String,
    reports: Vec<(String, CallReport)>,
    phases: Vec<String>,
    /// Texts that left the connector otherwise: rows, cursors, notes.
    texts: Vec<(String, Vec<u8>)>,
    /// Faults that were told in an answer: of the tests of `check`.
    faults: Vec<Fault>,
}

impl Evidence {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn enter(&self, scene: &str) {
        self.kept().scene = scene.to_owned();
    }

    /// Every call, with the scene it was made in.
    pub(crate) fn reports(&self) -> Vec<(String, CallReport)> {
        self.kept().reports.clone()
    }

    pub(crate) fn phases(&self) -> Vec<String> {
        self.kept().phases.clone()
    }

    pub(crate) fn told(&self, fault: &Fault) {
        self.kept().faults.push(fault.clone());
    }

    pub(crate) fn faults(&self) -> Vec<Fault> {
        self.kept().faults.clone()
    }

    pub(crate) fn note(&self, what: &str, text: impl Into<Vec<u8>>) {
        self.kept().texts.push((what.to_owned(), text.into()));
    }

    pub(crate) fn texts(&self) -> Vec<(String, Vec<u8>)> {
        self.kept().texts.clone()
    }
}

impl CallObserver for Evidence {
    fn progress(&self, phase: &str, _done: Option<u64>, _total: Option<u64>) {
        self.kept().phases.push(phase.to_owned());
    }

    fn finished(&self, report: &CallReport) {
        let mut kept = self.kept();
        let scene = kept.scene.clone();
        kept.reports.push((scene, report.clone()));
    }
}
