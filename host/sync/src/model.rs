//! What an operator adds to the model, published: streams that waited for an entity are its from then on, and what the
//! change touches is derived anew from the stored records.

use crate::catalog::Described;
use crate::engine::{Engine, Inner, write};
use crate::policies::{self, MODEL};
use attiva_core::config::Connection;
use attiva_core::event::EventReader;
use attiva_core::guardrail::{Guardrails, Verdict};
use attiva_core::id::ConnectionId;
use attiva_core::identity::{ClaimReader, Rules};
use attiva_core::merge::{MergePolicy, Survivorship};
use attiva_core::model::custom::{Custom, ModelProblem};
use attiva_core::model::{EntityName, Layout, Schema};
use attiva_core::ports::store::{Expect, Kind, Reconsider, StoreError, StreamMove};
use attiva_core::{Fault, FaultKind};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why something that was to be published is not.
#[derive(Debug, Clone, PartialEq)]
pub enum Unpublished<P> {
    /// It cannot be used; each problem with its place.
    Problems(Vec<P>),
    Fault(Fault),
}

impl<P> From<Fault> for Unpublished<P> {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl<P> From<StoreError> for Unpublished<P> {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}

/// What publishing a model did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelPublished {
    pub custom: Custom,
    /// Of the document.
    pub version: u64,
    /// Streams whose records are looked at again.
    pub streams: u64,
}

impl Engine {
    /// What was added to the model, and the version of its document; 0: nothing was ever published.
    pub fn model(&self) -> Result<(Custom, u64), Fault> {
        let version = self.inner.store.document(Kind::CustomModel, MODEL)?.map_or(0, |document| document.version);
        Ok((policies::custom(self.inner.store.as_ref())?, version))
    }

    /// The model with what was added to it, as segments know it: made once, and again when one is published.
    ///
    /// # Errors
    /// Those of the store; `model.unsound`.
    pub fn schema(&self) -> Result<Arc<Schema>, Fault> {
        Ok(Arc::clone(&self.inner.segments.get(&self.inner)?.language.schema))
    }

    /// Publishes what is added to the model, as a whole. `custom.version` is that of what it was made of; it gets the
    /// next. `expect`: the document's version.
    ///
    /// # Errors
    /// Every problem with its place; `store.version-mismatch` where another was published meanwhile.
    pub async fn publish_model(
        &self,
        mut custom: Custom,
        expect: Expect,
    ) -> Result<ModelPublished, Unpublished<ModelProblem>> {
        // No page is committed meanwhile by what was: it would take the records back.
        let _pages = self.inner.publishing.write().await;
        let (now, version) = self.model()?;
        same_version(expect, version)?;
        if custom.version != now.version {
            return Err(mismatch(&custom.version.to_string(), &now.version.to_string()).field("/version").into());
        }
        let problems = check(&self.inner, &custom)?;
        if !problems.is_empty() {
            return Err(Unpublished::Problems(problems));
        }
        custom.version = now.version.saturating_add(1);
        let touched = touched(&self.inner, &now, &custom)?;
        let streams = touched.len() as u64;
        let expect = if version == 0 { Expect::Absent } else { Expect::Version(version) };
        let document = (write(Kind::CustomModel, MODEL, &custom)?, expect);
        self.reconsider(vec![document], Vec::new(), Reconsider::Streams(touched)).await?;
        Ok(ModelPublished { custom, version: version + 1, streams })
    }
}

/// What a request saw, against what holds.
pub(crate) fn same_version(expect: Expect, now: u64) -> Result<(), Fault> {
    match expect {
        Expect::Version(seen) if seen != now => Err(mismatch(&seen.to_string(), &now.to_string())),
        Expect::Absent if now != 0 => Err(mismatch("0", &now.to_string())),
        _ => Ok(()),
    }
}

fn mismatch(expected: &str, found: &str) -> Fault {
    Fault::new(FaultKind::Config, "store.version-mismatch", format!("it was made of version {expected}; {found} holds"))
        .action("Read what holds, apply your change to that, and publish it with its version.")
}

