//! Deliveries: a target that is prepared, batches, an end.

use crate::run::source::JITTER;
use crate::subject::{Connection, Subject};
use crate::suite::TargetSuite;
use arrow_array::{Array, StringArray};
use attiva_core::page::{Batch, Operation, Outcome, OutcomeStatus, Rows, column};
use attiva_core::ports::connector::{Artifact, DeliveryRun, Target};
use attiva_core::retry::{self, Verdict};
use attiva_core::spec::{Access, EgressRule};
use attiva_core::{Fault, FaultKind, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Turns of `finish` and `poll`; more are an endless job.
const TURNS_MAX: usize = 200;

/// One row of a batch.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) key: String,
    pub(crate) operation: Operation,
    pub(crate) member_id: Option<String>,
    /// What is not here is absent.
    pub(crate) values: BTreeMap<String, Value>,
}

/// A delivery under way.
pub(crate) struct Delivery<'s> {
    subject: &'s Subject,
    pub(crate) connection: Connection,
    pub(crate) target: Target,
    pub(crate) run: DeliveryRun,
    pub(crate) state: Vec<u8>,
    pub(crate) notes: Vec<String>,
    pub(crate) number: u32,
    /// Faults that pass are waited out.
    pub(crate) patient: bool,
    pub(crate) faults: Vec<Fault>,
}

/// What a delivery came to.
#[derive(Debug, Default)]
pub(crate) struct End {
    pub(crate) pending_become: Option<OutcomeStatus>,
    pub(crate) exceptions: BTreeMap<String, Outcome>,
    pub(crate) artifacts: Vec<Artifact>,
}

impl TargetSuite {
    /// Members with these numbers, all to be there.
    pub(crate) fn members(&self, numbers: std::ops::Range<u32>) -> Vec<Row> {
        numbers.map(|n| self.member(n)).collect()
    }

    pub(crate) fn member(&self, n: u32) -> Row {
        let mut row =
            Row { key: format!("kit-{n}"), operation: Operation::Upsert, member_id: None, values: BTreeMap::new() };
        for (name, value) in &self.row {
            row.values.insert(name.clone(), self.value(name, value, n));
        }
        row
    }

    /// A member whom the vendor refuses.
    pub(crate) fn poisoned(&self, n: u32) -> Option<Row> {
        let mut row = self.member(n);
        for (name, value) in self.poison.as_ref()? {
            row.values.insert(name.clone(), self.value(name, value, n));
        }
        Some(row)
    }

    fn value(&self, name: &str, value: &serde_json::Value, n: u32) -> Value {
        let plain = match value {
            serde_json::Value::String(text) => Value::Text(text.replace("{n}", &n.to_string())),
            serde_json::Value::Number(number) => Value::Decimal(number.to_string()),
            serde_json::Value::Bool(truth) => Value::Boolean(*truth),
            serde_json::Value::Array(items) => {
                Value::TextList(items.iter().filter_map(|i| Some(i.as_str()?.to_owned())).collect())
            }
            _ => Value::Null,
        };
        let wanted = self.columns.iter().find(|c| c.name == name).map(|c| c.data_type);
        // A value that is not of the column's type goes as it is said: poison may be one.
        wanted.and_then(|wanted| plain.clone().cast(wanted)).unwrap_or(plain)
    }
}

impl Row {
    pub(crate) fn removed(mut self) -> Self {
        self.operation = Operation::Remove;
        self
    }

    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.values.insert(name.to_owned(), value);
        self
    }
}

impl Subject {
    /// A delivery of a scene, not yet prepared. Scenes share a target where the suite's id of it is the same.
    pub(crate) fn delivery(&self, suite: &TargetSuite, id: &str, run: &str) -> Result<Delivery<'_>, Fault> {
        let target = Target {
            id: id.to_owned(),
            object: suite.object.clone(),
            name: id.to_owned(),
            options: serde_json::Value::Object(suite.options.clone()),
        };
        let columns = suite.columns.iter().map(|c| (c.name.clone(), c.data_type)).collect();
        let started_at = i64::try_from(self.started_ms()).unwrap_or(i64::MAX);
        let run = DeliveryRun { id: format!("{id}-{run}"), started_at, rows_expected: None, columns };
        Ok(Delivery {
            subject: self,
            connection: self.connection()?,
            target,
            run,
            state: Vec::new(),
            notes: Vec::new(),
            number: 0,
            patient: false,
            faults: Vec::new(),
        })
    }

    /// Enters a scene and prepares a target of its own.
    pub(crate) async fn prepared(&self, suite: &TargetSuite, scene: &str) -> Result<Delivery<'_>, Fault> {
        self.enter(scene);
        let mut delivery = self.delivery(suite, &self.id(scene), "1")?;
        delivery.patient = true;
        delivery.prepare().await?;
        Ok(delivery)
    }

    /// Whether the specification says that a request writes.
    pub(crate) fn writes(&self, origin: &str, method: &str, target: &str) -> bool {
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        let reached = |rule: &&EgressRule| {
            let asked = if rule.path.contains('?') { target } else { path };
            rule.methods.iter().any(|m| m == method) && asked.starts_with(&rule.path)
        };
        let origin = self.spec().origins.iter().find(|o| o.name == origin);
        let rules = origin.map(|o| o.rules.as_slice()).unwrap_or_default();
        let closest = rules.iter().filter(reached).max_by_key(|r| (r.path.len(), r.access == Access::Write));
        closest.is_some_and(|rule| rule.access == Access::Write)
    }

    /// Lines of the scene's requests that write.
    pub(crate) fn written(&self) -> Vec<String> {
        let requests = self.stand.requests().into_iter();
        requests.filter(|r| self.writes(&r.origin, &r.method, &r.target)).map(|r| r.line()).collect()
    }
}

