//! A page of an export's file, out of the spool: from one record's beginning to another's, never through one.

use crate::cell;
use crate::csv::{Found, LongRecord, Record, Value};
use crate::export_row::Rows;
use crate::extract::Extract;
use crate::fields::Field;
use crate::instant;
use attiva_connector::{DataType, Fault, Limits, Reject, Response, Result, SpoolFile};
use marketo_api::Answer;

/// How much is read at once.
const CHUNK_BYTES: u32 = 512 * 1024;
/// A longer record is passed over, not held.
const RECORD_BYTES_MAX: u32 = 4 * 1024 * 1024;
/// What is longer is no record: the file is broken.
const RECORD_BYTES_HOPELESS: u64 = 64 * 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// An export's file with its header read.
pub(crate) struct ExportFile<'a> {
    spool: SpoolFile<'a>,
    size: u64,
    /// Where the first record begins.
    records_start: u64,
    pub(crate) header: Header<'a>,
}

/// What the cells of a record are.
pub(crate) struct Header<'a> {
    of: Extract,
    names: Vec<String>,
    pub(crate) columns: Vec<Column<'a>>,
}

/// A field to read, and its place in a record.
pub(crate) struct Column<'a> {
    pub(crate) field: &'a Field,
    pub(crate) data_type: DataType,
    pub(crate) position: usize,
}

/// What a file turned out to be.
pub(crate) enum Opened<'a> {
    File(ExportFile<'a>),
    /// Not even a header: no records.
    Empty,
    /// Not all fields are in it: it was ordered before the fields were chosen anew.
    OtherFields,
    /// No export at all, but an answer that came in its place.
    Foreign(Fault),
}

impl<'a> ExportFile<'a> {
    /// Reads the header of a file of `size` bytes.
    ///
    /// # Errors
    /// `data` `marketo.export-header`; what the host answers.
    pub(crate) fn open(spool: SpoolFile<'a>, size: u64, of: Extract, fields: &'a [Field]) -> Result<Opened<'a>> {
        let mut record = Record::default();
        let mut length = CHUNK_BYTES / 8;
        loop {
            let head = spool.read(0, length)?;
            let start = if head.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
            let last = head.len() as u64 >= size;
            if let Some(fault) = foreign(head.get(start..).unwrap_or_default()) {
                return Ok(Opened::Foreign(fault));
            }
            match record.read(&head, start, last, usize::MAX) {
                Found::Record { next, .. } => {
                    let Some(header) = Header::read(of, &record, &head, fields)? else {
                        return Ok(Opened::OtherFields);
                    };
                    return Ok(Opened::File(Self { spool, size, records_start: next as u64, header }));
                }
                Found::Nothing { .. } if last => return Ok(Opened::Empty),
                Found::Nothing { .. } if length < RECORD_BYTES_MAX => length *= 2,
                Found::Nothing { .. } => return Err(bad_header("it has no end")),
            }
        }
    }

    /// Fills `rows` from byte `offset` on. Answers where the next page begins, or nothing at the file's end.
    ///
    /// # Errors
    /// `data` `marketo.export-broken`; what the host answers.
    pub(crate) fn read(&self, offset: u64, limits: &Limits, rows: &mut Rows<'_>) -> Result<Option<u64>> {
        let mut record = Record::default();
        let mut at = offset.max(self.records_start);
        let mut length = CHUNK_BYTES;
        while at < self.size {
            if rows.is_full(0, limits) {
                return Ok(Some(at));
            }
            let chunk = self.spool.read(at, length)?;
            if chunk.is_empty() {
                return Err(Fault::transient("spool.short", format!("the export ends at {at} of {}", self.size)));
            }
            let last = at + chunk.len() as u64 >= self.size;
            let (used, full) = self.read_chunk(&chunk, last, &mut record, limits, rows);
            at += used as u64;
            if full {
                return Ok(Some(at));
            }
            if last {
                return Ok(None);
            }
            if used > 0 {
                length = CHUNK_BYTES;
            } else if length < RECORD_BYTES_MAX {
                length *= 2;
            } else {
                at += self.pass_over(at, &chunk, &record, rows)?;
                length = CHUNK_BYTES;
            }
        }
        Ok(None)
    }

    /// Takes the whole records of a chunk. Answers how many bytes were used, and whether the page is full.
    fn read_chunk(
        &self,
        chunk: &[u8],
        last: bool,
        record: &mut Record,
        limits: &Limits,
        rows: &mut Rows<'_>,
    ) -> (usize, bool) {
        let mut at = 0;
        loop {
            match record.read(chunk, at, last, self.header.width()) {
                Found::Nothing { start } => return (start, false),
                Found::Record { start, next } => {
                    if rows.is_full(next - start, limits) {
                        return (start, true);
                    }
                    rows.take(record, chunk, start..next, limits);
                    at = next;
                }
            }
        }
    }

    /// Rejects the record that begins at `at` without holding it; `chunk` and `record` are as much of it as was read.
    /// Answers its length.
    fn pass_over(&self, at: u64, chunk: &[u8], record: &Record, rows: &mut Rows<'_>) -> Result<u64> {
        let mut long = LongRecord::new();
        let mut length = 0;
        while at + length < self.size {
            let piece = self.spool.read(at + length, CHUNK_BYTES)?;
            let end = long.feed(&piece);
            length += end.unwrap_or(piece.len()) as u64;
            if end.is_some() || piece.is_empty() {
                break;
            }
            if length > RECORD_BYTES_HOPELESS {
                return Err(Fault::data("marketo.export-broken", format!("the record at byte {at} has no end"))
                    .action("Look at the export in Marketo; a person with broken text keeps it from being read."));
            }
        }
        let (cell, bytes) = long.longest_cell();
        let reject = match self.header.names.get(cell) {
            Some(name) if bytes > cell::BYTES_MAX => cell::too_long(bytes).field(name),
            _ => Reject::new("record-too-long", format!("a record of {length} bytes; at most {RECORD_BYTES_MAX}")),
        };
        rows.reject(self.header.key(record, chunk).as_deref(), reject, chunk);
        Ok(length)
    }
}

