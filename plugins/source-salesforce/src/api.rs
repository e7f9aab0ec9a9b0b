//! Sending requests: a session that Salesforce no longer takes is renewed once, every other refusal becomes a fault.

use crate::refusal::Refusal;
use crate::response;
use crate::spec::CREDENTIAL;
use crate::usage::Usage;
use attiva_connector::{Fetched, Host, Request, Response, Result, SpoolStatus};
use std::cell::Cell;

/// What is never a file of results.
const NO_FILE: [&str; 2] = ["application/json", "text/html"];
const LIMIT_INFO: &str = "sforce-limit-info";

/// Salesforce, for the length of one call of ours.
pub(crate) struct Api<'h> {
    pub(crate) host: &'h dyn Host,
    renewed: Cell<bool>,
    /// What the last answer said of the day's calls.
    usage: Cell<Option<Usage>>,
}

impl<'h> Api<'h> {
    pub(crate) fn new(host: &'h dyn Host) -> Self {
        Self { host, renewed: Cell::new(false), usage: Cell::new(None) }
    }

    /// Sends a request and answers what went well.
    ///
    /// # Errors
    /// What the host, the HTTP status or Salesforce's error code says.
    pub(crate) fn send(&self, request: &Request) -> Result<Response> {
        self.attempt(request)?.map_err(|refusal| refusal.fault())
    }

    /// As [`send`](Self::send), with Salesforce's refusal left to the caller.
    pub(crate) fn attempt(&self, request: &Request) -> Result<Result<Response, Refusal>> {
        loop {
            let response = self.host.send(request)?;
            self.note(&response.headers);
            if response.is_success() {
                return Ok(Ok(response));
            }
            let refusal = response::refusal(&response)?;
            if !self.renews(&refusal)? {
                return Ok(Err(refusal));
            }
        }
    }

    /// Brings more of a file into a spool.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(crate) fn fetch(&self, spool: &str, request: &Request) -> Result<Result<SpoolStatus, Refusal>> {
        loop {
            let answer = match self.host.spool_fetch(spool, request, &NO_FILE, None)? {
                Fetched::Stored(status) => {
                    self.note(&status.headers);
                    return Ok(Ok(status));
                }
                Fetched::Answered(answer) => answer,
            };
            self.note(&answer.headers);
            let refusal = match answer.status {
                // Neither the file nor a refusal, though the call went well.
                200..300 => return Err(response::read::<serde::de::IgnoredAny>(&answer).err().unwrap_or_else(no_file)),
                _ => response::refusal(&answer)?,
            };
            if !self.renews(&refusal)? {
                return Ok(Err(refusal));
            }
        }
    }

    /// Renews the session if that may help, once a call; otherwise the refusal stands.
    fn renews(&self, refusal: &Refusal) -> Result<bool> {
        let helps = refusal.is_stale_session() && !self.renewed.replace(true);
        if helps {
            self.host.renew_credential(CREDENTIAL)?;
        }
        Ok(helps)
    }

    fn note(&self, headers: &[(String, String)]) {
        let header = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(LIMIT_INFO));
        if let Some(usage) = header.and_then(|(_, value)| Usage::read(value, self.now())) {
            self.usage.set(Some(usage));
        }
    }

    pub(crate) fn usage(&self) -> Option<Usage> {
        self.usage.get()
    }

    /// Now, in seconds.
    pub(crate) fn now(&self) -> i64 {
        i64::try_from(self.host.now_ms() / 1000).unwrap_or(i64::MAX)
    }
}

fn no_file() -> attiva_connector::Fault {
    attiva_connector::Fault::transient("salesforce.no-file", "Salesforce granted the call, but sent no file")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request;
    use attiva_connector::FaultKind;
    use attiva_connector::testing::FakeHost;
    use serde_json::json;

    const LIMITS: &str = "/services/data/v68.0/limits";

    fn expired() -> serde_json::Value {
        json!([{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}])
    }

    #[test]
    fn a_stale_session_is_renewed_once_and_the_call_repeated() {
        let fake = FakeHost::new();
        fake.on("GET", "api", LIMITS).json(401, &expired());
        fake.on("GET", "api", LIMITS).header("Sforce-Limit-Info", "api-usage=3/10").json(200, &json!({}));
        let api = Api::new(&fake);
        assert_eq!(api.send(&request::limits("68.0")).unwrap().status, 200);
        assert_eq!(fake.renewed(), [CREDENTIAL]);
        assert_eq!(api.usage().map(|u| (u.used, u.max)), Some((3, 10)));
        fake.on("GET", "api", LIMITS).always().json(401, &expired());
        let fault = api.send(&request::limits("68.0")).unwrap_err();
        assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Auth, "salesforce.INVALID_SESSION_ID"));
        assert_eq!(fake.renewed().len(), 1);
    }

    #[test]
    fn a_session_that_the_app_may_not_have_is_not_renewed() {
        let fake = FakeHost::new();
        let words = "This session is not valid for use with the REST API";
        fake.on("GET", "api", LIMITS).json(401, &json!([{"message": words, "errorCode": "INVALID_SESSION_ID"}]));
        assert_eq!(Api::new(&fake).send(&request::limits("68.0")).unwrap_err().kind, FaultKind::Auth);
        assert!(fake.renewed().is_empty());
    }

    #[test]
    fn what_comes_in_a_files_place_is_heard() {
        let fake = FakeHost::new();
        let path = "/services/data/v68.0/jobs/query/750/results";
        let file = request::results("68.0", "750", None);
        fake.on("GET", "api", path).json(401, &expired());
        fake.on("GET", "api", path).header("sforce-locator", "null").body(200, "Id\n");
        let api = Api::new(&fake);
        let stored = api.fetch("r", &file).unwrap().unwrap();
        assert_eq!((stored.size, fake.renewed().len()), (3, 1));
        fake.on("GET", "api", path).header("content-type", "text/html").body(200, "<html>");
        assert_eq!(api.fetch("other", &file).unwrap_err().code, "salesforce.html");
        fake.on("GET", "api", path).json(404, &json!([{"message": "gone", "errorCode": "NOT_FOUND"}]));
        assert!(api.fetch("other", &file).unwrap().unwrap_err().is_gone());
    }
}
