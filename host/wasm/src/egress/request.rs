//! How a request of a connector must look before it is anybody's request.

use super::policy::denied;
use attiva_core::Fault;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// Longest path and query; vendors refuse more at 8 KB.
const PATH_BYTES_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 64;
const HEADER_BYTES_MAX: usize = 8 << 10;

/// Headers that only the host sets: those that frame the message, route it, carry a credential or a signature, or
/// change the method behind the gate's back.
const RESERVED: [&str; 34] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "cookie2",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
    "x-real-ip",
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

/// Reads a method of the closed set.
///
/// # Errors
/// `egress.method`.
pub(crate) fn method(text: &str) -> Result<Method, Fault> {
    match text {
        "GET" => Ok(Method::GET),
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        "PATCH" => Ok(Method::PATCH),
        "DELETE" => Ok(Method::DELETE),
        "HEAD" => Ok(Method::HEAD),
        _ => Err(denied("egress.method", "the method must be GET, POST, PUT, PATCH, DELETE or HEAD")),
    }
}

/// Checks that a path is a path: no scheme, no authority, nothing that ends the request line, no fragment. It stands
/// on the wire as it is.
///
/// # Errors
/// `egress.path`.
pub(crate) fn check_path(path: &str) -> Result<(), Fault> {
    let problem = if !path.starts_with('/') {
        "must begin with /"
    } else if path.starts_with("//") {
        "must not begin with //"
    } else if path.len() > PATH_BYTES_MAX {
        "is longer than 16 KiB"
    } else if !path.bytes().all(is_path_byte) {
        "holds a byte that must be percent-encoded"
    } else if !escapes_are_whole(path) {
        "holds a % that is not followed by two hexadecimal digits"
    } else {
        return Ok(());
    };
    Err(denied("egress.path", format!("the path {problem}")))
}

/// Unreserved, sub-delims and the rest of RFC 3986 path and query; and `[]`, which vendors use in queries.
fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%[]".contains(&byte)
}

fn escapes_are_whole(path: &str) -> bool {
    let is_hex = |pair: &[u8]| pair.iter().all(u8::is_ascii_hexdigit);
    path.split('%').skip(1).all(|after| after.as_bytes().get(..2).is_some_and(is_hex))
}

/// Takes the connector's headers, none of them the host's.
///
/// # Errors
/// `egress.header`, naming the header.
pub(crate) fn headers(given: &[(String, String)]) -> Result<HeaderMap, Fault> {
    let refuse = |name: &str, why: &str| denied("egress.header", format!("the header {name} {why}")).field(name);
    if given.len() > HEADERS_MAX {
        return Err(denied("egress.header", format!("there are more than {HEADERS_MAX} headers")));
    }
    let mut map = HeaderMap::with_capacity(given.len() + 6);
    for (name, value) in given {
        let shown: String = name.chars().filter(|c| c.is_ascii_graphic()).take(64).collect();
        let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
            return Err(refuse(&shown, "has no valid name"));
        };
        if RESERVED.contains(&parsed.as_str()) || parsed.as_str().starts_with("proxy-") {
            return Err(refuse(&shown, "is the host's"));
        }
        let Ok(value) = HeaderValue::from_str(value) else {
            return Err(refuse(&shown, "has a value that cannot be sent"));
        };
        if value.len() > HEADER_BYTES_MAX {
            return Err(refuse(&shown, "is longer than 8 KiB"));
        }
        map.append(parsed, value);
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_is_a_path() {
        for good in ["/", "/a/b.json?x=1&y=%20z", "/k/%C3%A9%20%2B%252F//../x", "/a?filter[name]=b"] {
            assert_eq!(check_path(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "a",
            "http://evil.com/",
            "//evil.com/",
            "/a b",
            "/a\r\nHost: evil",
            "/a\n",
            "/a\0",
            "/a#b",
            "/\\evil.com",
            "/é",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a\"",
            "/a<",
            "/\u{7f}",
            "*",
        ] {
            assert_eq!(check_path(bad).unwrap_err().code, "egress.path", "{bad:?}");
        }
        assert!(check_path(&format!("/{}", "a".repeat(PATH_BYTES_MAX))).is_err());
    }

    #[test]
    fn the_hosts_headers_are_the_hosts() {
        let given = |name: &str, value: &str| headers(&[(name.into(), value.into())]);
        assert_eq!(given("Content-Type", "text/csv").unwrap()["content-type"], "text/csv");
        assert_eq!(given("x-amz-meta-run", "1").unwrap().len(), 1);
        for name in
            RESERVED.iter().chain(&["Authorization", "HOST", "Proxy-Connection", "proxy-x", "", "a b", "a:", "é"])
        {
            assert_eq!(given(name, "x").unwrap_err().code, "egress.header", "{name}");
        }
        for value in ["a\r\nb: c", "a\nb", "a\0", "\u{7f}"] {
            assert_eq!(given("x", value).unwrap_err().code, "egress.header", "{value:?}");
        }
    }

    #[test]
    fn methods_are_a_closed_set() {
        assert_eq!(method("PUT").unwrap(), Method::PUT);
        for bad in ["put", "TRACE", "CONNECT", "OPTIONS", "", "GET /x"] {
            assert_eq!(method(bad).unwrap_err().code, "egress.method");
        }
    }
}
