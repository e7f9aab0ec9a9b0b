//! Documents of files: found, read, and checked as far as a file tells by itself.

use super::schema::{self, Problem, meant};
use super::secret::{self, Secret};
use crate::cli::Failure;
use crate::cli::yaml::{self, Located};
use attiva_core::declared::Kind;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A document, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// As it stands there, without `kind` and secrets.
    pub(super) body: Map<String, Value>,
    /// References to secrets by key of the configuration.
    pub(super) secrets: BTreeMap<String, Secret>,
    file: PathBuf,
    located: Located,
}

impl Document {
    /// The place of a part, by its JSON pointer: `attiva/segments.yaml:12:3`.
    pub(super) fn place(&self, pointer: &str) -> String {
        placed(&self.file, self.located.position(pointer))
    }

    /// The directory that paths in it are relative to.
    pub(super) fn directory(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new(""))
    }
}

fn placed(file: &Path, position: yaml::Position) -> String {
    format!("{}:{}:{}", file.display(), position.line, position.column)
}

/// All documents of files, and of folders with all they have. Each name of a kind stands once.
///
/// # Errors
/// Everything that is wrong, each with file, line and column.
pub(super) fn load(paths: &[PathBuf]) -> Result<Vec<Document>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        files_of(path, &mut files)?;
    }
    files.sort();
    files.dedup();
    let (mut documents, mut problems) = (Vec::new(), Vec::new());
    for file in files {
        let bytes = crate::cli::input::bytes(&file)?;
        let text = match std::str::from_utf8(&bytes) {
            Ok(text) => text,
            Err(_) => {
                problems.push(format!("{}: is not UTF-8", file.display()));
                continue;
            }
        };
        match yaml::read(text) {
            Ok(all) => {
                for located in all {
                    match document(&file, located) {
                        Ok(document) => documents.push(document),
                        Err(found) => problems.extend(found),
                    }
                }
            }
            Err((position, problem)) => problems.push(format!("{}: {problem}", placed(&file, position))),
        }
    }
    problems.extend(twice(&documents));
    if problems.is_empty() { Ok(documents) } else { Err(Failure::Usage(problems.join("\n"))) }
}

fn files_of(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let failed = |e: std::io::Error| Failure::Usage(format!("{}: {e}", path.display()));
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let below = entry.path();
        // Links are not followed: a folder that contains itself has no end.
        let of = entry.file_type().map_err(failed)?;
        let is_yaml = below.extension().is_some_and(|it| it == "yaml" || it == "yml");
        if of.is_dir() {
            files_of(&below, files)?;
        } else if is_yaml && !entry.file_name().as_encoded_bytes().starts_with(b".") {
            files.push(below);
        }
    }
    Ok(())
}

fn document(file: &Path, located: Located) -> Result<Document, Vec<String>> {
    let refused = |problems: Vec<Problem>| -> Vec<String> {
        let line = |it: Problem| format!("{}: {}", placed(file, located.position(&it.at)), it.message);
        problems.into_iter().map(line).collect()
    };
    let kind = kind(&located.value).map_err(|problem| refused(vec![problem]))?;
    let mut problems = schema::check(kind, &located.value);
    let mut body = located.value.as_object().cloned().unwrap_or_default();
    body.remove("kind");
    let secrets = match body.get_mut("configuration").and_then(Value::as_object_mut) {
        Some(configuration) if kind == Kind::Connection => secret::taken(configuration, &mut problems),
        _ => BTreeMap::new(),
    };
    if !problems.is_empty() {
        return Err(refused(problems));
    }
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    let name = match kind {
        Kind::Mapping => mapping_name(&text("connection"), &text("stream")),
        Kind::ExchangeRates => text("base"),
        kind if kind.is_single() => kind.name().to_owned(),
        _ => text("name"),
    };
    if let Some(named) = body.get_mut("name") {
        *named = name.clone().into();
    }
    Ok(Document { kind, name, body, secrets, file: file.to_owned(), located })
}

/// Mappings have no name of their own.
pub(super) fn mapping_name(connection: &str, stream: &str) -> String {
    format!("{connection}/{stream}")
}

fn kind(document: &Value) -> Result<Kind, Problem> {
    let Some(object) = document.as_object() else { return Err(Problem::new("", "a document must be a list of keys")) };
    let Some(kind) = object.get("kind") else {
        return Err(Problem::new("", "`kind` is missing: what the document is"));
    };
    let text = kind.as_str().unwrap_or_default();
    Kind::parse(text).ok_or_else(|| {
        let names = Kind::ALL.map(Kind::name);
        let meant = match meant(text, names.into_iter()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("it is one of {}", names.join(", ")),
        };
        Problem::new("/kind", format!("there is no kind `{text}`; {meant}"))
    })
}

fn twice(documents: &[Document]) -> Vec<String> {
    let mut seen: BTreeMap<(Kind, &str), &Document> = BTreeMap::new();
    let mut problems = Vec::new();
    for document in documents {
        if let Some(first) = seen.insert((document.kind, &document.name), document) {
            let (here, there) = (document.place(""), first.place(""));
            problems.push(format!("{here}: the {} `{}` stands at {there} too", document.kind.name(), document.name));
        }
    }
    problems
}
