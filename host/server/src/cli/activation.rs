//! `attiva activation`.

use super::input::{self, PageArgs};
use super::output::{Column, Output};
use super::{Client, Failure, delivery, follow};
use crate::exit::Exit;
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::PathBuf;
use ureq::http::Method;

#[derive(Debug, Subcommand)]
pub(crate) enum Activation {
    /// Join a segment to a destination.
    Create(Box<Create>),
    /// List activations.
    List(PageArgs),
    /// Deliver now.
    Run {
        /// Its id, or its name.
        activation: String,
        /// Plan it: show what would be sent, and send nothing.
        #[arg(long)]
        dry_run: bool,
        /// Wait for its end; the exit code tells how it went.
        #[arg(long)]
        follow: bool,
    },
    /// Say when it delivers by itself; with nothing said, only when it is asked to.
    Schedule {
        activation: String,
        /// Seconds from the start of one delivery to the start of the next.
        #[arg(long, value_name = "SECONDS")]
        every_seconds: Option<u32>,
        #[command(flatten)]
        times: Times,
    },
    /// Start no delivery, and hold the one that is going at its next batch.
    Pause { activation: String },
    /// Go on after a pause.
    Resume { activation: String },
    /// Want nobody any more: the next delivery removes whom no other activation wants.
    Retire { activation: String },
    /// Delete an activation. Whom it wanted stays at the destination, unless it was retired before.
    Delete { activation: String },
    /// List what the target holds, by its own word.
    Members {
        activation: String,
        #[command(flatten)]
        page: PageArgs,
    },
    /// List members that are not at the destination as wanted, and why.
    Refusals {
        activation: String,
        /// Of one reason.
        #[arg(long)]
        code: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Send refused members again with the next delivery.
    Replay {
        activation: String,
        /// Of one reason.
        #[arg(long)]
        code: Option<String>,
        /// Refused at or after this instant.
        #[arg(long)]
        since: Option<String>,
        /// Refused before this instant.
        #[arg(long)]
        until: Option<String>,
    },
    /// Show what all its deliveries that have ended came to together.
    Books {
        /// Its id, or its name.
        activation: String,
    },
    /// Read the target back, and compare it with what it acknowledged.
    Readback {
        /// Its id, or its name.
        activation: String,
        /// Wait for its end; the exit code tells how it went.
        #[arg(long)]
        follow: bool,
    },
    /// End the reading of the target that is going; nothing follows from it.
    CancelReadback {
        /// Its id, or its name.
        activation: String,
    },
    /// Show what the newest reading of the target found, and list who is missing there, or back.
    Drift {
        activation: String,
        /// `missing` or `returned`.
        #[arg(long)]
        kind: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Say what follows from drift, and when the target is read back by itself.
    OnDrift {
        activation: String,
        /// `report`: it is shown. `repair`: the next delivery puts right what is ours.
        #[arg(value_parser = ["report", "repair"])]
        on_drift: String,
        /// Seconds from the start of one reading to the start of the next; without it, only when it is asked for.
        #[arg(long, value_name = "SECONDS")]
        every_seconds: Option<u32>,
    },
    /// Show an activation.
    Show { activation: String },
}

/// Join a segment to a destination.
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// For people.
    #[arg(long)]
    name: String,
    #[arg(long)]
    segment: String,
    /// Of an audience of accounts, the people of each by this way: `people`, `people_by_relation`, `people_by_role`,
    /// `matched_people`. May be given several times; without it, the accounts are sent.
    #[arg(long = "people", value_name = "WAY")]
    people: Vec<String>,
    /// Of those people, only these: CEL over `person`.
    #[arg(long, value_name = "EXPRESSION", requires = "people")]
    people_where: Option<String>,
    /// The destination connection.
    #[arg(long)]
    connection: String,
    /// The kind of object to fill: `file`.
    #[arg(long)]
    object: String,
    /// The target's name at the vendor; without it, the activation's.
    #[arg(long)]
    target: Option<String>,
    /// JSON file with the target's options; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    options: Option<PathBuf>,
    /// A field of the destination and what it gets, such as email=person.email
    #[arg(long = "map", value_name = "FIELD=EXPRESSION", required = true)]
    mapping: Vec<String>,
    /// A mapped field without which a member is left out.
    #[arg(long = "require", value_name = "FIELD")]
    required: Vec<String>,
    /// Seconds from the start of one delivery to the start of the next.
    #[arg(long, value_name = "SECONDS")]
    every_seconds: Option<u32>,
    #[command(flatten)]
    times: Times,
    /// Of a file: `full` (everybody, every time) or `incremental` (everybody once, then what has changed).
    #[arg(long)]
    export: Option<String>,
    /// Share of the target's members that one delivery may remove; more waits for approval.
    #[arg(long, value_name = "PERCENT")]
    removals_max_percent: Option<u8>,
    /// What it sends for, as channel/purpose: `email/newsletter`. The sandbox's consent rules say what that needs.
    #[arg(long = "for", value_name = "CHANNEL/PURPOSE")]
    consent: Option<String>,
}

/// Times beside an interval.
#[derive(Debug, clap::Args)]
pub(crate) struct Times {
    /// At the times of cron, in UTC: "0 6 * * mon-fri".
    #[arg(long)]
    cron: Option<String>,
    /// After what happens to the audience: `change` (evaluated in streaming) or `evaluation` (in batch).
    #[arg(long, value_name = "WHAT")]
    after: Option<String>,
}

const COLUMNS: [Column; 6] = [
    ("id", "/id"),
    ("name", "/name"),
    ("segment", "/segment"),
    ("connection", "/connection"),
    ("object", "/target/object"),
    ("target", "/target/name"),
];

pub(crate) fn run(command: Activation, client: &Client, output: &Output) -> Result<Exit, Failure> {
    match command {
        Activation::Create(new) => create(*new, client, *output)?,
        Activation::List(page) => output.list(&client.get(&page.path(&client.scoped("activations"), &[]))?, &COLUMNS),
        Activation::Schedule { activation, every_seconds, times } => {
            let path = client.scoped(&format!("activations/{activation}/schedule"));
            let changed = client.send_json(Method::PUT, &path, &json!(schedule(every_seconds, &times)))?.json()?;
            output.one(&changed, &COLUMNS);
            output.one(&changed, &[("schedule", "/schedule")]);
        }
        Activation::Pause { activation } => turn(&activation, "pause", client, *output)?,
        Activation::Resume { activation } => turn(&activation, "resume", client, *output)?,
        Activation::Retire { activation } => turn(&activation, "retire", client, *output)?,
        Activation::Delete { activation } => {
            client.send(Method::DELETE, &client.scoped(&format!("activations/{activation}")), None)?;
            output.note(&format!("{activation} is deleted."));
        }
        Activation::Members { activation, page } => {
            let path = page.path(&client.scoped(&format!("activations/{activation}/members")), &[]);
            let columns =
                [("profile", "/profile"), ("held", "/held"), ("since", "/held_at"), ("refusal", "/refusal/code")];
            output.list(&client.get(&path)?, &columns);
        }
        Activation::Refusals { activation, code, page } => {
            let path = client.scoped(&format!("activations/{activation}/refusals"));
            let path = page.path(&path, &[("code", code.as_deref())]);
            let columns = [
                ("profile", "/profile"),
                ("status", "/status"),
                ("code", "/code"),
                ("message", "/message"),
                ("again at", "/retry_at"),
            ];
            output.list(&client.get(&path)?, &columns);
        }
        Activation::Replay { activation, code, since, until } => {
            let path = client.scoped(&format!("activations/{activation}/refusals/replay"));
            let replayed = client.post(&path, &json!({ "code": code, "since": since, "until": until }))?;
            output.one(&replayed, &[("members sent again by the next delivery", "/members")]);
        }
        Activation::Run { activation, dry_run, follow } => {
            let activation = client.id_of("activations", "act_", &activation)?;
            let query = if dry_run { "?dry_run=true" } else { "" };
            let path = client.scoped(&format!("activations/{activation}/deliveries{query}"));
            let operation = client.post(&path, &json!({}))?;
            let delivery = operation.get("subject").and_then(Value::as_str).unwrap_or_default().to_owned();
            return delivery::show(&delivery, follow, client, output);
        }
        Activation::Books { activation } => {
            let activation = client.id_of("activations", "act_", &activation)?;
            let books = client.get(&client.scoped(&format!("activations/{activation}/books")))?;
            output.one(&books, &[("deliveries", "/deliveries"), ("not kept", "/not_kept"), ("since", "/since")]);
            output.one(&books, &delivery::BOOKS);
        }
        Activation::Readback { activation, follow } => {
            let activation = client.id_of("activations", "act_", &activation)?;
            let operation = client.post(&client.scoped(&format!("activations/{activation}/readback")), &json!({}))?;
            if follow {
                follow::operation(client, &operation, output)?;
            }
            return readback(&activation, follow, client, *output);
        }
        Activation::CancelReadback { activation } => {
            let activation = client.id_of("activations", "act_", &activation)?;
            let path = client.scoped(&format!("activations/{activation}/readback/cancel"));
            let operation = client.post(&path, &json!({}))?;
            let readback = operation.get("subject").and_then(Value::as_str).unwrap_or_default().to_owned();
            output.note(&match operation.get("done") {
                Some(Value::Bool(true)) => format!("{readback} has ended."),
                _ => format!("{readback} ends where it is; one that puts right what it found goes to its end."),
            });
        }
        Activation::Drift { activation, kind, page } => {
            let activation = client.id_of("activations", "act_", &activation)?;
            if !output.is_json() {
                readback(&activation, false, client, *output)?;
            }
            let path = client.scoped(&format!("activations/{activation}/readback/drift"));
            let found = client.get(&page.path(&path, &[("kind", kind.as_deref())]))?;
            output.list(&found, &[("profile", "/profile"), ("drift", "/kind"), ("put right", "/repaired")]);
        }
        Activation::OnDrift { activation, on_drift, every_seconds } => {
            let activation = client.id_of("activations", "act_", &activation)?;
            let mut setting = json!({ "on_drift": on_drift });
            if let (Some(every), Some(setting)) = (every_seconds, setting.as_object_mut()) {
                setting.insert("every_seconds".into(), json!(every));
            }
            let path = client.scoped(&format!("activations/{activation}/readback"));
            let changed = client.send_json(Method::PUT, &path, &setting)?.json()?;
            output.one(&changed, &COLUMNS);
            output.one(&changed, &[("readback", "/readback")]);
        }
        Activation::Show { activation } => {
            show(&client.get(&client.scoped(&format!("activations/{activation}")))?, *output)
        }
    }
    Ok(Exit::Done)
}

fn create(new: Create, client: &Client, output: Output) -> Result<(), Failure> {
    let Create {
        name,
        segment,
        people,
        people_where,
        connection,
        object,
        target,
        options,
        mapping,
        required,
        every_seconds,
        times,
        export,
        removals_max_percent,
        consent,
    } = new;
    let options = options.map(|path| input::json_file(&path)).transpose()?.unwrap_or_else(|| json!({}));
    let mut body = json!({
        "name": name,
        "segment": segment,
        "connection": connection,
        "target": { "object": object, "name": target.unwrap_or_else(|| name.clone()), "options": options },
        "mapping": fields(&mapping, &required)?,
        "removals_max_percent": removals_max_percent,
    });
    if let (Some(schedule), Some(body)) = (schedule(every_seconds, &times), body.as_object_mut()) {
        body.insert("schedule".into(), schedule);
    }
    if let (Some(export), Some(body)) = (export, body.as_object_mut()) {
        body.insert("export".into(), json!(export));
    }
    if let (false, Some(body)) = (people.is_empty(), body.as_object_mut()) {
        body.insert("expansion".into(), json!({ "by": people, "where": people_where }));
    }
    if let (Some(of), Some(body)) = (consent, body.as_object_mut()) {
        let (channel, purpose) =
            of.split_once('/').ok_or_else(|| Failure::Usage(format!("--for {of}: must be CHANNEL/PURPOSE")))?;
        body.insert("consent".into(), json!({ "channel": channel, "purpose": purpose }));
    }
    let made = client.post(&client.scoped("activations"), &body)?;
    output.one(&made, &COLUMNS);
    for warning in made.get("warnings").and_then(Value::as_array).into_iter().flatten() {
        output.note(&format!("warning: {}", warning.as_str().unwrap_or_default()));
    }

    Ok(())
}

/// `None`: nothing is said.
fn schedule(every_seconds: Option<u32>, Times { cron, after }: &Times) -> Option<Value> {
    let all = [("every_seconds", json!(every_seconds)), ("cron", json!(cron)), ("after", json!(after))];
    let said: serde_json::Map<String, Value> =
        all.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.to_owned(), value)).collect();
    (!said.is_empty()).then_some(Value::Object(said))
}

