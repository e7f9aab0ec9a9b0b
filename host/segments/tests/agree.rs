//! Random segments over random worlds: every evaluator answers as the naive reading does.

mod support;

use attiva_core::model::EntityKind;
use attiva_expr::check;
use attiva_segments::column::{Evaluation, SegmentSet};
use attiva_segments::{Plan, RowEvaluator, Surroundings, Truth, plan, segment_scope};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use std::cell::RefCell;
use std::collections::BTreeMap;
use support::generate::{Writer, world};
use support::scalar::check_cases_of;
use support::scalar::generate::NOW;
use support::world::{World, entity, model};
use support::{naive, planned};

/// A random segment; none where the checker rightly refuses what the dice wrote.
fn segment(dice: &[u8], root: &'static str) -> Option<(attiva_expr::Checked, Plan)> {
    let text = Writer::new(dice, root).condition(3);
    let kind = if root == "person" { EntityKind::Person } else { EntityKind::Account };
    match check(&text, &segment_scope(&model(), kind).unwrap()) {
        Ok(checked) => {
            let plan = plan(&checked).unwrap();
            Some((checked, plan))
        }
        Err(problems) => {
            let fine = ["expr.too-large", "expr.unsupported"];
            assert!(problems.iter().all(|p| fine.contains(&p.code)), "{text}: {problems:?}");
            None
        }
    }
}

fn by_row(plan: &Plan, world: &World, row: usize) -> Option<bool> {
    let around = Surroundings { graph: world, rates: world, now: NOW };
    match RowEvaluator::new(plan).evaluate_in(row as u64, &around) {
        Ok(Truth::True) => Some(true),
        Ok(Truth::False) => Some(false),
        Ok(Truth::Unknown) | Err(_) => None,
    }
}

#[test]
fn rows_and_columns_answer_as_the_naive_reading() {
    let met: RefCell<BTreeMap<Option<bool>, u32>> = RefCell::default();
    check_cases_of(3_000, 400, 500, |dice, world_dice| {
        let root = if dice.first().is_some_and(|first| first % 3 == 0) { "account" } else { "person" };
        let Some((checked, plan)) = segment(dice.get(1..).unwrap_or_default(), root) else { return Ok(()) };
        let world = world(world_dice);
        let data = world.dataset();
        let columns = SegmentSet::new(&[&plan]).evaluate(&Evaluation { data: &data, rates: &world, now: NOW }, 1);
        for row in 0..world.count(root) {
            let Some(expected) = naive::is_true(&world, checked.root(), entity(root), row, NOW) else { return Ok(()) };
            *met.borrow_mut().entry(expected).or_default() += 1;
            let (of_row, of_column) = (by_row(&plan, &world, row), columns[0].get(row));
            if of_row != expected || of_column != (expected == Some(true)) {
                let message = format!(
                    "{} for {root} {row}: naive {expected:?}, row {of_row:?}, column {of_column}\n{world:?}",
                    checked.text()
                );
                return Err(TestCaseError::fail(message));
            }
        }
        Ok(())
    });
    let met = met.into_inner();
    for answer in [Some(true), Some(false), None] {
        assert!(met.get(&answer).copied().unwrap_or(0) > 300, "{answer:?} in {met:?}");
    }
}

/// What segments share is computed once, and that makes no difference to any.
#[test]
fn many_segments_together_answer_as_each_alone() {
    check_cases_of(300, 1_500, 500, |dice, world_dice| {
        let plans: Vec<Plan> =
            dice.chunks(100).filter_map(|dice| segment(dice, "person")).map(|(_, plan)| plan).collect();
        let world = world(world_dice);
        let data = world.dataset();
        let evaluation = Evaluation { data: &data, rates: &world, now: NOW };
        let all: Vec<&Plan> = plans.iter().collect();
        let together = SegmentSet::new(&all).evaluate(&evaluation, 2);
        for (plan, together) in plans.iter().zip(together) {
            prop_assert_eq!(&SegmentSet::new(&[plan]).evaluate(&evaluation, 1)[0], &together);
        }
        Ok(())
    });
}

#[test]
fn equal_conditions_become_one_step_whatever_the_names() {
    let of = |texts: &[&str]| {
        let plans: Vec<Plan> = texts.iter().map(|text| planned(text, EntityKind::Person)).collect();
        SegmentSet::new(&plans.iter().collect::<Vec<_>>()).steps()
    };
    let one = of(&["person.accounts.exists(a, a.industry == \"Finance\" && a.name == \"x\")"]);
    assert_eq!(
        of(&[
            "person.accounts.exists(a, a.industry == \"Finance\" && a.name == \"x\")",
            "person.accounts.exists(other, other.name == \"x\"   && other.industry == \"Finance\")",
        ]),
        one
    );
    assert!(
        of(&[
            "person.accounts.exists(a, a.industry == \"Finance\" && a.name == \"y\")",
            "person.accounts.exists(a, a.industry == \"Finance\" && a.name == \"x\")"
        ]) > one
    );
}
