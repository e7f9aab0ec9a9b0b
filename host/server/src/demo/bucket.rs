//! Reads the object back as any reader would: a signed GET, by a client that has nothing in common with the connector
//! that wrote it.

use anyhow::{Context, Result, ensure};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use std::time::SystemTime;

/// Where the objects are, and how they are read.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    /// `http://127.0.0.1:9000`.
    pub(super) endpoint: String,
    pub(super) name: String,
    pub(super) region: String,
    pub(super) access_key: String,
    pub(super) secret_key: String,
}

/// Most bytes that are read.
const OBJECT_BYTES_MAX: u64 = 4 << 30;

impl Bucket {
    /// The object that an artifact's name (`s3://bucket/key`) means.
    pub(super) fn read(&self, artifact: &str) -> Result<Vec<u8>> {
        let key = artifact.strip_prefix(&format!("s3://{}/", self.name));
        let key = key.with_context(|| format!("`{artifact}` is no object of the bucket {}", self.name))?;
        let url = format!("{}/{}/{key}", self.endpoint, self.name);
        let mut request = ureq::http::Request::builder().uri(&url);
        for (name, value) in self.signature(&url)? {
            request = request.header(name, value);
        }
        let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).http_status_as_error(false).build().into();
        let mut response = agent.run(request.body(())?).with_context(|| format!("GET {url}"))?;
        let status = response.status();
        let body = response.body_mut().with_config().limit(OBJECT_BYTES_MAX).read_to_vec()?;
        ensure!(status.is_success(), "GET {url}: {status}: {}", String::from_utf8_lossy(&body));
        Ok(body)
    }

    fn signature(&self, url: &str) -> Result<Vec<(String, String)>> {
        let credentials = Credentials::new(&self.access_key, &self.secret_key, None, None, "demo").into();
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = aws_sigv4::http_request::PayloadChecksumKind::XAmzSha256;
        // S3 signs a path as it stands on the wire.
        settings.percent_encoding_mode = aws_sigv4::http_request::PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = aws_sigv4::http_request::UriPathNormalizationMode::Disabled;
        let params = v4::SigningParams::builder()
            .identity(&credentials)
            .region(&self.region)
            .name("s3")
            .time(SystemTime::now())
            .settings(settings)
            .build()?
            .into();
        let host = self.endpoint.split_once("://").map_or("", |(_, host)| host);
        let headers = std::iter::once(("host", host));
        let signable = SignableRequest::new("GET", url, headers, SignableBody::Bytes(&[]))?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}
