//! Audiences as files in Amazon S3, or in any store that speaks its API: CSV, JSON lines or Parquet.
//!
//! A delivery run becomes one file (or several, of so many rows each), and no reader ever sees half of it:
//!
//! 1. `deliver` renders each batch (with gzip: one member per batch; members one after the other are one valid file; in
//!    Parquet: one row group) and writes it to a spool on the host, at the offset its state names: a repeat writes the
//!    same bytes to the same place. The rows stay pending.
//! 2. As soon as a part's worth of bytes stands there unsent, a multipart upload is begun, and from the next call on
//!    its parts go out while the run goes on.
//! 3. `finish` publishes: a small file by one PUT, a large one by its last part and CompleteMultipartUpload. S3 shows
//!    either as a whole or not at all. Then the manifest follows, `<key>.manifest.json`, so that its presence means
//!    that the file is there. What is too much for one call goes on in `poll`.
//!
//! Because the whole file stands in the spool, an upload that is lost (an expiry rule, somebody's clean-up) is simply
//! begun again. Its id is a fact of the state; one that a kill kept from the state is found by its key and aborted
//! before the next begins.

mod bucket;
mod config;
mod csv;
mod json_lines;
mod key;
mod publish;
mod render;
mod request;
mod response;
mod spec;
mod state;
mod table_file;
mod upload;
mod write;

use attiva_connector::{
    Batch, BatchView, CheckResult, Delivered, Destination, EraseResult, EraseStatus, FaultKind, Finished, Host, Plugin,
    Prepared, Result, Run, Spec, Target, TargetObject, encode_state,
};
use bucket::Bucket;
use config::Config;
use state::State;
use write::Writer;

/// The connector.
pub struct S3;

impl Plugin for S3 {
    type Config = Config;

    fn spec() -> Spec {
        spec::spec()
    }
}

impl Destination for S3 {
    /// Nothing is left behind, and no right to delete is needed: an upload is begun and taken back.
    fn check(host: &dyn Host, config: &Config) -> Vec<CheckResult> {
        match config.validate() {
            Ok(()) => check(&Bucket::new(host, config)),
            Err(fault) => vec![CheckResult::failed("configuration", "Read the configuration", fault)],
        }
    }

    fn discover(_: &dyn Host, _: &Config) -> Result<Vec<TargetObject>> {
        Ok(vec![TargetObject {
            name: spec::OBJECT.into(),
            title: "File".into(),
            fields: Vec::new(),
            open_fields: true,
            options_schema: spec::options_schema().to_string(),
        }])
    }

    /// A file needs nothing made beforehand. What is looked up is whether one is there already.
    fn prepare(host: &dyn Host, config: &Config, target: &Target, run: &Run, _dry_run: bool) -> Result<Prepared> {
        let writer = Writer::new(host, config, target, run)?;
        let key = writer.key(0)?;
        let mut notes = vec![format!("The file will be s3://{}/{key}, with its manifest beside it.", config.bucket)];
        match writer.bucket().head(&key) {
            Ok(Some(_)) => notes.push("A file of this name is there and will be replaced.".into()),
            Ok(None) => {}
            // Without s3:GetObject or s3:ListBucket S3 does not say whether the file is there.
            Err(fault) if fault.kind == FaultKind::Scope => {}
            Err(fault) => return Err(fault),
        }
        Ok(Prepared { state: encode_state(&State::default())?, notes, wait_ms: None })
    }

    fn deliver(
        host: &dyn Host,
        config: &Config,
        target: &Target,
        run: &Run,
        state: Vec<u8>,
        batch: &Batch,
    ) -> Result<Delivered> {
        let mut state = State::read(&state)?;
        let outcomes = Writer::new(host, config, target, run)?.batch(&mut state, BatchView::new(batch)?)?;
        Ok(Delivered { state: encode_state(&state)?, outcomes })
    }

    fn finish(host: &dyn Host, config: &Config, target: &Target, run: &Run, state: Vec<u8>) -> Result<Finished> {
        publish::step(&Writer::new(host, config, target, run)?, State::read(&state)?)
    }

    /// The next step of a publication that was too much for one call.
    fn poll(host: &dyn Host, config: &Config, target: &Target, run: &Run, state: Vec<u8>) -> Result<Finished> {
        Self::finish(host, config, target, run, state)
    }

    fn abort(host: &dyn Host, config: &Config, target: &Target, run: &Run, state: Vec<u8>) -> Result<()> {
        let state = State::read(&state)?;
        let writer = Writer::new(host, config, target, run)?;
        writer.at(state.published, |upload| upload.take_back(&state))?;
        state.remove_spools(host)
    }

    fn erase(_: &dyn Host, config: &Config, _: &Target, _: &[(String, String)]) -> Result<EraseResult> {
        let message = format!(
            "files already written to the bucket {} belong to its owner and are not rewritten; the person is in no \
             later file",
            config.bucket
        );
        Ok(EraseResult { status: EraseStatus::Cannot, message })
    }
}

attiva_connector::export_destination!(S3);

fn check(bucket: &Bucket<'_>) -> Vec<CheckResult> {
    const REACH: (&str, &str) = ("reach-bucket", "Find the bucket");
    const WRITE: (&str, &str) = ("write", "Begin an upload");
    const LIST: (&str, &str) = ("list-uploads", "Find unfinished uploads");
    const TAKE_BACK: (&str, &str) = ("take-back", "Take the upload back");
    let mut results = Vec::new();
    match bucket.head_bucket() {
        Err(fault) if fault.kind == FaultKind::Scope => {
            let reason = "S3 does not say without s3:ListBucket; the next test tells";
            results.push(CheckResult::skipped(REACH.0, REACH.1, reason));
        }
        Ok(Some(region)) => {
            let title = format!("{}. It is in {region}: set the region to that", REACH.1);
            results.push(CheckResult::passed(REACH.0, &title));
        }
        other => results.push(CheckResult::of(REACH.0, REACH.1, other)),
    }
    let key = key::probe_key(bucket);
    let upload = match bucket.create_upload(&key, None) {
        Ok(id) => id,
        Err(fault) => {
            results.push(CheckResult::failed(WRITE.0, WRITE.1, fault));
            let skipped = |(name, title)| CheckResult::skipped(name, title, "no upload could be begun");
            results.extend([skipped(LIST), skipped(TAKE_BACK)]);
            return results;
        }
    };
    results.push(CheckResult::passed(WRITE.0, WRITE.1));
    match bucket.uploads_of(&key) {
        Err(fault) if matches!(fault.kind, FaultKind::Scope | FaultKind::Unsupported) => {
            let reason = "not allowed here, so an upload that a killed host left behind stays until the bucket's own \
                          expiry rule removes it";
            results.push(CheckResult::skipped(LIST.0, LIST.1, reason));
        }
        other => results.push(CheckResult::of(LIST.0, LIST.1, other)),
    }
    results.push(CheckResult::of(TAKE_BACK.0, TAKE_BACK.1, bucket.abort_upload(&key, &upload)));
    results
}
