//! `attiva run`.

use super::input::PageArgs;
use super::output::{Column, Output};
use super::{Client, Failure, follow};
use crate::exit::Exit;
use clap::Subcommand;
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub(crate) enum Run {
    /// Read a source now.
    Start {
        /// Its id, or its name.
        connection: String,
        /// Wait for its end; the exit code tells how it went.
        #[arg(long)]
        follow: bool,
    },
    /// List runs, oldest first.
    List {
        /// Of one connection.
        #[arg(long)]
        connection: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Read streams anew, beside the runs that follow their changes: all of them, or what is of a span of days.
    Backfill {
        /// Its id, or its name.
        connection: String,
        /// A stream; may be repeated.
        #[arg(long = "stream", required = true)]
        streams: Vec<String>,
        /// The first day, in UTC: 2026-01-31.
        #[arg(long, value_name = "DAY")]
        from: Option<String>,
        /// The last day, in UTC.
        #[arg(long, value_name = "DAY")]
        to: Option<String>,
        /// Begin from the start for good, in the place of the runs that follow changes: for a stream that cannot go on.
        #[arg(long)]
        reset: bool,
        /// Take what is not found any more to be deleted.
        #[arg(long)]
        infer_deletions: bool,
        /// Share of a stream's records, in percent, that may be deleted so; 20 unless said.
        #[arg(long, value_name = "PERCENT", requires = "infer_deletions")]
        deletions_max_percent: Option<u8>,
        /// Wait for its end; the exit code tells how it went.
        #[arg(long)]
        follow: bool,
    },
    /// Show a run.
    Show {
        run: String,
        /// Wait for its end; the exit code tells how it went.
        #[arg(long)]
        follow: bool,
    },
    /// End a run at its next page.
    Cancel { run: String },
    /// List what a run could not take, and why.
    Rejects {
        run: String,
        #[command(flatten)]
        page: PageArgs,
    },
}

const COLUMNS: [Column; 5] = [
    ("id", "/id"),
    ("connection", "/connection"),
    ("status", "/status"),
    ("started", "/started_at"),
    ("ended", "/ended_at"),
];

pub(crate) fn run(command: Run, client: &Client, output: &Output) -> Result<Exit, Failure> {
    match command {
        Run::Start { connection, follow } => {
            let connection = client.id_of("connections", "con_", &connection)?;
            let path = client.scoped(&format!("connections/{connection}/runs"));
            let operation = client.post(&path, &json!({}))?;
            let run = operation.get("subject").and_then(Value::as_str).unwrap_or_default().to_owned();
            show(&run, follow, client, output)
        }
        Run::Backfill { connection, streams, from, to, reset, infer_deletions, deletions_max_percent, follow } => {
            let connection = client.id_of("connections", "con_", &connection)?;
            let body = json!({
                "streams": streams, "from": from, "to": to, "reset": reset, "infer_deletions": infer_deletions,
                "deletions_max_percent": deletions_max_percent,
            });
            let operation = client.post(&client.scoped(&format!("connections/{connection}/backfill")), &body)?;
            let run = operation.get("subject").and_then(Value::as_str).unwrap_or_default().to_owned();
            show(&run, follow, client, output)
        }
        Run::List { connection, page } => {
            let path = page.path(&client.scoped("runs"), &[("connection", connection.as_deref())]);
            output.list(&client.get(&path)?, &COLUMNS);
            Ok(Exit::Done)
        }
        Run::Show { run, follow } => show(&run, follow, client, output),
        Run::Cancel { run } => {
            client.post(&client.scoped(&format!("runs/{run}/cancel")), &json!({}))?;
            output.note(&format!("{run} ends at its next page."));
            Ok(Exit::Done)
        }
        Run::Rejects { run, page } => {
            let path = page.path(&client.scoped(&format!("runs/{run}/rejects")), &[]);
            let columns = [("key", "/key"), ("code", "/code"), ("field", "/field"), ("message", "/message")];
            output.list(&client.get(&path)?, &columns);
            Ok(Exit::Done)
        }
    }
}

fn show(run: &str, follow: bool, client: &Client, output: &Output) -> Result<Exit, Failure> {
    if follow {
        follow::operation(client, &json!({ "id": format!("op_{run}") }), output)?;
    }
    let run = client.get(&client.scoped(&format!("runs/{run}")))?;
    if output.is_json() {
        output.json(&run);
    } else {
        output.one(&run, &COLUMNS);
        let fault = [
            ("trace", "/trace"),
            ("reads anew from", "/backfill/from"),
            ("reads anew to", "/backfill/to"),
            ("resets", "/backfill/reset"),
            ("infers deletions", "/backfill/infer_deletions"),
            ("fault", "/fault/message"),
            ("what to do", "/fault/action"),
            ("waits until", "/waiting_until"),
            ("is tried again", "/next_try_at"),
        ];
        output.one(&run, &fault);
        let streams = json!({ "items": run.get("streams").cloned().unwrap_or_default() });
        let columns = [
            ("stream", "/stream"),
            ("pages", "/pages"),
            ("received", "/received"),
            ("changed", "/changed"),
            ("unchanged", "/unchanged"),
            ("rejected", "/rejected"),
            ("calls", "/calls"),
            ("caught up", "/caught_up"),
            ("how far", "/estimate/phase"),
            ("fault", "/fault/message"),
        ];
        output.list(&streams, &columns);
        let held_back: Vec<Value> = streams["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|stream| stream.get("held_back").is_some())
            .cloned()
            .collect();
        if !held_back.is_empty() {
            let columns =
                [("held back", "/stream"), ("why", "/held_back/message"), ("what to do", "/held_back/action")];
            output.list(&json!({ "items": held_back }), &columns);
        }
        if run.get("held").is_some_and(|held| held.as_array().is_some_and(|held| !held.is_empty())) {
            let held = json!({ "items": run.get("held").cloned().unwrap_or_default() });
            output.list(&held, &[("not read", "/stream"), ("why", "/fault/message"), ("what to do", "/fault/action")]);
        }
    }
    Ok(if !follow || follow::succeeded(&run) { Exit::Done } else { Exit::Fault })
}
