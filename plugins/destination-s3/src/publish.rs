//! The end of a run: its files become visible, and after them their manifests.

use crate::key::MANIFEST;
use crate::state::{State, Whole, file_spool};
use crate::write::Writer;
use attiva_connector::{Artifact, DataType, Fault, Finished, OutcomeStatus, Result, Run, encode_state, time};
use serde::Serialize;

/// Manifests that one call writes.
const MANIFESTS_PER_CALL: u32 = 20;

/// One step: as much as one call may do. `pending` in the answer means that there are more.
pub(crate) fn step(writer: &Writer<'_>, mut state: State) -> Result<Finished> {
    if !state.ended {
        writer.end(&mut state)?;
    }
    let files = state.whole_files(writer.host)?;
    if let Some(file) = files.get(state.published as usize) {
        if !writer.at(state.published, |upload| upload.publish(&mut state, file.bytes))? {
            return pending(&state, Vec::new());
        }
        (state.upload, state.lost) = (None, 0);
        state.published += 1;
        if (state.published as usize) < files.len() {
            return pending(&state, Vec::new());
        }
    }
    let artifacts = describe(writer, &mut state, &files)?;
    if (state.described as usize) < files.len() {
        return pending(&state, artifacts);
    }
    let done =
        Finished { pending_become: OutcomeStatus::Created, artifacts, ..Finished::unchanged(encode_state(&state)?) };
    Ok(done)
}

fn pending(state: &State, artifacts: Vec<Artifact>) -> Result<Finished> {
    Ok(Finished {
        pending_become: OutcomeStatus::Pending,
        wait_ms: Some(0),
        artifacts,
        ..Finished::unchanged(encode_state(state)?)
    })
}

/// Writes the next manifests.
fn describe(writer: &Writer<'_>, state: &mut State, files: &[Whole]) -> Result<Vec<Artifact>> {
    let bucket = writer.bucket();
    let named = |key: &str| format!("s3://{}/{key}", writer.config.bucket);
    let mut artifacts = Vec::new();
    for _ in 0..MANIFESTS_PER_CALL {
        let Some(file) = files.get(state.described as usize) else { break };
        let key = writer.key(state.described)?;
        let sha256 = writer.host.spool(&file_spool(state.described)).sha256()?;
        let part = (state.described + 1, files.len());
        let manifest = Manifest::new(&key, writer.run, *file, &sha256, part);
        let manifest = serde_json::to_vec_pretty(&manifest)
            .map_err(|e| Fault::internal("s3.manifest", format!("the manifest does not serialise: {e}")))?;
        let manifest_key = format!("{key}{MANIFEST}");
        let manifest_bytes = manifest.len() as u64;
        bucket.put(&manifest_key, "application/json", writer.run, manifest)?;
        let sha256 = Some(sha256);
        artifacts.push(Artifact { name: named(&key), rows: Some(file.rows), bytes: Some(file.bytes), sha256 });
        artifacts.push(Artifact { name: named(&manifest_key), rows: None, bytes: Some(manifest_bytes), sha256: None });
        state.described += 1;
    }
    Ok(artifacts)
}

/// What stands beside a file, so that a reader can tell that it has all of it.
#[derive(Serialize)]
struct Manifest<'a> {
    name: &'a str,
    rows: u64,
    bytes: u64,
    sha256: &'a str,
    run_id: &'a str,
    run_started_at: String,
    part: u32,
    parts: usize,
    columns: Vec<ManifestColumn<'a>>,
}

#[derive(Serialize)]
struct ManifestColumn<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    data_type: &'static str,
}

impl<'a> Manifest<'a> {
    fn new(key: &'a str, run: &'a Run, file: Whole, sha256: &'a str, (part, parts): (u32, usize)) -> Self {
        let started = i64::try_from(run.started_ms).ok().and_then(time::format_timestamp);
        Self {
            name: key,
            rows: file.rows,
            bytes: file.bytes,
            sha256,
            run_id: &run.id,
            run_started_at: started.unwrap_or_default(),
            part,
            parts,
            columns: run
                .columns
                .iter()
                .map(|(name, data_type)| ManifestColumn { name, data_type: named(*data_type) })
                .collect(),
        }
    }
}

fn named(data_type: DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "boolean",
        DataType::Integer => "integer",
        DataType::Decimal => "decimal",
        DataType::Float => "float",
        DataType::Text => "text",
        DataType::Bytes => "bytes",
        DataType::Date => "date",
        DataType::Timestamp => "timestamp",
        DataType::TextList => "text-list",
        DataType::Json => "json",
    }
}
