//! What an audience wants against what a target acknowledged: how long it takes to find whom a delivery is about, and what
//! memory that takes. The store alone: no connector is called.

use crate::figures::Figures;
use crate::ingest::resident_mb;
use anyhow::{Context, Result, ensure};
use attiva_core::id::{ActivationId, DeliveryId, ProfileId, SegmentId};
use attiva_core::model::EntityName;
use attiva_core::page::{Operation, OutcomeStatus};
use attiva_core::ports::store::{
    Begin, Begun, DocumentWrite, ItemOutcome, ItemStatus, Kind, MembershipChange, MembershipCommit, MembershipStatus,
    OpenBatch, OpenRow, ProfileCommit, ProfileWrite, Reconcile, SandboxStore, TargetKey, Wanted,
};
use attiva_core::{DataType, Value};
use std::sync::Arc;
use std::time::Instant;

/// Rows of one commit while the store is filled.
const CHUNK: u64 = 10_000;
const TARGET: &str = "act_bench";

struct Bench {
    store: Arc<dyn SandboxStore>,
    runtime: tokio::runtime::Runtime,
    deliveries: u8,
    seq: u64,
}

fn segment() -> Result<SegmentId> {
    SegmentId::parse("seg_bench").context("no id")
}

fn id(number: u64) -> ProfileId {
    ProfileId::founded_by(&format!("{number}@bench.Bench"))
}

impl Bench {
    /// Persons with an address and a title, from `first` on.
    fn persons(&mut self, first: u64, count: u64, title: &str) -> Result<()> {
        self.seq += 1;
        let write = |number: u64| ProfileWrite {
            concerns_accounts: false,
            entity: EntityName::PERSON,
            id: id(number),
            attributes: vec![
                ("email".to_owned(), Value::Text(format!("person{number}@company{}.example", number % 5000))),
                ("job_title".to_owned(), Value::Text(title.to_owned())),
            ],
            references: Vec::new(),
            records: 1,
            changed_at: 1,
            degraded: false,
        };
        let profiles = (first..first + count).map(write).collect();
        let commit = ProfileCommit { upto: self.seq, profiles, now: 1, ..ProfileCommit::default() };
        Ok(self.runtime.block_on(self.store.commit_profiles(commit))?)
    }

    /// Profiles by number, as they are counted by the store: from 1.
    fn move_members(&self, numbers: impl Iterator<Item = u64>, status: MembershipStatus) -> Result<()> {
        let segment = segment()?;
        let change =
            |profile: u64| MembershipChange { segment: segment.clone(), profile: profile.cast_signed(), status };
        let changes = numbers.map(change).collect();
        let commit = MembershipCommit { cause: "bench".into(), changes, now: 1, ..MembershipCommit::default() };
        Ok(self.runtime.block_on(self.store.commit_memberships(commit))?)
    }

    /// Finds whom a delivery is about; in which time.
    fn begin(&mut self, mapping: &str) -> Result<(DeliveryId, Begun, f64)> {
        self.deliveries += 1;
        let delivery = DeliveryId::new(i64::from(self.deliveries), [self.deliveries; 6]);
        let body = serde_json::json!({});
        let begin = Begin {
            delivery: delivery.clone(),
            target: TARGET.to_owned(),
            wanted: Wanted::Members(segment()?),
            reconcile: Some(Reconcile {
                activation: ActivationId::parse(TARGET).context("no id")?,
                mapping: mapping.to_owned(),
                anew: false,
                dry_run: false,
                now: 1_000,
            }),
            document: DocumentWrite { kind: Kind::Delivery, id: delivery.to_string(), body },
        };
        let began = Instant::now();
        let begun = self.runtime.block_on(self.store.begin_delivery(begin))?;
        Ok((delivery, begun, began.elapsed().as_secs_f64()))
    }

