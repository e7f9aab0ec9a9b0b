//! The source: reads a page, or does what it should not.

use super::bindings::attiva::connector::log::{self, Level};
use super::bindings::attiva::connector::types::{CheckResult, ColumnValues, Cursor, DataType};
use super::bindings::attiva::connector::{clock, http, progress, random, spool};
use super::bindings::exports::attiva::connector::source::{ColumnSpec, Fault, Guest as Source, Limits, Page, Stream};
use super::columns::{bytes_array, column, text, twelve};
use super::config::Config;
use super::page::{broken, good, with_columns};
use super::{Guest, fault, report_panics};

impl Source for Guest {
    fn check(config: String) -> Vec<CheckResult> {
        let fault = Config::parse(&config).and_then(|config| send(&config)).err();
        vec![CheckResult { name: "requests".into(), title: "All requests go out".into(), fault, skipped: None }]
    }

    fn discover(config: String) -> Result<Vec<Stream>, Fault> {
        let config = Config::parse(&config)?;
        if config.behaviour != "request" {
            send(&config)?;
        }
        let column =
            |name: &str, data_type| ColumnSpec { name: name.into(), data_type, nullable: true, label: String::new() };
        let things = Stream {
            name: "things".into(),
            title: "Things".into(),
            columns: vec![column("key", DataType::Text), column("json", DataType::Json)],
            key: "key".into(),
            cursor_column: None,
            deletes: false,
            keyed_by: Some(("others".into(), "id".into())),
            suggested: true,
        };
        let plain = Stream { name: "plain".into(), keyed_by: None, suggested: false, ..things.clone() };
        Ok(vec![things, plain])
    }

    fn read(
        config: String,
        stream: String,
        fields: Vec<String>,
        cursor: Option<Cursor>,
        keys: Vec<String>,
        limits: Limits,
    ) -> Result<Page, Fault> {
        report_panics();
        let config = Config::parse(&config)?;
        if let Some(page) = broken(&config.behaviour) {
            return Ok(page);
        }
        match config.behaviour.as_str() {
            "" | "good" => Ok(good(limits.max_rows.min(if config.count == 0 { 10 } else { config.count as u32 }))),
            "echo" => {
                let cursor =
                    cursor.map(|cursor| String::from_utf8_lossy(&cursor.bytes).into_owned()).unwrap_or_default();
                let all = format!("{stream}|{}|{cursor}|{}|{}", fields.join(","), keys.join(","), limits.max_bytes);
                Ok(with_columns(1, vec![text("echo", &[&all])]))
            }
            "twelve" => Ok(with_columns(limits.max_rows, twelve(limits.max_rows))),
            "send" => send(&config),
            // As that, in `read` alone, and it is the end.
            "request" => Ok(Page { more: false, ..send(&config)? }),
            "pages" => Ok(numbered(&config, cursor.as_ref(), limits.max_rows.min(10))),
            "long-pages" => Ok(numbered(&config, cursor.as_ref(), limits.max_rows)),
            "fetch" => fetch(&config),
            "spool" => write_and_read(&config),
            "host-calls" => {
                (0..config.count).for_each(|_| drop(clock::now_ms()));
                Ok(good(1))
            }
            "clock-random" => clock_and_random(),
            "own" => own(&config),
            "fault" => {
                Err(Fault { retry_after_ms: Some(5), field: Some("f".into()), ..fault("guest.said", "as asked") })
            }
            other => misbehave(other, &config),
        }
    }

    fn release(config: String, stream: String, cursor: Cursor) -> Result<(), Fault> {
        let config = Config::parse(&config)?;
        match config.behaviour.as_str() {
            "release" => send(&config).map(|_| ()),
            _ => Err(fault("guest.released", &format!("{stream} {}", String::from_utf8_lossy(&cursor.bytes)))),
        }
    }
}

/// Pages that follow each other: `count` of them, or never an end where that is 0.
fn numbered(config: &Config, cursor: Option<&Cursor>, rows: u32) -> Page {
    let said = cursor.map(|cursor| String::from_utf8_lossy(&cursor.bytes).into_owned()).unwrap_or_default();
    let page: u64 = said.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0);
    let keys: Vec<String> = (0..rows).map(|row| format!("{page}-{row}")).collect();
    let texts: Vec<&str> = keys.iter().map(String::as_str).collect();
    let bytes = format!("{} {}", config.message, page + 1).into_bytes();
    Page {
        keys: bytes_array(&keys),
        next: Cursor { state_version: 1, bytes },
        more: page + 1 != config.count,
        ..with_columns(rows, vec![text("key", &texts)])
    }
}

