//! What is written is read back; equal rows are one file; what a kill leaves counts for nothing.
#![allow(clippy::disallowed_methods, reason = "tests look at their own files from outside")]

use attiva_core::ports::tables::TableFolder;
use attiva_core::tables::{FORMAT, Manifest, ManifestTable, Origin, TableColumn, TableCut, TableFile, TableLayout};
use attiva_core::{DataType, Value};
use attiva_tables::{Folder, MANIFEST, SCRIPT};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use std::fs::File;
use std::path::{Path, PathBuf};

fn folder(place: &Path) -> Folder {
    Folder::open(Dir::open_ambient_dir(place, ambient_authority()).unwrap()).unwrap()
}

fn layout() -> TableLayout {
    let column = |name: &str, data_type| TableColumn { name: name.into(), data_type };
    let columns = [
        ("_id", DataType::Integer),
        ("is_open", DataType::Boolean),
        ("amount", DataType::Decimal),
        ("share", DataType::Float),
        ("name", DataType::Text),
        ("raw", DataType::Bytes),
        ("day", DataType::Date),
        ("at", DataType::Timestamp),
        ("data", DataType::Json),
    ];
    let columns = columns.into_iter().map(|(name, data_type)| column(name, data_type)).collect();
    TableLayout { name: "model.deal".into(), origin: Origin::Records, columns }
}

fn row(id: i64) -> Vec<Value> {
    vec![
        Value::Integer(id),
        Value::Boolean(true),
        Value::Decimal("-1234.5".into()),
        Value::Float(0.25),
        Value::Text("Zoë".into()),
        Value::Bytes(vec![0, 255]),
        Value::Date(20_780),
        Value::Timestamp(1_795_428_000_000),
        Value::Json("{}".into()),
    ]
}

fn write(folder: &Folder, part: i64, rows: &[Vec<Value>]) -> Option<TableFile> {
    let mut writer = folder.begin(&layout(), part);
    rows.iter().for_each(|row| writer.push(row).unwrap());
    writer.finish().unwrap()
}

fn manifest(number: u64, taken_at: i64, files: Vec<TableFile>) -> Manifest {
    let TableLayout { name, columns, .. } = layout();
    Manifest {
        format: FORMAT,
        number,
        taken_at,
        cut: TableCut::default(),
        model_version: 1,
        custom_model_version: 0,
        tables: vec![ManifestTable { name, columns, files }],
        stamps: Default::default(),
        audiences: Default::default(),
    }
}

/// Every file, but for manifests.
fn files(place: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["data/model.deal", "unfinished"] {
        for entry in std::fs::read_dir(place.join(folder)).into_iter().flatten() {
            found.push(entry.unwrap().path().strip_prefix(place).unwrap().to_owned());
        }
    }
    found.sort();
    found
}

#[test]
fn rows_are_read_back_with_their_types() {
    let place = tempfile::tempdir().unwrap();
    let folder = folder(place.path());
    let nothing = std::iter::once(Value::Integer(2)).chain(vec![Value::Null; 8]).collect::<Vec<_>>();
    let file = write(&folder, 0, &[row(1), nothing]).unwrap();
    assert_eq!((file.rows, file.left_out), (2, 0));
    let path = place.path().join(&file.path);
    assert_eq!(file.bytes, std::fs::metadata(&path).unwrap().len());
    let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
    let rows: Vec<Vec<Field>> = reader
        .get_row_iter(None)
        .unwrap()
        .map(|row| row.unwrap().get_column_iter().map(|(_, field)| field.clone()).collect())
        .collect();
    let Field::Decimal(amount) = &rows[0][2] else { panic!("{:?}", rows[0][2]) };
    assert_eq!(i128::from_be_bytes(amount.data().try_into().unwrap()), -1_234_500_000_000);
    assert_eq!((amount.precision(), amount.scale()), (38, 9));
    assert_eq!(rows[0][0], Field::Long(1));
    assert_eq!(
        (&rows[0][1], &rows[0][3], &rows[0][4]),
        (&Field::Bool(true), &Field::Double(0.25), &Field::Str("Zoë".into()))
    );
    assert_eq!((&rows[0][6], &rows[0][7]), (&Field::Int(20_780), &Field::Long(1_795_428_000_000)));
    assert_eq!(rows[1][1..], vec![Field::Null; 8]);
}