    /// Has everybody who is queued acknowledged.
    fn settle(&self, delivery: &DeliveryId) -> Result<()> {
        let (mut first, mut number) = (0, 0);
        loop {
            let members = self.store.queued(delivery, first, CHUNK as usize)?;
            let Some(last) = members.last().map(|member| member.position) else { return Ok(()) };
            let operation = |wanted| if wanted { Operation::Upsert } else { Operation::Remove };
            let row = |member: &attiva_core::ports::store::QueuedMember| OpenRow {
                position: member.position,
                profile: member.profile_id.clone(),
                operation: operation(member.wanted),
                values: member.profile.iter().flat_map(|p| p.attributes.iter().map(|(_, v)| v.clone())).collect(),
                member_id: None,
                part: 0,
            };
            let batch = OpenBatch {
                number,
                parts: 1,
                first,
                taken: last + 1 - first,
                columns: vec![("email".into(), DataType::Text), ("title".into(), DataType::Text)],
                rows: members.iter().map(row).collect(),
                opened_at: 1,
                resent: false,
            };
            let settled = members.iter().map(|member| {
                let status = if member.wanted { OutcomeStatus::Created } else { OutcomeStatus::Removed };
                let unsent =
                    ItemOutcome::unsent(member.position, ItemStatus::from(status), String::new(), None, String::new());
                let answer = Some(status);
                ItemOutcome {
                    answer,
                    operation: Some(operation(member.wanted)),
                    member_id: Some(format!("{}", member.position)),
                    ..unsent
                }
            });
            let settled = settled.collect();
            self.runtime.block_on(self.store.open_batch(delivery, batch, Vec::new()))?;
            let document =
                DocumentWrite { kind: Kind::Delivery, id: delivery.to_string(), body: serde_json::json!({}) };
            self.runtime.block_on(self.store.close_batch(delivery, settled, document, 2))?;
            (first, number) = (last + 1, number + 1);
        }
    }
}

pub fn measure(figures: &mut Figures, members: u64, rounds: u32) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let store: Arc<dyn SandboxStore> =
        attiva_store::Sandbox::open(directory.path(), &attiva_store::Options::default())?;
    let mut bench = Bench { store, runtime: tokio::runtime::Runtime::new()?, deliveries: 0, seq: 0 };
    let began = Instant::now();
    let spare = members / 100;
    for first in (0..members + spare).step_by(CHUNK as usize) {
        bench.persons(first, CHUNK.min(members + spare - first), "CEO")?;
    }
    for first in (0..members).step_by(CHUNK as usize) {
        bench.move_members(first + 1..(first + CHUNK).min(members) + 1, MembershipStatus::Realized)?;
    }
    let key = TargetKey { system: "B".into(), instance: "b".into(), object: "list".into(), name: "l".into() };
    bench.runtime.block_on(bench.store.make_target(key, TARGET.to_owned()))?;
    figures.one("members", members as f64);
    figures.one("fill_s", began.elapsed().as_secs_f64());
    let peak = |what: &dyn Fn() -> Result<f64>| -> Result<(f64, f64)> {
        std::fs::write("/proc/self/clear_refs", "5")?;
        let before = resident_mb()?.0;
        let seconds = what()?;
        Ok((seconds, resident_mb()?.1 - before))
    };
    let cell = std::cell::RefCell::new(bench);
    let (first, first_mb) = peak(&|| {
        let (delivery, begun, seconds) = cell.borrow_mut().begin("email")?;
        ensure!(begun.queued == members, "{begun:?}");
        let began = Instant::now();
        cell.borrow().settle(&delivery)?;
        println!("settled in {:.1} s", began.elapsed().as_secs_f64());
        Ok(seconds)
    })?;
    figures.one("first_s", first);
    figures.one("first_more_mb", first_mb);
    let (mut unchanged, mut unchanged_mb) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (seconds, mb) = peak(&|| {
            let (_, begun, seconds) = cell.borrow_mut().begin("email")?;
            ensure!((begun.queued, begun.carried, begun.held) == (0, members, members), "{begun:?}");
            Ok(seconds)
        })?;
        unchanged.push(seconds);
        unchanged_mb.push(mb);
    }
    figures.many("unchanged_s", unchanged);
    figures.many("unchanged_more_mb", unchanged_mb);
    // One in a hundred has changed, one in a hundred has left, and as many have come.
    let moved = spare.max(1);
    cell.borrow_mut().persons(0, moved, "CTO")?;
    cell.borrow().move_members(members - moved + 1..=members, MembershipStatus::Exited)?;
    cell.borrow().move_members(members + 1..=members + moved, MembershipStatus::Realized)?;
    let (changed, changed_mb) = peak(&|| {
        let (delivery, begun, seconds) = cell.borrow_mut().begin("email")?;
        ensure!(begun.queued == 3 * moved, "{begun:?}");
        cell.borrow().settle(&delivery)?;
        Ok(seconds)
    })?;
    figures.one("three_percent_s", changed);
    figures.one("three_percent_more_mb", changed_mb);
    let (anew, anew_mb) = peak(&|| {
        let (_, begun, seconds) = cell.borrow_mut().begin("another mapping")?;
        ensure!(begun.queued == members, "{begun:?}");
        Ok(seconds)
    })?;
    figures.one("all_looked_at_s", anew);
    figures.one("all_looked_at_more_mb", anew_mb);
    Ok(())
}
