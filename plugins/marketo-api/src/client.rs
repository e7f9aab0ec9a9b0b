//! Sending requests: a token that Marketo no longer takes is renewed once, every other refusal becomes a fault.

use crate::refusal::Refusal;
use crate::response::{self, Answer};
use crate::{CREDENTIAL, ORIGIN};
use attiva_connector::{Fault, Fetched, Host, Request, Response, Result, SpoolStatus, encode};
use serde_json::Value;
use std::cell::Cell;

/// A URI may have 8 KB at Marketo, host included; beyond this much the query moves into a body.
pub const PATH_BYTES_MAX: usize = 7_000;

/// What is never an export's file: a refusal comes with status 200, as does the page of a proxy.
const NO_FILE: [&str; 2] = ["application/json", "text/html"];

/// Marketo, for the length of one call of ours.
pub struct Api<'h> {
    /// Everything else outside.
    pub host: &'h dyn Host,
    renewed: Cell<bool>,
}

impl<'h> Api<'h> {
    /// A client that has not yet renewed its token.
    #[must_use]
    pub fn new(host: &'h dyn Host) -> Self {
        Self { host, renewed: Cell::new(false) }
    }

    /// Sends a request and answers a granted response.
    ///
    /// # Errors
    /// What the host, the HTTP status or Marketo's error code says.
    pub fn send(&self, request: &Request) -> Result<Response> {
        self.attempt(request)?.map_err(|refusal| refusal.fault(self.host.now_ms()))
    }

    /// As [`send`](Self::send), with Marketo's refusal left to the caller.
    ///
    /// # Errors
    /// What the host or the HTTP status says.
    pub fn attempt(&self, request: &Request) -> Result<Result<Response, Refusal>> {
        loop {
            let response = self.host.send(request)?;
            match response::judge(&response)? {
                Answer::Granted => return Ok(Ok(response)),
                Answer::Refused(refusal) => {
                    if let Err(refusal) = self.refused(refusal)? {
                        return Ok(Err(refusal));
                    }
                }
            }
        }
    }

    /// Brings more of a file into a spool; nothing if Marketo has no such file.
    ///
    /// # Errors
    /// As [`send`](Self::send), and `spool.checksum`.
    pub fn fetch(&self, spool: &str, request: &Request, sha256: Option<&str>) -> Result<Option<SpoolStatus>> {
        loop {
            let answer = match self.host.spool_fetch(spool, request, &NO_FILE, sha256)? {
                Fetched::Stored(status) => return Ok(Some(status)),
                // In plain text: it is not yet in its place, or no longer.
                Fetched::Answered(answer) if answer.status == 404 => return Ok(None),
                Fetched::Answered(answer) => answer,
            };
            match response::judge(&answer)? {
                Answer::Granted => {
                    return Err(Fault::transient("marketo.no-file", "Marketo granted the call, but sent no file"));
                }
                Answer::Refused(refusal) if refusal.is_unknown_resource() => return Ok(None),
                Answer::Refused(refusal) => self.refused(refusal)?.map_err(|r| r.fault(self.host.now_ms()))?,
            }
        }
    }

    /// Renews the token if that may help, once a call; otherwise the refusal stands.
    fn refused(&self, refusal: Refusal) -> Result<Result<(), Refusal>> {
        if !refusal.is_stale_token() || self.renewed.get() {
            return Ok(Err(refusal));
        }
        self.host.renew_credential(CREDENTIAL)?;
        self.renewed.set(true);
        Ok(Ok(()))
    }

    /// Now, in seconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        i64::try_from(self.host.now_ms() / 1000).unwrap_or(i64::MAX)
    }
}

/// A GET, or a POST that stands for one where the query is too long for a URI.
#[must_use]
pub fn get(path: &str, query: &[(&str, &str)]) -> Request {
    if query.is_empty() {
        return request("GET", path.into());
    }
    let query = encode::pairs(query);
    if path.len() + 1 + query.len() <= PATH_BYTES_MAX {
        return request("GET", format!("{path}?{query}"));
    }
    with_body(request("POST", format!("{path}?_method=GET")), "application/x-www-form-urlencoded", query.into_bytes())
}

/// A POST with a JSON body.
#[must_use]
pub fn post_json(path: &str, body: &Value) -> Request {
    with_body(request("POST", path.into()), "application/json", body.to_string().into_bytes())
}

