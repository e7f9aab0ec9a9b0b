//! A sandbox with the real store and connectors made of plain data.

mod destination;
pub mod tables;
mod titles;
mod wiring;

pub use titles::TITLES;
use wiring::Wiring;

use arrow_array::StringArray;
use async_trait::async_trait;
use attiva_core::config::{Activation, ActivationField, Connection, Segment, TargetSettings};
use attiva_core::delivery::Delivery;
use attiva_core::id::{ActivationId, ConnectionId, DeliveryId, RunId, SegmentId};
use attiva_core::key::Instance;
use attiva_core::model::EntityName;
use attiva_core::page::*;
use attiva_core::ports::clock::{Chance, Clock};
use attiva_core::ports::connector::*;
use attiva_core::ports::store::{DocumentWrite, Expect, Kind, SandboxStore};
use attiva_core::retention::Kept;
use attiva_core::run::Run;
use attiva_core::spec::{AtOnce, DeliveryClass};
use attiva_core::{DataType, Fault, FaultKind, Value};
use attiva_sync::{Engine, EngineOptions};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const PERSON: EntityName = EntityName::PERSON;

/// One lead as the fake vendor tells it.
#[derive(Clone)]
pub struct Lead {
    pub id: &'static str,
    pub kind: RowKind,
    pub at: i64,
    pub email: Option<&'static str>,
    pub title: Option<&'static str>,
    pub into: Option<&'static str>,
}

pub fn lead(id: &'static str, at: i64, email: &'static str, title: &'static str) -> Lead {
    Lead { id, kind: RowKind::Full, at, email: Some(email), title: Some(title), into: None }
}

/// The fake vendor: pages by number, faults to give before them, and what was delivered to it.
#[derive(Default)]
pub struct Vendor {
    pub pages: Mutex<Vec<Vec<Lead>>>,
    pub read_faults: Mutex<VecDeque<Fault>>,
    pub deliver_faults: Mutex<VecDeque<Fault>>,
    /// Looks on when a spool is released.
    pub on_release: Mutex<Option<Box<dyn Fn() + Send>>>,
    pub discover_faults: Mutex<VecDeque<Fault>>,
    /// How often it was asked to describe its streams.
    pub described: AtomicU32,
    /// Rows by batch number: a repeat overwrites.
    pub batches: Mutex<std::collections::BTreeMap<u32, Vec<(String, Vec<Option<Value>>)>>>,
    pub calls: Mutex<Vec<String>>,
    /// Of the cursors it writes; 0 is 1.
    pub state_version: AtomicU32,
    pub class: Mutex<Option<DeliveryClass>>,
    /// Its targets keep their members.
    pub keeps_members: AtomicBool,
    /// Who it says is in its target, page by page; a place is the number of a page.
    pub listed: Mutex<Vec<Vec<Vec<(String, String)>>>>,
    pub members_faults: Mutex<VecDeque<Fault>>,
    /// While set, a page of members beyond the first is not answered.
    pub stuck_telling: AtomicBool,
    /// It names its members: `m-` and the profile's id.
    pub names_members: AtomicBool,
    /// Or: by what stands in this field of theirs, so that two may have one name.
    pub names_by: Mutex<Option<&'static str>>,
    /// What it was told again that it had called each row, by key; the newest last.
    pub known_as: Mutex<Vec<(String, Option<String>)>>,
    /// It refuses these addresses, for good, with these codes.
    pub refuses: Mutex<std::collections::BTreeMap<&'static str, &'static str>>,
    /// It knows nobody by these addresses.
    pub knows_nobody_by: Mutex<Vec<&'static str>>,
    pub read_back: Mutex<Option<bool>>,
    /// It takes batches at once, and leaves the state as it is, but for the batches whose numbers these are.
    pub at_once: Mutex<Option<AtOnce>>,
    pub moves_state_in: Mutex<Vec<u32>>,
    /// Faults to give to a batch, once, by its number.
    pub faults_of: Mutex<std::collections::BTreeMap<u32, Fault>>,
    /// The number of each batch that came, and how many are here now and were at most.
    pub numbers: Mutex<Vec<u32>>,
    pub here: AtomicU32,
    pub most_here: AtomicU32,
    /// While set, deliver does not answer; while the other is set, read does not.
    pub stuck: AtomicBool,
    pub stuck_reading: AtomicBool,
    /// Whether the keyed stream is read too.
    pub has_titles: AtomicBool,
    /// Columns of persons as it describes them, in the place of its own.
    pub columns: Mutex<Option<Vec<(&'static str, DataType)>>>,
}

impl Vendor {
    fn version(&self) -> u32 {
        self.state_version.load(Ordering::SeqCst).max(1)
    }

