//! The command line. `serve` and `demo` are hosts; everything else is a client of a host's HTTP API, so that a script
//! can do by HTTP what a person does here.

mod account;
mod activation;
mod api;
mod audit;
mod backup;
mod client;
mod completion;
mod conduct;
mod connection;
mod connection_settings;
mod connector;
mod consent;
mod declared;
mod delivery;
mod demo;
mod doctor;
#[cfg(test)]
mod documented;
mod edge;
mod evaluation;
mod exchange_rate;
mod failure;
pub(crate) mod follow;
mod freshness;
mod guardrail;
mod identity;
mod input;
mod key;
mod mapping;
mod model;
mod organisation;
mod output;
mod plugin;
mod privacy;
mod profile;
mod quota;
mod run;
mod sandbox;
mod secrets;
mod segment;
mod serve;
mod simulate;
mod table;
mod usage;
mod waterfall;
mod yaml;

pub(crate) use client::Client;
pub(crate) use failure::Failure;

use crate::exit::Exit;
use clap::{Args, Parser, Subcommand, ValueEnum};
pub(crate) use output::Output;
use std::path::PathBuf;

/// Attiva: from B2B sources to audiences that are used.
#[derive(Debug, Parser)]
#[command(name = "attiva", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 host not reachable, 4 key \
                        missing or refused, 5 no such thing, 6 exists, in progress or changed meanwhile, 7 what runs is not what files say.")]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Where the host answers.
    #[arg(long, global = true, env = "ATTIVA_URL", default_value = "http://127.0.0.1:8480")]
    url: String,
    /// PEM file of the authorities to trust for the host's certificate, in the place of the public ones.
    #[arg(long, global = true, env = "ATTIVA_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// API key; `attiva key create` makes one.
    #[arg(long, global = true, env = "ATTIVA_KEY", hide_env_values = true)]
    key: Option<String>,
    /// The sandbox to work in.
    #[arg(long, global = true, env = "ATTIVA_SANDBOX", default_value = "default")]
    sandbox: String,
    /// `table` for people, `json` or `yaml` for programs, `junit` for what `connector test` finds.
    #[arg(long, short, global = true, value_enum, default_value_t = Format::Table)]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
    Yaml,
    Junit,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the host.
    Serve(serve::Serve),
    /// Watch leads leave a simulated Marketo and land as a file in S3, through the API, and check every field.
    Demo(demo::Demo),
    /// API keys.
    #[command(subcommand)]
    Key(key::Key),
    /// Organisations that share the host; for operators.
    #[command(subcommand)]
    Organisation(organisation::Organisation),
    /// Sandboxes: places of their own within an organisation.
    #[command(subcommand)]
    Sandbox(sandbox::Sandbox),
    /// What persons said about being sent something.
    #[command(subcommand)]
    Consent(consent::Consent),
    /// What data may not be used for.
    #[command(subcommand)]
    Usage(usage::Usage),
    /// Who is not sent anything.
    #[command(subcommand)]
    Suppression(consent::Suppression),
    /// Rates of exchange: what currencies are worth, by the day.
    #[command(subcommand)]
    ExchangeRate(exchange_rate::ExchangeRate),
    /// How fresh streams and audiences are, against what is wanted.
    #[command(subcommand)]
    Freshness(freshness::Freshness),
    /// Open tables: what a sandbox holds, as Parquet files.
    #[command(subcommand)]
    Table(table::Table),
    /// Limits: what there may be how much of.
    #[command(subcommand)]
    Guardrail(guardrail::Guardrail),
    /// Plugins: sign, install, approve, inspect, audit.
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    /// Write connectors: new, build, test, package, dev.
    #[command(subcommand)]
    Connector(connector::Connector),
    /// Budgets of vendors' instances: what is spent, by whom, and when it frees up.
    #[command(subcommand)]
    Quota(quota::Quota),
    /// Backups of the whole host, made while it runs; for operators.
    #[command(subcommand)]
    Backup(backup::Backup),
    /// Put a backup into an empty data directory that no host has open.
    Restore(backup::Restore),
    /// The key that connections' secrets are sealed with.
    #[command(subcommand)]
    Secrets(secrets::Secrets),
    /// Connections to vendors.
    #[command(subcommand)]
    Connection(connection::Connection),
    /// Runs of sources.
    #[command(subcommand)]
    Run(run::Run),
    /// Which account a person belongs to that names none, and families of accounts.
    #[command(subcommand)]
    Account(account::Account),
    /// Which records are one, and which value survives.
    #[command(subcommand)]
    Identity(identity::Identity),
    /// The model: what there is, and what you add to it.
    #[command(subcommand)]
    Model(model::Model),
    /// Mappings: what becomes of the native records of a connection's streams.
    #[command(subcommand)]
    Mapping(mapping::Mapping),
    /// Profiles.
    #[command(subcommand)]
    Profile(profile::Profile),
    /// What is kept about somebody, and that they are forgotten.
    #[command(subcommand)]
    Privacy(privacy::Privacy),
    /// Segments: rules that say who belongs.
    #[command(subcommand)]
    Segment(segment::Segment),
    /// Audiences in an order, of which everybody is in the first that fits.
    #[command(subcommand)]
    Waterfall(waterfall::Waterfall),
    /// Audiences of a person at a request.
    #[command(subcommand)]
    Edge(edge::Edge),
    /// Batch evaluations of segments.
    #[command(subcommand)]
    Evaluation(evaluation::Evaluation),
    /// Activations: audiences joined to destinations.
    #[command(subcommand)]
    Activation(activation::Activation),
    /// Deliveries of activations.
    #[command(subcommand)]
    Delivery(delivery::Delivery),
    /// Write what is configured in a sandbox to files.
    Export(declared::Export),
    /// Show what files would change, and who would enter and leave which target.
    Plan(declared::Plan),
    /// Make a sandbox what files say. What was done is not done again.
    Apply(declared::ApplyArgs),
    /// Tell how a sandbox differs from files; exits with 7 where it does.
    Drift(declared::Drift),
    /// Print the JSON Schema of configuration files. No host is asked: it is this program's.
    Schema,
    /// Vendors to develop against.
    #[command(subcommand)]
    Simulate(simulate::Simulate),
    /// Print the description of the HTTP API, as OpenAPI 3.1. No host is asked: it is this program's.
    Openapi,
    /// Find out what is wrong between this machine, the host and its vendors.
    Doctor,
    /// Send any request of the API: what has no command of its own can be asked for as well.
    Api(api::Request),
    /// List what was done on this host, and by whom, oldest first.
    Audit(audit::Audit),
    /// Print a script by which a shell completes what you type. No host is asked.
    #[command(after_help = "bash: attiva completion bash > /etc/bash_completion.d/attiva\n\
                            zsh:  attiva completion zsh > \"${fpath[1]}/_attiva\"\n\
                            fish: attiva completion fish > ~/.config/fish/completions/attiva.fish")]
    Completion { shell: completion::Shell },
}