fn check(inner: &Inner, custom: &Custom) -> Result<Vec<ModelProblem>, Fault> {
    let mut problems = custom.check().err().unwrap_or_default();
    problems.extend(over_limits(custom, &policies::guardrails(inner.store.as_ref())?));
    // Rules and policies that name what would be no more could not be used, and nothing would be projected.
    for document in inner.store.documents(Kind::IdentityRules, None, usize::MAX)? {
        let rules: Rules = crate::engine::read(document.body)?;
        if let Some(layout) = layout(&document.id, custom) {
            let found = ClaimReader::new(&layout, &rules).err().unwrap_or_default();
            problems.extend(found.into_iter().map(|problem| needed("identity rules", &document.id, &problem)));
        }
    }
    for document in inner.store.documents(Kind::MergePolicy, None, usize::MAX)? {
        let policy: MergePolicy = crate::engine::read(document.body)?;
        if let Some(layout) = layout(&document.id, custom) {
            let found = Survivorship::new(&layout, &policy).err().unwrap_or_default();
            problems.extend(found.into_iter().map(|problem| needed("merge policy", &document.id, &problem)));
        }
    }
    Ok(problems)
}

fn layout(entity: &str, custom: &Custom) -> Option<Arc<Layout>> {
    EntityName::parse(entity).and_then(|entity| Layout::new(&entity, custom))
}

fn needed(what: &str, entity: &str, problem: &dyn std::fmt::Display) -> ModelProblem {
    ModelProblem { path: "attributes".into(), problem: format!("the {what} of {entity} need it: {problem}") }
}

fn over_limits(custom: &Custom, guardrails: &Guardrails) -> Vec<ModelProblem> {
    let mut of: BTreeMap<&str, u64> = BTreeMap::new();
    for attribute in &custom.attributes {
        *of.entry(attribute.entity.name()).or_default() += 1;
    }
    let entities = [("entities", "sandbox.custom_entities", custom.entities.len() as u64)];
    let attributes = of.into_values().map(|count| ("attributes", "sandbox.custom_attributes", count));
    let over = |(path, limit, count): (&str, &str, u64)| match guardrails.check(limit, count) {
        Verdict::Over(_, problem) => Some(ModelProblem { path: path.to_owned(), problem }),
        Verdict::Within | Verdict::Warn(_) => None,
    };
    entities.into_iter().chain(attributes).filter_map(over).collect()
}

/// The streams that become something else, or whose entity has other fields. Events stay as they were taken.
fn touched(inner: &Inner, before: &Custom, after: &Custom) -> Result<Vec<StreamMove>, Fault> {
    let mut touched = Vec::new();
    let read = inner.all::<Connection>(Kind::Connection)?.into_iter().map(|connection| connection.id);
    for connection in read.chain([ConnectionId::of_ingestion()]) {
        for (stream, _) in inner.store.stream_states(&connection)? {
            let Some([was, is]) = layouts(inner, &connection, &stream, [before, after])? else { continue };
            let is_of_events = |it: &Option<Arc<Layout>>| it.as_ref().is_some_and(|it| EventReader::reads(it.entity()));
            if was != is && !(is_of_events(&was) && is_of_events(&is)) {
                let entity = is.map(|layout| layout.entity().clone());
                touched.push(StreamMove { connection: connection.clone(), stream, entity });
            }
        }
    }
    Ok(touched)
}

type Layouts = [Option<Arc<Layout>>; 2];

fn layouts(
    inner: &Inner,
    connection: &ConnectionId,
    stream: &str,
    models: [&Custom; 2],
) -> Result<Option<Layouts>, Fault> {
    // What is sent has a stream for each entity, also for one that is no more.
    if *connection == ConnectionId::of_ingestion() {
        return Ok(Some(models.map(|custom| layout(stream, custom))));
    }
    let described = Described::load(inner, connection, stream)?;
    Ok(described.map(|described| models.map(|custom| described.layout(custom))))
}
