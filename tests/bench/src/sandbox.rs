//! A sandbox at work in this process, of a size that is wanted: the real store and engine, without a network and without
//! plugins, filled by the door that clients send records through.

use crate::segments::Options;
use anyhow::{Context, Result, anyhow};
use attiva_core::config::{EvaluationMethod, Segment};
use attiva_core::id::SegmentId;
use attiva_core::model::EntityName;
use attiva_core::page::RowKind;
use attiva_core::ports::clock::{Chance, Clock};
use attiva_core::ports::store::{DocumentWrite, Expect, Kind, SandboxStore};
use attiva_core::record::RecordChange;
use attiva_core::{Millis, Value};
use attiva_segments_judge::nobody::Nobody;
use attiva_store::Sandbox;
use attiva_sync::{Engine, EngineOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Records that are sent at once.
const PAGE: u64 = 1_000;
const DAY_MS: Millis = 24 * 60 * 60 * 1000;
/// The most that a person scores.
const SCORE_MAX: u64 = 100;

/// One field of a record.
pub type Field = (&'static str, Value);

/// A filled sandbox; what it holds goes with it.
pub struct Filled {
    pub store: Arc<dyn SandboxStore>,
    pub engine: Engine,
    pub persons: u64,
    _directory: tempfile::TempDir,
}

impl Filled {
    /// Persons, a tenth as many accounts, three tenths as many opportunities, each with a person in a role; and events,
    /// spread over persons and the last year.
    pub async fn new(options: &Options) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let store: Arc<dyn SandboxStore> = Sandbox::open(directory.path(), &attiva_store::Options::default())?;
        let (clock, chance) = (Arc::new(Wall), Arc::new(Count));
        let engine = Engine::start(store.clone(), Arc::new(Nobody), clock, chance, EngineOptions::default()).await?;
        let persons = options.persons.max(10) as u64;
        let filled = Self { store, engine, persons, _directory: directory };
        let (accounts, opportunities) = ((persons / 10).max(1), persons * 3 / 10);
        filled.send_all("account", accounts, account).await?;
        filled.send_all("person", persons, |n| person(n, accounts)).await?;
        filled.send_all("opportunity", opportunities, |n| opportunity(n, accounts)).await?;
        filled.send_all("opportunity_person", opportunities, |n| role(n, persons)).await?;
        let now = Wall.now();
        filled.send_all("activity", options.events as u64, |n| visit(n, persons, now)).await?;
        filled.settled().await?;
        Ok(filled)
    }

    async fn send_all(&self, entity: &str, count: u64, row: impl Fn(u64) -> Vec<Field>) -> Result<()> {
        for first in (0..count).step_by(usize::try_from(PAGE)?) {
            let rows = (first..(first + PAGE).min(count)).map(|n| (key(n), row(n)));
            self.send(entity, rows).await?;
        }
        Ok(())
    }

    /// Returns when they are durable.
    pub async fn send(&self, entity: &str, rows: impl Iterator<Item = (String, Vec<Field>)>) -> Result<()> {
        let change = |(source_key, fields): (String, Vec<Field>)| RecordChange {
            source_key,
            kind: RowKind::Full,
            at: 1,
            dated: true,
            fields: fields.into_iter().map(|(name, value)| (Arc::from(name), value)).collect(),
            merged_into: None,
        };
        let entity = EntityName::parse(entity).context("an entity")?;
        let taken = self.engine.ingest(&entity, rows.map(change).collect()).await?;
        taken.map(|_| ()).map_err(|rejects| anyhow!("{:?}", rejects.first()))
    }

    /// One in a hundred of the persons and of the events says something else, or is new.
    pub async fn change_one_percent(&self, events: u64) -> Result<()> {
        let accounts = (self.persons / 10).max(1);
        let some: Vec<u64> = (0..self.persons).step_by(100).collect();
        for page in some.chunks(usize::try_from(PAGE)?) {
            let rows = page.iter().map(|n| {
                let mut fields = person(*n, accounts);
                fields.push(("city", text(format!("Elsewhere {n}"))));
                (key(*n), fields)
            });
            self.send("person", rows).await?;
        }
        let now = Wall.now();
        let news: Vec<u64> = (events..events + events / 100).collect();
        for page in news.chunks(usize::try_from(PAGE)?) {
            self.send("activity", page.iter().map(|n| (key(*n), visit(*n, self.persons, now)))).await?;
        }
        self.settled().await
    }

    /// Makes segments; returns when all have a result.
    pub async fn segments(&self, rules: &[String], evaluation: Option<EvaluationMethod>) -> Result<Vec<SegmentId>> {
        let mut ids = Vec::new();
        for (n, rule) in rules.iter().enumerate() {
            let id = SegmentId::parse(&format!("seg_{n}")).context("an id")?;
            let segment = Segment { evaluation, ..Segment::new(id.clone(), &format!("s{n}"), rule, 0) };
            let body = serde_json::to_value(&segment)?;
            let write = DocumentWrite { kind: Kind::Segment, id: id.to_string(), body };
            self.store.put_document(write, Expect::Absent).await?;
            ids.push(id);
        }
        self.engine.segments_changed();
        loop {
            self.settled().await?;
            let all = self.store.documents(Kind::Segment, None, usize::MAX)?;
            if all.iter().all(|document| document.body["has_result"] == true) {
                return Ok(ids);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn settled(&self) -> Result<()> {
        while !self.engine.projection()?.caught_up {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    pub async fn stop(self) {
        self.engine.drain(Duration::from_secs(60)).await;
    }
}

/// The source key of the record with a number.
pub fn key(n: u64) -> String {
    format!("{n}@b.Bench")
}

pub fn text(text: String) -> Value {
    Value::Text(text)
}

/// Spreads numbers, so that neighbours have nothing in common.
pub fn mixed(n: u64) -> u64 {
    let mut x = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

fn one_of(n: u64, of: &[&str]) -> Value {
    let place = usize::try_from(mixed(n) % of.len().max(1) as u64).unwrap_or(0);
    text(of.get(place).copied().unwrap_or_default().to_owned())
}

fn whole(n: u64) -> Value {
    Value::Integer(i64::try_from(n).unwrap_or(i64::MAX))
}

fn account(n: u64) -> Vec<Field> {
    vec![
        ("name", text(format!("Company {n}"))),
        ("industry", one_of(n, &["Finance", "Health", "Retail", "Software", "Transport"])),
        ("number_of_employees", whole(1 + mixed(n) % 5_000)),
    ]
}

fn person(n: u64, accounts: u64) -> Vec<Field> {
    vec![
        ("email", text(format!("person{n}@company{}.example", n % accounts))),
        ("department", one_of(n, &["HR", "IT", "Marketing", "Sales"])),
        ("job_title", one_of(n ^ 1, &["Analyst", "CIO", "CMO", "Manager"])),
        ("person_score", whole(mixed(n) % SCORE_MAX)),
        ("account_key", text(key(n % accounts))),
    ]
}

fn opportunity(n: u64, accounts: u64) -> Vec<Field> {
    vec![
        ("name", text(format!("Deal {n}"))),
        ("account_key", text(key(mixed(n) % accounts))),
        ("stage", one_of(n, &["Closed", "Negotiation", "Qualification"])),
    ]
}

fn role(n: u64, persons: u64) -> Vec<Field> {
    vec![
        ("opportunity_key", text(key(n))),
        ("person_key", text(key(mixed(n) % persons))),
        ("person_role", one_of(n, &["Decision Maker", "User"])),
    ]
}

fn visit(n: u64, persons: u64, now: Millis) -> Vec<Field> {
    let ago = Millis::try_from(mixed(n ^ 7) % 365).unwrap_or(0) * DAY_MS;
    vec![
        ("type", text("web.visit".into())),
        ("page", one_of(n, &["/docs", "/pricing", "/team", "/trial"])),
        ("time", Value::Timestamp(now - ago)),
        ("person_key", text(key(mixed(n) % persons))),
    ]
}

pub struct Wall;

impl Clock for Wall {
    fn now(&self) -> Millis {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Millis::try_from(now.as_millis()).unwrap_or(0)
    }
}

/// Six bytes that were not given before.
pub fn fresh() -> [u8; 6] {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let [_, _, a, b, c, d, e, f] = NEXT.fetch_add(1, Ordering::SeqCst).to_be_bytes();
    [a, b, c, d, e, f]
}

struct Count;

impl Chance for Count {
    fn bytes(&self) -> [u8; 6] {
        fresh()
    }
}
