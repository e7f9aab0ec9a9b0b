//! `attiva privacy`.

use super::input::PageArgs;
use super::output::{Column, Output};
use super::{Client, Failure, follow};
use crate::exit::Exit;
use clap::Subcommand;
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub(crate) enum Privacy {
    /// Print all that is kept about somebody, as JSON.
    Access(Who),
    /// Forget somebody, here and at destinations, for good.
    Erase {
        #[command(flatten)]
        who: Who,
        /// Show what it would be about, and change nothing.
        #[arg(long)]
        dry_run: bool,
        /// Wait for its end.
        #[arg(long)]
        follow: bool,
    },
    /// List erasures, oldest first.
    List(PageArgs),
    /// Show an erasure with its receipts.
    Show { erasure: String },
    /// Wait no longer for destinations that do not answer.
    GiveUp { erasure: String },
}

/// Who is meant: by anything that names them.
#[derive(Debug, clap::Args)]
pub(crate) struct Who {
    /// What names them: email, `source_key`, ecid, a namespace of yours; profile for a profile's id.
    namespace: String,
    /// `-` reads it from standard input, so that it stands in no shell's history.
    value: String,
    /// What they are.
    #[arg(long, default_value = "person")]
    entity: String,
    /// Everybody who carries it, where it is shared.
    #[arg(long)]
    everybody: bool,
}

impl Who {
    fn body(&self) -> Result<Value, Failure> {
        let value = if self.value == "-" {
            let bytes = super::input::bytes(std::path::Path::new("-"))?;
            String::from_utf8(bytes).map_err(|_| Failure::Usage("standard input is not text".into()))?
        } else {
            self.value.clone()
        };
        Ok(json!({
            "entity": self.entity,
            "identity": { "namespace": self.namespace, "value": value.trim() },
            "everybody": self.everybody,
        }))
    }
}

const LIST: [Column; 5] =
    [("id", "/id"), ("entity", "/entity"), ("phase", "/phase"), ("started", "/started_at"), ("ended", "/ended_at")];
const PREVIEW: [Column; 6] = [
    ("profiles", "/profiles"),
    ("things about them", "/related"),
    ("records", "/records"),
    ("identities", "/identities"),
    ("shared with others", "/shared_identities"),
    ("targets", "/targets"),
];

pub(crate) fn run(command: Privacy, client: &Client, output: &Output) -> Result<Exit, Failure> {
    match command {
        Privacy::Access(who) => {
            let told = client.post(&client.scoped("privacy/access"), &who.body()?)?;
            // For whoever asked: to be read.
            if output.is_json() { output.json(&told) } else { output.line(&format!("{told:#}")) }
        }
        Privacy::Erase { who, dry_run: true, .. } => {
            output.one(&client.post(&client.scoped("privacy/erasures/preview"), &who.body()?)?, &PREVIEW);
        }
        Privacy::Erase { who, follow, .. } => {
            let operation = client.post(&client.scoped("privacy/erasures"), &who.body()?)?;
            if follow {
                follow::operation(client, &operation, output)?;
            }
            let id = operation.get("subject").and_then(Value::as_str).unwrap_or_default();
            show(&client.get(&client.scoped(&format!("privacy/erasures/{id}")))?, *output);
        }
        Privacy::List(page) => output.list(&client.get(&page.path(&client.scoped("privacy/erasures"), &[]))?, &LIST),
        Privacy::Show { erasure } => {
            show(&client.get(&client.scoped(&format!("privacy/erasures/{erasure}")))?, *output);
        }
        Privacy::GiveUp { erasure } => {
            let path = client.scoped(&format!("privacy/erasures/{erasure}/give-up"));
            show(&client.post(&path, &json!({}))?, *output);
        }
    }
    Ok(Exit::Done)
}

fn show(erasure: &Value, output: Output) {
    let more = [("waits for", "/waiting_for"), ("profiles", "/profiles"), ("tombstones", "/tombstones")];
    output.one(erasure, &[&LIST[..], &more[..], &[("bytes searched", "/bytes_searched")]].concat());
    if output.is_json() {
        return;
    }
    let text =
        |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    for (place, count) in erasure.get("places").and_then(Value::as_object).into_iter().flatten() {
        output.line(&format!("REMOVED {count} from {place}"));
    }
    let list = |name: &str| erasure.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    for destination in list("destinations") {
        let status = text(&destination, "/status").to_uppercase();
        let status = if status.is_empty() { "WAITING".to_owned() } else { status };
        output.line(&format!("{status} at {}: {}", text(&destination, "/name"), text(&destination, "/because")));
    }
    for left in list("left") {
        output.line(&format!("LEFT {}: {}", text(&left, "/what"), text(&left, "/because")));
    }
}
