//! Makes the file of a bulk extract, as the service writes it or altered on demand.

use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};

use super::exports::{Of, Order};
use super::fault::CsvQuirk;
use super::leads::Lead;
use super::schema::{DataType, Field};
use super::service::Service;
use super::value::Value;

/// Bytes of a piece. Large enough that hashing and sending work in long runs.
const PIECE: usize = 256 * 1024;

/// Leads written under one lock, so that a large file does not hold up calls that change leads.
const AT_ONCE: usize = 1_000;

/// A file in pieces; they are shared with the answers that send it.
#[derive(Debug)]
pub(crate) struct ExportFile {
    pieces: Vec<Bytes>,
    pub(crate) length: u64,
    pub(crate) records: u64,
    /// SHA-256 in lower-case hex.
    pub(crate) checksum: String,
}

impl ExportFile {
    /// The bytes `start..end`.
    pub(crate) fn slice(&self, start: u64, end: u64) -> VecDeque<Bytes> {
        let mut offset = 0;
        let mut slices = VecDeque::new();
        for piece in &self.pieces {
            let length = piece.len() as u64;
            let from = start.saturating_sub(offset).min(length);
            let to = end.saturating_sub(offset).min(length);
            if let (Ok(from), Ok(to)) = (usize::try_from(from), usize::try_from(to))
                && from < to
            {
                slices.push_back(piece.slice(from..to));
            }
            offset += length;
        }
        slices
    }
}

/// Writes the leads of an order. Leads that are deleted meanwhile are left out, as a real export's snapshot is no promise either.
pub(crate) fn make(service: &Service, order: &Order, quirks: &[(CsvQuirk, u64)]) -> ExportFile {
    let mut writer = Writer::default();
    let has = |quirk: &CsvQuirk| quirks.iter().any(|(other, _)| other == quirk);
    if has(&CsvQuirk::EmptyFile) {
        return writer.finish();
    }
    if has(&CsvQuirk::Bom) {
        writer.buffer.extend_from_slice("\u{feff}".as_bytes());
    }
    write_header(&mut writer.buffer, order);
    match &order.of {
        Of::Leads { fields, filter } => {
            let ids = filter.ids(&service.leads());
            for ids in ids.chunks(AT_ONCE) {
                let leads = service.leads();
                for lead in ids.iter().filter_map(|id| leads.get(*id)) {
                    write_row(&mut writer, lead, fields, order.delimiter, quirks);
                }
            }
        }
        Of::Activities { fields, types, from, to } => {
            let found = {
                let leads = service.leads();
                service.activities().between(*from, *to, types, &leads)
            };
            for activity in found {
                write_values(&mut writer, &activity.to_export(), fields, order.delimiter);
            }
        }
        Of::Members { fields, programs } => {
            let leads = service.leads();
            for program in programs {
                let members = service.programs().members(*program, 0, usize::MAX);
                for member in members.iter().filter(|member| leads.get(member.lead).is_some()) {
                    write_values(&mut writer, &member.to_map(), fields, order.delimiter);
                }
            }
        }
    }
    if has(&CsvQuirk::EmptyLastLine) {
        writer.buffer.push(b'\n');
    }
    writer.finish()
}

#[derive(Debug, Default)]
struct Writer {
    buffer: Vec<u8>,
    pieces: Vec<Bytes>,
    digest: Sha256,
    length: u64,
    records: u64,
}

impl Writer {
    fn flush(&mut self) {
        let piece = Bytes::from(std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE + PIECE / 8)));
        self.digest.update(&piece);
        self.length += piece.len() as u64;
        self.pieces.push(piece);
    }

    fn finish(mut self) -> ExportFile {
        self.flush();
        ExportFile {
            pieces: self.pieces,
            length: self.length,
            records: self.records,
            checksum: hex::encode(self.digest.finalize()),
        }
    }
}

fn write_header(out: &mut Vec<u8>, order: &Order) {
    for (place, name) in order.header.iter().enumerate() {
        if place > 0 {
            out.push(order.delimiter);
        }
        Value::text(name.as_str()).push_cell(out, order.delimiter);
    }
    out.push(b'\n');
}

