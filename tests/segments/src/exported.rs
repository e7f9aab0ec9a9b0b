//! Segments over the exported tables of a real sandbox: records are sent to an engine, segments are evaluated by columns,
//! the open tables are taken, and every segment is a statement over those files.

use crate::nobody::Nobody;
use crate::support::bodea;
use crate::support::cases::{self, CASES};
use crate::support::functions;
use crate::support::generate::Writer;
use crate::support::scalar::generate::NOW;
use crate::support::world::{World, additions, model, relation};
use crate::support::worlds::world;
use attiva_core::Value;
use attiva_core::config::{AudienceEntity, EvaluationMethod, Segment};
use attiva_core::evaluation::{Evaluation, EvaluationStatus};
use attiva_core::exchange::{DatedRate, RatesTable};
use attiva_core::id::{EvaluationId, SegmentId};
use attiva_core::model::custom::Custom;
use attiva_core::model::{EntityKind, EntityName};
use attiva_core::page::RowKind;
use attiva_core::ports::clock::{Chance, Clock};
use attiva_core::ports::store::{DocumentWrite, Expect, Kind, SandboxStore};
use attiva_core::record::{Fields, RecordChange};
use attiva_core::tables::TableTimes;
use attiva_expr::check;
use attiva_segments::segment_scope;
use attiva_sync::{Engine, EngineOptions, TablesTaken};
use attiva_tables::Folder;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A segment, its statement, and its members by the column evaluator: numbers of profiles.
#[derive(Debug, Clone)]
pub struct Case {
    pub segment: String,
    pub sql: String,
    pub members: Vec<i64>,
}

/// A sandbox at work, with tables in a folder of its own.
pub struct Exported {
    pub store: Arc<dyn SandboxStore>,
    pub engine: Engine,
    pub folder: PathBuf,
}

/// Its time stands still: `now` is the same wherever it is asked for.
struct Still;

impl Clock for Still {
    fn now(&self) -> i64 {
        NOW
    }
}

struct Count(AtomicU32);

impl Chance for Count {
    fn bytes(&self) -> [u8; 6] {
        let [a, b, c, d] = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        [0, 0, a, b, c, d]
    }
}

fn key(of: &str) -> Value {
    Value::Text(format!("{of}@t.T"))
}

fn record(id: &str, fields: Vec<(&str, Value)>) -> RecordChange {
    let fields: Fields = fields.into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
    RecordChange { source_key: format!("{id}@t.T"), kind: RowKind::Full, at: 1, dated: true, fields, merged_into: None }
}

impl Exported {
    /// A new sandbox in a folder, with the model and the rates of the worlds.
    pub async fn start(directory: &Path) -> Outcome<Self> {
        let store = attiva_store::Sandbox::open(&directory.join("store"), &attiva_store::Options::default())?;
        let store: Arc<dyn SandboxStore> = store;
        let chance = Arc::new(Count(AtomicU32::new(0)));
        let options = EngineOptions::default();
        let engine = Engine::start(Arc::clone(&store), Arc::new(Nobody), Arc::new(Still), chance, options)
            .await
            .map_err(|fault| fault.to_string())?;
        let folder = directory.join("tables");
        Dir::create_ambient_dir_all(&folder, ambient_authority())?;
        let opened = Folder::open(Dir::open_ambient_dir(&folder, ambient_authority())?)?;
        let times = TableTimes { every_ms: TableTimes::EVERY_MS_MAX, kept_ms: 0 };
        engine.keep_tables(Arc::new(opened), times).map_err(|fault| fault.to_string())?;
        let exported = Self { store, engine, folder };
        let custom = Custom { version: 0, ..additions() };
        exported.engine.publish_model(custom, Expect::Absent).await.map_err(|error| format!("{error:?}"))?;
        let euro = DatedRate { currency: "EUR".into(), from: "2020-01-01".into(), rate: "1.25".into() };
        let table = RatesTable { base: "USD".into(), rates: vec![euro] };
        exported.put(Kind::ExchangeRates, "USD", &table).await?;
        Ok(exported)
    }

    async fn put<T: serde::Serialize>(&self, kind: Kind, id: &str, value: &T) -> Outcome<()> {
        let body = serde_json::to_value(value)?;
        self.store.put_document(DocumentWrite { kind, id: id.into(), body }, Expect::Anything).await?;
        Ok(())
    }

