//! `attiva consent` and `attiva suppression`.

use super::input::{PageArgs, json_file};
use super::output::{Column, Output};
use super::{Client, Failure};
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::PathBuf;
use ureq::http::Method;

#[derive(Debug, Subcommand)]
pub(crate) enum Consent {
    /// List what persons said.
    List {
        #[command(flatten)]
        page: PageArgs,
        #[command(flatten)]
        who: Who,
    },
    /// Put what persons said; the same again changes nothing.
    Put {
        /// JSON file with a list: [{"identity": {"namespace": "email", "value": "a@example.com"}, "channel": "email",
        /// "purpose": "news", "given": true, "source": "form", "at": "2026-11-23T10:00:00Z"}]; `-` for standard input.
        file: PathBuf,
    },
    /// Tell whether somebody may be sent something.
    Decide {
        #[arg(long)]
        channel: String,
        #[arg(long)]
        purpose: String,
        /// An identity of theirs, such as email=a@example.com; may be repeated.
        #[arg(long = "identity", value_name = "NAMESPACE=VALUE", required = true)]
        identities: Vec<String>,
    },
    /// What has to be asked before something is sent.
    #[command(subcommand)]
    Rules(Rules),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Rules {
    /// Show the rules that hold.
    Show,
    /// Publish rules: the next deliveries ask again about every member.
    Publish {
        /// JSON file with the rules; `-` for standard input.
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Suppression {
    /// List who is not sent anything.
    List {
        #[command(flatten)]
        page: PageArgs,
        #[command(flatten)]
        who: Who,
    },
    /// Put who is not sent anything; the same again changes nothing.
    Put {
        /// JSON file with a list: [{"identity": {"namespace": "email", "value": "a@example.com"}, "channel": "*",
        /// "reason": "asked", "source": "desk", "at": "2026-11-23T10:00:00Z"}]; `-` for standard input.
        file: PathBuf,
    },
    /// Take suppressions back.
    Remove {
        /// JSON file with a list: [{"identity": {...}, "channel": "*"}]; `-` for standard input.
        file: PathBuf,
    },
}

/// Of one identity alone.
#[derive(Debug, clap::Args)]
pub(crate) struct Who {
    #[arg(long, requires = "value")]
    namespace: Option<String>,
    #[arg(long, requires = "namespace")]
    value: Option<String>,
}

impl Who {
    fn filter(&self) -> [(&str, Option<&str>); 2] {
        [("namespace", self.namespace.as_deref()), ("value", self.value.as_deref())]
    }
}

const NAMESPACE: Column = ("namespace", "/identity/namespace");
const VALUE: Column = ("value", "/identity/value");
const TAKEN: [Column; 2] = [("received", "/received"), ("changed", "/changed")];

pub(crate) fn run(command: Consent, client: &Client, output: Output) -> Result<(), Failure> {
    match command {
        Consent::List { page, who } => {
            let found = client.get(&page.path(&client.scoped("consents"), &who.filter()))?;
            let columns = [NAMESPACE, VALUE, ("channel", "/channel"), ("purpose", "/purpose"), ("given", "/given")];
            output.list(&found, &[&columns[..], &[("source", "/source"), ("at", "/at")]].concat());
        }
        Consent::Put { file } => put(client, output, "consents", "consents", &json_file(&file)?)?,
        Consent::Decide { channel, purpose, identities } => {
            let identity = |pair: &String| match pair.split_once('=') {
                Some((namespace, value)) => Ok(json!({ "namespace": namespace, "value": value })),
                None => Err(Failure::Usage(format!("--identity {pair}: must be NAMESPACE=VALUE"))),
            };
            let identities: Result<Vec<Value>, Failure> = identities.iter().map(identity).collect();
            let body = json!({ "channel": channel, "purpose": purpose, "identities": identities? });
            let decided = client.post(&client.scoped("consents/decide"), &body)?;
            output.one(&decided, &[("may send", "/may_send"), ("because", "/reason")]);
        }
        Consent::Rules(Rules::Show) => document(&client.get(&client.scoped("consent-rules"))?, output),
        Consent::Rules(Rules::Publish { file }) => {
            let published = client.send_json(Method::PUT, &client.scoped("consent-rules"), &json_file(&file)?)?;
            document(&published.json()?, output);
        }
    }
    Ok(())
}

/// A document that people edit, whole.
fn document(document: &Value, output: Output) {
    if output.is_json() {
        output.json(document);
    } else {
        output.line(&format!("{document:#}"));
    }
}

pub(crate) fn suppress(command: Suppression, client: &Client, output: Output) -> Result<(), Failure> {
    match command {
        Suppression::List { page, who } => {
            let found = client.get(&page.path(&client.scoped("suppressions"), &who.filter()))?;
            let columns = [NAMESPACE, VALUE, ("channel", "/channel"), ("reason", "/reason")];
            output.list(&found, &[&columns[..], &[("source", "/source"), ("at", "/at")]].concat());
        }
        Suppression::Put { file } => put(client, output, "suppressions", "suppressions", &json_file(&file)?)?,
        Suppression::Remove { file } => {
            put(client, output, "suppressions/remove", "suppressions", &json_file(&file)?)?;
        }
    }
    Ok(())
}

/// Most items that the host takes at once.
const ITEMS_MAX: usize = 1000;

/// A list of any length, as many requests as it takes. What a failure stops can be put again.
fn put(client: &Client, output: Output, path: &str, name: &str, list: &Value) -> Result<(), Failure> {
    let items = list.as_array().ok_or_else(|| Failure::Usage("the file must hold a JSON list".into()))?;
    let mut taken = [0, 0];
    for chunk in items.chunks(ITEMS_MAX) {
        let answer = client.post(&client.scoped(path), &json!({ name: chunk }))?;
        for (sum, key) in taken.iter_mut().zip(["received", "changed"]) {
            *sum += answer.get(key).and_then(Value::as_u64).unwrap_or_default();
        }
    }
    output.one(&json!({ "received": taken[0], "changed": taken[1] }), &TAKEN);
    Ok(())
}
