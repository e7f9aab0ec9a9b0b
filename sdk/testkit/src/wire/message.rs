//! A request and its answer, whole, as they pass between a connector and its vendor.

use serde_json::Value;

/// What a connector asked for, as it stood on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The origin of the specification it went to.
    pub origin: String,
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// `METHOD origin/path`, for messages.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} {}{}", self.method, self.origin, self.target)
    }
}

/// What the vendor answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case; those that frame the message are left out.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    #[must_use]
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("content-type".into(), content_type.into())], body: body.into() }
    }

    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The bytes that go over the wire.
    pub(crate) fn bytes(&self, has_body: bool) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} -\r\n", self.status);
        for (name, value) in self.headers.iter().filter(|(name, _)| !is_framing(name)) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        // An answer to HEAD says how long the body would be, if the vendor said it.
        let length = if has_body { self.body.len().to_string() } else { self.said_length().unwrap_or("0".into()) };
        head.push_str(&format!("content-length: {length}\r\n\r\n"));
        let mut bytes = head.into_bytes();
        if has_body {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }

    fn said_length(&self) -> Option<String> {
        self.header("content-length").map(str::to_owned)
    }
}

/// Headers that frame a message on one connection: the kit's server makes its own.
fn is_framing(name: &str) -> bool {
    matches!(name, "content-length" | "transfer-encoding" | "connection" | "keep-alive")
}
