//! Signing packages and checking who signed them: ed25519.

use attiva_core::plugin::package::{Signed, Statement};
use attiva_core::plugin::trust::PublicKey;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

/// Before the digits of a private key, so that nobody takes it for a public one.
const PRIVATE: &str = "ed25519-private:";

/// A publisher's private key. It does not print.
pub struct SigningKey {
    pair: Ed25519KeyPair,
}

/// The text is no private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no private key; `attiva plugin keygen` makes one")]
pub struct NotASigningKey;

impl SigningKey {
    /// A new key, and the text to keep it as: one line.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn generate() -> std::io::Result<(Self, Zeroizing<String>)> {
        let broken = || std::io::Error::other("the system has no randomness to give");
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| broken())?;
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).map_err(|_| broken())?;
        let digits = Zeroizing::new(hex::encode(pkcs8.as_ref()));
        Ok((Self { pair }, Zeroizing::new(format!("{PRIVATE}{}\n", *digits))))
    }

    /// # Errors
    /// [`NotASigningKey`].
    pub fn parse(text: &str) -> Result<Self, NotASigningKey> {
        let digits = text.trim_end().strip_prefix(PRIVATE).ok_or(NotASigningKey)?;
        let pkcs8 = Zeroizing::new(hex::decode(digits).map_err(|_| NotASigningKey)?);
        let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(|_| NotASigningKey)?;
        Ok(Self { pair })
    }

    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        // An ed25519 key has 32 bytes, always.
        bytes.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey::new(bytes)
    }

    /// Signs a statement, which from now on names this key.
    #[must_use]
    pub fn sign(&self, statement: Statement) -> Signed {
        let statement = Statement { key: self.public(), ..statement };
        let signature = hex::encode(self.pair.sign(&statement.signed_bytes()).as_ref());
        Signed { statement, signature }
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public()).finish_non_exhaustive()
    }
}

/// Whether a signature is the work of the key that its statement names.
#[must_use]
pub fn is_good(signed: &Signed) -> bool {
    let Ok(signature) = hex::decode(&signed.signature) else { return false };
    let key = UnparsedPublicKey::new(&ED25519, signed.statement.key.bytes());
    key.verify(&signed.statement.signed_bytes(), &signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use semver::Version;

    fn statement() -> Statement {
        Statement {
            name: "source-example".into(),
            version: Version::new(0, 1, 0),
            publisher: "example".into(),
            digest: "ab".repeat(32),
            key: PublicKey::new([0; 32]),
        }
    }

    #[test]
    fn a_signature_is_good_for_what_was_signed_and_nothing_else() {
        let (key, text) = SigningKey::generate().unwrap();
        let again = SigningKey::parse(&text).unwrap();
        assert_eq!(key.public(), again.public());
        let signed = again.sign(statement());
        assert!(is_good(&signed) && signed.statement.key == key.public());

        let (other, _) = SigningKey::generate().unwrap();
        let changes: [fn(&mut Statement); 4] = [
            |s| s.name.push('x'),
            |s| s.version.patch += 1,
            |s| s.publisher = "other".into(),
            |s| s.digest = "cd".repeat(32),
        ];
        for change in changes {
            let mut changed = signed.clone();
            change(&mut changed.statement);
            assert!(!is_good(&changed), "{changed:?}");
        }
        let mut of_other = signed.clone();
        of_other.statement.key = other.public();
        assert!(!is_good(&of_other), "another key in its place");
        for bad in ["", "zz", &"00".repeat(64)] {
            assert!(!is_good(&Signed { signature: bad.to_owned(), ..signed.clone() }), "{bad}");
        }
    }

    #[test]
    fn a_private_key_is_read_or_refused_and_never_shown() {
        let (key, text) = SigningKey::generate().unwrap();
        let digits = text.trim_end().strip_prefix(PRIVATE).unwrap();
        assert!(!format!("{key:?}").contains(digits));
        let public = key.public().to_string();
        for bad in ["", "ed25519-private:", "ed25519-private:00", public.as_str(), digits] {
            assert!(SigningKey::parse(bad).is_err(), "{bad}");
        }
    }
}
