//! `attiva evaluation`.

use super::input::{PageArgs, json_file};
use super::output::{Column, Output};
use super::{Client, Failure, follow};
use crate::exit::Exit;
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::PathBuf;
use ureq::http::Method;

#[derive(Debug, Subcommand)]
pub(crate) enum Evaluation {
    /// Evaluate segments now: those named, or all that are evaluated in batch.
    Start {
        segments: Vec<String>,
        /// Wait for its end; the exit code tells how it went.
        #[arg(long)]
        follow: bool,
    },
    /// List evaluations, oldest first.
    List(PageArgs),
    /// Show an evaluation, segment by segment.
    Show { evaluation: String },
    /// End an evaluation before the next segment's turn; what has its result keeps it.
    Cancel { evaluation: String },
    /// Show when evaluations start by themselves.
    Schedule,
    /// Put another schedule in its place.
    PutSchedule {
        /// JSON file: {"every_seconds": 900} or {"cron": "0 6 * * *"}; `-` for standard input.
        file: PathBuf,
    },
}

const COLUMNS: [Column; 6] = [
    ("id", "/id"),
    ("status", "/status"),
    ("cause", "/cause"),
    ("queued", "/queued_at"),
    ("ended", "/ended_at"),
    ("fault", "/fault/message"),
];

const SEGMENTS: [Column; 5] = [
    ("segment", "/segment"),
    ("entered", "/entered"),
    ("left", "/left"),
    ("members", "/members"),
    ("fault", "/fault/message"),
];

pub(crate) fn run(command: Evaluation, client: &Client, output: &Output) -> Result<Exit, Failure> {
    match command {
        Evaluation::Start { segments, follow } => {
            let operation = client.post(&client.scoped("evaluations"), &json!({ "segments": segments }))?;
            let id = operation.get("subject").and_then(Value::as_str).unwrap_or_default().to_owned();
            if follow {
                follow::operation(client, &operation, output)?;
            }
            return show(&id, follow, client, *output);
        }
        Evaluation::List(page) => {
            output.list(&client.get(&page.path(&client.scoped("evaluations"), &[]))?, &COLUMNS);
        }
        Evaluation::Show { evaluation } => return show(&evaluation, false, client, *output),
        Evaluation::Cancel { evaluation } => {
            client.post(&client.scoped(&format!("evaluations/{evaluation}/cancel")), &json!({}))?;
            output.note(&format!("{evaluation} ends before the next segment's turn."));
        }
        Evaluation::Schedule => output.json(&client.get(&client.scoped("evaluation-schedule"))?),
        Evaluation::PutSchedule { file } => {
            let path = client.scoped("evaluation-schedule");
            output.json(&client.send_json(Method::PUT, &path, &json_file(&file)?)?.json()?);
        }
    }
    Ok(Exit::Done)
}

fn show(id: &str, followed: bool, client: &Client, output: Output) -> Result<Exit, Failure> {
    let found = client.get(&client.scoped(&format!("evaluations/{id}")))?;
    if output.is_json() {
        output.json(&found);
    } else {
        output.one(&found, &COLUMNS);
        output.list(&json!({ "items": found["segments"] }), &SEGMENTS);
    }
    Ok(if followed && !follow::succeeded(&found) { Exit::Fault } else { Exit::Done })
}
