//! `attiva simulate`: vendors to develop against, on loopback.

use super::Failure;
use super::output::Output;
use crate::exit::Exit;
use anyhow::Context;
use attiva_simulators::linkedin::{LinkedIn, LinkedInConfig};
use attiva_simulators::marketo::{Marketo, MarketoConfig};
use attiva_simulators::salesforce::{Salesforce, SalesforceConfig};
use clap::Subcommand;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

#[derive(Debug, Subcommand)]
pub(crate) enum Simulate {
    /// A Marketo Engage instance, until it is interrupted.
    Marketo {
        /// Port on 127.0.0.1; 0 takes a free one.
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// How many leads it has.
        #[arg(long, default_value_t = 1000)]
        leads: u64,
        /// The same seed makes the same leads.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// A Salesforce org of the same people as the Marketo of the same seed and size, until it is interrupted.
    Salesforce {
        /// Port on 127.0.0.1; 0 takes a free one.
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// How many people there are; the org knows about two in three of them.
        #[arg(long, default_value_t = 1000)]
        people: u64,
        /// The same seed makes the same people.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// LinkedIn's matched audiences for one ad account, until it is interrupted.
    Linkedin {
        /// Port on 127.0.0.1; 0 takes a free one.
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
}

pub(crate) fn run(command: Simulate, output: &Output) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Runtime::new().context("the runtime cannot be started")?;
    match command {
        Simulate::Marketo { port, leads, seed } => {
            runtime.block_on(marketo(MarketoConfig { port, leads, seed, ..MarketoConfig::default() }, *output))
        }
        Simulate::Linkedin { port } => {
            runtime.block_on(linkedin(LinkedInConfig { port, ..LinkedInConfig::default() }, *output))
        }
        Simulate::Salesforce { port, people, seed } => runtime
            .block_on(salesforce(SalesforceConfig { port, people, seed, ..SalesforceConfig::default() }, *output)),
    }
}

async fn salesforce(config: SalesforceConfig, output: Output) -> Result<Exit, Failure> {
    let mut end = End::new()?;
    let port = config.port;
    let org = Salesforce::start(config).await.with_context(|| format!("127.0.0.1:{port}"))?;
    let config = org.config();
    let about = json!({
        "base_url": org.base_url(),
        "client_id": config.client_id,
        "client_secret": config.client_secret,
        "organization_id": config.organization_id,
        "people": config.people,
    });
    let fields = [
        ("url", "/base_url"),
        ("client_id", "/client_id"),
        ("client_secret", "/client_secret"),
        ("organization_id", "/organization_id"),
        ("people", "/people"),
    ];
    output.one(&about, &fields);
    output.note("Connect to it: create a source-salesforce connection with grants for its origins `login` and `api`, both at this url.");
    end.awaited().await;
    org.shutdown().await;
    Ok(Exit::Done)
}

async fn marketo(config: MarketoConfig, output: Output) -> Result<Exit, Failure> {
    let mut end = End::new()?;
    let port = config.port;
    let marketo = Marketo::start(config).await.with_context(|| format!("127.0.0.1:{port}"))?;
    let config = marketo.config();
    let about = json!({
        "base_url": marketo.base_url(),
        "client_id": config.client_id,
        "client_secret": config.client_secret,
        "leads": config.leads,
    });
    let fields =
        [("url", "/base_url"), ("client_id", "/client_id"), ("client_secret", "/client_secret"), ("leads", "/leads")];
    output.one(&about, &fields);
    output.note("Connect to it: create a source-marketo connection, then grant it the origin `api` at this url.");
    end.awaited().await;
    marketo.shutdown().await;
    Ok(Exit::Done)
}

async fn linkedin(config: LinkedInConfig, output: Output) -> Result<Exit, Failure> {
    let mut end = End::new()?;
    let port = config.port;
    let linkedin = LinkedIn::start(config).await.with_context(|| format!("127.0.0.1:{port}"))?;
    let config = linkedin.config();
    let about = json!({
        "base_url": linkedin.base_url(),
        "account_id": config.account.to_string(),
        "source_platform": config.source_platform,
        "client_id": config.client_id,
        "client_secret": config.client_secret,
        "refresh_token": config.refresh_token,
    });
    let fields = [
        ("url", "/base_url"),
        ("account_id", "/account_id"),
        ("source_platform", "/source_platform"),
        ("client_id", "/client_id"),
        ("client_secret", "/client_secret"),
        ("refresh_token", "/refresh_token"),
    ];
    output.one(&about, &fields);
    output.note("Connect to it: create a destination-linkedin connection, then grant it the origins `api` and `login` at this url.");
    end.awaited().await;
    linkedin.shutdown().await;
    Ok(Exit::Done)
}

/// What ends a simulator.
struct End {
    terminate: Signal,
    interrupt: Signal,
}

impl End {
    fn new() -> Result<Self, Failure> {
        let on = |kind| signal(kind).context("signals");
        Ok(Self { terminate: on(SignalKind::terminate())?, interrupt: on(SignalKind::interrupt())? })
    }

    async fn awaited(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
