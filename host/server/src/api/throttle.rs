//! How often each key may ask (`limits.key_requests` in `limits.key_window_seconds`), and the `RateLimit` headers that tell
//! it: draft-ietf-httpapi-ratelimit-headers, in the form of its versions from 08 on.
//!
//! What is kept is a number for each key that asked lately. Keys are known before they are counted, so that nobody makes up
//! entries; those whose quota is whole again are let go.

use crate::app::refusal::Refusal;
use attiva_core::id::KeyId;
use attiva_core::throttle::{Throttle, Turn};
use attiva_core::{Fault, FaultKind};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");
/// Entries beyond which those that say nothing any more are looked for.
const ENTRIES_KEPT: usize = 1024;

/// Of all keys.
#[derive(Clone)]
pub(super) struct Throttles {
    throttle: Option<Throttle>,
    began: Instant,
    keys: Arc<Mutex<Entries>>,
}

struct Entries {
    full_at_us: HashMap<KeyId, u64>,
    /// As many as there may be before the next look.
    look_at: usize,
}

/// What is told of a key's quota.
pub(super) struct Told {
    policy: HeaderValue,
    state: HeaderValue,
}

impl Throttles {
    pub(super) fn new(throttle: Option<Throttle>) -> Self {
        let entries = Entries { full_at_us: HashMap::new(), look_at: ENTRIES_KEPT };
        Self { throttle, began: Instant::now(), keys: Arc::new(Mutex::new(entries)) }
    }

    /// Counts a request. What is told goes with the answer, whatever that is.
    ///
    /// # Errors
    /// The answer `request.rate`: it may not be dealt with now.
    pub(super) fn ask(&self, key: &KeyId) -> Result<Option<Told>, Response> {
        let Some(throttle) = self.throttle else { return Ok(None) };
        let now_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX / 2);
        let turn = self.keys.lock().unwrap_or_else(PoisonError::into_inner).ask(throttle, key, now_us);
        let told = Told::of(throttle, turn);
        if turn.wait_us == 0 { Ok(told) } else { Err(refused(throttle, turn, told)) }
    }
}

impl Entries {
    fn ask(&mut self, throttle: Throttle, key: &KeyId, now_us: u64) -> Turn {
        let turn = throttle.ask(self.full_at_us.get(key).copied().unwrap_or_default(), now_us);
        self.full_at_us.insert(key.clone(), turn.full_at_us);
        if self.full_at_us.len() >= self.look_at {
            self.full_at_us.retain(|_, full_at| *full_at > now_us);
            // Looking costs as much as what was let in since.
            self.look_at = (self.full_at_us.len() * 2).max(ENTRIES_KEPT);
        }
        turn
    }
}

impl Told {
    fn of(throttle: Throttle, turn: Turn) -> Option<Self> {
        let policy = format!("\"key\";q={};w={}", throttle.quota(), throttle.window_seconds());
        let state = format!("\"key\";r={};t={}", turn.left, turn.full_in_us.div_ceil(1_000_000));
        let (policy, state) = (HeaderValue::from_str(&policy).ok()?, HeaderValue::from_str(&state).ok()?);
        Some(Self { policy, state })
    }

    pub(super) fn on(self, response: &mut Response) {
        response.headers_mut().insert(POLICY, self.policy);
        response.headers_mut().insert(STATE, self.state);
    }
}

fn refused(throttle: Throttle, turn: Turn, told: Option<Told>) -> Response {
    let message = format!(
        "the key asked more than {} times in {} seconds, which is what limits.key_requests allows",
        throttle.quota(),
        throttle.window_seconds()
    );
    let fault = Fault::new(FaultKind::RateLimited, "request.rate", message)
        .action("Wait as long as Retry-After says, and ask less often: `RateLimit` tells what is left.")
        .retry_after_ms(turn.wait_us.div_ceil(1000));
    let mut response = Refusal::from(fault).into_response();
    if let Some(told) = told {
        told.on(&mut response);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_by_who_asked_lately() {
        let throttle = Throttle::new(2, 1).unwrap();
        let mut entries = Entries { full_at_us: HashMap::new(), look_at: ENTRIES_KEPT };
        let key = |n: i64| KeyId::new(n, [0; 6]);
        // A thousand keys a second, each once, for a minute.
        for n in 0..60_000 {
            entries.ask(throttle, &key(n), n.unsigned_abs() * 1000);
            assert!(entries.full_at_us.len() <= 2 * ENTRIES_KEPT);
        }
        // Who asks now is not forgotten by it.
        let now = 60_000_000;
        let mine = key(-1);
        entries.ask(throttle, &mine, now);
        entries.ask(throttle, &mine, now);
        for n in 70_000..73_000 {
            entries.ask(throttle, &key(n), now);
        }
        assert!(entries.ask(throttle, &mine, now).wait_us > 0);
    }
}
