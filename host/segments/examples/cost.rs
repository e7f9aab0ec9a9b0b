//! What an evaluation costs: nanoseconds for a mapping of twelve fields and for a segment of five leaves.
//!
//! `cargo run --release -p attiva-segments --example cost`
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "an example prints what it measures")]
#![expect(clippy::disallowed_methods, clippy::disallowed_macros, reason = "it measures time and tells a person")]

use attiva_core::{DataType, Value, model};
use attiva_expr::{Scope, check};
use attiva_segments::{RowEvaluator, person_scope, plan};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 11;
const ROWS: usize = 100_000;
const NOW: i64 = 1_795_428_000_000;

fn main() {
    checking();
    mapping("mapping of 12 fields, all plain (slots only)", &PLAIN, true);
    mapping("mapping of 12 fields, all plain (evaluated)", &PLAIN, false);
    mapping("mapping of 12 fields, 8 plain and 4 computed", &MIXED, true);
    mapping("mapping of 12 fields, all computed", &COMPUTED, false);
    segment("segment of 5 leaves, all looked at", &row("HR", 70, "Chief Marketing Officer"));
    segment("segment of 5 leaves, first decides", &row("Sales", 70, "Chief Marketing Officer"));
}

const SEGMENT: &str = "person.department == \"HR\" && person.number_of_employees >= 1000 && \
    person.job_title.contains(\"Marketing\") && person.country in [\"DE\", \"AT\", \"CH\"] && \
    person.created_date > now - days(365)";

const PLAIN: [&str; 12] = [
    "record.f0",
    "record.f1",
    "record.f2",
    "record.f3",
    "record.f4",
    "record.f5",
    "record.f6",
    "record.f7",
    "record.f8",
    "record.f9",
    "record.f10",
    "record.f11",
];

const MIXED: [&str; 12] = [
    "record.f0.trim().lowerAscii()",
    "record.f1",
    "record.f2",
    "record.f3",
    "record.f4",
    "record.f5",
    "record.f6",
    "record.f7",
    "record.f8 == \"\" ? null : record.f8",
    "coalesce(record.f9, record.f8)",
    "int(record.f10)",
    "record.f11",
];

const COMPUTED: [&str; 12] = [
    "record.f0.trim().lowerAscii()",
    "record.f1.trim()",
    "record.f2 + \" \" + record.f3",
    "record.f3.upperAscii()",
    "coalesce(record.f4, \"none\")",
    "record.f5 == \"\" ? null : record.f5",
    "record.f6 in [\"a\", \"b\"]",
    "has(record.f7)",
    "record.f8.split(\";\")",
    "record.f9.startsWith(\"value\")",
    "int(record.f10)",
    "decimal(record.f11)",
];

fn checking() {
    let time = |text: &str, scope: &Scope| {
        median(|| {
            black_box(check(black_box(text), scope).expect("the example's own text"));
        })
    };
    println!("{:>9.0} ns  check of the segment's text, its thread included", time(SEGMENT, &person_scope()));
    println!("{:>9.0} ns  check of a plain field", time("person.email", &person_scope()));
}

fn mapping(what: &str, texts: &[&str; 12], fast_path: bool) {
    let scope = Scope::new().root("record", (0..12).map(|i| (format!("f{i}"), DataType::Text)));
    let compile = |text: &&str| check(text, &scope).expect("the example's own text").compile();
    let programs: Vec<_> = texts.iter().map(compile).collect();
    let mut row: Vec<Value> = (0..12).map(|i| Value::Text(format!("value of field {i}"))).collect();
    row[10] = Value::Text("1234".into());
    row[11] = Value::Text("1234.50".into());
    let ns = median_per_row(|| {
        for program in &programs {
            let value = match program.as_field().filter(|_| fast_path) {
                Some(slot) => row.get(slot).cloned().unwrap_or(Value::Null),
                None => program.evaluate(black_box(&row), NOW).expect("a value"),
            };
            black_box(value);
        }
    });
    println!("{ns:>9.0} ns  {what}, values copied out");
}

fn row(department: &str, employees: i64, title: &str) -> Vec<Value> {
    let mut row = vec![Value::Null; model::PERSON.len()];
    let mut set = |name: &str, value| row[model::person_slot(name).expect("a field of the model")] = value;
    set("department", Value::Text(department.into()));
    set("number_of_employees", Value::Integer(employees * 100));
    set("job_title", Value::Text(title.into()));
    set("country", Value::Text("DE".into()));
    set("created_date", Value::Timestamp(NOW - 86_400_000));
    row
}

fn segment(what: &str, row: &[Value]) {
    let plan = plan(&check(SEGMENT, &person_scope()).expect("the example's own text")).expect("a condition");
    let evaluator = RowEvaluator::new(&plan);
    let ns = median_per_row(|| {
        black_box(evaluator.evaluate(black_box(row), NOW).expect("an answer"));
    });
    println!("{ns:>9.0} ns  {what}");
}

fn median_per_row(mut once: impl FnMut()) -> f64 {
    let mut all = || (0..ROWS).for_each(|_| once());
    median(&mut all) / ROWS as f64
}

fn median(mut run: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_nanos() as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}
