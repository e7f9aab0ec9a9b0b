//! What happens in one seed: people change, deliveries run, are cancelled, approved, killed, targets are read back; then
//! everything calms down, somebody meddles with the targets, and that is put right.

use crate::chance::{Dice, FakeClock};
use crate::oracle;
use crate::vendor::{TIMEOUT_MS, Vendor};
use crate::world::{ACTIVATIONS, Person, World};
use attiva_core::delivery::{Delivery, DeliveryStatus, Hold};
use attiva_core::id::{ActivationId, DeliveryId, ProfileId, ReadbackId};
use attiva_core::ports::clock::Chance;
use attiva_core::ports::store::{Kind, RefusalFilter};
use attiva_core::readback::{Found, Readback};
use attiva_store::Death;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What a seed did, for whoever wonders whether it did anything.
#[derive(Debug, Default, Clone, Copy)]
pub struct Report {
    pub deliveries: u64,
    pub kills: u64,
    pub resent: u64,
    pub calls: u64,
}

impl Report {
    pub(crate) fn add(&mut self, other: Self) {
        self.deliveries += other.deliveries;
        self.kills += other.kills;
        self.resent += other.resent;
        self.calls += other.calls;
    }
}

/// Runs one seed to its end.
///
/// # Errors
/// What did not hold.
pub fn run(seed: u64) -> Result<Report, String> {
    // Memory where there is any: what is tested is what is committed, not how fast.
    let shm = Path::new("/dev/shm");
    let directory = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() };
    let directory = directory.map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let scenario = Scenario::new(seed, directory.path());
        let vendor = Arc::clone(&scenario.vendor);
        let outcome = scenario.run().await;
        if outcome.is_err() {
            vendor.notes().iter().for_each(|note| println!("{note}"));
        }
        outcome
    })
}

struct Scenario<'a> {
    directory: &'a Path,
    dice: Arc<Dice>,
    clock: Arc<FakeClock>,
    vendor: Arc<Vendor>,
    people: Vec<Person>,
    report: Report,
}

/// How a step ended.
enum Step {
    Done,
    Killed,
}

impl<'a> Scenario<'a> {
    fn new(seed: u64, directory: &'a Path) -> Self {
        let dice = Arc::new(Dice::new(seed));
        let clock = Arc::new(FakeClock::new());
        let vendor = Arc::new(Vendor::new(seed, Arc::clone(&clock)));
        let count = 5 + dice.below(30);
        let mut scenario = Self { directory, dice, clock, vendor, people: Vec::new(), report: Report::default() };
        let has_twins = scenario.dice.percent(50);
        for n in 0..count {
            let of = if has_twins && n > 0 && scenario.dice.percent(20) { n - 1 } else { n };
            let (name, called) = (format!("p{n}"), format!("member {of}"));
            let person = Person { name, called, title: "A", email: None, gone: false };
            let person = scenario.changed(person);
            scenario.people.push(person);
        }
        scenario
    }

    async fn run(mut self) -> Result<Report, String> {
        let mut world = self.open(None).await;
        world.configure().await;
        world.commit(&self.people).await;
        for list in ["act_a", "act_b", "act_c"] {
            self.vendor.put(list, "somebody else's");
        }
        for _ in 0..4 + self.dice.below(8) {
            if let Step::Killed = self.step(&world).await {
                world = self.reopen(world).await;
            }
        }
        world.close().await;
        self.calm_down().await?;
        Ok(self.report)
    }

    async fn open(&self, death: Option<Death>) -> World {
        World::open(self.directory, &self.vendor, &self.clock, &self.dice, death).await
    }

    /// After a kill: time passes, people change, then the host is back, perhaps to be killed again.
    async fn reopen(&mut self, killed: World) -> World {
        killed.close().await;
        self.vendor.note("killed".into());
        self.report.kills += 1;
        self.vendor.killed.store(false, Ordering::SeqCst);
        self.vendor.kill_at.store(0, Ordering::SeqCst);
        self.clock.advance(i64::try_from(self.dice.below(2 * TIMEOUT_MS)).unwrap());
        let death =
            self.dice.percent(50).then(|| Death { at_write: 1 + self.dice.below(40), kept: self.dice.percent(50) });
        if death.is_none() && self.dice.percent(30) {
            self.vendor.kill_at.store(self.vendor.calls() + 1 + self.dice.below(4), Ordering::SeqCst);
        }
        self.open(death).await
    }

