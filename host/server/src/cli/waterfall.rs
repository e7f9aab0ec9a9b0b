//! `attiva waterfall`.

use super::input::PageArgs;
use super::output::{Column, Output};
use super::{Client, Failure};
use clap::Subcommand;
use serde_json::{Value, json};
use ureq::http::Method as Verb;

/// A waterfall is named by its id, or by its name; so are segments.
#[derive(Debug, Subcommand)]
pub(crate) enum Waterfall {
    /// Put audiences in an order: attiva waterfall create --name Priority Customers 'Open deals' Visitors
    Create {
        #[arg(long)]
        name: String,
        /// The first first.
        #[arg(required = true)]
        audiences: Vec<String>,
    },
    /// Give a waterfall another order, other audiences or another name.
    Change {
        waterfall: String,
        #[arg(long)]
        name: String,
        #[arg(required = true)]
        audiences: Vec<String>,
    },
    /// Count whom each audience would take in an order; keep nothing.
    Preview {
        #[arg(required = true)]
        audiences: Vec<String>,
    },
    /// List waterfalls.
    List(PageArgs),
    /// Show a waterfall, with how many each step takes.
    Show { waterfall: String },
    /// Remove a waterfall and the segments of its steps; the audiences stay.
    Remove { waterfall: String },
}

const STEPS: [Column; 4] = [("audience", "/name"), ("takes", "/takes"), ("alone", "/alone"), ("segment", "/segment")];
const PREVIEWED: [Column; 4] =
    [("audience", "/name"), ("takes", "/takes"), ("alone", "/alone"), ("has a result", "/has_result")];

pub(crate) fn run(command: Waterfall, client: &Client, output: Output) -> Result<(), Failure> {
    let place = |waterfall: &str| -> Result<String, Failure> {
        Ok(client.scoped(&format!("waterfalls/{}", client.id_of("waterfalls", "wfl_", waterfall)?)))
    };
    let ids = |audiences: &[String]| -> Result<Vec<String>, Failure> {
        audiences.iter().map(|audience| client.id_of("segments", "seg_", audience)).collect()
    };
    let steps = |answer: &Value, columns: &[Column]| {
        if output.is_json() {
            output.json(answer);
        } else {
            output.list(&json!({ "items": answer["steps"] }), columns);
        }
    };
    match command {
        Waterfall::Create { name, audiences } => {
            let body = json!({ "name": name, "audiences": ids(&audiences)? });
            steps(&client.post(&client.scoped("waterfalls"), &body)?, &STEPS);
        }
        Waterfall::Change { waterfall, name, audiences } => {
            let body = json!({ "name": name, "audiences": ids(&audiences)? });
            steps(&client.send_json(Verb::PUT, &place(&waterfall)?, &body)?.json()?, &STEPS);
        }
        Waterfall::Preview { audiences } => {
            let body = json!({ "audiences": ids(&audiences)? });
            steps(&client.post(&client.scoped("waterfalls/preview"), &body)?, &PREVIEWED);
        }
        Waterfall::List(page) => {
            let found = client.get(&page.path(&client.scoped("waterfalls"), &[]))?;
            output.list(&found, &[("id", "/id"), ("name", "/name"), ("made", "/created_at")]);
        }
        Waterfall::Show { waterfall } => steps(&client.get(&place(&waterfall)?)?, &STEPS),
        Waterfall::Remove { waterfall } => {
            client.send(Verb::DELETE, &place(&waterfall)?, None)?;
            output.note(&format!("{waterfall} is removed, and its audiences are as they were."));
        }
    }
    Ok(())
}
