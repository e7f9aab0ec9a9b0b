//! The API under load from a process of its own, at a rate that does not wait for answers: look-ups of profiles, and events
//! of which each is acknowledged when it is durable. An answer's time counts from when its request was due, so that a
//! request that waited for one before it is not made to look fast.

use crate::figures::{Figures, percentile};
use crate::host::{Served, SimulatedMarketo, start_date};
use crate::ingest::resident_mb;
use crate::machine;
use crate::pace::Pace;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Wanted of a host on two cores.
const LOOK_UPS_PER_SECOND: f64 = 2000.0;
const EVENTS_PER_SECOND: f64 = 1000.0;
const EDGE_PER_SECOND: f64 = 1000.0;
/// Audiences that are decided with each request.
const EDGE_SEGMENTS: u32 = 40;
const SECONDS: f64 = 15.0;
/// Kept open, each with one request at a time.
const CONNECTIONS: u64 = 16;

/// What a process that makes load is told.
#[derive(Serialize, Deserialize)]
struct Orders {
    address: String,
    key: String,
    kind: Kind,
    profiles: u64,
    /// When events happened.
    time: String,
    /// Infinite: each connection asks again as soon as it is answered.
    rate: Option<f64>,
    requests: u64,
    connections: u64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Kind {
    LookUp,
    Event,
    /// An event, of which nothing is kept, and the audiences that the person is in with it.
    Edge,
}

/// What it saw.
#[derive(Serialize, Deserialize)]
struct Seen {
    micros: Vec<f64>,
    seconds: f64,
}

impl Orders {
    /// The whole request with the number `n`.
    fn request(&self, n: u64) -> String {
        let lead = 1 + n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % self.profiles;
        let (line, body) = match self.kind {
            Kind::LookUp => {
                let value = format!("{lead}%40123-ABC-456.Marketo");
                (format!("GET /v1/sandboxes/default/profiles?namespace=source_key&value={value}"), String::new())
            }
            Kind::Event => {
                let fields = json!({ "type": "web.webpagedetails.pageViews", "time": self.time,
                    "person_key": format!("{lead}@123-ABC-456.Marketo"), "page": "https://www.example.com/prices" });
                let sent = json!({ "source": { "system": "Web", "id": "load" }, "entity": "activity",
                    "records": [{ "id": n.to_string(), "fields": fields }] });
                ("POST /v1/sandboxes/default/records".to_owned(), sent.to_string())
            }
            Kind::Edge => {
                let asked = json!({
                    "identities": [{ "namespace": "source_key", "value": format!("{lead}@123-ABC-456.Marketo") }],
                    "event": { "fields": { "type": "web.webpagedetails.pageViews", "page": format!("/page/{}", n % 40) } } });
                ("POST /v1/sandboxes/default/edge/evaluations".to_owned(), asked.to_string())
            }
        };
        format!(
            "{line} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            self.key,
            body.len()
        )
    }

    /// One request, and its answer.
    fn ask(&self, connection: &mut Connection, n: u64) -> Result<()> {
        connection.sending.write_all(self.request(n).as_bytes())?;
        read_answer(&mut connection.answers, &mut connection.body)
    }
}

/// Kept open, with one request at a time.
struct Connection {
    sending: TcpStream,
    answers: BufReader<TcpStream>,
    body: Vec<u8>,
}

impl Connection {
    fn open(address: &str) -> Result<Self> {
        let sending = TcpStream::connect(address)?;
        sending.set_nodelay(true)?;
        Ok(Self { answers: BufReader::new(sending.try_clone()?), sending, body: Vec::new() })
    }
}

/// One answer of `200`, with its length told.
fn read_answer(answers: &mut impl BufRead, body: &mut Vec<u8>) -> Result<()> {
    let (mut line, mut first, mut length) = (String::new(), String::new(), None);
    loop {
        line.clear();
        ensure!(answers.read_line(&mut line)? > 0, "the connection was closed");
        let text = line.trim_end();
        if first.is_empty() {
            text.clone_into(&mut first);
        } else if text.is_empty() {
            break;
        } else if let Some((name, value)) = text.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = Some(value.trim().parse::<usize>()?);
        }
    }
    body.resize(length.context("an answer without a length")?, 0);
    answers.read_exact(body)?;
    ensure!(first.starts_with("HTTP/1.1 200"), "{first}: {}", String::from_utf8_lossy(body));
    Ok(())
}

