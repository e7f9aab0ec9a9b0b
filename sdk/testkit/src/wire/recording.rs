//! What a vendor answered, kept in one readable file: scene by scene, without secrets.
//!
//! A scene is what one check asks for when nothing goes wrong. The kit makes its faults out of it.

use super::message::{Answer, Request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

const FORMAT: u32 = 1;

/// Headers of an answer that are not kept: they carry credentials, or are of the day.
const DROPPED: [&str; 10] = [
    "authentication-info",
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "server",
    "set-cookie",
    "set-cookie2",
    "transfer-encoding",
    "www-authenticate",
];

/// A recording, as its file has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// Of this file's form.
    pub format: u32,
    /// The clock when it was made, in milliseconds since 1970-01-01T00:00:00Z: a replay begins at this time.
    pub recorded_at_ms: u64,
    pub scenes: BTreeMap<String, Vec<Exchange>>,
}

/// One request and what was answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// `METHOD origin /path?query`
    pub request: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Body>,
    pub status: u16,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<Body>,
}

/// A body, as readable as it can be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    Json(Value),
    Text(String),
    Base64(String),
}

/// Why a file is not a recording, or a recording cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordingError {
    #[error("the recording cannot be read: {0}")]
    Malformed(String),
    #[error("the recording has format {0}; this kit reads {FORMAT}")]
    Format(u32),
    #[error("the recording would hold the secret `{0}`; it is not written")]
    Secret(String),
}

impl Body {
    fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return None;
        }
        Some(match std::str::from_utf8(bytes) {
            Ok(text) => match serde_json::from_str::<Value>(text) {
                Ok(json) if json.is_object() || json.is_array() => Self::Json(json),
                _ => Self::Text(text.to_owned()),
            },
            Err(_) => Self::Base64(STANDARD.encode(bytes)),
        })
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Json(json) => json.to_string().into_bytes(),
            Self::Text(text) => text.clone().into_bytes(),
            Self::Base64(text) => STANDARD.decode(text).unwrap_or_default(),
        }
    }
}

impl Exchange {
    pub(crate) fn of(request: &Request, answer: &Answer, is_token: bool) -> Self {
        let kept = |(name, _): &&(String, String)| !DROPPED.contains(&name.as_str());
        // What is sent for a token is all secrets: none of it is kept.
        let target = if is_token { request.path() } else { &request.target };
        Self {
            request: format!("{} {} {target}", request.method, request.origin),
            sent: if is_token { None } else { Body::of(&request.body) },
            status: answer.status,
            headers: answer.headers.iter().filter(kept).cloned().collect(),
            answered: Body::of(&answer.body),
        }
    }

    pub(crate) fn answer(&self) -> Answer {
        let headers = self.headers.iter().map(|(n, v)| (n.clone(), v.clone())).collect();
        Answer { status: self.status, headers, body: self.answered.as_ref().map(Body::bytes).unwrap_or_default() }
    }

    fn is_of(&self, asked: &Self) -> bool {
        self.request == asked.request && self.sent == asked.sent
    }

    fn is_near(&self, asked: &Self) -> bool {
        let path = |text: &str| text.split_once('?').map_or(text, |(path, _)| path).to_owned();
        path(&self.request) == path(&asked.request)
    }
}

impl Recording {
    #[must_use]
    pub fn new(recorded_at_ms: u64) -> Self {
        Self { format: FORMAT, recorded_at_ms, scenes: BTreeMap::new() }
    }

    /// # Errors
    /// [`RecordingError`].
    pub fn parse(text: &str) -> Result<Self, RecordingError> {
        let read: Self = serde_json::from_str(text).map_err(|e| RecordingError::Malformed(e.to_string()))?;
        if read.format != FORMAT {
            return Err(RecordingError::Format(read.format));
        }
        Ok(read)
    }

    /// The file, with every secret taken out: the configuration's by name, and the tokens that were answered.
    ///
    /// # Errors
    /// [`RecordingError::Secret`]: one is still in it, in some writing.
    pub fn to_text(&self, secrets: &[(String, String)]) -> Result<String, RecordingError> {
        let mut text = serde_json::to_string_pretty(self).map_err(|e| RecordingError::Malformed(e.to_string()))?;
        let mut all: Vec<(String, String)> = secrets.to_vec();
        for exchange in self.scenes.values().flatten() {
            if let Some(Body::Json(answered)) = &exchange.answered {
                for name in ["access_token", "refresh_token", "id_token"] {
                    if let Some(token) = answered.get(name).and_then(Value::as_str) {
                        all.push((name.to_owned(), token.to_owned()));
                    }
                }
            }
        }
        for (name, secret) in all.iter().filter(|(_, secret)| secret.len() >= 4) {
            for written in writings(secret) {
                text = text.replace(&written, &format!("redacted-{}", name.replace('_', "-")));
            }
        }
        let left = secrets.iter().find(|(_, secret)| secret.len() >= 4 && text.contains(secret.as_str()));
        match left {
            Some((name, _)) => Err(RecordingError::Secret(name.clone())),
            None => Ok(text + "\n"),
        }
    }

