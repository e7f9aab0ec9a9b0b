//! Signed assertions (RFC 7523) with RS256, and the private key they are signed with.

use attiva_core::{Fault, FaultKind};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// Vendors take assertions that end within minutes; a clock of ours that is a minute off does no harm.
const LIFE: Duration = Duration::from_secs(180);

/// Whom an assertion is about, and who vouches for it.
pub(super) struct Assertion {
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) audience: String,
    pub(super) private_key: SecretString,
}

impl Assertion {
    /// The assertion as it is at a time, in the compact form.
    ///
    /// # Errors
    /// `credential.private-key`, kind `config`: it is no RSA key in PEM, or ring does not take its size.
    pub(super) fn sign(&self, now: SystemTime) -> Result<SecretString, Fault> {
        let key = self.key()?;
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let claims = json!({
            "iss": self.issuer, "sub": self.subject, "aud": self.audience, "exp": (now + LIFE).as_secs(),
        });
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&json!({"alg": "RS256"})), part(&claims));
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .map_err(|_| Fault::new(FaultKind::Internal, "credential.sign", "the assertion could not be signed"))?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
    }

    fn key(&self) -> Result<RsaKeyPair, Fault> {
        // A form of one line may have made two characters of each line's end.
        let pem = Zeroizing::new(self.private_key.expose_secret().replace("\\n", "\n"));
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| bad_key("it is no private key in PEM"))?;
        let pair = match &key {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(bad_key("it is no RSA key")),
        };
        pair.map_err(|rejected| bad_key(&rejected.to_string()))
    }
}

fn bad_key(problem: &str) -> Fault {
    Fault::new(FaultKind::Config, "credential.private-key", format!("the private key cannot be used: {problem}"))
        .action("Enter an RSA key of 2,048 to 4,096 bits as it stands in its PEM file, with its first and last line.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    /// Made for this test alone: it opens nothing.
    const KEY: &str = include_str!("jwt-test-key.pem");

    fn assertion(key: &str) -> Assertion {
        Assertion {
            issuer: "consumer".into(),
            subject: "reader@acme.example".into(),
            audience: "https://login.example.com".into(),
            private_key: key.into(),
        }
    }

    #[test]
    fn an_assertion_is_signed_and_says_who_and_until_when() {
        let signed = assertion(KEY).sign(UNIX_EPOCH + Duration::from_secs(1_000)).unwrap();
        let parts: Vec<&str> = signed.expose_secret().split('.').collect();
        let [header, claims, signature] = parts.as_slice() else { panic!() };
        let read =
            |part: &str| serde_json::from_slice::<serde_json::Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        assert_eq!(read(header), json!({"alg": "RS256"}));
        let expected =
            json!({"iss": "consumer", "sub": "reader@acme.example", "aud": "https://login.example.com", "exp": 1_180});
        assert_eq!(read(claims), expected);
        let public = assertion(KEY).key().unwrap().public().as_ref().to_vec();
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public);
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(key.verify(format!("{header}.{claims}").as_bytes(), &signature).is_ok());
        assert!(key.verify(format!("{claims}.{header}").as_bytes(), &signature).is_err());
    }

    #[test]
    fn a_key_on_one_line_is_read_and_what_is_none_is_named() {
        assert!(assertion(&KEY.replace('\n', "\\n")).key().is_ok());
        for bad in ["", "hunter2", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"] {
            let fault = assertion(bad).sign(UNIX_EPOCH).unwrap_err();
            assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Config, "credential.private-key"), "{bad}");
            assert!(!fault.message.contains("hunter2"));
        }
    }
}
