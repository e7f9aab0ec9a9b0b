//! `attiva export`: what runs, as files.

use super::running::{self, Running};
use crate::cli::{Client, Failure, Output, yaml};
use crate::exit::Exit;
use attiva_core::declared::Kind;
use clap::Args;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The folder to write to, a file for each kind; without it, all goes to standard output.
    folder: Option<PathBuf>,
    /// Replace files that are there.
    #[arg(long)]
    overwrite: bool,
}

pub(crate) fn run(export: &Export, client: &Client, output: Output) -> Result<Exit, Failure> {
    let running = Running::read(client)?;
    if let Some((kind, name)) = running.ambiguous.first() {
        let message = format!(
            "several {}s are called `{name}`, and names are all that files know: rename all but one",
            kind.name()
        );
        return Err(Failure::Usage(message));
    }
    let mut secrets: BTreeMap<String, BTreeMap<String, bool>> = BTreeMap::new();
    let mut all: Vec<(Kind, Map<String, Value>)> = Vec::new();
    for entry in running.entries.iter().filter(|it| it.is_configured) {
        let mut of = BTreeMap::new();
        if entry.thing.kind == Kind::Connection {
            let plugin = running::text(&entry.answered, "plugin");
            if !secrets.contains_key(&plugin) {
                secrets.insert(plugin.clone(), running::secrets_of(client, &plugin)?);
            }
            of = secrets.get(&plugin).cloned().unwrap_or_default();
        }
        let body = running::exported(entry, &of);
        // Of limits and schedules nobody can tell whether they were ever set: what says nothing is not written.
        if !body.is_empty() {
            all.push((entry.thing.kind, body));
        }
    }
    all.sort_by(|(a, left), (b, right)| {
        (a, running::text(&json!(left), "name")).cmp(&(b, running::text(&json!(right), "name")))
    });
    super::show::unreadable(&running, output);
    if output.is_json() {
        let documents = all.iter().map(|(kind, body)| {
            let mut document = body.clone();
            document.insert("kind".to_owned(), kind.name().into());
            Value::Object(document)
        });
        output.json(&Value::Array(documents.collect()));
        return Ok(Exit::Done);
    }
    let Some(folder) = &export.folder else {
        for (kind, body) in &all {
            output.line(written(*kind, body).trim_end());
        }
        return Ok(Exit::Done);
    };
    let mut files: BTreeMap<Kind, String> = BTreeMap::new();
    for (kind, body) in &all {
        files.entry(*kind).or_default().push_str(&written(*kind, body));
    }
    std::fs::create_dir_all(folder).map_err(|e| Failure::Usage(format!("{}: {e}", folder.display())))?;
    for (kind, text) in &files {
        let path = folder.join(format!("{}.yaml", kind.name()));
        write(&path, text, export.overwrite).map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))?;
        output.line(&path.display().to_string());
    }
    Ok(Exit::Done)
}

fn write(path: &Path, text: &str, overwrite: bool) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    if overwrite {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    options.write(true).open(path)?.write_all(text.as_bytes())
}

/// A document as it stands in a file: what it is comes first.
fn written(kind: Kind, body: &Map<String, Value>) -> String {
    let name = Value::String(kind.name().to_owned());
    let mut fields = vec![("kind", &name)];
    const FIRST: [&str; 4] = ["name", "connection", "stream", "entity"];
    fields.extend(FIRST.iter().filter_map(|key| Some((*key, body.get(*key)?))));
    fields.extend(
        body.iter().filter(|(key, _)| !FIRST.contains(&key.as_str())).map(|(key, value)| (key.as_str(), value)),
    );
    yaml::write_fields(&fields)
}
