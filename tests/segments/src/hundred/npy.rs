//! Columns as files of NumPy, which both sides read without copying: little endian, format version 1.0.

use super::data::Data;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes each column as `<table>.<column>.npy`.
///
/// # Errors
/// The folder's.
pub fn write(data: &Data, folder: &Path) -> io::Result<()> {
    let small = |name: &str, values: &[u8]| column(folder, name, "|u1", values.len(), values.iter().map(|v| [*v]));
    let number =
        |name: &str, values: &[u32]| column(folder, name, "<u4", values.len(), values.iter().map(|v| v.to_le_bytes()));
    let whole =
        |name: &str, values: &[i64]| column(folder, name, "<i8", values.len(), values.iter().map(|v| v.to_le_bytes()));
    small("person.department", &data.department)?;
    small("person.country", &data.country)?;
    whole("person.score", &data.score)?;
    small("account.industry", &data.industry)?;
    whole("account.employees", &data.employees)?;
    small("opportunity.stage", &data.stage)?;
    small("opportunity.closed", &data.closed)?;
    whole("opportunity.quantity", &data.quantity)?;
    number("works_at.person", &data.works_at.0)?;
    number("works_at.account", &data.works_at.1)?;
    number("role_in.person", &data.role_in.0)?;
    number("role_in.opportunity", &data.role_in.1)?;
    number("event.person", &data.of)?;
    small("event.type", &data.kind)?;
    small("event.page", &data.page)?;
    whole("event.time", &data.time)
}

fn column<const N: usize>(
    folder: &Path,
    name: &str,
    kind: &str,
    rows: usize,
    values: impl Iterator<Item = [u8; N]>,
) -> io::Result<()> {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({rows},), }}");
    // Magic, version, length and header together are a multiple of 64, and end with a new line.
    let padding = 63 - (10 + header.len()) % 64;
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    let mut file = BufWriter::new(File::create(folder.join(format!("{name}.npy")))?);
    file.write_all(b"\x93NUMPY\x01\x00")?;
    file.write_all(&u16::try_from(header.len()).map_err(io::Error::other)?.to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    for value in values {
        file.write_all(&value)?;
    }
    file.flush()
}
