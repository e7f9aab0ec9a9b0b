//! What values look like in the file, and that readers get them back.

use crate::support::{Harness, Row};
use attiva_connector::{DataType, Operation, OutcomeStatus};
use serde_json::{Value, json};

/// Rows, rendered.
fn file_of(more: Value, columns: &[(&str, DataType)], rows: &[Vec<(&str, Value)>]) -> String {
    String::from_utf8(bytes_of(more, columns, rows)).unwrap()
}

fn bytes_of(more: Value, columns: &[(&str, DataType)], rows: &[Vec<(&str, Value)>]) -> Vec<u8> {
    let mut h = Harness::new(more, json!({}));
    h.run.columns = columns.iter().map(|(name, data_type)| ((*name).to_owned(), *data_type)).collect();
    h.prepare();
    let rows: Vec<Row<'_>> = rows.iter().map(|cells| Row(cells, Operation::Upsert)).collect();
    h.deliver(&rows);
    h.host.spool_bytes("file").unwrap()
}

#[test]
fn every_type_has_one_form() {
    let columns = [
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
    let row = vec![
        ("boolean", json!(true)),
        ("integer", json!(i64::MIN)),
        ("decimal", json!("-0012.30")),
        ("float", json!(0.1)),
        ("text", json!("=1+1")),
        ("bytes", json!("\u{0}\u{1}")),
        ("date", json!("1969-12-31")),
        ("timestamp", json!("2026-11-23T14:13:00.007+01:00")),
        ("list", json!(["a", "b,c"])),
        ("json", json!({"k": 1})),
    ];
    let file = file_of(json!({"csv": {"delimiter": ";", "quote": "'", "header": false}}), &columns, &[row]);
    let expected = "true;-9223372036854775808;-0012.30;0.1;=1+1;AAE=;1969-12-31;2026-11-23T13:13:00.007Z;\
                    [\"a\",\"b,c\"];{\"k\":1}\n";
    assert_eq!(file, expected);
}

#[test]
fn null_and_an_empty_text_are_told_apart() {
    let columns = [("a", DataType::Text), ("b", DataType::Text), ("c", DataType::Text)];
    let row = vec![("a", json!(null)), ("b", json!("")), ("c", json!("\\N"))];
    let file = |csv: Value| file_of(json!({"csv": csv}), &columns, std::slice::from_ref(&row));
    assert_eq!(file(json!({"header": false})), ",\"\",\\N\n");
    assert_eq!(file(json!({"header": false, "null_text": "\\N"})), "\\N,\"\",\"\\N\"\n");
    // A column that the row does not have is NULL too.
    let absent = file_of(json!({"csv": {"header": false}}), &columns, &[vec![("b", json!("x"))]]);
    assert_eq!(absent, ",x,\n");
}

#[test]
fn a_row_is_never_an_empty_line() {
    let file = file_of(json!({}), &[("a", DataType::Text)], &[vec![("a", json!(null))], vec![("a", json!("x"))]]);
    assert_eq!(file, "a\n\"\"\nx\n");
}

/// A reader that nobody here wrote gets back what was delivered, whatever it holds.
#[test]
fn a_reader_gets_back_what_was_delivered() {
    let texts =
        ["", "plain", "a,b", "\"", "\"\"", "line\nbreak", "crlf\r\n", " spaces ", "é😀", "'", ";", "\t", "\u{0}"];
    let columns = [("first", DataType::Text), ("a,\"b\"", DataType::Text)];
    let rows: Vec<Vec<(&str, Value)>> =
        texts.iter().zip(texts.iter().rev()).map(|(a, b)| vec![("first", json!(a)), ("a,\"b\"", json!(b))]).collect();
    // A backslash is hard for readers that escape with one.
    let rows: Vec<_> = rows.into_iter().chain([vec![("first", json!("\\")), ("a,\"b\"", json!("a\\\"b\\"))]]).collect();
    let texts: Vec<&str> = texts.into_iter().chain(["\\"]).collect();
    let others: Vec<&str> = texts.iter().rev().skip(1).copied().chain(["a\\\"b\\"]).collect();
    for (line_ending, quoting, escape) in [
        ("lf", "needed", "double"),
        ("crlf", "needed", "double"),
        ("lf", "always", "double"),
        ("lf", "needed", "backslash"),
        ("crlf", "always", "backslash"),
    ] {
        let dialect = json!({"csv": {"line_ending": line_ending, "quoting": quoting, "escape": escape}});
        let file = file_of(dialect.clone(), &columns, &rows);
        let mut reader = csv::ReaderBuilder::new();
        if escape == "backslash" {
            reader.double_quote(false).escape(Some(b'\\'));
        }
        let mut reader = reader.from_reader(file.as_bytes());
        assert_eq!(reader.headers().unwrap(), vec!["first", "a,\"b\""]);
        let read: Vec<[String; 2]> = reader.deserialize().map(|row| row.unwrap()).collect();
        assert_eq!(read.len(), texts.len());
        for ((a, b), read) in texts.iter().zip(&others).zip(read) {
            assert_eq!([*a, *b], read, "{dialect}");
        }
    }
}

#[test]
fn every_option_of_the_dialect_is_in_the_file() {
    let columns = [("a", DataType::Text), ("b", DataType::Integer), ("c", DataType::Text), ("d", DataType::Text)];
    let row = vec![("a", json!("é\"")), ("b", json!(7)), ("c", json!("")), ("d", json!(null))];
    let bytes = |csv: Value| bytes_of(json!({ "csv": csv }), &columns, std::slice::from_ref(&row));
    let file = |csv: Value| String::from_utf8(bytes(csv)).unwrap();
    assert_eq!(file(json!({})), "a,b,c,d\n\"é\"\"\",7,\"\",\n");
    // What stands for null stays without quotes even then: that is how it is told from a text.
    assert_eq!(file(json!({"quoting": "always"})), "\"a\",\"b\",\"c\",\"d\"\n\"é\"\"\",\"7\",\"\",\n");
    assert_eq!(file(json!({"escape": "backslash"})), "a,b,c,d\n\"é\\\"\",7,\"\",\n");
    // Outside of quotes, too, a backslash would be read as one that escapes; where quotes are doubled it is a letter.
    let path = vec![("a", json!("C:\\new")), ("b", json!(7)), ("c", json!("x")), ("d", json!("y"))];
    let of_path = |escape: &str| {
        let csv = json!({"csv": {"escape": escape, "header": false}});
        String::from_utf8(bytes_of(csv, &columns, std::slice::from_ref(&path))).unwrap()
    };
    assert_eq!(of_path("backslash"), "\"C:\\\\new\",7,x,y\n");
    assert_eq!(of_path("double"), "C:\\new,7,x,y\n");
    assert_eq!(file(json!({"empty_text": "as-null", "null_text": "NULL"})), "a,b,c,d\n\"é\"\"\",7,NULL,NULL\n");
    assert_eq!(file(json!({"encoding": "utf-8-bom"})), "\u{feff}a,b,c,d\n\"é\"\"\",7,\"\",\n");
    let utf16: Vec<u16> =
        bytes(json!({"encoding": "utf-16"})).chunks(2).map(|two| u16::from_le_bytes([two[0], two[1]])).collect();
    assert_eq!(String::from_utf16(&utf16).unwrap(), "\u{feff}a,b,c,d\n\"é\"\"\",7,\"\",\n");
}

/// The mark begins the file, and no batch but the first.
#[test]
fn a_byte_order_mark_stands_once_whatever_the_batches() {
    for (encoding, compress) in [("utf-8-bom", false), ("utf-16", true)] {
        let mut h = Harness::new(json!({"csv": {"encoding": encoding}, "gzip": compress}), json!({}));
        h.run.columns = vec![("a".into(), DataType::Text)];
        h.prepare();
        for text in ["x", "é"] {
            h.deliver(&[Row(&[("a", json!(text))], Operation::Upsert)]);
        }
        let stored = h.host.spool_bytes("file").unwrap();
        let mut plain = Vec::new();
        if compress {
            std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(&*stored), &mut plain).unwrap();
        } else {
            plain = stored;
        }
        let text = match encoding {
            "utf-16" => {
                let units: Vec<u16> = plain.chunks(2).map(|two| u16::from_le_bytes([two[0], two[1]])).collect();
                String::from_utf16(&units).unwrap()
            }
            _ => String::from_utf8(plain).unwrap(),
        };
        assert_eq!(text, "\u{feff}a\nx\né\n", "{encoding}");
    }
}

