//! A connection's configuration and a target's options.

use attiva_connector::{Fault, Result, Target, parse_config};
use serde::Deserialize;

const MIB: u64 = 1024 * 1024;
/// A host lets 16 MiB cross at once; a part is a little less.
const PART_MB_MAX: u64 = 15;

/// The key where a target says nothing of it: unique to the run.
pub(crate) const KEY_DEFAULT: &str = "{target}/{date}/{time}-{run_id}.{extension}";
/// The same where a run has several files.
pub(crate) const KEY_DEFAULT_IN_PARTS: &str = "{target}/{date}/{time}-{run_id}-{part}.{extension}";

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub(crate) bucket: String,
    pub(crate) region: String,
    #[serde(default)]
    pub(crate) prefix: String,
    #[serde(default)]
    pub(crate) addressing: Addressing,
    /// For the host's signature alone.
    #[serde(rename = "access_key_id")]
    _access_key_id: String,
    #[serde(default, rename = "role_arn")]
    _role_arn: String,
    #[serde(default, rename = "external_id")]
    _external_id: String,
    #[serde(default)]
    pub(crate) gzip: bool,
    #[serde(default)]
    pub(crate) csv: Csv,
    #[serde(default = "part_size_default")]
    part_size_mb: u64,
}

fn part_size_default() -> u64 {
    8
}

/// Where the bucket stands in an address. The names are the specification's origins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Addressing {
    #[default]
    Virtual,
    Path,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Csv {
    pub(crate) delimiter: Mark,
    pub(crate) quote: Mark,
    pub(crate) quoting: Quoting,
    pub(crate) escape: Escape,
    pub(crate) header: bool,
    pub(crate) null_text: String,
    pub(crate) empty_text: EmptyText,
    pub(crate) line_ending: LineEnding,
    pub(crate) encoding: Encoding,
}

impl Default for Csv {
    fn default() -> Self {
        Self {
            delimiter: Mark(b','),
            quote: Mark(b'"'),
            quoting: Quoting::Needed,
            escape: Escape::Double,
            header: true,
            null_text: String::new(),
            empty_text: EmptyText::Quoted,
            line_ending: LineEnding::Lf,
            encoding: Encoding::Utf8,
        }
    }
}

/// One ASCII character that may divide or quote fields.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Mark(pub(crate) u8);

impl TryFrom<String> for Mark {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'\r' | b'\n' | 0) => Ok(Self(*byte)),
            _ => Err("must be one ASCII character, and no line break"),
        }
    }
}

/// Which values stand in quotes. The null text never does.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Quoting {
    /// Those that could be read as something else without.
    Needed,
    /// All of them.
    Always,
}

/// How a quote stands within quotes.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Escape {
    /// Twice (RFC 4180).
    Double,
    /// Behind a backslash, as does a backslash.
    Backslash,
}

/// How a text stands that has no letters.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EmptyText {
    /// As two quotes, which tell it from null.
    Quoted,
    /// As the null text: for whoever takes an empty text for no value.
    AsNull,
}

/// Bytes of the text. Every encoding but the first begins the file with a byte order mark.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Encoding {
    #[serde(rename = "utf-8")]
    Utf8,
    #[serde(rename = "utf-8-bom")]
    Utf8Bom,
    /// Little endian.
    #[serde(rename = "utf-16")]
    Utf16,
}

impl Encoding {
    /// A piece of the file as it is stored. `first`: it is the file's beginning.
    pub(crate) fn bytes(self, text: Vec<u8>, first: bool) -> Vec<u8> {
        let mark = if first { "\u{feff}" } else { "" };
        match self {
            Self::Utf8 => text,
            Self::Utf8Bom => [mark.as_bytes(), &text].concat(),
            // Pieces end with a line, never within a character.
            Self::Utf16 => {
                let text = String::from_utf8_lossy(&text);
                mark.encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
            }
        }
    }

