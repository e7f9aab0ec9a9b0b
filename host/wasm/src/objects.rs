//! The bucket of a connection, used by the host itself: open tables go there. Requests pass the same gate as those of the
//! connector: its rules, the connection's grants, budget and credential, and its addresses.
//!
//! Any connector will do that writes objects by the S3 API and says so in its specification as it has to anyway: a
//! credential `aws-sigv4` for the service `s3`; a key `bucket`; and where a key `addressing` names the origin, that. An origin
//! with the bucket in its host has keys right behind it, any other has the bucket before them.

use crate::broker::{GuestRequest, GuestResponse};
use crate::capability::http::Gate;
use crate::connection::ConnectionContext;
use crate::egress::policy::Mode;
use crate::limits::Limits;
use crate::plugin::Plugin;
use crate::usage::{CallReport, Usage};
use async_trait::async_trait;
use attiva_core::ports::objects::{ObjectEntry, Objects};
use attiva_core::spec::{CredentialMethod, Spec};
use attiva_core::tables::plain_prefix_problem;
use attiva_core::time::parse_timestamp;
use attiva_core::{Fault, FaultKind};
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Longest time for one object.
const WALL: Duration = Duration::from_secs(110);
/// Bytes of an object at most: one request carries it.
const OBJECT_BYTES_MAX: u64 = 1 << 30;
/// What is shown of an answer's own words.
const WORDS_MAX: usize = 300;

/// A connection's bucket, below a prefix.
pub struct Bucket {
    plugin: Plugin,
    context: ConnectionContext,
    place: Place,
}

/// Where objects are.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    origin: String,
    credential: String,
    /// The path of the bucket itself, ending in a slash.
    root: String,
    /// Before every name.
    prefix: String,
    location: String,
}

impl Place {
    fn of(spec: &Spec, configuration: &Value, prefix: &str) -> Result<Self, Fault> {
        let text = |key: &str| spec.configured(configuration, key).and_then(Value::as_str);
        let signs =
            |method: &CredentialMethod| matches!(method, CredentialMethod::AwsSigv4 { service, .. } if service == "s3");
        let credential = spec.credentials.iter().find(|credential| signs(&credential.method));
        let origin = text("addressing").and_then(|name| spec.origins.iter().find(|origin| origin.name == name));
        let (Some(credential), Some(origin), Some(bucket)) = (credential, origin, text("bucket")) else {
            let what = format!("{} does not write objects into a bucket", spec.name);
            return Err(Fault::new(FaultKind::Config, "tables.no-bucket", what)
                .action("Name a connection of a connector that does."));
        };
        let own = text("prefix").unwrap_or_default();
        let slash = if own.is_empty() || own.ends_with('/') { "" } else { "/" };
        let prefix = format!("{own}{slash}{prefix}");
        if let Some(problem) = plain_prefix_problem(&prefix) {
            let what = format!("the prefix `{prefix}`, that of the connection included, {problem}");
            return Err(Fault::new(FaultKind::Config, "tables.prefix", what)
                .action("Make a connection without such a prefix, and name that.")
                .field("connection"));
        }
        Ok(Self {
            origin: origin.name.clone(),
            credential: credential.name.clone(),
            root: if origin.url.contains("{bucket}") { "/".to_owned() } else { format!("/{bucket}/") },
            location: format!("s3://{bucket}/{prefix}"),
            prefix,
        })
    }
}

impl Bucket {
    /// # Errors
    /// `tables.no-bucket`, `tables.prefix`, kind `config`.
    pub fn open(plugin: &Plugin, context: ConnectionContext, prefix: &str) -> Result<Self, Fault> {
        let place = Place::of(&plugin.spec, &context.configuration, prefix)?;
        let limits = Limits {
            wall: WALL,
            egress_out_bytes: OBJECT_BYTES_MAX,
            egress_in_bytes: OBJECT_BYTES_MAX,
            ..plugin.limits().clone()
        };
        Ok(Self { plugin: plugin.within(limits), context, place })
    }

