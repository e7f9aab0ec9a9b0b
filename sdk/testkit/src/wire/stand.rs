//! The stand-in: where a connector's vendor should be, the kit's server. It asks the true vendor (or a recording, or a
//! function), makes faults of what comes back, and remembers all of it.

use super::fault::{self, Fault, Injection};
use super::forward;
use super::message::{Answer, Request};
use super::recording::{Exchange, Recording};
use super::serve::{self, Reply};
use attiva_core::spec::Spec;
use attiva_wasm::{Grant, Scheme};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::AbortHandle;

/// How the tokens begin that the host is given.
const STAND_IN_TOKEN: &str = "stand-in-token-";

fn stand_in_token(number: usize) -> String {
    format!("{STAND_IN_TOKEN}{number:06}")
}

/// A vendor as a function.
pub type Made = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

/// Where answers come from.
#[derive(Clone)]
pub enum Upstream {
    /// A vendor that is there: scheme, host and port for each origin.
    At(BTreeMap<String, String>),
    Recorded(Arc<Recording>),
    Made(Made),
}

/// What the stand-in saw.
#[derive(Debug, Clone)]
pub struct Seen {
    pub request: Request,
    /// `None`: the connection was closed, or nothing was said.
    pub answer: Option<Answer>,
    pub is_token: bool,
    /// A fault was made of it.
    pub is_faulty: bool,
}

/// The stand-in of one connector's vendor. Dropped, it is gone.
pub struct Stand {
    inner: Arc<Inner>,
    ports: BTreeMap<String, u16>,
    servers: Vec<AbortHandle>,
}

struct Inner {
    upstream: Upstream,
    agent: ureq::Agent,
    /// Origin and path of the token endpoints.
    tokens: Vec<(String, String)>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    scene: String,
    used: Vec<bool>,
    /// Requests of the scene, tokens not counted; and those that each injection's path covers.
    count: usize,
    counts: Vec<usize>,
    injections: Vec<Injection>,
    token_fault: Option<Fault>,
    /// Added to every answer.
    stamp: Option<String>,
    seen: Vec<Seen>,
    /// By method and path: the query asked for last, and its answer.
    before: HashMap<String, (String, Answer)>,
    kept: Option<Recording>,
    unrecorded: Vec<String>,
    /// The vendor's tokens, of all scenes. The host is given others in their place, a new one each time, so that one that
    /// ends is followed by another, and so that the vendor's own go nowhere.
    tokens: Vec<String>,
}

impl Stand {
    /// Starts a server for each origin of the specification.
    ///
    /// # Errors
    /// No port can be bound.
    pub async fn start(spec: &Spec, upstream: Upstream) -> io::Result<Self> {
        Self::start_trusting(spec, upstream, None).await
    }

    /// As [`start`](Self::start), and a vendor that is there is trusted if these authorities (certificates in PEM form) say who it is.
    ///
    /// # Errors
    /// No port can be bound; there is no certificate.
    pub async fn start_trusting(spec: &Spec, upstream: Upstream, authorities: Option<&str>) -> io::Result<Self> {
        let endpoint = |credential: &attiva_core::spec::CredentialSpec| {
            credential.method.endpoint().map(|(origin, path)| (origin.to_owned(), path.to_owned()))
        };
        let tokens = spec.credentials.iter().filter_map(endpoint).collect();
        let inner = Arc::new(Inner { upstream, agent: forward::agent(authorities)?, tokens, state: Mutex::default() });
        let (mut ports, mut servers) = (BTreeMap::new(), Vec::new());
        for origin in &spec.origins {
            let answering = inner.clone();
            let answer = move |request| {
                let inner = answering.clone();
                async move { inner.reply(request).await }
            };
            let (port, server) = serve::serve(origin.name.clone(), Arc::new(answer)).await?;
            ports.insert(origin.name.clone(), port);
            servers.push(server);
        }
        Ok(Self { inner, ports, servers })
    }

    /// What lets the connector's requests come here.
    #[must_use]
    pub fn grants(&self) -> Vec<Grant> {
        self.grants_by(Scheme::Http)
    }

    /// What leads the connector's requests here by TLS, which the stand-in refuses to everybody.
    #[must_use]
    pub fn grants_without_tls(&self) -> Vec<Grant> {
        self.grants_by(Scheme::Https)
    }

    fn grants_by(&self, scheme: Scheme) -> Vec<Grant> {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let grant = |(origin, port): (&String, &u16)| Grant {
            origin: origin.clone(),
            scheme,
            host: address.to_string(),
            port: *port,
            addresses: vec![address],
        };
        self.ports.iter().map(grant).collect()
    }

