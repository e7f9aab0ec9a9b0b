//! JSON lines and Parquet: what values look like, and that readers get them back.

use crate::support::{Harness, Row};
use attiva_connector::{DataType, Operation, OutcomeStatus};
use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row as Read};
use serde_json::{Value, json};

const COLUMNS: [(&str, DataType); 10] = [
    ("boolean", DataType::Boolean),
    ("integer", DataType::Integer),
    ("decimal", DataType::Decimal),
    ("float", DataType::Float),
    ("text", DataType::Text),
    ("bytes", DataType::Bytes),
    ("date", DataType::Date),
    ("timestamp", DataType::Timestamp),
    ("list", DataType::TextList),
    ("json", DataType::Json),
];

fn full_row() -> Vec<(&'static str, Value)> {
    vec![
        ("boolean", json!(true)),
        ("integer", json!(i64::MIN)),
        ("decimal", json!("-0012.30")),
        ("float", json!(0.1)),
        ("text", json!("a \"quote\",\nline, é😀")),
        ("bytes", json!("\u{0}\u{1}")),
        ("date", json!("1969-12-31")),
        ("timestamp", json!("2026-11-23T14:13:00.007+01:00")),
        ("list", json!(["a", "b,c"])),
        ("json", json!({"k": [1, null]})),
    ]
}

fn harness(more: Value, options: Value) -> Harness {
    let mut h = Harness::new(more, options);
    h.run.columns = COLUMNS.map(|(name, data_type)| (name.to_owned(), data_type)).to_vec();
    h.prepare();
    h
}

fn upserts<'a>(rows: &'a [Vec<(&'a str, Value)>]) -> Vec<Row<'a>> {
    rows.iter().map(|cells| Row(cells, Operation::Upsert)).collect()
}

/// The only file in the bucket that is no manifest.
fn file(h: &Harness) -> (String, Vec<u8>) {
    let store = h.store.borrow();
    let mut files = store.objects.iter().filter(|(key, _)| !key.ends_with(".manifest.json"));
    let (key, object) = files.next().expect("there is a file");
    assert!(files.next().is_none(), "there is a second file");
    (key.clone(), object.bytes.clone())
}

#[test]
fn a_json_line_tells_absent_null_and_empty_apart() {
    let mut h = harness(json!({}), json!({"format": "json-lines"}));
    let rows = [
        full_row(),
        vec![("text", json!("")), ("list", json!([])), ("json", json!(null)), ("date", json!(null))],
        vec![],
    ];
    h.deliver(&upserts(&rows));
    h.finish();
    let (key, bytes) = file(&h);
    assert!(key.ends_with(".jsonl"), "{key}");
    assert_eq!(h.store.borrow().objects[&key].content_type, "application/x-ndjson");
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "{\"boolean\":true,\"integer\":-9223372036854775808,\"decimal\":\"-0012.30\",\"float\":0.1,\
         \"text\":\"a \\\"quote\\\",\\nline, é😀\",\"bytes\":\"AAE=\",\"date\":\"1969-12-31\",\
         \"timestamp\":\"2026-11-23T13:13:00.007Z\",\"list\":[\"a\",\"b,c\"],\"json\":{\"k\":[1,null]}}"
    );
    assert_eq!(lines[1], "{\"text\":\"\",\"date\":null,\"list\":[],\"json\":null}");
    assert_eq!(lines[2], "{}");
    assert!(text.ends_with('\n') && lines.len() == 3);
}

#[test]
fn json_that_came_over_several_lines_is_one_line() {
    let mut h = harness(json!({}), json!({"format": "json-lines"}));
    let row = vec![("json", json!({"k": 1}))];
    let mut batch = h.batch(&upserts(std::slice::from_ref(&row)));
    let broken = "{\n  \"k\": \"a\\nb\"\r\n}";
    match &mut batch.columns[9].values {
        attiva_connector::ColumnValues::Json(array) => {
            array.bytes = broken.into();
            array.offsets = vec![0, u32::try_from(broken.len()).unwrap()];
        }
        other => panic!("{other:?}"),
    }
    h.state = h.try_deliver_batch(&batch).unwrap().state;
    let bytes = h.host.spool_bytes("file").unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap(), "{\"json\":{   \"k\": \"a\\nb\"  }}\n");
}

#[test]
fn a_number_that_json_has_not_is_refused_with_its_row_alone() {
    let h = harness(json!({}), json!({"format": "json-lines"}));
    let rows = [vec![("float", json!(1.5))], vec![("float", json!(2.5))]];
    let mut batch = h.batch(&upserts(&rows));
    match &mut batch.columns[3].values {
        attiva_connector::ColumnValues::Float(values) => values[0] = f64::INFINITY,
        other => panic!("{other:?}"),
    }
    let delivered = h.try_deliver_batch(&batch).unwrap();
    assert_eq!(delivered.outcomes[0].status, OutcomeStatus::Rejected);
    assert_eq!(delivered.outcomes[0].field.as_deref(), Some("float"));
    assert_eq!(h.host.spool_bytes("file").unwrap(), b"{\"float\":2.5}\n");
}