    fn released(&self) {
        if let Some(look) = self.on_release.lock().unwrap().as_ref() {
            look();
        }
    }
}

/// Waits while this is set.
async fn stuck(flag: &AtomicBool) {
    while flag.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn text_column(name: &str, values: Vec<Option<&str>>) -> Column {
    let values: Vec<Value> = values.into_iter().map(|v| v.map_or(Value::Null, |s| Value::Text(s.into()))).collect();
    column(name, DataType::Text, &values)
}

fn page(leads: &[Lead], next: u64, more: bool) -> Page {
    Page {
        keys: leads.iter().map(|l| Some(l.id)).collect::<StringArray>(),
        kinds: leads.iter().map(|l| l.kind).collect(),
        source_times: leads.iter().map(|l| l.at).collect(),
        rows: Rows {
            len: leads.len(),
            columns: vec![
                text_column("mail", leads.iter().map(|l| l.email).collect()),
                text_column("title", leads.iter().map(|l| l.title).collect()),
            ],
        },
        merges: leads.iter().enumerate().filter_map(|(i, l)| Some((i, l.into?.to_owned()))).collect(),
        rejects: vec![],
        next: Cursor { state_version: 1, bytes: next.to_string().into_bytes() },
        more,
        wait_ms: None,
        estimate: None,
        warnings: vec![],
    }
}

#[async_trait]
impl Source for Vendor {
    async fn check(&self) -> Result<Vec<CheckResult>, Fault> {
        Ok(vec![])
    }

    async fn discover(&self) -> Result<Vec<Stream>, Fault> {
        tokio::task::yield_now().await;
        self.described.fetch_add(1, Ordering::SeqCst);
        if let Some(fault) = self.discover_faults.lock().unwrap().pop_front() {
            return Err(fault);
        }
        let column = |name: &str| ColumnSpec {
            name: name.into(),
            data_type: DataType::Text,
            nullable: true,
            label: String::new(),
        };
        let own = vec![("mail", DataType::Text), ("title", DataType::Text)];
        let columns = self.columns.lock().unwrap().clone().unwrap_or(own);
        let persons = Stream {
            name: "persons".into(),
            title: "Persons".into(),
            columns: columns.into_iter().map(|(name, data_type)| ColumnSpec { data_type, ..column(name) }).collect(),
            key: "id".into(),
            cursor_column: None,
            deletes: true,
            keyed_by: None,
            suggested: true,
        };
        let titles = Stream {
            name: TITLES.into(),
            title: "Titles".into(),
            columns: vec![column("title")],
            keyed_by: Some(("persons".into(), "title".into())),
            suggested: self.has_titles.load(Ordering::SeqCst),
            ..persons.clone()
        };
        Ok(vec![persons, titles])
    }

    async fn read(
        &self,
        stream: &str,
        fields: &[String],
        cursor: Option<&Cursor>,
        keys: &[String],
        limits: PageLimits,
    ) -> Result<(Page, Usage), Fault> {
        if stream == TITLES {
            return Ok((self.titles(cursor, keys, limits), Usage::default()));
        }
        if let Some(fault) = self.read_faults.lock().unwrap().pop_front() {
            return Err(fault);
        }
        let at: usize = cursor.map_or(0, |c| String::from_utf8_lossy(&c.bytes).parse().unwrap());
        let of = if fields.is_empty() { String::new() } else { format!(" of {}", fields.join(",")) };
        self.calls.lock().unwrap().push(format!("read {at}{of}"));
        stuck(&self.stuck_reading).await;
        let pages = self.pages.lock().unwrap();
        let leads = pages.get(at).cloned().unwrap_or_default();
        let next = (at + 1).min(pages.len());
        let mut page = page(&leads, next as u64, next < pages.len());
        page.next.state_version = self.version();
        assert!(cursor.is_none_or(|c| c.state_version == self.version()), "it is asked in its own form");
        Ok((page, Usage::default()))
    }

    fn state_version(&self) -> Option<u32> {
        Some(self.version())
    }

    async fn migrate(&self, cursor: &Cursor) -> Result<Cursor, Fault> {
        self.calls.lock().unwrap().push(format!("migrate {}", cursor.state_version));
        Ok(Cursor { state_version: self.version(), bytes: cursor.bytes.clone() })
    }

    async fn clear_spool(&self, stream: &str) -> Result<(), Fault> {
        tokio::task::yield_now().await;
        self.calls.lock().unwrap().push(format!("release {stream}"));
        self.released();
        Ok(())
    }
}

struct Wall;

impl Clock for Wall {
    fn now(&self) -> i64 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        i64::try_from(now.as_millis()).unwrap()
    }
}

/// Bytes that no other caller got.
pub fn fresh() -> [u8; 6] {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let n = NEXT.fetch_add(1, Ordering::SeqCst).to_be_bytes();
    [0, n[3], n[4], n[5], n[6], n[7]]
}

/// The time, as the engine has it.
pub fn wall() -> i64 {
    Wall.now()
}

struct Count;

impl Chance for Count {
    fn bytes(&self) -> [u8; 6] {
        fresh()
    }
}

pub struct World {
    pub store: Arc<dyn SandboxStore>,
    pub engine: Engine,
    pub vendor: Arc<Vendor>,
    pub connection: ConnectionId,
}

/// Ids of the fixtures: the same in every start.
pub fn connection_id() -> ConnectionId {
    ConnectionId::parse("con_test").unwrap()
}

impl World {
    /// Opens the sandbox in a directory and sets the engine to work; what was there before is there again.
    pub async fn start(dir: &Path, vendor: Arc<Vendor>) -> Self {
        Self::start_in(attiva_store::Sandbox::open(dir, &attiva_store::Options::default()).unwrap(), vendor).await
    }