#[test]
fn a_decimal_of_too_many_digits_is_null_and_counted() {
    let place = tempfile::tempdir().unwrap();
    let folder = folder(place.path());
    let mut rows = [row(1), row(2), row(3)];
    rows[0][2] = Value::Decimal("0.1234567891".into());
    rows[1][2] = Value::Decimal("9".repeat(30));
    rows[2][2] = Value::Decimal("0.100000000000".into());
    assert_eq!(write(&folder, 0, &rows).unwrap().left_out, 2);
}

#[test]
fn equal_rows_are_one_file_and_no_rows_are_none() {
    let place = tempfile::tempdir().unwrap();
    let folder = folder(place.path());
    let first = write(&folder, 7, &[row(1), row(2)]).unwrap();
    assert_eq!(write(&folder, 7, &[row(1), row(2)]).unwrap(), first);
    assert_ne!(write(&folder, 7, &[row(1), row(3)]).unwrap().path, first.path);
    assert_eq!(write(&folder, 7, &[]), None);
    assert_eq!(files(place.path()).len(), 2);
}

#[test]
fn more_rows_than_a_group_holds_are_all_there() {
    let place = tempfile::tempdir().unwrap();
    let folder = folder(place.path());
    let rows: Vec<_> = (0..70_000).map(|id| vec![Value::Integer(id)]).collect();
    let file = write(&folder, 0, &rows).unwrap();
    let reader = SerializedFileReader::new(File::open(place.path().join(&file.path)).unwrap()).unwrap();
    assert_eq!((file.rows, reader.metadata().num_row_groups()), (70_000, 2));
    assert_eq!(reader.get_row_iter(None).unwrap().count(), 70_000);
}

#[test]
fn what_no_manifest_names_is_gone_at_the_next_start() {
    let place = tempfile::tempdir().unwrap();
    let opened = folder(place.path());
    let named = write(&opened, 0, &[row(1)]).unwrap();
    opened.publish(&manifest(1, 10, vec![named.clone()]), "-- script").unwrap();
    // A kill comes before the next manifest does: one file is whole, and one is not.
    write(&opened, 0, &[row(2)]).unwrap();
    let mut half = opened.begin(&layout(), 1);
    half.push(&row(3)).unwrap();
    std::mem::forget(half);
    std::fs::write(place.path().join("unfinished/9.parquet"), b"PAR1").unwrap();
    let after = folder(place.path());
    assert_eq!(files(place.path()), [PathBuf::from(&named.path)]);
    assert_eq!(after.newest().unwrap().unwrap().number, 1);
    assert_eq!(std::fs::read_to_string(place.path().join(SCRIPT)).unwrap(), "-- script");
}

#[test]
fn an_older_cut_can_be_read_for_a_time() {
    let place = tempfile::tempdir().unwrap();
    let folder = folder(place.path());
    let one = write(&folder, 0, &[row(1)]).unwrap();
    let both = write(&folder, 1, &[row(9)]).unwrap();
    folder.publish(&manifest(1, 100, vec![one.clone(), both.clone()]), "").unwrap();
    let two = write(&folder, 0, &[row(2)]).unwrap();
    folder.publish(&manifest(2, 200, vec![two.clone(), both.clone()]), "").unwrap();
    let there = |file: &TableFile| place.path().join(&file.path).exists();
    let tidied = folder.tidy(249, 50).unwrap();
    assert_eq!((tidied.manifests, tidied.files, there(&one)), (0, 0, true));
    let tidied = folder.tidy(250, 50).unwrap();
    assert_eq!((tidied.manifests, tidied.files), (1, 1));
    assert!(!there(&one) && there(&both) && there(&two));
    assert_eq!(std::fs::read_dir(place.path().join("manifests")).unwrap().count(), 1);
}

#[test]
fn a_manifest_that_cannot_be_read_is_as_if_there_were_none() {
    let place = tempfile::tempdir().unwrap();
    let opened = folder(place.path());
    let file = write(&opened, 0, &[row(1)]).unwrap();
    opened.publish(&manifest(1, 10, vec![file]), "").unwrap();
    std::fs::write(place.path().join(MANIFEST), b"{\"format\":").unwrap();
    assert_eq!(folder(place.path()).newest().unwrap(), None);
}
