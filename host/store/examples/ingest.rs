//! Measures the real schema with its secondary indexes at a sustained rate:
//!
//! `cargo run --release -p attiva-store --example ingest -- [RECORDS] [DIRECTORY] [WRITER_CACHE_KIB]`
//!
//! Pages of 1,000 records with 40 columns go through `commit_page`, the profile projector's reads and
//! `commit_profiles` (source key and e-mail), and `commit_memberships` (every fifth is a member), each durable before
//! the next begins. Then everything is told again unchanged, a part of it changed, looked up, and a child process is
//! killed while it writes. CPU is that of the store's threads, so that making up records does not count.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "an example prints what it measures")]

use attiva_core::id::{ConnectionId, ProfileId, RunId, SegmentId};
use attiva_core::identity::{Ask, Identity, Level};
use attiva_core::model::EntityName;
use attiva_core::page::{Cursor, RowKind};
use attiva_core::ports::store::{
    Feed, MembershipChange, MembershipCommit, MembershipStatus, PageCommit, PageDocument, ProfileCommit, ProfileWrite,
    RecordLink, SandboxStore, StoredRecord, StreamState,
};
use attiva_core::record::RecordChange;
use attiva_core::{Millis, Value};
use attiva_store::{Options, Sandbox};
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PERSON: EntityName = EntityName::PERSON;
const PAGE: usize = 1_000;
const COLUMNS: usize = 40;
/// Attributes of a profile: half the columns have a place in the model.
const ATTRIBUTES: usize = 20;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [child, directory, from] = &arguments[..]
        && child == "--write-for-ever"
    {
        return write_for_ever(Path::new(directory), from.parse().expect("a number"));
    }
    let records: usize = arguments.first().map_or(300_000, |text| text.parse().expect("RECORDS is a number"));
    let temporary = tempfile::tempdir_in(arguments.get(1).map_or(".", String::as_str)).expect("a directory");
    let directory = temporary.path();

    let mut options = Options::default();
    if let Some(kib) = arguments.get(2) {
        options.writer_cache_kib = kib.parse().expect("WRITER_CACHE_KIB is a number");
    }
    let store = Sandbox::open(directory, &options).expect("the store opens");
    println!("{records} records, pages of {PAGE}, {COLUMNS} columns");
    println!("{:<28} {:>9} {:>9} {:>9} {:>9} {:>9}", "", "records/s", "cpu us", "p50 ms", "p99 ms", "max ms");
    ingest(&store, records, "first", 10, |_| true);
    memory();
    ingest(&store, records, "again, newer, the same", 20, |_| false);
    ingest(&store, records.min(100_000), "again, one in ten changed", 30, |n| n.is_multiple_of(10));
    let part = (records / 5).max(PAGE);
    pipeline(&store, records, part, 1_000);
    pipeline(&store, records + part, part, 5_000);
    look_up(&store, records);
    memory();
    let began = Instant::now();
    drop(store);
    println!("closed in {:.0} ms; {:.0} MB", ms(began.elapsed()), size(directory));
    kill_and_reopen(directory, records * 2);
}

/// One part of the work: how long each step of it took.
#[derive(Default)]
struct Part {
    steps: Vec<Duration>,
    cpu: Duration,
    records: usize,
}

impl Part {
    fn measure<T>(&mut self, records: usize, work: impl FnOnce() -> T) -> T {
        let (began, cpu) = (Instant::now(), cpu());
        let result = work();
        self.steps.push(began.elapsed());
        self.cpu += self::cpu() - cpu;
        self.records += records;
        result
    }

    fn report(&mut self, name: &str) {
        let wall: Duration = self.steps.iter().sum();
        let rate = self.records as f64 / wall.as_secs_f64();
        let cpu = self.cpu.as_secs_f64() * 1e6 / self.records as f64;
        let [p50, p99, max] = percentiles(&mut self.steps).map(ms);
        println!("{name:<28} {rate:>9.0} {cpu:>9.1} {p50:>9.2} {p99:>9.2} {max:>9.2}");
    }
}

fn ingest(store: &Sandbox, records: usize, name: &str, at: Millis, changed: impl Fn(usize) -> bool) {
    println!("{name}");
    let [mut pages, mut reads, mut profiles, mut members] =
        [const { Part { steps: Vec::new(), cpu: Duration::ZERO, records: 0 } }; 4];
    for first in (0..records).step_by(PAGE) {
        let page = page(first, at, &changed);
        pages.measure(PAGE, || wait(store.commit_page(page)).expect("the page is committed"));
        let (commit, count) = reads.measure(PAGE, || read_changes(store, PAGE));
        if count == 0 {
            continue;
        }
        let after = store.newest(Feed::Profiles).expect("a number");
        profiles.measure(count, || wait(store.commit_profiles(commit)).expect("the profiles are committed"));
        let commit = memberships(store, after);
        members.measure(count, || wait(store.commit_memberships(commit)).expect("the members are committed"));
    }
    pages.report("  commit_page");
    reads.report("  projector's reads");
    if !profiles.steps.is_empty() {
        profiles.report("  commit_profiles");
        members.report("  commit_memberships");
    }
    let all: Duration = [&pages, &reads, &profiles, &members].iter().flat_map(|part| &part.steps).sum();
    let cpu: Duration = [&pages, &reads, &profiles, &members].iter().map(|part| part.cpu).sum();
    let each = cpu.as_secs_f64() * 1e6 / records as f64;
    println!("{:<28} {:>9.0} {each:>9.1}", "  together", records as f64 / all.as_secs_f64());
}

