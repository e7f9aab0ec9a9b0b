//! Writes random segments with their statements, worlds and members for `judge.py`.
//!
//! `cargo run -p attiva-segments-judge -- cases.json [number of cases] [seed]`
#![expect(clippy::print_stdout, reason = "says what it has written")]

use attiva_core::model::EntityKind;
use attiva_segments::Rank;
use attiva_segments_judge::statement::{
    first, members, members_by_columns, segment, statement, statement_at, statement_of_first,
};
use attiva_segments_judge::support::world::World;
use attiva_segments_judge::support::worlds::world;
use attiva_segments_judge::support::{bodea, cases, checked, clock, functions, planned, ranks, sets};
use attiva_segments_judge::tables::{Cell, open_tables};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("a file to write to is wanted")?;
    let number: usize = arguments.next().map_or(Ok(1_000), |text| text.parse())?;
    let seed: u64 = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let dice = (proptest::collection::vec(any::<u8>(), 0..400), proptest::collection::vec(any::<u8>(), 0..500));
    let mut worlds = vec![of_every_node()?, of_the_guide()?, of_audiences()?, of_ranks()?];
    worlds.extend(of_the_clock()?);
    for _ in 0..number / 4 {
        let (rank_dice, world_dice) =
            dice.new_tree(&mut runner).map_err(|reason| reason.message().to_owned())?.current();
        let world = world(&world_dice);
        let first = first(&rank_dice, &world)?;
        let case = json!({ "segment": first.text, "sql": first.sql, "members": first.members });
        worlds.push(json!({ "of": "random ranks", "tables": tables(&world), "cases": [case] }));
    }
    let number = number + worlds.len();
    while worlds.len() < number {
        let (segment_dice, world_dice) =
            dice.new_tree(&mut runner).map_err(|reason| reason.message().to_owned())?.current();
        let Some((root, checked, plan)) = segment(&segment_dice) else { continue };
        let world = world(&world_dice);
        let (Ok(sql), Some(expected)) = (statement(&plan, &world), members(&checked, root, &world)) else { continue };
        let case = json!({ "segment": checked.text(), "sql": sql, "members": expected });
        worlds.push(json!({ "of": "random segments", "tables": tables(&world), "cases": [case] }));
    }
    std::fs::write(&path, serde_json::to_string(&worlds)?)?;
    println!("{} worlds in {path}, seed {seed}", worlds.len());
    Ok(())
}

/// Every kind of node and every function true, false and unknown, and the negation of each.
fn of_every_node() -> Result<Value, Box<dyn Error>> {
    let world = cases::world();
    let mut all = Vec::new();
    let texts = cases::CASES.iter().chain(functions::CASES).flat_map(|(_, texts)| texts);
    for text in texts.filter(|text| !text.is_empty()) {
        for text in [(*text).to_owned(), format!("!({text})")] {
            let checked = checked(&text, EntityKind::Person);
            let plan = attiva_segments::plan(&checked)?;
            let expected = members(&checked, "person", &world).unwrap_or_else(|| members_by_columns(&plan, &world));
            all.push(json!({ "segment": text, "sql": statement(&plan, &world)?, "members": expected }));
        }
    }
    for (text, truth) in functions::EXACT {
        let sql = statement(&planned(text, EntityKind::Person), &world)?;
        all.push(json!({ "segment": text, "sql": sql, "members": if *truth { vec![0] } else { Vec::new() } }));
    }
    Ok(json!({ "of": "nodes", "tables": tables(&world), "cases": all }))
}

/// Unions, intersections, differences and complements of audiences, one of which has no result.
fn of_audiences() -> Result<Value, Box<dyn Error>> {
    let world = sets::world();
    let mut all = Vec::new();
    for (rule, expected) in sets::CASES {
        let sql = statement(&planned(rule, EntityKind::Person), &world)?;
        all.push(json!({ "segment": rule, "sql": sql, "members": expected }));
    }
    Ok(json!({ "of": "audiences", "tables": tables(&world), "cases": all }))
}

/// The first of an order, and what is missing.
fn of_ranks() -> Result<Value, Box<dyn Error>> {
    let world = ranks::world();
    let mut all = Vec::new();
    for ranks::Case { rule, by, order, limit, expected } in ranks::CASES {
        let rank = Rank::new(&checked(by, EntityKind::Person), *order, *limit)?;
        let sql = statement_of_first(&planned(rule, EntityKind::Person), &rank, &world)?;
        let segment = format!("{rule}, the first {limit} by {by}, {order:?}");
        all.push(json!({ "segment": segment, "sql": sql, "members": expected }));
    }
    Ok(json!({ "of": "ranks", "tables": tables(&world), "cases": all }))
}

/// Months, leap days and the nights in which clocks change; each with a moment and a world of its own.
fn of_the_clock() -> Result<Vec<Value>, Box<dyn Error>> {
    let mut worlds = Vec::new();
    for (now, rule, world, expected) in clock::all() {
        let sql = statement_at(&planned(&rule, EntityKind::Person), &world, now)?;
        let case = json!({ "segment": format!("{rule}, at {now}"), "sql": sql, "members": expected });
        worlds.push(json!({ "of": "clock", "tables": tables(&world), "cases": [case] }));
    }
    Ok(worlds)
}

/// Every example of the guide.
fn of_the_guide() -> Result<Value, Box<dyn Error>> {
    let world = bodea::world();
    let mut all = Vec::new();
    for (root, name, text) in bodea::examples(include_str!("../../../docs/segments.md")) {
        let plan = attiva_segments::plan(&checked(&text, EntityKind::parse(root).ok_or("persons and accounts")?))?;
        let expected = bodea::EXPECTED.iter().find(|(of, _)| **of == name).ok_or("an answer")?.1;
        all.push(json!({ "segment": text, "sql": statement(&plan, &world)?, "members": expected }));
    }
    Ok(json!({ "of": "guide", "tables": tables(&world), "cases": all }))
}

fn tables(world: &World) -> Value {
    let cell = |cell: &Cell| match cell {
        Cell::Null => Value::Null,
        Cell::Boolean(b) => json!(b),
        Cell::Whole(i) => json!(i),
        // Text, since JSON has no word for what is infinite or no number.
        Cell::Float(float) => json!(format!("{float}")),
        // Text, so that no float comes between.
        Cell::Decimal(text) | Cell::Text(text) => json!(text),
    };
    let table = |table: Table| {
        let rows: Vec<Vec<Value>> = table.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
        json!({ "name": table.name, "columns": table.columns, "rows": rows })
    };
    open_tables(world).into_iter().map(table).collect()
}

type Table = attiva_segments_judge::tables::OpenTable;
