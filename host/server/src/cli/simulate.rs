//! `attiva simulate`: vendors to develop against, on loopback.

use super::Failure;
use super::output::Output;
use crate::exit::Exit;
use anyhow::Context;
use attiva_simulators::marketo::{Marketo, MarketoConfig};
use attiva_simulators::salesforce::{Salesforce, SalesforceConfig};
use clap::Subcommand;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

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
}

pub(crate) fn run(command: Simulate, output: &Output) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Runtime::new().context("the runtime cannot be started")?;
    match command {
        Simulate::Marketo { port, leads, seed } => {
            runtime.block_on(marketo(MarketoConfig { port, leads, seed, ..MarketoConfig::default() }, *output))
        }
        Simulate::Salesforce { port, people, seed } => runtime
            .block_on(salesforce(SalesforceConfig { port, people, seed, ..SalesforceConfig::default() }, *output)),
    }
}

async fn salesforce(config: SalesforceConfig, output: Output) -> Result<Exit, Failure> {
    let mut terminate = signal(SignalKind::terminate()).context("signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals")?;
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
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    org.shutdown().await;
    Ok(Exit::Done)
}

async fn marketo(config: MarketoConfig, output: Output) -> Result<Exit, Failure> {
    let mut terminate = signal(SignalKind::terminate()).context("signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals")?;
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
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    marketo.shutdown().await;
    Ok(Exit::Done)
}
