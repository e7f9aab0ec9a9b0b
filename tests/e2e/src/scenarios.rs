//! Audiences on their way to vendors, each with what must hold of any: its books balance, a repeat sends nothing, a kill
//! within a delivery loses and doubles nothing, and an audience that was taken back is sent again by itself.
//!
//! [`definitions`] says which audiences, and who has to be in the target; [`sinks`] looks into the targets.

mod definitions;
mod sinks;

use crate::Kill;
use crate::host::HostProcess;
use crate::journey::Journey;
use crate::vendors::Vendors;
use anyhow::{Context, Result, ensure};
use definitions::System;
use serde_json::{Value, json};
use sinks::{Sink, Target};
use tempfile::TempDir;

/// Points of a delivery: either side of what is sent, of the commit that settles it, and of the one that ends the delivery.
pub const POINTS: [&str; 5] =
    ["batch.opened", "batch.delivered", "batch.closed", "finish.answered", "delivery.finished"];

/// One audience, and where it goes.
pub struct Scenario {
    pub name: &'static str,
    /// An activation without its name and its target's.
    sends: Value,
    sink: Sink,
    /// Whom the target holds in the end, as the vendor shows them.
    holds: Vec<String>,
    /// Of a first delivery.
    books: Expected,
    /// What the plan must warn of.
    warns: &'static str,
    leaves: Leaving,
}

