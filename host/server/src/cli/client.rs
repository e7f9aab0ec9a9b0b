//! The HTTP client of the command line and of the demo. Small and blocking: one command, a few requests.

use super::{Failure, Global};
use crate::api::{MEDIA_TYPE, Problem};
use crate::authorities;
use anyhow::Context;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{Method, Request, StatusCode};
use ureq::tls::TlsConfig;

/// A client of one host, with a key and a sandbox.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    agent: Agent,
    url: String,
    key: Option<String>,
    sandbox: String,
}

/// Longest time for a request; the host's own limit is shorter.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Most bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// An answer that is no refusal.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The version of what was answered, where it has one.
    pub(crate) etag: Option<String>,
    /// It was given to an earlier request with the same idempotency key.
    pub(crate) is_replayed: bool,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Result<Value, Failure> {
        let json = serde_json::from_slice(&self.body).context("the host's answer is not JSON");
        json.map_err(Failure::from)
    }
}

impl Client {
    pub(crate) fn new(global: &Global) -> Result<Self, Failure> {
        Self::at(&global.url, global.key.clone(), &global.sandbox, global.ca_file.as_deref())
    }

    /// A client that trusts the authorities in `ca_file`, or without one those that the public trusts.
    pub(crate) fn at(url: &str, key: Option<String>, sandbox: &str, ca_file: Option<&Path>) -> Result<Self, Failure> {
        let url = url.trim_end_matches('/').to_owned();
        let parsed: ureq::http::Uri = url.parse().map_err(|e| Failure::Usage(format!("--url `{url}`: {e}")))?;
        let host = match (parsed.scheme_str(), parsed.host()) {
            (Some("http" | "https"), Some(host)) => host,
            _ => return Err(Failure::Usage(format!("--url `{url}` must be http:// or https:// and a host"))),
        };
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .user_agent(concat!("attiva/", env!("CARGO_PKG_VERSION")));
        // A proxy for the world is none for this machine.
        if matches!(host, "localhost" | "[::1]") || host.starts_with("127.") {
            config = config.proxy(None);
        }
        if let Some(file) = ca_file {
            let wrong = |problem: String| Failure::Usage(format!("--ca-file {}: {problem}", file.display()));
            let trusted = authorities::read(file).map_err(wrong)?;
            config = config.tls_config(TlsConfig::builder().root_certs(trusted).build());
        }
        Ok(Self { agent: config.build().into(), url, key, sandbox: sandbox.to_owned() })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A path within the sandbox.
    pub(crate) fn scoped(&self, path: &str) -> String {
        format!("/v1/sandboxes/{}/{path}", self.sandbox)
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.send(Method::GET, path, None)?.json()
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send_json(Method::POST, path, body)?.json()
    }

    pub(crate) fn send_json(&self, method: Method, path: &str, body: &Value) -> Result<Answer, Failure> {
        self.send(method, path, Some(("application/json", body.to_string().into_bytes())))
    }

    /// All items of a listing, page by page.
    pub(crate) fn get_all(&self, path: &str) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        let mut page = self.get(path)?;
        loop {
            items.extend(page.get("items").and_then(Value::as_array).into_iter().flatten().cloned());
            let Some(cursor) = page.get("next_cursor").and_then(Value::as_str) else { return Ok(items) };
            page = self.get(&format!("{path}?cursor={}", encoded(cursor)))?;
        }
    }

    /// The id of what somebody names: as it stands if it is one, else of the only thing of that name. Where there is none,
    /// the host says so.
    ///
    /// # Errors
    /// Several things have the name.
    pub(crate) fn id_of(&self, path: &str, prefix: &str, named: &str) -> Result<String, Failure> {
        if named.starts_with(prefix) {
            return Ok(named.to_owned());
        }
        let all = self.get_all(&self.scoped(path))?;
        let ids = all.iter().filter(|it| it.get("name").and_then(Value::as_str) == Some(named));
        let ids: Vec<&str> = ids.filter_map(|it| it.get("id").and_then(Value::as_str)).collect();
        match ids.as_slice() {
            [id] => Ok((*id).to_owned()),
            [] => Ok(encoded(named)),
            several => {
                Err(Failure::Usage(format!("several are called `{named}`: {}; name one by its id", several.join(", "))))
            }
        }
    }