/// A row of values that are JSON elsewhere: an object becomes a cell of JSON.
fn write_values(writer: &mut Writer, record: &Map<String, Json>, fields: &[&str], delimiter: u8) {
    for (place, name) in fields.iter().enumerate() {
        if place > 0 {
            writer.buffer.push(delimiter);
        }
        let value = match record.get(*name) {
            None | Some(Json::Null) => Value::Null,
            Some(Json::String(text)) => Value::text(text.as_str()),
            Some(other) => Value::text(other.to_string()),
        };
        value.push_cell(&mut writer.buffer, delimiter);
    }
    writer.buffer.push(b'\n');
    writer.records += 1;
    if writer.buffer.len() >= PIECE {
        writer.flush();
    }
}

fn write_row(writer: &mut Writer, lead: Lead<'_>, fields: &[Field], delimiter: u8, quirks: &[(CsvQuirk, u64)]) {
    let quirk =
        quirks.iter().find(|(quirk, row)| *row == writer.records && !quirk.is_of_the_file()).map(|(quirk, _)| quirk);
    let start = writer.buffer.len();
    match quirk {
        None => {
            for (place, field) in fields.iter().enumerate() {
                if place > 0 {
                    writer.buffer.push(delimiter);
                }
                lead.value(*field).push_cell(&mut writer.buffer, delimiter);
            }
        }
        Some(quirk) => {
            let cells = altered(lead, fields, delimiter, quirk);
            writer.buffer.extend_from_slice(&cells.join(&delimiter));
        }
    }
    writer.buffer.push(b'\n');
    writer.records += 1;
    if quirk == Some(&CsvQuirk::RepeatedRow) {
        writer.buffer.extend_from_within(start..);
        writer.records += 1;
    }
    if writer.buffer.len() >= PIECE {
        writer.flush();
    }
}

/// The cells of a row, one of them spoiled.
fn altered(lead: Lead<'_>, fields: &[Field], delimiter: u8, quirk: &CsvQuirk) -> Vec<Vec<u8>> {
    let mut cells: Vec<Vec<u8>> = fields
        .iter()
        .map(|field| {
            let mut cell = Vec::new();
            lead.value(*field).push_cell(&mut cell, delimiter);
            cell
        })
        .collect();
    let is_text = |field: &Field| field.spec().data_type == DataType::String && lead.value(*field) != Value::Null;
    let first_text = fields.iter().position(is_text).unwrap_or(0);
    let text = fields.get(first_text).and_then(|field| lead.value(*field).to_text()).unwrap_or_default();
    let middle = text.char_indices().nth(1).map_or(text.len(), |(at, _)| at);
    let (head, tail) = text.split_at(middle);
    let spoiled = |between: &[u8]| [head.as_bytes(), between, tail.as_bytes()].concat();
    let (place, cell) = match quirk {
        CsvQuirk::NulByte => (first_text, spoiled(b"\0")),
        CsvQuirk::LoneCr => (first_text, spoiled(b"\r")),
        CsvQuirk::InvalidUtf8 => (first_text, spoiled(b"\xc3\x28")),
        CsvQuirk::UnescapedQuotes => (first_text, [b"\"", spoiled(b"\"").as_slice(), b"\""].concat()),
        CsvQuirk::HugeField(length) => (first_text, vec![b'x'; usize::try_from(*length).unwrap_or(usize::MAX)]),
        CsvQuirk::MissingId => match fields.iter().position(|field| *field == Field::Id) {
            Some(place) => (place, b"null".to_vec()),
            None => return cells,
        },
        CsvQuirk::ShortRow => {
            cells.pop();
            return cells;
        }
        CsvQuirk::Bom | CsvQuirk::EmptyLastLine | CsvQuirk::EmptyFile | CsvQuirk::RepeatedRow => return cells,
    };
    if let Some(spoiled) = cells.get_mut(place) {
        *spoiled = cell;
    }
    cells
}
