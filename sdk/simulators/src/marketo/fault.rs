//! Traps on demand: what the vendor does now and then, done when a test asks for it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// One way to misbehave. In JSON its name in kebab case, with what it needs: `"rate-limited"`, `{"delay": {"ms": 500}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Fault {
    /// The call is refused with HTTP 200 and this code, which is a text.
    Error {
        /// `611`, say.
        code: String,
        /// The vendor's words.
        message: String,
    },
    /// 601 though the token is good.
    TokenInvalid,
    /// 602 though the token lives: the identity service goes on handing out the same one.
    TokenExpired,
    /// 603, as for a missing permission.
    AccessDenied,
    /// 606.
    RateLimited,
    /// 607.
    DailyQuotaReached,
    /// 615.
    TooManyAtOnce,
    /// A proxy's page in HTML, with any status; 200 is the nasty one.
    HtmlPage {
        /// HTTP status.
        status: u16,
    },
    /// Exactly these bytes.
    Raw {
        /// HTTP status.
        status: u16,
        /// `Content-Type`.
        content_type: String,
        /// The body; base64 in JSON.
        #[serde(rename = "body_base64", serialize_with = "to_base64", deserialize_with = "from_base64")]
        body: Vec<u8>,
    },
    /// The answer to the call is cut off after so many bytes of its body, and the connection closed.
    Cut {
        /// Bytes of the body that still arrive.
        after_bytes: u64,
    },
    /// The call is answered this much later. The only fault that lets the next one act on the same call.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// The identity service answers with the same token, but only so many seconds of life left; 0 is a token that has lapsed already.
    TokenLife {
        /// Seconds left.
        seconds: u64,
    },
    /// An activity page with no records, `moreResult: true` and the place unchanged.
    EmptyActivityPage,
    /// Activities without `id`, with `marketoGUID` only.
    ActivitiesWithoutId,
    /// The page ends one activity early in its token: the next page begins with this page's last record again.
    RepeatedActivity,
    /// Enqueue answers 1029 "Too many jobs in queue"; the job stays as it was.
    ExportQueueFull,
    /// Create and enqueue answer 1029 "Export daily quota ... exceeded".
    ExportQuotaExceeded,
    /// Enqueue answers 1029 "Job already queued", and the job is in the queue indeed.
    ExportAlreadyQueued,
    /// A job that was enqueued ends as `Failed` with this `errorMsg`.
    ExportFails {
        /// The vendor's words.
        message: String,
    },
    /// An administrator cancels the job while it is being processed.
    ExportCancelled,
    /// The file answers 404 in plain text though the job is `Completed`.
    ExportFileMissing,
    /// A look-up by a filter, or of a list by its name, does not yet find what was made since the start: the vendor's
    /// queries lag behind its writes.
    LookUpLags,
    /// A sync of leads finds nobody by their key, as when another call with the same keys is not yet done: who is there
    /// is made a second time.
    SyncRace,
    /// An import ends as `Failed` with this message, and none of its rows is taken.
    ImportFails {
        /// The vendor's words.
        message: String,
    },
    /// `fileChecksum` of the job that completes next is not that of its file.
    WrongChecksum,
    /// The file of the job that completes next is altered; its checksum is that of the altered file.
    Csv {
        /// How it is altered.
        quirk: CsvQuirk,
        /// In which data row, from 0; quirks of the whole file take no notice.
        #[serde(default)]
        row: u64,
    },
}

/// What an export file can hold beside well-formed rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CsvQuirk {
    /// Begins with a byte order mark.
    Bom,
    /// Ends in an empty line.
    EmptyLastLine,
    /// No byte at all, not even the header.
    EmptyFile,
    /// The first text of the row holds a NUL byte.
    NulByte,
    /// The first text of the row holds a carriage return alone, unquoted.
    LoneCr,
    /// The first text of the row is quoted, and a quote inside it is not doubled.
    UnescapedQuotes,
    /// The first text of the row holds bytes that are no UTF-8.
    InvalidUtf8,
    /// The row's id is missing.
    MissingId,
    /// The row has one cell less than the header.
    ShortRow,
    /// The row comes twice.
    RepeatedRow,
    /// The first text of the row is this long.
    HugeField(
        /// Bytes.
        u64,
    ),
}

impl CsvQuirk {
    /// Whether it alters the file as a whole, and no row.
    pub(crate) fn is_of_the_file(&self) -> bool {
        matches!(self, Self::Bom | Self::EmptyLastLine | Self::EmptyFile)
    }
}

/// A fault, and the calls it acts on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Injection {
    /// What happens.
    pub fault: Fault,
    /// Acts on calls whose path begins so. Without it, on every call the fault makes sense for, the identity service's left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Lets so many matching calls pass first.
    #[serde(default)]
    pub skip: u64,
    /// Acts on so many calls, then is gone. `None`, or `null` in JSON, for ever.
    #[serde(default = "once")]
    pub times: Option<u64>,
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn once() -> Option<u64> {
    Some(1)
}

impl Injection {
    /// Only calls whose path begins so.
    #[must_use]
    pub fn at(self, path: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..self }
    }

    /// Lets so many matching calls pass first.
    #[must_use]
    pub fn after(self, calls: u64) -> Self {
        Self { skip: calls, ..self }
    }

    /// Acts on so many calls.
    #[must_use]
    pub fn times(self, calls: u64) -> Self {
        Self { times: Some(calls), ..self }
    }

    /// Acts on every matching call until the faults are cleared.
    #[must_use]
    pub fn for_ever(self) -> Self {
        Self { times: None, ..self }
    }
}

impl From<Fault> for Injection {
    /// Acts once, on the next call it makes sense for.
    fn from(fault: Fault) -> Self {
        Self { fault, path: None, skip: 0, times: once() }
    }
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_from_json_and_unknown_members_refused() {
        let injection: Result<Injection, _> = serde_json::from_str(
            r#"{"fault": {"raw": {"status": 200, "content_type": "text/html", "body_base64": "PGh0bWw+"}}, "path": "/rest/", "times": null}"#,
        );
        let expected = Fault::Raw { status: 200, content_type: "text/html".to_owned(), body: b"<html>".to_vec() };
        assert_eq!(injection.ok(), Some(Injection::from(expected).at("/rest/").for_ever()));
        let csv: Result<Injection, _> =
            serde_json::from_str(r#"{"fault": {"csv": {"quirk": {"huge-field": 10}, "row": 3}}}"#);
        assert_eq!(csv.ok(), Some(Fault::Csv { quirk: CsvQuirk::HugeField(10), row: 3 }.into()));
        assert!(serde_json::from_str::<Injection>(r#"{"fault": "rate-limited", "path_prefix": "/"}"#).is_err());
        assert!(serde_json::from_str::<Injection>(r#"{"fault": {"delay": {"ms": 1, "times": 1}}}"#).is_err());
    }
}
