//! A first activation to a list of the simulated Marketo, and how soon it takes who joins later. The host keeps to its own
//! pace of calls, so a small audience tells what a large one takes: calls are counted at the vendor.

use crate::figures::{Figures, percentile};
use crate::host::{Served, SimulatedMarketo};
use crate::ingest::fill;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Members that the figures are reckoned for.
const LARGE: f64 = 1e6;
/// The pace that Marketo advises and the host keeps.
const CALLS_PER_MINUTE: f64 = 150.0;
/// What the connector sends in one file at most, in bytes.
const FILE_BYTES: f64 = 9e6;

/// How members go to Marketo.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Channel {
    /// Three hundred at a time.
    Calls,
    /// Files that Marketo imports.
    Files,
}

impl Channel {
    const ALL: [Self; 2] = [Self::Calls, Self::Files];

    fn name(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Files => "files",
        }
    }

    fn options(self) -> Value {
        match self {
            Self::Calls => json!({ "mode": "match", "import_from_rows": 0 }),
            Self::Files => json!({ "mode": "create", "import_from_rows": 1 }),
        }
    }
}

/// Calls that are neither log-ins nor what `prepare` asks once.
fn calls(marketo: &SimulatedMarketo) -> Result<f64> {
    let by_path = marketo.control("received")?["by_path"].as_object().cloned().context("no calls")?;
    let once = ["/identity/", "describe", "byName"];
    let each = by_path.iter().filter(|(path, _)| !once.iter().any(|part| path.contains(part)));
    Ok(each.filter_map(|(_, times)| times.as_f64()).sum())
}

/// Bytes that a connection has sent.
fn bytes_out(served: &Served, connection: &str) -> Result<f64> {
    let usage = served.call("GET", &format!("connections/{connection}/usage"), None)?.to_string();
    // Whatever else is told beside them.
    let numbers = usage.split("\"bytes_out\":").skip(1);
    let number = |rest: &str| rest.split([',', '}']).next().and_then(|n| n.parse::<f64>().ok());
    Ok(numbers.filter_map(number).fold(0.0, f64::max))
}

fn connect(served: &Served, marketo: &SimulatedMarketo) -> Result<String> {
    let (client_id, client_secret) = marketo.credentials();
    let configuration = json!({ "munchkin_id": "123-ABC-456", "client_id": client_id, "client_secret": client_secret });
    let body = json!({ "name": "lists", "plugin": "destination-marketo", "configuration": configuration });
    let id = served.made("connections", &body)?;
    served.call("PUT", &format!("connections/{id}/grants/api"), Some(&json!({ "url": marketo.url() })))?;
    Ok(id)
}

fn activation(served: &Served, connection: &str, segment: &str, name: &str, options: &Value) -> Result<String> {
    let mapping = json!([{ "field": "email", "expression": "person.email", "required": true }]);
    let target = json!({ "object": "static-list", "name": name, "options": options });
    served.made(
        "activations",
        &json!({ "name": name, "segment": segment, "connection": connection, "mapping": mapping, "target": target }),
    )
}

/// The first activation of some members by one channel or by each: calls and time, and what a million would take.
pub fn measure(figures: &mut Figures, records: u64, only: Option<Channel>) -> Result<()> {
    let filled = fill(records)?;
    let (served, marketo) = (&filled.served, &filled.marketo);
    let segment = served.made("segments", &json!({ "name": "all", "expression": "person.email != \"\"" }))?;
    served.caught_up()?;
    let connection = connect(served, marketo)?;
    figures.one("records", records as f64);
    for kind in Channel::ALL.into_iter().filter(|kind| only.is_none_or(|only| only == *kind)) {
        let channel = kind.name();
        let activation = activation(served, &connection, &segment, channel, &kind.options())?;
        let (before, sent) = (calls(marketo)?, bytes_out(served, &connection)?);
        let began = Instant::now();
        let operation = served.call("POST", &format!("activations/{activation}/deliveries"), Some(&json!({})))?;
        let ended = served.follow(&operation)?;
        let seconds = began.elapsed().as_secs_f64();
        let id = ended["subject"].as_str().context("no delivery")?;
        let delivery = served.call("GET", &format!("deliveries/{id}"), None)?;
        println!("{channel}: {}", delivery["notes"]);
        let books = &delivery["books"];
        let accepted = books["created"].as_f64().unwrap_or(0.0) + books["updated"].as_f64().unwrap_or(0.0);
        ensure!(accepted > 0.0 && books["pending"] == 0, "{books}");
        let (made, bytes) = (calls(marketo)? - before, bytes_out(served, &connection)? - sent);
        // A file is as many calls whatever is in it; of calls, each takes as many members.
        let large = match kind {
            Channel::Files => (bytes / accepted * LARGE / FILE_BYTES).ceil() * (made / (bytes / FILE_BYTES).ceil()),
            Channel::Calls => made / accepted * LARGE,
        };
        figures.one(&format!("{channel}_seconds"), seconds);
        figures.one(&format!("{channel}_made"), made);
        figures.one(&format!("{channel}_bytes_a_member"), bytes / accepted);
        figures.one(&format!("{channel}_for_a_million"), large);
        figures.one(&format!("{channel}_minutes_for_a_million"), large / CALLS_PER_MINUTE);
    }
    filled.stop();
    Ok(())
}

/// From a record that makes somebody a member, sent to the host, to the list's having taken them: by `after: change`.
pub fn measure_latency(figures: &mut Figures, rounds: u32) -> Result<()> {
    // More members a second than one are more calls than the pace allows.
    const PAUSE: Duration = Duration::from_secs(4);
    let filled = fill(10)?;
    let (served, marketo) = (&filled.served, &filled.marketo);
    let segment = served.made("segments", &json!({ "name": "HR", "expression": "person.department == \"Bench\"" }))?;
    served.caught_up()?;
    let connection = connect(served, marketo)?;
    let activation = activation(served, &connection, &segment, "latency", &json!({ "mode": "create" }))?;
    served.call("PUT", &format!("activations/{activation}/schedule"), Some(&json!({ "after": "change" })))?;
    // The first delivery makes the list.
    let rounds = rounds.max(20);
    let mut seconds = Vec::new();
    for round in 0..=rounds {
        std::thread::sleep(PAUSE);
        let person = json!({ "id": round.to_string(), "fields": { "email": format!("bench{round}@x.example"), "department": "Bench" } });
        let body = json!({ "source": { "system": "Bench", "id": "b" }, "entity": "person", "records": [person] });
        let began = Instant::now();
        served.call("POST", "records", Some(&body))?;
        loop {
            let held = served.call("GET", &format!("activations/{activation}/members?limit=200"), None)?;
            let is_held = |member: &&Value| member["held_at"].is_string();
            let count = held["items"].as_array().into_iter().flatten().filter(is_held).count();
            if count as u64 > u64::from(round) {
                break;
            }
            ensure!(began.elapsed() < Duration::from_secs(120), "member {round} is not taken: {held}");
            std::thread::sleep(Duration::from_millis(10));
        }
        if round > 0 {
            seconds.push(began.elapsed().as_secs_f64());
        }
    }
    figures.one("accepted_p50_s", percentile(&mut seconds.clone(), 50.0));
    figures.one("accepted_p95_s", percentile(&mut seconds, 95.0));
    filled.stop();
    Ok(())
}
