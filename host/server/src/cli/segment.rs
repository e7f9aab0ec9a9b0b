//! `attiva segment`.

use super::input::PageArgs;
use super::output::{Column, Output};
use super::{Client, Failure};
use crate::exit::Exit;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};
use ureq::http::Method as Verb;

/// A segment is named by its id, or by its name.
#[derive(Debug, Subcommand)]
pub(crate) enum Segment {
    /// Define a segment: attiva segment create --name Managers 'person.job_title.contains("Manager")'
    Create {
        /// For people, and for `inAudience("...")`.
        #[arg(long)]
        name: String,
        #[command(flatten)]
        rule: Rule,
    },
    /// Give a segment another rule or name.
    Change {
        segment: String,
        #[arg(long)]
        name: String,
        #[command(flatten)]
        rule: Rule,
    },
    /// Remove a segment that nothing hangs on.
    Remove { segment: String },
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
    /// Check an expression and keep nothing: how it is evaluated, and what it reads.
    Check {
        #[command(flatten)]
        rule: Rule,
    },
    /// Count and show who would belong; keep nothing.
    Preview {
        #[command(flatten)]
        rule: Rule,
        /// Profiles to show.
        #[arg(long, default_value_t = 10)]
        samples: u16,
    },
    /// Who would enter and leave if a segment had another rule.
    Compare {
        segment: String,
        #[command(flatten)]
        rule: Rule,
    },
    /// Why a profile belongs, or does not.
    Why { segment: String, profile: String },
    /// Show it as SQL over the open tables.
    Sql { segment: String },
    /// How many members it shares with others.
    Overlap {
        segment: String,
        #[arg(required = true)]
        with: Vec<String>,
    },
    /// How many belong, by status and from day to day.
    Counts {
        segment: String,
        /// Days to show, the last of which is today.
        #[arg(long, default_value_t = 30)]
        days: u16,
    },
    /// Who entered and left, and why; newest first.
    History {
        segment: String,
        #[command(flatten)]
        page: PageArgs,
    },
}

