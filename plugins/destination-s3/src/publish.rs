//! The end of a run: the file becomes visible, and after it the manifest.

use crate::bucket::Bucket;
use crate::config::{Config, Options};
use crate::csv;
use crate::key::MANIFEST;
use crate::state::{FILE, State};
use crate::upload::Upload;
use attiva_connector::{Artifact, DataType, Fault, Finished, Host, OutcomeStatus, Result, Run, encode_state, time};
use serde::Serialize;

/// One step: as much as one call may do. `pending` in the answer means that there are more.
pub(crate) fn step(
    host: &dyn Host,
    config: &Config,
    options: &Options,
    key: &str,
    run: &Run,
    mut state: State,
) -> Result<Finished> {
    settle_spool(host, config, options, run, &mut state)?;
    let bucket = Bucket::new(host, config);
    if !Upload::new(&bucket, key, run).publish(&mut state)? {
        let pending = Finished {
            pending_become: OutcomeStatus::Pending,
            wait_ms: Some(0),
            ..Finished::unchanged(encode_state(&state)?)
        };
        return Ok(pending);
    }
    let sha256 = host.spool(FILE).sha256()?;
    let manifest = Manifest::new(key, run, &state, &sha256);
    let manifest = serde_json::to_vec_pretty(&manifest)
        .map_err(|e| Fault::internal("s3.manifest", format!("the manifest does not serialise: {e}")))?;
    let manifest_key = format!("{key}{MANIFEST}");
    let manifest_bytes = manifest.len() as u64;
    bucket.put(&manifest_key, "application/json", run, manifest)?;
    let named = |key: &str| format!("s3://{}/{key}", config.bucket);
    let file = Artifact { name: named(key), rows: Some(state.rows), bytes: Some(state.spooled), sha256: Some(sha256) };
    let beside = Artifact { name: named(&manifest_key), rows: None, bytes: Some(manifest_bytes), sha256: None };
    Ok(Finished {
        pending_become: OutcomeStatus::Created,
        artifacts: vec![file, beside],
        ..Finished::unchanged(encode_state(&state)?)
    })
}

/// Makes the spool hold exactly the file: a run without rows gets its header, and what a batch wrote that was never
/// committed is cut off.
fn settle_spool(host: &dyn Host, config: &Config, options: &Options, run: &Run, state: &mut State) -> Result<()> {
    let rest = if state.spooled == 0 { csv::render_empty(config, options, &run.columns)? } else { Vec::new() };
    state.spooled = host.spool(FILE).write(state.spooled, &rest)?.size;
    Ok(())
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
    parts: u32,
    columns: Vec<ManifestColumn<'a>>,
}

#[derive(Serialize)]
struct ManifestColumn<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    data_type: &'static str,
}

impl<'a> Manifest<'a> {
    fn new(key: &'a str, run: &'a Run, state: &State, sha256: &'a str) -> Self {
        let started = i64::try_from(run.started_ms).ok().and_then(time::format_timestamp);
        Self {
            name: key,
            rows: state.rows,
            bytes: state.spooled,
            sha256,
            run_id: &run.id,
            run_started_at: started.unwrap_or_default(),
            part: 1,
            parts: 1,
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
