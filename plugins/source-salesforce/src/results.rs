//! A page of a file of results, out of the spool: from one record's beginning to another's, never through one.

use crate::fields::Field;
use crate::rows::{Rows, Values};
use attiva_connector::{Fault, Limits, Result, SpoolFile};
use csv_core::{ReadRecordResult, Reader};
use std::borrow::Cow;

/// How much is read at once.
const CHUNK_BYTES: u32 = 512 * 1024;
/// A longer record is none: the file is broken. Salesforce's longest fields have 131,072 characters.
const RECORD_BYTES_MAX: u32 = 8 * 1024 * 1024;

/// A file with its header read.
pub(crate) struct Results<'a> {
    spool: SpoolFile<'a>,
    size: u64,
    /// Where the first record begins.
    records_start: u64,
    /// The place of each field in a record. The file's order need not be the query's.
    places: Vec<usize>,
}

/// What a file turned out to be.
pub(crate) enum Opened<'a> {
    File(Results<'a>),
    /// Not even a header: no records.
    Empty,
    /// Not all fields are in it: the job was made before the fields were chosen anew.
    OtherFields,
}

impl<'a> Results<'a> {
    /// Reads the header of a file of `size` bytes.
    ///
    /// # Errors
    /// `data` `salesforce.results-broken`; what the host answers.
    pub(crate) fn open(spool: SpoolFile<'a>, size: u64, fields: &[&Field]) -> Result<Opened<'a>> {
        let mut record = Record::new();
        let head = spool.read(0, CHUNK_BYTES)?;
        let last = head.len() as u64 >= size;
        let Some(used) = record.read(&head, last) else {
            return if last { Ok(Opened::Empty) } else { Err(broken("its header has no end")) };
        };
        let names: Vec<Cow<'_, str>> = (0..record.len()).map(|i| String::from_utf8_lossy(record.cell(i))).collect();
        let place = |field: &&Field| names.iter().position(|name| name.trim_start_matches('\u{feff}') == field.name);
        let places: Option<Vec<usize>> = fields.iter().map(place).collect();
        let Some(places) = places else { return Ok(Opened::OtherFields) };
        Ok(Opened::File(Self { spool, size, records_start: used as u64, places }))
    }

    /// Fills `rows` from byte `offset` on. Answers where the next page begins, or nothing at the file's end.
    ///
    /// # Errors
    /// `data` `salesforce.results-broken`; what the host answers.
    pub(crate) fn read(&self, offset: u64, limits: &Limits, rows: &mut Rows<'_>) -> Result<Option<u64>> {
        let mut record = Record::new();
        let mut at = offset.max(self.records_start);
        let mut length = CHUNK_BYTES;
        while at < self.size {
            let chunk = self.spool.read(at, length)?;
            if chunk.is_empty() {
                return Err(Fault::transient("spool.short", format!("the results end at {at} of {}", self.size)));
            }
            let last = at + chunk.len() as u64 >= self.size;
            let mut used = 0;
            while let Some(next) = record.read(chunk.get(used..).unwrap_or_default(), last) {
                if rows.is_full(next, limits) {
                    return Ok(Some(at + used as u64));
                }
                self.take(&record, next, limits, rows);
                used += next;
            }
            at += used as u64;
            if last {
                return Ok(None);
            }
            length = match used {
                0 if length >= RECORD_BYTES_MAX => return Err(broken(&format!("the record at byte {at} has no end"))),
                0 => length * 2,
                _ => CHUNK_BYTES,
            };
        }
        Ok(None)
    }

    fn take(&self, record: &Record, bytes: usize, limits: &Limits, rows: &mut Rows<'_>) {
        let cell = |place: &usize| match record.cell(*place) {
            [] => None,
            bytes => Some(String::from_utf8_lossy(bytes)),
        };
        let values: Vec<Option<Cow<'_, str>>> = self.places.iter().map(cell).collect();
        let values: &Values<'_> = &values;
        let _ = rows.take(values, bytes, limits);
    }
}

fn broken(problem: &str) -> Fault {
    Fault::data("salesforce.results-broken", format!("a file of results cannot be read: {problem}"))
        .action("Look at the job in Salesforce, under Setup > Bulk Data Load Jobs.")
}

/// A record's cells, in buffers that are used again for the next record.
struct Record {
    reader: Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
    cells: usize,
}

impl Record {
    fn new() -> Self {
        Self { reader: Reader::new(), text: vec![0; 16 * 1024], ends: vec![0; 128], cells: 0 }
    }

