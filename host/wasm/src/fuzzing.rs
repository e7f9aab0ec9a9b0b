//! What must hold for any bytes whatever, one function for each place that takes them from outside. The targets of `fuzz/`
//! call these; the tests below replay what was found worth keeping. Each panics where something does not hold.

use crate::admission::imports_of;
use crate::aot::Forger;
use crate::configuration;
use crate::egress::policy::{Ask, Mode, Policy};
use crate::egress::{address, request};
use attiva_core::spec::Spec;
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, OnceLock};

/// A component's bytes, or a specification's text: refused, or as the host relies on.
///
/// # Panics
/// If an import got through that is none of the contract's, or a specification that cannot be written again.
pub fn admission(bytes: &[u8]) {
    const CONTRACT: [&str; 7] = ["types", "http", "spool", "log", "clock", "random", "progress"];
    if let Some(imports) = imports_of(bytes) {
        assert!(imports.iter().all(|import| CONTRACT.contains(&import.as_str())), "{imports:?}");
    }
    let Some(spec) = std::str::from_utf8(bytes).ok().and_then(|text| Spec::parse(text).ok()) else { return };
    let again = serde_json::to_string(&spec).ok().and_then(|text| Spec::parse(&text).ok());
    assert_eq!(again.as_ref(), Some(&spec), "a specification is not the same once written and read");
    // Must come to an end, whatever the schema.
    if configuration::check_schema(&spec.configuration).is_ok() {
        let _ = configuration::validate_configuration(&spec, &json!({"a": {"b": [1, "c", null]}}));
    }
}

/// A request and a configuration, in lines: method, path, origin, credential, a key's value; and an address in the rest.
///
/// # Panics
/// If something leaves that must not: a path that is more than a path, one outside its rule however it is read, a host
/// outside its domain, an address inside.
pub fn policy(bytes: &[u8]) {
    let mut lines = bytes.splitn(6, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (method, path, origin, credential, value) = (line(), line(), line(), line(), line());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (method, path, origin) = (text(method), text(path), text(origin));
    let (credential, value) = (Some(text(credential)).filter(|name| !name.is_empty()), text(value));
    asked(&method, &path, &origin, credential.as_deref(), &value);
    header(&origin, &value);
    let rest = line();
    if let Ok(octets) = <[u8; 4]>::try_from(rest) {
        dialled(Ipv4Addr::from(octets).into());
    } else if let Some(octets) = rest.first_chunk::<16>() {
        dialled(Ipv6Addr::from(*octets).into());
    }
    if let Ok(parsed) = value.parse::<IpAddr>() {
        dialled(parsed);
    }
}

fn spec() -> &'static Arc<Spec> {
    static SPEC: OnceLock<Arc<Spec>> = OnceLock::new();
    SPEC.get_or_init(|| {
        let spec = json!({
            "name": "x", "version": "0.1.0", "publisher": "p", "title": "X", "state_version": 1,
            "configuration": {"type": "object", "properties": {"id": {"type": "string"}}},
            "credentials": [{"name": "token", "method": "oauth2-client-credentials", "origin": "api", "path": "/token",
                "client_id": "c", "client_secret": "s"}],
            "origins": [
                {"name": "api", "url": "https://{id}.example.com", "domains": ["example.com"], "rules": [
                    {"methods": ["GET"], "path": "/rest/", "access": "read", "credential": "token"},
                    {"methods": ["POST"], "path": "/rest/write", "access": "write"}]},
                {"name": "several", "url": "https://{id}.example.com", "domains": ["example.com"],
                    "several_labels": ["id"], "rules": [{"methods": ["GET"], "path": "/", "access": "read"}]}],
            "instance": {"system": "X", "id": "{id}"}
        });
        Arc::new(Spec::parse(&spec.to_string()).unwrap_or_else(|e| panic!("the fuzzer's own specification: {e}")))
    })
}

fn asked(method: &str, path: &str, origin: &str, credential: Option<&str>, value: &str) {
    let configuration = Arc::new(json!({ "id": value }));
    let policy = Policy { spec: spec().clone(), configuration, grants: Arc::new([]), domains: None };
    if let Ok(endpoint) = policy.endpoint(origin) {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
        assert!(endpoint.host.ends_with(".example.com") && endpoint.host.bytes().all(plain), "{endpoint:?}");
        assert_eq!(endpoint.port, 443);
    }
    if request::method(method).is_err() || request::check_path(path).is_err() {
        return;
    }
    assert!(path.starts_with('/') && !path.starts_with("//") && path.bytes().all(|b| b.is_ascii_graphic()), "{path:?}");
    if let Ok(uri) = path.parse::<http::Uri>() {
        assert!(uri.authority().is_none() && uri.scheme().is_none(), "{path:?} is more than a path");
    }
    let ask = Ask { origin, method, path, credential };
    if origin == "api" && policy.permit(&ask, Mode::ReadOnly).is_ok() {
        assert_eq!(method, "GET", "only what reads is allowed where only reading is");
        for read in readings(path) {
            assert!(read.starts_with("/rest/"), "{path:?} may be read as {read:?}");
        }
    }
}

