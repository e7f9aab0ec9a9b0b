//! A sandbox of a size that is wanted, through the engine and the real store: how fast records become profiles, how fast
//! profiles are found while there are many, what evaluations of segments cost, how long everything takes to be derived
//! anew, and how long a start takes.
//!
//! `cargo run --release -p attiva-sync --example scale -- [PROFILES] [EVENTS_PER_PERSON] [DIRECTORY]`
//!
//! Where the directory holds a store that was filled so before, nothing is read: a start, look-ups and deriving anew are measured
//! with what is there.
//!
//! The connector is in this process and makes its pages up, so what is measured is all from the page's arrival on: intake,
//! commit, mapping, identity, merge, accounts. Making up a page counts, too.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "an example prints what it measures")]

mod audiences;
mod look_up;
mod vendor;

use attiva_core::config::Connection;
use attiva_core::id::{ConnectionId, RunId};
use attiva_core::key::Instance;
use attiva_core::model::EntityName;
use attiva_core::ports::clock::{Chance, Clock};
use attiva_core::ports::store::{DocumentWrite, Expect, Kind, Reconsider, SandboxStore};
use attiva_core::run::Run;
use attiva_store::{Options, Sandbox};
use attiva_sync::{Engine, EngineOptions};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};
use vendor::{Size, Vendor, Wiring};

struct Wall;

impl Clock for Wall {
    fn now(&self) -> i64 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(now.as_millis()).unwrap_or(0)
    }
}

fn fresh() -> [u8; 6] {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let n = NEXT.fetch_add(1, Ordering::SeqCst).to_be_bytes();
    [0, n[3], n[4], n[5], n[6], n[7]]
}

struct Count;

impl Chance for Count {
    fn bytes(&self) -> [u8; 6] {
        fresh()
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, default: u64| arguments.get(i).map_or(default, |text| text.parse().expect("a number"));
    let size = Size { persons: number(0, 100_000), events_per_person: number(1, 20) };
    let directory = Path::new(arguments.get(2).map_or(".", String::as_str));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    println!("{size:?}, load {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    if directory.join("store.db").exists() {
        return runtime.block_on(measure_filled(directory, size));
    }
    let temporary = tempfile::tempdir_in(directory).expect("a directory");
    runtime.block_on(measure(temporary.path(), size));
}

async fn measure_filled(directory: &Path, size: Size) {
    let (store, engine) = first_look_up(directory, size).await;
    let sample = store.clone();
    tokio::task::spawn_blocking(move || look_up::measure(&sample, size)).await.expect("look-ups");
    settled(&engine).await;
    derive_anew(&engine, size).await;
    engine.drain(Duration::from_secs(60)).await;
}

async fn measure(directory: &Path, size: Size) {
    let (store, engine) = start(directory, size).await;
    for stream in ["account", "person", "opportunity", "role", "activity"] {
        ingest(&store, &engine, stream, size).await;
    }
    println!("{:.0} MB on disk, {}", megabytes(directory), memory());
    let sample = store.clone();
    tokio::task::spawn_blocking(move || look_up::measure(&sample, size)).await.expect("look-ups");

    audiences::measure(&store, &engine, 10, size).await;
    println!("{}", memory());

    derive_anew(&engine, size).await;
    engine.drain(Duration::from_secs(60)).await;
    drop((engine, store));
    let (_, engine) = first_look_up(directory, size).await;
    engine.drain(Duration::from_secs(60)).await;
}

async fn derive_anew(engine: &Engine, size: Size) {
    let (began, cpu_before) = (Instant::now(), cpu());
    engine.reconsider(vec![], vec![], Reconsider::All).await.expect("reconsidered");
    settled(engine).await;
    report("everything derived anew", size.records(), began.elapsed(), cpu() - cpu_before);
}

async fn first_look_up(directory: &Path, size: Size) -> (Arc<dyn SandboxStore>, Engine) {
    let began = Instant::now();
    let (store, engine) = start(directory, size).await;
    let first = store.profiles(&EntityName::PERSON, 0, 1).expect("read");
    assert_eq!(first.len(), 1);
    println!("{:<28} {:>9.3} s", "start to first look-up", began.elapsed().as_secs_f64());
    (store, engine)
}

async fn start(directory: &Path, size: Size) -> (Arc<dyn SandboxStore>, Engine) {
    let store: Arc<dyn SandboxStore> = Sandbox::open(directory, &Options::default()).expect("the store opens");
    let wiring = Arc::new(Wiring(Arc::new(Vendor { size })));
    let started = Engine::start(store.clone(), wiring, Arc::new(Wall), Arc::new(Count), EngineOptions::default()).await;
    (store, started.expect("the engine starts"))
}

/// Reads one stream to its end, and waits until everything is worked out.
async fn ingest(store: &Arc<dyn SandboxStore>, engine: &Engine, stream: &str, size: Size) {
    let connection = Connection {
        id: ConnectionId::parse(&format!("con_{stream}")).expect("an id"),
        name: stream.into(),
        plugin: "scale@1.0.0".into(),
        configuration: serde_json::json!({}),
        instance: Instance { system: "Scale".into(), id: "s".into() },
        streams: vec![stream.into()],
        schedule: None,
        schema: attiva_core::drift::SchemaPolicy::default(),
        created_at: 0,
    };
    let body = serde_json::to_value(&connection).expect("a document");
    let write = DocumentWrite { kind: Kind::Connection, id: connection.id.to_string(), body };
    store.put_document(write, Expect::Anything).await.expect("written");
    let (began, cpu_before) = (Instant::now(), cpu());
    let run = engine.start_run(&connection.id, RunId::new(Wall.now(), fresh())).await.expect("a run");
    loop {
        let document = store.document(Kind::Run, run.id.as_str()).expect("read").expect("there");
        let now: Run = serde_json::from_value(document.body).expect("a run");
        if now.status.has_ended() {
            assert!(now.fault.is_none(), "{:?}", now.fault);
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let read = began.elapsed();
    settled(engine).await;
    report(stream, size.of(stream), began.elapsed(), cpu() - cpu_before);
    println!("    of that until the last page was durable: {:.1} s", read.as_secs_f64());
}

async fn settled(engine: &Engine) {
    while !engine.projection().expect("read").caught_up {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn report(what: &str, records: u64, took: Duration, cpu: Duration) {
    let rate = records as f64 / took.as_secs_f64();
    let each = cpu.as_secs_f64() * 1e6 / records as f64;
    println!("{what:<28} {:>9.1} s {rate:>9.0} records/s {each:>7.1} us of CPU each", took.as_secs_f64());
}

fn cpu() -> Duration {
    let time = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<u64> = time.split(' ').skip(13).take(2).filter_map(|field| field.parse().ok()).collect();
    Duration::from_millis(fields.iter().sum::<u64>() * 10)
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let wanted = status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    wanted.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", ")
}

fn megabytes(directory: &Path) -> f64 {
    let files = std::fs::read_dir(directory).expect("the directory");
    files.filter_map(|file| Some(file.ok()?.metadata().ok()?.len() as f64)).sum::<f64>() / 1e6
}
