//! A made-up CRM with contacts, for the connectors in `sdk/javascript/example` and `sdk/python/example`.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub const CLIENT_SECRET: &str = "contacts-secret-1";
const TOKEN: &str = "contacts-token-0123456789";

/// Serves until the process ends.
pub struct Crm {
    pub url: String,
    pages: Arc<AtomicU64>,
}

impl Crm {
    /// With contacts 1 to `contacts`; every tenth of them is deleted.
    pub fn start(contacts: u64) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let pages = Arc::new(AtomicU64::new(0));
        let counted = pages.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let counted = counted.clone();
                // One that hangs up has seen enough.
                std::thread::spawn(move || serve(&stream, contacts, &counted));
            }
        });
        Ok(Self { url, pages })
    }

    /// Pages of contacts that were asked for so far.
    pub fn pages(&self) -> u64 {
        self.pages.load(Ordering::SeqCst)
    }
}

fn serve(stream: &TcpStream, contacts: u64, pages: &AtomicU64) -> Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let target = line.split(' ').nth(1).context("a request line")?.to_owned();
        let (mut length, mut authorization) = (0, String::new());
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse()?,
                "authorization" => authorization = value.to_owned(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        std::io::Read::read_exact(&mut reader, &mut body)?;
        let (status, answer) = answer(&target, &authorization, &String::from_utf8_lossy(&body), contacts, pages);
        let answer = answer.to_string();
        let mut stream = stream;
        write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{answer}", answer.len())?;
    }
}

fn answer(target: &str, authorization: &str, body: &str, contacts: u64, pages: &AtomicU64) -> (u16, Value) {
    if target == "/oauth/token" {
        return match body.contains(CLIENT_SECRET) {
            true => (200, json!({"access_token": TOKEN, "expires_in": 3600})),
            false => (401, json!({"error": "invalid_client"})),
        };
    }
    let Some(query) = target.strip_prefix("/v1/contacts?") else { return (404, json!({})) };
    if authorization != format!("Bearer {TOKEN}") {
        return (401, json!({}));
    }
    let number = |name: &str| query.split('&').find_map(|part| part.strip_prefix(name)?.parse::<u64>().ok());
    let (after, limit) = (number("after=").unwrap_or(0), number("limit=").unwrap_or(100));
    pages.fetch_add(1, Ordering::SeqCst);
    let last = (after + limit).min(contacts);
    let list: Vec<Value> = (after + 1..=last).map(contact).collect();
    (200, json!({"contacts": list, "more": last < contacts}))
}

/// Every third has no score, every tenth is deleted; names go beyond ASCII.
fn contact(id: u64) -> Value {
    let updated = 1_700_000_000_000 + id;
    if id.is_multiple_of(10) {
        return json!({"id": id, "updated_ms": updated, "deleted": true});
    }
    let score = if id.is_multiple_of(3) { Value::Null } else { json!(id % 100) };
    json!({"id": id, "email": format!("c{id}@example.com"), "name": format!("Zoë 🎈 {id}"), "score": score, "updated_ms": updated})
}