fn misbehave(behaviour: &str, config: &Config) -> Result<Page, Fault> {
    match behaviour {
        "nothing" => Ok(with_columns(0, Vec::new())),
        "handles" => super::hoard::handles(),
        "spin" => loop {
            std::hint::black_box(());
        },
        "spin-host" => loop {
            clock::now_ms();
        },
        "memory" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(std::hint::black_box(vec![1_u8; 1 << 20]));
            }
        }
        "panic" => panic!("the cat sat on the keyboard"),
        "trap" => {
            log::log(Level::Error, "these are my last words", &[]);
            core::arch::wasm32::unreachable()
        }
        "stack" => {
            log::log(Level::Debug, &recurse(config.count).to_string(), &[]);
            Ok(good(1))
        }
        "log-flood" => {
            (0..config.count).for_each(|_| log::log(Level::Info, &"x".repeat(1_000), &[]));
            Ok(Page { more: false, ..good(1) })
        }
        "crossing" => {
            log::log(Level::Info, &"x".repeat(config.count as usize), &[]);
            Ok(good(1))
        }
        "random" => {
            random::bytes(config.count as u32);
            Ok(good(1))
        }
        other => Err(fault("guest.behaviour", other)),
    }
}

/// Deep, and nothing that a compiler could make a loop of.
fn recurse(depth: u64) -> u64 {
    if depth == u64::MAX { 0 } else { recurse(depth + 1).rotate_left(3) ^ depth }
}

/// Sends all requests, one row for each.
pub(super) fn send(config: &Config) -> Result<Page, Fault> {
    let mut rows = Vec::new();
    for ask in &config.requests {
        let response = http::send(&ask.request())?;
        let headers: Vec<String> = response.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        rows.push((response.status, headers.join("\n"), String::from_utf8_lossy(&response.body).into_owned()));
        if let Some(name) = &ask.renew {
            http::renew_credential(name)?;
        }
    }
    let texts = |pick: fn(&(u16, String, String)) -> &str| rows.iter().map(pick).collect::<Vec<&str>>();
    let columns = vec![
        column("status", ColumnValues::Integer(rows.iter().map(|row| i64::from(row.0)).collect())),
        text("headers", &texts(|row| &row.1)),
        text("body", &texts(|row| &row.2)),
    ];
    Ok(with_columns(rows.len() as u32, columns))
}

fn fetch(config: &Config) -> Result<Page, Fault> {
    let ask = config.requests.first().ok_or_else(|| fault("guest.config", "no request"))?;
    let said = match spool::fetch(&config.spool, &ask.request(), &config.refusals, config.sha256.as_deref())? {
        spool::Fetched::Stored(status) => {
            let start = spool::read(&config.spool, 0, 64)?;
            let sum = spool::sha256(&config.spool)?;
            format!("{} {} {sum} {}", status.size, status.complete, String::from_utf8_lossy(&start))
        }
        spool::Fetched::Answered(answer) => {
            let start: String = String::from_utf8_lossy(&answer.body).chars().take(64).collect();
            format!("answered {} {} {start}", answer.status, answer.body.len())
        }
    };
    let headers = spool::stat(&config.spool)?.headers;
    let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    Ok(with_columns(1, vec![text("fetched", &[&said]), text("headers", &[&headers.join("\n")])]))
}

fn write_and_read(config: &Config) -> Result<Page, Fault> {
    let name = &config.spool;
    spool::write(name, 0, b"hello world")?;
    spool::write(name, 6, &vec![b'!'; config.count as usize])?;
    let status = spool::stat(name)?;
    let read = String::from_utf8_lossy(&spool::read(name, 4, 5)?).into_owned();
    spool::remove(name)?;
    let after = spool::stat(name)?;
    let said = format!("{} {} {read} {} {}", status.size, status.complete, after.size, after.complete);
    Ok(with_columns(1, vec![text("spool", &[&said])]))
}

fn clock_and_random() -> Result<Page, Fault> {
    progress::report("looking at the clock", Some(1), Some(2));
    log::log(Level::Info, "a word", &[("a".to_owned(), "b".to_owned())]);
    let (a, b) = (random::bytes(1024), random::bytes(1024));
    let said = format!("{} {} {}", clock::now_ms(), a.len(), a != b);
    Ok(with_columns(1, vec![text("said", &[&said])]))
}

/// Tells what it can see of its own configuration.
fn own(config: &Config) -> Result<Page, Fault> {
    Ok(with_columns(1, vec![text("config", &[&format!("{config:?}")])]))
}
