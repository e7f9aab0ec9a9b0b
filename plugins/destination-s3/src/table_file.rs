//! Rows as Parquet: a batch is a row group, and the file's end lists them all.
//!
//! A Parquet file is read from its end, so its writer has to know all row groups when it closes. Between the calls of a
//! run nothing stays in memory: each batch is made a small file of its own by the library, of which the row group's bytes go
//! into the file's spool and the footer into another. The last call moves all footers' offsets to where their bytes
//! stand and writes one.

mod column;

use crate::render::{Columns, Form, Places, Rows, operation_word};
use attiva_connector::{Cell, DataType, Fault, Outcome, Result, RowView};
use column::Column;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    FileMetaData, ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};
use std::sync::Arc;

/// What a Parquet file begins and ends with.
pub(crate) const MAGIC: [u8; 4] = *b"PAR1";
/// Length of the metadata and the magic number, after the metadata.
const FOOTER_END: usize = 8;

/// The rows of one batch, column by column.
pub(crate) struct Group<'a> {
    form: Form<'a>,
    places: Places,
    columns: Vec<Column>,
    rows: usize,
}

impl Rows for Group<'_> {
    fn row(&mut self, row: RowView<'_>) -> Outcome {
        let operation = self.form.options.operation_column.as_ref().map(|_| Cell::Text(operation_word(row)));
        let cells = (0..self.form.columns.len()).map(|column| self.places.cell(row, column));
        for (column, cell) in self.columns.iter_mut().zip(operation.into_iter().chain(cells)) {
            column.push(cell);
        }
        self.rows += 1;
        Outcome::pending()
    }
}

impl<'a> Group<'a> {
    pub(crate) fn new(form: &Form<'a>, places: Places) -> Self {
        let columns = columns(form).map(|(_, data_type)| Column::new(data_type)).collect();
        Self { form: *form, places, columns, rows: 0 }
    }

    /// The row group's bytes, with the magic number before the file's first, and its footer. Neither of no rows.
    pub(crate) fn bytes(self, first: bool) -> Result<(Vec<u8>, Vec<u8>)> {
        if self.rows == 0 {
            return Ok((Vec::new(), Vec::new()));
        }
        let (mut file, end) = self.small_file().map_err(broken)?;
        let group = file.split_off(end);
        let bytes = if first { file } else { file.split_off(MAGIC.len()) };
        Ok((bytes, group))
    }

    /// A whole file of this row group, and where its footer begins.
    fn small_file(self) -> Result<(Vec<u8>, usize), ParquetError> {
        let codec = if self.form.config.gzip { Compression::GZIP(Default::default()) } else { Compression::SNAPPY };
        let properties = WriterProperties::builder()
            .set_compression(codec)
            .set_created_by("attiva destination-s3".into())
            .set_statistics_enabled(EnabledStatistics::Chunk)
            // It would stand between the row groups and the footer, with offsets of its own.
            .set_offset_index_disabled(true)
            .build();
        let mut writer = SerializedFileWriter::new(Vec::new(), schema(&self.form)?, Arc::new(properties))?;
        let mut group = writer.next_row_group()?;
        for column in &self.columns {
            let mut chunk = group.next_column()?.ok_or_else(|| ParquetError::General("a column is too many".into()))?;
            column.write(&mut chunk)?;
            chunk.close()?;
        }
        group.close()?;
        let end = writer.bytes_written();
        Ok((writer.into_inner()?, end))
    }
}

/// One row group's footer and the place of its bytes, as they stand in a spool.
pub(crate) fn noted(group: &[u8], at: u64) -> Vec<u8> {
    let mut bytes = at.to_le_bytes().to_vec();
    bytes.extend((group.len() as u64).to_le_bytes());
    bytes.extend_from_slice(group);
    bytes
}

/// The end of a file whose row groups were noted so.
pub(crate) fn footer(form: &Form<'_>, noted: &[u8]) -> Result<Vec<u8>> {
    let schema = schema(form).map_err(broken)?;
    let groups = row_groups(noted)?;
    let rows = groups.iter().map(RowGroupMetaData::num_rows).sum();
    let descriptor = Arc::new(SchemaDescriptor::new(schema));
    let file = FileMetaData::new(2, rows, Some("attiva destination-s3".into()), None, descriptor, None);
    let mut bytes = Vec::new();
    ParquetMetaDataWriter::new(&mut bytes, &ParquetMetaData::new(file, groups)).finish().map_err(broken)?;
    Ok(bytes)
}

fn row_groups(mut noted: &[u8]) -> Result<Vec<RowGroupMetaData>> {
    let cut = || Fault::internal("s3.parquet", "the spool of row groups is cut off");
    let mut groups = Vec::new();
    while !noted.is_empty() {
        let (at, rest) = noted.split_first_chunk::<8>().ok_or_else(cut)?;
        let (length, rest) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| cut())?;
        let (group, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
        noted = rest;
        let metadata = group.get(..group.len().saturating_sub(FOOTER_END)).ok_or_else(cut)?;
        let metadata = ParquetMetaDataReader::decode_metadata(metadata).map_err(broken)?;
        // The first file had its row group behind its magic number, too.
        let moved = i64::try_from(u64::from_le_bytes(*at)).map_err(|_| cut())? - MAGIC.len() as i64;
        for group in metadata.row_groups() {
            groups.push(placed(group, groups.len(), moved)?);
        }
    }
    Ok(groups)
}

/// A row group as the `number`th of the file, its bytes moved.
fn placed(group: &RowGroupMetaData, number: usize, moved: i64) -> Result<RowGroupMetaData> {
    let ordinal = i16::try_from(number).map_err(|_| {
        Fault::config("s3.too-large", "a Parquet file has at most 32,768 row groups, one for each batch")
            .field("rows_per_file")
            .action("Set rows_per_file, so that the audience becomes several files.")
    })?;
    let columns = group.columns().iter().map(|column| {
        let dictionary = column.dictionary_page_offset().map(|at| at + moved);
        let data = column.data_page_offset() + moved;
        column.clone().into_builder().set_data_page_offset(data).set_dictionary_page_offset(dictionary).build()
    });
    let columns = columns.collect::<Result<Vec<_>, _>>().map_err(broken)?;
    let mut builder = group.clone().into_builder().set_ordinal(ordinal).set_column_metadata(columns);
    if let Some(at) = group.file_offset() {
        builder = builder.set_file_offset(at + moved);
    }
    builder.build().map_err(broken)
}

fn columns<'a>(form: &Form<'a>) -> impl Iterator<Item = (&'a str, DataType)> {
    let columns: &'a Columns = form.columns;
    let operation = form.options.operation_column.as_deref().map(|name| (name, DataType::Text));
    operation.into_iter().chain(columns.iter().map(|(name, data_type)| (name.as_str(), *data_type)))
}

fn schema(form: &Form<'_>) -> Result<TypePtr, ParquetError> {
    let fields = columns(form).map(|(name, data_type)| column::field(name, data_type).map(Arc::new));
    let fields = fields.collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(Type::group_type_builder("audience").with_fields(fields).build()?))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn broken(error: ParquetError) -> Fault {
    Fault::internal("s3.parquet", format!("the rows do not become Parquet: {error}"))
}