/// A page's writer and the projector side by side, as the host runs them.
fn pipeline(store: &Arc<Sandbox>, from: usize, records: usize, batch: usize) {
    let (began, before) = (Instant::now(), cpu());
    let writer = std::thread::spawn({
        let store = Arc::clone(store);
        move || {
            for first in (from..from + records).step_by(PAGE) {
                wait(store.commit_page(page(first, 10, &|_| true))).expect("the page is committed");
            }
        }
    });
    let mut done = 0;
    while done < records {
        let (commit, count) = read_changes(store, batch);
        if count == 0 {
            std::thread::sleep(Duration::from_micros(500));
            continue;
        }
        done += count;
        let after = store.newest(Feed::Profiles).expect("a number");
        wait(store.commit_profiles(commit)).expect("the profiles are committed");
        wait(store.commit_memberships(memberships(store, after))).expect("the members are committed");
    }
    writer.join().expect("the writer ends");
    let rate = records as f64 / began.elapsed().as_secs_f64();
    let name = format!("side by side, up to {batch}");
    println!("{name:<28} {rate:>9.0} {:>9.1}", (cpu() - before).as_secs_f64() * 1e6 / records as f64);
}

/// What the profile projector does with the store: the changed records, and a profile of each.
fn read_changes(store: &Sandbox, limit: usize) -> (ProfileCommit, usize) {
    let after = store.projector_cursor("profiles").expect("a cursor");
    let changes = store.changes(Feed::Records, after, limit).expect("changes");
    let numbers: Vec<i64> = changes.iter().map(|change| change.subject).collect();
    let records = store.records_by_number(&numbers).expect("records");
    let commit = ProfileCommit {
        upto: changes.last().map_or(after, |change| change.seq),
        links: records.iter().map(link).collect(),
        profiles: records.iter().map(profile).collect(),
        removed: Vec::new(),
        errors: Vec::new(),
        now: 1,
    };
    (commit, records.len())
}

fn link(record: &StoredRecord) -> RecordLink {
    let email = record.body.fields.get("field00").and_then(Value::as_text).and_then(Identity::email);
    let identities = std::iter::once(Identity::source_key(&record.source_key)).chain(email).collect();
    RecordLink {
        record: record.number,
        identities,
        profile: Some(ProfileId::founded_by(&record.source_key)),
        level: Level::Full,
    }
}

fn profile(record: &StoredRecord) -> ProfileWrite {
    let attributes = record.body.fields.iter().filter(|(_, value)| !value.is_null()).take(ATTRIBUTES);
    ProfileWrite {
        concerns_accounts: false,
        entity: PERSON,
        references: Vec::new(),
        id: ProfileId::founded_by(&record.source_key),
        attributes: attributes.map(|(name, value)| (name.to_string(), value.clone())).collect(),
        records: 1,
        changed_at: record.body.at,
        degraded: false,
    }
}

fn memberships(store: &Sandbox, after: u64) -> MembershipCommit {
    let changes = store.changes(Feed::Profiles, after, usize::MAX).expect("changes");
    let members = changes.iter().filter(|change| change.subject % 5 == 0);
    MembershipCommit {
        cursors: vec![("segments".into(), changes.last().map_or(after, |change| change.seq))],
        cause: "change".into(),
        changes: members
            .map(|change| MembershipChange {
                segment: SegmentId::new(1, [1; 6]),
                profile: change.subject,
                status: MembershipStatus::Realized,
            })
            .collect(),
        now: 1,
        ..MembershipCommit::default()
    }
}

fn page(first: usize, at: Millis, changed: &dyn Fn(usize) -> bool) -> PageCommit {
    let names: Vec<Arc<str>> = (0..COLUMNS).map(|column| Arc::from(format!("field{column:02}"))).collect();
    PageCommit {
        connection: ConnectionId::new(1, [1; 6]),
        stream: "leads".into(),
        entity: Some(PERSON),
        run: RunId::new(1, [1; 6]),
        records: (first..first + PAGE).map(|n| record(n, at, changed(n), &names)).collect(),
        events: Vec::new(),
        stages: Vec::new(),
        errors: Vec::new(),
        rejects: Vec::new(),
        state: Some(StreamState { cursor: Cursor { state_version: 1, bytes: vec![0; 100] }, more: true }),
        notes_seen: false,
        document: PageDocument(Arc::new(|_| None)),
        now: at,
    }
}