impl<'a> Header<'a> {
    /// Reads the header record; nothing if it lacks one of the fields.
    fn read(of: Extract, record: &Record, head: &[u8], fields: &'a [Field]) -> Result<Option<Self>> {
        let name = |i| match record.value(head, i) {
            Value::Bytes(bytes) => std::str::from_utf8(bytes).ok().map(str::to_owned),
            Value::Null => None,
        };
        let names: Option<Vec<String>> = (0..record.len()).map(name).collect();
        let names = names.ok_or_else(|| bad_header("a column has no name"))?;
        if let Some(missing) = of.key().iter().find(|key| !names.iter().any(|name| name == *key)) {
            return Err(bad_header(&format!("there is no column {missing}")));
        }
        let column = |field: &'a Field| {
            let position = names.iter().position(|name| *name == field.name)?;
            Some(Column { field, data_type: field.data_type(), position })
        };
        // What this connector makes of an activity is in no file.
        let in_file = fields.iter().filter(|field| !field.is_made());
        let columns: Option<Vec<_>> = in_file.map(column).collect();
        Ok(columns.map(|columns| Self { of, names, columns }))
    }

    /// Cells of a record.
    pub(crate) fn width(&self) -> usize {
        self.names.len()
    }

    /// The record's key, if it has one.
    pub(crate) fn key(&self, record: &Record, input: &[u8]) -> Option<String> {
        let part = |name: &&str| {
            let column = self.columns.iter().find(|c| c.field.name == **name)?;
            let text = self.text(record, input, name).filter(|text| !text.is_empty())?;
            (column.data_type != DataType::Integer || text.parse::<i64>().is_ok()).then_some(text)
        };
        let parts: Option<Vec<&str>> = self.of.key().iter().map(part).collect();
        parts.map(|parts| parts.join("-"))
    }

    /// The field that is the key, or its first part.
    pub(crate) fn key_field(&self) -> &'static str {
        self.of.key().first().copied().unwrap_or_default()
    }

    /// When the record changed, in milliseconds; 0: not known.
    pub(crate) fn time(&self, record: &Record, input: &[u8]) -> i64 {
        self.text(record, input, self.of.time()).and_then(instant::parse).unwrap_or(0)
    }

    /// The value of a field by its name, if it is there and text.
    pub(crate) fn text<'r>(&self, record: &'r Record, input: &'r [u8], name: &str) -> Option<&'r str> {
        let column = self.columns.iter().find(|c| c.field.name == name)?;
        match record.value(input, column.position) {
            Value::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            Value::Null => None,
        }
    }
}

/// An error page or a refusal that was fetched as if it were the file.
fn foreign(head: &[u8]) -> Option<Fault> {
    let first = head.iter().find(|b| !b.is_ascii_whitespace())?;
    if !matches!(first, b'{' | b'<') {
        return None;
    }
    let response = Response { status: 200, headers: Vec::new(), body: head.to_vec() };
    Some(match marketo_api::judge(&response) {
        Err(fault) => fault,
        Ok(Answer::Granted) => bad_header("it is JSON"),
        // Whatever it was, the next call begins with the export's status and meets the refusal itself.
        Ok(Answer::Refused(refusal)) => {
            let message = format!("in place of an export came error {}: {}", refusal.code, refusal.message);
            Fault::transient(format!("marketo.{}", refusal.code), message)
        }
    })
}

fn bad_header(problem: &str) -> Fault {
    Fault::data("marketo.export-header", format!("the export's header is not as ordered: {problem}"))
        .action("Look at the export in Marketo.")
}

#[cfg(test)]
mod tests;