    /// The exchange that answers a request: the next of the scene that is just it, else the last that was, else one of
    /// another scene, else the next of the same path.
    pub(crate) fn find(&self, scene: &str, used: &mut Vec<bool>, asked: &Exchange) -> Option<Exchange> {
        let exchanges = self.scenes.get(scene).map_or(&[][..], Vec::as_slice);
        used.resize(exchanges.len(), false);
        let fresh = |at: usize| !used.get(at).copied().unwrap_or(true);
        let of = |at: usize| exchanges.get(at).is_some_and(|exchange| exchange.is_of(asked));
        let near = |at: usize| exchanges.get(at).is_some_and(|exchange| exchange.is_near(asked));
        let every = || 0..exchanges.len();
        let here = every().find(|at| fresh(*at) && of(*at)).or_else(|| every().rev().find(|at| of(*at)));
        if here.is_none()
            && let Some(elsewhere) = self.scenes.values().flatten().find(|exchange| exchange.is_of(asked))
        {
            return Some(elsewhere.clone());
        }
        let at = here.or_else(|| every().find(|at| fresh(*at) && near(*at)))?;
        if let Some(used) = used.get_mut(at) {
            *used = true;
        }
        exchanges.get(at).cloned()
    }
}

/// How a secret may be written: as it is, in JSON, percent-encoded, in base64.
fn writings(secret: &str) -> Vec<String> {
    let json = serde_json::to_string(secret).unwrap_or_default();
    let percent: String = secret
        .bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect();
    vec![json.trim_matches('"').to_owned(), secret.to_owned(), percent, STANDARD.encode(secret)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(target: &str) -> Request {
        let (origin, method, body) = ("api".into(), "GET".into(), Vec::new());
        Request { origin, method, target: target.into(), headers: Vec::new(), body }
    }

    fn recording() -> Recording {
        let mut recording = Recording::new(7);
        let exchange =
            |target: &str, n: u64| Exchange::of(&request(target), &Answer::json(200, &json!({"n": n})), false);
        let scene = vec![exchange("/job", 1), exchange("/job", 2), exchange("/page?limit=5", 3)];
        recording.scenes.insert("read".into(), scene);
        recording.scenes.insert("other".into(), vec![exchange("/elsewhere", 4)]);
        recording
    }

    #[test]
    fn answers_come_in_order_and_the_last_one_stays() {
        let recording = recording();
        let mut used = Vec::new();
        let mut asked = |target: &str| {
            let asked = Exchange::of(&request(target), &Answer::json(200, &json!(null)), false);
            let found = recording.find("read", &mut used, &asked)?;
            serde_json::from_slice::<Value>(&found.answer().body).ok()?["n"].as_u64()
        };
        assert_eq!(["/job", "/job", "/job"].map(&mut asked), [Some(1), Some(2), Some(2)]);
        assert_eq!(
            ["/page?limit=6", "/page?limit=6", "/elsewhere", "/none"].map(asked),
            [Some(3), None, Some(4), None]
        );
    }

    #[test]
    fn no_secret_is_written_in_any_writing() {
        let mut recording = Recording::new(7);
        let secret = "s3cret/\\ü\"x";
        let token = Answer::json(200, &json!({"access_token": "tok-12345", "expires_in": 60}));
        let body = json!({"echo": secret, "token": "tok-12345", "encoded": STANDARD.encode(secret)});
        let asked = Request { body: secret.into(), ..request("/token?client_secret=s3cret") };
        let told = request("/a?s=s3cret%2F%5C%C3%BC%22x");
        let scene = vec![Exchange::of(&asked, &token, true), Exchange::of(&told, &Answer::json(200, &body), false)];
        recording.scenes.insert("read".into(), scene);
        let text = recording.to_text(&[("client_secret".into(), secret.into())]).unwrap();
        for gone in ["s3cret", "tok-12345", &STANDARD.encode(secret)] {
            assert!(!text.contains(gone), "{gone} in {text}");
        }
        let read = Recording::parse(&text).unwrap();
        assert_eq!(read.scenes["read"][0].request, "GET api /token");
        assert_eq!(Recording::parse(&text.replace("\"format\": 1", "\"format\": 2")), Err(RecordingError::Format(2)));
    }
}
