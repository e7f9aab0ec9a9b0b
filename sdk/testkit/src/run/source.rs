//! Reading a stream, page by page.

use crate::subject::{Connection, Subject};
use attiva_core::page::{Cursor, Page, RowKind};
use attiva_core::ports::connector::Stream;
use attiva_core::retry::{self, Verdict};
use attiva_core::{Fault, FaultKind, Value};
use attiva_wasm::{Plugin, ReadRequest};
use std::collections::{BTreeMap, HashMap};
use tokio::sync::Mutex;

/// Pages of one reading; more are an endless one.
const PAGES_MAX: usize = 2_000;
/// A host's waits between repeats have a random part: half of it.
pub(crate) const JITTER: u8 = 128;
/// Bytes of a page.
const PAGE_BYTES: u64 = 4 << 20;

/// What one reading brought.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reading {
    pub(crate) pages: Vec<Page>,
    /// The calls of the pages: with which keys, and the host calls each made.
    pub(crate) steps: Vec<Step>,
    /// Faults that were waited out.
    pub(crate) faults: Vec<Fault>,
}

/// One page's call.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) request: ReadRequest,
    pub(crate) host_calls: u64,
}

/// A record as a host would have it in the end: its values, or how it went.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record {
    Live(BTreeMap<String, Value>),
    Gone,
    MergedInto(String),
}

pub(crate) type Records = BTreeMap<String, Record>;

/// Plain readings, kept since many checks look at them.
#[derive(Default)]
pub(crate) struct Readings {
    kept: Mutex<HashMap<String, Result<Reading, Fault>>>,
    /// Those after the suite's changes.
    changed: Mutex<HashMap<String, Result<Reading, Fault>>>,
}

impl Readings {
    pub(crate) async fn changed(&self, stream: &str) -> Option<Result<Reading, Fault>> {
        self.changed.lock().await.get(stream).cloned()
    }

    pub(crate) async fn keep_changed(&self, stream: &str, reading: Result<Reading, Fault>) {
        self.changed.lock().await.insert(stream.to_owned(), reading);
    }
}

/// How a reading is made.
#[derive(Debug, Clone, Default)]
pub(crate) struct How {
    pub(crate) rows: Option<u32>,
    pub(crate) from: Option<Cursor>,
    pub(crate) fields: Vec<String>,
    /// Faults that pass are waited out.
    pub(crate) patient: bool,
}

impl Reading {
    /// What a host holds after these pages.
    pub(crate) fn records(&self) -> Records {
        let mut records = Records::new();
        for page in &self.pages {
            apply(&mut records, page);
        }
        records
    }

    pub(crate) fn rows(&self) -> usize {
        self.pages.iter().map(|page| page.rows.len).sum()
    }

    pub(crate) fn end(&self) -> Option<&Cursor> {
        self.pages.last().map(|page| &page.next)
    }
}

pub(crate) fn apply(records: &mut Records, page: &Page) {
    for (row, kind) in page.kinds.iter().enumerate().take(page.rows.len) {
        let key = page.keys.value(row).to_owned();
        let values =
            || page.rows.columns.iter().filter_map(move |column| Some((column.name.clone(), column.get(row)?)));
        let record = match kind {
            RowKind::Tombstone => Record::Gone,
            RowKind::Merge => {
                let into = page.merges.iter().find(|(merged, _)| *merged == row).map(|(_, into)| into.clone());
                Record::MergedInto(into.unwrap_or_default())
            }
            // A column that is not there, and one that is null, are the same for a whole record.
            RowKind::Full => Record::Live(values().filter(|(_, value)| *value != Value::Null).collect()),
            RowKind::Patch => {
                let mut all = match records.remove(&key) {
                    Some(Record::Live(all)) => all,
                    _ => BTreeMap::new(),
                };
                for (name, value) in values() {
                    match value {
                        Value::Null => all.remove(&name),
                        value => all.insert(name, value),
                    };
                }
                Record::Live(all)
            }
        };
        records.insert(key, record);
    }
}

impl Subject {
    /// The streams that the suite names, as the vendor has them.
    pub(crate) async fn suite_streams(&self) -> Result<Vec<Stream>, Fault> {
        let streams = self.streams().await?;
        let named = |stream: &Stream| self.suite.streams.iter().any(|suite| suite.name == stream.name);
        Ok(streams.into_iter().filter(named).collect())
    }

    pub(crate) fn page_rows(&self, stream: &str) -> u32 {
        self.suite.streams.iter().find(|suite| suite.name == stream).map_or(100, |suite| suite.page_rows).max(1)
    }

    /// A plain reading of a stream from its start, made once.
    pub(crate) async fn plain(&self, stream: &Stream) -> Result<Reading, Fault> {
        if let Some(kept) = self.readings.kept.lock().await.get(&stream.name) {
            return kept.clone();
        }
        let keys = self.keys(stream).await;
        self.enter(&scene("read", stream));
        let reading = match (keys, self.connection()) {
            (Ok(keys), Ok(connection)) => self.read(&connection, stream, &keys, &How::default()).await,
            (Err(fault), _) | (_, Err(fault)) => Err(fault),
        };
        self.readings.kept.lock().await.insert(stream.name.clone(), reading.clone());
        reading
    }