    /// Sends what can be taken: of an event without a time nothing can be.
    pub async fn send(&self, entity: &str, changes: Vec<RecordChange>) -> Outcome<()> {
        let entity = EntityName::parse(entity).ok_or("an entity")?;
        if changes.is_empty() {
            return Ok(());
        }
        if self.engine.ingest(&entity, changes.clone()).await?.is_err() {
            for change in changes {
                let _refused = self.engine.ingest(&entity, vec![change]).await?;
            }
        }
        Ok(())
    }

    pub async fn settled(&self) -> Outcome<()> {
        while !self.engine.projection()?.caught_up {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// A world as records: a person is one of a record for each of its companies. `prefix`: before every id, so that
    /// worlds do not meet.
    pub async fn send_world(&self, prefix: &str, world: &World) -> Outcome<()> {
        let model = model();
        let component = model.entity("person_component").ok_or("an entity")?;
        let companies = companies(world, component);
        for (number, entity) in model.entities.iter().enumerate().filter(|(number, _)| *number != component) {
            let mut changes = Vec::new();
            for (row, values) in world.rows[number].iter().enumerate() {
                let named = entity.fields.iter().zip(values).filter(|(_, value)| is_kept(value));
                let mut fields: Vec<(&str, Value)> = named.map(|(f, v)| (f.name.as_str(), v.clone())).collect();
                for (relation, names) in model.relations.iter().zip(&world.names).filter(|(r, _)| r.from == number) {
                    let field = match (entity.name.as_str(), relation.name.as_str()) {
                        ("activity", "component") | (_, "matched_account") => continue,
                        (_, "parent") => "parent_key".to_owned(),
                        (_, name) => format!("{name}_key"),
                    };
                    if let (Some(to), Some(field)) = (names[row], entity.fields.iter().find(|f| f.name == field)) {
                        let to = format!("{prefix}{}{to}", model.entities[relation.to].name);
                        fields.push((field.name.as_str(), key(&to)));
                    }
                }
                let id = format!("{prefix}{}{row}", entity.name);
                match entity.name.as_str() {
                    "person" => changes.extend(person(prefix, row, &id, &fields, &companies)),
                    "account" => {
                        fields.push(("website", Value::Text(format!("https://{prefix}{row}.com"))));
                        changes.push(record(&id, fields));
                    }
                    _ => changes.push(record(&id, fields)),
                }
            }
            self.send(&entity.name, changes).await?;
        }
        Ok(())
    }

    /// Defines segments, evaluates all of them by columns, and takes the tables.
    ///
    /// # Errors
    /// Where an evaluation does not succeed.
    pub async fn judged(&self, texts: &[(AudienceEntity, String, String)]) -> Outcome<(Vec<Case>, TablesTaken)> {
        self.settled().await?;
        let mut defined = Vec::new();
        for (number, (entity, name, text)) in texts.iter().enumerate() {
            let id = SegmentId::parse(&format!("seg_{number}")).ok_or("an id")?;
            let segment = Segment {
                entity: *entity,
                evaluation: Some(EvaluationMethod::Batch),
                ..Segment::new(id.clone(), name, text, 0)
            };
            self.put(Kind::Segment, id.as_str(), &segment).await?;
            defined.push((id, text));
        }
        self.engine.segments_changed();
        // Twice: a segment that asks for another one sees what that came to.
        for run in ["evl_1", "evl_2"] {
            self.evaluated(run).await?;
        }
        let taken = self.engine.take_tables().await?;
        let mut cases = Vec::new();
        for (id, text) in defined {
            // As anybody is answered who asks for it.
            let Ok(statement) = self.engine.segment_statement(&id) else { continue };
            cases.push(Case { segment: text.clone(), sql: statement.sql, members: self.members(&id)? });
        }
        Ok((cases, taken))
    }

    fn members(&self, segment: &SegmentId) -> Outcome<Vec<i64>> {
        let mut members = Vec::new();
        loop {
            let page = self.store.members(segment, members.last().copied().unwrap_or(0), 1_000)?;
            if page.is_empty() {
                return Ok(members);
            }
            members.extend(page.into_iter().map(|(number, _)| number));
        }
    }

    async fn evaluated(&self, id: &str) -> Outcome<()> {
        let id = EvaluationId::parse(id).ok_or("an id")?;
        self.engine.start_evaluation(Vec::new(), id.clone()).await?;
        loop {
            let found = self.store.document(Kind::Evaluation, id.as_str())?.ok_or("an evaluation")?;
            let evaluation: Evaluation = serde_json::from_value(found.body)?;
            if evaluation.status.has_ended() {
                let is_good = evaluation.status == EvaluationStatus::Succeeded;
                return if is_good { Ok(()) } else { Err(format!("{:?}", evaluation.fault).into()) };
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn companies(world: &World, component: usize) -> BTreeMap<usize, Vec<usize>> {
    let (of_person, of_account) = (relation("person_component", "person"), relation("person_component", "account"));
    let mut companies: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for row in 0..world.rows[component].len() {
        if let (Some(person), Some(company)) = (world.names[of_person][row], world.names[of_account][row]) {
            companies.entry(person).or_default().push(company);
        }
    }
    companies
}

/// Every third person has an address at a company that some record may be matched to.
fn person(
    prefix: &str,
    row: usize,
    id: &str,
    fields: &[(&str, Value)],
    companies: &BTreeMap<usize, Vec<usize>>,
) -> Vec<RecordChange> {
    let host = if row.is_multiple_of(3) { format!("{prefix}0.com") } else { format!("mail-{prefix}{row}.example") };
    let mail = ("email", Value::Text(format!("p{row}@{host}")));
    let of =
        |company: Option<&usize>| company.map(|company| ("account_key", key(&format!("{prefix}account{company}"))));
    let companies = companies.get(&row).cloned().unwrap_or_default();
    let all = |more: Option<(&'static str, Value)>| -> Vec<(&str, Value)> {
        fields.iter().cloned().chain([mail.clone()]).chain(more).collect()
    };
    let mut changes = vec![record(id, all(of(companies.first())))];
    for company in companies.iter().skip(1) {
        changes.push(record(&format!("{id}-{company}"), all(of(Some(company)))));
    }
    changes
}

/// Bytes that look random and are the same each time.
fn dice(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        u8::try_from(state >> 32 & 0xFF).unwrap_or_default()
    };
    (0..length).map(|_| next()).collect()
}

/// Segments: the guide's examples, every kind of node and its negation, and random ones.
#[must_use]
pub fn texts(random: u64) -> Vec<(AudienceEntity, String, String)> {
    let person = AudienceEntity::Person;
    let mut texts = vec![
        (person, "persons".to_owned(), "person.person_score > 10".to_owned()),
        (person, "others".to_owned(), "person.person_score < -1000".to_owned()),
    ];
    let guide = bodea::examples(include_str!("../../../docs/segments.md"));
    for (root, name, text) in guide {
        let entity = if root == "account" { AudienceEntity::Account } else { person };
        texts.push((entity, name.to_lowercase().replace(' ', "-"), text));
    }
    let nodes = CASES.iter().chain(functions::CASES).flat_map(|(_, texts)| texts).filter(|text| !text.is_empty());
    for text in nodes.flat_map(|text| [(*text).to_owned(), format!("!({text})")]) {
        texts.push((person, format!("node {}", texts.len()), text));
    }
    for seed in 0..random {
        let (root, entity) =
            if seed % 3 == 0 { ("account", AudienceEntity::Account) } else { ("person", AudienceEntity::Person) };
        let text = Writer::new(&dice(seed + 1, 400), root).condition(3);
        let kind = EntityKind::parse(root).unwrap_or(EntityKind::Person);
        let is_sound = segment_scope(&model(), kind).is_some_and(|scope| check(&text, &scope).is_ok());
        if is_sound {
            texts.push((entity, format!("random {seed}"), text));
        }
    }
    texts
}

/// Whether a record can say it: JSON, in which records are kept, has no word for what is infinite or no number.
fn is_kept(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Float(float) => float.is_finite(),
        _ => true,
    }
}

/// The guide's world, that of the nodes, and random ones; the second half is sent by the second call.
pub async fn fill(exported: &Exported, worlds: std::ops::Range<u64>) -> Outcome<()> {
    for seed in worlds {
        let prefix = format!("w{seed}");
        let world = match seed {
            0 => bodea::world(),
            1 => cases::world(),
            seed => world(&dice(seed, 500)),
        };
        exported.send_world(&prefix, &world).await?;
    }
    Ok(())
}
