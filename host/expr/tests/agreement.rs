//! The compiled expression against a naive reading of the checked one, on random expressions and rows.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "how many cases are tried is said in the environment"
)]

mod support;

use attiva_core::{DataType, Value};
use attiva_expr::{Checked, Problem, Scope, check};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use std::cell::Cell;
use support::check_cases;
use support::generate::{Dice, NOW, Writer, row};
use support::naive::{self, Wrong};

const TYPES: [DataType; 10] = [
    DataType::Boolean,
    DataType::Integer,
    DataType::Decimal,
    DataType::Float,
    DataType::Text,
    DataType::Bytes,
    DataType::Date,
    DataType::Timestamp,
    DataType::TextList,
    DataType::Json,
];

/// Two roots with a field of each type.
fn scope() -> (Scope, Vec<(String, DataType)>, Vec<DataType>) {
    let fields = || TYPES.iter().enumerate().map(|(i, ty)| (format!("f{i}"), *ty));
    let scope = Scope::new().root("record", fields()).root("person", fields());
    let paths =
        ["record", "person"].iter().flat_map(|root| fields().map(move |(name, ty)| (format!("{root}.{name}"), ty)));
    (scope, paths.collect(), [TYPES, TYPES].concat())
}

/// A random expression of a random type, or none where the checker rightly refuses what the dice wrote.
fn expression(dice: &[u8]) -> Option<Checked> {
    let (scope, fields, _) = scope();
    let (first, rest) = dice.split_first()?;
    let ty = TYPES[usize::from(*first) % 9];
    let text = Writer { fields: &fields, dice: Dice(rest) }.value(ty, 4);
    check(&text, &scope).ok()
}

/// By value: a float that is no number equals itself, a decimal does not care for its zeros.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
        (Value::Decimal(a), Value::Decimal(b)) if a != b => {
            naive::ratio(a).is_ok() && naive::ratio(a) == naive::ratio(b)
        }
        _ => a == b,
    }
}

#[test]
fn compiled_and_naive_reading_agree() {
    let (tried, told, faults) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let types = scope().2;
    check_cases(20_000, |dice, row_dice| {
        let Some(checked) = expression(dice) else { return Ok(()) };
        tried.set(tried.get() + 1);
        let row = row(&types, row_dice);
        let naive = naive::evaluate(checked.root(), &row, NOW);
        if naive == Err(Wrong::CannotTell) {
            return Ok(());
        }
        told.set(told.get() + 1);
        let compiled = checked.compile().evaluate(&row, NOW);
        match (&naive, &compiled) {
            (Ok(a), Ok(b)) if same(a, b) => Ok(()),
            (Err(Wrong::Fault(a)), Err(b)) if *a == b.code() => {
                faults.set(faults.get() + 1);
                Ok(())
            }
            _ => Err(TestCaseError::fail(format!(
                "{}\nrow {row:?}\nnaive {naive:?}\ncompiled {compiled:?}",
                checked.text()
            ))),
        }
    });
    // The test would prove nothing if hardly anything got here.
    assert!(tried.get() > 14_000, "only {} expressions passed the checker", tried.get());
    assert!(told.get() > 12_000 && faults.get() > 100, "{} compared, {} of them faults", told.get(), faults.get());
}

#[test]
fn a_printed_expression_reads_back_as_itself() {
    check_cases(5_000, |dice, _| {
        let Some(checked) = expression(dice) else { return Ok(()) };
        let printed = checked.root().to_string();
        let again = check(&printed, &scope().0).map_err(|problems| {
            TestCaseError::fail(format!("{}\nprinted as {printed}\nis refused: {problems:?}", checked.text()))
        })?;
        prop_assert_eq!(again.root().to_string(), printed);
        prop_assert_eq!(again.slots(), checked.slots());
        prop_assert_eq!(again.data_type(), checked.data_type());
        Ok(())
    });
}

#[test]
fn a_stored_expression_comes_back_whole() {
    check_cases(2_000, |dice, _| {
        let Some(checked) = expression(dice) else { return Ok(()) };
        let stored = serde_json::to_string(checked.root()).unwrap();
        prop_assert_eq!(&serde_json::from_str::<attiva_expr::Expr>(&stored).unwrap(), checked.root());
        Ok(())
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_brings_the_checker_down(text in ".{0,200}") {
        prop_assert!(is_understood(&check(&text, &scope().0)));
    }

    #[test]
    fn no_soup_of_tokens_brings_the_checker_down(tokens in proptest::collection::vec(token(), 0..40)) {
        let text = tokens.join(" ");
        let checked = check(&text, &scope().0);
        prop_assert!(is_understood(&checked), "{text}");
        if let Ok(checked) = checked {
            let row = vec![Value::Null; 20];
            let _ = checked.compile().evaluate(&row, NOW);
        }
    }

    #[test]
    fn no_row_brings_a_program_down(dice in proptest::collection::vec(any::<u8>(), 0..100), wrong: [u8; 5]) {
        if let Some(checked) = expression(&dice) {
            // Types other than declared, and too few of them.
            let mut types = scope().2;
            types.rotate_left(usize::from(wrong[0] % 20));
            types.truncate(usize::from(wrong[1] % 21));
            let _ = checked.compile().evaluate(&row(&types, &wrong), i64::MAX);
        }
    }
}

/// The parser did not fall over, out of sight on its own thread.
fn is_understood(checked: &Result<Checked, Vec<Problem>>) -> bool {
    checked.as_ref().map_or_else(|problems| problems.iter().all(|p| p.code != Problem::INTERNAL), |_| true)
}

fn token() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "record",
        "person",
        ".",
        "f0",
        "f4",
        "record.f0",
        "record.f4",
        "person.f1",
        "now",
        "null",
        "true",
        "1",
        "1u",
        "-1",
        "1.5",
        "\"a\"",
        "b\"a\"",
        "r'a'",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "?",
        "&&",
        "||",
        "!",
        "-",
        "+",
        "*",
        "/",
        "%",
        "==",
        "!=",
        "<",
        "<=",
        "in",
        "has",
        "size",
        "coalesce",
        "days",
        "exists",
        "all",
        "map",
        "filter",
        "exists_one",
        "a",
        "`x y`",
        ".f1",
        "string",
        "timestamp",
        "if",
        "9223372036854775808",
        "// x\n",
        "[?",
        ".?",
    ])
}