    pub(crate) fn charset(self) -> &'static str {
        match self {
            Self::Utf8 | Self::Utf8Bom => "text/csv; charset=utf-8",
            Self::Utf16 => "text/csv; charset=utf-16",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LineEnding {
    Lf,
    Crlf,
}

impl LineEnding {
    pub(crate) fn bytes(self) -> &'static [u8] {
        match self {
            Self::Lf => b"\n",
            Self::Crlf => b"\r\n",
        }
    }
}

impl Config {
    /// What one field cannot tell alone.
    pub(crate) fn validate(&self) -> Result<()> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
        if !(3..=63).contains(&self.bucket.len()) || !self.bucket.bytes().all(plain) {
            return Err(invalid("bucket", "a bucket's name has 3 to 63 lower-case letters, digits, dots and dashes"));
        }
        if self.addressing == Addressing::Virtual && self.bucket.contains('.') {
            let problem = "the bucket's name has dots, which no certificate covers in a host name: set it to path";
            return Err(invalid("addressing", problem));
        }
        if self.csv.delimiter == self.csv.quote {
            return Err(invalid("csv.quote", "the delimiter and the quote are the same character"));
        }
        let escapes = self.csv.escape == Escape::Backslash;
        if escapes && [self.csv.delimiter.0, self.csv.quote.0].contains(&b'\\') {
            return Err(invalid("csv.escape", "the backslash is delimiter or quote already"));
        }
        let marks = [self.csv.delimiter.0, self.csv.quote.0, b'\r', b'\n'];
        if self.csv.null_text.bytes().any(|b| marks.contains(&b)) {
            return Err(invalid("csv.null_text", "it is never quoted and may not hold delimiter, quote or line break"));
        }
        if !(5..=PART_MB_MAX).contains(&self.part_size_mb) {
            return Err(invalid("part_size_mb", "must be from 5 to 15"));
        }
        Ok(())
    }

    /// The name of the origin to call.
    pub(crate) fn origin(&self) -> &'static str {
        match self.addressing {
            Addressing::Virtual => "virtual",
            Addressing::Path => "path",
        }
    }

    /// Bytes of part `number` (from 1). S3 takes 10,000 parts, so parts grow as a file turns out to be large; never
    /// beyond what may cross to the host at once. The first 2,000 are alike, for stores that want equal parts.
    pub(crate) fn part_bytes(&self, number: u32) -> u64 {
        let doublings = number.saturating_sub(1) / 2000;
        ((self.part_size_mb * MIB) << doublings.min(3)).min(PART_BYTES_MAX)
    }

    /// How many parts a file of `size` bytes has.
    pub(crate) fn parts_of(&self, size: u64) -> u32 {
        let mut parts = 0;
        let mut sent = 0;
        while sent < size {
            parts += 1;
            sent += self.part_bytes(parts);
        }
        parts
    }

    /// What `{extension}` stands for. Parquet compresses within.
    pub(crate) fn extension(&self, format: Format) -> &'static str {
        match (format, self.gzip) {
            (Format::Csv, false) => "csv",
            (Format::Csv, true) => "csv.gz",
            (Format::JsonLines, false) => "jsonl",
            (Format::JsonLines, true) => "jsonl.gz",
            (Format::Parquet, _) => "parquet",
        }
    }
}

const PART_BYTES_MAX: u64 = PART_MB_MAX * MIB;

fn invalid(field: &str, problem: &str) -> Fault {
    Fault::config("config.invalid", problem).field(field).action("Correct the connection's configuration.")
}

/// How rows stand in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    #[default]
    Csv,
    JsonLines,
    Parquet,
}

/// A target's options.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Options {
    pub(crate) key: Option<String>,
    pub(crate) operation_column: Option<String>,
    pub(crate) format: Format,
    rows_per_file: Option<u64>,
}

impl Options {
    pub(crate) fn of(target: &Target) -> Result<Self> {
        if target.options.trim().is_empty() {
            return Ok(Self::default());
        }
        let wrong = |fault: Fault| fault.action("Correct the target's options.");
        let options: Self = parse_config(&target.options).map_err(wrong)?;
        let refused = |field: &str, problem: &str| Err(wrong(Fault::config("s3.options", problem).field(field)));
        match options.rows_per_file {
            Some(0) => refused("rows_per_file", "a file of no rows would never end"),
            Some(_) if !options.key().contains("{part}") => {
                refused("key", "with rows_per_file a run has several files: the template needs {part}")
            }
            _ => Ok(options),
        }
    }