/// Runs the program and says how it ended. Messages go to standard error, answers to standard output.
pub fn run(cli: Cli) -> Exit {
    let output = Output::new(cli.global.output);
    match dispatch(cli, &output) {
        Ok(exit) => exit,
        Err(failure) => {
            output.failure(&failure);
            failure.exit()
        }
    }
}

fn dispatch(cli: Cli, output: &Output) -> Result<Exit, Failure> {
    let global = &cli.global;
    if global.output == Format::Junit && !matches!(cli.command, Command::Connector(connector::Connector::Test(_))) {
        return Err(Failure::Usage("--output junit is for `connector test` alone".into()));
    }
    match cli.command {
        Command::Serve(serve) => return serve::run(&serve),
        Command::Demo(demo) => return demo::run(&demo, output),
        Command::Key(key) => key::run(key, global, output)?,
        Command::Organisation(organisation) => organisation::run(organisation, &Client::new(global)?, *output)?,
        Command::Sandbox(sandbox) => sandbox::run(sandbox, &Client::new(global)?, *output)?,
        Command::Consent(consent) => consent::run(consent, &Client::new(global)?, *output)?,
        Command::Usage(usage) => usage::run(usage, &Client::new(global)?, *output)?,
        Command::Suppression(suppression) => consent::suppress(suppression, &Client::new(global)?, *output)?,
        Command::ExchangeRate(rate) => exchange_rate::run(rate, &Client::new(global)?, *output)?,
        Command::Freshness(freshness) => freshness::run(freshness, &Client::new(global)?, *output)?,
        Command::Table(command) => table::run(command, &Client::new(global)?, *output)?,
        Command::Guardrail(guardrail) => guardrail::run(guardrail, &Client::new(global)?, *output)?,
        Command::Plugin(plugin) => return plugin::run(plugin, global, *output),
        Command::Connector(connector) => return connector::run(connector, global, *output),
        Command::Quota(quota) => quota::run(quota, &Client::new(global)?, *output)?,
        Command::Backup(backup) => return backup::run(backup, global, output),
        Command::Restore(restore) => backup::restore(restore, *output)?,
        Command::Secrets(secrets) => secrets::run(&secrets, &Client::new(global)?, *output)?,
        Command::Connection(connection) => return connection::run(connection, &Client::new(global)?, output),
        Command::Run(run) => return run::run(run, &Client::new(global)?, output),
        Command::Account(account) => account::run(account, &Client::new(global)?, *output)?,
        Command::Identity(identity) => identity::run(identity, &Client::new(global)?, *output)?,
        Command::Model(command) => model::run(command, &Client::new(global)?, *output)?,
        Command::Mapping(command) => mapping::run(command, &Client::new(global)?, *output)?,
        Command::Profile(profile) => profile::run(profile, &Client::new(global)?, output)?,
        Command::Segment(segment) => return segment::run(segment, &Client::new(global)?, output),
        Command::Waterfall(waterfall) => waterfall::run(waterfall, &Client::new(global)?, *output)?,
        Command::Privacy(privacy) => return privacy::run(privacy, &Client::new(global)?, output),
        Command::Edge(edge) => edge::run(edge, &Client::new(global)?, *output)?,
        Command::Evaluation(evaluation) => return evaluation::run(evaluation, &Client::new(global)?, output),
        Command::Activation(activation) => return activation::run(activation, &Client::new(global)?, output),
        Command::Delivery(delivery) => return delivery::run(delivery, &Client::new(global)?, output),
        Command::Export(args) => return declared::export(&args, &Client::new(global)?, *output),
        Command::Plan(args) => return declared::plan(&args, &Client::new(global)?, *output),
        Command::Apply(args) => return declared::apply(&args, &Client::new(global)?, *output),
        Command::Drift(args) => return declared::drift(&args, &Client::new(global)?, *output),
        Command::Schema => declared::print_schema(*output),
        Command::Simulate(simulate) => return simulate::run(simulate, output),
        Command::Openapi => output.json(crate::api::document()),
        Command::Api(request) => api::run(&request, &Client::new(global)?, *output)?,
        Command::Audit(audit) => audit::run(&audit, &Client::new(global)?, *output)?,
        Command::Completion { shell } => completion::run(shell, *output)?,
        Command::Doctor => return doctor::run(global, output),
    }
    Ok(Exit::Done)
}