    /// Reads the record that `input` begins with; answers its bytes, or nothing if more input is needed. `last` says
    /// that the file ends with this input.
    fn read(&mut self, input: &[u8], last: bool) -> Option<usize> {
        self.reader.reset();
        let (mut used, mut written, mut cells) = (0, 0, 0);
        loop {
            let rest = input.get(used..).unwrap_or_default();
            let (text, ends) =
                (self.text.get_mut(written..).unwrap_or_default(), self.ends.get_mut(cells..).unwrap_or_default());
            let (result, read, wrote, ended) = self.reader.read_record(rest, text, ends);
            (used, written, cells) = (used + read, written + wrote, cells + ended);
            match result {
                ReadRecordResult::Record => {
                    self.cells = cells;
                    return Some(used);
                }
                // Told that there is no more, by an empty input, the reader ends the record it is in.
                ReadRecordResult::InputEmpty if last && !rest.is_empty() => {}
                ReadRecordResult::InputEmpty | ReadRecordResult::End => return None,
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
            }
        }
    }

    fn len(&self) -> usize {
        self.cells
    }

    /// A cell's bytes; none beyond the last.
    fn cell(&self, index: usize) -> &[u8] {
        if index >= self.cells {
            return &[];
        }
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(index).copied().unwrap_or(start);
        self.text.get(start..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{contact, limits, rejects, shown};
    use attiva_connector::testing::FakeHost;
    use attiva_connector::{Cursor, Host};

    fn read_all(csv: &str, max_rows: u32) -> (Vec<String>, Vec<String>, usize) {
        let fake = FakeHost::new();
        let host: &dyn Host = &fake;
        host.spool("f").write(0, csv.as_bytes()).unwrap();
        let object = contact();
        let fields: Vec<&Field> = object.fields.iter().collect();
        let (mut all, mut refused, mut pages, mut offset) = (Vec::new(), Vec::new(), 0, 0);
        let limits = Limits { max_rows, ..limits() };
        loop {
            let Opened::File(file) = Results::open(host.spool("f"), csv.len() as u64, &fields).unwrap() else {
                panic!()
            };
            let mut rows = Rows::new(&object, &fields);
            let next = file.read(offset, &limits, &mut rows).unwrap();
            let page = rows.into_page().0.finish(Cursor { state_version: 1, bytes: Vec::new() }).unwrap();
            all.extend(shown(&page));
            refused.extend(rejects(&page));
            pages += 1;
            match next {
                Some(next) => offset = next,
                None => return (all, refused, pages),
            }
        }
    }

    const CSV: &str = "\"SystemModstamp\",\"Email\",\"Id\",\"IsDeleted\",\"MasterRecordId\",\"Score__c\"\n\
        \"1970-01-01T00:00:01.000Z\",\"a\"\"b\nc,d@x.example\",\"003000000000001AAA\",\"false\",\"\",\"9.5E1\"\n\
        \"1970-01-01T00:00:01.000Z\",\"null\",\"003000000000002AAA\",\"false\",\"\",\"\"\n\
        \"1970-01-01T00:00:01.000Z\",\"N/A\",\"003000000000003AAA\",\"true\",\"\",\"\"\n\
        \"1970-01-01T00:00:01.000Z\",\"\",\"\",\"false\",\"\",\"\"\n";

    #[test]
    fn columns_are_found_by_name_and_cells_are_what_they_say() {
        let (rows, rejects, pages) = read_all(CSV, 100);
        assert_eq!(
            rows,
            [
                "full 003000000000001AAA Id=003000000000001AAA IsDeleted=false Email=a\"b\nc,d@x.example Score__c=95 SystemModstamp=1000",
                "full 003000000000002AAA Id=003000000000002AAA IsDeleted=false Email=null SystemModstamp=1000",
                "tombstone 003000000000003AAA",
            ]
        );
        assert_eq!((rejects, pages), (vec!["key-missing - Id".to_owned()], 1));
    }

    #[test]
    fn a_page_ends_between_two_records_and_the_next_begins_there() {
        let whole = read_all(CSV, 100);
        let (rows, rejects, pages) = read_all(CSV, 1);
        assert_eq!((rows, rejects, pages), (whole.0, whole.1, 4));
        assert_eq!(read_all(CSV.trim_end_matches('\n'), 2).0.len(), 3);
    }

    #[test]
    fn a_record_longer_than_a_chunk_is_read() {
        let long = "x".repeat(CHUNK_BYTES as usize + 10);
        let csv =
            format!("{}\"1970-01-01T00:00:01.000Z\",\"{long}\",\"003000000000009AAA\",\"false\",\"\",\"\"\n", &CSV);
        let (rows, ..) = read_all(&csv, 100);
        assert_eq!(rows.len(), 4);
        assert!(rows[3].len() > CHUNK_BYTES as usize);
    }

    #[test]
    fn a_file_with_nothing_and_a_file_of_other_fields() {
        let fake = FakeHost::new();
        let host: &dyn Host = &fake;
        let object = contact();
        let fields: Vec<&Field> = object.fields.iter().collect();
        host.spool("f").write(0, b"\"Id\"\n").unwrap();
        assert!(matches!(Results::open(host.spool("f"), 5, &fields).unwrap(), Opened::OtherFields));
        assert!(matches!(Results::open(host.spool("none"), 0, &fields).unwrap(), Opened::Empty));
    }
}
