//! A person by one of its identities, with its accounts, their opportunities, the audiences it is in and its newest
//! events: at a rate that is wanted, and as fast as it goes.

use super::vendor::{Size, email, mixed};
use attiva_core::identity::Identity;
use attiva_core::model::{EntityKind, EntityName};
use attiva_core::ports::store::{Order, Relation, SandboxStore};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const THREADS: u64 = 4;
const WANTED_PER_SECOND: u64 = 2_000;
const SECONDS: u64 = 10;

pub fn measure(store: &Arc<dyn SandboxStore>, size: Size) {
    println!("{:<28} {:>9} {:>9} {:>9} {:>9}", "look-up, us", "p50", "p99", "max", "per s");
    // Warm: the persons asked for are those of a busy hour, each asked for once before.
    let asked = size.persons.min(20_000);
    let who = move |n: u64| (mixed(n) % asked) * (size.persons / asked).max(1);
    for n in 0..asked {
        look_up(store, size, n * (size.persons / asked).max(1));
    }
    let each = Duration::from_nanos(1_000_000_000 * THREADS / WANTED_PER_SECOND);
    run(store, size, who, "  at 2,000 a second", WANTED_PER_SECOND * SECONDS, Some(each));
    run(store, size, who, "  as fast as it goes", WANTED_PER_SECOND * SECONDS, None);
    run(store, size, move |n| mixed(n) % size.persons, "  ... of all persons", WANTED_PER_SECOND * SECONDS, None);
}

/// `every`: when each thread begins its next; a late one counts from when it should have begun.
fn run(
    store: &Arc<dyn SandboxStore>,
    size: Size,
    who: impl Fn(u64) -> u64 + Copy + Send + 'static,
    name: &str,
    times: u64,
    every: Option<Duration>,
) {
    static SEED: AtomicU64 = AtomicU64::new(1);
    let (seed, began) = (SEED.fetch_add(1 << 32, Ordering::SeqCst), Instant::now());
    let threads = (0..THREADS).map(|thread| {
        let store = Arc::clone(store);
        std::thread::spawn(move || {
            let mut took = Vec::new();
            for n in 0..times / THREADS {
                let due = every.map_or_else(Instant::now, |every| began + every * u32::try_from(n).unwrap_or(u32::MAX));
                if let Some(wait) = due.checked_duration_since(Instant::now()) {
                    std::thread::sleep(wait);
                }
                look_up(&store, size, who(seed + n * THREADS + thread));
                took.push(due.elapsed());
            }
            took
        })
    });
    let threads: Vec<_> = threads.collect();
    let mut all: Vec<Duration> = threads.into_iter().flat_map(|thread| thread.join().expect("a look-up")).collect();
    let rate = all.len() as f64 / began.elapsed().as_secs_f64();
    all.sort();
    let at = |percent: usize| all[(all.len() * percent / 100).min(all.len() - 1)].as_secs_f64() * 1e6;
    println!("{name:<28} {:>9.0} {:>9.0} {:>9.0} {rate:>9.0}", at(50), at(99), at(100));
}

fn look_up(store: &Arc<dyn SandboxStore>, size: Size, person: u64) {
    let identity = match person % 2 {
        0 => Identity::email(&email(person, size)).expect("an address"),
        _ => Identity::source_key(&format!("{person}@s.Scale")),
    };
    let profile = store.profile_by_identity(&EntityName::PERSON, &identity).expect("read").expect("there");
    let referred = store.references(&[profile.number]).expect("read");
    let accounts: Vec<i64> = referred.iter().flatten().filter_map(|referred| referred.profile).collect();
    let deals = Relation { entity: EntityName::Model(EntityKind::Opportunity), field: "account_key".into() };
    for account in store.profiles_by_number(&accounts).expect("read") {
        let numbers = store.referrers(account.number, &deals, 0, 20).expect("read");
        drop(store.profiles_by_number(&numbers).expect("read"));
    }
    drop(store.memberships(&[profile.number]).expect("read"));
    drop(store.events_of(profile.number, None, Order::NewestFirst, 20).expect("read"));
}
