//! HTTP to the vendor: the egress gate. In this order: is the request well formed, does a rule allow it, is there
//! budget; then the credential is added, and only then does anything leave the host.

mod heal;

use crate::bindings::http::{Host, Request as WitRequest, Response as WitResponse};
use crate::bindings::types::Fault as WitFault;
use crate::broker::{GuestRequest, GuestResponse, Traffic};
use crate::call::CallState;
use crate::configuration::Secrets;
use crate::connection::{ConnectionContext, SecretSource};
use crate::convert::fault_to_guest;
use crate::credential::{Authorization, Consent, Signable, TokenCache, Wallet};
use crate::egress::body::{self, BodyError};
use crate::egress::open::{Open, OpenConnections};
use crate::egress::policy::{Ask, Endpoint, Mode, Policy};
use crate::egress::redact::Redactor;
use crate::egress::request;
use crate::egress::transport::{Exchange, Transport, network};
use crate::limits::{Limits, exceeded};
use crate::plugin::Plugin;
use crate::quota::{InstanceBudget, Permit};
use crate::surroundings::wall_clock_ms;
use crate::usage::{Body, Denial, Exchanged, HostTraffic};
use attiva_core::quota::{Priority, User};
use attiva_core::spec::Learnt;
use attiva_core::{Fault, FaultKind, Millis};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body_util::Full;
use secrecy::SecretString;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

pub(crate) const USER_AGENT: &str = concat!("attiva/", env!("CARGO_PKG_VERSION"));

/// Longest time for one exchange, whatever the guest asks for.
const EXCHANGE_MAX: Duration = Duration::from_secs(100);

/// Denials of one call that are kept.
const DENIALS_MAX: usize = 16;

/// Exchanges of one call that are kept, and how much of each body.
const EXCHANGES_MAX: usize = 20;
const EXCHANGED_BYTES: usize = 32 << 10;

/// Response headers that are the transport's, or that carry credentials.
const HIDDEN: [&str; 13] = [
    "authentication-info",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "set-cookie",
    "set-cookie2",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
    "x-amz-security-token",
];

/// The gate of one call.
pub(crate) struct Gate {
    policy: Policy,
    mode: Mode,
    instance_id: Option<Arc<str>>,
    source: Arc<dyn SecretSource>,
    tokens: Arc<TokenCache>,
    budget: Arc<InstanceBudget>,
    user: User,
    priority: Priority,
    transport: Arc<Transport>,
    open: Arc<OpenConnections>,
    limits: Arc<Limits>,
    /// Until when waiting makes sense: a little before the call's own end.
    deadline: Instant,
    secrets: Option<Secrets>,
    redactor: Redactor,
    /// The token last sent, by credential: what a refusal is about.
    sent_tokens: HashMap<String, SecretString>,
    renewed: HashSet<String>,
    /// The configuration as it was, whatever was corrected since.
    asked_with: Arc<serde_json::Value>,
    /// What signatures add to our clock's time.
    clock_ms: Millis,
    traffic: Traffic,
    /// The host that was asked last: whose answer is read.
    asked: Option<String>,
}

/// A request that is on its way, its response's head here and its body still to come.
pub(crate) struct Sent {
    pub(crate) exchange: Exchange,
    /// When the exchange must be over.
    pub(crate) deadline: Instant,
    _permit: Permit,
    _open: Open,
}

impl Gate {
    pub(crate) fn new(plugin: &Plugin, context: &ConnectionContext, mode: Mode) -> Self {
        let limits = plugin.services.limits.clone();
        let wall = limits.wall;
        Self {
            policy: Policy {
                spec: plugin.spec.clone(),
                configuration: context.configuration.clone(),
                grants: context.grants.clone(),
                domains: plugin.services.domains.clone(),
            },
            mode,
            instance_id: context.instance_id.clone(),
            source: context.secrets.clone(),
            tokens: context.tokens.clone(),
            budget: context.budget.clone(),
            user: context.user.clone(),
            priority: context.priority,
            transport: plugin.services.transport.clone(),
            open: plugin.services.open.clone(),
            limits,
            deadline: Instant::now() + wall.saturating_sub((wall / 10).min(Duration::from_secs(2))),
            secrets: None,
            redactor: Redactor::default(),
            sent_tokens: HashMap::new(),
            renewed: HashSet::new(),
            asked_with: context.configuration.clone(),
            clock_ms: 0,
            traffic: Traffic::default(),
            asked: None,
        }
    }