    /// As `start`; the projectors take one change at a time, so nothing meets by being in one step.
    pub async fn start_by_ones(dir: &Path, vendor: Arc<Vendor>) -> Self {
        let store = attiva_store::Sandbox::open(dir, &attiva_store::Options::default()).unwrap();
        Self::start_with(store, vendor, EngineOptions { projection_rows: 1, ..EngineOptions::default() }).await
    }

    /// As `start`; what has ended is kept for so long.
    pub async fn start_keeping(dir: &Path, vendor: Arc<Vendor>, kept: Kept) -> Self {
        let store = attiva_store::Sandbox::open(dir, &attiva_store::Options::default()).unwrap();
        let options = EngineOptions { kept, ..EngineOptions::default() };
        Self::start_with(store, vendor, options).await
    }

    /// As `start`; what the vendor describes is asked for again with every step of a run.
    pub async fn start_describing(dir: &Path, vendor: Arc<Vendor>) -> Self {
        let store = attiva_store::Sandbox::open(dir, &attiva_store::Options::default()).unwrap();
        let options = EngineOptions { described_for_ms: 0, ..EngineOptions::default() };
        Self::start_with(store, vendor, options).await
    }

    pub async fn start_in(store: Arc<dyn SandboxStore>, vendor: Arc<Vendor>) -> Self {
        Self::start_with(store, vendor, EngineOptions::default()).await
    }

    async fn start_with(store: Arc<dyn SandboxStore>, vendor: Arc<Vendor>, options: EngineOptions) -> Self {
        let connection = Connection {
            id: connection_id(),
            name: "test".into(),
            plugin: "fake@1.0.0".into(),
            configuration: serde_json::json!({}),
            instance: Instance { system: "Fake".into(), id: "i".into() },
            streams: vec![],
            schedule: None,
            schema: attiva_core::drift::SchemaPolicy::default(),
            created_at: 0,
        };
        put(&store, Kind::Connection, connection.id.as_str(), &connection).await;
        let engine = Engine::start(
            Arc::clone(&store),
            Arc::new(Wiring(Arc::clone(&vendor))),
            Arc::new(Wall),
            Arc::new(Count),
            options,
        )
        .await
        .unwrap();
        Self { store, engine, vendor, connection: connection.id }
    }

    pub async fn start_run(&self) -> Result<Run, Fault> {
        self.engine.start_run(&self.connection, RunId::new(Wall.now(), fresh())).await
    }

    pub async fn dry_run(&self, activation: &ActivationId) -> Delivery {
        let id = DeliveryId::new(Wall.now(), fresh());
        let delivery = self.engine.start_delivery(activation, id, true).await.unwrap();
        self.ended_delivery(&delivery.id).await
    }

    /// Changes an activation, and says so.
    pub async fn change_activation(&self, id: &ActivationId, change: impl FnOnce(&mut Activation)) {
        let mut activation = self.get(Kind::Activation, id.as_str());
        change(&mut activation);
        put(&self.store, Kind::Activation, id.as_str(), &activation).await;
        self.engine.activations_changed();
    }

    pub async fn start_delivery(&self, activation: &ActivationId) -> Result<Delivery, Fault> {
        self.engine.start_delivery(activation, DeliveryId::new(Wall.now(), fresh()), false).await
    }

    pub async fn run(&self) -> Run {
        let run = self.start_run().await.unwrap();
        self.ended_run(&run.id).await
    }

    pub async fn ended_run(&self, id: &RunId) -> Run {
        self.until("the run ends", || {
            let run: Run = self.get(Kind::Run, id.as_str());
            run.status.has_ended().then_some(run)
        })
        .await
    }

