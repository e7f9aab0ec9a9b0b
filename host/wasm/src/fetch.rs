//! Fetching a file for the host itself: a package that an operator names by its address and its digest. The same
//! client and the same checks of addresses as for plugins; no redirects, no proxies, a cap on bytes and time.

use crate::connection::Scheme;
use crate::egress::body::{self, BodyError};
use crate::egress::policy::{Endpoint, parse_url};
use crate::host::PluginHost;
use attiva_core::{Fault, FaultKind};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

const FETCH_TIMEOUT: Duration = Duration::from_secs(120);

/// Where a file lies: `https` anywhere public, `http` on this machine only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    endpoint: Endpoint,
    path: String,
}

impl Location {
    /// Reads `https://host[:port]/path[?query]`, or the same with `http` and a loopback host.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        const FORM: &str = "must be https://host/path, or http://127.0.0.1:port/path on this machine";
        let (scheme, rest) = url.split_once("://").ok_or(FORM)?;
        let (authority, path) = rest.split_at(rest.find('/').ok_or(FORM)?);
        if path.parse::<http::uri::PathAndQuery>().is_err() || path.contains('#') {
            return Err("has a path that cannot be sent");
        }
        let endpoint = match scheme {
            "https" => parse_url(&format!("https://{authority}")),
            "http" => loopback(authority),
            _ => None,
        };
        Ok(Self { endpoint: endpoint.ok_or(FORM)?, path: path.to_owned() })
    }
}

/// Nothing is encrypted there, and nobody is between.
fn loopback(authority: &str) -> Option<Endpoint> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok().filter(|port| *port != 0)?),
        _ => (authority, Scheme::Http.default_port()),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    is_here.then_some(Endpoint { scheme: Scheme::Http, host, port, addresses })
}

impl PluginHost {
    /// The file's bytes.
    ///
    /// # Errors
    /// `fetch.status` and `fetch.too-large`, kind config; `egress.address` and `network.*`.
    pub async fn fetch(&self, from: &Location, bytes_max: u64) -> Result<Vec<u8>, Fault> {
        let fetched = tokio::time::timeout(FETCH_TIMEOUT, self.fetch_now(from, bytes_max)).await;
        fetched.unwrap_or_else(|_| Err(Fault::new(FaultKind::Transient, "network.timeout", "the fetch took too long")))
    }

    async fn fetch_now(&self, from: &Location, bytes_max: u64) -> Result<Vec<u8>, Fault> {
        let authority = from.endpoint.authority();
        let request = Request::get(from.path.as_str())
            .header(header::HOST, &authority)
            .header(header::USER_AGENT, crate::capability::http::USER_AGENT)
            .body(Full::new(Bytes::new()))
            .map_err(|e| Fault::new(FaultKind::Config, "fetch.url", e.to_string()))?;
        let transport = &self.services.transport;
        let mut exchange = transport.send(&from.endpoint, request).await?;
        let status = exchange.response.status();
        if status != StatusCode::OK {
            let what = format!("{authority} answered {status}; redirects are not followed");
            return Err(Fault::new(FaultKind::Config, "fetch.status", what).action("Name the file's own address."));
        }
        let read = body::read(exchange.response.body_mut(), bytes_max).await.map_err(|error| match error {
            BodyError::TooLong(most) => {
                Fault::new(FaultKind::Config, "fetch.too-large", format!("the file has more than {most} bytes"))
            }
            other => Fault::new(FaultKind::Transient, "network.broken", other.to_string()),
        })?;
        transport.give_back(exchange);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_anywhere_and_http_here() {
        let cases = [
            ("https://example.com/a.plugin", true),
            ("https://example.com:8443/a?b=c", true),
            ("http://127.0.0.1:9000/a", true),
            ("http://localhost/a", true),
            ("http://[::1]:9/a", true),
            ("http://example.com/a", false),
            ("http://127.0.0.1.example.com/a", false),
            ("http://10.0.0.1/a", false),
            ("https://example.com", false),
            ("https://user@example.com/a", false),
            ("https://127.0.0.1/a", false),
            ("https://example.com/a b", false),
            ("https://example.com/a#b", false),
            ("http://127.0.0.1:0/a", false),
            ("ftp://example.com/a", false),
            ("/etc/passwd", false),
            ("", false),
        ];
        for (url, good) in cases {
            assert_eq!(Location::parse(url).is_ok(), good, "{url}");
        }
    }

    #[test]
    fn a_name_of_this_machine_leads_nowhere_else() {
        let location = Location::parse("http://localhost:1/a").unwrap();
        assert!(location.endpoint.refuses("10.0.0.1".parse().unwrap()).is_some());
        assert!(location.endpoint.refuses("127.0.0.1".parse().unwrap()).is_none());
        let public = Location::parse("https://example.com/a").unwrap();
        assert!(public.endpoint.refuses("127.0.0.1".parse().unwrap()).is_some());
    }
}