/// A rule, and what it is to be.
#[derive(Debug, Args)]
pub(crate) struct Rule {
    /// CEL over `person`, or over `account`.
    expression: String,
    /// What its members are.
    #[arg(long, value_enum, default_value = "person")]
    entity: Entity,
    /// Only the first so many of those who meet the rule belong, by `--rank-by`.
    #[arg(long, value_name = "N", requires = "rank_by")]
    first: Option<u32>,
    /// What they are ranked by: a number, a date or an instant. The most, or the latest, is first.
    #[arg(long, value_name = "EXPRESSION", requires = "first")]
    rank_by: Option<String>,
    /// The least, or the earliest, is first.
    #[arg(long, requires = "rank_by")]
    ascending: bool,
    /// How it is evaluated; in streaming where the rule allows, unless it says so.
    #[arg(long, value_enum)]
    evaluation: Option<Method>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Entity {
    Person,
    Account,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Method {
    Streaming,
    Batch,
}

impl Rule {
    fn rank(&self) -> Option<Value> {
        let order = if self.ascending { "ascending" } else { "descending" };
        Some(json!({ "by": self.rank_by.as_ref()?, "order": order, "limit": self.first? }))
    }

    fn body(&self, more: &[(&str, Value)]) -> Value {
        let entity = match self.entity {
            Entity::Person => "person",
            Entity::Account => "account",
        };
        let mut body = Map::new();
        body.insert("expression".into(), json!(self.expression));
        body.insert("entity".into(), json!(entity));
        if let Some(method) = self.evaluation {
            let method = match method {
                Method::Streaming => "streaming",
                Method::Batch => "batch",
            };
            body.insert("evaluation".into(), json!(method));
        }
        body.extend(self.rank().map(|rank| ("rank".to_owned(), rank)));
        body.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        Value::Object(body)
    }
}

const COLUMNS: [Column; 10] = [
    ("id", "/id"),
    ("name", "/name"),
    ("entity", "/entity"),
    ("evaluation", "/evaluation"),
    ("evaluated", "/evaluated"),
    ("members", "/members"),
    ("expression", "/expression"),
    ("because", "/because/clause"),
    ("ranked by", "/rank/by"),
    ("first", "/rank/limit"),
];

const SAMPLES: [Column; 4] = [
    ("profile", "/profile"),
    ("email", "/attributes/email"),
    ("name", "/attributes/name"),
    ("last name", "/attributes/last_name"),
];

pub(crate) fn run(command: Segment, client: &Client, output: &Output) -> Result<Exit, Failure> {
    let place = |segment: &str| -> Result<String, Failure> {
        Ok(client.scoped(&format!("segments/{}", client.id_of("segments", "seg_", segment)?)))
    };
    match command {
        Segment::Create { name, rule } => {
            output.one(&client.post(&client.scoped("segments"), &rule.body(&[("name", json!(name))]))?, &COLUMNS);
        }
        Segment::Change { segment, name, rule } => {
            output.one(
                &client.send_json(Verb::PUT, &place(&segment)?, &rule.body(&[("name", json!(name))]))?.json()?,
                &COLUMNS,
            );
        }
        Segment::Remove { segment } => {
            client.send(Verb::DELETE, &place(&segment)?, None)?;
            output.note(&format!("{segment} is removed."));
        }
        Segment::List(page) => output.list(&client.get(&page.path(&client.scoped("segments"), &[]))?, &COLUMNS),
        Segment::Show { segment } => output.one(&client.get(&place(&segment)?)?, &COLUMNS),
        Segment::Members { segment, page } => {
            let path = page.path(&format!("{}/members", place(&segment)?), &[]);
            output.list(&client.get(&path)?, &[("profile", "/profile"), ("status", "/status"), ("since", "/since")]);
        }
        Segment::Check { rule } => return check(&rule, client, *output),
        Segment::Preview { rule, samples } => {
            let found = client.post(&client.scoped("segments/preview"), &rule.body(&[("samples", json!(samples))]))?;
            if output.is_json() {
                output.json(&found);
            } else {
                output.line(&format!("{} of {}", found["count"], found["of"]));
                output.list(&json!({ "items": found["samples"] }), &SAMPLES);
            }
        }
        Segment::Compare { segment, rule } => {
            let mut body = json!({ "expression": rule.expression });
            if let Some(rank) = rule.rank() {
                body["rank"] = rank;
            }
            let columns = [("entering", "/entering/count"), ("leaving", "/leaving/count"), ("staying", "/staying")];
            output.one(&client.post(&format!("{}/compare", place(&segment)?), &body)?, &columns);
        }
        Segment::Why { segment, profile } => {
            let profile = super::client::encoded(&profile);
            let found = client.get(&format!("{}/explanation?profile={profile}", place(&segment)?))?;
            if output.is_json() {
                output.json(&found);
            } else {
                output.line(found["text"].as_str().unwrap_or_default());
            }
        }
        Segment::Sql { segment } => {
            let found = client.get(&format!("{}/sql", place(&segment)?))?;
            if output.is_json() {
                output.json(&found);
            } else {
                output.line(found["sql"].as_str().unwrap_or_default());
            }
        }
        Segment::Overlap { segment, with } => {
            let with = super::client::encoded(&with.join(","));
            let found = client.get(&format!("{}/overlap?with={with}", place(&segment)?))?;
            if output.is_json() {
                output.json(&found);
            } else {
                let columns = [("with", "/with"), ("members", "/members"), ("common", "/common")];
                output.list(&json!({ "items": found["overlaps"] }), &columns);
            }
        }
        Segment::Counts { segment, days } => {
            let found = client.get(&format!("{}/counts?days={days}", place(&segment)?))?;
            if output.is_json() {
                output.json(&found);
            } else {
                let now = ["members", "realized", "existing", "exited"].map(|of| format!("{of} {}", found[of]));
                output.line(&now.join(", "));
                let columns =
                    [("day", "/day"), ("realized", "/realized"), ("exited", "/exited"), ("members", "/members")];
                output.list(&json!({ "items": found["days"] }), &columns);
            }
        }
        Segment::History { segment, page } => {
            let path = page.path(&format!("{}/history", place(&segment)?), &[]);
            let columns = [("at", "/at"), ("profile", "/profile"), ("status", "/status"), ("cause", "/cause")];
            output.list(&client.get(&path)?, &columns);
        }
    }
    Ok(Exit::Done)
}

fn check(rule: &Rule, client: &Client, output: Output) -> Result<Exit, Failure> {
    let checked = client.post(&client.scoped("segments/check"), &rule.body(&[]))?;
    let valid = checked.get("valid").and_then(Value::as_bool).unwrap_or(false);
    if output.is_json() {
        output.json(&checked);
    } else if valid {
        output.line("The expression can be a segment.");
        let columns = [
            ("evaluation", "/evaluation"),
            ("because", "/because/clause"),
            ("goes to", "/because/hop"),
            ("at requests", "/edge/qualifies"),
            ("not for", "/edge/because/clause"),
            ("asks for", "/asks_for"),
            ("reads", "/reads"),
            ("records", "/cost/records"),
        ];
        output.one(&checked, &columns);
    } else {
        for problem in checked.get("problems").and_then(Value::as_array).into_iter().flatten() {
            let number = |pointer: &str| problem.pointer(pointer).and_then(Value::as_u64).unwrap_or(1);
            let message = problem.get("message").and_then(Value::as_str).unwrap_or_default();
            output.line(&format!("{}:{}: {message}", number("/place/line"), number("/place/column")));
        }
    }
    Ok(if valid { Exit::Done } else { Exit::Fault })
}
