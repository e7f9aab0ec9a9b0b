//! `attiva plugin`.

mod shown;
mod signing;

pub(crate) use signing::{Signer, package, packaged};

use super::input::{self, PageArgs};
use super::output::{Column, Output};
use super::{Client, Failure, Global};
use crate::api::PACKAGE;
use crate::exit::Exit;
use attiva_core::plugin::package::is_package;
use clap::Subcommand;
use serde_json::{Value, json};
use shown::{considered, inspection};
use std::path::PathBuf;
use ureq::http::Method;

#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// Install a package. What it asks for is shown, and waits for approval.
    Install {
        /// The package, or a component alone; `-` for standard input, `https://...` to have the host fetch it.
        file: String,
        /// The file's SHA-256: needed for an address.
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
        /// Approve what it asks for with the same command.
        #[arg(long)]
        approve: bool,
        /// Install it though nobody has signed it, for this reason. Audited.
        #[arg(long, value_name = "REASON")]
        allow_unsigned: Option<String>,
    },
    /// List what is installed.
    List(PageArgs),
    /// Show what a plugin says of itself, and what that allows it.
    Inspect {
        /// `source-marketo`, or `source-marketo@0.1.0`.
        plugin: String,
    },
    /// Let a version be used that waits for approval.
    Approve { plugin: String },
    /// Take out a version that waits for approval.
    Decline { plugin: String },
    /// Put a version in use: connections that follow a range begin with it. Runs that go on keep theirs.
    Activate {
        /// `source-marketo@0.2.0`.
        plugin: String,
        /// Only show which connections it concerns, and which could not begin with it.
        #[arg(long)]
        dry_run: bool,
    },
    /// Put the version before in use again.
    Rollback {
        /// `source-marketo`.
        plugin: String,
    },
    /// Let nothing more begin with a version. What goes on with it goes on to its end.
    Disable { plugin: String },
    /// Let a version be used again.
    Enable { plugin: String },
    /// Make no call of a version any more, at once: what goes on with it is stopped at its next call.
    Quarantine {
        plugin: String,
        /// Why; it stands in the audit log.
        #[arg(long)]
        reason: String,
    },
    /// Let a version out of quarantine.
    Release { plugin: String },
    /// Take a version out. What still needs it is named.
    Uninstall { plugin: String },
    /// List what needs a version: connections that begin with it, runs and deliveries that go on with it.
    Dependents { plugin: String },
    /// Show what a version's calls cost, by connection.
    Usage { plugin: String },
    /// Make a key to sign packages with.
    Keygen {
        /// Where the private key goes. It is not overwritten.
        file: PathBuf,
    },
    /// Sign a component: writes the head of its package, to be kept or sent apart.
    Sign {
        component: PathBuf,
        #[command(flatten)]
        signer: signing::Signer,
        /// Where the signature goes; else beside the component, with `.signature` at its end.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Make a package: a component and its signature in one file.
    Package {
        component: PathBuf,
        /// What `sign` wrote; or sign now, with a key.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["signing_key", "development"])]
        signature: Option<PathBuf>,
        #[command(flatten)]
        signer: signing::Signer,
        /// Where the package goes; else beside the component, as `<name>-<version>.plugin`.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Trust a publisher with a key and with names of plugins.
    Trust {
        publisher: String,
        /// One more of its keys: `ed25519:...`. Obtain it by another way than the package.
        #[arg(long, value_name = "KEY")]
        public_key: Option<String>,
        /// A name it may publish under; may be given several times.
        #[arg(long = "plugin", value_name = "NAME")]
        plugins: Vec<String>,
    },
    /// Take nothing more from a publisher. What is installed stays.
    Untrust { publisher: String },
    /// Revoke a publisher's key: what it signed is put into quarantine.
    Revoke {
        publisher: String,
        #[arg(long, value_name = "KEY")]
        public_key: String,
        #[arg(long)]
        reason: String,
    },
    /// List publishers, their keys and names.
    Publishers(PageArgs),
    /// Check everything that is installed as if it came now. Exit code 1 if something would be refused.
    Audit,
}

pub(crate) const COLUMNS: [Column; 8] = [
    ("id", "/id"),
    ("title", "/title"),
    ("publisher", "/publisher"),
    ("stage", "/stage"),
    ("in use", "/in_use"),
    ("signed by", "/provenance/kind"),
    ("source", "/source"),
    ("destination", "/destination"),
];

const PUBLISHER: [Column; 3] = [("publisher", "/name"), ("trusted", "/trusted"), ("plugins", "/plugins")];

pub(crate) fn run(command: Plugin, global: &Global, output: Output) -> Result<Exit, Failure> {
    match command {
        // Those that need no host.
        Plugin::Keygen { file } => signing::keygen(&file, output),
        Plugin::Sign { component, signer, out } => signing::sign(&component, &signer, out, output),
        Plugin::Package { component, signature, signer, out } => {
            signing::package(&component, signature.as_deref(), &signer, out, output)
        }
        command => with_host(command, &Client::new(global)?, output),
    }
}

fn with_host(command: Plugin, client: &Client, output: Output) -> Result<Exit, Failure> {
    let place = |plugin: &str| format!("/v1/plugins/{}", super::client::encoded(plugin));
    let publisher = |name: &str| format!("/v1/publishers/{}", super::client::encoded(name));
    match command {
        Plugin::Install { file, sha256, approve, allow_unsigned } => {
            install(client, output, &file, sha256, approve, allow_unsigned)?;
        }
        Plugin::List(page) => output.list(&client.get(&page.path("/v1/plugins", &[]))?, &COLUMNS),
        Plugin::Inspect { plugin } => inspection(&client.get(&place(&plugin))?, output),
        Plugin::Approve { plugin } => {
            output.one(&client.post(&format!("{}/approve", place(&plugin)), &json!({}))?, &COLUMNS);
        }
        Plugin::Decline { plugin } => {
            client.send_json(Method::POST, &format!("{}/decline", place(&plugin)), &json!({}))?;
            output.note(&format!("{plugin} is not installed."));
        }
        Plugin::Disable { plugin } => {
            output.one(&client.post(&format!("{}/disable", place(&plugin)), &json!({}))?, &COLUMNS);
        }
        Plugin::Enable { plugin } => {
            output.one(&client.post(&format!("{}/enable", place(&plugin)), &json!({}))?, &COLUMNS);
        }
        Plugin::Quarantine { plugin, reason } => {
            let body = json!({ "reason": reason });
            output.one(&client.post(&format!("{}/quarantine", place(&plugin)), &body)?, &COLUMNS);
        }
        Plugin::Dependents { plugin } => dependents(client, output, &place(&plugin))?,
        Plugin::Release { plugin } => {
            output.one(&client.post(&format!("{}/release", place(&plugin)), &json!({}))?, &COLUMNS);
        }
        Plugin::Uninstall { plugin } => {
            client.send(Method::DELETE, &place(&plugin), None)?;
            output.note(&format!("{plugin} is taken out."));
        }
        Plugin::Usage { plugin } => output.list(&client.get(&format!("{}/usage", place(&plugin)))?, &USAGE),
        Plugin::Activate { plugin, dry_run: true } => {
            output.list(&client.get(&format!("{}/affected", place(&plugin)))?, &CONCERNED);
        }
        Plugin::Activate { plugin, dry_run: false } => {
            upgraded(&client.post(&format!("{}/activate", place(&plugin)), &json!({}))?, output);
        }
        Plugin::Rollback { plugin } => {
            upgraded(&client.post(&format!("{}/rollback", place(&plugin)), &json!({}))?, output);
        }
        Plugin::Trust { publisher: name, public_key, plugins } => {
            let body = json!({ "public_key": public_key, "plugins": plugins });
            output.one(&client.send_json(Method::PUT, &publisher(&name), &body)?.json()?, &PUBLISHER);
        }
        Plugin::Untrust { publisher: name } => {
            output.one(&client.send(Method::DELETE, &publisher(&name), None)?.json()?, &PUBLISHER);
            output.note("What is installed stays; `attiva plugin audit` names it.");
        }
        Plugin::Revoke { publisher: name, public_key, reason } => {
            let body = json!({ "public_key": public_key, "reason": reason });
            let revoked = client.post(&format!("{}/revocations", publisher(&name)), &body)?;
            output.one(&revoked, &[("revoked", "/public_key"), ("quarantined", "/quarantined")]);
        }
        Plugin::Publishers(page) => {
            let keys = ("keys", "/keys/0/public_key");
            output.list(&client.get(&page.path("/v1/publishers", &[]))?, &[&PUBLISHER[..], &[keys]].concat());
        }
        Plugin::Audit => return audit(client, output),
        Plugin::Keygen { .. } | Plugin::Sign { .. } | Plugin::Package { .. } => {}
    }
    Ok(Exit::Done)
}

fn install(
    client: &Client,
    output: Output,
    file: &str,
    sha256: Option<String>,
    approve: bool,
    allow_unsigned: Option<String>,
) -> Result<(), Failure> {
    let mut query = vec![format!("approve={approve}")];
    query.extend(allow_unsigned.map(|reason| format!("allow_unsigned={}", super::client::encoded(&reason))));
    let path = format!("/v1/plugins?{}", query.join("&"));
    let answer = if file.starts_with("https://") || file.starts_with("http://") {
        let needed = || Failure::Usage("--sha256 must say which file it is that lies there".into());
        let body = json!({ "url": file, "sha256": sha256.ok_or_else(needed)? });
        client.send_json(Method::POST, &path, &body)?
    } else {
        let bytes = input::bytes(PathBuf::from(file).as_path())?;
        if let Some(wanted) = sha256 {
            signing::check_digest(&bytes, &wanted)?;
        }
        let media_type = if is_package(&bytes) { PACKAGE } else { "application/wasm" };
        client.send(Method::POST, &path, Some((media_type, bytes)))?
    };
    let installed = answer.json()?;
    considered(&installed, output);
    let id = installed.pointer("/id").and_then(Value::as_str).unwrap_or_default();
    output.note(&match installed.pointer("/stage").and_then(Value::as_str) {
        Some("awaiting-approval") => {
            format!("It waits: `attiva plugin approve {id}`, or `attiva plugin decline {id}`.")
        }
        _ if answer.status == 201 => "Installed.".to_owned(),
        _ => "It was installed already.".to_owned(),
    });
    Ok(())
}

const USAGE: [Column; 8] = [
    ("sandbox", "/sandbox"),
    ("connection", "/connection"),
    ("calls", "/calls"),
    ("failed", "/failed"),
    ("rows", "/rows"),
    ("cpu ms", "/cpu_ms"),
    ("peak bytes", "/peak_memory_bytes"),
    ("hosts", "/hosts"),
];

const DEPENDENT: [Column; 3] = [("sandbox", "/sandbox"), ("kind", "/kind"), ("id", "/id")];

fn dependents(client: &Client, output: Output, plugin: &str) -> Result<(), Failure> {
    let found = client.get(&format!("{plugin}/dependents"))?;
    output.list(&found, &DEPENDENT);
    let others = found.get("of_other_organisations").and_then(Value::as_u64).unwrap_or_default();
    if others > 0 && !output.is_json() {
        output.note(&format!("And {others} of other organisations."));
    }
    Ok(())
}

const CONCERNED: [Column; 6] = [
    ("sandbox", "/sandbox"),
    ("connection", "/connection"),
    ("name", "/name"),
    ("from", "/from"),
    ("to", "/to"),
    ("problems", "/problems"),
];

fn upgraded(upgraded: &Value, output: Output) {
    output.one(upgraded, &[("in use", "/in_use"), ("before", "/before")]);
    if !output.is_json() && !shown::items(upgraded, "/affected").is_empty() {
        output.list(&json!({ "items": upgraded.get("affected") }), &CONCERNED);
    }
}

fn audit(client: &Client, output: Output) -> Result<Exit, Failure> {
    let audited = client.get("/v1/plugin-audit")?;
    let good = audited.pointer("/good").and_then(Value::as_bool).unwrap_or(false);
    if output.is_json() {
        output.json(&audited);
    } else {
        let columns = [("id", "/id"), ("stage", "/stage"), ("signed by", "/provenance/kind"), ("good", "/good")];
        output.list(&audited, &columns);
        for item in shown::items(&audited, "/items") {
            for problem in shown::items(item, "/problems") {
                let text = |pointer: &str| shown::str_of(problem, pointer);
                output.line(&format!("{}: {}. {}", shown::str_of(item, "/id"), text("/message"), text("/action")));
            }
        }
    }
    Ok(if good { Exit::Done } else { Exit::Fault })
}
