//! Pages that are not as the contract says, each in one way.

use super::bindings::attiva::connector::types::{BytesArray, Column, ColumnValues, Cursor, TextListArray, Warning};
use super::bindings::exports::attiva::connector::source::{Merge, Page, RowKind};
use super::columns::{bytes_array, column, one_of_each, text};

/// A page as it should be.
pub(super) fn good(rows: u32) -> Page {
    with_columns(rows, one_of_each(rows))
}

pub(super) fn with_columns(rows: u32, columns: Vec<Column>) -> Page {
    Page {
        rows,
        keys: bytes_array((0..rows).map(|i| format!("key-{i}"))),
        kinds: vec![RowKind::Full; rows as usize],
        source_times: (0..i64::from(rows)).collect(),
        columns,
        merges: Vec::new(),
        rejects: Vec::new(),
        next: Cursor { state_version: 1, bytes: b"next".to_vec() },
        more: true,
        wait_ms: None,
        estimate: None,
        warnings: Vec::new(),
    }
}

/// Two rows and one thing wrong; `None` if there is no such wrong.
pub(super) fn broken(wrong: &str) -> Option<Page> {
    let mut page = with_columns(2, vec![text("good", &["a", "b"])]);
    let bad_bytes = |offsets: &[u32], bytes: &[u8]| BytesArray { offsets: offsets.to_vec(), bytes: bytes.to_vec() };
    let bad = |values: ColumnValues| column("bad", values);
    let more = match wrong {
        "length" => bad(ColumnValues::Integer(vec![1])),
        "text-length" => bad(ColumnValues::Text(bytes_array(["only one"]))),
        "offsets-back" => bad(ColumnValues::Text(bad_bytes(&[0, 2, 1], b"a"))),
        "offsets-start" => bad(ColumnValues::Text(bad_bytes(&[1, 1, 2], b"ab"))),
        "offsets-short" => bad(ColumnValues::Text(bad_bytes(&[0, 1, 2], b"abc"))),
        "offsets-beyond" => bad(ColumnValues::Bytes(bad_bytes(&[0, 1, 4_000_000_000], b"ab"))),
        "offsets-none" => bad(ColumnValues::Text(bad_bytes(&[], b""))),
        "utf8" => bad(ColumnValues::Text(bytes_array([b"ok".as_slice(), b"\xff\xfe"]))),
        "utf8-split" => bad(ColumnValues::Text(bytes_array([b"\xc3".as_slice(), b"\xa9"]))),
        "decimal" => bad(ColumnValues::Decimal(bytes_array(["1.0", "1e5"]))),
        "json" => bad(ColumnValues::Json(bytes_array(["{}", "{"]))),
        "boolean" => bad(ColumnValues::Boolean(Vec::new())),
        "list-offsets" => {
            bad(ColumnValues::TextList(TextListArray { offsets: vec![0, 1, 9], items: bytes_array(["a", "b"]) }))
        }
        "list-utf8" => {
            bad(ColumnValues::TextList(TextListArray { offsets: vec![0, 1, 1], items: bytes_array([b"\xff"]) }))
        }
        "validity" => Column { validity: Some(vec![3, 0]), ..text("bad", &["a", "b"]) },
        "presence" => Column { presence: Some(Vec::new()), ..text("bad", &["a", "b"]) },
        "twice" => text("good", &["a", "b"]),
        "nameless" => text("", &["a", "b"]),
        _ => return broken_rows(page, wrong),
    };
    page.columns.push(more);
    Some(page)
}

fn broken_rows(mut page: Page, wrong: &str) -> Option<Page> {
    let merge = |row, into: &str| Merge { row, into_key: into.into() };
    match wrong {
        "counts" => page.rows = 7,
        "kinds" => page.kinds.truncate(1),
        "times" => page.source_times.push(0),
        "keys" => page.keys = bytes_array(["a"]),
        "key-empty" => page.keys = bytes_array(["a", ""]),
        "key-long" => page.keys = bytes_array(["a".to_owned(), "k".repeat(513)]),
        "key-utf8" => page.keys = bytes_array([b"a".as_slice(), b"\xff"]),
        "merge-unsaid" => page.kinds = vec![RowKind::Full, RowKind::Merge],
        "merge-of-full" => page.merges = vec![merge(0, "x")],
        "merge-beyond" => page.merges = vec![merge(9, "x")],
        "merge-itself" => {
            page.kinds = vec![RowKind::Full, RowKind::Merge];
            page.merges = vec![merge(1, "key-1")];
        }
        "wait" => page.wait_ms = Some(3_600_001),
        "wait-a-year" => page.wait_ms = Some(365 * 24 * 3_600_000),
        "cursor-10-mb" => page.next.bytes = vec![0; 10 << 20],
        "warnings" => page.warnings = vec![Warning { code: String::new(), message: String::new() }; 500_000],
        "cursor" => page.next.bytes = vec![0; 65_537],
        "state-version" => page.next.state_version = 2,
        "rows" => return Some(with_columns(11, Vec::new())),
        "bytes" => page.columns.push(text("large", &["", &"x".repeat(70_000)])),
        _ => return None,
    }
    Some(page)
}
