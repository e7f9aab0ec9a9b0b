//! A host for unit tests: scripted responses, spools in memory, a fixed clock, everything recorded. Native only.
//!
//! ```
//! use attiva_connector::{Host, testing::FakeHost};
//! use serde_json::json;
//!
//! let fake = FakeHost::new();
//! fake.on("GET", "api", "/me").json(200, &json!({"id": 7}));
//! let host: &dyn Host = &fake;
//! assert_eq!(host.http().get("api", "/me").send()?.status, 200);
//! assert_eq!(fake.requests().len(), 1);
//! # Ok::<(), attiva_connector::Fault>(())
//! ```

use crate::{Fault, Fetched, Host, Level, Request, Response, Result, SpoolStatus};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

type Handler = Box<dyn Fn(&Request) -> Option<Result<Response>>>;

/// A host that answers as scripted. A request that no script answers panics, with the request's line.
#[derive(Default)]
pub struct FakeHost {
    scripts: RefCell<Vec<Script>>,
    handler: Option<Handler>,
    requests: RefCell<Vec<Request>>,
    renewed: RefCell<Vec<String>>,
    spools: RefCell<BTreeMap<String, Spooled>>,
    fetch_step: Cell<Option<usize>>,
    logs: RefCell<Vec<String>>,
    now_ms: Cell<u64>,
}

struct Script {
    method: String,
    origin: String,
    path: String,
    answer: Result<Response>,
    always: bool,
    used: bool,
}

impl Script {
    /// A scripted path without a query matches any query.
    fn matches(&self, request: &Request) -> bool {
        let bare = request.path.split('?').next().unwrap_or_default();
        let path = if self.path.contains('?') { request.path.as_str() } else { bare };
        self.method == request.method && self.origin == request.origin && self.path == path
    }
}

#[derive(Default)]
struct Spooled {
    bytes: Vec<u8>,
    complete: bool,
    headers: Vec<(String, String)>,
}

impl FakeHost {
    /// A host with nothing scripted; its clock stands at 2026-01-01T00:00:00Z.
    #[must_use]
    pub fn new() -> Self {
        let fake = Self::default();
        fake.now_ms.set(1_767_225_600_000);
        fake
    }

    /// A host whose vendor is a function. What it does not answer is looked up in the scripts.
    #[must_use]
    pub fn with_vendor(vendor: impl Fn(&Request) -> Option<Result<Response>> + 'static) -> Self {
        Self { handler: Some(Box::new(vendor)), ..Self::new() }
    }

    /// Scripts the answer to one request. Answers for the same request are given in order, each once.
    pub fn on<'f>(&'f self, method: &str, origin: &str, path: &str) -> Scripting<'f> {
        Scripting {
            fake: self,
            method: method.into(),
            origin: origin.into(),
            path: path.into(),
            headers: Vec::new(),
            always: false,
        }
    }

    /// Sets the clock.
    pub fn set_now_ms(&self, now: u64) {
        self.now_ms.set(now);
    }

    /// Makes each spool fetch bring at most so many bytes, so that `complete` is false in between.
    pub fn set_fetch_step(&self, bytes: usize) {
        self.fetch_step.set(Some(bytes));
    }

    /// Every request so far, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.requests.borrow().clone()
    }

    /// Every request so far as `METHOD path`.
    #[must_use]
    pub fn request_lines(&self) -> Vec<String> {
        self.requests.borrow().iter().map(line).collect()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.requests.borrow_mut().clear();
    }

    /// Credentials that the connector asked to have renewed.
    #[must_use]
    pub fn renewed(&self) -> Vec<String> {
        self.renewed.borrow().clone()
    }

    /// Log lines so far, as `level message name=value`.
    #[must_use]
    pub fn logs(&self) -> Vec<String> {
        self.logs.borrow().clone()
    }

    /// A spool's bytes; absent if there is none.
    #[must_use]
    pub fn spool_bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.spools.borrow().get(name).map(|s| s.bytes.clone())
    }

    /// Scripted answers that nobody asked for.
    #[must_use]
    pub fn unused(&self) -> Vec<String> {
        let scripts = self.scripts.borrow();
        scripts.iter().filter(|s| !s.used).map(|s| format!("{} {}", s.method, s.path)).collect()
    }

    fn answer(&self, request: &Request) -> Result<Response> {
        self.requests.borrow_mut().push(request.clone());
        if let Some(answer) = self.handler.as_ref().and_then(|vendor| vendor(request)) {
            return answer;
        }
        let mut scripts = self.scripts.borrow_mut();
        let found = scripts.iter_mut().find(|s| s.matches(request) && (s.always || !s.used));
        let Some(script) = found else {
            panic!("no answer is scripted for {} at {}", line(request), request.origin);
        };
        script.used = true;
        script.answer.clone()
    }
}

fn line(request: &Request) -> String {
    format!("{} {}", request.method, request.path)
}

/// The answer to one request, being scripted.
#[must_use = "nothing is scripted until the answer is given"]
pub struct Scripting<'f> {
    fake: &'f FakeHost,
    method: String,
    origin: String,
    path: String,
    headers: Vec<(String, String)>,
    always: bool,
}