fn turn(activation: &str, how: &str, client: &Client, output: Output) -> Result<(), Failure> {
    let turned = client.post(&client.scoped(&format!("activations/{activation}/{how}")), &json!({}))?;
    output.one(&turned, &COLUMNS);
    output.one(&turned, &[("paused", "/paused"), ("retired", "/retired")]);
    Ok(())
}

fn fields(mapping: &[String], required: &[String]) -> Result<Vec<Value>, Failure> {
    let mut fields = Vec::new();
    for pair in mapping {
        let (field, expression) =
            pair.split_once('=').ok_or_else(|| Failure::Usage(format!("--map `{pair}` must be FIELD=EXPRESSION")))?;
        let is_required = required.iter().any(|r| r == field);
        fields.push(json!({ "field": field, "expression": expression, "required": is_required }));
    }
    let is_mapped = |name: &&String| fields.iter().any(|f| f.get("field").and_then(Value::as_str) == Some(name));
    match required.iter().find(|name| !is_mapped(name)) {
        Some(name) => Err(Failure::Usage(format!("--require {name}: the field is not mapped"))),
        None => Ok(fields),
    }
}

fn show(activation: &Value, output: Output) {
    if output.is_json() {
        return output.json(activation);
    }
    output.one(activation, &COLUMNS);
    output.one(activation, &[("options", "/target/options"), ("schedule", "/schedule"), ("export", "/export")]);
    let mapping = json!({ "items": activation.get("mapping").cloned().unwrap_or_default() });
    output.list(&mapping, &[("field", "/field"), ("expression", "/expression"), ("required", "/required")]);
}

