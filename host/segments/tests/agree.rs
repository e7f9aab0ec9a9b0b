//! Random segments over random worlds: every evaluator answers as the naive reading does.

mod support;

use attiva_core::Value;
use attiva_core::model::EntityKind;
use attiva_expr::{Expr, check};
use attiva_segments::column::{Evaluation, SegmentSet};
use attiva_segments::{Plan, RowEvaluator, Surroundings, Truth, plan, segment_scope};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use std::cell::RefCell;
use std::collections::BTreeMap;
use support::generate::Writer;
use support::scalar::check_cases_of;
use support::scalar::generate::NOW;
use support::world::{World, entity, model};
use support::worlds::world;
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

/// Steps and leaves are known by what is printed of them, so that what prints alike has to be alike.
#[test]
fn a_printed_rule_is_read_as_the_same_rule() {
    check_cases_of(3_000, 400, 1, |dice, _| {
        let Some((checked, _)) = segment(dice, "person") else { return Ok(()) };
        let printed = checked.root().to_string();
        let again = check(&printed, &segment_scope(&model(), EntityKind::Person).unwrap());
        let again = again.map_err(|problems| {
            TestCaseError::fail(format!("{}\nprinted as {printed}\nis refused: {problems:?}", checked.text()))
        })?;
        let (before, after) = (without_places(checked.root()), without_places(again.root()));
        prop_assert!(before == after, "{}\nprinted as {printed}\n{before}\n{after}", checked.text());
        Ok(())
    });
}

fn without_places(expr: &Expr) -> serde_json::Value {
    fn strip(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(fields) => {
                fields.remove("at");
                fields.values_mut().for_each(strip);
                // What a constant was folded to is printed as a list of literals.
                let literals = fields.get("list").and_then(serde_json::Value::as_array).and_then(|list| {
                    list.iter().map(|one| one["kind"].get("literal").cloned()).collect::<Option<Vec<_>>>()
                });
                if let Some(literals) = literals {
                    *fields = serde_json::Map::from_iter([("literal".to_owned(), literals.into())]);
                }
            }
            serde_json::Value::Array(all) => all.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(expr).unwrap();
    strip(&mut value);
    value
}

#[test]
fn an_amount_and_its_number_are_two_conditions_in_one_evaluation() {
    let texts = [
        "person.accounts.exists(a, a.annual_revenue > 100)",
        "person.accounts.exists(a, decimal(a.annual_revenue) > 100)",
        "person.accounts.sum(a, a.annual_revenue / 4) > 25",
        "person.accounts.sum(a, decimal(a.annual_revenue) / 4) > 25",
    ];
    let plans = texts.map(|text| planned(text, EntityKind::Person));
    // A hundred and one of a currency that nobody has a rate for.
    let mut world = World::default();
    let account = world.add(
        "account",
        &[("annual_revenue", Value::Decimal("101".into())), ("annual_revenue_currency", Value::Text("GBP".into()))],
        &[],
    );
    let person = world.add("person", &[], &[]);
    world.add("person_component", &[], &[("person", person), ("account", account)]);
    let data = world.dataset();
    let evaluation = Evaluation { data: &data, rates: &world, now: NOW };
    let met = SegmentSet::new(&plans.iter().collect::<Vec<_>>()).evaluate(&evaluation, 1);
    assert_eq!(met.iter().map(|bits| bits.get(0)).collect::<Vec<_>>(), [false, true, false, true]);
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
