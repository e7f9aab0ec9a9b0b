//! Percent-encoding (RFC 3986): everything but `A-Z a-z 0-9 - . _ ~`, in upper-case hex. A space is `%20`.

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Encodes one component: a path segment, a query name or value. `/` is encoded as well.
#[must_use]
pub fn component(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    push(&mut out, text, false);
    out
}

/// Encodes a path and leaves its `/` as they are. Nothing is cleaned: `//`, `.` and `..` stay.
#[must_use]
pub fn path(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    push(&mut out, text, true);
    out
}

/// `name=value&name=value`, encoded; in the order given.
#[must_use]
pub fn pairs<K: AsRef<str>, V: AsRef<str>>(pairs: &[(K, V)]) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        push(&mut out, name.as_ref(), false);
        out.push('=');
        push(&mut out, value.as_ref(), false);
    }
    out
}

fn push(out: &mut String, text: &str, keep_slash: bool) {
    for &byte in text.as_bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (keep_slash && byte == b'/');
        if plain {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_odd_parts() {
        assert_eq!(path("/k/é +%2F//../x"), "/k/%C3%A9%20%2B%252F//../x");
        assert_eq!(component("a/b&c=d~"), "a%2Fb%26c%3Dd~");
        assert_eq!(pairs(&[("a b", "1"), ("c", "ü")]), "a%20b=1&c=%C3%BC");
    }
}
