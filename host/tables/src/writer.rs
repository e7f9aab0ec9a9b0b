//! Writes the file of a part: under a name of its own until it is whole, then under that of what is in it.

use crate::column::{Column, field};
use crate::folder::{Place, broken, failed};
use attiva_core::Value;
use attiva_core::ports::store::Result;
use attiva_core::ports::tables::TableWriter;
use attiva_core::tables::{TableFile, TableLayout};
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

/// Rows of a row group at most: they are in memory until it is full.
const GROUP_ROWS: usize = 1 << 16;

/// A file that is not whole yet.
pub(crate) struct PartWriter {
    place: Place,
    layout: TableLayout,
    part: i64,
    out: Option<SerializedFileWriter<Digested>>,
    columns: Vec<Column>,
    group_rows: usize,
    rows: u64,
    left_out: u64,
}

/// Knows what it was told.
struct Digested {
    file: File,
    digest: Sha256,
    bytes: u64,
}

impl Write for Digested {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(bytes.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl PartWriter {
    pub(crate) fn new(place: Place, layout: &TableLayout, part: i64) -> Self {
        let mut writer = Self {
            place,
            layout: layout.clone(),
            part,
            out: None,
            columns: Vec::new(),
            group_rows: 0,
            rows: 0,
            left_out: 0,
        };
        writer.begin_group();
        writer
    }

    fn begin_group(&mut self) {
        self.columns = self.layout.columns.iter().map(|column| Column::new(column.data_type)).collect();
        self.group_rows = 0;
    }

    fn write_group(&mut self) -> Result<()> {
        if self.group_rows == 0 {
            return Ok(());
        }
        let mut out = match self.out.take() {
            Some(out) => out,
            None => self.open()?,
        };
        let mut group = out.next_row_group().map_err(broken)?;
        for column in &self.columns {
            let Some(mut chunk) = group.next_column().map_err(broken)? else { break };
            column.write(&mut chunk).map_err(broken)?;
            chunk.close().map_err(broken)?;
        }
        group.close().map_err(broken)?;
        self.out = Some(out);
        self.begin_group();
        Ok(())
    }

    fn open(&self) -> Result<SerializedFileWriter<Digested>> {
        let fields = self.layout.columns.iter().map(|column| field(column).map(Arc::new));
        let fields = fields.collect::<std::result::Result<Vec<_>, _>>().map_err(broken)?;
        let schema = Type::group_type_builder("row").with_fields(fields).build().map_err(broken)?;
        // Nothing in it depends on when or by whom it was written: the same rows are the same bytes.
        let properties =
            WriterProperties::builder().set_compression(Compression::SNAPPY).set_created_by("attiva".into()).build();
        let file = self.place.unfinished().map_err(|error| failed("unfinished", &error))?;
        let out = Digested { file, digest: Sha256::new(), bytes: 0 };
        SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties)).map_err(broken)
    }
}

impl TableWriter for PartWriter {
    fn push(&mut self, row: &[Value]) -> Result<()> {
        for (place, column) in self.columns.iter_mut().enumerate() {
            if !column.push(row.get(place).unwrap_or(&Value::Null)) {
                self.left_out += 1;
            }
        }
        self.rows += 1;
        self.group_rows += 1;
        if self.group_rows == GROUP_ROWS { self.write_group() } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> Result<Option<TableFile>> {
        self.write_group()?;
        let Some(out) = self.out.take() else { return Ok(None) };
        let Digested { file, digest, bytes } = out.into_inner().map_err(broken)?;
        let sha256 = hex::encode(digest.finalize());
        let path = self.place.finished(&file, &self.layout.name, self.part, &sha256)?;
        Ok(Some(TableFile { path, part: self.part, rows: self.rows, bytes, sha256, left_out: self.left_out }))
    }
}

impl Drop for PartWriter {
    /// What was given up takes no room; the next start removes what this can't.
    fn drop(&mut self) {
        self.place.given_up();
    }
}
