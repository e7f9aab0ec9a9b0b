//! A host over the real store: opened, killed and opened again.

use crate::chance::{Dice, FakeClock, Shared};
use crate::vendor::{BUSY, TIMEOUT_MS, Vendor};
use async_trait::async_trait;
use attiva_core::config::{Activation, ActivationField, Connection, Segment, TargetSettings};
use attiva_core::delivery::Delivery;
use attiva_core::id::{ActivationId, ConnectionId, DeliveryId, ProfileId, RunId, SegmentId};
use attiva_core::key::Instance;
use attiva_core::model::EntityName;
use attiva_core::ports::connector::{Destination, Source};
use attiva_core::ports::store::{DocumentWrite, Expect, Kind, ProfileCommit, ProfileWrite, SandboxStore};
use attiva_core::readback::{OnDrift, Readback, ReadbackSetting};
use attiva_core::spec::{AtOnce, DeliveryClass, DeliveryMode, DeliverySpec, MappingSpec};
use attiva_core::{Fault, FaultKind, Value};
use attiva_store::{Death, Options, Sandbox};
use attiva_sync::{Connectors, Engine, EngineOptions};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Activations, the list each fills, and the titles it wants. Two share a list.
pub(crate) const ACTIVATIONS: [(&str, &str, [&str; 2]); 3] =
    [("act_a", "shared", ["A", "AB"]), ("act_b", "shared", ["B", "AB"]), ("act_c", "alone", ["A", "B"])];

struct Wiring(Arc<Vendor>);

#[async_trait]
impl Connectors for Wiring {
    async fn source(&self, _: &Connection, _: &str, _: &RunId) -> Result<Arc<dyn Source>, Fault> {
        Err(Fault::new(FaultKind::Unsupported, "none", "there is no source"))
    }

    async fn destination(
        &self,
        _: &Connection,
        plugin: &str,
        _: &DeliveryId,
    ) -> Result<(Arc<dyn Destination>, DeliverySpec), Fault> {
        Ok((Arc::clone(&self.0) as Arc<dyn Destination>, self.delivery(plugin)?))
    }

    fn delivery(&self, _: &str) -> Result<DeliverySpec, Fault> {
        Ok(DeliverySpec {
            class: DeliveryClass::EffectivelyOnce,
            mode: DeliveryMode::Records,
            batch_rows: 5,
            fields_max: None,
            members: std::collections::BTreeMap::default(),
            transient_codes: vec![BUSY.into()],
            read_back: None,
            at_once: Some(AtOnce { batches: 3, keys: vec!["name".into()] }),
            request_timeout_ms: TIMEOUT_MS,
        })
    }

    fn mappings(&self, _: &str) -> Result<Vec<MappingSpec>, Fault> {
        Ok(Vec::new())
    }

    fn configuration_keys(&self, _: &str) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }
}

/// A person as the scenario has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Person {
    pub(crate) name: String,
    /// What the vendor calls them; two may be one to it.
    pub(crate) called: String,
    pub(crate) title: &'static str,
    pub(crate) email: Option<String>,
    pub(crate) gone: bool,
}

impl Person {
    pub(crate) fn id(&self) -> ProfileId {
        ProfileId::founded_by(&self.name)
    }
}

pub(crate) struct World {
    pub(crate) store: Arc<dyn SandboxStore>,
    pub(crate) engine: Engine,
}

impl World {
    /// Opens the host; what was there before is there again, and what was going goes on.
    pub(crate) async fn open(
        directory: &Path,
        vendor: &Arc<Vendor>,
        clock: &Arc<FakeClock>,
        dice: &Arc<Dice>,
        death: Option<Death>,
    ) -> Self {
        let options = Options { death, ..Options::default() };
        let store: Arc<dyn SandboxStore> = Sandbox::open(directory, &options).unwrap();
        let chance = Dice::new(dice.next());
        let engine = Engine::start(
            Arc::clone(&store),
            Arc::new(Wiring(Arc::clone(vendor))),
            Arc::new(Shared(Arc::clone(clock))),
            Arc::new(chance),
            EngineOptions::default(),
        );
        Self { engine: engine.await.unwrap(), store }
    }

