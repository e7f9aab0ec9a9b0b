//! Requests as they go out, answers as they are read, and the test host itself.

use attiva_connector::testing::FakeHost;
use attiva_connector::{CheckResult, Cursor, Fault, FaultKind, Fetched, Host, Response, decode_state, encode_state};
use serde_json::{Value, json};

fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Response { status, headers, body: body.into() }
}

#[test]
fn a_request_is_what_was_asked_for() {
    let fake = FakeHost::new();
    let host: &dyn Host = &fake;
    let request = host
        .http()
        .post("api", "/a.json?x=1")
        .query(&[("q", "a b&c"), ("é", "")])
        .header("x-extra", "1")
        .credential("crm")
        .timeout_ms(5)
        .json(&json!({"k": [1]}))
        .into_request()
        .unwrap();
    assert_eq!((request.method.as_str(), request.origin.as_str()), ("POST", "api"));
    assert_eq!(request.path, "/a.json?x=1&q=a%20b%26c&%C3%A9=");
    assert_eq!((request.credential.as_deref(), request.timeout_ms), (Some("crm"), Some(5)));
    assert_eq!(request.body.as_deref(), Some(&br#"{"k":[1]}"#[..]));
    let headers: Vec<_> = request.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(headers, [("x-extra", "1"), ("content-type", "application/json")]);
    let form = host.http().put("api", "/").form(&[("a", "1 2"), ("b", "+")]).into_request().unwrap();
    assert_eq!(form.body.as_deref(), Some(&b"a=1%202&b=%2B"[..]));
}

#[test]
fn a_body_that_does_not_serialise_is_a_defect_and_is_not_sent() {
    let fake = FakeHost::new();
    let host: &dyn Host = &fake;
    let keys_that_are_no_text = std::collections::BTreeMap::from([(vec![1], 1)]);
    let fault = host.http().post("api", "/").json(&keys_that_are_no_text).send().unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Internal, "request.json"));
    assert!(fake.requests().is_empty());
}

#[test]
fn a_status_says_who_acts() {
    let cases = [
        (401, FaultKind::Auth),
        (403, FaultKind::Scope),
        (404, FaultKind::Data),
        (408, FaultKind::Transient),
        (429, FaultKind::RateLimited),
        (500, FaultKind::Transient),
        (501, FaultKind::Unsupported),
        (503, FaultKind::Transient),
    ];
    for (status, kind) in cases {
        let fault = response(status, &[], "").success().unwrap_err();
        assert_eq!((fault.kind, fault.code), (kind, format!("http.{status}")));
    }
    assert!(response(204, &[], "").success().is_ok());
    let waiting = response(503, &[("retry-after", "7")], "").status_fault();
    assert_eq!(waiting.retry_after_ms, Some(7000));
    let dated = response(503, &[("retry-after", "Mon, 23 Nov 2026 14:13:00 GMT")], "").status_fault();
    assert_eq!(dated.retry_after_ms, None);
}