/// Paths that a server may make of one: dots resolved as it stands, and after each of two decodings.
fn readings(path: &str) -> Vec<String> {
    let mut bytes = path.split(['?', '#']).next().unwrap_or_default().as_bytes().to_vec();
    let mut readings = Vec::new();
    for _ in 0..3 {
        let mut segments: Vec<&[u8]> = Vec::new();
        for segment in bytes.split(|b| *b == b'/' || *b == b'\\').skip(1) {
            match segment {
                b"." => {}
                b".." => drop(segments.pop()),
                _ => segments.push(segment),
            }
        }
        readings.push(format!("/{}", String::from_utf8_lossy(&segments.join(&b'/'))));
        bytes = percent_encoding_undone(&bytes);
    }
    readings
}

fn percent_encoding_undone(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).filter(|_| *byte == b'%').and_then(|d| std::str::from_utf8(d).ok());
        let digits = digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) => {
                plain.push(decoded);
                at += 3;
            }
            None => {
                plain.push(*byte);
                at += 1;
            }
        }
    }
    plain
}

fn header(name: &str, value: &str) {
    let Ok(headers) = request::headers(&[(name.to_owned(), value.to_owned())]) else { return };
    for (name, value) in &headers {
        let reserved = ["host", "authorization", "cookie", "content-length", "transfer-encoding", "connection"];
        assert!(!reserved.contains(&name.as_str()), "{name}");
        assert!(!value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{value:?}");
    }
}

/// What the standard library knows of addresses, beside our own list.
fn dialled(address: IpAddr) {
    if address::special(address).is_some() {
        return;
    }
    let carried = match address {
        IpAddr::V4(v4) => v4,
        IpAddr::V6(v6) => {
            assert!(!v6.is_loopback() && !v6.is_unspecified() && !v6.is_multicast(), "{v6}");
            assert!(!v6.is_unique_local() && !v6.is_unicast_link_local(), "{v6}");
            let segments = v6.segments();
            assert!(segments[0] != 0x2002 && segments[..2] != [0x2001, 0], "{v6} is anybody's relay");
            let octets = v6.octets();
            let last = Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15]);
            match v6.to_ipv4() {
                Some(mapped) => mapped,
                None if segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0] => last,
                None => return,
            }
        }
    };
    let inside = carried.is_loopback() || carried.is_private() || carried.is_link_local() || carried.is_unspecified();
    assert!(!inside && !carried.is_multicast() && !carried.is_broadcast() && !carried.is_documentation(), "{address}");
}

/// A file of compiled code, written as changes of the true one: each four bytes are a place, what is flipped there, and what
/// is done beside.
///
/// # Panics
/// If a file is taken that is not the one that was written.
pub fn aot(bytes: &[u8]) {
    static FORGER: OnceLock<Forger> = OnceLock::new();
    let forger = FORGER.get_or_init(|| Forger::new().unwrap_or_else(|e| panic!("the fuzzer's own cache: {e}")));
    let mut file = forger.good().to_vec();
    let mut name = "d-0.cwasm".to_owned();
    for change in bytes.chunks_exact(4) {
        let [high, low, flip, what] = [change[0], change[1], change[2], change[3]];
        let place = usize::from(u16::from_be_bytes([high, low])) % (file.len() + 1);
        match what % 5 {
            0 => file.truncate(place),
            1 => file.insert(place, flip),
            2 => name.push(char::from(flip)),
            _ => {
                if let Some(byte) = file.get_mut(place) {
                    *byte ^= flip;
                }
            }
        }
    }
    assert_eq!(forger.takes(&name, &file), forger.is_the_one(&name, &file), "{name} {}", file.len());
    // Bytes as they are, with no true file behind them.
    assert!(!forger.takes(&name, bytes));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every file of a target's kept corpus.
    fn replay(target: &str, check: fn(&[u8])) {
        let place = format!("{}/../../fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
        let entries = std::fs::read_dir(&place).unwrap_or_else(|e| panic!("{place}: {e}"));
        let files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        assert!(files.len() >= 5, "{place} has {} files", files.len());
        for file in files {
            println!("{}", file.display());
            check(&std::fs::read(file).unwrap());
        }
    }

    #[test]
    fn components_and_specifications_that_were_found() {
        replay("admission", admission);
    }

    #[test]
    fn requests_that_were_found() {
        replay("policy", policy);
    }

    #[test]
    fn forgeries_that_were_found() {
        replay("aot", aot);
    }

    /// The checks above can fail.
    #[test]
    fn what_does_not_hold_is_found() {
        assert_eq!(readings("/rest/%2e%2e/identity"), ["/rest/%2e%2e/identity", "/identity", "/identity"]);
        assert_eq!(readings("/rest/%252e%252e\\x?y")[2], "/x");
    }
}
