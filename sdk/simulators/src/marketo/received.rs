//! What was received, for tests that ask how often a client called.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

/// How many of the latest calls are kept one by one.
const KEPT: usize = 10_000;

/// The calls received so far, control calls left out.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct Received {
    /// All calls.
    pub total: u64,
    /// By method and path, with ids written as `{id}`: `GET /rest/v1/lead/{id}.json`.
    pub by_path: BTreeMap<String, u64>,
    /// By error code answered, `606` for example.
    pub by_code: BTreeMap<String, u64>,
    /// Status calls for a bulk job that came before its status could have changed.
    pub polls_too_early: u64,
    /// The latest calls, oldest first.
    pub latest: VecDeque<ReceivedCall>,
}

/// One call.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ReceivedCall {
    /// As sent, before `_method`.
    pub method: String,
    /// As sent.
    pub path: String,
    /// As sent, save the client secret.
    pub query: String,
    /// HTTP status answered.
    pub status: u16,
    /// Error code of the envelope, if the call was refused.
    pub code: Option<String>,
}

impl Received {
    /// Calls of this method and path, ids written as `{id}`.
    #[must_use]
    pub fn count(&self, method: &str, path: &str) -> u64 {
        self.by_path.get(&format!("{method} {path}")).copied().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, mut call: ReceivedCall) {
        self.total += 1;
        *self.by_path.entry(format!("{} {}", call.method, without_ids(&call.path))).or_default() += 1;
        if let Some(code) = &call.code {
            *self.by_code.entry(code.clone()).or_default() += 1;
        }
        call.query = without_secret(&call.query);
        if self.latest.len() == KEPT {
            self.latest.pop_front();
        }
        self.latest.push_back(call);
    }
}

fn without_ids(path: &str) -> String {
    let is_id = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
            && text.bytes().any(|byte| byte.is_ascii_digit())
    };
    let segments: Vec<&str> = path
        .split('/')
        .map(|segment| match segment.strip_suffix(".json") {
            Some(name) if is_id(name) => "{id}.json",
            None if is_id(segment) => "{id}",
            _ => segment,
        })
        .collect();
    segments.join("/")
}

fn without_secret(query: &str) -> String {
    let pairs: Vec<String> = query
        .split('&')
        .map(|pair| if pair.starts_with("client_secret=") { "client_secret=…".to_owned() } else { pair.to_owned() })
        .collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_in_a_path_are_counted_together() {
        assert_eq!(without_ids("/rest/v1/lead/17.json"), "/rest/v1/lead/{id}.json");
        assert_eq!(without_ids("/bulk/v1/leads/export/0a1b-22/file.json"), "/bulk/v1/leads/export/{id}/file.json");
        assert_eq!(without_ids("/rest/v1/leads/describe2.json"), "/rest/v1/leads/describe2.json");
        assert_eq!(without_secret("a=1&client_secret=x&b=2"), "a=1&client_secret=…&b=2");
    }
}