fn source_key(n: usize) -> String {
    format!("{}@123-ABC-456.Marketo", 1_000_000 + n)
}

fn email(n: usize) -> String {
    // Spread over the index, as addresses are.
    format!("{:016x}@example.com", (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// 40 columns as a lead has them: mostly short texts, some numbers, times and flags, one in four null.
fn record(n: usize, at: Millis, changed: bool, names: &[Arc<str>]) -> RecordChange {
    let version = if changed { at } else { 10 };
    let value = |column: usize| match column {
        0 => Value::Text(email(n)),
        1 => Value::Integer(version),
        2..=4 => Value::Timestamp(1_700_000_000_000 + (n * column) as i64),
        5..=7 => Value::Boolean((n + column).is_multiple_of(3)),
        8..=10 => Value::Integer((n * column) as i64),
        _ if column.is_multiple_of(3) => Value::Null,
        _ => Value::Text(format!("text {} of {column}", n % 1_000)),
    };
    let fields = names.iter().enumerate().map(|(column, name)| (Arc::clone(name), value(column)));
    RecordChange {
        source_key: source_key(n),
        kind: RowKind::Full,
        at,
        dated: true,
        fields: fields.collect(),
        merged_into: None,
    }
}

fn look_up(store: &Sandbox, records: usize) {
    const TIMES: usize = 20_000;
    println!("{:<28} {:>9} {:>9} {:>9}", "look-up, us", "p50", "p99", "max");
    let mut n = 1_usize;
    let mut measure = |name: &str, look: &dyn Fn(usize)| {
        let mut times: Vec<Duration> = (0..TIMES)
            .map(|_| {
                n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let which = (n >> 33) % records;
                let began = Instant::now();
                look(which);
                began.elapsed()
            })
            .collect();
        let [p50, p99, max] = percentiles(&mut times).map(|time| time.as_secs_f64() * 1e6);
        println!("{name:<28} {p50:>9.1} {p99:>9.1} {max:>9.1}");
    };
    measure("  record by source key", &|n| drop(store.record(&PERSON, &source_key(n)).expect("read").expect("there")));
    measure("  profile by id", &|n| {
        drop(store.profile(&ProfileId::founded_by(&source_key(n))).expect("read").expect("there"));
    });
    measure("  profile by e-mail", &|n| {
        let identity = Identity::email(&email(n)).expect("an address");
        drop(store.profile_by_identity(&PERSON, &identity).expect("read").expect("there"));
    });
    measure("  memberships", &|n| drop(store.memberships(&[n as i64 + 1]).expect("read")));
    measure("  records with an e-mail", &|n| {
        let identity = Identity::email(&email(n)).expect("an address");
        let ask = Ask { identity, records_max: 11 };
        assert_eq!(store.records_with(&PERSON, &[ask]).expect("read")[0].len(), 1);
    });
}

fn write_for_ever(directory: &Path, from: usize) {
    let store = Sandbox::open(directory, &Options::default()).expect("the store opens");
    for first in (from..).step_by(PAGE) {
        wait(store.commit_page(page(first, 10, &|_| true))).expect("the page is committed");
        println!("{first}");
    }
}

fn kill_and_reopen(directory: &Path, from: usize) {
    let child = std::env::current_exe().and_then(|program| {
        let mut command = std::process::Command::new(program);
        command.arg("--write-for-ever").arg(directory).arg(from.to_string());
        command.stdout(std::process::Stdio::piped()).spawn()
    });
    let mut child = child.expect("the child starts");
    std::thread::sleep(Duration::from_secs(2));
    child.kill().expect("the child is killed");
    let said = child.wait_with_output().expect("the child has ended").stdout;
    let last = String::from_utf8_lossy(&said).lines().last().and_then(|line| line.parse::<usize>().ok());
    let began = Instant::now();
    let store = Sandbox::open(directory, &Options::default()).expect("the store opens");
    if let Some(last) = last {
        assert!(store.record(&PERSON, &source_key(last)).expect("read").is_some(), "an acknowledged record is missing");
    }
    println!("reopened after kill -9, first look-up: {:.1} ms", ms(began.elapsed()));
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(future)
}

fn percentiles(times: &mut [Duration]) -> [Duration; 3] {
    times.sort();
    [50, 99, 100].map(|percent| times[((times.len() * percent) / 100).min(times.len() - 1)])
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// CPU time of the store's own threads and of this one's reads; in steps of 10 ms, so only sums of many mean something.
fn cpu() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok());
    // The first number is nanoseconds on a processor.
    Duration::from_nanos(stats.filter_map(|stat| stat.split(' ').next()?.parse::<u64>().ok()).sum())
}

fn memory() {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let wanted = status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    println!(
        "memory: {}",
        wanted.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", ")
    );
}

fn size(directory: &Path) -> f64 {
    let files = std::fs::read_dir(directory).expect("the directory");
    files.filter_map(|file| Some(file.ok()?.metadata().ok()?.len() as f64)).sum::<f64>() / 1e6
}
