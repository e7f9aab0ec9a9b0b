//! What a page builder writes, a batch view reads: every type, null, absent, and rows taken back.

use attiva_connector::{
    Batch, BatchView, BytesArray, Cell, Column, ColumnSpec, ColumnValues, Cursor, DataType, FaultKind, Limits,
    Operation, Page, PageBuilder, Reject, RowKind,
};
use serde_json::json;

const TYPES: [(&str, DataType); 10] = [
    ("boolean", DataType::Boolean),
    ("integer", DataType::Integer),
    ("decimal", DataType::Decimal),
    ("float", DataType::Float),
    ("text", DataType::Text),
    ("bytes", DataType::Bytes),
    ("date", DataType::Date),
    ("timestamp", DataType::Timestamp),
    ("text-list", DataType::TextList),
    ("json", DataType::Json),
];

fn builder() -> PageBuilder {
    let columns: Vec<ColumnSpec> = TYPES.iter().map(|(name, data_type)| ColumnSpec::new(*name, *data_type)).collect();
    PageBuilder::new(&columns)
}

fn finish(page: PageBuilder) -> Page {
    page.finish(Cursor::encode(1, &0).unwrap()).unwrap()
}

fn batch(page: Page) -> Batch {
    let operations = vec![Operation::Upsert; page.rows as usize];
    Batch { number: 0, rows: page.rows, keys: page.keys, operations, member_ids: None, columns: page.columns }
}

fn set_all(row: &mut attiva_connector::Row<'_>) {
    row.boolean("boolean", true)
        .integer("integer", i64::MIN)
        .decimal("decimal", "-12.30")
        .float("float", 0.5)
        .text("text", "é")
        .bytes("bytes", &[0, 255])
        .date("date", -1)
        .timestamp("timestamp", 7)
        .text_list("text-list", &["a", "", "c"])
        .json("json", "{}");
}

fn is_set(cell: Cell<'_>) -> bool {
    match cell {
        Cell::Boolean(b) => b,
        Cell::Integer(i) => i == i64::MIN,
        Cell::Decimal(d) => d == "-12.30",
        Cell::Float(f) => f == 0.5,
        Cell::Text(t) => t == "é",
        Cell::Bytes(b) => b == [0, 255],
        Cell::Date(d) => d == -1,
        Cell::Timestamp(t) => t == 7,
        Cell::TextList(list) => list.iter().eq(["a", "", "c"]),
        Cell::Json(j) => j == "{}",
        Cell::Null | Cell::Absent => false,
    }
}

#[test]
fn every_type_comes_back_and_silence_means_what_the_row_is() {
    let mut page = builder();
    for i in 0..20 {
        set_all(&mut page.row(&format!("set-{i}")).full());
        page.row(&format!("full-{i}")).full();
        page.row(&format!("patch-{i}")).patch();
        let mut nulls = page.row(&format!("null-{i}")).patch();
        for (name, _) in TYPES {
            nulls.null(name);
        }
    }
    let batch = batch(finish(page));
    let view = BatchView::new(&batch).unwrap();
    assert_eq!(view.rows().len(), 80);
    for row in view.rows() {
        for cell in row.cells() {
            let right = match row.key().split('-').next().unwrap() {
                "set" => is_set(cell),
                "patch" => cell == Cell::Absent,
                _ => cell == Cell::Null,
            };
            assert!(right, "{} {cell:?}", row.key());
        }
    }
}

#[test]
fn bitmaps_are_left_out_where_they_say_nothing() {
    let mut page = builder();
    for key in ["1", "2"] {
        set_all(&mut page.row(key).patch());
    }
    let page = finish(page);
    assert!(page.columns.iter().all(|c| c.validity.is_none() && c.presence.is_none()));
}

#[test]
fn a_row_taken_back_leaves_nothing_but_a_reject() {
    let mut page = builder();
    set_all(&mut page.row("1").full());
    for _ in 0..9 {
        let mut row = page.row("bad").full();
        set_all(&mut row);
        row.reject(Reject::new("nope", "no").sample(&format!("a{}", "é".repeat(3000))));
    }
    set_all(&mut page.row("2").full());
    let page = finish(page);
    assert_eq!((page.rows, page.rejects.len()), (2, 9));
    assert_eq!(page.rejects[0].key.as_deref(), Some("bad"));
    assert_eq!(page.rejects[0].sample.len(), 4095);
    let batch = batch(page);
    let view = BatchView::new(&batch).unwrap();
    assert!(view.rows().all(|row| row.cells().all(is_set)));
    assert_eq!(view.rows().map(|row| row.key()).collect::<Vec<_>>(), ["1", "2"]);
}

#[test]
fn the_later_value_of_a_cell_stands() {
    let mut page = builder();
    page.row("1").full().text("text", "long before").text("text", "b");
    page.row("2").full().text("text", "x").null("text");
    let batch = batch(finish(page));
    let view = BatchView::new(&batch).unwrap();
    let column = view.column("text").unwrap();
    assert_eq!(view.rows().map(|r| r.cell(column)).collect::<Vec<_>>(), [Cell::Text("b"), Cell::Null]);
}

