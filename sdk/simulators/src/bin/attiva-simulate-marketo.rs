//! Runs the Marketo simulator in a process of its own: prints `{"base_url": …}` as one line, and ends when stdin does or on SIGTERM.

use std::io::Write;
use std::time::Duration;

use attiva_simulators::marketo::{CancelSpelling, Limits, Marketo, MarketoConfig};
use clap::Parser;
use jiff::Timestamp;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};

/// A Marketo Engage instance on loopback.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Number of leads at the start.
    #[arg(long, default_value_t = 1_000)]
    leads: u64,
    /// Same seed and start, same leads.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The instance's time at the start, such as 2026-11-23T00:00:00Z; the machine's clock if not given.
    #[arg(long)]
    now: Option<Timestamp>,
    /// Days over which the leads were created.
    #[arg(long, default_value_t = 60)]
    history_days: u32,
    /// Leave out commas, quotes, line breaks and long texts.
    #[arg(long)]
    plain: bool,
    /// Every n-th lead shares its e-mail address with another; 0 for none.
    #[arg(long, default_value_t = MarketoConfig::default().shared_email_every)]
    shared_email_every: u64,
    /// Every n-th lead has no e-mail address; 0 for none.
    #[arg(long, default_value_t = MarketoConfig::default().missing_email_every)]
    missing_email_every: u64,
    #[arg(long, default_value_t = MarketoConfig::default().client_id)]
    client_id: String,
    #[arg(long, default_value_t = MarketoConfig::default().client_secret)]
    client_secret: String,
    /// Milliseconds in which a bulk job's status moves on once.
    #[arg(long, default_value_t = 200)]
    status_interval_ms: u64,
    /// Megabytes of bulk files a day; 0 for no limit.
    #[arg(long, default_value_t = 500)]
    export_mb_per_day: u64,
    /// Refuse the bulk filter `updatedAt`.
    #[arg(long)]
    no_updated_at_filter: bool,
    /// As where Salesforce or Dynamics is synced natively: opportunity roles are not served, companies are the CRM's.
    #[arg(long)]
    native_crm: bool,
    /// Spell a cancelled job's status as the documentation does.
    #[arg(long)]
    canceled: bool,
    /// No limit on calls.
    #[arg(long)]
    no_limits: bool,
    /// Calls in 20 seconds.
    #[arg(long, default_value_t = Limits::VENDOR.per_20_s)]
    per_20_s: u32,
    /// Calls at a time.
    #[arg(long, default_value_t = Limits::VENDOR.concurrent)]
    concurrent: u32,
    /// Calls a day.
    #[arg(long, default_value_t = Limits::VENDOR.daily)]
    daily: u64,
}

impl Options {
    fn config(self) -> MarketoConfig {
        let limits = Limits { per_20_s: self.per_20_s, concurrent: self.concurrent, daily: self.daily };
        let megabytes = if self.export_mb_per_day == 0 { u64::MAX } else { self.export_mb_per_day };
        MarketoConfig {
            port: self.port,
            leads: self.leads,
            seed: self.seed,
            now: self.now,
            history_days: self.history_days,
            awkward: !self.plain,
            shared_email_every: self.shared_email_every,
            missing_email_every: self.missing_email_every,
            client_id: self.client_id,
            client_secret: self.client_secret,
            limits: if self.no_limits { Limits::OFF } else { limits },
            status_interval: Duration::from_millis(self.status_interval_ms),
            export_bytes_per_day: megabytes.saturating_mul(1024 * 1024),
            updated_at_filter: !self.no_updated_at_filter,
            native_crm: self.native_crm,
            cancel_spelling: if self.canceled { CancelSpelling::Canceled } else { CancelSpelling::Cancelled },
            ..MarketoConfig::default()
        }
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    // Before the address is told: who reads it may end us at once.
    let mut terminated = signal(SignalKind::terminate())?;
    let marketo = Marketo::start(Options::parse().config()).await?;
    {
        let mut out = std::io::stdout().lock();
        let config = marketo.config();
        let line = serde_json::json!({
            "base_url": marketo.base_url(),
            "client_id": config.client_id,
            "client_secret": config.client_secret,
            "leads": config.leads,
            "now": marketo.now().to_string(),
        });
        writeln!(out, "{line}")?;
        out.flush()?;
    }
    tokio::select! {
        () = stdin_ended() => {}
        _ = terminated.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    // Not shut down in order: whoever ends us does not wait, and a read of stdin may still be under way.
    std::process::exit(0)
}

async fn stdin_ended() {
    let mut ignored = [0; 1024];
    while matches!(tokio::io::stdin().read(&mut ignored).await, Ok(read) if read > 0) {}
}