/// A POST of a form, as the asset API wants it.
#[must_use]
pub fn post_form(path: &str, pairs: &[(&str, &str)]) -> Request {
    with_body(request("POST", path.into()), "application/x-www-form-urlencoded", encode::pairs(pairs).into_bytes())
}

/// A request with this body.
#[must_use]
pub fn with_body(mut request: Request, content_type: &str, body: Vec<u8>) -> Request {
    request.headers.push(("content-type".into(), content_type.into()));
    request.body = Some(body);
    request
}

/// A request with neither query nor body.
#[must_use]
pub fn request(method: &str, path: String) -> Request {
    Request {
        origin: ORIGIN.into(),
        method: method.into(),
        path,
        headers: Vec::new(),
        body: None,
        credential: Some(CREDENTIAL.into()),
        timeout_ms: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use attiva_connector::FaultKind;
    use attiva_connector::testing::FakeHost;
    use serde_json::json;

    fn refused_with(code: &str) -> Value {
        json!({"success": false, "errors": [{"code": code, "message": "Access token expired"}]})
    }

    #[test]
    fn a_stale_token_is_renewed_once_and_the_call_repeated() {
        let fake = FakeHost::new();
        fake.on("GET", ORIGIN, "/x.json").json(200, &refused_with("602"));
        fake.on("GET", ORIGIN, "/x.json").json(200, &json!({"success": true}));
        let api = Api::new(&fake);
        assert_eq!(api.send(&get("/x.json", &[])).unwrap().status, 200);
        assert_eq!(fake.renewed(), [CREDENTIAL]);
        assert_eq!(fake.requests().len(), 2);
        fake.on("GET", ORIGIN, "/x.json").json(200, &refused_with("602"));
        assert_eq!(api.send(&get("/x.json", &[])).unwrap_err().kind, FaultKind::Auth);
    }

    #[test]
    fn a_long_query_moves_into_the_body() {
        let short = get("/x.json", &[("a b", "1,2")]);
        assert_eq!((short.method.as_str(), short.path.as_str()), ("GET", "/x.json?a%20b=1%2C2"));
        let long = get("/x.json", &[("a", &"x".repeat(PATH_BYTES_MAX))]);
        assert_eq!((long.method.as_str(), long.path.as_str()), ("POST", "/x.json?_method=GET"));
        assert!(long.body.unwrap().starts_with(b"a=xxx"));
    }

    #[test]
    fn a_refusal_in_a_files_place_is_heard() {
        let fake = FakeHost::new();
        let file = request("GET", "/bulk/v1/leads/export/e/file.json".into());
        fake.on("GET", "api", "/bulk/v1/leads/export/e/file.json").json(200, &refused_with("602"));
        fake.on("GET", "api", "/bulk/v1/leads/export/e/file.json").body(200, "id\n1\n");
        let api = Api::new(&fake);
        assert_eq!(api.fetch("export", &file, None).unwrap().map(|status| status.size), Some(5));
        assert_eq!(fake.renewed(), [CREDENTIAL]);

        fake.on("GET", "api", "/bulk/v1/leads/export/e/file.json").json(200, &refused_with("606"));
        let fault = api.fetch("other", &file, None).unwrap_err();
        assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::RateLimited, "marketo.606"));
        fake.on("GET", "api", "/bulk/v1/leads/export/e/file.json").body(404, "no such file");
        assert_eq!(api.fetch("other", &file, None).unwrap(), None);
        fake.on("GET", "api", "/bulk/v1/leads/export/e/file.json")
            .header("content-type", "text/html; charset=utf-8")
            .body(200, "<p>");
        assert_eq!(api.fetch("other", &file, None).unwrap_err().code, "marketo.html");
        assert_eq!(fake.spool_bytes("other"), None);
    }

    #[test]
    fn a_token_refused_again_is_a_fault() {
        let fake = FakeHost::new();
        fake.on("GET", "api", "/rest/v1/stats/usage.json").always().json(200, &refused_with("601"));
        let fault = Api::new(&fake).send(&get("/rest/v1/stats/usage.json", &[])).unwrap_err();
        assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Auth, "marketo.601"));
        assert_eq!(fake.requests().len(), 2);
    }
}
