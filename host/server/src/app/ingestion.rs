//! Records that clients send: of any entity, in the model's own words.

use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::Sandbox;
use attiva_core::config::Connection;
use attiva_core::ingest::{SentRecord, change};
use attiva_core::key::{Instance, SourceKey};
use attiva_core::model::{EntityKind, EntityName};
use attiva_core::ports::store::{Kind, PageCommitted};
use attiva_core::record::RecordChange;
use attiva_sync::policies;
use schemars::JsonSchema;
use serde::Deserialize;

/// Most records in one request.
pub const RECORDS_MAX: usize = 1000;
/// Most problems that one answer tells.
const PROBLEMS_MAX: usize = 50;

/// Records of one entity from one place.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(rename = "SentRecords")]
#[serde(deny_unknown_fields)]
pub struct Sent {
    /// Where their ids come from; not an instance that a connection reads.
    pub source: Instance,
    /// `person`, `account`.
    pub entity: String,
    pub records: Vec<SentRecord>,
}

impl Sandbox {
    /// Keeps records; answers when they are durable. All are kept or, where one is wrong, none.
    ///
    /// # Errors
    /// `ingest.records` with everything that is wrong, each by its place; `ingest.source` where a connection reads that
    /// instance.
    pub async fn ingest(&self, sent: &Sent) -> Result<PageCommitted> {
        let entity = self.sendable(&sent.entity)?;
        let layout = policies::layout(self.store.as_ref(), &entity)?;
        if sent.records.is_empty() || sent.records.len() > RECORDS_MAX {
            let problem = format!("has {} records; a request takes 1 to {RECORDS_MAX}", sent.records.len());
            return Err(Refusal::invalid(
                "ingest.records",
                problem.clone(),
                vec![FieldProblem::new("/records", problem)],
            ));
        }
        self.nobody_reads(&sent.source)?;
        let bytes_max = policies::guardrails(self.store.as_ref())?.max("record.bytes");
        let now = self.now();
        let (mut changes, mut problems): (Vec<RecordChange>, Vec<FieldProblem>) = (Vec::new(), Vec::new());
        for (i, record) in sent.records.iter().enumerate() {
            match change(record, &sent.source, &layout, bytes_max, now) {
                Ok(change) => changes.push(change),
                Err(wrong) => problems.extend(
                    wrong.into_iter().map(|p| FieldProblem::new(format!("/records/{i}{}", p.place), p.problem)),
                ),
            }
        }
        if !problems.is_empty() {
            let message = format!(
                "{} of {} records are wrong; none was kept",
                sent.records.len() - changes.len(),
                sent.records.len()
            );
            problems.truncate(PROBLEMS_MAX);
            return Err(Refusal::invalid("ingest.records", message, problems));
        }
        self.engine.ingest(&entity, changes).await?.map_err(|rejects| {
            let told = rejects.into_iter().take(PROBLEMS_MAX).map(|reject| {
                let of = |record: &SentRecord| reject.key == Some(SourceKey::format(&record.id, &sent.source));
                let place = sent.records.iter().position(of).unwrap_or_default();
                let field = reject.field.map(|field| format!("/fields/{field}")).unwrap_or_default();
                FieldProblem::new(format!("/records/{place}{field}"), reject.message)
            });
            Refusal::invalid("ingest.records", "records cannot be taken; none was kept", told.collect())
        })
    }

    /// What has profiles, and what happened.
    fn sendable(&self, name: &str) -> Result<EntityName> {
        if name == EntityKind::Activity.name() { Ok(EntityKind::Activity.into()) } else { self.entity(name) }
    }

    /// What a connector reads is the vendor's to say.
    fn nobody_reads(&self, source: &Instance) -> Result<()> {
        let reads = |connection: &Connection| connection.instance == *source;
        let Some(connection) = self.list(Kind::Connection, None, 1, reads)?.into_iter().next() else { return Ok(()) };
        let problem = format!("{} has that instance: what it reads cannot be sent", connection.id);
        Err(Refusal::invalid("ingest.source", problem.clone(), vec![FieldProblem::new("/source", problem)]))
    }
}