#[test]
fn an_answer_that_is_no_json_passes_and_one_of_another_shape_does_not() {
    let kind = |body: &str| response(200, &[], body).json::<Vec<u8>>().unwrap_err().kind;
    assert_eq!(kind("<html>"), FaultKind::Transient);
    assert_eq!(kind("[1, 2"), FaultKind::Transient);
    assert_eq!(kind(r#"{"a": 1}"#), FaultKind::Data);
    assert_eq!(response(200, &[], "[1]").json::<Vec<u8>>().unwrap(), [1]);
    assert_eq!(response(200, &[("etag", "x")], "").header("ETag"), Some("x"));
}

#[test]
fn states_come_back_and_foreign_ones_do_not() {
    let cursor = Cursor::encode(2, &json!({"offset": 7})).unwrap();
    assert_eq!(cursor.decode::<Value>(2).unwrap(), json!({"offset": 7}));
    assert_eq!(cursor.decode::<Value>(3).unwrap_err().code, "state.version");
    assert_eq!(cursor.decode::<Vec<u8>>(2).unwrap_err().code, "state.decode");
    assert_eq!(encode_state(&"x".repeat(64 * 1024)).unwrap_err().code, "state.too-large");
    assert_eq!(decode_state::<u8>(&encode_state(&7).unwrap()).unwrap(), 7);
}

#[test]
fn spools_grow_are_cut_and_are_read_whole() {
    let fake = FakeHost::new();
    let host: &dyn Host = &fake;
    let spool = host.spool("file");
    assert_eq!(spool.stat().unwrap().size, 0);
    spool.write(0, b"abcdef").unwrap();
    assert_eq!(spool.write(3, b"X").unwrap().size, 4);
    assert_eq!(spool.read_exact(1, 4).unwrap(), b"bcX");
    assert_eq!(spool.read_exact(0, 5).unwrap_err().code, "spool.short");
    assert_eq!(spool.write(9, b"gap").unwrap_err().code, "spool.gap");
    assert_eq!(spool.sha256().unwrap(), "e5047b803a9cbb62cec27da91c2e00c964519938780e024f77877c71cdd1bd14");
    spool.remove().unwrap();
    assert_eq!(fake.spool_bytes("file"), None);
}

#[test]
fn a_fetch_goes_on_where_it_stopped_and_is_checked_at_its_end() {
    let fake = FakeHost::new();
    fake.on("GET", "api", "/file").always().body(200, "abcdef");
    fake.set_fetch_step(4);
    let host: &dyn Host = &fake;
    let fetch = |sha256: &str| match host.spool("f").fetch(host.http().get("api", "/file"), &[], Some(sha256))? {
        Fetched::Stored(status) => Ok::<_, Fault>(status),
        Fetched::Answered(answer) => panic!("{answer:?}"),
    };
    let right = "bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721";
    assert!(!fetch(right).unwrap().complete);
    assert!(fetch(right).unwrap().complete);
    assert_eq!(fake.spool_bytes("f").unwrap(), b"abcdef");
    assert_eq!(fetch("00").unwrap_err().code, "spool.checksum");
    assert_eq!(fake.spool_bytes("f"), None);
}

#[test]
fn what_is_not_the_file_is_answered_and_the_files_headers_stay() {
    let fake = FakeHost::new();
    fake.set_fetch_step(3);
    fake.on("GET", "api", "/file")
        .header("Sforce-Locator", "next")
        .header("content-type", "text/csv")
        .body(200, "abcdef");
    fake.on("GET", "api", "/file").json(200, &json!({"error": 1}));
    fake.on("GET", "api", "/file").status(404);
    let host: &dyn Host = &fake;
    let spool = host.spool("f");
    let fetch = || spool.fetch(host.http().get("api", "/file"), &["application/json"], None).unwrap();
    assert!(matches!(fetch(), Fetched::Stored(status) if status.size == 3 && !status.complete));
    assert!(matches!(fetch(), Fetched::Answered(answer) if answer.status == 200 && answer.body.starts_with(b"{")));
    assert!(matches!(fetch(), Fetched::Answered(answer) if answer.status == 404));
    assert_eq!(spool.stat().unwrap().headers[0], ("sforce-locator".to_owned(), "next".to_owned()));
    assert_eq!(fake.spool_bytes("f").unwrap(), b"abc");
    spool.write(0, b"mine").unwrap();
    assert_eq!(spool.stat().unwrap().headers, []);
}

#[test]
fn scripts_answer_in_order_and_tell_what_was_not_asked() {
    let fake = FakeHost::new();
    fake.on("GET", "api", "/a").status(500);
    fake.on("GET", "api", "/a").json(200, &json!(1));
    fake.on("GET", "api", "/a?b=2").fault(Fault::transient("network", "gone"));
    let host: &dyn Host = &fake;
    let status = |path: &str| host.http().get("api", path).send().map(|r| r.status);
    assert_eq!(status("/a").unwrap(), 500);
    assert_eq!(fake.unused(), ["GET /a", "GET /a?b=2"]);
    assert_eq!(status("/a?c=1").unwrap(), 200);
    assert_eq!(status("/a?b=2").unwrap_err().code, "network");
    assert_eq!(fake.request_lines(), ["GET /a", "GET /a?c=1", "GET /a?b=2"]);
}

#[test]
#[should_panic(expected = "no answer is scripted for DELETE /x")]
fn a_request_without_a_script_stops_the_test() {
    let fake = FakeHost::new();
    let host: &dyn Host = &fake;
    drop(host.http().delete("api", "/x").send());
}

#[test]
fn what_crosses_is_limited_as_the_host_limits_it() {
    let fake = FakeHost::new();
    let host: &dyn Host = &fake;
    let large = vec![0; 17 * 1024 * 1024];
    assert_eq!(fake.spool_write("f", 0, &large).unwrap_err().code, "limit.crossing");
    assert_eq!(host.spool("f").write(0, &large).unwrap().size, large.len() as u64);
    assert_eq!(host.http().put("api", "/").body("a/b", large).send().unwrap_err().code, "limit.crossing");
}

#[test]
fn checks_say_how_each_test_went() {
    assert_eq!(CheckResult::of("a", "A", Ok(())), CheckResult::passed("a", "A"));
    let fault = Fault::auth("x", "y").action("Do.").field("f").retry_after_ms(1);
    let failed = CheckResult::of::<()>("a", "A", Err(fault.clone()));
    assert_eq!(failed, CheckResult::failed("a", "A", fault));
}
