//! Segments as SQL over the Parquet files of a sandbox, run by SQLite: a member is who the column evaluator says.

use attiva_core::DataType;
use attiva_core::page::RowKind;
use attiva_core::record::{Fields, RecordChange};
use attiva_core::tables::{Manifest, ManifestTable};
use attiva_segments_judge::exported::{Case, Exported, fill, texts};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, params_from_iter};
use std::fs::File;
use std::path::Path;

fn manifest(folder: &Path) -> Manifest {
    serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).unwrap()).unwrap()
}

fn kind(data_type: DataType) -> &'static str {
    match data_type {
        DataType::Boolean | DataType::Integer | DataType::Timestamp | DataType::Date => "INTEGER",
        DataType::Decimal | DataType::Float => "REAL",
        _ => "TEXT",
    }
}

fn cell(field: &Field) -> SqlValue {
    match field {
        Field::Null => SqlValue::Null,
        Field::Bool(value) => SqlValue::Integer(i64::from(*value)),
        Field::Int(value) => SqlValue::Integer(i64::from(*value)),
        Field::Long(value) => SqlValue::Integer(*value),
        Field::Double(value) => SqlValue::Real(*value),
        Field::Str(value) => SqlValue::Text(value.clone()),
        Field::Decimal(value) => {
            let bytes: [u8; 16] = value.data().try_into().unwrap();
            SqlValue::Real(i128::from_be_bytes(bytes) as f64 / 1e9)
        }
        other => panic!("{other:?} is in no table"),
    }
}

fn load(connection: &Connection, folder: &Path, table: &ManifestTable) {
    let columns: Vec<String> =
        table.columns.iter().map(|column| format!("\"{}\" {}", column.name, kind(column.data_type))).collect();
    connection.execute(&format!("CREATE TABLE {} ({})", table.name, columns.join(", ")), []).unwrap();
    let places = vec!["?"; table.columns.len()].join(", ");
    let mut insert = connection.prepare(&format!("INSERT INTO {} VALUES ({places})", table.name)).unwrap();
    for file in &table.files {
        let reader = SerializedFileReader::new(File::open(folder.join(&file.path)).unwrap()).unwrap();
        for row in reader.get_row_iter(None).unwrap() {
            let row = row.unwrap();
            insert.execute(params_from_iter(row.get_column_iter().map(|(_, field)| cell(field)))).unwrap();
        }
    }
}

/// The files, and what the script that comes with them says of them, but for the part that names files.
fn open(folder: &Path) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("ATTACH ':memory:' AS model; ATTACH ':memory:' AS attiva;").unwrap();
    for table in &manifest(folder).tables {
        load(&connection, folder, table);
    }
    let script = std::fs::read_to_string(folder.join("open.sql")).unwrap();
    for line in script.lines().filter(|line| line.starts_with("CREATE OR REPLACE VIEW \"")) {
        // Made once and not for each row that is looked at.
        let line = line.replacen("CREATE OR REPLACE VIEW", "CREATE TEMP TABLE", 1);
        connection.execute_batch(&line).unwrap_or_else(|error| panic!("{line}\n{error}"));
    }
    connection
}

fn members(connection: &Connection, statement: &str) -> Vec<i64> {
    let mut prepared = connection.prepare(statement).unwrap_or_else(|error| panic!("{statement}\n{error}"));
    let mut found: Vec<i64> = prepared.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    found.sort_unstable();
    found
}

fn agree(folder: &Path, cases: &[Case]) {
    let connection = open(folder);
    for Case { segment, sql, members: expected } in cases {
        assert_eq!(&members(&connection, sql), expected, "{segment}\n{sql}");
    }
}

/// Every path and digest, by table: what two cuts have in common.
fn files(folder: &Path) -> Vec<(String, Vec<String>)> {
    let tables = manifest(folder).tables.into_iter();
    tables.map(|table| (table.name, table.files.into_iter().map(|file| file.path).collect())).collect()
}

fn gone(id: &str, merged_into: Option<&str>) -> RecordChange {
    RecordChange {
        source_key: format!("{id}@t.T"),
        kind: RowKind::Tombstone,
        at: 2,
        dated: true,
        fields: Fields::default(),
        merged_into: merged_into.map(|into| format!("{into}@t.T")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_over_exported_files_name_the_members_of_the_column_evaluator() {
    let directory = tempfile::tempdir().unwrap();
    let exported = Exported::start(directory.path()).await.unwrap();
    fill(&exported, 0..6).await.unwrap();
    exported.settled().await.unwrap();
    let first = exported.engine.take_tables().await.unwrap();
    // What comes later is taken from where the first cut was: more records, some that go, and some that were merged.
    fill(&exported, 6..12).await.unwrap();
    exported.settled().await.unwrap();
    exported.send("person", vec![gone("w0person4", None), gone("w0person1", Some("w0person0"))]).await.unwrap();
    exported.send("account", vec![gone("w0account1", None)]).await.unwrap();
    let (cases, second) = exported.judged(&texts(300)).await.unwrap();
    assert!(cases.len() > 300, "{} statements", cases.len());
    assert!(cases.iter().filter(|case| !case.members.is_empty()).count() > 100);
    assert!(second.manifest > first.manifest);
    agree(&exported.folder, &cases);

    // The same cut, taken from nothing, has the same files.
    let found = files(&exported.folder);
    std::fs::remove_file(exported.folder.join("manifest.json")).unwrap();
    exported.engine.take_tables().await.unwrap();
    assert_eq!(files(&exported.folder), found);
}
