//! What S3 answers: its XML, and what an error means for whom.

use attiva_connector::{Fault, FaultKind, Response};
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

/// The header in which a bucket says where it is.
pub(crate) const REGION: &str = "x-amz-bucket-region";

/// The texts of a document. Prefixes of namespaces are dropped; nothing here needs them.
#[derive(Debug)]
pub(crate) struct Xml {
    pub(crate) root: String,
    leaves: Vec<Leaf>,
}

#[derive(Debug)]
struct Leaf {
    /// Which child of the root it stands in, or is.
    child: usize,
    /// `Upload/UploadId`.
    path: String,
    text: String,
}

impl Xml {
    /// Reads a whole document. `None`: it is none, or it is cut off.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}').trim_start());
        let mut open: Vec<String> = Vec::new();
        let mut text = String::new();
        let mut xml = Self { root: String::new(), leaves: Vec::new() };
        let mut child = 0;
        loop {
            match reader.read_event().ok()? {
                Event::Start(tag) => {
                    let name = String::from_utf8_lossy(tag.local_name().as_ref()).into_owned();
                    match open.len() {
                        0 if xml.root.is_empty() => xml.root.clone_from(&name),
                        0 => return None,
                        1 => child += 1,
                        _ => {}
                    }
                    open.push(name);
                    text.clear();
                }
                Event::Text(part) => text.push_str(&part.decode().ok()?),
                Event::CData(part) => text.push_str(&part.decode().ok()?),
                Event::GeneralRef(entity) => match entity.resolve_char_ref().ok()? {
                    Some(character) => text.push(character),
                    None => text.push_str(resolve_predefined_entity(&entity.decode().ok()?)?),
                },
                Event::End(_) => {
                    if let Some((_, path)) = open.split_first().filter(|(_, path)| !path.is_empty()) {
                        xml.leaves.push(Leaf { child, path: path.join("/"), text: std::mem::take(&mut text) });
                    }
                    open.pop();
                }
                Event::Eof => return (open.is_empty() && !xml.root.is_empty()).then_some(xml),
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
    }

    fn of(response: &Response) -> Option<Self> {
        Self::parse(response.text().ok()?)
    }

    /// The first text at this path below the root.
    pub(crate) fn get(&self, path: &str) -> Option<&str> {
        self.leaves.iter().find(|leaf| leaf.path == path).map(|leaf| leaf.text.as_str())
    }

    /// Of every child of the root with this name, the texts of these fields; children that lack one are left out.
    pub(crate) fn children<'x, const N: usize>(
        &'x self,
        name: &'x str,
        fields: &'x [&str; N],
    ) -> impl Iterator<Item = [&'x str; N]> {
        let count = self.leaves.last().map_or(0, |leaf| leaf.child);
        (1..=count).filter_map(move |child| {
            let of_child = |field: &str| {
                let path = format!("{name}/{field}");
                self.leaves.iter().find(|leaf| leaf.child == child && leaf.path == path).map(|leaf| leaf.text.as_str())
            };
            let mut texts = [""; N];
            for (text, field) in texts.iter_mut().zip(fields) {
                *text = of_child(field)?;
            }
            Some(texts)
        })
    }
}

/// The document of an answer that should be one of this kind.
pub(crate) fn document(response: &Response, root: &str) -> Result<Xml, Fault> {
    match Xml::of(response).filter(|xml| xml.root == root) {
        Some(xml) => Ok(xml),
        None => Err(Fault::transient("s3.unreadable", format!("S3 answered {} without a {root}", response.status))),
    }
}

/// What CompleteMultipartUpload came to. S3 answers 200 first and says later, in the body, how it ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Completion {
    Done,
    /// There is no such upload: never was, expired, or completed by an earlier attempt.
    NoSuchUpload,
}