    pub(crate) fn traffic(&self) -> Traffic {
        self.traffic.clone()
    }

    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Counts bytes of a response that were read past [`Gate::send`].
    pub(crate) fn count_in(&mut self, bytes: u64) {
        self.traffic.bytes_in = self.traffic.bytes_in.saturating_add(bytes);
        if let Some(host) = self.asked.as_ref().and_then(|host| self.traffic.hosts.get_mut(host)) {
            host.bytes_in = host.bytes_in.saturating_add(bytes);
        }
    }

    /// Keeps why a request was not sent: the connector may say something else of it, or nothing.
    fn note_denial(&mut self, fault: &Fault) {
        let is_denial = fault.code.starts_with("egress.");
        if is_denial && self.traffic.denials.len() < DENIALS_MAX {
            self.traffic.denials.push(Denial { code: fault.code.clone(), message: fault.message.clone() });
        }
    }

    pub(crate) fn give_back(&self, sent: Sent) {
        self.transport.give_back(sent.exchange);
    }

    /// One whole exchange.
    ///
    /// # Errors
    /// `egress.*`, `auth.*`, `credential.*`, `rate.*`, `network.*`, `limit.*`.
    async fn exchange(&mut self, request: GuestRequest) -> Result<GuestResponse, Fault> {
        let encodings = [(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate"))];
        let mut sent = self.begin(request, &encodings).await?;
        let left = self.limits.egress_in_bytes.saturating_sub(self.traffic.bytes_in);
        let read = tokio::time::timeout_at(sent.deadline, body::read(sent.exchange.response.body_mut(), left)).await;
        let raw = read.map_err(|_| timed_out())?.map_err(|error| self.body_fault(&error))?;
        let (status, head) = (sent.exchange.response.status().as_u16(), sent.exchange.response.headers().clone());
        let encoding = head.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
        let plain = body::decode(encoding, &raw, left).map_err(|error| self.body_fault(&error))?;
        let is_decoded = plain.is_some();
        let body = plain.unwrap_or(raw);
        self.give_back(sent);
        Ok(self.answer(status, &head, body, is_decoded))
    }

    /// The start of a response that was begun, as the vendor's words.
    ///
    /// # Errors
    /// `network.*`.
    pub(crate) async fn words(&mut self, mut sent: Sent, most: u64) -> Result<GuestResponse, Fault> {
        let read = body::read_start(sent.exchange.response.body_mut(), most);
        let read = tokio::time::timeout_at(sent.deadline, read).await;
        let (start, is_whole) = read.map_err(|_| timed_out())?.map_err(|error| self.body_fault(&error))?;
        let (status, head) = (sent.exchange.response.status().as_u16(), sent.exchange.response.headers().clone());
        if is_whole {
            self.give_back(sent);
        }
        Ok(self.answer(status, &head, start, !is_whole))
    }

    /// A response as the guest gets it: without secrets, its headers true of the body it comes with.
    fn answer(&mut self, status: u16, head: &HeaderMap, body: Vec<u8>, is_changed: bool) -> GuestResponse {
        self.count_in(body.len() as u64);
        let (body, is_redacted) = self.redactor.clean(body);
        if is_redacted {
            tracing::warn!(plugin = self.policy.spec.name, "a server sent a secret back; it was taken out");
        }
        let headers = self.response_headers(head, is_changed, is_redacted);
        if let Some(last) = self.traffic.exchanges.last_mut() {
            last.response_body = Body::of(&body, EXCHANGED_BYTES);
        }
        GuestResponse { status, headers, body }
    }

    /// Keeps what is asked for: before any credential is added to it.
    fn note_request(&mut self, ask: &GuestRequest, endpoint: &Endpoint) {
        if self.traffic.exchanges.len() >= EXCHANGES_MAX {
            self.traffic.exchanges.remove(0);
        }
        self.traffic.exchanges.push(Exchanged {
            at_ms: wall_clock_ms(),
            method: ask.method.clone(),
            host: endpoint.authority(),
            path: ask.path.clone(),
            credential: ask.credential.clone(),
            request_headers: ask.headers.clone(),
            request_body: Body::of(ask.body.as_deref().unwrap_or_default(), EXCHANGED_BYTES),
            status: None,
            response_headers: Vec::new(),
            response_body: Body::default(),
        });
    }

    /// Keeps the head of the answer. A body that goes into a spool is not kept beside it.
    fn note_head(&mut self, status: u16, headers: &HeaderMap) {
        let shown = self.response_headers(headers, false, false);
        if let Some(last) = self.traffic.exchanges.last_mut() {
            (last.status, last.response_headers) = (Some(status), shown);
        }
    }

    /// Everything up to the response's head.
    pub(crate) async fn begin(&mut self, ask: GuestRequest, more: &[(HeaderName, HeaderValue)]) -> Result<Sent, Fault> {
        let begun = self.begin_checked(ask, more).await;
        if let Err(fault) = &begun {
            self.note_denial(fault);
        }
        begun
    }

    async fn begin_checked(&mut self, ask: GuestRequest, more: &[(HeaderName, HeaderValue)]) -> Result<Sent, Fault> {
        let method = request::method(&ask.method)?;
        request::check_path(&ask.path)?;
        let mut headers = request::headers(&ask.headers)?;
        let credential = ask.credential.as_deref();
        let rule = Ask { origin: &ask.origin, method: &ask.method, path: &ask.path, credential };
        self.policy.permit(&rule, self.mode)?;
        self.load_secrets().await?;
        let endpoint = self.endpoint(&ask.origin).await?;
        self.note_request(&ask, &endpoint);
        let body = ask.body.unwrap_or_default();
        self.count_out(&endpoint, &ask.path, &headers, &body)?;
        headers.extend(more.iter().cloned());
        frame(&mut headers, &endpoint, &method, &body)?;
        let mut path = ask.path;
        let mut permit =
            self.authorize_and_wait(credential, &endpoint, &method, &mut path, &mut headers, &body).await?;

        let asked = ask.timeout_ms.map_or(EXCHANGE_MAX, |ms| Duration::from_millis(u64::from(ms)));
        let deadline = (Instant::now() + asked.min(EXCHANGE_MAX)).min(self.deadline);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() =
            path.parse().map_err(|_| Fault::new(FaultKind::Internal, "egress.path", "the path cannot be sent"))?;
        *request.headers_mut() = headers;
        // After the credential is here: whoever waits for a token of another's making holds nothing.
        let open = self.open.open(&self.user.organisation, &self.policy.spec.name, deadline).await;
        let open = open.inspect_err(|_| permit.answered())?;
        let exchange = tokio::time::timeout_at(deadline, self.transport.send(&endpoint, request)).await;
        let exchange = exchange.map_err(|_| timed_out())?;
        // Not before: a vendor goes on with a request whose answer nobody waited for.
        permit.answered();
        let exchange = exchange?;
        self.budget.told(exchange.response.headers());
        self.note_head(exchange.response.status().as_u16(), exchange.response.headers());
        Ok(Sent { exchange, deadline, _permit: permit, _open: open })
    }

    /// Where an origin is, which may have to be learnt from a token first.
    async fn endpoint(&self, origin: &str) -> Result<Endpoint, Fault> {
        match self.policy.unlearnt(origin)? {
            None => self.policy.endpoint(origin),
            Some(learnt) => {
                let url = self.wallet()?.learn(learnt).await?;
                self.policy.learnt_endpoint(origin, &url)
            }
        }
    }

    /// Obtains the credential, waits for the budget, then adds the credential: a signature carries the time, and waits
    /// for nobody. Tokens cost no budget.
    async fn authorize_and_wait(
        &mut self,
        credential: Option<&str>,
        endpoint: &Endpoint,
        method: &Method,
        path: &mut String,
        headers: &mut HeaderMap,
        body: &Bytes,
    ) -> Result<Permit, Fault> {
        let Some(name) = credential else {
            return self.budget.acquire(&self.user, self.priority, self.deadline).await;
        };
        let obtained = self.wallet()?.obtain(name).await?;
        if let Some(token) = obtained.token() {
            self.redactor.add(token);
            self.sent_tokens.insert(name.to_owned(), token.clone());
        }
        obtained.secrets().for_each(|secret| self.redactor.add(secret));
        let permit = self.budget.acquire(&self.user, self.priority, self.deadline).await?;
        let base = format!("{}://{}", endpoint.scheme.as_str(), endpoint.authority());
        let mut signable = Signable { method, base: &base, path, headers, body };
        #[expect(clippy::disallowed_methods, reason = "a signature carries the time it is sent")]
        let now = shifted(SystemTime::now(), self.clock_ms);
        obtained.apply(&mut signable, now)?;
        Ok(permit)
    }

    /// Forgets a credential the vendor refuses, so that the next request obtains a new one.
    ///
    /// # Errors
    /// `auth.renewed-twice` and `auth.not-renewable`, kind `auth`.
    pub(crate) async fn renew(&mut self, name: &str) -> Result<(), Fault> {
        if !self.renewed.insert(name.to_owned()) {
            let what = format!("the vendor refuses the credential {name}, and a renewed one too");
            return Err(Fault::new(FaultKind::Auth, "auth.renewed-twice", what)
                .action("Check the credential in the connection's configuration."));
        }
        self.load_secrets().await?;
        let used = self.sent_tokens.get(name).cloned();
        self.wallet()?.renew(name, used.as_ref()).await
    }

    fn wallet(&self) -> Result<Wallet<'_>, Fault> {
        let secrets = self.secrets.as_ref().ok_or_else(|| {
            Fault::new(FaultKind::Internal, "credential.missing", "the connection's secrets were not loaded")
        })?;
        let Self { policy, tokens, transport, deadline, source: keeper, .. } = self;
        let instance_id = self.instance_id.as_deref();
        Ok(Wallet { policy, secrets, tokens, transport, keeper, deadline: *deadline, instance_id })
    }

    /// The id of the vendor instance that a token of the connection is for.
    ///
    /// # Errors
    /// As [`Gate::send`]; `instance.unknown`.
    pub(crate) async fn learn(&mut self, learnt: &Learnt) -> Result<String, Fault> {
        self.load_secrets().await?;
        self.wallet()?.learn(learnt).await
    }

    /// See [`Plugin::authorization_url`].
    pub(crate) async fn authorization_url(&mut self, asked: &Authorization) -> Result<String, Fault> {
        self.load_secrets().await?;
        self.wallet()?.authorization_url(asked)
    }

    /// See [`Plugin::consented`].
    pub(crate) async fn consented(&mut self, asked: &Authorization, code: &SecretString) -> Result<Consent, Fault> {
        self.load_secrets().await?;
        self.wallet()?.consented(asked, code).await
    }

    async fn load_secrets(&mut self) -> Result<(), Fault> {
        if self.secrets.is_none() {
            let secrets = self.source.secrets().await?;
            secrets.iter().for_each(|(_, secret)| self.redactor.add(secret));
            self.secrets = Some(secrets);
        }
        Ok(())
    }

    fn count_out(&mut self, endpoint: &Endpoint, path: &str, headers: &HeaderMap, body: &Bytes) -> Result<(), Fault> {
        let most = self.limits.requests;
        if self.traffic.requests >= most {
            return Err(exceeded("limit.requests", format!("the call made {most} requests; more are not sent")));
        }
        let head: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        let sent = (path.len() + head + body.len()) as u64;
        let bytes = self.traffic.bytes_out.saturating_add(sent);
        let most = self.limits.egress_out_bytes;
        if bytes > most {
            return Err(exceeded("limit.egress-out", format!("the call's requests have more than {most} bytes")));
        }
        self.traffic.bytes_out = bytes;
        self.traffic.requests += 1;
        let host = endpoint.authority();
        *self.traffic.hosts.entry(host.clone()).or_default() +=
            HostTraffic { requests: 1, bytes_out: sent, bytes_in: 0 };
        self.asked = Some(host);
        Ok(())
    }

    pub(crate) fn body_fault(&self, error: &BodyError) -> Fault {
        match error {
            BodyError::TooLong(_) => {
                let most = self.limits.egress_in_bytes;
                exceeded("limit.egress-in", format!("the call's responses have more than {most} bytes"))
            }
            BodyError::Broken(_) => network("network.broken", error.to_string()),
            BodyError::Encoding(_) => network("network.encoding", error.to_string()),
        }
    }

    pub(crate) fn response_headers(
        &self,
        headers: &HeaderMap,
        is_decoded: bool,
        is_redacted: bool,
    ) -> Vec<(String, String)> {
        let changed = is_decoded || is_redacted;
        let is_shown = |name: &HeaderName, value: &HeaderValue| {
            let stale = (changed && name == header::CONTENT_LENGTH) || (is_decoded && name == header::CONTENT_ENCODING);
            !stale && !HIDDEN.contains(&name.as_str()) && !self.redactor.finds(value.as_bytes())
        };
        let shown = headers.iter().filter(|(name, value)| is_shown(name, value));
        shown
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect()
    }
}

/// The headers that make a message: always ours.
fn frame(headers: &mut HeaderMap, endpoint: &Endpoint, method: &Method, body: &Bytes) -> Result<(), Fault> {
    let host = HeaderValue::from_str(&endpoint.authority())
        .map_err(|_| Fault::new(FaultKind::Config, "egress.endpoint", "the endpoint's host cannot be sent"))?;
    headers.insert(header::HOST, host);
    headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(USER_AGENT));
    // Always a length, also 0: servers refuse chunks, and a signature covers it.
    if !body.is_empty() || matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    Ok(())
}