/// Repeats a call while its fault passes.
macro_rules! patiently {
    ($delivery:expr, $call:expr) => {{
        let mut attempts = 0;
        loop {
            match $call.await {
                Ok((answer, _usage)) => break Ok(answer),
                Err(fault) => {
                    attempts += 1;
                    match retry::decide(&fault, attempts, JITTER) {
                        Verdict::Again { wait_ms } if $delivery.patient && attempts <= retry::ATTEMPTS_MAX => {
                            $delivery.subject.wait(wait_ms).await;
                            $delivery.faults.push(fault);
                        }
                        Verdict::Again { .. } | Verdict::Stop => break Err(fault),
                    }
                }
            }
        }
    }};
}

impl Delivery<'_> {
    pub(crate) async fn prepare(&mut self) -> Result<(), Fault> {
        let plugin = &self.subject.plugin;
        let prepared = patiently!(self, plugin.prepare(&self.connection.context, &self.target, &self.run))?;
        self.state = prepared.state;
        self.notes = prepared.notes;
        self.notes.iter().for_each(|note| self.subject.evidence.note("a note", note.clone()));
        self.subject.evidence.note("a delivery state", self.state.clone());
        if let Some(wait) = prepared.wait_ms {
            self.subject.wait(wait).await;
        }
        Ok(())
    }

    /// Sends one batch; a fault of kind `data` has the row to blame looked for in smaller ones, as a host does.
    pub(crate) async fn send(&mut self, rows: &[Row]) -> Result<Vec<Outcome>, Fault> {
        match self.send_whole(rows).await {
            Err(fault) if fault.kind == FaultKind::Data && rows.len() > 1 => {
                let (first, second) = rows.split_at(rows.len() / 2);
                let mut outcomes = Box::pin(self.send(first)).await?;
                outcomes.extend(Box::pin(self.send(second)).await?);
                Ok(outcomes)
            }
            Err(fault) if fault.kind == FaultKind::Data && rows.len() == 1 => {
                let Fault { code, message, field, .. } = fault;
                Ok(vec![Outcome { status: OutcomeStatus::Rejected, code, field, message, member_id: None }])
            }
            sent => sent,
        }
    }

    /// Sends one batch, and nothing else.
    pub(crate) async fn send_whole(&mut self, rows: &[Row]) -> Result<Vec<Outcome>, Fault> {
        let batch = self.batch(rows);
        let plugin = &self.subject.plugin;
        let delivered =
            patiently!(self, plugin.deliver(&self.connection.context, &self.target, &self.run, &self.state, &batch))?;
        self.state = delivered.state;
        self.number += 1;
        self.subject.evidence.note("a delivery state", self.state.clone());
        for outcome in &delivered.outcomes {
            self.subject.evidence.note("an outcome", format!("{} {}", outcome.code, outcome.message));
        }
        Ok(delivered.outcomes)
    }

    pub(crate) fn batch(&self, rows: &[Row]) -> Batch {
        let keys: StringArray = rows.iter().map(|row| Some(row.key.as_str())).collect();
        let columns = self.run.columns.iter().map(|(name, data_type)| {
            let values: Vec<Value> = rows.iter().map(|r| r.values.get(name).cloned().unwrap_or(Value::Null)).collect();
            column(name, *data_type, &values)
        });
        let has_ids = rows.iter().any(|row| row.member_id.is_some());
        Batch {
            number: self.number,
            operations: rows.iter().map(|row| row.operation).collect(),
            member_ids: if has_ids { rows.iter().map(|row| row.member_id.clone()).collect() } else { Vec::new() },
            rows: Rows { len: keys.len(), columns: columns.collect() },
            keys,
        }
    }

    /// Ends it: `finish`, then `poll` until nothing is pending.
    pub(crate) async fn finish(&mut self) -> Result<End, Fault> {
        let mut end = End::default();
        let plugin = &self.subject.plugin;
        let mut has_finished = false;
        for _ in 0..TURNS_MAX {
            let context = &self.connection.context;
            let answer = if has_finished {
                patiently!(self, plugin.poll(context, &self.target, &self.run, &self.state))
            } else {
                patiently!(self, plugin.finish(context, &self.target, &self.run, &self.state))
            };
            let finished = answer?;
            has_finished = true;
            self.state = finished.state;
            end.exceptions.extend(finished.exceptions);
            end.artifacts.extend(finished.artifacts);
            if finished.pending_become != OutcomeStatus::Pending {
                end.pending_become = Some(finished.pending_become);
                return Ok(end);
            }
            self.subject.wait(finished.wait_ms.unwrap_or(1_000)).await;
        }
        let what = format!("the delivery has no end: after {TURNS_MAX} turns rows are still pending");
        Err(Fault::new(FaultKind::Internal, "kit.endless", what))
    }

    /// Everybody the vendor says is in the target, as sets of identifiers; `None` where it cannot be asked.
    pub(crate) async fn members(&mut self) -> Result<Option<BTreeSet<Vec<(String, String)>>>, Fault> {
        let (mut all, mut after) = (BTreeSet::new(), None::<Vec<u8>>);
        for _ in 0..TURNS_MAX {
            let plugin = &self.subject.plugin;
            let asked = patiently!(self, plugin.members(&self.connection.context, &self.target, after.as_deref()));
            let page = match asked {
                Err(fault) if fault.kind == FaultKind::Unsupported => return Ok(None),
                answer => answer?,
            };
            for member in page.members {
                let mut identifiers = member.identifiers;
                identifiers.sort();
                all.insert(identifiers);
            }
            after = page.next;
            if after.is_none() {
                return Ok(Some(all));
            }
        }
        Err(Fault::new(FaultKind::Internal, "kit.endless", "the target's members have no end"))
    }
}
