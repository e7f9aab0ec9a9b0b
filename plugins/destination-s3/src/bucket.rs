//! The calls to S3 that the connector makes, one function each.

use crate::config::{Config, Format};
use crate::request::{bucket_path, complete_body, object_path};
use crate::response::{self, Completion};
use crate::spec::CREDENTIAL;
use attiva_connector::{Fault, FaultKind, Host, HttpRequest, Response, Result, Run, encode};

/// Metadata that tells the file of one run from any other at the same key.
const RUN: &str = "x-amz-meta-attiva-run";

/// A bucket, seen through the host.
pub(crate) struct Bucket<'h> {
    pub(crate) host: &'h dyn Host,
    pub(crate) config: &'h Config,
}

/// What came of sending a part.
pub(crate) enum PartSent {
    /// Its ETag, as it came.
    Etag(String),
    NoSuchUpload,
}

/// An object that is there.
pub(crate) struct Head {
    size: Option<u64>,
    run: Option<String>,
    etag: Option<String>,
}

impl Head {
    /// Whether it is what this run's upload of `parts` parts and `size` bytes became. A store that keeps no metadata is believed if
    /// size and number of parts are right.
    pub(crate) fn is_of(&self, run: &Run, size: u64, parts: u32) -> bool {
        let named = match &self.run {
            Some(name) => *name == run_name(run),
            None => self.etag.as_ref().is_some_and(|e| e.trim_matches('"').ends_with(&format!("-{parts}"))),
        };
        named && self.size == Some(size)
    }
}

impl<'h> Bucket<'h> {
    pub(crate) fn new(host: &'h dyn Host, config: &'h Config) -> Self {
        Self { host, config }
    }

    /// Finds the bucket. Answers its region, where it is another than the configured one: the host has found that out and
    /// signs for it.
    pub(crate) fn head_bucket(&self) -> Result<Option<String>> {
        let response = self.send(self.request("HEAD", bucket_path(self.config)))?;
        match response.status {
            404 => Err(Fault::config("s3.NoSuchBucket", format!("there is no bucket {}", self.config.bucket))
                .field("bucket")
                .action("Correct the bucket's name, or create it.")),
            _ => {
                expect_success(&response, "find the bucket")?;
                let named = response.header(response::REGION).filter(|named| *named != self.config.region);
                Ok(named.map(str::to_owned))
            }
        }
    }

    /// The object at a key, if there is one.
    pub(crate) fn head(&self, key: &str) -> Result<Option<Head>> {
        let response = self.send(self.request("HEAD", object_path(self.config, key)))?;
        if response.status == 404 {
            return Ok(None);
        }
        expect_success(&response, "look at the file")?;
        let header = |name| response.header(name).map(str::to_owned);
        let size = response.header("content-length").and_then(|length| length.parse().ok());
        Ok(Some(Head { size, run: header(RUN), etag: header("etag") }))
    }

    /// Writes an object, whole.
    pub(crate) fn put(&self, key: &str, content_type: &str, run: &Run, body: Vec<u8>) -> Result<()> {
        let request = self.request("PUT", object_path(self.config, key)).header(RUN, run_name(run));
        expect_success(&self.send(request.body(content_type, body))?, "write the file")
    }

