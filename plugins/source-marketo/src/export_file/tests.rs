use super::*;
use crate::testing::{self, LIMITS, rejects, shown};
use attiva_connector::testing::FakeHost;
use attiva_connector::{Cursor, FaultKind, Host, Page};

fn fields() -> Vec<Field> {
    let kinds = [("id", "integer"), ("updatedAt", "datetime"), ("email", "email"), ("leadScore", "score")];
    kinds
        .iter()
        .map(|(name, kind)| Field { name: (*name).into(), kind: (*kind).into(), label: String::new() })
        .collect()
}

const HEADER: &str = "id,updatedAt,email,leadScore\n";

fn page(rows: Rows, limits: &Limits) -> Page {
    let (page, records) = rows.into_page();
    assert!(page.bytes() <= limits.max_bytes, "{} bytes in {records} records", page.bytes());
    page.finish(Cursor { state_version: 1, bytes: Vec::new() }).unwrap()
}

/// All pages of a file.
fn pages(bytes: &[u8], limits: Limits) -> Result<Vec<Page>> {
    let fake = FakeHost::new();
    // In pieces: no more than 16 MiB cross at once.
    for (i, piece) in bytes.chunks(8 << 20).enumerate() {
        fake.spool_write("export", (i as u64) * (8 << 20), piece).unwrap();
    }
    let host: &dyn Host = &fake;
    let fields = fields();
    let Opened::File(file) = ExportFile::open(host.spool("export"), bytes.len() as u64, Extract::Leads, &fields)?
    else {
        panic!("no export")
    };
    let mut pages = Vec::new();
    let mut at = 0;
    loop {
        let mut rows = Rows::new(&file.header, &fields);
        let next = file.read(at, &limits, &mut rows)?;
        pages.push(page(rows, &limits));
        let Some(next) = next else { return Ok(pages) };
        assert!(next > at, "stands still at {at}");
        at = next;
    }
}

fn one_page(bytes: impl AsRef<[u8]>) -> Page {
    let mut pages = pages(bytes.as_ref(), LIMITS).unwrap();
    assert_eq!(pages.len(), 1);
    pages.remove(0)
}

fn open(bytes: &[u8]) -> Result<&'static str> {
    let fake = FakeHost::new();
    // In pieces: no more than 16 MiB cross at once.
    for (i, piece) in bytes.chunks(8 << 20).enumerate() {
        fake.spool_write("export", (i as u64) * (8 << 20), piece).unwrap();
    }
    let host: &dyn Host = &fake;
    Ok(match ExportFile::open(host.spool("export"), bytes.len() as u64, Extract::Leads, &fields())? {
        Opened::File(_) => "file",
        Opened::Empty => "empty",
        Opened::OtherFields => "other fields",
        Opened::Foreign(fault) => fault.code.leak(),
    })
}

#[test]
fn rows_have_key_time_and_typed_values() {
    let page = one_page(format!("{HEADER}7,1970-01-01T00:00:01Z,a@example.com,12\n8,null,null,null\n"));
    assert_eq!(shown(&page), ["full 7 id=7 updatedAt=1000 email=a@example.com leadScore=12", "full 8 id=8"]);
    assert_eq!(page.source_times, [1000, 0]);
}

#[test]
fn columns_may_stand_anywhere_and_more_of_them_do_no_harm() {
    let page = one_page("\u{feff}email,x,\"id\",leadScore,updatedAt\r\nnull,\"a\nb\",7,\"null\",null\r\n");
    // The quoted word is text, and text is no score.
    assert_eq!(rejects(&page), ["value-invalid 7 leadScore"]);
    let page = one_page("\u{feff}email,x,\"id\",leadScore,updatedAt\r\n\"null\",\"a\nb\",7,5,null\r\n");
    assert_eq!(shown(&page), ["full 7 id=7 email=null leadScore=5"]);
}

#[test]
fn a_record_that_is_no_row_is_rejected_and_the_rest_is_read() {
    let mut file = HEADER.as_bytes().to_vec();
    file.extend(b"null,null,nobody@example.com,1\n");
    file.extend(b"seven,null,null,1\n");
    file.extend(b"2,null,\"\xff\xfe\",1\n");
    file.extend(b"3,null,too,many,cells\n");
    file.extend(b"4,null\n");
    file.extend(format!("5,null,{},1\n", "x".repeat(cell::BYTES_MAX + 1)).into_bytes());
    file.extend(b"6,null,null,many\n");
    file.extend(b"7,null,ok@example.com,1\n");
    file.extend(b"8,null,\"no end,1\n");
    let page = one_page(&file);
    assert_eq!(shown(&page), ["full 7 id=7 email=ok@example.com leadScore=1"]);
    assert_eq!(
        rejects(&page),
        [
            "key-missing - id",
            "key-missing - id",
            "not-utf8 2 email",
            "cell-count 3 -",
            "cell-count 4 -",
            "field-too-long 5 email",
            "value-invalid 6 leadScore",
            "quote-unclosed 8 -",
        ]
    );
    assert_eq!(page.rejects[3].sample, "3,null,too,many,cells\n");
    assert!(page.rejects.iter().all(|r| r.sample.len() <= 4096));
}