pub(crate) fn completion(response: &Response) -> Result<Completion, Fault> {
    if error_code(response).as_deref() == Some("NoSuchUpload") {
        return Ok(Completion::NoSuchUpload);
    }
    match Xml::of(response) {
        Some(xml) if response.is_success() && xml.root == "CompleteMultipartUploadResult" => Ok(Completion::Done),
        xml if response.is_success() && xml.as_ref().is_none_or(|xml| xml.root != "Error") => {
            Err(Fault::transient("s3.cut", "S3's answer to the end of the upload was cut off, or is none of S3's"))
        }
        _ => Err(fault(response, "complete the upload")),
    }
}

/// The code of S3's error document, if the answer is one.
pub(crate) fn error_code(response: &Response) -> Option<String> {
    let xml = Xml::of(response).filter(|xml| xml.root == "Error")?;
    xml.get("Code").map(str::to_owned)
}

/// What an answer that is no success means. `what` completes "could not".
pub(crate) fn fault(response: &Response, what: &str) -> Fault {
    let xml = Xml::of(response).filter(|xml| xml.root == "Error");
    let get = |path| xml.as_ref().and_then(|xml| xml.get(path));
    let code = get("Code").map_or_else(|| unnamed(response.status), str::to_owned);
    let words = get("Message").map(|words| format!(": {}", cut(words))).unwrap_or_default();
    let request = response.header("x-amz-request-id").map(|id| format!(" (request {id})")).unwrap_or_default();
    let message = format!("S3 could not {what}, {} {code}{words}{request}", response.status);
    // Complete tells of an error behind a 200: that is a 500 that came late.
    let status = if response.is_success() { 500 } else { response.status };
    let Meaning { kind, action, field } = meaning(&code, status);
    let mut fault = Fault::new(kind, format!("s3.{code}"), message).action(action);
    fault.field = field.map(str::to_owned);
    fault.retry_after_ms = response.retry_after_ms();
    match response.header(REGION).or(get("Region")) {
        Some(region) if fault.field.as_deref() == Some("region") => {
            fault.action(format!("Set the region to {region}."))
        }
        _ => fault,
    }
}

/// A code for answers without one: those to HEAD, and those of proxies.
fn unnamed(status: u16) -> String {
    match status {
        301 | 307 => "PermanentRedirect".into(),
        404 => "NotFound".into(),
        403 => "AccessDenied".into(),
        412 => "PreconditionFailed".into(),
        503 => "ServiceUnavailable".into(),
        other => format!("http-{other}"),
    }
}

struct Meaning {
    kind: FaultKind,
    action: &'static str,
    field: Option<&'static str>,
}

fn meaning(code: &str, status: u16) -> Meaning {
    let means = |kind, action| Meaning { kind, action, field: None };
    let config = |field, action| Meaning { kind: FaultKind::Config, action, field: Some(field) };
    match code {
        "SlowDown" | "TooManyRequests" | "RequestLimitExceeded" => means(FaultKind::RateLimited, ""),
        "RequestTimeout"
        | "BadDigest"
        | "XAmzContentSHA256Mismatch"
        | "IncompleteBody"
        | "OperationAborted"
        | "ConditionalRequestConflict" => means(FaultKind::Transient, ""),
        "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidToken"
        | "ExpiredToken"
        | "TokenRefreshRequired"
        | "AllAccessDisabled"
        | "AccountProblem" => means(FaultKind::Auth, "Renew the connection's access key."),
        "AccessDenied" => means(FaultKind::Scope, "Allow the key what the connector's README lists."),
        "RequestTimeTooSkewed" => means(FaultKind::Config, "Set the clock of the machine that Attiva runs on."),
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => config("region", "Set the bucket's region."),
        "NoSuchBucket" | "InvalidBucketName" => config("bucket", "Correct the bucket's name, or create it."),
        "KeyTooLongError" => config("key", "Shorten the prefix, the key template or the target's name."),
        "EntityTooLarge" => config("part_size_mb", "Make the parts smaller."),
        "NotImplemented" | "MethodNotAllowed" => means(FaultKind::Unsupported, "Use a store that has this call."),
        _ if code.starts_with("KMS.") => means(FaultKind::Config, "Check the bucket's encryption key."),
        _ => match status {
            429 => means(FaultKind::RateLimited, ""),
            501 => means(FaultKind::Unsupported, "Use a store that has this call."),
            408 | 500.. => means(FaultKind::Transient, ""),
            401 => means(FaultKind::Auth, "Renew the connection's access key."),
            403 => means(FaultKind::Scope, "Allow the key what the connector's README lists."),
            _ => means(FaultKind::Internal, "Report this with the code and the request's id."),
        },
    }
}