#[test]
fn a_value_without_a_form_is_refused_with_its_row_alone() {
    let mut h = Harness::new(json!({}), json!({}));
    h.run.columns = vec![("name".into(), DataType::Text), ("seen".into(), DataType::Timestamp)];
    h.prepare();
    let good = [("name", json!("a")), ("seen", json!("2026-11-23T14:13:00Z"))];
    let mut batch = h.batch(&[Row(&good, Operation::Upsert), Row(&good, Operation::Upsert)]);
    match &mut batch.columns[1].values {
        attiva_connector::ColumnValues::Timestamp(times) => times[0] = i64::MAX,
        other => panic!("{other:?}"),
    }
    let delivered = h.try_deliver_batch(&batch).unwrap();
    let statuses: Vec<OutcomeStatus> = delivered.outcomes.iter().map(|o| o.status).collect();
    assert_eq!(statuses, [OutcomeStatus::Rejected, OutcomeStatus::Pending]);
    assert_eq!(delivered.outcomes[0].field.as_deref(), Some("seen"));
    h.state = delivered.state;
    assert_eq!(h.finish().artifacts[0].rows, Some(1));
    assert_eq!(h.host.spool_bytes("file").unwrap(), b"name,seen\na,2026-11-23T14:13:00Z\n");
}
