//! What vendors have of a target, as they show it.

use crate::vendors::{BUCKET, Vendors};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where an audience goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sink {
    /// Static lists of leads: their addresses, or `lead 7` where there is none.
    Marketo,
    /// Matched audiences, by what identifies each member.
    LinkedIn,
    /// Files of what has changed: whoever follows them from the first on has these.
    Files,
}

/// Somebody else's, on each list from before: one of the vendor's own leads.
const OTHERS: u64 = 1;

/// A target of an activation.
pub(super) struct Target {
    sink: Sink,
    pub(super) name: String,
    /// Of Marketo.
    list: u64,
}

impl Sink {
    /// A target as it is at the vendor before the first delivery.
    pub(super) fn target(self, vendors: &Vendors, name: String) -> Result<Target> {
        let list = match self {
            Self::Marketo => {
                let marketo = &vendors.marketo;
                let list = marketo.create_list(&name).map_err(|refused| anyhow::anyhow!("{refused:?}"))?;
                marketo.set_listed(list, OTHERS, true).map_err(|refused| anyhow::anyhow!("{refused:?}"))?;
                list
            }
            Self::LinkedIn | Self::Files => 0,
        };
        Ok(Target { sink: self, name, list })
    }

    /// Whom others put there.
    pub(super) fn others(self) -> Vec<String> {
        match self {
            Self::Marketo => vec![format!("lead {OTHERS}")],
            Self::LinkedIn | Self::Files => Vec::new(),
        }
    }

    /// Calls that the vendor has seen; of a bucket, the objects in it.
    pub(super) fn calls(self, vendors: &Vendors) -> Result<u64> {
        Ok(match self {
            Self::Marketo => vendors.marketo.received().total,
            Self::LinkedIn => vendors.linkedin.received().total,
            Self::Files => crate::count_files(&vendors.s3_root)? as u64,
        })
    }
}

impl Target {
    /// Who is there, sorted.
    pub(super) fn look(&self, vendors: &Vendors) -> Result<Vec<String>> {
        let mut found: Vec<String> = match self.sink {
            Sink::Marketo => {
                let listed = vendors.marketo.listed(self.list).into_iter();
                listed.map(|lead| shown(vendors, lead)).collect()
            }
            Sink::LinkedIn => {
                let segment = vendors.linkedin.segments().into_iter().find(|segment| segment.name == self.name);
                segment.map(|segment| segment.members).unwrap_or_default()
            }
            Sink::Files => filed(&vendors.s3_root.join(BUCKET), &self.name)?.into_iter().collect(),
        };
        found.sort();
        Ok(found)
    }
}

fn shown(vendors: &Vendors, lead: u64) -> String {
    let of = vendors.marketo.lead(lead).unwrap_or_default();
    let email = of.get("email").and_then(Value::as_str).filter(|_| lead != OTHERS);
    email.map_or_else(|| format!("lead {lead}"), str::to_owned)
}

/// Follows the files of a target in their order. Each is as its manifest says.
fn filed(bucket: &Path, target: &str) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut paths = Vec::new();
    below(&bucket.join(target), &mut paths)?;
    paths.sort();
    for path in paths.iter().filter(|path| path.to_string_lossy().ends_with(".csv.gz")) {
        let bytes = std::fs::read(path)?;
        let manifest = std::fs::read(format!("{}.manifest.json", path.display())).context("a file without manifest")?;
        let manifest: Value = serde_json::from_slice(&manifest)?;
        ensure!(manifest["sha256"] == hex::encode(Sha256::digest(&bytes)), "{manifest} is not of {}", path.display());
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text)?;
        let rows: Vec<&str> = text.lines().skip(1).collect();
        ensure!(manifest["rows"] == rows.len(), "{manifest}: {text}");
        for row in rows {
            let (operation, row) = row.split_once(',').with_context(|| row.to_owned())?;
            let done = match operation {
                "upsert" => found.insert(row.to_owned()),
                "remove" => found.remove(row),
                other => anyhow::bail!("`{other}` is no operation"),
            };
            ensure!(done, "{} does it once more: {operation} {row}", path.display());
        }
    }
    Ok(found)
}

fn below(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            below(&path, paths)?;
        } else {
            paths.push(path);
        }
    }
    Ok(())
}
