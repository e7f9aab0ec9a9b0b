//! What is done is told: after every request of any test that changed something, the audit log has an entry of the key that
//! asked for it.

use crate::described::asked;
use crate::harness::{Answer, Api};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use ureq::http::Method;

/// What asks for the right to change something, and leaves no entry, with the reason.
const UNTOLD: &[(&str, &str)] = &[
    ("backups.create", "it has one when it is over, with what became of it: see the tests of backups"),
    ("connections.check", "asks the vendor, and changes nothing"),
    ("connections.discover", "asks the vendor, and changes nothing"),
    ("removals.preview", "changes nothing"),
    ("privacy.preview", "changes nothing"),
    ("records.send", "data, of which there may be thousands of requests a second; it stands in the sandbox"),
];

/// Whether an answer says that nothing changed, since all of it was there already.
fn changed_nothing(operation: &str, answer: &Answer) -> bool {
    let is_cancel = operation.rsplit('.').next().is_some_and(|name| name.starts_with("cancel"));
    // What is installed anew is a 201.
    answer.body["changed"] == 0
        || (operation == "plugins.install" && answer.status == 200)
        || (is_cancel && answer.body["done"] == true)
}

/// The log of one host, as far as it was read.
#[derive(Default)]
struct Log {
    /// Its first key, which may read all of it.
    key: String,
    upto: u64,
    /// Who did something, by the number of the entry.
    actors: Vec<(u64, String)>,
}

fn logs() -> MutexGuard<'static, HashMap<String, Log>> {
    static LOGS: OnceLock<Mutex<HashMap<String, Log>>> = OnceLock::new();
    LOGS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// A host whose log may be read with this key.
pub(crate) fn watch(url: &str, key: &str) {
    logs().insert(url.to_owned(), Log { key: key.to_owned(), ..Log::default() });
}

/// How far the log of a host was read before a request.
pub(crate) fn before(api: &Api) -> u64 {
    logs().get(&api.url).map_or(0, |log| log.upto)
}

/// Holds an answer against the log.
#[track_caller]
pub(crate) fn check(api: &Api, method: &Method, path: &str, before: u64, answer: &Answer) {
    let is_change = *method != Method::GET && *method != Method::HEAD && (200..300).contains(&answer.status);
    if !is_change || answer.header("idempotency-replayed") == "true" || path.contains("dry_run=true") {
        return;
    }
    let Some(operation) = asked(method, path) else { return };
    if !operation.scope().ends_with(":write") || UNTOLD.iter().any(|(id, _)| *id == operation.id()) {
        return;
    }
    if changed_nothing(operation.id(), answer) {
        return;
    }
    // `atv_<id>_<secret>`.
    let actor = api.key.trim_start_matches("atv_").split('_').next().unwrap_or_default();
    let mut logs = logs();
    let Some(log) = logs.get_mut(&api.url) else { return };
    if !log.read(&api.url) {
        return;
    }
    let told = log.actors.iter().any(|(number, by)| *number > before && by.contains(actor));
    assert!(told, "{} left no entry in the audit log: {answer:?}", operation.id());
}

impl Log {
    /// Reads on; whether that could be done: a host may be stopping, and its first key revoked.
    fn read(&mut self, url: &str) -> bool {
        loop {
            let cursor = URL_SAFE_NO_PAD.encode(format!("1:{}", self.upto));
            let place = format!("{url}/v1/audit?limit=500&cursor={cursor}");
            let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
            let asked = agent.get(&place).header("authorization", format!("Bearer {}", self.key)).call();
            let Ok(mut answer) = asked else { return false };
            let page: Value = serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
            let items = page["items"].as_array().unwrap();
            // Numbers are not told; they have no gaps but where old entries were forgotten, which no test here does.
            for item in items {
                self.upto += 1;
                self.actors.push((self.upto, item["actor"].as_str().unwrap().to_owned()));
            }
            if items.len() < 500 {
                return true;
            }
        }
    }
}