    /// The host is gone; what it was doing is cut off.
    pub(crate) async fn close(self) {
        self.engine.drain(Duration::from_secs(30)).await;
    }

    pub(crate) async fn configure(&self) {
        let connection = Connection {
            id: ConnectionId::parse("con_x").unwrap(),
            name: "x".into(),
            plugin: "x@1.0.0".into(),
            configuration: serde_json::json!({}),
            instance: Instance { system: "X".into(), id: "x".into() },
            streams: Vec::new(),
            schedule: None,
            schema: attiva_core::drift::SchemaPolicy::default(),
            created_at: 0,
        };
        self.put(Kind::Connection, "con_x", &connection).await;
        for (id, list, titles) in ACTIVATIONS {
            let segment = SegmentId::parse(&id.replace("act", "seg")).unwrap();
            let expression = format!("person.job_title in ['{}', '{}']", titles[0], titles[1]);
            let rule = Segment::new(segment.clone(), id, &expression, 0);
            self.put(Kind::Segment, segment.as_str(), &rule).await;
            let field = |field: &str, expression: &str, required| ActivationField {
                field: field.into(),
                expression: expression.into(),
                required,
            };
            let activation = Activation {
                id: ActivationId::parse(id).unwrap(),
                name: id.into(),
                segment,
                expansion: None,
                connection: connection.id.clone(),
                target: TargetSettings { object: "list".into(), name: list.into(), options: serde_json::json!({}) },
                mapping: vec![
                    field("email", "person.email", true),
                    field("title", "person.job_title", false),
                    field("name", "person.last_name", true),
                ],
                schedule: None,
                export: attiva_core::activation::Export::Full,
                paused: false,
                retired: false,
                removals_max_percent: None,
                consent: None,
                readback: Some(ReadbackSetting { on_drift: OnDrift::Repair, every_seconds: None }),
                created_at: 0,
            };
            self.put(Kind::Activation, id, &activation).await;
        }
        self.engine.segments_changed();
    }

    async fn put<T: serde::Serialize>(&self, kind: Kind, id: &str, value: &T) {
        let write = DocumentWrite { kind, id: id.into(), body: serde_json::to_value(value).unwrap() };
        self.store.put_document(write, Expect::Anything).await.unwrap();
    }

    /// Commits people as they are now, and waits until the audiences have followed. False: the store has died.
    pub(crate) async fn commit(&self, people: &[Person]) -> bool {
        let mut commit = ProfileCommit { now: 1, ..ProfileCommit::default() };
        for person in people {
            if person.gone {
                commit.removed.push((person.id(), None));
                continue;
            }
            let mut attributes = vec![
                ("job_title".to_owned(), Value::Text(person.title.into())),
                ("last_name".to_owned(), Value::Text(person.called.clone())),
            ];
            attributes.extend(person.email.clone().map(|email| ("email".to_owned(), Value::Text(email))));
            attributes.sort_by(|a, b| a.0.cmp(&b.0));
            let id = person.id();
            commit.profiles.push(ProfileWrite {
                concerns_accounts: false,
                entity: EntityName::PERSON,
                id,
                attributes,
                references: Vec::new(),
                records: 1,
                changed_at: 1,
                degraded: false,
            });
        }
        if self.store.commit_profiles(commit).await.is_err() {
            return false;
        }
        self.engine.segments_changed();
        loop {
            match self.engine.projection() {
                Ok(projection) if projection.caught_up => return true,
                Ok(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                Err(_) => return false,
            }
        }
    }

    pub(crate) fn readbacks(&self) -> Vec<Readback> {
        let documents = self.store.documents(Kind::Readback, None, 10_000).unwrap_or_default();
        documents.into_iter().map(|d| serde_json::from_value(d.body).unwrap()).collect()
    }

    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        let documents = self.store.documents(Kind::Delivery, None, 10_000).unwrap_or_default();
        documents.into_iter().map(|d| serde_json::from_value(d.body).unwrap()).collect()
    }
}