impl Scripting<'_> {
    /// Adds a response header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_lowercase(), value.into()));
        self
    }

    /// The answer is given every time.
    pub fn always(mut self) -> Self {
        self.always = true;
        self
    }

    /// A response with this body.
    pub fn body(self, status: u16, body: impl AsRef<[u8]>) {
        let response = Response { status, headers: self.headers.clone(), body: body.as_ref().to_vec() };
        self.script(Ok(response));
    }

    /// A response with no body.
    pub fn status(self, status: u16) {
        self.body(status, []);
    }

    /// A response with a JSON body.
    ///
    /// # Panics
    /// If the value does not serialise.
    pub fn json(self, status: u16, value: &impl Serialize) {
        let body = serde_json::to_vec(value).expect("a test's value serialises");
        self.header("content-type", "application/json").body(status, body);
    }

    /// A fault of the gate, the credential or the network.
    pub fn fault(self, fault: Fault) {
        self.script(Err(fault));
    }

    fn script(self, answer: Result<Response>) {
        let Self { fake, method, origin, path, always, .. } = self;
        fake.scripts.borrow_mut().push(Script { method, origin, path, answer, always, used: false });
    }
}

impl Host for FakeHost {
    fn send(&self, request: &Request) -> Result<Response> {
        crosses(request.body.as_deref().unwrap_or_default())?;
        self.answer(request)
    }

    fn renew_credential(&self, name: &str) -> Result<()> {
        let mut renewed = self.renewed.borrow_mut();
        if renewed.iter().any(|n| n == name) {
            return Err(Fault::auth("credential.refused", format!("{name} was renewed and is still refused")));
        }
        renewed.push(name.into());
        Ok(())
    }

    fn spool_fetch(&self, name: &str, request: &Request, refusals: &[&str], sha256: Option<&str>) -> Result<Fetched> {
        let response = self.answer(request)?;
        if (response.status != 200 && response.status != 206) || is_of(&response, refusals) {
            return Ok(Fetched::Answered(response));
        }
        let mut spools = self.spools.borrow_mut();
        let spool = spools.entry(name.into()).or_default();
        if spool.bytes.is_empty() {
            spool.headers.clone_from(&response.headers);
        }
        let step = self.fetch_step.get().unwrap_or(usize::MAX);
        let end = response.body.len().min(spool.bytes.len().saturating_add(step));
        spool.bytes = response.body.get(..end).unwrap_or_default().to_vec();
        spool.complete = end == response.body.len();
        if spool.complete && sha256.is_some_and(|wanted| wanted != digest(&spool.bytes)) {
            spools.remove(name);
            return Err(Fault::transient("spool.checksum", "the file is not what the vendor announced"));
        }
        Ok(Fetched::Stored(spool.status()))
    }

    fn spool_stat(&self, name: &str) -> Result<SpoolStatus> {
        let spools = self.spools.borrow();
        Ok(spools.get(name).map_or_else(|| Spooled::default().status(), Spooled::status))
    }

    fn spool_read(&self, name: &str, offset: u64, length: u32) -> Result<Vec<u8>> {
        let spools = self.spools.borrow();
        let bytes = spools.get(name).map_or(&[][..], |s| &s.bytes);
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let end = start.saturating_add(length as usize).min(bytes.len());
        Ok(bytes.get(start..end).unwrap_or_default().to_vec())
    }

    fn spool_write(&self, name: &str, offset: u64, bytes: &[u8]) -> Result<SpoolStatus> {
        crosses(bytes)?;
        let mut spools = self.spools.borrow_mut();
        let spool = spools.entry(name.into()).or_default();
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        if offset > spool.bytes.len() {
            return Err(Fault::internal("spool.gap", format!("{offset} is beyond the end of {name}")));
        }
        spool.bytes.truncate(offset);
        spool.bytes.extend_from_slice(bytes);
        spool.complete = true;
        spool.headers.clear();
        Ok(spool.status())
    }

    fn spool_sha256(&self, name: &str) -> Result<String> {
        Ok(digest(&self.spool_bytes(name).unwrap_or_default()))
    }

    fn spool_remove(&self, name: &str) -> Result<()> {
        self.spools.borrow_mut().remove(name);
        Ok(())
    }

    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let fields: String = fields.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        let level = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        self.logs.borrow_mut().push(format!("{level} {message}{fields}"));
    }

    fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    /// The same bytes every time.
    fn random(&self, count: u32) -> Vec<u8> {
        (0..count.min(1024)).map(|i| i.to_le_bytes()[0]).collect()
    }

    fn progress(&self, _phase: &str, _done: Option<u64>, _total: Option<u64>) {}
}

impl Spooled {
    fn status(&self) -> SpoolStatus {
        SpoolStatus { size: self.bytes.len() as u64, complete: self.complete, headers: self.headers.clone() }
    }
}

fn is_of(response: &Response, media_types: &[&str]) -> bool {
    let found = response.headers.iter().find(|(name, _)| name == "content-type");
    let essence = found.and_then(|(_, value)| value.split(';').next()).map(str::trim);
    essence.is_some_and(|essence| media_types.iter().any(|refused| refused.eq_ignore_ascii_case(essence)))
}

/// What a host lets cross in one call, unless its operator says otherwise.
fn crosses(bytes: &[u8]) -> Result<()> {
    const MOST: usize = 16 * 1024 * 1024;
    if bytes.len() <= MOST {
        return Ok(());
    }
    Err(Fault::internal(
        "limit.crossing",
        format!("{} bytes were passed to the host at once, at most {MOST}", bytes.len()),
    ))
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