    /// Whether answers come from a recording.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        matches!(self.inner.upstream, Upstream::Recorded(_))
    }

    /// Begins a scene: nothing is seen yet, nothing goes wrong.
    pub fn scene(&self, name: &str) {
        let mut state = self.inner.state();
        let (kept, unrecorded) = (state.kept.take(), std::mem::take(&mut state.unrecorded));
        let tokens = std::mem::take(&mut state.tokens);
        *state = State { scene: name.to_owned(), kept, unrecorded, tokens, ..State::default() };
    }

    /// Makes a fault from now on; requests count from the scene's start.
    pub fn inject(&self, injection: Injection) {
        let mut state = self.inner.state();
        state.injections.push(injection);
        state.counts.push(0);
    }

    /// Nothing goes wrong from now on.
    pub fn heal(&self) {
        let mut state = self.inner.state();
        state.injections.clear();
        state.counts.clear();
        state.token_fault = None;
    }

    /// Requests for tokens meet this from now on.
    pub fn inject_token(&self, fault: Fault) {
        self.inner.state().token_fault = Some(fault);
    }

    /// A mark that answers carry in their headers, as a vendor's request id.
    pub fn stamp(&self, mark: &str) {
        self.inner.state().stamp = Some(mark.to_owned());
    }

    /// Everything since the scene began.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.inner.state().seen.clone()
    }

    /// Requests since the scene began, tokens left out.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.seen().into_iter().filter(|seen| !seen.is_token).map(|seen| seen.request).collect()
    }

    /// Keeps from now on what the vendor answers.
    pub fn record(&self, now_ms: u64) {
        self.inner.state().kept = Some(Recording::new(now_ms));
    }

    /// What was kept.
    #[must_use]
    pub fn recorded(&self) -> Option<Recording> {
        self.inner.state().kept.clone()
    }

    /// Every token that was answered so far, by what it is.
    pub(crate) fn tokens(&self) -> Vec<(String, String)> {
        let state = self.inner.state();
        let theirs = state.tokens.iter().cloned();
        let ours = (0..state.tokens.len()).map(stand_in_token);
        theirs.chain(ours).map(|token| ("token".to_owned(), token)).collect()
    }

    /// Requests that a recording had no answer for.
    #[must_use]
    pub fn unrecorded(&self) -> Vec<String> {
        self.inner.state().unrecorded.clone()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.servers.iter().for_each(AbortHandle::abort);
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn reply(self: Arc<Self>, request: Request) -> Reply {
        let is_token = self.tokens.iter().any(|(origin, path)| *origin == request.origin && path == request.path());
        let fault = self.fault_of(&request, is_token);
        let asks = !matches!(fault, Some(Fault::Answered(_) | Fault::Refused | Fault::Silent));
        let mut answer = None;
        if asks {
            let inner = self.clone();
            let asked = self.with_true_token(request.clone());
            let answered = tokio::task::spawn_blocking(move || inner.ask(&asked, is_token)).await;
            answer = answered.unwrap_or_else(|e| Err(e.to_string())).ok();
        }
        self.made(request, answer, fault, is_token)
    }

    /// A request as the vendor has to get it: with its own token.
    fn with_true_token(&self, mut request: Request) -> Request {
        let state = self.state();
        for (name, value) in &mut request.headers {
            let number = value.strip_prefix("Bearer ").and_then(|token| token.strip_prefix(STAND_IN_TOKEN));
            let token = number.and_then(|number| state.tokens.get(number.parse::<usize>().ok()?));
            if let Some(token) = token.filter(|_| name == "authorization") {
                *value = format!("Bearer {token}");
            }
        }
        request
    }

    /// An answer that brings a token, with another in its place.
    fn with_stand_in_token(state: &mut State, answer: Answer) -> Answer {
        let Ok(mut said) = serde_json::from_slice::<Value>(&answer.body) else { return answer };
        let Some(token) = said.get("access_token").and_then(Value::as_str).map(str::to_owned) else { return answer };
        said["access_token"] = stand_in_token(state.tokens.len()).into();
        state.tokens.push(token);
        Answer { body: said.to_string().into_bytes(), ..answer }
    }

    /// The fault that is meant for a request, and counts it.
    fn fault_of(&self, request: &Request, is_token: bool) -> Option<Fault> {
        let mut state = self.state();
        if is_token {
            return state.token_fault.clone();
        }
        let number = state.count;
        state.count += 1;
        let State { injections, counts, .. } = &mut *state;
        let mut found = None;
        for (injection, count) in injections.iter().zip(counts) {
            let at = match &injection.path {
                None => number,
                Some(path) if request.target.contains(path.as_str()) => {
                    *count += 1;
                    *count - 1
                }
                Some(_) => continue,
            };
            if found.is_none() && injection.hits(at) {
                found = Some(injection.fault.clone());
            }
        }
        found
    }

    /// Asks the vendor.
    fn ask(&self, request: &Request, is_token: bool) -> Result<Answer, String> {
        let answer = match &self.upstream {
            Upstream::Made(made) => made(request),
            Upstream::At(bases) => match bases.get(&request.origin) {
                Some(base) => forward::forward(&self.agent, base, request)?,
                None => return Err(format!("nobody said where the origin {} is", request.origin)),
            },
            Upstream::Recorded(recording) => return self.find(recording, request, is_token),
        };
        let mut state = self.state();
        let scene = state.scene.clone();
        if let Some(kept) = &mut state.kept {
            let exchange = Exchange::of(request, &answer, is_token);
            let scene = kept.scenes.entry(scene).or_default();
            // A scene is entered more than once; what is the same is told once.
            if !scene.contains(&exchange) {
                scene.push(exchange);
            }
        }
        Ok(answer)
    }

    fn find(&self, recording: &Recording, request: &Request, is_token: bool) -> Result<Answer, String> {
        let asked = Exchange::of(request, &Answer::new(0, "", ""), is_token);
        let mut state = self.state();
        let scene = state.scene.clone();
        let found = recording.find(&scene, &mut state.used, &asked);
        found.map(|exchange| exchange.answer()).ok_or_else(|| {
            state.unrecorded.push(format!("{scene}: {}", request.line()));
            format!("the recording has no answer to {}", request.line())
        })
    }

    /// Makes of an answer what the fault makes of it, and remembers.
    fn made(&self, request: Request, answer: Option<Answer>, fault: Option<Fault>, is_token: bool) -> Reply {
        let mut state = self.state();
        let stamp = state.stamp.clone();
        let answer = answer.map(|mut answer| {
            answer.headers.retain(|(name, _)| name != "x-request-id");
            answer.headers.push(("x-request-id".into(), stamp.unwrap_or_else(|| "kit".into())));
            answer
        });
        let answer = match answer {
            Some(answer) if is_token => Some(Self::with_stand_in_token(&mut state, answer)),
            answer => answer,
        };
        let path = format!("{} {}", request.method, request.path());
        let is_before = |before: &&Answer| answer.as_ref().is_some_and(|answer| fault::is_page_like(answer, before));
        // Another query of the same path is another page; the same one is the same question.
        let earlier = state.before.get(&path).filter(|(target, _)| *target != request.target);
        let before = earlier.map(|(_, before)| before).filter(is_before).cloned();
        if let Some(answer) = answer.as_ref().filter(|_| !is_token) {
            state.before.insert(path, (request.target.clone(), answer.clone()));
        }
        // What is no page cannot be another one.
        let moved = || fault::moved(answer.as_ref()?, before.as_ref()?);
        let is_faulty = match &fault {
            Some(Fault::Again) => before.is_some(),
            Some(Fault::Moved) => moved().is_some(),
            fault => fault.is_some(),
        };
        let reply = match (fault, answer) {
            (Some(Fault::Answered(answer)), _) => Reply::Whole(answer),
            (Some(Fault::Silent), _) => Reply::Silent,
            (Some(Fault::Refused | Fault::Lost), _) | (_, None) => Reply::Closed,
            (Some(Fault::Cut), Some(answer)) => Reply::Cut(answer),
            (Some(Fault::Slow), Some(answer)) => Reply::Slow(answer),
            (Some(Fault::Again), Some(answer)) => Reply::Whole(before.unwrap_or(answer)),
            (Some(Fault::Moved), Some(answer)) => {
                Reply::Whole(before.and_then(|before| fault::moved(&answer, &before)).unwrap_or(answer))
            }
            (Some(Fault::Changed(change, keys)), Some(answer)) => {
                Reply::Whole(fault::changed(&answer, change, &keys).unwrap_or(answer))
            }
            (None, Some(answer)) => Reply::Whole(answer),
        };
        let said = match &reply {
            Reply::Whole(answer) | Reply::Slow(answer) | Reply::Cut(answer) => Some(answer.clone()),
            Reply::Closed | Reply::Silent => None,
        };
        state.seen.push(Seen { request, answer: said, is_token, is_faulty });
        reply
    }
}