/// What makes members leave the target.
struct Leaving {
    records: Vec<(System, &'static str, Value)>,
    who: Vec<String>,
    /// Without waiting for an evaluation.
    at_once: bool,
}

impl Leaving {
    fn at_once(records: Vec<(System, &'static str, Value)>, who: &[&str]) -> Self {
        Self { records, who: who.iter().map(|it| (*it).to_owned()).collect(), at_once: true }
    }

    fn later(records: Vec<(System, &'static str, Value)>, who: &[&str]) -> Self {
        Self { at_once: false, ..Self::at_once(records, who) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Expected {
    received: u64,
    activated: u64,
    excluded: u64,
    unmatched: u64,
}

/// What a first delivery came to.
#[derive(Debug, PartialEq)]
pub struct Landed {
    books: Value,
    holds: Vec<String>,
}

/// A host with everything that scenarios need, and the vendors.
pub struct Stage<'a> {
    vendors: &'a Vendors,
    host: HostProcess,
    journey: Journey<'a>,
    // The host's data.
    _directory: TempDir,
}

impl<'a> Stage<'a> {
    pub fn prepare(vendors: &'a Vendors) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let mut host = HostProcess::prepare(&directory.path().join("data"))?;
        host.start(Kill::Never)?;
        Ok(Self { vendors, host, journey: Journey::new(vendors), _directory: directory })
    }

    /// The records, segments and connections of all scenarios; what Marketo knows of their people is read from it.
    pub fn scenarios(&mut self) -> Result<Vec<Scenario>> {
        let scenarios = definitions::all(self)?;
        let source = self.journey.connect_marketo(&mut self.host)?;
        let run = self.post(&format!("connections/{source}/runs"), &json!({}))?;
        self.follow(&run)?;
        self.evaluate()?;
        Ok(scenarios)
    }

    fn evaluate(&mut self) -> Result<()> {
        self.journey.caught_up(&mut self.host)?;
        let evaluation = self.post("evaluations", &json!({}))?;
        self.follow(&evaluation)?;
        self.journey.caught_up(&mut self.host)
    }

    /// Everything that must hold of a scenario whom nobody disturbs. What its first delivery came to.
    pub fn undisturbed(&mut self, scenario: &Scenario) -> Result<Landed> {
        let target = scenario.sink.target(self.vendors, format!("{}-calm", scenario.name))?;
        let activation = self.activate(scenario, &target)?;
        self.plan(scenario, &activation, &target)?;
        let landed = self.first(scenario, &activation, &target)?;
        self.again(scenario, &activation)?;
        self.comes_back(scenario, &activation, &target, &landed)?;
        Ok(landed)
    }

    /// The same with a kill within the first delivery. Its target must come to hold the same.
    pub fn killed(&mut self, scenario: &Scenario, point: &'static str, count: u64) -> Result<Landed> {
        let name = format!("{}-{}-{count}", scenario.name, point.replace('.', "-"));
        let target = scenario.sink.target(self.vendors, name)?;
        let activation = self.activate(scenario, &target)?;
        self.host.restart(Kill::AtPoint { name: point, count })?;
        let landed = self.first(scenario, &activation, &target)?;
        ensure!(self.host.killed_in().is_some(), "{point} was not passed {count} times");
        self.again(scenario, &activation)?;
        Ok(landed)
    }

    /// Somebody leaves each audience. Of one that is evaluated in batch, nobody goes before its next evaluation. Last, since
    /// nobody comes back.
    pub fn leave(&mut self, scenarios: &[Scenario]) -> Result<()> {
        let mut filled = Vec::new();
        for scenario in scenarios {
            let target = scenario.sink.target(self.vendors, format!("{}-left", scenario.name))?;
            let activation = self.activate(scenario, &target)?;
            self.first(scenario, &activation, &target)?;
            filled.push((scenario, activation, target));
        }
        for (system, entity, records) in scenarios.iter().flat_map(|it| &it.leaves.records) {
            definitions::send(self, *system, entity, records)?;
        }
        for (scenario, activation, target) in &filled {
            self.has_left(scenario, activation, target, scenario.leaves.at_once)?;
        }
        self.evaluate()?;
        for (scenario, activation, target) in filled.iter().filter(|(it, ..)| !it.leaves.at_once) {
            self.has_left(scenario, activation, target, true)?;
        }
        Ok(())
    }

    fn has_left(&mut self, scenario: &Scenario, activation: &str, target: &Target, has_left: bool) -> Result<()> {
        let delivery = self.deliver(activation)?;
        let gone: &[String] = if has_left { &scenario.leaves.who } else { &[] };
        let mut left = scenario.holds.clone();
        left.retain(|it| !gone.contains(it));
        let holds = target.look(self.vendors)?;
        ensure!(holds == left, "{} holds {holds:?} instead of {left:?}: {delivery}", target.name);
        ensure!(of(&delivery["books"], "removed")? == gone.len() as u64, "{delivery}");
        Ok(())
    }

    /// Ends the host as an operator does.
    pub fn stop(self) -> Result<()> {
        self.host.stop()
    }

    fn activate(&mut self, scenario: &Scenario, target: &Target) -> Result<String> {
        let mut body = scenario.sends.clone();
        body["name"] = target.name.as_str().into();
        body["target"]["name"] = target.name.as_str().into();
        self.journey.made(&mut self.host, "activations", &body)
    }

    /// A plan says what would be sent, and sends nothing.
    fn plan(&mut self, scenario: &Scenario, activation: &str, target: &Target) -> Result<()> {
        let before = target.look(self.vendors)?;
        let begun = self.post(&format!("activations/{activation}/deliveries?dry_run=true"), &json!({}))?;
        let planned = self.follow(&begun)?;
        let plan = &planned["plan"];
        let Expected { activated, excluded, unmatched, .. } = scenario.books;
        // Whom the vendor does not know it cannot say before it is asked.
        let sends = activated + unmatched;
        ensure!(
            (of(plan, "upserts")?, of(plan, "removals")?, of(plan, "excluded")?) == (sends, 0, excluded),
            "{planned}"
        );
        ensure!(planned["notes"].to_string().contains(scenario.warns), "no `{}` in {planned}", scenario.warns);
        ensure!(target.look(self.vendors)? == before, "a plan changed the target");
        Ok(())
    }

    fn first(&mut self, scenario: &Scenario, activation: &str, target: &Target) -> Result<Landed> {
        let delivery = self.deliver(activation)?;
        let books = delivery["books"].clone();
        ensure!(summed(&books)? == scenario.books, "{delivery}");
        let holds = target.look(self.vendors)?;
        ensure!(holds == scenario.holds, "{} holds {holds:?} instead of {:?}", target.name, scenario.holds);
        Ok(Landed { books, holds })
    }

    /// Nothing has changed: the vendor is not called at all.
    fn again(&mut self, scenario: &Scenario, activation: &str) -> Result<()> {
        let before = scenario.sink.calls(self.vendors)?;
        let delivery = self.deliver(activation)?;
        ensure!(scenario.sink.calls(self.vendors)? == before, "a repeat called the vendor: {delivery}");
        let Expected { activated, unmatched, .. } = summed(&delivery["books"])?;
        ensure!((activated, unmatched) == (0, scenario.books.unmatched), "{delivery}");
        ensure!(of(&delivery["books"], "unchanged")? == scenario.books.activated, "{delivery}");
        Ok(())
    }

    /// It is taken back, and made again: everybody goes, and others' members stay; then everybody is there again.
    fn comes_back(&mut self, scenario: &Scenario, activation: &str, target: &Target, first: &Landed) -> Result<()> {
        self.post(&format!("activations/{activation}/retire"), &json!({}))?;
        let taken_back = self.deliver(activation)?;
        ensure!(of(&taken_back["books"], "removed")? == scenario.books.activated, "{taken_back}");
        let left = target.look(self.vendors)?;
        ensure!(left == scenario.sink.others(), "{} holds {left:?} after all were taken out", target.name);
        self.journey.request(
            &mut self.host,
            "DELETE",
            &format!("/v1/sandboxes/default/activations/{activation}"),
            None,
        )?;
        let anew = self.activate(scenario, target)?;
        let landed = self.first(scenario, &anew, target)?;
        ensure!(landed.holds == first.holds, "{landed:?} instead of {first:?}");
        Ok(())
    }

    /// A delivery that succeeds, and whose books balance.
    fn deliver(&mut self, activation: &str) -> Result<Value> {
        let begun = self.post(&format!("activations/{activation}/deliveries"), &json!({}))?;
        let delivery = self.follow(&begun)?;
        let books = &delivery["books"];
        let parts = ["created", "updated", "removed", "unchanged", "excluded", "failed", "unmatched", "pending"];
        let sum = parts.iter().map(|part| of(books, part)).sum::<Result<u64>>()?;
        ensure!(sum == of(books, "received")? && of(books, "pending")? == 0, "{delivery}");
        // Down to the reason, and to each member that was looked at.
        let reasons = delivery["reasons"].as_array().context("no reasons")?;
        let by_reason = reasons.iter().map(|reason| of(reason, "members")).sum::<Result<u64>>()?;
        ensure!(by_reason == sum, "{delivery}");
        let id = delivery["id"].as_str().context("no id")?.to_owned();
        let items = self.journey.all(&mut self.host, &format!("deliveries/{id}/items"))?;
        for part in parts {
            let listed = items.iter().filter(|item| item["status"] == part).count() as u64;
            ensure!(listed <= of(books, part)?, "{listed} items are {part}: {delivery}");
        }
        Ok(delivery)
    }

    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Result<Value> {
        self.journey.post(&mut self.host, path, body)
    }

    fn follow(&mut self, operation: &Value) -> Result<Value> {
        self.journey.follow(&mut self.host, operation)
    }

    /// Members of a segment, by what a field of theirs says.
    pub fn members_of(&mut self, name: &str, field: &str) -> Result<Vec<String>> {
        let segments = self.journey.all(&mut self.host, "segments")?;
        let segment = segments.iter().find(|segment| segment["name"] == name).context("no such segment")?;
        let segment = segment["id"].as_str().context("no id")?.to_owned();
        let mut found = Vec::new();
        for member in self.journey.all(&mut self.host, &format!("segments/{segment}/members"))? {
            let id = member["profile"].as_str().context("no profile")?.to_owned();
            let path = format!("/v1/sandboxes/default/profiles/{id}");
            let profile = self.journey.request(&mut self.host, "GET", &path, None)?;
            found.push(profile["attributes"][field].as_str().with_context(|| profile.to_string())?.to_owned());
        }
        found.sort();
        Ok(found)
    }
}

impl Scenario {
    /// Whose vendor it goes to.
    #[must_use]
    pub fn vendor(&self) -> &'static str {
        match self.sink {
            Sink::Marketo => "Marketo",
            Sink::LinkedIn => "LinkedIn",
            Sink::Files => "S3",
        }
    }

    /// Whether nothing has to be waited out after a kill, wherever it comes.
    #[must_use]
    pub fn repeats_at_once(&self) -> bool {
        matches!(self.sink, Sink::Files)
    }
}

/// The same target and the same books; what was made before a kill may be found made after it.
pub fn same(calm: &Landed, killed: &Landed) -> Result<()> {
    ensure!(
        calm.holds == killed.holds && summed(&calm.books)? == summed(&killed.books)?,
        "{killed:?} instead of {calm:?}"
    );
    Ok(())
}

fn summed(books: &Value) -> Result<Expected> {
    Ok(Expected {
        received: of(books, "received")?,
        activated: of(books, "created")? + of(books, "updated")? + of(books, "removed")?,
        excluded: of(books, "excluded")?,
        unmatched: of(books, "unmatched")?,
    })
}

fn of(books: &Value, part: &str) -> Result<u64> {
    books[part].as_u64().with_context(|| format!("no {part} in {books}"))
}