    pub(crate) fn key(&self) -> &str {
        let default = if self.rows_per_file.is_some() { KEY_DEFAULT_IN_PARTS } else { KEY_DEFAULT };
        self.key.as_deref().unwrap_or(default)
    }

    pub(crate) fn is_split(&self) -> bool {
        self.rows_per_file.is_some()
    }

    /// Rows that still go into a file that has so many.
    pub(crate) fn room(&self, rows: u64) -> u64 {
        self.rows_per_file.map_or(u64::MAX, |most| most.saturating_sub(rows))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::{Value, json};

    pub(crate) fn read(more: Value) -> Result<Config> {
        let mut config = json!({"bucket": "bucket", "region": "eu-central-1", "access_key_id": "AKID"});
        for (name, value) in more.as_object().unwrap() {
            config[name] = value.clone();
        }
        let config: Config = parse_config(&config.to_string())?;
        config.validate()?;
        Ok(config)
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            (json!({"bucket": "My_Bucket"}), "bucket"),
            (json!({"bucket": "a.b.c"}), "addressing"),
            (json!({"addressing": "both"}), "addressing"),
            (json!({"csv": {"delimiter": ";;"}}), "csv.delimiter"),
            (json!({"csv": {"delimiter": "\n"}}), "csv.delimiter"),
            (json!({"csv": {"quote": ","}}), "csv.quote"),
            (json!({"csv": {"null_text": "a,b"}}), "csv.null_text"),
            (json!({"csv": {"line_ending": "cr"}}), "csv.line_ending"),
            (json!({"csv": {"quoting": "never"}}), "csv.quoting"),
            (json!({"csv": {"escape": "backslash", "quote": "\\"}}), "csv.escape"),
            (json!({"csv": {"encoding": "latin-1"}}), "csv.encoding"),
            (json!({"csv": {"empty_text": "x"}}), "csv.empty_text"),
            (json!({"part_size_mb": 4}), "part_size_mb"),
            (json!({"part_size_mb": 16}), "part_size_mb"),
            (json!({"secret_access_key": "never here"}), "secret_access_key"),
        ];
        for (more, field) in cases {
            let fault = read(more.clone()).expect_err(&more.to_string());
            assert_eq!(fault.field.as_deref(), Some(field), "{more}: {}", fault.message);
        }
        assert!(read(json!({"bucket": "a.b.c", "addressing": "path"})).is_ok());
    }

    fn options(options: Value) -> Result<Options> {
        let target = Target { id: "t".into(), object: "file".into(), name: "n".into(), options: options.to_string() };
        Options::of(&target)
    }

    #[test]
    fn options_that_cannot_be_meant_are_refused_by_field() {
        let cases = [
            (json!({"format": "xlsx"}), "format"),
            (json!({"rows_per_file": 0}), "rows_per_file"),
            (json!({"rows_per_file": 10, "key": "{target}.{extension}"}), "key"),
            (json!({"compress": true}), "compress"),
        ];
        for (given, field) in cases {
            let fault = options(given.clone()).expect_err(&given.to_string());
            assert_eq!((fault.field.as_deref(), fault.kind), (Some(field), attiva_connector::FaultKind::Config));
        }
        assert_eq!(options(json!({"rows_per_file": 10})).unwrap().key(), KEY_DEFAULT_IN_PARTS);
        assert_eq!(options(json!({})).unwrap().room(7), u64::MAX);
    }

    #[test]
    fn parts_grow_so_that_ten_thousand_reach_far() {
        let config = read(json!({"part_size_mb": 8})).unwrap();
        let mib = |number| config.part_bytes(number) / MIB;
        assert_eq!((mib(1), mib(2000), mib(2001), mib(4001), mib(10_000)), (8, 8, 15, 15, 15));
        let most: u64 = (1..=10_000).map(mib).sum();
        assert_eq!(most / 1024, 132);
        assert_eq!(
            [0, 1, 8 * MIB, 8 * MIB + 1, 16_000 * MIB + 1].map(|size| config.parts_of(size)),
            [0, 1, 1, 2, 2001]
        );
    }
}