    /// Posts under a key: the same request again is answered as the first was, and its work is done once.
    pub(crate) fn post_once(&self, path: &str, body: &Value, key: &str) -> Result<Answer, Failure> {
        let body = ("application/json", body.to_string().into_bytes());
        self.send_if(Method::POST, path, Some(body), None, Some(key))
    }

    /// What a key of such a request may be made of, so that nobody who sees the key learns what was sent.
    pub(crate) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// A document with its version.
    pub(crate) fn get_versioned(&self, path: &str) -> Result<(Value, Option<String>), Failure> {
        let answer = self.send(Method::GET, path, None)?;
        Ok((answer.json()?, answer.etag))
    }

    /// Puts a document in the place of one version of it.
    pub(crate) fn put_versioned(&self, path: &str, body: &Value, version: Option<&str>) -> Result<Value, Failure> {
        self.change(Method::PUT, path, Some(body), version)?.json()
    }

    /// Changes or removes one version of a document.
    pub(crate) fn change(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        version: Option<&str>,
    ) -> Result<Answer, Failure> {
        let body = body.map(|body| ("application/json", body.to_string().into_bytes()));
        self.send_if(method, path, body, version, None)
    }

    /// Sends a request; a refusal is a failure.
    pub(crate) fn send(&self, method: Method, path: &str, body: Option<(&str, Vec<u8>)>) -> Result<Answer, Failure> {
        self.send_if(method, path, body, None, None)
    }

    fn send_if(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
        version: Option<&str>,
        key: Option<&str>,
    ) -> Result<Answer, Failure> {
        let is_post = method == Method::POST;
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        if let Some(version) = version {
            request = request.header("if-match", version);
        }
        if is_post {
            request = match key {
                Some(key) => request.header("idempotency-key", key),
                None => request.header("idempotency-key", unique()?),
            };
        }
        let (media_type, bytes) = body.unwrap_or(("application/json", Vec::new()));
        let request = request.header("content-type", media_type).body(bytes);
        let request = request.map_err(|e| Failure::Usage(format!("the request cannot be made: {e}")))?;
        let mut response = self.agent.run(request).map_err(|e| self.unreachable(&e))?;
        let status = response.status();
        let media_type = response.headers().get("content-type").and_then(|h| h.to_str().ok());
        let media_type = media_type.unwrap_or_default().to_owned();
        let etag = response.headers().get("etag").and_then(|h| h.to_str().ok()).map(str::to_owned);
        let is_replayed = response.headers().contains_key("idempotency-replayed");
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let body = body.map_err(|e| self.unreachable(&e))?;
        if status.is_success() {
            return Ok(Answer { status, etag, is_replayed, body });
        }
        Err(self.refused(status, &media_type, &body))
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        let (url, reason) = (self.url.clone(), error.to_string());
        if is_of_certificate(error) {
            return Failure::Untrusted { url, reason };
        }
        Failure::Unreachable { url, reason }
    }

    fn refused(&self, status: StatusCode, media_type: &str, body: &[u8]) -> Failure {
        if media_type.starts_with(MEDIA_TYPE)
            && let Ok(problem) = serde_json::from_slice::<Problem>(body)
        {
            return Failure::Refused(Box::new(problem));
        }
        Failure::Other(anyhow::anyhow!(
            "{} answered {status} in a form that is not Attiva's; is it the right --url?",
            self.url
        ))
    }
}

/// Whether it is the host's certificate that is no good.
fn is_of_certificate(error: &ureq::Error) -> bool {
    let inner = match error {
        ureq::Error::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()),
        ureq::Error::Rustls(error) => Some(error),
        _ => None,
    };
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

/// A key for one request: what the network loses on the way back can be asked for again.
fn unique() -> Result<String, Failure> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|e| anyhow::anyhow!("no random numbers: {e}"))?;
    Ok(hex::encode(random))
}

/// Text as it may stand in a query.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_query_is_encoded() {
        assert_eq!(encoded("a+b@x.com & é"), "a%2Bb%40x.com%20%26%20%C3%A9");
    }
}
