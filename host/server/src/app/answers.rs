//! Answers kept for repeated requests, for a day. An answer can hold a secret that is shown once, so all are sealed.

use super::keys::Caller;
use super::refusal::{Refusal, Result};
use attiva_core::ports::clock::Clock;
use attiva_core::ports::store::{ControlStore, KeptAnswer};
use attiva_core::{Fault, FaultKind, Millis};
use attiva_store::Sealer;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// How long a repeat finds its answer.
const KEPT: Millis = 24 * 60 * 60 * 1000;

/// What was answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Whether this was asked before.
pub enum Asked {
    Before(Answer),
    /// Do it, then keep the answer.
    Now(Place),
}

/// The answers of all callers.
#[derive(Clone)]
pub struct Answers {
    control: Arc<dyn ControlStore>,
    clock: Arc<dyn Clock>,
    sealer: Arc<Sealer>,
    in_progress: Arc<Mutex<HashSet<String>>>,
}

/// The right to answer under a key; nobody else has it until this is dropped.
pub struct Place {
    answers: Answers,
    key: String,
}

impl Answers {
    pub fn new(control: Arc<dyn ControlStore>, clock: Arc<dyn Clock>, sealer: Arc<Sealer>) -> Self {
        Self { control, clock, sealer, in_progress: Arc::default() }
    }

    /// Looks for the answer to an earlier request with this key.
    pub fn ask(&self, caller: &Caller, key: &str, fingerprint: &str) -> Result<Asked> {
        let key = format!("{}/{key}", caller.key);
        // The place first, the store second: an answer is kept before its place is given up.
        let Some(place) = self.take(key.clone()) else { return Err(in_progress()) };
        let Some(kept) = self.control.kept_answer(&key)? else { return Ok(Asked::Now(place)) };
        if kept.at < self.clock.now() - KEPT {
            return Ok(Asked::Now(place));
        }
        if kept.fingerprint != fingerprint {
            return Err(reused());
        }
        self.open(&key, &kept.body).map(Asked::Before)
    }

    fn open(&self, key: &str, sealed: &[u8]) -> Result<Answer> {
        let unreadable = || Refusal::internal("a kept answer cannot be read");
        let sealed = std::str::from_utf8(sealed).map_err(|_| unreadable())?;
        let plain = self.sealer.open(sealed, &associated(key))?;
        serde_json::from_slice(&plain).map_err(|_| unreadable())
    }

    fn take(&self, key: String) -> Option<Place> {
        let mut in_progress = self.in_progress.lock().unwrap_or_else(PoisonError::into_inner);
        in_progress.insert(key.clone()).then(|| Place { answers: self.clone(), key })
    }
}

impl Place {
    /// Keeps the answer; those older than a day are forgotten along with it.
    pub async fn keep(self, fingerprint: &str, answer: &Answer) -> Result<()> {
        let now = self.answers.clock.now();
        let plain = serde_json::to_vec(answer).map_err(|e| Refusal::internal(e.to_string()))?;
        let body = self.answers.sealer.seal(&plain, &associated(&self.key))?.into_bytes();
        let kept = KeptAnswer { fingerprint: fingerprint.to_owned(), status: answer.status, body, at: now };
        Ok(self.answers.control.keep_answer(&self.key, kept, now - KEPT).await?)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.answers.in_progress.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

fn associated(key: &str) -> String {
    format!("answer to {key}")
}

fn in_progress() -> Refusal {
    Fault::new(FaultKind::Config, "idempotency.in-progress", "a request with this Idempotency-Key is being worked on")
        .action("Repeat it when the first one is answered.")
        .into()
}

fn reused() -> Refusal {
    Fault::new(FaultKind::Config, "idempotency.reused", "this Idempotency-Key was used for something else")
        .action("Use a new key for a new request.")
        .into()
}