    pub async fn settled(&self) {
        self.until("projection catches up", || self.engine.projection().unwrap().caught_up.then_some(())).await;
    }

    pub async fn segment(&self, expression: &str) -> SegmentId {
        let id = SegmentId::parse("seg_test").unwrap();
        let segment = Segment::new(id.clone(), "s", expression, 0);
        put(&self.store, Kind::Segment, id.as_str(), &segment).await;
        self.engine.segments_changed();
        id
    }

    pub async fn activation(&self, segment: &SegmentId, fields: &[(&str, &str, bool)]) -> ActivationId {
        let id = ActivationId::parse("act_test").unwrap();
        let mapping = fields.iter().map(|(field, expression, required)| ActivationField {
            field: (*field).into(),
            expression: (*expression).into(),
            required: *required,
        });
        let activation = Activation {
            id: id.clone(),
            name: "a".into(),
            segment: segment.clone(),
            expansion: None,
            connection: self.connection.clone(),
            target: TargetSettings { object: "file".into(), name: "f".into(), options: serde_json::json!({}) },
            mapping: mapping.collect(),
            schedule: None,
            export: attiva_core::activation::Export::Full,
            paused: false,
            retired: false,
            removals_max_percent: None,
            consent: None,
            readback: None,
            created_at: 0,
        };
        put(&self.store, Kind::Activation, id.as_str(), &activation).await;
        id
    }

    /// Fills a store that is bounded, to the last byte that a document takes; returns what it is full of.
    /// With documents that stand beside those of runs, so that no room is left there, either.
    pub async fn fill(&self) -> Vec<String> {
        let mut ids = Vec::new();
        for size in [20_000, 2_000, 500, 50, 1] {
            for n in 0.. {
                let id = format!("fill-{size}-{n}");
                let body = serde_json::json!("x".repeat(size));
                let write = DocumentWrite { kind: Kind::Mapping, id: id.clone(), body };
                match self.store.put_document(write, Expect::Absent).await {
                    Ok(_) => ids.push(id),
                    Err(error) => {
                        assert_eq!(error, attiva_core::ports::store::StoreError::Full);
                        break;
                    }
                }
            }
        }
        ids
    }

    pub async fn ended_delivery(&self, id: &DeliveryId) -> Delivery {
        self.until("the delivery ends", || {
            let delivery: Delivery = self.get(Kind::Delivery, id.as_str());
            delivery.status.has_ended().then_some(delivery)
        })
        .await
    }

    pub fn get<T: serde::de::DeserializeOwned>(&self, kind: Kind, id: &str) -> T {
        serde_json::from_value(self.store.document(kind, id).unwrap().unwrap().body).unwrap()
    }

    /// Emails of all profiles, sorted; a profile without one shows as `-`.
    pub fn emails(&self) -> Vec<String> {
        let mut emails: Vec<String> = self
            .store
            .profiles(&PERSON, 0, 1000)
            .unwrap()
            .iter()
            .map(|p| attribute(&p.attributes, "email").unwrap_or_else(|| "-".into()))
            .collect();
        emails.sort();
        emails
    }

    /// The first field of all rows that came to the vendor since somebody emptied its batches.
    pub fn sent(&self) -> Vec<String> {
        let batches = self.vendor.batches.lock().unwrap();
        let mails = batches.values().flatten().map(|(_, values)| match &values[0] {
            Some(Value::Text(mail)) => mail.clone(),
            other => format!("{other:?}"),
        });
        mails.collect()
    }

    /// Asks until there is an answer. The bound is for a test that hangs, not for speed.
    pub async fn until<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        for _ in 0..6000 {
            if let Some(answer) = ask() {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("waited in vain: {what}");
    }
}

pub fn attribute(attributes: &[(String, Value)], name: &str) -> Option<String> {
    attributes.iter().find(|(n, _)| n == name).and_then(|(_, v)| v.as_text().map(ToOwned::to_owned))
}

pub fn fault(kind: FaultKind, code: &str) -> Fault {
    Fault::new(kind, code, "said the vendor")
}

async fn put<T: serde::Serialize>(store: &Arc<dyn SandboxStore>, kind: Kind, id: &str, value: &T) {
    let body = serde_json::to_value(value).unwrap();
    store.put_document(DocumentWrite { kind, id: id.into(), body }, Expect::Anything).await.unwrap();
}

pub fn document<T: serde::Serialize>(kind: Kind, id: &str, value: &T) -> Vec<(DocumentWrite, Expect)> {
    let body = serde_json::to_value(value).unwrap();
    vec![(DocumentWrite { kind, id: id.into(), body }, Expect::Anything)]
}
