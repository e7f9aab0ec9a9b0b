//! `attiva segment`.

use super::input::PageArgs;
use super::output::{Column, Output};
use super::{Client, Failure};
use crate::exit::Exit;
use clap::Subcommand;
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub(crate) enum Segment {
    /// Define a segment: attiva segment create --name Managers 'person.job_title.contains("Manager")'
    Create {
        /// For people.
        #[arg(long)]
        name: String,
        /// CEL over `person`.
        expression: String,
    },
    /// List segments.
    List(PageArgs),
    /// Show a segment, with how many belong.
    Show { segment: String },
    /// List who belongs.
    Members {
        segment: String,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Check an expression and keep nothing.
    Check { expression: String },
}

const COLUMNS: [Column; 5] = [
    ("id", "/id"),
    ("name", "/name"),
    ("evaluated", "/evaluated"),
    ("members", "/members"),
    ("expression", "/expression"),
];

pub(crate) fn run(command: Segment, client: &Client, output: &Output) -> Result<Exit, Failure> {
    match command {
        Segment::Create { name, expression } => {
            let body = json!({ "name": name, "expression": expression });
            output.one(&client.post(&client.scoped("segments"), &body)?, &COLUMNS);
        }
        Segment::List(page) => output.list(&client.get(&page.path(&client.scoped("segments"), &[]))?, &COLUMNS),
        Segment::Show { segment } => {
            output.one(&client.get(&client.scoped(&format!("segments/{segment}")))?, &COLUMNS);
        }
        Segment::Members { segment, page } => {
            let path = page.path(&client.scoped(&format!("segments/{segment}/members")), &[]);
            output.list(&client.get(&path)?, &[("profile", "/profile"), ("status", "/status"), ("since", "/since")]);
        }
        Segment::Check { expression } => return check(&expression, client, *output),
    }
    Ok(Exit::Done)
}

fn check(expression: &str, client: &Client, output: Output) -> Result<Exit, Failure> {
    let checked = client.post(&client.scoped("segments/check"), &json!({ "expression": expression }))?;
    let valid = checked.get("valid").and_then(Value::as_bool).unwrap_or(false);
    if output.is_json() {
        output.json(&checked);
    } else if valid {
        output.line("The expression can be a segment.");
    } else {
        for problem in checked.get("problems").and_then(Value::as_array).into_iter().flatten() {
            let number = |pointer: &str| problem.pointer(pointer).and_then(Value::as_u64).unwrap_or(1);
            let message = problem.get("message").and_then(Value::as_str).unwrap_or_default();
            output.line(&format!("{}:{}: {message}", number("/place/line"), number("/place/column")));
        }
    }
    Ok(if valid { Exit::Done } else { Exit::Fault })
}
