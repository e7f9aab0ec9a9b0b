//! Spools: fetched in parts, resumed, checked; written and read.

use crate::server::{Request, Server, ok, respond};
use crate::support::{Connection, SECRET, guest, guest_with};
use attiva_core::FaultKind;
use attiva_wasm::Limits;
use serde_json::json;
use sha2::{Digest, Sha256};

fn file(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| b'a' + u8::try_from(i % 23).unwrap()).collect()
}

fn sum(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A server of one file that knows ranges.
fn ranged(request: &Request, file: &[u8], etag: &str) -> Vec<u8> {
    let total = file.len();
    let same = request.header("if-range").is_none_or(|asked| asked == etag);
    let range = request.header("range").filter(|_| same);
    match range.map(|range| range.trim_start_matches("bytes=").trim_end_matches('-').parse::<usize>().unwrap()) {
        None => respond(200, &[("etag", etag)], file),
        Some(start) if start >= total => respond(416, &[("content-range", &format!("bytes */{total}"))], ""),
        Some(start) => {
            let range = format!("bytes {start}-{}/{total}", total - 1);
            respond(206, &[("etag", etag), ("content-range", &range)], &file[start..])
        }
    }
}

fn fetching(server: &Server, sha256: Option<String>) -> Connection {
    let mut connection = Connection::sending(json!([]), server);
    let request = json!({"origin": "api", "method": "GET", "path": "/open/file"});
    connection
        .reconfigure(json!({"behaviour": "fetch", "spool": "export.csv", "sha256": sha256, "requests": [request]}));
    connection
}

fn limits() -> Limits {
    Limits { spool_fetch_bytes: 100_000, ..Limits::default() }
}

#[tokio::test]
async fn a_file_comes_in_parts_and_is_checked_at_its_end() {
    let whole = file(250_000);
    let served = whole.clone();
    let server = Server::start(move |request| ranged(request, &served, "\"v1\"")).await;
    let plugin = guest_with(limits()).await;
    let connection = fetching(&server, Some(sum(&whole).to_uppercase()));
    let mut sizes = Vec::new();
    loop {
        let said = connection.texts(&plugin, "fetched").await.remove(0);
        let parts: Vec<&str> = said.split(' ').collect();
        sizes.push(parts[0].parse::<usize>().unwrap());
        if parts[1] == "true" {
            assert_eq!(parts[2], sum(&whole));
            break;
        }
        assert!(sizes.len() < 10, "{sizes:?}");
    }
    assert_eq!(sizes.last(), Some(&250_000));
    assert!(sizes.is_sorted() && sizes.len() >= 2, "{sizes:?}");
    let requests = server.seen().len();
    let ranges: Vec<_> = server.seen().iter().map(|r| r.header("range").map(str::to_owned)).collect();
    assert_eq!(ranges[0], None);
    assert_eq!(ranges[1], Some(format!("bytes={}-", sizes[0])));
    assert_eq!(server.seen()[1].header("if-range"), Some("\"v1\""));
    assert_eq!(server.seen()[0].header("accept-encoding"), Some("identity"));
    connection.read(&plugin).await.unwrap();
    assert_eq!(server.seen().len(), requests, "what is complete is not fetched again");
}

#[tokio::test]
async fn a_fetch_goes_on_after_a_break_and_after_a_kill() {
    let whole = file(60_000);
    let served = whole.clone();
    let server = Server::start(move |request| {
        let mut answer = ranged(request, &served, "\"v1\"");
        if request.header("range").is_none() {
            // The connection breaks after a part.
            answer.truncate(30_000);
        }
        answer
    })
    .await;
    let plugin = guest().await;
    let connection = fetching(&server, Some(sum(&whole)));
    assert_eq!(connection.fault(&plugin).await.code, "network.broken");
    let data = connection.spool.path().join("export.csv.data");
    let kept = std::fs::metadata(&data).unwrap().len();
    assert!(kept > 20_000 && kept < 30_000, "{kept}");
    // A kill can leave bytes behind that nobody said were there.
    let mut torn = std::fs::read(&data).unwrap();
    torn.extend_from_slice(&[0; 5_000]);
    std::fs::write(&data, torn).unwrap();
    let restarted = guest().await;
    let said = connection.texts(&restarted, "fetched").await.remove(0);
    assert!(said.starts_with(&format!("60000 true {}", sum(&whole))), "{said}");
    assert_eq!(server.seen()[1].header("range"), Some(format!("bytes={kept}-").as_str()));
}

#[tokio::test]
async fn a_server_without_ranges_still_gets_us_the_file() {
    let whole = file(250_000);
    let served = whole.clone();
    let server = Server::start(move |_| ok(&served)).await;
    let plugin = guest_with(limits()).await;
    let connection = fetching(&server, Some(sum(&whole)));
    let mut complete = false;
    for _ in 0..10 {
        complete = connection.texts(&plugin, "fetched").await[0].contains(" true ");
        if complete {
            break;
        }
    }
    assert!(complete);
}

#[tokio::test]
async fn a_file_that_changes_is_begun_anew() {
    let (old, new) = (file(250_000), vec![b'n'; 150_000]);
    let (old_served, new_served) = (old.clone(), new.clone());
    let server = Server::start(move |request| {
        if request.header("range").is_none() {
            ranged(request, &old_served, "\"v1\"")
        } else {
            ranged(request, &new_served, "\"v2\"")
        }
    })
    .await;
    let plugin = guest_with(limits()).await;
    let connection = fetching(&server, Some(sum(&new)));
    let mut last = String::new();
    for _ in 0..5 {
        last = connection.texts(&plugin, "fetched").await.remove(0);
        if last.contains(" true ") {
            break;
        }
    }
    assert!(last.starts_with(&format!("150000 true {}", sum(&new))), "{last}");
}

#[tokio::test]
async fn a_wrong_checksum_empties_the_spool_and_shows_what_came() {
    let server = Server::start(|_| ok(r#"{"success":false,"errors":[{"code":"602"}]}"#)).await;
    let plugin = guest().await;
    let connection = fetching(&server, Some(sum(b"another")));
    let fault = connection.fault(&plugin).await;
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Transient, "spool.checksum"));
    assert!(fault.message.contains(r#""code":"602""#), "{}", fault.message);
    assert_eq!(std::fs::read_dir(connection.spool.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn what_is_not_the_file_is_the_vendors_words_and_leaves_the_spool() {
    let whole = file(250_000);
    let plugin = guest_with(limits()).await;
    for (status, media_type) in
        [(401, "text/plain"), (404, "text/csv"), (302, ""), (200, "Application/JSON; charset=utf-8")]
    {
        let served = whole.clone();
        // The first request is answered with the file, the second with something else.
        let server = Server::start(move |request| match request.header("range") {
            None => ranged(request, &served, "\"v1\""),
            Some(_) => respond(status, &[("content-type", media_type)], format!("so says the vendor to {SECRET}")),
        })
        .await;
        let mut connection = fetching(&server, None);
        let request = json!({"origin": "api", "method": "GET", "path": "/open/file"});
        connection.reconfigure(json!({
            "behaviour": "fetch", "spool": "export.csv", "requests": [request], "refusals": ["application/json"],
        }));
        let begun = connection.texts(&plugin, "fetched").await.remove(0);
        assert!(begun.contains(" false "), "{begun}");
        let said = connection.texts(&plugin, "fetched").await.remove(0);
        assert_eq!(said, format!("answered {status} 32 so says the vendor to [redacted]"));
        let kept = std::fs::metadata(connection.spool.path().join("export.csv.data")).unwrap().len();
        assert!(begun.starts_with(&format!("{kept} ")), "{begun}");
    }
}

#[tokio::test]
async fn a_long_refusal_is_cut() {
    let server = Server::start(|_| respond(500, &[], "x".repeat(100_000))).await;
    let plugin = guest().await;
    let said = fetching(&server, None).texts(&plugin, "fetched").await.remove(0);
    assert!(said.starts_with("answered 500 65536 xxx"), "{said}");
}

#[tokio::test]
async fn an_answer_shorter_than_what_is_there_is_no_end_of_the_file() {
    let whole = file(250_000);
    let served = whole.clone();
    // No length, no ETag, no checksum: nothing but its size tells the second answer from the file.
    let server = Server::start(move |request| {
        let body: &[u8] = if request.header("range").is_none() { &served } else { b"a page of the proxy's" };
        let mut answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
        answer.extend_from_slice(body);
        answer
    })
    .await;
    let plugin = guest_with(limits()).await;
    let connection = fetching(&server, None);
    assert!(connection.texts(&plugin, "fetched").await[0].contains(" false "));
    let fault = connection.fault(&plugin).await;
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Transient, "spool.changed"));
    assert_eq!(std::fs::read_dir(connection.spool.path()).unwrap().count(), 0, "it is fetched anew");
}

#[tokio::test]
async fn the_headers_it_began_with_stay_with_the_spool() {
    let whole = file(250_000);
    let server = Server::start(move |request| {
        let mut answer = String::from_utf8(ranged(request, &whole, "\"v1\"")).unwrap();
        let at = if request.header("range").is_none() { "first" } else { "later" };
        answer = answer.replacen("\r\n", &format!("\r\nSforce-Locator: {at}\r\nset-cookie: a={SECRET}\r\n"), 1);
        answer.into_bytes()
    })
    .await;
    let plugin = guest_with(limits()).await;
    let connection = fetching(&server, None);
    for _ in 0..5 {
        let headers = connection.texts(&plugin, "headers").await.remove(0);
        assert!(headers.lines().any(|line| line == "sforce-locator: first"), "{headers}");
        assert!(!headers.contains("set-cookie") && !headers.contains(SECRET), "{headers}");
    }
    assert!(connection.texts(&plugin, "fetched").await[0].contains(" true "));
}

#[tokio::test]
async fn a_file_with_a_secret_in_it_is_not_kept() {
    let mut whole = file(40_000);
    whole.extend_from_slice(SECRET.as_bytes());
    whole.extend_from_slice(&file(40_000));
    let server = Server::start(move |_| ok(&whole)).await;
    let connection = fetching(&server, None);
    let plugin = guest().await;
    assert_eq!(connection.fault(&plugin).await.code, "spool.secret");
    let kept = std::fs::read(connection.spool.path().join("export.csv.data")).unwrap();
    assert!(!kept.windows(SECRET.len()).any(|w| w == SECRET.as_bytes()));
}

#[tokio::test]
async fn spools_have_a_cap_and_the_gate_holds_for_them_too() {
    let whole = file(60_000);
    let server = Server::start(move |_| ok(&whole)).await;
    let plugin = guest_with(Limits { spool_bytes: 50_000, ..Limits::default() }).await;
    assert_eq!(fetching(&server, None).fault(&plugin).await.code, "limit.spool");
    let mut forbidden = fetching(&server, None);
    let request = json!({"origin": "identity", "method": "GET", "path": "/"});
    forbidden.reconfigure(json!({"behaviour": "fetch", "spool": "a", "requests": [request]}));
    assert_eq!(forbidden.fault(&plugin).await.code, "egress.rule");
    let request = json!({"origin": "api", "method": "GET", "path": "/open", "headers": [["Range", "bytes=0-1"]]});
    forbidden.reconfigure(json!({"behaviour": "fetch", "spool": "a", "requests": [request]}));
    assert_eq!(forbidden.fault(&plugin).await.code, "egress.header");
    forbidden.reconfigure(json!({"behaviour": "fetch", "spool": "../a", "requests": [request]}));
    assert_eq!(forbidden.fault(&plugin).await.code, "spool.name");
}

#[tokio::test]
async fn a_guest_writes_reads_and_removes() {
    let plugin = guest_with(Limits { spool_bytes: 1_000, ..Limits::default() }).await;
    let connection = Connection::new(json!({"behaviour": "spool", "spool": "part-1", "count": 3}));
    assert_eq!(connection.texts(&plugin, "spool").await, ["9 true o !!! 0 false"]);
    assert_eq!(std::fs::read_dir(connection.spool.path()).unwrap().count(), 0);
    let too_much = Connection::new(json!({"behaviour": "spool", "spool": "part-1", "count": 1_000}));
    assert_eq!(too_much.fault(&plugin).await.code, "limit.spool");
}
