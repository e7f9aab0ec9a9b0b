//! `attiva exchange-rate`.

use super::client::encoded;
use super::input::{PageArgs, json_file};
use super::output::{Column, Output};
use super::{Client, Failure};
use clap::Subcommand;
use serde_json::Value;
use std::path::PathBuf;
use ureq::http::Method;

#[derive(Debug, Subcommand)]
pub(crate) enum ExchangeRate {
    /// List the tables.
    List(PageArgs),
    /// Show a base's table.
    Show { base: String },
    /// Publish a table in the place of the one of its base.
    Put {
        /// JSON file: {"base": "EUR", "rates": [{"currency": "USD", "from": "2026-11-01", "rate": "0.92"}]}; `-` for
        /// standard input.
        file: PathBuf,
    },
    /// Tell what an amount is worth.
    Convert {
        amount: String,
        currency: String,
        #[arg(long = "in")]
        base: String,
        /// A day: 2026-11-23.
        #[arg(long)]
        on: String,
    },
}

const TABLES: [Column; 4] =
    [("base", "/base"), ("currencies", "/currencies"), ("rates", "/rates"), ("newest", "/newest")];
const RATES: [Column; 3] = [("currency", "/currency"), ("from", "/from"), ("rate", "/rate")];

pub(crate) fn run(command: ExchangeRate, client: &Client, output: Output) -> Result<(), Failure> {
    match command {
        ExchangeRate::List(page) => {
            output.list(&client.get(&page.path(&client.scoped("exchange-rates"), &[]))?, &TABLES);
        }
        ExchangeRate::Show { base } => {
            let table = client.get(&client.scoped(&format!("exchange-rates/{}", encoded(&base))))?;
            if output.is_json() {
                output.json(&table);
            } else {
                let rates = table.get("rates").cloned().unwrap_or_default();
                output.list(&serde_json::json!({ "items": rates }), &RATES);
            }
        }
        ExchangeRate::Put { file } => {
            let table = json_file(&file)?;
            let base = table.get("base").and_then(Value::as_str).unwrap_or_default().to_owned();
            let path = client.scoped(&format!("exchange-rates/{}", encoded(&base)));
            client.send_json(Method::PUT, &path, &table)?;
            output.note(&format!("The rates in {base} are published."));
        }
        ExchangeRate::Convert { amount, currency, base, on } => {
            let question = [("amount", Some(amount.as_str())), ("currency", Some(&currency)), ("on", Some(&on))];
            let path = client.scoped(&format!("exchange-rates/{}/convert", encoded(&base)));
            let answer = client.get(&PageArgs::default().path(&path, &question))?;
            output.one(&answer, &[("amount", "/amount"), ("unknown because", "/because")]);
        }
    }
    Ok(())
}
