//! `attiva activation`.

use super::input::{self, PageArgs};
use super::output::{Column, Output};
use super::{Client, Failure, delivery};
use crate::exit::Exit;
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Activation {
    /// Join a segment to a destination.
    Create {
        /// For people.
        #[arg(long)]
        name: String,
        #[arg(long)]
        segment: String,
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
    },
    /// List activations.
    List(PageArgs),
    /// Deliver now.
    Run {
        activation: String,
        /// Wait for its end; the exit code tells how it went.
        #[arg(long)]
        follow: bool,
    },
    /// Show an activation.
    Show { activation: String },
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
        Activation::Create { name, segment, connection, object, target, options, mapping, required, every_seconds } => {
            let options = options.map(|path| input::json_file(&path)).transpose()?.unwrap_or_else(|| json!({}));
            let mut body = json!({
                "name": name,
                "segment": segment,
                "connection": connection,
                "target": { "object": object, "name": target.unwrap_or_else(|| name.clone()), "options": options },
                "mapping": fields(&mapping, &required)?,
            });
            if let (Some(every_seconds), Some(body)) = (every_seconds, body.as_object_mut()) {
                body.insert("schedule".into(), json!({ "every_seconds": every_seconds }));
            }
            let made = client.post(&client.scoped("activations"), &body)?;
            output.one(&made, &COLUMNS);
            for warning in made.get("warnings").and_then(Value::as_array).into_iter().flatten() {
                output.note(&format!("warning: {}", warning.as_str().unwrap_or_default()));
            }
        }
        Activation::List(page) => output.list(&client.get(&page.path(&client.scoped("activations"), &[]))?, &COLUMNS),
        Activation::Run { activation, follow } => {
            let path = client.scoped(&format!("activations/{activation}/deliveries"));
            let operation = client.post(&path, &json!({}))?;
            let delivery = operation.get("subject").and_then(Value::as_str).unwrap_or_default().to_owned();
            return delivery::show(&delivery, follow, client, output);
        }
        Activation::Show { activation } => {
            show(&client.get(&client.scoped(&format!("activations/{activation}")))?, *output)
        }
    }
    Ok(Exit::Done)
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
    output.one(activation, &[("options", "/target/options"), ("every_seconds", "/schedule/every_seconds")]);
    let mapping = json!({ "items": activation.get("mapping").cloned().unwrap_or_default() });
    output.list(&mapping, &[("field", "/field"), ("expression", "/expression"), ("required", "/required")]);
}