/// In the process that makes the load: does what the file says, and prints what it saw.
pub fn make_and_tell(orders: &Path) -> Result<()> {
    let orders: Orders = serde_json::from_slice(&std::fs::read(orders)?)?;
    let began = Instant::now();
    let pace = Pace { pieces: orders.requests, per_second: orders.rate, threads: orders.connections };
    let micros = pace.run(|| Connection::open(&orders.address), |connection, n| orders.ask(connection, n))?;
    println!("{}", serde_json::to_string(&Seen { micros, seconds: began.elapsed().as_secs_f64() })?);
    Ok(())
}

fn load(orders: &Orders) -> Result<Seen> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), serde_json::to_vec(orders)?)?;
    let done = Command::new(std::env::current_exe()?).args(["http-load", "--place"]).arg(file.path()).output()?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let seen: Seen = serde_json::from_slice(&done.stdout)?;
    ensure!(seen.micros.len() as u64 == orders.requests, "not every request was answered");
    Ok(seen)
}

fn tell(figures: &mut Figures, name: &str, mut seen: Seen) {
    figures.one(&format!("{name}_per_second"), seen.micros.len() as f64 / seen.seconds);
    for percent in [50.0, 99.0, 99.9] {
        let digits = percent.to_string().replace('.', "");
        figures.one(&format!("{name}_p{digits}_us"), percentile(&mut seen.micros, percent));
    }
}

pub fn measure(figures: &mut Figures, records: u64) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let marketo = SimulatedMarketo::start(records)?;
    let served = Served::start(&directory.path().join("data"), None)?;
    served.made("segments", &json!({ "name": "bench", "expression": "person.person_score >= 50" }))?;
    let connection = served.connect(&marketo)?;
    let run = served.call("POST", &format!("connections/{connection}/runs"), Some(&json!({})))?;
    served.follow(&run)?;
    served.caught_up()?;
    drop(marketo);
    figures.one("profiles", records as f64);
    let address = served.client().address().to_owned();
    let time = format!("{}T00:00:00Z", start_date(0)?);
    let orders = |kind, rate: Option<f64>, requests: f64| Orders {
        address: address.clone(),
        key: served.key(),
        kind,
        profiles: records,
        time: time.clone(),
        rate,
        requests: requests as u64,
        connections: CONNECTIONS,
    };
    let look_ups = LOOK_UPS_PER_SECOND * SECONDS;
    // What was read before is warm.
    load(&orders(Kind::LookUp, None, look_ups))?;
    tell(figures, "look_up", load(&orders(Kind::LookUp, Some(LOOK_UPS_PER_SECOND), look_ups))?);
    let saturated = load(&orders(Kind::LookUp, None, look_ups))?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let each = Duration::from_secs_f64(cores as f64 * saturated.seconds / look_ups);
    tell(figures, "look_up_saturated", saturated);
    // In the same run, since the machine is not the same an hour later.
    let pace = Pace { pieces: look_ups as u64, per_second: Some(LOOK_UPS_PER_SECOND), threads: CONNECTIONS };
    let micros = machine::paced(each, pace)?;
    tell(figures, "arithmetic_as_long_as_look_ups", Seen { micros, seconds: SECONDS });
    tell(figures, "event", load(&orders(Kind::Event, Some(EVENTS_PER_SECOND), EVENTS_PER_SECOND * SECONDS))?);
    served.caught_up()?;
    for n in 0..EDGE_SEGMENTS {
        served.made("segments", &json!({ "name": format!("edge {n}"), "expression": edge_rule(n) }))?;
    }
    served.caught_up()?;
    figures.one("edge_segments", f64::from(EDGE_SEGMENTS));
    let asked = EDGE_PER_SECOND * SECONDS;
    load(&orders(Kind::Edge, None, asked))?;
    tell(figures, "edge", load(&orders(Kind::Edge, Some(EDGE_PER_SECOND), asked))?);
    figures.one("resident_mb", resident_mb()?.0);
    served.stop();
    Ok(())
}

/// Rules that are answered at a request: a third on the person's own fields, a third on what happens, a third on both.
fn edge_rule(n: u32) -> String {
    let own = format!("person.person_score >= {n}");
    let event = format!("events.exists(e, e.page == \"/page/{n}\" && e.time.within(last(days(1))))");
    match n % 3 {
        0 => own,
        1 => event,
        _ => format!("{own} && {event}"),
    }
}