    async fn send(&self, method: &str, path: String, content: Option<(&str, Vec<u8>)>) -> Result<GuestResponse, Fault> {
        let began = Instant::now();
        let mut gate = Gate::new(&self.plugin, &self.context, Mode::ReadWrite);
        let headers = content.iter().map(|(content_type, _)| ("content-type".to_owned(), (*content_type).to_owned()));
        let request = GuestRequest {
            origin: self.place.origin.clone(),
            method: method.to_owned(),
            path,
            headers: headers.collect(),
            body: content.map(|(_, bytes)| bytes.into()),
            credential: Some(self.place.credential.clone()),
            timeout_ms: None,
        };
        let answer = gate.send(request).await;
        let traffic = gate.traffic();
        // Exchanges are kept for those who look for a connector's mistake; here they would be rows of tables.
        self.context.observer.finished(&CallReport {
            function: "tables",
            fault: answer.as_ref().err().cloned(),
            usage: Usage {
                wall_ns: u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX),
                requests: traffic.requests,
                bytes_out: traffic.bytes_out,
                bytes_in: traffic.bytes_in,
                ..Usage::default()
            },
            rows: 0,
            hosts: traffic.hosts,
            denials: traffic.denials,
            exchanges: Vec::new(),
            trace: Vec::new(),
            log: Vec::new(),
        });
        answer
    }

    fn path(&self, name: &str) -> String {
        format!("{}{}{name}", self.place.root, self.place.prefix)
    }
}

#[async_trait]
impl Objects for Bucket {
    fn location(&self) -> &str {
        &self.place.location
    }

    async fn list(&self) -> Result<Vec<ObjectEntry>, Fault> {
        let (mut all, mut token) = (Vec::new(), String::new());
        loop {
            let Place { root, prefix, .. } = &self.place;
            let after =
                if token.is_empty() { String::new() } else { format!("continuation-token={}&", encoded(&token)) };
            let path = format!("{root}?{after}list-type=2&prefix={}", encoded(prefix));
            let answer = self.send("GET", path, None).await?;
            expect(&answer, &[200], "list what is there")?;
            let page = Listing::read(&answer.body).ok_or_else(|| {
                Fault::new(FaultKind::Data, "tables.listing", "what the bucket answered is no listing of objects")
                    .action("See that the connection leads to a bucket with the S3 API.")
            })?;
            let below = |(key, bytes, written_at): (String, u64, Option<i64>)| {
                let name = key.strip_prefix(prefix.as_str())?.to_owned();
                Some(ObjectEntry { name, bytes, written_at })
            };
            all.extend(page.objects.into_iter().filter_map(below));
            match page.next {
                Some(next) if next != token => token = next,
                _ => return Ok(all),
            }
        }
    }

    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, Fault> {
        let answer = self.send("GET", self.path(name), None).await?;
        if answer.status == 404 && code(&answer) != "NoSuchBucket" {
            return Ok(None);
        }
        expect(&answer, &[200], "read an object")?;
        Ok(Some(answer.body))
    }

    async fn put(&self, name: &str, content_type: &str, bytes: Vec<u8>) -> Result<(), Fault> {
        let answer = self.send("PUT", self.path(name), Some((content_type, bytes))).await?;
        expect(&answer, &[200, 201, 204], "write an object")
    }

    async fn remove(&self, name: &str) -> Result<(), Fault> {
        let answer = self.send("DELETE", self.path(name), None).await?;
        if answer.status == 404 && code(&answer) != "NoSuchBucket" {
            return Ok(());
        }
        expect(&answer, &[200, 202, 204], "remove an object")
    }
}

/// As a value of a query.
fn encoded(text: &str) -> String {
    crate::egress::redact::percent_encoded(text)
}

fn code(answer: &GuestResponse) -> String {
    texts(&answer.body, "Error").into_iter().find(|(name, _)| name == "Code").map(|(_, code)| code).unwrap_or_default()
}

