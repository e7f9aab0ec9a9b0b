//! Passing a request on to a vendor that is there: a simulator, a sandbox account.

use super::message::{Answer, Request};
use std::io;
use std::time::Duration;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// Longest body that is taken.
const BODY_BYTES_MAX: u64 = 64 << 20;

/// Sends a request to `base` (scheme, host and port) and takes the answer whole.
///
/// # Errors
/// In words: there was no answer.
pub(super) fn forward(agent: &ureq::Agent, base: &str, request: &Request) -> Result<Answer, String> {
    let broken = |error: &dyn std::fmt::Display| format!("{} cannot be asked: {error}", request.line());
    let mut built =
        ureq::http::Request::builder().method(request.method.as_str()).uri(format!("{base}{}", request.target));
    // A signature covers the host that the connector's request named, so a vendor on loopback is told that one.
    let keeps_host = base.starts_with("http://");
    for (name, value) in &request.headers {
        let is_ours = matches!(name.as_str(), "content-length" | "connection");
        let is_elsewhere = !keeps_host && matches!(name.as_str(), "host" | "accept-encoding");
        if !is_ours && !is_elsewhere {
            built = built.header(name, value);
        }
    }
    if !keeps_host {
        // A recording is to be read by people.
        built = built.header("accept-encoding", "identity");
    }
    let built = built.body(request.body.clone()).map_err(|e| broken(&e))?;
    let mut response = agent.run(built).map_err(|e| broken(&e))?;
    let text = |value: &ureq::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(BODY_BYTES_MAX).read_to_vec().map_err(|e| broken(&e))?;
    Ok(Answer { status, headers, body })
}

/// `authorities`: certificates in PEM form of those who are trusted to say who a vendor is, in the place of the public ones.
///
/// # Errors
/// There is none in it.
pub(super) fn agent(authorities: Option<&str>) -> io::Result<ureq::Agent> {
    let mut config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .allow_non_standard_methods(true)
        .timeout_global(Some(Duration::from_secs(60)));
    if let Some(text) = authorities {
        config = config.tls_config(TlsConfig::builder().root_certs(certificates(text)?).build());
    }
    Ok(config.build().into())
}

fn certificates(text: &str) -> io::Result<RootCerts> {
    let wrong = |problem: String| io::Error::new(io::ErrorKind::InvalidData, problem);
    let mut found = Vec::new();
    for item in parse_pem(text.as_bytes()) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| wrong(format!("no certificates: {e}")))? {
            found.push(certificate);
        }
    }
    if found.is_empty() {
        return Err(wrong("no certificate in PEM form (`-----BEGIN CERTIFICATE-----`)".into()));
    }
    Ok(RootCerts::from(found))
}
