//! A plugin as it is handed on: one file, a readable head and behind it the component.
//!
//! ```text
//! attiva-plugin-package 1
//! name: source-example
//! version: 0.1.0
//! publisher: example
//! component: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
//! key: ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a
//! signature: e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b
//!
//! <the component's bytes>
//! ```
//!
//! Signed are the lines before `signature`, as they stand. There is one way to write a head, so two readers cannot
//! read two things out of one signature.

use super::trust::PublicKey;
use semver::Version;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const MAGIC: &str = "attiva-plugin-package 1\n";
/// The head is small; where its end does not come, nothing is looked for.
const HEAD_BYTES_MAX: usize = 2048;

/// What a publisher signs of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// As in the component's specification, like the next two.
    pub name: String,
    pub version: Version,
    pub publisher: String,
    /// SHA-256 of the component, lower-case hex.
    pub digest: String,
    /// Who signs. It is signed too, so that a signature says by which key it wants to be checked.
    pub key: PublicKey,
}

/// A statement with its signature. Whether that is good is for `attiva-wasm` to find out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    pub statement: Statement,
    /// 64 bytes, lower-case hex.
    pub signature: String,
}

/// A package, taken apart. Its component has the digest that its statement names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package<'a> {
    pub signed: Signed,
    pub component: &'a [u8],
}

/// Why bytes that begin like a package are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    #[error("the package's head is not what `attiva plugin package` writes: {0}")]
    Head(&'static str),
    #[error("the package's component is not the one that was signed: its SHA-256 is {found}, the head says {stated}")]
    Digest { stated: String, found: String },
}

impl Statement {
    /// The bytes a signature is over.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        let Self { name, version, publisher, digest, key } = self;
        let lines = format!(
            "{MAGIC}name: {name}\nversion: {version}\npublisher: {publisher}\ncomponent: sha256:{digest}\nkey: {key}\n"
        );
        lines.into_bytes()
    }
}

impl Signed {
    /// The head of a package: text that ends with an empty line.
    #[must_use]
    pub fn head(&self) -> Vec<u8> {
        let mut head = self.statement.signed_bytes();
        head.extend_from_slice(format!("signature: {}\n\n", self.signature).as_bytes());
        head
    }

    /// Reads a head that stands alone.
    ///
    /// # Errors
    /// [`PackageError::Head`].
    pub fn read(head: &[u8]) -> Result<Self, PackageError> {
        let (signed, rest) = split(head)?;
        if rest.is_empty() { Ok(signed) } else { Err(PackageError::Head("something stands behind it")) }
    }
}

/// Whether bytes are meant to be a package. A component begins differently.
#[must_use]
pub fn is_package(bytes: &[u8]) -> bool {
    bytes.starts_with(b"attiva-plugin-package")
}

/// Puts a component behind its head.
#[must_use]
pub fn write(signed: &Signed, component: &[u8]) -> Vec<u8> {
    let mut package = signed.head();
    package.extend_from_slice(component);
    package
}

/// Takes a package apart.
///
/// # Errors
/// [`PackageError`]: the head is not as it is written, or the component is another one.
pub fn read(bytes: &[u8]) -> Result<Package<'_>, PackageError> {
    let (signed, component) = split(bytes)?;
    let found = hex::encode(Sha256::digest(component));
    if found != signed.statement.digest {
        return Err(PackageError::Digest { stated: signed.statement.digest, found });
    }
    Ok(Package { signed, component })
}