    /// The keys that a keyed stream is read with: those that the records of the other stream hold.
    pub(crate) async fn keys(&self, stream: &Stream) -> Result<Vec<String>, Fault> {
        let Some((of, column)) = &stream.keyed_by else { return Ok(Vec::new()) };
        let all = self.streams().await?;
        let Some(parent) = all.iter().find(|other| other.name == *of) else {
            return Err(Fault::new(FaultKind::Internal, "kit.keyed", format!("there is no stream {of}")));
        };
        let reading = Box::pin(self.plain(parent)).await?;
        let mut keys: Vec<String> = Vec::new();
        for record in reading.records().into_values() {
            let Record::Live(values) = record else { continue };
            let key = match values.get(column) {
                Some(Value::Text(text)) => text.clone(),
                Some(Value::Integer(number)) => number.to_string(),
                _ => continue,
            };
            if !key.is_empty() && !keys.contains(&key) {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    /// Reads a stream to its end.
    pub(crate) async fn read(
        &self,
        connection: &Connection,
        stream: &Stream,
        keys: &[String],
        how: &How,
    ) -> Result<Reading, Fault> {
        let mut reading = Reading::default();
        let rows = how.rows.unwrap_or_else(|| self.page_rows(&stream.name));
        let mut cursor = how.from.clone();
        // Keys are passed until no more comes of them; then the stream's own end is read, without any.
        let turns = keys.chunks(rows.clamp(1, 300) as usize).chain(std::iter::once(&[][..]));
        for keys in turns {
            loop {
                let (stream, fields) = (stream.name.clone(), how.fields.clone());
                let request =
                    ReadRequest { stream, fields, cursor, keys: keys.to_vec(), max_rows: rows, max_bytes: PAGE_BYTES };
                let (page, host_calls) = self.page(&self.plugin, connection, &request, how, &mut reading).await?;
                reading.steps.push(Step { request, host_calls });
                cursor = Some(page.next.clone());
                let more = page.more;
                if let Some(wait) = page.wait_ms {
                    self.wait(wait).await;
                }
                reading.pages.push(page);
                if !more {
                    break;
                }
                if reading.pages.len() >= PAGES_MAX {
                    let what =
                        format!("the stream has no end: {PAGES_MAX} pages, and the last one says there are more");
                    return Err(Fault::new(FaultKind::Internal, "kit.endless", what));
                }
            }
        }
        Ok(reading)
    }

    async fn page(
        &self,
        plugin: &Plugin,
        connection: &Connection,
        request: &ReadRequest,
        how: &How,
        reading: &mut Reading,
    ) -> Result<(Page, u64), Fault> {
        let mut attempts = 0;
        loop {
            match plugin.read(&connection.context, request).await {
                Ok((page, usage)) => {
                    self.note(&page);
                    return Ok((page, usage.host_calls));
                }
                Err(fault) => {
                    attempts += 1;
                    let verdict = retry::decide(&fault, attempts, JITTER);
                    match verdict {
                        Verdict::Again { wait_ms } if how.patient && attempts <= retry::ATTEMPTS_MAX => {
                            self.wait(wait_ms).await;
                            reading.faults.push(fault);
                        }
                        Verdict::Again { .. } | Verdict::Stop => return Err(fault),
                    }
                }
            }
        }
    }

    /// Everything of a page that could hold what it should not.
    fn note(&self, page: &Page) {
        self.evidence.note("a cursor", page.next.bytes.clone());
        for column in &page.rows.columns {
            for row in 0..page.rows.len {
                if let Some(Value::Text(text) | Value::Json(text)) = column.get(row) {
                    self.evidence.note(&format!("the column {}", column.name), text);
                }
            }
        }
        for reject in &page.rejects {
            self.evidence.note("a reject", format!("{} {}", reject.message, reject.sample));
        }
        for warning in &page.warnings {
            self.evidence.note("a warning", warning.message.clone());
        }
    }
}

/// The name of a scene of one stream.
pub(crate) fn scene(what: &str, stream: &Stream) -> String {
    format!("{what} {}", stream.name)
}

/// What two readings differ in, in words; empty where they hold the same.
pub(crate) fn difference(wanted: &Records, found: &Records) -> Vec<String> {
    let shown = |record: &Record| match record {
        Record::Live(_) => "a record".to_owned(),
        Record::Gone => "gone".to_owned(),
        Record::MergedInto(into) => format!("merged into {into}"),
    };
    let mut all = Vec::new();
    for (key, record) in wanted {
        match (record, found.get(key)) {
            (_, None) => all.push(format!("{key} is missing")),
            (Record::Live(wanted), Some(Record::Live(found))) if wanted != found => {
                let names = wanted.keys().chain(found.keys());
                let name = names.into_iter().find(|name| wanted.get(*name) != found.get(*name)).cloned();
                all.push(format!("{key} differs in {}", name.unwrap_or_default()));
            }
            (wanted, Some(found)) if wanted != found => {
                all.push(format!("{key} is {}, and was {}", shown(found), shown(wanted)));
            }
            _ => {}
        }
    }
    all.extend(found.keys().filter(|key| !wanted.contains_key(*key)).map(|key| format!("{key} is too much")));
    all
}
