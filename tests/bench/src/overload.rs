//! Far more requests at once than the host works on: who is turned away is told so, with the reason and when to come again,
//! and memory does not grow with how many ask. From a process of its own.

use crate::figures::{Figures, percentile};
use crate::host::{Served, SimulatedMarketo};
use crate::ingest::resident_mb;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Twice as many as the host works on and lets wait by default, and no more than it lets in: whoever is not let in waits in
/// the system's queue, and is answered nothing.
const CONNECTIONS: usize = 1_000;
const SECONDS: u64 = 10;
const STACK_BYTES: usize = 128 << 10;

#[derive(Serialize, Deserialize)]
struct Orders {
    address: String,
    key: String,
}

#[derive(Default, Serialize, Deserialize)]
struct Seen {
    /// By status and code.
    answers: BTreeMap<String, u64>,
    /// Refusals that say neither why nor when to come again.
    without_reason: u64,
    refused_micros: Vec<f64>,
}

impl Seen {
    fn join(&mut self, other: Self) {
        other.answers.into_iter().for_each(|(what, times)| *self.answers.entry(what).or_default() += times);
        self.without_reason += other.without_reason;
        self.refused_micros.extend(other.refused_micros);
    }
}

/// In the process that makes the load.
pub fn make_and_tell(orders: &Path) -> Result<()> {
    let orders: Orders = serde_json::from_slice(&std::fs::read(orders)?)?;
    let until = Instant::now() + Duration::from_secs(SECONDS);
    let mut all = Seen::default();
    std::thread::scope(|scope| -> Result<()> {
        let mut asking = Vec::new();
        for _ in 0..CONNECTIONS {
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
            asking.push(thread.spawn_scoped(scope, || ask_until(&orders, until))?);
        }
        for one in asking {
            all.join(one.join().map_err(|_| anyhow::anyhow!("a client broke"))??);
        }
        Ok(())
    })?;
    println!("{}", serde_json::to_string(&all)?);
    Ok(())
}

/// One client: asks again as soon as it is answered, as a bad one does.
fn ask_until(orders: &Orders, until: Instant) -> Result<Seen> {
    let mut seen = Seen::default();
    let request = format!(
        "GET /v1/sandboxes/default/profiles?limit=500 HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\r\n",
        orders.address, orders.key
    );
    let stream = TcpStream::connect(&orders.address)?;
    let (mut sending, mut answers) = (stream.try_clone()?, BufReader::new(stream));
    while Instant::now() < until {
        let began = Instant::now();
        sending.write_all(request.as_bytes())?;
        let (status, retry_after, body) = answer(&mut answers)?;
        let problem: Value =
            if status == 200 { Value::Null } else { serde_json::from_slice(&body).unwrap_or_default() };
        let code = problem["code"].as_str().unwrap_or_default();
        if status != 200 {
            seen.without_reason += u64::from(code.is_empty() || !retry_after);
            seen.refused_micros.push(began.elapsed().as_secs_f64() * 1e6);
        }
        *seen.answers.entry(format!("{status} {code}").trim().to_owned()).or_default() += 1;
    }
    Ok(seen)
}

/// Its status, whether it says when to come again, and its body.
fn answer(answers: &mut impl BufRead) -> Result<(u16, bool, Vec<u8>)> {
    let (mut status, mut retry_after, mut length) = (None, false, 0);
    loop {
        let mut line = String::new();
        ensure!(answers.read_line(&mut line)? > 0, "the connection was closed");
        let line = line.trim_end();
        if status.is_none() {
            status = line.split(' ').nth(1).and_then(|text| text.parse().ok());
        } else if line.is_empty() {
            break;
        } else if let Some((name, value)) = line.split_once(':') {
            retry_after |= name.eq_ignore_ascii_case("retry-after");
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            }
        }
    }
    let mut body = vec![0; length];
    answers.read_exact(&mut body)?;
    Ok((status.context("an answer without a status")?, retry_after, body))
}

pub fn measure(figures: &mut Figures, records: u64) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let marketo = SimulatedMarketo::start(records)?;
    let served = Served::start(&directory.path().join("data"), None)?;
    let connection = served.connect(&marketo)?;
    let run = served.call("POST", &format!("connections/{connection}/runs"), Some(&json!({})))?;
    served.follow(&run)?;
    served.caught_up()?;
    drop(marketo);
    let orders = Orders { address: served.client().address().to_owned(), key: served.key() };
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), serde_json::to_vec(&orders)?)?;
    figures.one("resident_before_mb", resident_mb()?.0);
    let mut load = Command::new(std::env::current_exe()?);
    load.args(["overload", "--place"]).arg(file.path()).stdout(std::process::Stdio::piped());
    let load = load.spawn()?;
    let highest = std::thread::spawn(move || -> Result<(std::process::Output, f64)> {
        let over = std::thread::spawn(move || load.wait_with_output());
        let mut highest = 0.0_f64;
        while !over.is_finished() {
            highest = highest.max(resident_mb()?.0);
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok((over.join().map_err(|_| anyhow::anyhow!("nobody waited"))??, highest))
    });
    let (done, highest) = highest.join().map_err(|_| anyhow::anyhow!("nobody looked"))??;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let mut seen: Seen = serde_json::from_slice(&done.stdout)?;
    ensure!(seen.without_reason == 0, "{} were turned away without a reason: {:?}", seen.without_reason, seen.answers);
    for (what, times) in &seen.answers {
        figures.one(&format!("answered_{}", what.replace([' ', '.', '-'], "_")), *times as f64);
    }
    figures.one("connections", CONNECTIONS as f64);
    figures.one("refused_p99_us", percentile(&mut seen.refused_micros, 99.0));
    figures.one("resident_highest_mb", highest);
    figures.one("resident_after_mb", resident_mb()?.0);
    served.stop();
    Ok(())
}
