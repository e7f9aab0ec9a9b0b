use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::client::Client;

fn spawn() -> (Child, Value) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_attiva-simulate-marketo"))
        .args(["--leads", "25", "--seed", "9", "--now", "2026-11-23T00:00:00Z"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("stdout")).read_line(&mut line).expect("a line");
    (child, serde_json::from_str(&line).expect("JSON"))
}

#[tokio::test]
async fn it_tells_where_it_listens_and_ends_with_its_stdin() {
    let (mut child, told) = spawn();
    let address =
        told["base_url"].as_str().and_then(|url| url.strip_prefix("http://")).and_then(|address| address.parse().ok());
    let client = Client { address: address.expect("an address"), token: String::new() };
    assert_eq!(client.get("/_control/leads").await.text().lines().count(), 25);
    drop(child.stdin.take());
    assert_eq!(child.wait().expect("an end").code(), Some(0));
    let mut rest = String::new();
    child.stdout.take().expect("stdout").read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "");
}

#[test]
fn it_ends_on_sigterm() {
    let (mut child, _) = spawn();
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(killed.is_ok_and(|status| status.success()));
    assert_eq!(child.wait().expect("an end").code(), Some(0));
}