/// Who acts next where an answer is not what was asked for.
fn expect(answer: &GuestResponse, good: &[u16], what: &str) -> Result<(), Fault> {
    if good.contains(&answer.status) {
        return Ok(());
    }
    let said = texts(&answer.body, "Error");
    let word = |name: &str| said.iter().find(|(known, _)| known == name).map_or("", |(_, text)| text.as_str());
    let words: String = format!("{} {}", word("Code"), word("Message")).trim().chars().take(WORDS_MAX).collect();
    const NO_KEY: [&str; 4] = ["ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch"];
    let is_no_key = NO_KEY.contains(&word("Code"));
    let (kind, action) = match answer.status {
        401 | 403 if is_no_key => (FaultKind::Auth, "Correct the key of the connection."),
        401 | 403 => {
            (FaultKind::Scope, "Let the connection's key list, read, write and delete below the prefix of the tables.")
        }
        301 | 400 | 404 => (FaultKind::Config, "Correct the bucket, region or endpoint of the connection."),
        429 => (FaultKind::RateLimited, ""),
        500.. => (FaultKind::Transient, ""),
        _ => (FaultKind::Data, "See what the bucket's provider says of this answer."),
    };
    let message = format!("the bucket did not {what}: status {} {words}", answer.status);
    Err(Fault::new(kind, "tables.bucket", message.trim_end()).action(action))
}

/// One page of a listing.
#[derive(Debug, Default, PartialEq, Eq)]
struct Listing {
    /// Key, bytes, when it was written.
    objects: Vec<(String, u64, Option<i64>)>,
    next: Option<String>,
}

impl Listing {
    /// `None`: it is none, or it was cut off.
    fn read(xml: &[u8]) -> Option<Self> {
        let mut reader = Reader::from_reader(xml);
        let (mut listing, mut is_truncated) = (Self::default(), false);
        let (mut path, mut text) = (Vec::<String>::new(), String::new());
        let (mut key, mut bytes, mut written_at) = (String::new(), None, None);
        let mut is_whole = false;
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => {
                    path.push(String::from_utf8_lossy(start.local_name().as_ref()).into_owned());
                    text.clear();
                }
                Event::Text(read) => text.push_str(&read.decode().ok()?),
                Event::End(_) => {
                    let names: Vec<&str> = path.iter().map(String::as_str).collect();
                    match names.as_slice() {
                        [ROOT, "Contents", "Key"] => key = std::mem::take(&mut text),
                        [ROOT, "Contents", "Size"] => bytes = text.trim().parse().ok(),
                        [ROOT, "Contents", "LastModified"] => written_at = parse_timestamp(text.trim()),
                        [ROOT, "Contents"] => {
                            listing.objects.push((std::mem::take(&mut key), bytes.take()?, written_at.take()));
                        }
                        [ROOT, "IsTruncated"] => is_truncated = text.trim() == "true",
                        [ROOT, "NextContinuationToken"] => listing.next = Some(std::mem::take(&mut text)),
                        [ROOT] => is_whole = true,
                        _ => {}
                    }
                    path.pop();
                }
                Event::Eof => break,
                _ => {}
            }
        }
        // More, and no word of where it goes on, would be taken for all there is.
        if !is_whole || is_truncated != listing.next.is_some() {
            return None;
        }
        Some(listing)
    }
}

const ROOT: &str = "ListBucketResult";

