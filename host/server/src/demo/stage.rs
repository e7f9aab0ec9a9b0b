//! Everything the demo needs, on free ports and in a fresh directory.

use super::bucket::Bucket;
use crate::config::{Config, Flags};
use crate::host::Host;
use anyhow::{Context, Result};
use attiva_simulators::marketo::{Marketo, MarketoConfig};
use attiva_simulators::s3::{S3, S3Config};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
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
        let directory = self.directory.keep();
        if keep {
            return Some(directory);
        }
        if let Err(error) = remove(&directory).await {
            tracing::warn!("{} is left behind: {error}", directory.display());
        }
        None
    }
}

/// Removes a directory in which something that was broken off may still write its last file for a moment.
async fn remove(directory: &Path) -> io::Result<()> {
    const TRIES: u32 = 50;
    let mut tries = 0;
    loop {
        match std::fs::remove_dir_all(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(_) if tries < TRIES => tries += 1,
            done => return done,
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_directory_goes_although_something_is_still_written_there() {
        let place = tempfile::tempdir().unwrap().keep();
        let written = place.join("last");
        let writer = tokio::task::spawn_blocking(move || {
            // More often than a directory can be emptied in between; it ends with the directory.
            for n in 0..2_000 {
                if std::fs::create_dir(written.with_extension(n.to_string())).is_err() {
                    break;
                }
            }
        });
        remove(&place).await.unwrap();
        writer.await.unwrap();
        assert!(!place.exists());
        remove(&place).await.unwrap();
    }
}
