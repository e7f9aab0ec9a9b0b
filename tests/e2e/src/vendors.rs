//! The vendors of a campaign: one Marketo, one LinkedIn and one S3 for all its journeys. They outlive every host.

use anyhow::{Context, Result};
use attiva_simulators::linkedin::{LinkedIn, LinkedInConfig};
use attiva_simulators::marketo::{Limits, Marketo, MarketoConfig};
use attiva_simulators::s3::{S3, S3Config};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

pub const BUCKET: &str = "audiences";

pub struct Vendors {
    // Kept for its threads: the simulators live on it.
    _runtime: tokio::runtime::Runtime,
    pub marketo: Marketo,
    pub linkedin: LinkedIn,
    pub s3: S3,
    pub s3_root: PathBuf,
    _directory: TempDir,
}

impl Vendors {
    /// Starts them on free ports of the loopback.
    pub fn start(leads: u64, seed: u64) -> Result<Self> {
        let runtime = tokio::runtime::Runtime::new().context("the runtime")?;
        let directory = tempfile::tempdir()?;
        let s3_root = directory.path().join("s3");
        let marketo = MarketoConfig {
            leads,
            seed,
            limits: Limits::OFF,
            status_interval: Duration::from_millis(50),
            export_bytes_per_day: u64::MAX,
            ..MarketoConfig::default()
        };
        let s3 = S3Config {
            port: 0,
            access_key: "AKIDCAMPAIGN".into(),
            secret_key: "campaign-secret-campaign".into(),
            bucket: BUCKET.into(),
            root: s3_root.clone(),
        };
        let linkedin = LinkedIn::start(LinkedInConfig::default());
        let (marketo, linkedin, s3) =
            runtime.block_on(async { tokio::try_join!(Marketo::start(marketo), linkedin, S3::start(s3)) })?;
        Ok(Self { _runtime: runtime, marketo, linkedin, s3, s3_root, _directory: directory })
    }
}
