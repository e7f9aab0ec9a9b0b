//! Sending requests: a token that Marketo no longer takes is renewed once, every other refusal becomes a fault.

use crate::refusal::Refusal;
use crate::response::{self, Answer};
use crate::spec::CREDENTIAL;
use attiva_connector::{Host, Request, Response, Result};
use std::cell::Cell;

/// Marketo, for the length of one call of ours.
pub(crate) struct Api<'h> {
    pub(crate) host: &'h dyn Host,
    renewed: Cell<bool>,
}

impl<'h> Api<'h> {
    pub(crate) fn new(host: &'h dyn Host) -> Self {
        Self { host, renewed: Cell::new(false) }
    }

    /// Sends a request and answers a granted response.
    ///
    /// # Errors
    /// What the host, the HTTP status or Marketo's error code says.
    pub(crate) fn send(&self, request: &Request) -> Result<Response> {
        self.attempt(request)?.map_err(|refusal| refusal.fault(self.host.now_ms()))
    }

    /// As [`send`](Self::send), with Marketo's refusal left to the caller.
    pub(crate) fn attempt(&self, request: &Request) -> Result<Result<Response, Refusal>> {
        loop {
            let response = self.host.send(request)?;
            match response::judge(&response)? {
                Answer::Granted => return Ok(Ok(response)),
                Answer::Refused(refusal) if refusal.is_stale_token() && !self.renewed.get() => {
                    self.host.renew_credential(CREDENTIAL)?;
                    self.renewed.set(true);
                }
                Answer::Refused(refusal) => return Ok(Err(refusal)),
            }
        }
    }

    /// Now, in seconds.
    pub(crate) fn now(&self) -> i64 {
        i64::try_from(self.host.now_ms() / 1000).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request;
    use attiva_connector::FaultKind;
    use attiva_connector::testing::FakeHost;
    use serde_json::json;

    fn refused(code: &str) -> serde_json::Value {
        json!({"success": false, "errors": [{"code": code, "message": "Access token expired"}]})
    }

    #[test]
    fn a_stale_token_is_renewed_once_and_the_call_repeated() {
        let fake = FakeHost::new();
        let usage = request::usage();
        fake.on("GET", "api", "/rest/v1/stats/usage.json").json(200, &refused("602"));
        fake.on("GET", "api", "/rest/v1/stats/usage.json").json(200, &json!({"success": true}));
        assert_eq!(Api::new(&fake).send(&usage).unwrap().status, 200);
        assert_eq!(fake.renewed(), [CREDENTIAL]);
        assert_eq!(fake.requests().len(), 2);
    }

    #[test]
    fn a_token_refused_again_is_a_fault() {
        let fake = FakeHost::new();
        fake.on("GET", "api", "/rest/v1/stats/usage.json").always().json(200, &refused("601"));
        let fault = Api::new(&fake).send(&request::usage()).unwrap_err();
        assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Auth, "marketo.601"));
        assert_eq!(fake.requests().len(), 2);
    }
}