#[test]
fn a_value_of_ten_megabytes_is_passed_over() {
    let huge = "x\n,\"\"".repeat(2 * 1024 * 1024);
    let page = one_page(format!("{HEADER}1,null,a,1\n2,null,\"{huge}\",1\n3,null,c,3\n"));
    assert_eq!(shown(&page), ["full 1 id=1 email=a leadScore=1", "full 3 id=3 email=c leadScore=3"]);
    assert_eq!(rejects(&page), ["field-too-long 2 email"]);
}

#[test]
fn a_quote_that_never_ends_is_no_record() {
    let endless = format!("{HEADER}1,null,\"{}", "x".repeat(65 * 1024 * 1024));
    assert_eq!(pages(endless.as_bytes(), LIMITS).unwrap_err().code, "marketo.export-broken");
}

#[test]
fn pages_of_any_size_hold_the_same_rows() {
    let mut file = HEADER.to_owned();
    for id in 1..=40 {
        file.push_str(&format!("{id},1970-01-01T00:00:01Z,\"p{id}, \"\"x\"\"\n@example.com\",{id}\r\n"));
    }
    file.push_str("null,null,null,null\n");
    let whole = pages(file.as_bytes(), LIMITS).unwrap();
    let rows: Vec<String> = whole.iter().flat_map(shown).collect();
    assert_eq!((whole.len(), rows.len()), (1, 40));
    for max_rows in [1, 3, 40, 41] {
        let parts = pages(file.as_bytes(), Limits { max_rows, ..LIMITS }).unwrap();
        assert!(parts.iter().all(|p| p.rows as usize + p.rejects.len() <= max_rows as usize));
        assert_eq!(parts.iter().flat_map(shown).collect::<Vec<_>>(), rows, "{max_rows} rows");
        assert_eq!(parts.iter().flat_map(rejects).count(), 1);
    }
    for max_bytes in [200, 500, 1000] {
        let parts = pages(file.as_bytes(), Limits { max_bytes, ..LIMITS }).unwrap();
        assert!(parts.len() > 2);
        assert_eq!(parts.iter().flat_map(shown).collect::<Vec<_>>(), rows, "{max_bytes} bytes");
    }
}

#[test]
fn a_record_that_fits_no_page_is_rejected() {
    let file = format!("{HEADER}1,null,{},1\n2,null,b,2\n", "x".repeat(500));
    let parts = pages(file.as_bytes(), Limits { max_bytes: 300, ..LIMITS }).unwrap();
    assert_eq!(parts.iter().flat_map(rejects).collect::<Vec<_>>(), ["record-too-long 1 -"]);
    assert_eq!(parts.iter().flat_map(shown).collect::<Vec<_>>(), ["full 2 id=2 email=b leadScore=2"]);
}

#[test]
fn a_file_without_records() {
    assert_eq!(open(b"").unwrap(), "empty");
    assert_eq!(open(b"\r\n").unwrap(), "empty");
    assert_eq!(open(b"\xef\xbb\xbf").unwrap(), "empty");
    assert_eq!(open(HEADER.as_bytes()).unwrap(), "file");
    assert!(shown(&one_page(HEADER)).is_empty());
    assert!(shown(&one_page(HEADER.trim())).is_empty());
}

#[test]
fn what_is_not_the_ordered_file_is_told_apart() {
    assert_eq!(open(b"id,email\n").unwrap(), "other fields");
    assert_eq!(open(b"email,leadScore\n").unwrap_err().code, "marketo.export-header");
    assert_eq!(open(b"id,null\n").unwrap_err().code, "marketo.export-header");
    assert_eq!(open(b"<html><body>502</body></html>").unwrap(), "marketo.html");
    let refused = testing::refused("602", "Access token expired").to_string();
    assert_eq!(open(refused.as_bytes()).unwrap(), "marketo.602");
    let Err(fault) = open(format!("\"{}", "x".repeat(9_000_000)).as_bytes()) else { panic!() };
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Data, "marketo.export-header"));
}

#[test]
fn reading_goes_on_at_any_records_beginning() {
    let fake = FakeHost::new();
    let text = format!("{HEADER}1,null,a,1\n2,null,b,2\n");
    fake.spool_write("export", 0, text.as_bytes()).unwrap();
    let host: &dyn Host = &fake;
    let fields = fields();
    let Opened::File(file) =
        ExportFile::open(host.spool("export"), text.len() as u64, Extract::Leads, &fields).unwrap()
    else {
        panic!()
    };
    let mut rows = Rows::new(&file.header, &fields);
    let offset = text.find("2,null").unwrap() as u64;
    assert_eq!(file.read(offset, &LIMITS, &mut rows).unwrap(), None);
    assert_eq!(shown(&page(rows, &LIMITS)), ["full 2 id=2 email=b leadScore=2"]);
}
