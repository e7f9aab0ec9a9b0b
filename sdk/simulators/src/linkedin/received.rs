//! What was received, for tests that ask how often a client called and with what.

use std::collections::VecDeque;

use serde::Serialize;

/// How many of the latest calls are kept.
const KEPT: usize = 10_000;

/// The calls received so far, control calls left out.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct Received {
    /// All calls.
    pub total: u64,
    /// Members in calls that were taken, those refused inside a 200 included.
    pub elements: u64,
    /// The latest calls, oldest first.
    pub latest: VecDeque<ReceivedCall>,
}

/// One call.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ReceivedCall {
    /// As sent.
    pub method: String,
    /// Path and query, as sent.
    pub path: String,
    /// HTTP status answered.
    pub status: u16,
    /// `LinkedIn-Version`, as sent.
    pub version: Option<String>,
    /// `X-RestLi-Method`, as sent.
    pub restli_method: Option<String>,
}

impl Received {
    /// Calls of this method whose path begins so.
    #[must_use]
    pub fn count(&self, method: &str, path: &str) -> usize {
        self.latest.iter().filter(|call| call.method == method && call.path.starts_with(path)).count()
    }

    pub(crate) fn add(&mut self, call: ReceivedCall) {
        self.total += 1;
        if self.latest.len() == KEPT {
            self.latest.pop_front();
        }
        self.latest.push_back(call);
    }
}