    async fn step(&mut self, world: &World) -> Step {
        if self.dice.percent(60) && !self.change_people(world).await {
            return Step::Killed;
        }
        if self.dice.percent(15) {
            self.clock.advance(i64::try_from(self.dice.below(200_000)).unwrap());
        }
        if self.dice.percent(10) && world.store.replay("act_a", RefusalFilter::default()).await.is_err() {
            return Step::Killed;
        }
        let (activation, _, _) = self.dice.one_of(&ACTIVATIONS);
        if self.dice.percent(25) {
            self.vendor.kill_at.store(self.vendor.calls() + 1 + self.dice.below(6), Ordering::SeqCst);
        }
        if self.dice.percent(30) {
            let id = ReadbackId::new(self.clock.now(), self.dice.bytes());
            let started = world.engine.start_readback(&ActivationId::parse(activation).unwrap(), id).await;
            if self.dice.percent(25)
                && let Ok(readback) = started
            {
                let _ = world.engine.cancel_readback(&readback.id).await;
            }
        }
        if self.dice.percent(10) {
            let _ = world.engine.shorten_feeds().await;
        }
        let cancels = self.dice.percent(10);
        let started = self.start(world, activation, self.dice.percent(10)).await;
        if cancels && let Some(delivery) = started {
            let _ = world.engine.cancel_delivery(&delivery.id).await;
        }
        self.ended(world).await
    }

    async fn start(&mut self, world: &World, activation: &str, dry_run: bool) -> Option<Delivery> {
        let id = world_id(&self.dice, &self.clock);
        let activation = ActivationId::parse(activation).unwrap();
        self.report.deliveries += 1;
        world.engine.start_delivery(&activation, id, dry_run).await.ok()
    }

