//! Requests with an idempotency key, kept for a day: before they are dealt with, what makes the ids of what they make;
//! then the answer. A kill between the two loses nothing: the repeat makes the same ids, finds what there is, and
//! answers that. An answer can hold a secret that is shown once, so all are sealed.

use super::keys::Caller;
use super::refusal::{Refusal, Result};
use super::stamp::Stamp;
use attiva_core::ports::clock::{Chance, Clock};
use attiva_core::ports::store::{ControlStore, KeptAnswer, KeptRequest};
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

/// Whether this was asked, and answered, before.
pub enum Asked {
    Before(Answer),
    /// Do it with the place's stamp, then keep the answer.
    Now(Place),
}

/// The answers of all callers.
#[derive(Clone)]
pub struct Answers {
    control: Arc<dyn ControlStore>,
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
    sealer: Arc<Sealer>,
    in_progress: Arc<Mutex<HashSet<String>>>,
}

/// The right to answer under a key; nobody else has it until this is dropped.
pub struct Place {
    request: KeptRequest,
    key: Claim,
}

/// A key that is being dealt with, until this is dropped.
struct Claim {
    answers: Answers,
    key: String,
}

impl Answers {
    pub fn new(
        control: Arc<dyn ControlStore>,
        clock: Arc<dyn Clock>,
        chance: Arc<dyn Chance>,
        sealer: Arc<Sealer>,
    ) -> Self {
        Self { control, clock, chance, sealer, in_progress: Arc::default() }
    }

    /// Looks for the answer to an earlier request with this key; keeps the request if there was none.
    ///
    /// # Errors
    /// `idempotency.in-progress`, and `idempotency.reused` for a key that came with something else.
    pub async fn ask(&self, caller: &Caller, key: &str, fingerprint: &str) -> Result<Asked> {
        // The claim first, the store second: an answer is kept before its claim is given up.
        let Some(key) = self.claim(format!("{}/{key}", caller.key)) else { return Err(in_progress()) };
        let now = self.clock.now();
        let kept = self.control.kept_request(&key.key)?.filter(|kept| kept.at >= now - KEPT);
        let Some(request) = kept else {
            let Stamp { at, chance } = Stamp::fresh(&*self.clock, &*self.chance);
            let request = KeptRequest { fingerprint: fingerprint.to_owned(), at, chance, answer: None };
            self.control.keep_request(&key.key, request.clone(), now - KEPT).await?;
            return Ok(Asked::Now(Place { request, key }));
        };
        if request.fingerprint != fingerprint {
            return Err(reused());
        }
        match &request.answer {
            Some(answer) => match self.open(&key.key, &answer.body) {
                // It was sealed with a key that is gone. What is done again finds what it made, by its ids.
                Err(refusal) if refusal.fault.code == "store.corrupt" => Ok(Asked::Now(Place { request, key })),
                opened => opened.map(Asked::Before),
            },
            None => Ok(Asked::Now(Place { request, key })),
        }
    }

    fn open(&self, key: &str, sealed: &[u8]) -> Result<Answer> {
        let unreadable = || Refusal::internal("a kept answer cannot be read");
        let sealed = std::str::from_utf8(sealed).map_err(|_| unreadable())?;
        let plain = self.sealer.open(sealed, &associated(key))?;
        serde_json::from_slice(&plain).map_err(|_| unreadable())
    }

    fn claim(&self, key: String) -> Option<Claim> {
        let mut in_progress = self.in_progress.lock().unwrap_or_else(PoisonError::into_inner);
        in_progress.insert(key.clone()).then(|| Claim { answers: self.clone(), key })
    }
}

impl Place {
    /// What the ids of the request's work are made of.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp { at: self.request.at, chance: self.request.chance }
    }

    /// Keeps the answer; requests older than a day are forgotten along with it.
    pub async fn keep(self, answer: &Answer) -> Result<()> {
        let Self { request, key: Claim { answers, key } } = &self;
        let plain = serde_json::to_vec(answer).map_err(|e| Refusal::internal(e.to_string()))?;
        let body = answers.sealer.seal(&plain, &associated(key))?.into_bytes();
        let kept = KeptRequest { answer: Some(KeptAnswer { status: answer.status, body }), ..request.clone() };
        Ok(answers.control.keep_request(key, kept, answers.clock.now() - KEPT).await?)
    }
}

impl Drop for Claim {
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
