//! Takes secrets out of what a server sends back. Best effort by nature: a server that echoes a secret in another
//! encoding is not stopped, but a plain echo, the usual accident, is.

use memchr::memmem::Finder;
use secrecy::{ExposeSecret, SecretString};

/// Shorter secrets are not looked for: they would be found in innocent text.
const SECRET_BYTES_MIN: usize = 8;
const MARK: &[u8] = b"[redacted]";

/// The secrets of a call.
#[derive(Default)]
pub(crate) struct Redactor {
    secrets: Vec<SecretString>,
}

impl Redactor {
    /// Adds a secret, plain and as a URL would carry it.
    pub(crate) fn add(&mut self, secret: &SecretString) {
        let text = secret.expose_secret();
        if text.len() < SECRET_BYTES_MIN || self.secrets.iter().any(|known| known.expose_secret() == text) {
            return;
        }
        let encoded = percent_encoded(text);
        if encoded != text {
            self.secrets.push(encoded.into());
        }
        self.secrets.push(secret.clone());
    }

    /// The bytes without the secrets, and whether there were any.
    pub(crate) fn clean(&self, bytes: Vec<u8>) -> (Vec<u8>, bool) {
        let mut bytes = bytes;
        let mut found = false;
        for secret in &self.secrets {
            let needle = secret.expose_secret().as_bytes();
            if Finder::new(needle).find(&bytes).is_some() {
                bytes = replaced(&bytes, needle);
                found = true;
            }
        }
        (bytes, found)
    }

    /// Like [`Redactor::clean`], for text.
    pub(crate) fn clean_text(&self, text: &str) -> String {
        let (bytes, _) = self.clean(text.as_bytes().to_vec());
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether a secret stands in the bytes.
    pub(crate) fn finds(&self, bytes: &[u8]) -> bool {
        self.secrets.iter().any(|secret| Finder::new(secret.expose_secret()).find(bytes).is_some())
    }

    /// Length of the longest secret: how much of a stream's end must be looked at again with what follows.
    pub(crate) fn longest(&self) -> usize {
        self.secrets.iter().map(|secret| secret.expose_secret().len()).max().unwrap_or(0)
    }
}

fn replaced(bytes: &[u8], needle: &[u8]) -> Vec<u8> {
    let finder = Finder::new(needle);
    let mut clean = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for at in finder.find_iter(bytes) {
        clean.extend_from_slice(bytes.get(from..at).unwrap_or_default());
        clean.extend_from_slice(MARK);
        from = at + needle.len();
    }
    clean.extend_from_slice(bytes.get(from..).unwrap_or_default());
    clean
}

/// Everything but unreserved characters escaped, upper-case hexadecimal.
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_and_the_rest_stays() {
        let mut redactor = Redactor::default();
        redactor.add(&"s3cr3t+value/1".into());
        redactor.add(&"short".into());
        let body = b"a=s3cr3t+value/1&b=s3cr3t%2Bvalue%2F1&c=short&d=s3cr3t+value/1".to_vec();
        let (clean, found) = redactor.clean(body);
        assert_eq!(String::from_utf8(clean).unwrap(), "a=[redacted]&b=[redacted]&c=short&d=[redacted]");
        assert!(found);
        assert_eq!(redactor.clean(b"nothing".to_vec()), (b"nothing".to_vec(), false));
        assert!(redactor.finds(b"xs3cr3t+value/1x") && !redactor.finds(b"s3cr3t"));
        assert_eq!(redactor.longest(), "s3cr3t%2Bvalue%2F1".len());
    }
}
