//! What must hold for any sequence of commits.

use crate::support::*;
use attiva_core::Value;
use attiva_core::page::RowKind;
use attiva_core::ports::store::{MembershipStatus, SandboxStore};
use attiva_core::record::{Applied, Body, RecordChange, apply};
use attiva_store::Sandbox;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn any_change() -> impl Strategy<Value = RecordChange> {
    let kinds = [RowKind::Full, RowKind::Full, RowKind::Patch, RowKind::Tombstone, RowKind::Merge];
    let fields = vec((0..3_usize, prop_oneof![Just(Value::Null), (0..3_i64).prop_map(Value::Integer)]), 0..3);
    let at = (1..6_i64, prop::bool::weighted(0.8));
    (0..4_usize, prop::sample::select(kinds.to_vec()), at, fields).prop_map(|(n, kind, (at, dated), fields)| {
        let fields: BTreeMap<usize, Value> = fields.into_iter().collect();
        RecordChange {
            source_key: key(n),
            kind,
            at,
            dated,
            fields: fields.into_iter().map(|(f, value)| (Arc::from(["a", "b", "c"][f]), value)).collect(),
            merged_into: (kind == RowKind::Merge).then(|| key(9)),
        }
    })
}

fn stored(store: &Sandbox) -> BTreeMap<String, Body> {
    (0..4)
        .filter_map(|n| store.record(&PERSON, &key(n)).unwrap())
        .map(|record| (record.source_key, record.body))
        .collect()
}

/// Commits the rows in pages of these lengths, over and over; returns how many were changes.
fn commit(store: &Sandbox, rows: &[RecordChange], lengths: &[usize]) -> u64 {
    let (mut rest, mut changed) = (rows, 0);
    for length in lengths.iter().cycle() {
        let (now, later) = rest.split_at(rest.len().min(*length));
        changed += wait(store.commit_page(page("leads", "a", now.to_vec()))).unwrap().changed;
        rest = later;
        if rest.is_empty() {
            return changed;
        }
    }
    changed
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn how_rows_are_divided_into_pages_does_not_matter(
        rows in vec(any_change(), 1..40),
        lengths in vec(1..12_usize, 1..4),
    ) {
        let mut expected: BTreeMap<String, Body> = BTreeMap::new();
        let mut changes = 0;
        for row in &rows {
            match apply(expected.get(&row.source_key), row.clone()) {
                Applied::Changed(body) => {
                    expected.insert(row.source_key.clone(), body);
                    changes += 1;
                }
                Applied::Restated(body) => {
                    expected.insert(row.source_key.clone(), body);
                }
                Applied::Unchanged | Applied::Stale => {}
            }
        }
        let (whole, divided) = (sandbox(), sandbox());
        prop_assert_eq!(commit(&whole.store, &rows, &[rows.len()]), changes);
        prop_assert_eq!(commit(&divided.store, &rows, &lengths), changes);
        prop_assert_eq!(stored(&whole.store), expected.clone());
        prop_assert_eq!(stored(&divided.store), expected);
    }

    #[test]
    fn members_are_those_who_entered_and_did_not_leave(
        steps in vec(vec((1..3_u8, 0..4_usize, any::<bool>()), 0..6), 1..8),
        removed in 0..4_usize,
    ) {
        let names = ["a", "b", "c", "d"];
        let f = sandbox();
        let numbers = with_profiles(&f.store, &names);
        let mut expected: BTreeSet<(u8, i64)> = BTreeSet::new();
        for (upto, step) in steps.iter().enumerate() {
            let mut changes = Vec::new();
            for (segment, profile, enters) in step {
                let status = if *enters { MembershipStatus::Realized } else { MembershipStatus::Exited };
                let member = (*segment, numbers[*profile]);
                changes.push((member.0, member.1, status));
                if *enters { expected.insert(member); } else { expected.remove(&member); }
            }
            wait(f.store.commit_memberships(memberships(upto as u64, &changes))).unwrap();
        }
        wait(f.store.commit_profiles(removal(9, names[removed], None))).unwrap();
        expected.retain(|(_, profile)| *profile != numbers[removed]);
        for n in 1..3 {
            let members: Vec<i64> = f.store.members(&segment(n), 0, 9).unwrap().into_iter().map(|(p, _)| p).collect();
            let of_segment: Vec<i64> = expected.iter().filter(|(s, _)| *s == n).map(|(_, p)| *p).collect();
            prop_assert_eq!(&members, &of_segment);
            prop_assert_eq!(f.store.count_members(&segment(n)).unwrap(), of_segment.len() as u64);
        }
        for profile in numbers {
            let of_profile: Vec<_> = expected.iter().filter(|(_, p)| *p == profile).map(|(s, _)| segment(*s)).collect();
            prop_assert_eq!(f.store.memberships(&[profile]).unwrap(), [of_profile]);
        }
    }
}
