use super::*;

/// All records of `text`, cells as text, null as `~`.
fn records(text: &[u8]) -> Vec<Vec<String>> {
    let mut record = Record::default();
    let mut found = Vec::new();
    let mut at = 0;
    while let Found::Record { next, .. } = record.read(text, at, true, 100) {
        let cell = |i| match record.value(text, i) {
            Value::Null => "~".to_owned(),
            Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        };
        found.push((0..record.len()).map(cell).collect());
        at = next;
    }
    found
}

#[track_caller]
fn check(text: &str, expected: &[&[&str]]) {
    assert_eq!(records(text.as_bytes()), expected, "{text:?}");
    // The machine for long records sees the same ends.
    let mut rest = text.as_bytes();
    for _ in expected {
        let skipped = after_empty_lines(rest, 0);
        let mut long = LongRecord::new();
        let end = long.feed(&rest[skipped..]).unwrap_or(rest.len() - skipped);
        rest = &rest[skipped + end..];
    }
    assert_eq!(after_empty_lines(rest, 0), rest.len(), "left over of {text:?}: {rest:?}");
}

#[test]
fn plain_records() {
    check("", &[]);
    check("a", &[&["a"]]);
    check("a,b\n1,2\n", &[&["a", "b"], &["1", "2"]]);
    check("a,b\r\n1,2\r\n", &[&["a", "b"], &["1", "2"]]);
    check("a,b\n1,2", &[&["a", "b"], &["1", "2"]]);
}

#[test]
fn the_bare_word_is_null_and_the_quoted_one_is_text() {
    check("null,\"null\",,\"\",Null\n", &[&["~", "null", "~", "", "Null"]]);
}

#[test]
fn cells_hold_line_ends_commas_and_json() {
    check("\"a\nb\",\"c\r\nd\",\"e,f\"\n", &[&["a\nb", "c\r\nd", "e,f"]]);
    check("1,\"{\"\"a\"\":[1,2],\"\"b\"\":\"\"x\"\"}\"\n", &[&["1", "{\"a\":[1,2],\"b\":\"x\"}"]]);
}

#[test]
fn quotes_doubled_or_not() {
    check("\"a \"\"b\"\" c\"\n", &[&["a \"b\" c"]]);
    check("\"first\"Name1\",2\n", &[&["first\"Name1", "2"]]);
    check("\"say \"hi\" now\",2\n", &[&["say \"hi\" now", "2"]]);
    check("a\"b,\"\"\"\"\n", &[&["a\"b", "\""]]);
    check("\"\"\"a\"\"\",b\n", &[&["\"a\"", "b"]]);
}

#[test]
fn nul_and_lone_carriage_return_are_dropped() {
    check("a\0b,c\rd\n", &[&["ab", "cd"]]);
    check("\"a\0b\",\"c\rd\"\n", &[&["ab", "cd"]]);
    check("\0\"a\"\0,\r\"b\"\r,c\n", &[&["a", "b", "c"]]);
    check("nu\0ll,x\n", &[&["~", "x"]]);
    check("\"a\"\0\"b\"\n", &[&["a\"b"]]);
    check("a,b\r", &[&["a", "b"]]);
    check("a,\"b\"\r", &[&["a", "b"]]);
}

#[test]
fn empty_lines_are_no_records() {
    check("a,b\n\n1,2\n\n", &[&["a", "b"], &["1", "2"]]);
    check("\r\n\na\r\n\r\n", &[&["a"]]);
    check("\n", &[]);
}

#[test]
fn a_file_that_ends_in_a_quoted_cell_says_so() {
    let mut record = Record::default();
    assert!(matches!(record.read(b"1,\"abc", 0, true, 9), Found::Record { next: 6, .. }));
    assert!(record.unclosed());
    assert!(matches!(record.read(b"1,\"abc\"", 0, true, 9), Found::Record { .. }));
    assert!(!record.unclosed());
}

#[test]
fn cells_beyond_the_limit_are_counted_only() {
    let mut record = Record::default();
    record.read(b"1,2,3,4\n", 0, true, 2);
    assert_eq!(record.len(), 4);
    assert_eq!(record.value(b"1,2,3,4\n", 1), Value::Bytes(b"2"));
    assert_eq!(record.value(b"1,2,3,4\n", 2), Value::Null);
}

/// Cut anywhere, the first piece gives a whole record only if it would be the same with everything there.
#[test]
fn a_cut_never_changes_a_record() {
    let text = b"i\0d,\"na\"me\",x\r\n1,\"a\"\"b\"\r\n2,\"c\r\nd\"\0,\"\"\n\r\n3,\"e\r\",null\n4,\"f\"\r,g\n";
    let whole = records(text);
    for cut in 0..text.len() {
        let mut record = Record::default();
        let (mut at, mut seen) = (0, 0);
        while let Found::Record { next, .. } = record.read(&text[..cut], at, false, 9) {
            let cell = |i| match record.value(&text[..cut], i) {
                Value::Null => "~".to_owned(),
                Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            };
            let cells: Vec<_> = (0..record.len()).map(cell).collect();
            assert_eq!(cells, whole[seen], "cut at {cut}");
            (at, seen) = (next, seen + 1);
        }
        let rest = records(&text[at..]);
        assert_eq!(rest, whole[seen..], "cut at {cut}");
    }
}

#[test]
fn a_long_record_is_passed_over_in_pieces() {
    let text = b"7,\"aa\"\"a\nb\",c\n8,x,y\n";
    for piece in 1..text.len() {
        let mut long = LongRecord::new();
        let mut passed = 0;
        for part in text.chunks(piece) {
            match long.feed(part) {
                Some(end) => {
                    passed += end;
                    break;
                }
                None => passed += part.len(),
            }
        }
        assert_eq!(passed, 14, "pieces of {piece}");
        assert_eq!(long.longest_cell(), (1, 10));
    }
}
