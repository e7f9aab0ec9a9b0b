//! Vendors with several tables: a connection each, with streams, mappings and rows made of plain data.

use super::{Count, Wall, fresh, put};
use arrow_array::StringArray;
use async_trait::async_trait;
use attiva_core::config::Connection;
use attiva_core::id::{ConnectionId, DeliveryId, RunId};
use attiva_core::identity::Identity;
use attiva_core::key::Instance;
use attiva_core::model::EntityName;
use attiva_core::page::*;
use attiva_core::ports::clock::Clock;
use attiva_core::ports::connector::*;
use attiva_core::ports::store::{Kind, Profile, Relation, SandboxStore};
use attiva_core::run::{Run, RunStatus};
use attiva_core::spec::{DeliverySpec, MappingSpec};
use attiva_core::{DataType, Fault, Value};
use attiva_sync::{Connectors, Engine, EngineOptions};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A row of a table: texts by column, null where it says nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub key: String,
    pub at: i64,
    pub deleted: bool,
    pub cells: Vec<(&'static str, String)>,
}

pub fn row(key: &str, at: i64, cells: &[(&'static str, &str)]) -> Row {
    let cells = cells.iter().map(|(column, text)| (*column, (*text).to_owned())).collect();
    Row { key: key.into(), at, deleted: false, cells }
}

pub fn deleted(key: &str, at: i64) -> Row {
    Row { deleted: true, ..row(key, at, &[]) }
}

/// A vendor's tables, each with its pages; a table is a stream.
#[derive(Default)]
pub struct Tables {
    pub columns: BTreeMap<&'static str, Vec<&'static str>>,
    pub pages: Mutex<BTreeMap<&'static str, Vec<Vec<Row>>>>,
    pub mappings: Vec<MappingSpec>,
    pub configuration: serde_json::Value,
}

impl Tables {
    /// Adds a table with its mapping; no entity: no mapping.
    pub fn table(mut self, stream: &'static str, entity: &str, fields: &[(&str, &'static str)]) -> Self {
        let columns = fields.iter().flat_map(|(_, text)| text.split(['(', ',', ')', ' ']));
        let mut columns: Vec<&'static str> = columns.filter_map(|word| word.strip_prefix("record.")).collect();
        columns.dedup();
        self.columns.insert(stream, columns);
        if !entity.is_empty() {
            let fields = fields.iter().map(|(field, text)| ((*field).to_owned(), (*text).to_owned())).collect();
            self.mappings.push(MappingSpec { stream: stream.into(), entity: entity.into(), fields });
        }
        self
    }

    pub fn tell(&self, stream: &'static str, rows: Vec<Row>) {
        self.pages.lock().unwrap().entry(stream).or_default().push(rows);
    }
}