/// Rows of a Parquet file as JSON, by the library's own reader.
fn parquet_rows(bytes: Vec<u8>) -> Vec<Value> {
    let reader = SerializedFileReader::new(Bytes::from(bytes)).expect("it is a Parquet file");
    let object =
        |row: Read| Value::Object(row.get_column_iter().map(|(name, field)| (name.clone(), value(field))).collect());
    reader.get_row_iter(None).unwrap().map(|row| object(row.unwrap())).collect()
}

fn value(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(value) => json!(value),
        Field::Long(value) | Field::TimestampMillis(value) => json!(value),
        Field::Date(days) => json!(days),
        Field::Double(value) => json!(value),
        Field::Str(text) => json!(text),
        Field::Bytes(bytes) => json!(bytes.data()),
        Field::ListInternal(list) => list.elements().iter().map(value).collect(),
        other => panic!("no column of ours is {other:?}"),
    }
}

#[test]
fn a_parquet_file_of_several_batches_reads_back() {
    for gzip in [false, true] {
        let mut h = harness(json!({"gzip": gzip}), json!({"format": "parquet"}));
        let rows = [
            full_row(),
            vec![("text", json!("")), ("list", json!([])), ("integer", json!(7))],
            vec![("list", json!(["x"])), ("boolean", json!(false))],
        ];
        h.deliver(&upserts(&rows[..2]));
        // A batch of which nothing is a row leaves no row group.
        h.deliver(&[Row(&rows[0], Operation::Remove)]);
        h.deliver_and_die(&upserts(&rows[..1]));
        h.deliver(&upserts(&rows[2..]));
        let finished = h.finish();
        assert_eq!(finished.artifacts[0].rows, Some(3));
        let (key, bytes) = file(&h);
        assert!(key.ends_with(".parquet"), "{key}");
        let reader = SerializedFileReader::new(Bytes::from(bytes.clone())).unwrap();
        assert_eq!(reader.metadata().num_row_groups(), 2);
        assert_eq!(reader.metadata().file_metadata().num_rows(), 3);
        let codec = format!("{:?}", reader.metadata().row_group(1).column(4).compression_codec());
        assert!(codec.to_lowercase().contains(if gzip { "gzip" } else { "snappy" }), "{codec}");
        let read = parquet_rows(bytes);
        let first = &read[0];
        assert_eq!(first["integer"], json!(i64::MIN));
        assert_eq!(first["decimal"], json!("-0012.30"));
        assert_eq!(first["float"], json!(0.1));
        assert_eq!(first["text"], json!("a \"quote\",\nline, é😀"));
        assert_eq!(first["list"], json!(["a", "b,c"]));
        assert_eq!(first["json"], json!("{\"k\":[1,null]}"));
        assert_eq!((&first["date"], &first["boolean"], &first["bytes"]), (&json!(-1), &json!(true), &json!([0, 1])));
        assert_eq!(first["timestamp"], json!(1_795_439_580_007_i64));
        assert_eq!((&read[1]["text"], &read[1]["list"], &read[1]["boolean"]), (&json!(""), &json!([]), &json!(null)));
        assert_eq!(
            (&read[2]["text"], &read[2]["list"], &read[2]["boolean"]),
            (&json!(null), &json!(["x"]), &json!(false))
        );
    }
}

#[test]
fn a_parquet_file_of_nobody_has_its_columns() {
    let mut h = harness(json!({}), json!({"format": "parquet", "operation_column": "op"}));
    h.finish();
    let reader = SerializedFileReader::new(Bytes::from(file(&h).1)).unwrap();
    let metadata = reader.metadata().file_metadata();
    let names: Vec<&str> = metadata.schema().get_fields().iter().map(|field| field.name()).collect();
    assert_eq!((names.len(), names[0], names[9]), (11, "op", "list"));
    assert_eq!(metadata.num_rows(), 0);
}

#[test]
fn an_operation_is_a_column_in_every_format() {
    for (format, expected) in [
        ("csv", "op,text\nupsert,a\nremove,b\n"),
        ("json-lines", "{\"op\":\"upsert\",\"text\":\"a\"}\n{\"op\":\"remove\",\"text\":\"b\"}\n"),
        ("parquet", ""),
    ] {
        let mut h = Harness::new(json!({}), json!({"format": format, "operation_column": "op"}));
        h.run.columns = vec![("text".into(), DataType::Text)];
        h.prepare();
        let rows = [[("text", json!("a"))], [("text", json!("b"))]];
        h.deliver(&[Row(&rows[0], Operation::Upsert), Row(&rows[1], Operation::Remove)]);
        h.finish();
        let bytes = file(&h).1;
        if format == "parquet" {
            let read = parquet_rows(bytes);
            assert_eq!(read, [json!({"op": "upsert", "text": "a"}), json!({"op": "remove", "text": "b"})]);
        } else {
            assert_eq!(String::from_utf8(bytes).unwrap(), expected);
        }
    }
}