    /// Begins a multipart upload, of a run's file of some content type, and answers its id.
    pub(crate) fn create_upload(&self, key: &str, of: Option<(&Run, &'static str)>) -> Result<String> {
        let mut request = self.request("POST", object_path(self.config, key)).query(&[("uploads", "")]);
        if let Some((run, content_type)) = of {
            request = request.header("content-type", content_type).header(RUN, run_name(run));
        }
        let response = self.send(request)?;
        expect_success(&response, "begin an upload")?;
        let xml = response::document(&response, "InitiateMultipartUploadResult")?;
        match xml.get("UploadId") {
            Some(id) if !id.is_empty() => Ok(id.to_owned()),
            _ => Err(Fault::data("s3.no-upload-id", "S3 began an upload and gave it no id")),
        }
    }

    /// The ids of all unfinished uploads at exactly this key. Longer keys come after it, so that one page will do.
    pub(crate) fn uploads_of(&self, key: &str) -> Result<Vec<String>> {
        let request = self.request("GET", bucket_path(self.config)).query(&[("prefix", key), ("uploads", "")]);
        let response = self.send(request)?;
        expect_success(&response, "list unfinished uploads")?;
        let xml = response::document(&response, "ListMultipartUploadsResult")?;
        let uploads = xml.children("Upload", &["Key", "UploadId"]);
        Ok(uploads.filter(|[at, _]| *at == key).map(|[_, id]| id.to_owned()).collect())
    }

    /// Sends one part. The same number again replaces it.
    pub(crate) fn upload_part(&self, key: &str, id: &str, number: u32, body: Vec<u8>) -> Result<PartSent> {
        let query = [("partNumber", number.to_string()), ("uploadId", id.to_owned())];
        let request = self.request("PUT", object_path(self.config, key)).query(&query);
        let response = self.send(request.body("application/octet-stream", body))?;
        if self.is_gone(key, id, &response) {
            return Ok(PartSent::NoSuchUpload);
        }
        expect_success(&response, "take a part")?;
        match response.header("etag") {
            Some(etag) if !etag.contains('\n') => Ok(PartSent::Etag(etag.to_owned())),
            _ => Err(Fault::data("s3.no-etag", format!("S3 took part {number} and gave it no ETag"))),
        }
    }

    /// Makes an upload's parts one object.
    pub(crate) fn complete_upload(&self, key: &str, id: &str, etags: &[&str]) -> Result<Completion> {
        let request = self.request("POST", object_path(self.config, key)).query(&[("uploadId", id)]);
        let response = self.send(request.body("application/xml", complete_body(etags)))?;
        if self.is_gone(key, id, &response) {
            return Ok(Completion::NoSuchUpload);
        }
        response::completion(&response)
    }

    /// Drops an upload and its parts. One that is not there is as good as dropped.
    pub(crate) fn abort_upload(&self, key: &str, id: &str) -> Result<()> {
        let request = self.request("DELETE", object_path(self.config, key)).query(&[("uploadId", id)]);
        let response = self.send(request)?;
        if self.is_gone(key, id, &response) {
            return Ok(());
        }
        expect_success(&response, "take the upload back")
    }

    /// Whether an answer is about an upload that is not there any more. S3 says so. Some stores call the id somebody
    /// else's instead, with the words in which S3 refuses a key that lacks the right: which of the two it is, the list
    /// of uploads tells. A store without that list is not S3, and one of those.
    fn is_gone(&self, key: &str, id: &str, response: &Response) -> bool {
        match (response.status, response::error_code(response).as_deref()) {
            (404, Some("NoSuchUpload")) => true,
            (403, Some("AccessDenied")) => match self.uploads_of(key) {
                Ok(uploads) => !uploads.iter().any(|upload| upload == id),
                Err(fault) => fault.kind == FaultKind::Unsupported,
            },
            _ => false,
        }
    }

    fn request(&self, method: &str, path: String) -> HttpRequest<'h> {
        self.host.http().request(method, self.config.origin(), path).credential(CREDENTIAL)
    }

    fn send(&self, request: HttpRequest<'_>) -> Result<Response> {
        request.send()
    }
}

/// What the file is called to its readers. A compressed file is one, not a text that the transport compressed.
pub(crate) fn content_type(config: &Config, format: Format) -> &'static str {
    match (format, config.gzip) {
        (Format::Csv, false) => config.csv.encoding.charset(),
        (Format::JsonLines, false) => "application/x-ndjson",
        (Format::Csv | Format::JsonLines, true) => "application/gzip",
        (Format::Parquet, _) => "application/vnd.apache.parquet",
    }
}

/// Metadata is ASCII.
fn run_name(run: &Run) -> String {
    encode::component(&run.id)
}

fn expect_success(response: &Response, what: &str) -> Result<()> {
    if response.is_success() { Ok(()) } else { Err(response::fault(response, what)) }
}