/// The texts right below the root of a document, if that is called so.
fn texts(xml: &[u8], root: &str) -> Vec<(String, String)> {
    let mut reader = Reader::from_reader(xml);
    let (mut path, mut found) = (Vec::<String>::new(), Vec::new());
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => path.push(String::from_utf8_lossy(start.local_name().as_ref()).into_owned()),
            Ok(Event::End(_)) => {
                path.pop();
            }
            Ok(Event::Text(text)) => {
                if let ([first, name], Ok(text)) = (path.as_slice(), text.decode())
                    && first == root
                {
                    found.push((name.clone(), text.trim().to_owned()));
                }
            }
            Ok(Event::Eof) | Err(_) => return found,
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec() -> Spec {
        let secret = json!({"type": "string", "writeOnly": true});
        let spec = json!({
            "name": "store", "version": "1.0.0", "publisher": "a", "title": "Store", "state_version": 1,
            "configuration": {"type": "object", "properties": {"bucket": {}, "prefix": {"default": ""}, "secret": secret,
                "addressing": {"default": "virtual"}}},
            "credentials": [{"name": "other", "method": "api-key", "header": "x", "value": "{secret}"},
                {"name": "key", "method": "aws-sigv4", "service": "s3", "region": "r", "access_key_id": "a",
                 "secret_access_key": "{secret}"}],
            "origins": [
                {"name": "virtual", "url": "https://{bucket}.store.example", "domains": ["store.example"], "rules": []},
                {"name": "path", "url": "https://store.example", "domains": ["store.example"], "rules": []}],
            "instance": {"system": "S", "id": "{bucket}"}
        });
        Spec::parse(&spec.to_string()).unwrap()
    }

    #[test]
    fn the_bucket_stands_in_the_host_or_before_the_key() {
        let of = |configuration: Value, prefix: &str| Place::of(&spec(), &configuration, prefix);
        let place = of(json!({"bucket": "b"}), "t/").unwrap();
        assert_eq!((place.origin.as_str(), place.root.as_str(), place.prefix.as_str()), ("virtual", "/", "t/"));
        assert_eq!((place.credential.as_str(), place.location.as_str()), ("key", "s3://b/t/"));
        let place = of(json!({"bucket": "b", "addressing": "path", "prefix": "own"}), "t/").unwrap();
        assert_eq!((place.origin.as_str(), place.root.as_str(), place.prefix.as_str()), ("path", "/b/", "own/t/"));
        assert_eq!(place.location, "s3://b/own/t/");
        assert_eq!(of(json!({"bucket": "b", "prefix": "a b"}), "t/").unwrap_err().code, "tables.prefix");
        for bad in [json!({}), json!({"bucket": "b", "addressing": "other"})] {
            assert_eq!(of(bad, "t/").unwrap_err().code, "tables.no-bucket");
        }
        let mut other = spec();
        other.credentials.pop();
        assert_eq!(Place::of(&other, &json!({"bucket": "b"}), "").unwrap_err().code, "tables.no-bucket");
    }

    #[test]
    fn a_listing_is_read_whole_or_not_at_all() {
        let page = "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"x\"><Prefix>t/</Prefix><IsTruncated>true</IsTruncated>\
                    <NextContinuationToken>n+/=</NextContinuationToken><Contents><Key>t/a</Key><Size>7</Size>\
                    <LastModified>1970-01-01T00:00:01.000Z</LastModified></Contents><Contents><Key>t/b</Key><Size>0</Size>\
                    </Contents></ListBucketResult>";
        let listing = Listing::read(page.as_bytes()).unwrap();
        assert_eq!(listing.objects, [("t/a".into(), 7, Some(1000)), ("t/b".into(), 0, None)]);
        assert_eq!(listing.next.as_deref(), Some("n+/="));
        let empty = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
        assert_eq!(Listing::read(empty.as_bytes()), Some(Listing::default()));
        let cut = &page[..page.len() - 20];
        let endless = "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>";
        for bad in ["", "<html></html>", cut, endless, "<Error><Code>X</Code></Error>"] {
            assert_eq!(Listing::read(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_refusal_says_who_acts() {
        let answer = |status: u16, body: &str| GuestResponse { status, headers: vec![], body: body.into() };
        let denied = answer(403, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>");
        let fault = expect(&denied, &[200], "write an object").unwrap_err();
        assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Scope, "tables.bucket"));
        assert_eq!(fault.message, "the bucket did not write an object: status 403 AccessDenied no");
        let forged = answer(403, "<Error><Code>SignatureDoesNotMatch</Code></Error>");
        assert_eq!(expect(&forged, &[200], "x").unwrap_err().kind, FaultKind::Auth);
        for (status, kind) in [
            (404, FaultKind::Config),
            (429, FaultKind::RateLimited),
            (503, FaultKind::Transient),
            (418, FaultKind::Data),
        ] {
            assert_eq!(expect(&answer(status, ""), &[200], "x").unwrap_err().kind, kind);
        }
        assert_eq!(code(&answer(404, "<Error><Code>NoSuchBucket</Code></Error>")), "NoSuchBucket");
    }
}
