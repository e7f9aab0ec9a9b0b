//! The HTTP client: a request names an origin of the specification and a path, never a URL.

use crate::{Fault, Host, Request, Response, Result, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

/// Makes requests. From `host.http()`.
#[derive(Clone, Copy)]
pub struct HttpClient<'h> {
    host: &'h dyn Host,
}

impl<'h> HttpClient<'h> {
    pub(crate) fn new(host: &'h dyn Host) -> Self {
        Self { host }
    }

    /// A request with any method. `path` begins with `/` and is already encoded (see [`encode`]); it may carry a
    /// query.
    pub fn request(self, method: &str, origin: &str, path: impl Into<String>) -> HttpRequest<'h> {
        let request = Request {
            origin: origin.to_owned(),
            method: method.to_owned(),
            path: path.into(),
            headers: Vec::new(),
            body: None,
            credential: None,
            timeout_ms: None,
        };
        HttpRequest { host: self.host, request, defect: None }
    }

    /// `GET`.
    pub fn get(self, origin: &str, path: impl Into<String>) -> HttpRequest<'h> {
        self.request("GET", origin, path)
    }

    /// `POST`.
    pub fn post(self, origin: &str, path: impl Into<String>) -> HttpRequest<'h> {
        self.request("POST", origin, path)
    }

    /// `PUT`.
    pub fn put(self, origin: &str, path: impl Into<String>) -> HttpRequest<'h> {
        self.request("PUT", origin, path)
    }

    /// `DELETE`.
    pub fn delete(self, origin: &str, path: impl Into<String>) -> HttpRequest<'h> {
        self.request("DELETE", origin, path)
    }

    /// `HEAD`.
    pub fn head(self, origin: &str, path: impl Into<String>) -> HttpRequest<'h> {
        self.request("HEAD", origin, path)
    }
}

/// One request being built.
#[must_use = "a request does nothing until it is sent"]
pub struct HttpRequest<'h> {
    host: &'h dyn Host,
    request: Request,
    defect: Option<Fault>,
}

impl HttpRequest<'_> {
    /// Adds query parameters, encoded, in this order.
    pub fn query<K: AsRef<str>, V: AsRef<str>>(mut self, pairs: &[(K, V)]) -> Self {
        if !pairs.is_empty() {
            self.request.path.push(if self.request.path.contains('?') { '&' } else { '?' });
            self.request.path.push_str(&encode::pairs(pairs));
        }
        self
    }

    /// Adds a header. `Host`, `Authorization`, `Content-Length` and their like are the host's and refused.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.request.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The credential of the specification that the host adds.
    pub fn credential(mut self, name: &str) -> Self {
        self.request.credential = Some(name.to_owned());
        self
    }

    /// A time-out for this request; the host's own ceiling holds as well.
    pub fn timeout_ms(mut self, timeout: u32) -> Self {
        self.request.timeout_ms = Some(timeout);
        self
    }

    /// A body and its content type.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.request.body = Some(body.into());
        self.header("content-type", content_type)
    }

    /// A body as JSON.
    pub fn json(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.body("application/json", body),
            Err(e) => {
                self.defect = Some(Fault::internal("request.json", format!("the body does not serialise: {e}")));
                self
            }
        }
    }

    /// A body as `application/x-www-form-urlencoded`.
    pub fn form<K: AsRef<str>, V: AsRef<str>>(self, pairs: &[(K, V)]) -> Self {
        self.body("application/x-www-form-urlencoded", encode::pairs(pairs))
    }

    /// Sends it. Any status is a response: use [`Response::success`] where only 2xx will do.
    ///
    /// # Errors
    /// The gate's, the credential's, the network's and the limits' faults; `internal` `request.json`.
    pub fn send(self) -> Result<Response> {
        let host = self.host;
        host.send(&self.into_request()?)
    }

    /// The request as the contract has it, without sending it.
    ///
    /// # Errors
    /// `internal` `request.json`: the body did not serialise.
    pub fn into_request(self) -> Result<Request> {
        match self.defect {
            Some(fault) => Err(fault),
            None => Ok(self.request),
        }
    }
}

impl Response {
    /// The first value of a header, by its name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether the status is 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The response if its status is 2xx, else [`status_fault`](Self::status_fault).
    ///
    /// # Errors
    /// By status.
    pub fn success(self) -> Result<Self> {
        if self.is_success() { Ok(self) } else { Err(self.status_fault()) }
    }

    /// What a status means in general, with the code `http.<status>`; a vendor's own error body says more, so read
    /// that first. 408, 425 and 5xx (but 501) pass; 429 is `rate-limited`; 401 `auth`; 403 `scope`; anything else is
    /// `data`. `Retry-After` in seconds is taken over.
    #[must_use]
    pub fn status_fault(&self) -> Fault {
        let code = format!("http.{}", self.status);
        let message = format!("the vendor answered with status {}", self.status);
        let fault = match self.status {
            401 => Fault::auth(code, message).action("Renew the credential."),
            403 => Fault::scope(code, message).action("Ask the vendor's administrator for the permission."),
            429 => Fault::rate_limited(code, message),
            501 => Fault::unsupported(code, message),
            408 | 425 | 500.. => Fault::transient(code, message),
            _ => Fault::data(code, message),
        };
        match self.retry_after_ms() {
            Some(wait) => fault.retry_after_ms(wait),
            None => fault,
        }
    }

    /// `Retry-After` in milliseconds, if it is given in seconds.
    #[must_use]
    pub fn retry_after_ms(&self) -> Option<u64> {
        self.header("retry-after")?.trim().parse::<u64>().ok()?.checked_mul(1000)
    }

    /// The body as UTF-8.
    ///
    /// # Errors
    /// `data` `response.not-utf8`.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.body)
            .map_err(|e| Fault::data("response.not-utf8", format!("the vendor's answer is not UTF-8: {e}")))
    }

    /// The body read from JSON.
    ///
    /// # Errors
    /// `transient` `response.not-json`: no JSON at all (a proxy's error page, a cut body). `data`
    /// `response.unexpected`: JSON of another shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|e| match e.classify() {
            Category::Data => Fault::data(
                "response.unexpected",
                format!("the vendor's answer has another shape than documented: {e}"),
            ),
            Category::Syntax | Category::Eof | Category::Io => Fault::transient(
                "response.not-json",
                format!("the vendor answered {} with {} bytes that are not JSON: {e}", self.status, self.body.len()),
            ),
        })
    }
}
