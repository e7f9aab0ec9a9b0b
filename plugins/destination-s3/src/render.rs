//! Rows become bytes: the same walk over a batch, whatever the format.

use crate::config::{Config, Format, Options};
use crate::{csv, json_lines, table_file};
use attiva_connector::{BatchView, Cell, DataType, Fault, Operation, Outcome, OutcomeStatus, Result, RowView};
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

/// The columns of every batch, as the run has them.
pub(crate) type Columns = [(String, DataType)];

/// What all files of a run have in common.
#[derive(Clone, Copy)]
pub(crate) struct Form<'a> {
    pub(crate) config: &'a Config,
    pub(crate) options: &'a Options,
    pub(crate) columns: &'a Columns,
}

/// Rows of a batch as they stand in a file.
pub(crate) struct Piece {
    pub(crate) bytes: Vec<u8>,
    pub(crate) rows: u64,
    /// One for each row of the batch that was dealt with, in order.
    pub(crate) outcomes: Vec<Outcome>,
    /// Parquet alone: what the file's end has to say of these bytes.
    pub(crate) group: Vec<u8>,
}

/// A format's side of the walk.
pub(crate) trait Rows {
    /// Adds a row, or leaves it out and says why.
    fn row(&mut self, row: RowView<'_>) -> Outcome;
}

/// Where the run's columns stand in a batch.
pub(crate) struct Places(Vec<Option<usize>>);

impl Places {
    /// A row's value of the run's `column`th column.
    pub(crate) fn cell<'b>(&self, row: RowView<'b>, column: usize) -> Cell<'b> {
        self.0.get(column).copied().flatten().map_or(Cell::Absent, |place| row.cell(place))
    }
}

/// The word in the operation column.
pub(crate) fn operation_word(row: RowView<'_>) -> &'static str {
    if row.operation() == Operation::Remove { "remove" } else { "upsert" }
}

/// What is said of a row that holds a value the format has no form for.
pub(crate) fn out_of_range(column: &str, problem: &str) -> Outcome {
    Outcome::rejected("value-out-of-range", problem).field(column)
}

impl Form<'_> {
    /// Renders a batch from its row `from` on, as far as `room` more rows go into the file. `first`: these are the file's
    /// first bytes.
    pub(crate) fn piece(&self, batch: BatchView<'_>, from: usize, room: u64, first: bool) -> Result<Piece> {
        let places = Places(self.columns.iter().map(|(name, _)| batch.column(name)).collect());
        match self.options.format {
            Format::Csv => {
                let mut lines = csv::Lines::new(self, places, first);
                let outcomes = self.walk(batch, from, room, &mut lines);
                self.text_piece(self.config.csv.encoding.bytes(lines.bytes(), first), outcomes)
            }
            Format::JsonLines => {
                let mut lines = json_lines::Lines::new(self, places);
                let outcomes = self.walk(batch, from, room, &mut lines);
                self.text_piece(lines.bytes(), outcomes)
            }
            Format::Parquet => {
                let mut rows = table_file::Group::new(self, places);
                let outcomes = self.walk(batch, from, room, &mut rows);
                let (bytes, group) = rows.bytes(first)?;
                Ok(Piece { bytes, rows: written(&outcomes), outcomes, group })
            }
        }
    }

    /// What stands in a text file without a single row: its header, or nothing.
    pub(crate) fn no_rows(&self) -> Result<Vec<u8>> {
        match self.options.format {
            Format::Csv => {
                let header = csv::Lines::new(self, Places(Vec::new()), true).bytes();
                compressed(self.config, self.config.csv.encoding.bytes(header, true))
            }
            Format::JsonLines => compressed(self.config, Vec::new()),
            Format::Parquet => Ok(table_file::MAGIC.to_vec()),
        }
    }

    fn walk(&self, batch: BatchView<'_>, from: usize, room: u64, rows: &mut impl Rows) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mut left = room;
        for row in batch.rows().skip(from) {
            if row.operation() == Operation::Remove && self.options.operation_column.is_none() {
                outcomes.push(Outcome::removed());
                continue;
            }
            if left == 0 {
                break;
            }
            let outcome = rows.row(row);
            left -= u64::from(outcome.status == OutcomeStatus::Pending);
            outcomes.push(outcome);
        }
        outcomes
    }

    fn text_piece(&self, bytes: Vec<u8>, outcomes: Vec<Outcome>) -> Result<Piece> {
        // A batch of which nothing came leaves no empty gzip member.
        let bytes = if bytes.is_empty() { bytes } else { compressed(self.config, bytes)? };
        Ok(Piece { bytes, rows: written(&outcomes), outcomes, group: Vec::new() })
    }
}

fn written(outcomes: &[Outcome]) -> u64 {
    outcomes.iter().filter(|outcome| outcome.status == OutcomeStatus::Pending).count() as u64
}

/// One gzip member, with no time and no name in it: the same rows are the same bytes.
fn compressed(config: &Config, bytes: Vec<u8>) -> Result<Vec<u8>> {
    if !config.gzip {
        return Ok(bytes);
    }
    let mut gzip = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::default());
    gzip.write_all(&bytes)
        .and_then(|()| gzip.finish())
        .map_err(|e| Fault::internal("s3.gzip", format!("the batch cannot be compressed: {e}")))
}
