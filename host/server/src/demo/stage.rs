//! Everything the demo needs, on free ports and in a fresh directory.

use super::bucket::Bucket;
use crate::config::{Config, Flags};
use crate::host::Host;
use anyhow::{Context, Result};
use attiva_simulators::marketo::{Marketo, MarketoConfig};
use attiva_simulators::s3::{S3, S3Config};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// How large the demo is.
#[derive(Debug, Clone)]
pub(crate) struct StageOptions {
    pub(crate) leads: u64,
    pub(crate) seed: u64,
}

/// A host between two vendors.
pub(crate) struct Stage {
    pub(crate) host: Host,
    pub(crate) key: String,
    /// Shared with whoever works out what its leads should become.
    pub(crate) marketo: Arc<Marketo>,
    pub(crate) s3: S3,
    directory: TempDir,
}

const BUCKET: &str = "audiences";
pub(super) const REGION: &str = "eu-central-1";

impl Stage {
    pub(crate) async fn set(options: &StageOptions) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("attiva-demo-").tempdir().context("a temporary directory")?;
        let marketo = MarketoConfig { leads: options.leads, seed: options.seed, ..MarketoConfig::default() };
        let marketo = Marketo::start(marketo).await.context("the Marketo simulator")?;
        let s3 = S3Config {
            port: 0,
            access_key: "AKIDEXAMPLEDEMO".into(),
            secret_key: "demo-secret-demo-secret-demo".into(),
            bucket: BUCKET.into(),
            root: directory.path().join("s3"),
        };
        let s3 = S3::start(s3).await.context("the S3 endpoint")?;
        let flags = Flags {
            data_dir: Some(directory.path().join("data")),
            listen: Some("127.0.0.1:0".into()),
            ..Flags::default()
        };
        // Neither the environment nor a file: the demo is the same wherever it runs.
        let config = Config::resolve(&flags, [], None)?;
        let (host, first_key) = Host::start(&config).await?;
        let key = first_key.context("a fresh data directory has no key yet")?.text;
        Ok(Self { host, key, marketo: Arc::new(marketo), s3, directory })
    }

    pub(super) fn bucket(&self) -> Bucket {
        let config = self.s3.config();
        Bucket {
            endpoint: self.s3.endpoint(),
            name: config.bucket.clone(),
            region: REGION.to_owned(),
            access_key: config.access_key.clone(),
            secret_key: config.secret_key.clone(),
        }
    }

    /// Stops everything; the directory is removed, or kept and named.
    pub(crate) async fn strike(self, keep: bool) -> Option<PathBuf> {
        self.host.stop().await;
        // Shared still, if the journey was broken off: then it ends with the process.
        if let Some(marketo) = Arc::into_inner(self.marketo) {
            marketo.shutdown().await;
        }
        self.s3.shutdown().await;
        if keep { Some(self.directory.keep()) } else { None }
    }
}
