//! AWS Signature Version 4, in the S3 flavour: the path as it stands on the wire, the payload's hash in a header.

use super::{Signable, unusable};
use attiva_core::Fault;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningParams, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use http::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use std::time::SystemTime;

/// An access key and what it signs for.
pub(crate) struct Signer {
    pub(crate) service: String,
    pub(crate) region: String,
    pub(crate) access_key_id: SecretString,
    pub(crate) secret_access_key: SecretString,
    pub(crate) session_token: Option<SecretString>,
}

impl Signer {
    /// Adds `Authorization` and the `x-amz-*` headers that belong to it.
    ///
    /// # Errors
    /// `credential.unusable`, kind `config`.
    pub(super) fn sign(&self, request: &mut Signable<'_>, now: SystemTime) -> Result<(), Fault> {
        let failed = |error: &dyn std::fmt::Display| unusable(&format!("the request cannot be signed: {error}"));
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        // Some stores rewrite it on the way to where they check the signature.
        settings.excluded_headers.get_or_insert_default().push("accept-encoding".into());
        // S3 takes the path as it is; every other service cleans it and encodes it once more.
        if self.service == "s3" {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        let session = self.session_token.as_ref().map(|token| token.expose_secret().to_owned());
        let (id, secret) = (self.access_key_id.expose_secret(), self.secret_access_key.expose_secret());
        let identity = Credentials::from_keys(id, secret, session).into();
        let parameters: SigningParams<'_> = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(now)
            .settings(settings)
            .build()
            .map_err(|e| failed(&e))?
            .into();
        let uri = format!("{}{}", request.base, request.path);
        let headers = request.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let signable = SignableRequest::new(request.method.as_str(), uri, headers, SignableBody::Bytes(request.body))
            .map_err(|e| failed(&e))?;
        let (instructions, _signature) = sign(signable, &parameters).map_err(|e| failed(&e))?.into_parts();
        let (added, _query) = instructions.into_parts();
        for header in added {
            let mut value = HeaderValue::from_str(header.value()).map_err(|e| failed(&e))?;
            value.set_sensitive(matches!(header.name(), "authorization" | "x-amz-security-token"));
            request.headers.insert(HeaderName::from_static(header.name()), value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, Method};
    use std::time::Duration;

    /// 2013-05-24T00:00:00Z, and the key of the documentation.
    fn signed(method: Method, path: &str, headers: &[(&'static str, &'static str)], body: &[u8]) -> HeaderMap {
        let signer = Signer {
            service: "s3".into(),
            region: "us-east-1".into(),
            access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            session_token: None,
        };
        let mut map = HeaderMap::new();
        map.insert("host", HeaderValue::from_static("examplebucket.s3.amazonaws.com"));
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        let base = "https://examplebucket.s3.amazonaws.com";
        let mut path = path.to_owned();
        let mut request = Signable { method: &method, base, path: &mut path, headers: &mut map, body };
        signer.sign(&mut request, SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600)).unwrap();
        map
    }

    /// The vectors of AWS's "signature calculation" pages.
    #[test]
    fn signatures_are_the_published_ones() {
        type Vector<'a> = (Method, &'a str, &'a [(&'static str, &'static str)], &'a [u8], &'a str);
        let vectors: [Vector<'_>; 4] = [
            (
                Method::GET,
                "/test.txt",
                &[("range", "bytes=0-9")],
                b"",
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
            (
                Method::PUT,
                "/test%24file.text",
                &[("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
                b"Welcome to Amazon S3.",
                "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            ),
            (Method::GET, "/?lifecycle", &[], b"", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
            (
                Method::GET,
                "/?max-keys=2&prefix=J",
                &[],
                b"",
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ];
        for (method, path, headers, body, signature) in vectors {
            let map = signed(method, path, headers, body);
            let authorization = map["authorization"].to_str().unwrap();
            assert!(authorization.ends_with(&format!("Signature={signature}")), "{path}: {authorization}");
            assert!(map.contains_key("x-amz-content-sha256") && map["authorization"].is_sensitive());
        }
    }

    #[test]
    fn a_path_is_signed_as_it_stands() {
        let raw = signed(Method::GET, "/a//../b%252F", &[], b"");
        let clean = signed(Method::GET, "/b%252F", &[], b"");
        assert_ne!(raw["authorization"], clean["authorization"]);
    }
}
