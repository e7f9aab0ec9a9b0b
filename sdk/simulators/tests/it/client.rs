//! A client with no opinions: one connection a call, and the answer as it came.

use std::net::SocketAddr;
use std::time::Duration;

use attiva_simulators::marketo::{Limits, Marketo, MarketoConfig};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

pub(crate) const NOW: &str = "2026-11-23T00:00:00Z";

/// An instance without call limits whose jobs move fast, at a fixed time.
pub(crate) fn config(leads: u64) -> MarketoConfig {
    MarketoConfig {
        leads,
        now: NOW.parse().ok(),
        limits: Limits::OFF,
        status_interval: Duration::from_millis(5),
        ..MarketoConfig::default()
    }
}

pub(crate) async fn start(config: MarketoConfig) -> (Marketo, Client) {
    let marketo = Marketo::start(config).await.expect("a free port");
    let client = Client::of(&marketo).await;
    (marketo, client)
}

#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// False when the connection ended before the announced length.
    pub(crate) whole: bool,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> String {
        self.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
}

impl Client {
    pub(crate) async fn of(marketo: &Marketo) -> Self {
        let mut client = Self { address: marketo.address(), token: String::new() };
        client.renew(marketo.config()).await;
        client
    }

    pub(crate) async fn renew(&mut self, config: &MarketoConfig) -> Value {
        let answer = self.get(&token_path(config)).await.json();
        self.token = answer["access_token"].as_str().unwrap_or_default().to_owned();
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], Vec::new()).await
    }

    /// A call that goes well: the envelope.
    pub(crate) async fn ok(&self, path: &str) -> Value {
        let reply = self.get(path).await;
        let envelope = reply.json();
        assert_eq!((reply.status, &envelope["success"]), (StatusCode::OK, &Value::Bool(true)), "{envelope}");
        assert!(envelope.get("errors").is_none() && envelope["requestId"].is_string(), "{envelope}");
        envelope
    }

    /// A call to the asset API that goes well; its errors and warnings are there and empty, or not.
    pub(crate) async fn ok_asset(&self, path: &str) -> Value {
        let envelope = self.get(path).await.json();
        assert_eq!(
            (&envelope["success"], &envelope["errors"]),
            (&Value::Bool(true), &serde_json::json!([])),
            "{envelope}"
        );
        envelope
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.json_call(Method::POST, path, body).await
    }

    pub(crate) async fn json_call(&self, method: Method, path: &str, body: &Value) -> Reply {
        self.send(method, path, &[("content-type", "application/json")], body.to_string().into_bytes()).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Reply {
        let mut request = Request::builder().method(method).uri(path).header("host", self.address.to_string());
        if !self.token.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        exchange(self.address, request.body(Full::new(Bytes::from(body))).expect("a request")).await
    }
}

pub(crate) async fn exchange(address: SocketAddr, request: Request<Full<Bytes>>) -> Reply {
    let stream = TcpStream::connect(address).await.expect("a listener");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("a handshake");
    tokio::spawn(connection);
    let (parts, mut incoming) = sender.send_request(request).await.expect("an answer").into_parts();
    let mut reply = Reply { status: parts.status, headers: parts.headers, body: Vec::new(), whole: true };
    while let Some(frame) = incoming.frame().await {
        match frame.map(|frame| frame.into_data()) {
            Ok(Ok(data)) => reply.body.extend_from_slice(&data),
            Ok(Err(_)) => {}
            Err(_) => {
                reply.whole = false;
                break;
            }
        }
    }
    reply
}

pub(crate) fn token_path(config: &MarketoConfig) -> String {
    let MarketoConfig { client_id, client_secret, .. } = config;
    format!("/identity/oauth/token?grant_type=client_credentials&client_id={client_id}&client_secret={client_secret}")
}

/// Asserts a refusal in the vendor's form: HTTP 200, and a code that is a text.
pub(crate) fn assert_refused(reply: &Reply, code: &str) -> String {
    let envelope = reply.json();
    assert_eq!(reply.status, StatusCode::OK, "{envelope}");
    assert_eq!(
        (&envelope["success"], &envelope["errors"][0]["code"]),
        (&Value::Bool(false), &Value::from(code)),
        "{envelope}"
    );
    assert!(envelope.get("result").is_none(), "{envelope}");
    envelope["errors"][0]["message"].as_str().unwrap_or_default().to_owned()
}

pub(crate) fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

pub(crate) fn records(envelope: &Value) -> Vec<Value> {
    envelope["result"].as_array().cloned().unwrap_or_default()
}