/// A head, and what is behind it.
fn split(bytes: &[u8]) -> Result<(Signed, &[u8]), PackageError> {
    let start = bytes.get(..HEAD_BYTES_MAX.min(bytes.len())).unwrap_or_default();
    let end = start.windows(2).position(|w| w == b"\n\n").ok_or(PackageError::Head("it has no end"))? + 2;
    let (head, rest) = bytes.split_at(end);
    let text = std::str::from_utf8(head).map_err(|_| PackageError::Head("it is no text"))?;
    let lines = text.strip_prefix(MAGIC).ok_or(PackageError::Head("it is of another version"))?;
    let mut lines = lines.lines();
    let mut value = |key: &str, missing: &'static str| {
        let line = lines.next().and_then(|line| line.strip_prefix(key)).and_then(|line| line.strip_prefix(": "));
        line.ok_or(PackageError::Head(missing))
    };
    let name = name_of(value("name", "the name is missing")?)?;
    let version = value("version", "the version is missing")?;
    let version = Version::parse(version).map_err(|_| PackageError::Head("the version is none"))?;
    let publisher = name_of(value("publisher", "the publisher is missing")?)?;
    let digest = value("component", "the component's digest is missing")?;
    let digest = digest.strip_prefix("sha256:").filter(|digest| is_hex(digest, 32));
    let digest = digest.ok_or(PackageError::Head("the digest is no SHA-256"))?.to_owned();
    let key = value("key", "the key is missing")?.parse().map_err(|_| PackageError::Head("the key is none"))?;
    let signature = value("signature", "the signature is missing")?.to_owned();
    if !is_hex(&signature, 64) {
        return Err(PackageError::Head("the signature is none"));
    }
    let signed = Signed { statement: Statement { name, version, publisher, digest, key }, signature };
    // Whatever could be written in two ways is caught here, at once for all of it.
    if signed.head() != head {
        return Err(PackageError::Head("it is written in another way"));
    }
    Ok((signed, rest))
}

/// A name, as in specifications.
fn name_of(text: &str) -> Result<String, PackageError> {
    let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if text.is_empty() || !plain { Err(PackageError::Head("a name is none")) } else { Ok(text.to_owned()) }
}

pub(super) fn is_hex(text: &str, bytes: usize) -> bool {
    text.len() == bytes * 2 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(component: &[u8]) -> Signed {
        let statement = Statement {
            name: "source-example".into(),
            version: Version::new(0, 1, 0),
            publisher: "example".into(),
            digest: hex::encode(Sha256::digest(component)),
            key: PublicKey::new([7; 32]),
        };
        Signed { statement, signature: "ab".repeat(64) }
    }

    #[test]
    fn a_package_is_taken_apart_as_it_was_put_together() {
        for component in [&b"\0asm and more\n\n"[..], b"", b"\n\n\n"] {
            let signed = signed(component);
            let bytes = write(&signed, component);
            assert!(is_package(&bytes));
            assert_eq!(read(&bytes), Ok(Package { signed: signed.clone(), component }));
            assert!(signed.head().starts_with(&signed.statement.signed_bytes()));
            assert_eq!(Signed::read(&signed.head()), Ok(signed));
        }
        assert!(!is_package(b"\0asm"));
    }

    #[test]
    fn another_component_is_not_the_one_that_was_signed() {
        let bytes = write(&signed(b"one"), b"two");
        assert!(matches!(read(&bytes), Err(PackageError::Digest { .. })));
        assert!(Signed::read(&write(&signed(b""), b"x")).is_err());
    }

    /// What is put in a line's place must not make another line of it, nor be read as the same.
    #[test]
    fn a_head_can_be_written_in_one_way_only() {
        let good = String::from_utf8(signed(b"").head()).unwrap();
        let cases = [
            ("package 1", "package 2"),
            ("package 1\n", "package 1\r\n"),
            ("name: source-example", "name:  source-example"),
            ("name: source-example", "name: source-example\nname: other"),
            ("name: ", "Name: "),
            ("version: 0.1.0", "version: 0.1"),
            ("version: 0.1.0", "version: 0.01.0"),
            ("version: 0.1.0\n", ""),
            ("publisher: example\n", "publisher: example \n\n"),
            ("sha256:", "sha512:"),
            ("sha256:e3", "sha256:E3"),
            ("key: ed25519:07", "key: rsa:07"),
            ("key: ed25519:07", "key: ed25519:"),
            ("signature: ab", "signature: AB"),
            ("signature: ab", "signature: "),
            ("\n\n", "\n"),
            ("\n\n", " \n\n"),
        ];
        for (part, other) in cases {
            let bad = good.replacen(part, other, 1);
            assert_ne!(bad, good, "{part}");
            assert!(matches!(read(bad.as_bytes()), Err(PackageError::Head(_) | PackageError::Digest { .. })), "{bad}");
            assert!(Signed::read(bad.as_bytes()).is_err(), "{bad}");
        }
        for length in 0..good.len() {
            assert!(Signed::read(&good.as_bytes()[..length]).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn a_head_without_end_is_not_looked_through() {
        let endless = [MAGIC.as_bytes(), &vec![b'x'; 10 << 20]].concat();
        assert_eq!(read(&endless), Err(PackageError::Head("it has no end")));
    }
}
