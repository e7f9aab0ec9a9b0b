//! The row evaluator, its explanations and its instants, against a naive reading of the checked expression, on random
//! segments and persons.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "how many cases are tried is said in the environment"
)]

#[path = "../../expr/tests/support/mod.rs"]
mod support;

use attiva_core::{DataType, Value, model};
use attiva_expr::{Checked, Scope, check};
use attiva_segments::{NextChange, Plan, RowEvaluator, Transition, Truth, plan};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use support::check_cases;
use support::generate::{Dice, NOW, Writer, row};
use support::naive::{self, Wrong};

/// A person's fields, and one of each type that persons do not have yet.
fn fields() -> Vec<(String, DataType)> {
    let more = [DataType::Float, DataType::Bytes, DataType::Date, DataType::TextList, DataType::Json];
    let more = more.into_iter().enumerate().map(|(i, ty)| (format!("more_{i}"), ty));
    model::PERSON.iter().map(|f| (f.name.to_owned(), f.data_type)).chain(more).collect()
}

fn scope() -> Scope {
    Scope::new().root("person", fields())
}

fn types() -> Vec<DataType> {
    fields().into_iter().map(|(_, ty)| ty).collect()
}

/// A random segment, or none where the checker rightly refuses what the dice wrote.
fn segment(dice: &[u8]) -> Option<(Checked, Plan)> {
    let fields: Vec<_> = fields().into_iter().map(|(name, ty)| (format!("person.{name}"), ty)).collect();
    let text = Writer { fields: &fields, dice: Dice(dice) }.boolean(4);
    let checked = check(&text, &scope()).ok()?;
    let plan = plan(&checked).expect("a boolean");
    Some((checked, plan))
}

/// None: this reading cannot tell.
fn oracle(checked: &Checked, row: &[Value], now: i64) -> Option<Result<Truth, &'static str>> {
    match naive::evaluate(checked.root(), row, now) {
        Ok(Value::Boolean(b)) => Some(Ok(b.into())),
        Ok(Value::Null) => Some(Ok(Truth::Unknown)),
        Ok(other) => panic!("a condition with the value {other:?}"),
        Err(Wrong::Fault(code)) => Some(Err(code)),
        Err(Wrong::CannotTell) => None,
    }
}

#[test]
fn row_evaluator_and_naive_reading_agree() {
    let met: RefCell<HashMap<Result<Truth, ()>, u32>> = RefCell::default();
    check_cases(10_000, |dice, row_dice| {
        let Some((checked, plan)) = segment(dice) else { return Ok(()) };
        let row = row(&types(), row_dice);
        let Some(expected) = oracle(&checked, &row, NOW) else { return Ok(()) };
        *met.borrow_mut().entry(expected.map_err(|_| ())).or_default() += 1;
        let evaluator = RowEvaluator::new(&plan);
        let found = evaluator.evaluate(&row, NOW).map_err(|fault| fault.code());
        if found != expected {
            let message = format!("{}\nrow {row:?}\nnaive {expected:?}, evaluator {found:?}", checked.text());
            return Err(TestCaseError::fail(message));
        }
        if let Ok(truth) = expected {
            let entered = evaluator.transition(false, &row, NOW).unwrap() == Transition::Entered;
            let exited = evaluator.transition(true, &row, NOW).unwrap() == Transition::Exited;
            prop_assert_eq!((entered, exited), (truth == Truth::True, truth != Truth::True));
        }
        Ok(())
    });
    // The test would prove nothing if one kind of answer hardly came up.
    let met = met.into_inner();
    for (answer, least) in
        [(Ok(Truth::True), 1_000), (Ok(Truth::False), 1_000), (Ok(Truth::Unknown), 250), (Err(()), 25)]
    {
        assert!(met.get(&answer).copied().unwrap_or(0) > least, "{answer:?} in {met:?}");
    }
}

#[test]
fn a_stored_plan_answers_as_before() {
    check_cases(2_000, |dice, row_dice| {
        let Some((_, plan)) = segment(dice) else { return Ok(()) };
        let stored: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
        prop_assert_eq!(&stored, &plan);
        let row = row(&types(), row_dice);
        prop_assert_eq!(RowEvaluator::new(&stored).evaluate(&row, NOW), RowEvaluator::new(&plan).evaluate(&row, NOW));
        Ok(())
    });
}

#[test]
fn an_explanation_gives_the_same_answer_and_a_reason_for_it() {
    check_cases(5_000, |dice, row_dice| {
        let Some((checked, plan)) = segment(dice) else { return Ok(()) };
        let row = row(&types(), row_dice);
        let evaluator = RowEvaluator::new(&plan);
        let explanation = evaluator.explain(&row, NOW);
        match evaluator.evaluate(&row, NOW) {
            Ok(truth) => {
                prop_assert_eq!((explanation.truth, explanation.member), (Some(truth), truth == Truth::True));
            }
            Err(fault) => prop_assert_eq!(explanation.fault.as_deref(), Some(fault.message())),
        }
        // Each clause stands by itself: read again, it answers as it is said to have answered.
        for leaf in &explanation.leaves {
            let again = check(&leaf.clause, &scope())
                .map_err(|p| TestCaseError::fail(format!("{} of {}: {p:?}", leaf.clause, checked.text())))?;
            let answer = again.compile().truth(&row, NOW).ok().map(Truth::from);
            prop_assert_eq!(answer, leaf.truth, "{} of {}", &leaf.clause, checked.text());
        }
        Ok(())
    });
}

#[test]
fn the_answer_stays_until_the_next_change() {
    let (at, changed) = (Cell::new(0), Cell::new(0));
    check_cases(10_000, |dice, row_dice| {
        let Some((checked, plan)) = segment(dice) else { return Ok(()) };
        let mut row = row(&types(), row_dice);
        // Instants that a calendar has: what overflows does so at a time of its own.
        for value in &mut row {
            if let Value::Timestamp(at) = value
                && !(0..=2 * NOW).contains(at)
            {
                *value = Value::Timestamp(NOW + 86_400_000);
            }
        }
        let evaluator = RowEvaluator::new(&plan);
        let answer = |now: i64| evaluator.evaluate(&row, now).map_err(|fault| fault.code());
        let until = match evaluator.next_change(&row, NOW) {
            NextChange::Unpredictable => return Ok(()),
            NextChange::Never => NOW + 4_000 * 86_400_000,
            NextChange::At(next) => {
                prop_assert!(next > NOW, "{} at {next}", checked.text());
                at.set(at.get() + 1);
                changed.set(changed.get() + u32::from(answer(next) != answer(NOW)));
                next - 1
            }
        };
        let steps = [1, 999, 60_000, 3_600_000, 86_400_000, 30 * 86_400_000];
        let between = steps.iter().flat_map(|step| [NOW + step, until - step]).filter(|t| (NOW..=until).contains(t));
        for instant in between.chain([until]) {
            if answer(instant) != answer(NOW) {
                let (then, now) = (answer(instant), answer(NOW));
                let message = format!("{}\nrow {row:?}\n{now:?} now, {then:?} at {instant}", checked.text());
                return Err(TestCaseError::fail(message));
            }
        }
        if !plan.depends_on_now() {
            prop_assert_eq!(evaluator.next_change(&row, NOW), NextChange::Never);
        }
        Ok(())
    });
    assert!(
        at.get() > 150 && changed.get() > 25,
        "{} instants, {} of them changed the answer",
        at.get(),
        changed.get()
    );
}