#[test]
fn kinds_times_and_merges_stand_beside_the_rows() {
    let mut page = builder();
    page.row("1").source_time(5).full();
    page.row("").full().text("text", "dropped");
    page.row("2").tombstone();
    page.row("3").source_time(6).merge_into("1");
    page.row(&"k".repeat(513)).merge_into("1");
    let page = finish(page);
    assert_eq!(page.kinds, [RowKind::Full, RowKind::Tombstone, RowKind::Merge]);
    assert_eq!(page.source_times, [5, 0, 6]);
    assert_eq!(page.merges.iter().map(|m| (m.row, m.into_key.as_str())).collect::<Vec<_>>(), [(2, "1")]);
    assert_eq!(page.rejects.iter().map(|r| r.code.as_str()).collect::<Vec<_>>(), ["key-missing", "key-too-long"]);
}

#[test]
fn vendor_values_are_read_as_their_column_demands() {
    let mut page = builder();
    let mut row = page.row("1").full();
    let good = [
        ("boolean", json!("TRUE")),
        ("integer", json!("-5")),
        ("integer", json!(5)),
        ("decimal", json!("+1.50")),
        ("decimal", json!(7)),
        ("float", json!(1)),
        ("text", json!(1.5)),
        ("date", json!("2026-11-23")),
        ("timestamp", json!("2026-11-23T14:13:00+0000")),
        ("text-list", json!(["a"])),
        ("json", json!({"a": [1]})),
        ("json", json!("text")),
        ("text", json!(null)),
    ];
    for (column, value) in &good {
        row.value(*column, value).unwrap_or_else(|p| panic!("{column} {value}: {p:?}"));
    }
    let bad = [
        ("boolean", json!("yes")),
        ("boolean", json!(1)),
        ("integer", json!(1.5)),
        ("integer", json!("")),
        ("decimal", json!("1e3")),
        ("decimal", json!(".5")),
        ("date", json!("23.11.2026")),
        ("timestamp", json!("2026-11-23")),
        ("text-list", json!([1])),
        ("text-list", json!("a")),
        ("text", json!({})),
    ];
    for (column, value) in &bad {
        let problem = row.value(*column, value).err().unwrap_or_else(|| panic!("{column} took {value}"));
        assert_eq!(problem.field, *column);
        assert!(!problem.message.contains("23.11"), "{problem:?} shows the value");
    }
    let batch = batch(finish(page));
    let view = BatchView::new(&batch).unwrap();
    let row = view.rows().next().unwrap();
    let cell = |name| row.cell(view.column(name).unwrap());
    assert_eq!((cell("integer"), cell("decimal"), cell("text")), (Cell::Integer(5), Cell::Decimal("7"), Cell::Null));
    assert_eq!((cell("json"), cell("timestamp")), (Cell::Json("\"text\""), Cell::Timestamp(1_795_443_180_000)));
}

#[test]
fn a_defect_of_the_connector_is_told_at_the_end() {
    let defects: [fn(&mut PageBuilder); 3] = [
        |page| _ = page.row("1").full().text("nobody", "x"),
        |page| _ = page.row("1").full().text("integer", "x"),
        |page| _ = page.row("1").full().null(99),
    ];
    for defect in defects {
        let mut page = builder();
        defect(&mut page);
        let fault = page.finish(Cursor::encode(1, &0).unwrap()).unwrap_err();
        assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Internal, "page.column"));
    }
}

#[test]
fn a_page_knows_when_it_is_full() {
    let mut page = builder();
    let limits = Limits { max_rows: 2, max_bytes: 500 };
    page.row("1").full();
    assert!(!page.is_full(&limits));
    page.row("2").full().text("text", &"x".repeat(500));
    assert!(page.is_full(&Limits { max_rows: 3, ..limits }) && page.is_full(&Limits { max_bytes: u64::MAX, ..limits }));
}

#[test]
fn a_member_has_the_name_the_vendor_gave_it() {
    let mut page = builder();
    set_all(&mut page.row("1").full());
    set_all(&mut page.row("2").full());
    let mut batch = batch(finish(page));
    assert_eq!(BatchView::new(&batch).unwrap().rows().map(|row| row.member_id()).collect::<Vec<_>>(), [None, None]);
    batch.member_ids = Some(BytesArray { offsets: vec![0, 0, 2], bytes: b"m2".to_vec() });
    let names: Vec<_> = BatchView::new(&batch).unwrap().rows().map(|row| row.member_id()).collect();
    assert_eq!(names, [None, Some("m2")]);
}

#[test]
fn a_batch_that_lies_is_refused() {
    let sound = || {
        let mut page = builder();
        set_all(&mut page.row("1").full());
        batch(finish(page))
    };
    assert!(BatchView::new(&sound()).is_ok());
    let lies: [fn(&mut Batch); 7] = [
        |b| b.rows = 2,
        |b| _ = b.operations.pop(),
        |b| b.keys.offsets[0] = 1,
        |b| b.member_ids = Some(BytesArray { offsets: vec![0], bytes: Vec::new() }),
        |b| b.columns[0].validity = Some(Vec::new()),
        |b| values(b, 4, |v| v.bytes[0] = 0xff),
        |b| values(b, 4, |v| *v.offsets.last_mut().unwrap() = 1),
    ];
    for (i, lie) in lies.iter().enumerate() {
        let mut batch = sound();
        lie(&mut batch);
        let fault = BatchView::new(&batch).expect_err(&i.to_string());
        assert_eq!(fault.code, "batch.malformed");
    }
}

fn values(batch: &mut Batch, column: usize, change: fn(&mut BytesArray)) {
    match &mut batch.columns[column] {
        Column { values: ColumnValues::Text(v), .. } => change(v),
        other => panic!("{other:?}"),
    }
}
