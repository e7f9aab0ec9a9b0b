//! Readings of one list, again and again from one host: others have their hands in it before each, and what a reading finds
//! is put right after it. What each found and left is the same, or something was lost.

use crate::Kill;
use crate::host::HostProcess;
use crate::journey::Journey;
use crate::vendors::Vendors;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The vendor tells 300 at a time: three pages.
const PERSONS: usize = 650;
/// Whom somebody takes off the list before each reading.
const TAKEN_OFF: [usize; 3] = [3, 333, 640];
/// Who was taken out by a delivery, and is put back before each reading.
const TAKEN_OUT: usize = 7;

/// What one reading found, and what came of it.
#[derive(Debug, PartialEq)]
pub struct Found {
    /// Without its id and its times, which differ.
    pub reading: Value,
    pub drift: Vec<Value>,
    /// What the target holds by the ledger's word, before anything follows from the reading.
    pub ledger: Vec<Value>,
    /// Of the delivery after it.
    pub books: Value,
    /// Who is on the list in the end.
    pub listed: Vec<u64>,
}

/// A host whose persons are on a list at the vendor.
pub struct Readings<'a> {
    vendors: &'a Vendors,
    host: HostProcess,
    journey: Journey<'a>,
    activation: String,
    list: u64,
    leads: Vec<u64>,
    // The host's data.
    _directory: TempDir,
}

impl<'a> Readings<'a> {
    pub fn prepare(vendors: &'a Vendors) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let mut host = HostProcess::prepare(&directory.path().join("data"))?;
        host.start(Kill::Never)?;
        let mut journey = Journey::new(vendors);
        let marketo = &vendors.marketo;
        let lead = |i: usize| marketo.create_lead(json!({ "email": email(i) }));
        let leads = (0..PERSONS).map(lead).collect::<Result<Vec<u64>, _>>();
        let leads = leads.map_err(|refused| anyhow::anyhow!("{refused:?}"))?;
        let list = marketo.create_list("readers").map_err(|refused| anyhow::anyhow!("{refused:?}"))?;
        send(&mut journey, &mut host, &(0..PERSONS).map(|i| person(i, "HR")).collect())?;
        let rule = json!({ "name": "HR", "expression": "person.department == \"HR\"" });
        let segment = journey.made(&mut host, "segments", &rule)?;
        let config = marketo.config();
        let configuration = json!({ "munchkin_id": "123-ABC-456", "client_id": config.client_id,
                                    "client_secret": config.client_secret });
        let connection =
            journey.connect(&mut host, "destination-marketo", &configuration, "api", &marketo.base_url())?;
        let activation = json!({
            "name": "readers", "segment": segment, "connection": connection,
            "target": { "object": "static-list", "name": "readers" },
            "mapping": [{ "field": "email", "expression": "person.email", "required": true }],
            "readback": { "on_drift": "repair" },
        });
        let activation = journey.made(&mut host, "activations", &activation)?;
        let mut readings = Self { vendors, host, journey, activation, list, leads, _directory: directory };
        ensure!(readings.deliver()?["updated"] == PERSONS, "not everybody is on the list");
        send(&mut readings.journey, &mut readings.host, &json!([person(TAKEN_OUT, "Sales")]))?;
        ensure!(readings.deliver()?["removed"] == 1, "nobody was taken out");
        Ok(readings)
    }

    /// Others meddle; then a host that is killed reads the list back, and the next delivery puts it right. Whether it was
    /// killed.
    pub fn read(&mut self, kill: Kill) -> Result<(Found, bool)> {
        for i in TAKEN_OFF {
            self.put(self.leads[i], false)?;
        }
        self.put(self.leads[TAKEN_OUT], true)?;
        // One of the vendor's own leads: somebody else's.
        self.put(1, true)?;
        self.host.restart(kill)?;
        let place = format!("activations/{}/readback", self.activation);
        let begun = self.journey.post(&mut self.host, &place, &json!({}))?;
        let mut reading = self.journey.follow(&mut self.host, &begun)?;
        let was_killed = self.host.killed_in().is_some();
        let own = reading.as_object_mut().context("no reading")?;
        own.retain(|name, _| !["id", "started_at", "ended_at"].contains(&name.as_str()));
        let drift = self.journey.all(&mut self.host, &format!("{place}/drift"))?;
        let mut ledger = self.journey.all(&mut self.host, &format!("activations/{}/members", self.activation))?;
        for member in ledger.iter_mut().filter_map(Value::as_object_mut) {
            member.remove("held_at");
        }
        let books = self.deliver()?;
        let listed = self.vendors.marketo.listed(self.list);
        Ok((Found { reading, drift, ledger, books, listed }, was_killed))
    }

    /// Ends the host as an operator does.
    pub fn stop(self) -> Result<()> {
        self.host.stop()
    }

    fn put(&self, lead: u64, on: bool) -> Result<()> {
        let done = self.vendors.marketo.set_listed(self.list, lead, on);
        done.map_err(|refused| anyhow::anyhow!("lead {lead}: {refused:?}"))
    }

    fn deliver(&mut self) -> Result<Value> {
        let path = format!("activations/{}/deliveries", self.activation);
        let begun = self.journey.post(&mut self.host, &path, &json!({}))?;
        Ok(self.journey.follow(&mut self.host, &begun)?["books"].clone())
    }
}

fn email(i: usize) -> String {
    format!("reader-{i}@x.example")
}

fn person(i: usize, department: &str) -> Value {
    json!({ "id": i.to_string(), "fields": { "email": email(i), "department": department } })
}

fn send(journey: &mut Journey<'_>, host: &mut HostProcess, records: &Value) -> Result<()> {
    let source = json!({ "system": "Web", "id": "w" });
    journey.post(host, "records", &json!({ "source": source, "entity": "person", "records": records }))?;
    journey.caught_up(host)
}