fn page(columns: &[&'static str], rows: &[Row], next: usize, more: bool) -> Page {
    let cell = |row: &Row, name: &str| {
        let found = row.cells.iter().find(|(column, _)| *column == name);
        found.map_or(Value::Null, |(_, text)| Value::Text(text.clone()))
    };
    let of =
        |name: &&'static str| column(name, DataType::Text, &rows.iter().map(|row| cell(row, name)).collect::<Vec<_>>());
    let kind = |row: &Row| if row.deleted { RowKind::Tombstone } else { RowKind::Full };
    Page {
        keys: rows.iter().map(|row| Some(row.key.as_str())).collect::<StringArray>(),
        kinds: rows.iter().map(kind).collect(),
        source_times: rows.iter().map(|row| row.at).collect(),
        rows: Rows { len: rows.len(), columns: columns.iter().map(of).collect() },
        merges: vec![],
        rejects: vec![],
        next: Cursor { state_version: 1, bytes: next.to_string().into_bytes() },
        more,
        wait_ms: None,
        estimate: None,
        warnings: vec![],
    }
}

#[async_trait]
impl Source for Tables {
    async fn check(&self) -> Result<Vec<CheckResult>, Fault> {
        Ok(vec![])
    }

    async fn discover(&self) -> Result<Vec<Stream>, Fault> {
        let stream = |(name, columns): (&&'static str, &Vec<&'static str>)| Stream {
            name: (*name).into(),
            title: String::new(),
            columns: columns
                .iter()
                .map(|name| ColumnSpec {
                    name: (*name).into(),
                    data_type: DataType::Text,
                    nullable: true,
                    label: String::new(),
                })
                .collect(),
            key: "id".into(),
            cursor_column: None,
            deletes: true,
            keyed_by: None,
            suggested: true,
        };
        Ok(self.columns.iter().map(stream).collect())
    }

    async fn read(
        &self,
        stream: &str,
        _fields: &[String],
        cursor: Option<&Cursor>,
        _keys: &[String],
        _limits: PageLimits,
    ) -> Result<(Page, Usage), Fault> {
        let at: usize = cursor.map_or(0, |c| String::from_utf8_lossy(&c.bytes).parse().unwrap());
        let pages = self.pages.lock().unwrap();
        let pages = pages.get(stream).map_or(&[] as &[_], Vec::as_slice);
        let rows = pages.get(at).cloned().unwrap_or_default();
        let next = (at + 1).min(pages.len());
        Ok((page(&self.columns[stream], &rows, next, next < pages.len()), Usage::default()))
    }

    async fn clear_spool(&self, _stream: &str) -> Result<(), Fault> {
        Ok(())
    }
}

/// Vendors by the names of their connections: `con_<name>`, a plugin `<name>@1.0.0` each.
pub type Vendors = BTreeMap<&'static str, Arc<Tables>>;

struct Wiring(Vendors);

impl Wiring {
    fn of(&self, plugin: &str) -> Arc<Tables> {
        Arc::clone(&self.0[plugin.split('@').next().unwrap()])
    }
}

#[async_trait]
impl Connectors for Wiring {
    async fn source(&self, _: &Connection, plugin: &str, _: &RunId) -> Result<Arc<dyn Source>, Fault> {
        Ok(self.of(plugin))
    }

    async fn destination(
        &self,
        _: &Connection,
        _: &str,
        _: &DeliveryId,
    ) -> Result<(Arc<dyn Destination>, DeliverySpec), Fault> {
        panic!("nothing is delivered here")
    }

    fn delivery(&self, _: &str) -> Result<DeliverySpec, Fault> {
        panic!("nothing is delivered here")
    }

    fn mappings(&self, plugin: &str) -> Result<Vec<MappingSpec>, Fault> {
        Ok(self.of(plugin).mappings.clone())
    }

    fn configuration_keys(&self, plugin: &str) -> Result<Vec<String>, Fault> {
        let configuration = &self.of(plugin).configuration;
        Ok(configuration.as_object().map(|keys| keys.keys().cloned().collect()).unwrap_or_default())
    }
}

/// A sandbox at work with such vendors.
pub struct Office {
    pub store: Arc<dyn SandboxStore>,
    pub engine: Engine,
    pub vendors: Vendors,
}

/// The system and instance of a vendor: of `m1` `m1.M`, of `s1` `s1.S`.
fn instance(name: &str) -> Instance {
    Instance { system: name[..1].to_uppercase(), id: name.into() }
}

impl Office {
    /// `step`: changes that the projector takes at once.
    pub async fn start(dir: &Path, vendors: &Vendors, step: usize) -> Self {
        let store: Arc<dyn SandboxStore> = attiva_store::Sandbox::open(dir, &attiva_store::Options::default()).unwrap();
        let options = EngineOptions { projection_rows: step, ..EngineOptions::default() };
        Self::start_on(store, vendors, Arc::new(Wall), options).await
    }

    /// As `start`, with a store, a clock and options of the test's own.
    pub async fn start_on(
        store: Arc<dyn SandboxStore>,
        vendors: &Vendors,
        clock: Arc<dyn Clock>,
        options: EngineOptions,
    ) -> Self {
        for (name, tables) in vendors {
            let connection = Connection {
                id: ConnectionId::parse(&format!("con_{name}")).unwrap(),
                name: (*name).into(),
                plugin: format!("{name}@1.0.0"),
                configuration: tables.configuration.clone(),
                instance: instance(name),
                streams: vec![],
                schedule: None,
                schema: attiva_core::drift::SchemaPolicy::default(),
                created_at: 0,
            };
            put(&store, Kind::Connection, connection.id.as_str(), &connection).await;
        }
        let wiring = Arc::new(Wiring(vendors.clone()));
        let engine = Engine::start(Arc::clone(&store), wiring, clock, Arc::new(Count), options).await.unwrap();
        Self { store, engine, vendors: vendors.clone() }
    }

    /// Stops, as a shutdown does.
    pub async fn stop(self) {
        self.engine.drain(Duration::from_secs(10)).await;
    }

    /// Reads a vendor to its end.
    pub async fn run(&self, name: &str) -> Run {
        let connection = ConnectionId::parse(&format!("con_{name}")).unwrap();
        let id = self.engine.start_run(&connection, RunId::new(1, fresh())).await.unwrap().id;
        let run = loop {
            let run: Run =
                serde_json::from_value(self.store.document(Kind::Run, id.as_str()).unwrap().unwrap().body).unwrap();
            if run.status.has_ended() {
                break run;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        };
        assert_eq!(run.status, RunStatus::Succeeded, "{:?}", run.fault);
        run
    }

    pub async fn settled(&self) {
        while !self.engine.projection().unwrap().caught_up {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Reads all vendors, one after the other, and projects.
    pub async fn read_all(&self) {
        for name in self.vendors.keys().copied() {
            self.run(name).await;
        }
        self.settled().await;
    }

    pub fn by_key(&self, entity: &EntityName, key: &str) -> Option<Profile> {
        self.store.profile_by_identity(entity, &Identity::source_key(key)).unwrap()
    }

    pub fn all(&self, entity: &EntityName) -> Vec<Profile> {
        self.store.profiles(entity, 0, 10_000).unwrap()
    }

    /// The source keys of a profile's records, in their order.
    pub fn records_of(&self, profile: &Profile) -> Vec<String> {
        let records = self.store.records_by_number(&self.store.records_of(&profile.id).unwrap()).unwrap();
        let mut keys: Vec<String> = records.into_iter().map(|record| record.source_key).collect();
        keys.sort();
        keys
    }

    /// The first record of each profile that refers to one by a relation.
    pub fn referrers(&self, profile: &Profile, entity: &EntityName, field: &str) -> Vec<String> {
        let relation = Relation { entity: entity.clone(), field: field.into() };
        let numbers = self.store.referrers(profile.number, &relation, 0, 1_000).unwrap();
        let found = self.store.profiles_by_number(&numbers).unwrap();
        assert_eq!(found.len(), numbers.len());
        let mut keys: Vec<String> = found.iter().map(|profile| self.records_of(profile).remove(0)).collect();
        keys.sort();
        keys
    }
}