    /// Until every delivery has ended, or the host was killed. Whoever asks is allowed.
    async fn ended(&mut self, world: &World) -> Step {
        loop {
            if self.vendor.killed.load(Ordering::SeqCst) || world.store.document(Kind::Segment, "seg_a").is_err() {
                return Step::Killed;
            }
            let going: Vec<Delivery> = world.deliveries().into_iter().filter(|d| !d.status.has_ended()).collect();
            let is_read = world.readbacks().iter().all(|it| it.status.has_ended());
            if going.is_empty() && is_read {
                return Step::Done;
            }
            for delivery in going {
                if delivery.status == DeliveryStatus::Held && delivery.hold() == Some(Hold::Removals) {
                    let _ = world.engine.approve_delivery(&delivery.id).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(4)).await;
        }
    }

    /// Nobody but the host has touched anybody of ours yet: whatever failed, there is no drift. Save of who is one with another to
    /// the vendor: what was done to that one, and not answered by then, is done to both.
    fn judge_readbacks(&self, world: &World) -> Result<(), String> {
        for readback in world.readbacks() {
            let drift = world.store.drift(&readback.id, None, 0, 1_000).map_err(|error| error.to_string())?;
            if drift.iter().any(|(_, entry)| !self.has_twin(&entry.profile)) {
                return Err(format!("drift, and nobody meddled: {drift:?} of {readback:?}"));
            }
        }
        Ok(())
    }

    fn has_twin(&self, profile: &ProfileId) -> bool {
        let called = |person: &&Person| person.id() == *profile;
        let of = self.people.iter().find(called).map(|person| &person.called);
        self.people.iter().filter(|person| Some(&person.called) == of).count() > 1
    }

    /// Somebody takes members of ours out by hand and puts others back; what is read back then is put right.
    async fn meddle(&mut self, world: &World) -> Result<(), String> {
        self.clock.advance(1000);
        let mut expected = BTreeMap::new();
        for (target, _, _) in ACTIVATIONS {
            let (mut held, mut missing, mut returned) = (0, 0, 0);
            let known = world.store.known_members(target, 0, 10_000).map_err(|e| e.to_string())?;
            let mut of_name = BTreeMap::<String, u32>::new();
            for name in known.iter().filter_map(|member| member.member_id.clone()) {
                *of_name.entry(name).or_default() += 1;
            }
            for member in known {
                // Where nobody is recognised nothing is repaired: somebody stays.
                held += u32::from(matches!(member.found, Found::Held { .. }));
                // Of two who are one to the vendor, one is counted, or both.
                let is_one = member.member_id.as_ref().is_some_and(|name| of_name.get(name) == Some(&1));
                let Some(key) = member.member_id.filter(|_| is_one && held != 1 && self.dice.percent(30)) else {
                    continue;
                };
                match member.found {
                    Found::Held { .. } => {
                        self.vendor.take_out(target, &key);
                        missing += 1;
                    }
                    Found::TakenOut { .. } => {
                        self.vendor.put(target, &key);
                        returned += 1;
                    }
                    Found::Unsettled { .. } | Found::Absent => {}
                }
            }
            expected.insert(target, (missing, returned));
        }
        let mut read = BTreeSet::new();
        for (activation, list, _) in ACTIVATIONS {
            // Two activations share a target: it is read once.
            if !read.insert(list) {
                continue;
            }
            let id = ReadbackId::new(self.clock.now(), self.dice.bytes());
            let activation = ActivationId::parse(activation).unwrap();
            let readback = world.engine.start_readback(&activation, id.clone()).await;
            // Nothing was delivered to it.
            let Ok(Readback { target, .. }) = readback else { continue };
            let _ = self.ended(world).await;
            let found = world.readbacks().into_iter().find(|it| it.id == id).ok_or("it is not kept")?;
            let counts = found.counts;
            let wanted = expected.get(target.as_str()).copied().unwrap_or_default();
            if (counts.missing, counts.returned) != wanted || counts.unnamed > 0 {
                return Err(format!("{wanted:?} were meddled with, and it found {found:?}"));
            }
        }
        Ok(())
    }

    async fn change_people(&mut self, world: &World) -> bool {
        let mut changed = Vec::new();
        for _ in 0..1 + self.dice.below(8) {
            let at = usize::try_from(self.dice.below(self.people.len() as u64)).unwrap();
            let person = self.changed(self.people[at].clone());
            // Whether or not the commit is kept: it is committed again before anything is judged.
            self.people[at] = person.clone();
            changed.retain(|p: &Person| p.name != person.name);
            changed.push(person);
        }
        world.commit(&changed).await
    }

    fn changed(&self, mut person: Person) -> Person {
        person.title = self.dice.one_of(&["A", "B", "AB", "none"]);
        if self.dice.percent(50) {
            let kind = self.dice.one_of(&["ok", "ok", "ok", "ok", "ok", "ok", "bad", "poison", "nobody", ""]);
            let email = format!("{kind}-{}-{}@x.com", person.name, self.dice.below(4));
            person.email = (!kind.is_empty()).then_some(email);
        }
        person.gone = self.dice.percent(10);
        person
    }

    async fn deliver_all(&mut self, world: &World) -> Result<(), String> {
        // Refusals that pass are due again.
        self.clock.advance(7 * 86_400_000);
        for (activation, _, _) in ACTIVATIONS {
            self.start(world, activation, false).await.ok_or("a delivery was not started")?;
            let _ = self.ended(world).await;
        }
        Ok(())
    }

    /// Nothing fails any more: after some deliveries, everything is as it should be.
    async fn calm_down(&mut self) -> Result<(), String> {
        self.vendor.calm.store(true, Ordering::SeqCst);
        self.vendor.kill_at.store(0, Ordering::SeqCst);
        self.vendor.killed.store(false, Ordering::SeqCst);
        let world = self.open(None).await;
        let _ = self.ended(&world).await;
        world.commit(&self.people).await;
        self.deliver_all(&world).await?;
        self.deliver_all(&world).await?;
        self.judge_readbacks(&world)?;
        self.meddle(&world).await?;
        // Who is there and is known by nothing is taken out first, and then asked for again.
        self.deliver_all(&world).await?;
        self.deliver_all(&world).await?;
        let calls = self.vendor.calls();
        for (activation, _, _) in ACTIVATIONS {
            self.start(&world, activation, false).await.ok_or("a delivery was not started")?;
            let _ = self.ended(&world).await;
        }
        if self.vendor.calls() != calls {
            return Err("a re-run with no change called the vendor".into());
        }
        self.clock.advance(i64::try_from(TIMEOUT_MS).unwrap());
        self.report.calls = self.vendor.calls();
        self.report.resent = world.deliveries().iter().map(|d| u64::from(d.resent_batches)).sum();
        let judged = oracle::judge(&world, &self.vendor, &self.people);
        if judged.is_err() {
            world.deliveries().iter().for_each(|delivery| self.vendor.note(format!("{delivery:?}")));
            for (target, _, _) in ACTIVATIONS {
                let entries = world.store.ledger(target, 0, 10_000).unwrap_or_default();
                entries.iter().for_each(|entry| self.vendor.note(format!("{target}: {entry:?}")));
            }
        }
        world.close().await;
        judged
    }
}

pub(crate) fn world_id(dice: &Dice, clock: &FakeClock) -> DeliveryId {
    DeliveryId::new(clock.now(), dice.bytes())
}