/// S3's words, short enough for a line.
fn cut(words: &str) -> String {
    words.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Response {
        Response { status, headers: Vec::new(), body: body.into() }
    }

    #[test]
    fn xml_is_read_as_s3_and_others_write_it() {
        let text = "\u{feff}<?xml version=\"1.0\"?>\n<s3:List xmlns:s3='x'><s3:Upload><s3:Key>a&amp;b&#x41;</s3:Key>\
                    <UploadId><![CDATA[<1>]]></UploadId></s3:Upload><Upload><Key>no id</Key></Upload><Empty/></s3:List>";
        let xml = Xml::parse(text).unwrap();
        assert_eq!(xml.root, "List");
        assert_eq!(xml.children("Upload", &["UploadId", "Key"]).collect::<Vec<_>>(), [["<1>", "a&bA"]]);
        for broken in
            ["", "  \n", "<a><b>", "<a></b>", "<html><body>down", "text", "<a/>", "<a></a><b></b>", "<a>&nope;</a>"]
        {
            assert!(Xml::parse(broken).is_none(), "{broken}");
        }
    }

    #[test]
    fn an_error_says_who_acts() {
        let error =
            |code: &str| format!("<Error><Code>{code}</Code><Message>m</Message><Region>eu-west-1</Region></Error>");
        let cases = [
            (503, error("SlowDown"), FaultKind::RateLimited, None),
            (400, error("RequestTimeout"), FaultKind::Transient, None),
            (500, error("InternalError"), FaultKind::Transient, None),
            (502, "<html>bad gateway</html>".into(), FaultKind::Transient, None),
            (403, error("InvalidAccessKeyId"), FaultKind::Auth, None),
            (403, error("AccessDenied"), FaultKind::Scope, None),
            (403, String::new(), FaultKind::Scope, None),
            (403, error("RequestTimeTooSkewed"), FaultKind::Config, None),
            (400, error("AuthorizationHeaderMalformed"), FaultKind::Config, Some("region")),
            (301, String::new(), FaultKind::Config, Some("region")),
            (404, error("NoSuchBucket"), FaultKind::Config, Some("bucket")),
            (501, error("NotImplemented"), FaultKind::Unsupported, None),
            (400, error("MalformedXML"), FaultKind::Internal, None),
        ];
        for (status, body, kind, field) in cases {
            let fault = fault(&answer(status, &body), "do it");
            assert_eq!((fault.kind, fault.field.as_deref()), (kind, field), "{status} {body}");
        }
        let moved = fault(&answer(400, &error("AuthorizationHeaderMalformed")), "do it");
        assert_eq!(moved.action, "Set the region to eu-west-1.");
    }

    #[test]
    fn completion_reads_the_body_behind_the_200() {
        let done = "\n  \n<CompleteMultipartUploadResult><ETag>\"x-2\"</ETag></CompleteMultipartUploadResult>";
        assert_eq!(completion(&answer(200, done)), Ok(Completion::Done));
        let gone = "<Error><Code>NoSuchUpload</Code></Error>";
        assert_eq!(completion(&answer(404, gone)), Ok(Completion::NoSuchUpload));
        let late = "<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code><Message>m</Message></Error>";
        let cases = [
            (200, late, "s3.InternalError"),
            (200, "   \n ", "s3.cut"),
            (200, "<CompleteMultipartUploadResult><ETag>", "s3.cut"),
            (200, "<html></html>", "s3.cut"),
            (503, "", "s3.ServiceUnavailable"),
        ];
        for (status, body, code) in cases {
            let fault = completion(&answer(status, body)).unwrap_err();
            assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Transient, code), "{body}");
        }
    }
}
