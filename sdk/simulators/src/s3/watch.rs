//! What clients asked of the S3 endpoint, and answers that never reach them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Sees an endpoint's requests from the moment it was asked for, and can lose an answer: what a client meets whose network breaks, or
/// that is killed, after its request took effect. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Watch(Arc<Mutex<Watched>>);

#[derive(Debug, Default)]
struct Watched {
    is_on: bool,
    requests: Vec<String>,
    to_lose: Option<(String, String)>,
    has_lost: bool,
}

impl Watch {
    /// Requests in the order in which they took effect: `PUT /bucket/key?partNumber=1&uploadId=…`.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.watched().requests.clone()
    }

    /// Forgets the requests seen so far.
    pub fn clear(&self) {
        self.watched().requests.clear();
    }

    /// Loses the next answer to a request with this method whose path and query hold `part`. The request takes effect; its client waits
    /// until it gives up or is gone.
    pub fn lose_answer(&self, method: &str, part: &str) {
        let mut watched = self.watched();
        watched.to_lose = Some((method.to_owned(), part.to_owned()));
        watched.has_lost = false;
    }

    /// Whether the answer that was to be lost is lost.
    #[must_use]
    pub fn has_lost(&self) -> bool {
        self.watched().has_lost
    }

    pub(super) fn begin(&self) {
        self.watched().is_on = true;
    }

    /// Notes a request that took effect; true if its answer is to be lost.
    pub(super) fn note(&self, method: &str, target: &str) -> bool {
        let mut watched = self.watched();
        if !watched.is_on {
            return false;
        }
        watched.requests.push(format!("{method} {target}"));
        let is_meant =
            watched.to_lose.take_if(|(wanted, part)| wanted == method && target.contains(part.as_str())).is_some();
        watched.has_lost |= is_meant;
        is_meant
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
