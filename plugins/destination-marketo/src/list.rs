//! The list of a target: found or made, filled, emptied, read back.

use crate::config::Options;
use crate::request;
use attiva_connector::{Fault, Response, Result, Target};
use marketo_api::{Api, BATCH_MAX, Listed, Refusal, read, read_one};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
pub(crate) struct List {
    pub(crate) id: u64,
    #[serde(default)]
    description: Option<String>,
}

impl List {
    /// Whether it was made for this target: then it may also be deleted for it.
    pub(crate) fn is_of(&self, target: &Target) -> bool {
        self.description.as_deref().is_some_and(|text| text.contains(&mark(target)))
    }
}

/// Lists have no id of ours; the description keeps it.
fn mark(target: &Target) -> String {
    format!("target {}", target.id)
}

/// By its name, letter for letter. Nothing found is a success without a result.
pub(crate) fn find(api: &Api<'_>, name: &str) -> Result<Option<List>> {
    let found: Listed<List> = read(&api.send(&request::list_by_name(name))?)?;
    Ok(found.result.into_iter().next())
}

/// Makes the list. 709 says that the name is taken, though the look-up did not show it.
pub(crate) fn create(api: &Api<'_>, target: &Target, options: &Options) -> Result<List> {
    let found: Listed<Value> = read(&api.send(&request::folder_by_name(&options.folder))?)?;
    let Some(folder) = found.result.first().and_then(|folder| folder.get("folderId").cloned()) else {
        let what = format!("Marketo has no folder {}", options.folder);
        return Err(Fault::config("marketo.folder-unknown", what)
            .field("folder")
            .action("Name a folder of the Lead Database in the target's options."));
    };
    let description = format!("Filled by Attiva, {}. Others may be added by hand; they stay.", mark(target));
    match api.attempt(&request::create_list(&folder, &target.name, &description))? {
        Ok(response) => read_one(&response),
        Err(refusal) if refusal.code == "709" => find(api, &target.name)?.ok_or_else(|| {
            Fault::transient("marketo.list-unlisted", "Marketo has a list of this name and does not show it yet")
                .retry_after_ms(10_000)
        }),
        Err(refusal) => Err(refusal.fault(api.host.now_ms())),
    }
}

/// What Marketo says of one id: nothing where all is well.
pub(crate) type Said = BTreeMap<u64, Option<Refusal>>;

pub(crate) fn add(api: &Api<'_>, list: u64, ids: &[u64]) -> Result<Said> {
    change(api, list, ids, "added", request::add_members)
}

pub(crate) fn remove(api: &Api<'_>, list: u64, ids: &[u64]) -> Result<Said> {
    change(api, list, ids, "removed", request::remove_members)
}

fn change(
    api: &Api<'_>,
    list: u64,
    ids: &[u64],
    done: &str,
    request: impl Fn(u64, &[u64]) -> attiva_connector::Request,
) -> Result<Said> {
    let mut said = Said::new();
    for chunk in ids.chunks(BATCH_MAX) {
        let response = match api.attempt(&request(list, chunk))? {
            Ok(response) => response,
            Err(refusal) if refusal.is_unknown_resource() => return Err(gone(list)),
            Err(refusal) => return Err(refusal.fault(api.host.now_ms())),
        };
        let records = records(&response, chunk.len())?;
        said.extend(chunk.iter().copied().zip(records.into_iter().map(|record| record.refusal_unless(&[done]))));
    }
    Ok(said)
}

fn gone(list: u64) -> Fault {
    Fault::config("marketo.list-gone", format!("Marketo has no list {list} any more"))
        .action("Make a new activation in place of this one: it makes a new list and sends everybody.")
}

/// What became of one record of a call.
#[derive(Debug, Deserialize)]
pub(crate) struct Record {
    /// A record that was skipped has none.
    #[serde(default)]
    pub(crate) id: Option<u64>,
    pub(crate) status: String,
    #[serde(default)]
    reasons: Vec<Refusal>,
}

impl Record {
    /// Why it is not as one of these.
    pub(crate) fn refusal_unless(self, done: &[&str]) -> Option<Refusal> {
        if done.contains(&self.status.as_str()) {
            return None;
        }
        let nameless = || Refusal { code: self.status.clone(), message: format!("Marketo says {}", self.status) };
        Some(self.reasons.into_iter().next().unwrap_or_else(nameless))
    }
}

/// Results stand where the records stood: a record that was skipped carries nothing to know it by.
pub(crate) fn records(response: &Response, count: usize) -> Result<Vec<Record>> {
    let listed: Listed<Record> = read(response)?;
    if listed.result.len() == count {
        return Ok(listed.result);
    }
    let what = format!("Marketo answered {} results for {count} records", listed.result.len());
    Err(Fault::transient("marketo.results", what))
}