/// A time so much later, or earlier.
fn shifted(at: SystemTime, ms: Millis) -> SystemTime {
    let by = Duration::from_millis(ms.unsigned_abs());
    if ms < 0 { at - by } else { at + by }
}

fn timed_out() -> Fault {
    network("network.timeout", "the exchange took too long")
}

pub(crate) fn guest_request(request: WitRequest) -> GuestRequest {
    let WitRequest { origin, method, path, headers, body, credential, timeout_ms } = request;
    GuestRequest { origin, method, path, headers, body: body.map(Bytes::from), credential, timeout_ms }
}

pub(crate) fn wit_response(response: GuestResponse) -> WitResponse {
    let GuestResponse { status, headers, body } = response;
    WitResponse { status, headers, body }
}

impl Host for CallState {
    async fn send(&mut self, request: WitRequest) -> wasmtime::Result<Result<WitResponse, WitFault>> {
        self.count_host_call()?;
        let answer = self.broker.send(guest_request(request)).await;
        Ok(answer.map(wit_response).map_err(fault_to_guest))
    }

    async fn renew_credential(&mut self, name: String) -> wasmtime::Result<Result<(), WitFault>> {
        self.count_host_call()?;
        Ok(self.broker.renew_credential(&name).await.map_err(fault_to_guest))
    }
}