const READBACK: [Column; 6] = [
    ("id", "/id"),
    ("status", "/status"),
    ("phase", "/phase"),
    ("on drift", "/on_drift"),
    ("started", "/started_at"),
    ("ended", "/ended_at"),
];
const FOUND: [Column; 8] = [
    ("there", "/counts/there"),
    ("as known", "/counts/as_known"),
    ("missing", "/counts/missing"),
    ("returned", "/counts/returned"),
    ("others'", "/counts/foreign"),
    ("unnamed", "/counts/unnamed"),
    ("not judged", "/counts/unsettled"),
    ("put right", "/counts/repaired"),
];

/// Shows the newest reading of an activation's target.
fn readback(activation: &str, followed: bool, client: &Client, output: Output) -> Result<Exit, Failure> {
    let found = client.get(&client.scoped(&format!("activations/{activation}/readback")))?;
    if output.is_json() {
        output.json(&found);
    } else {
        output.one(&found, &READBACK);
        output.one(&found, &[("fault", "/fault/message"), ("what to do", "/fault/action")]);
        output.one(&found, &[("left alone", "/left_alone"), ("strangers", "/strangers")]);
        output.one(&found, &FOUND);
    }
    Ok(if followed && !follow::succeeded(&found) { Exit::Fault } else { Exit::Done })
}
