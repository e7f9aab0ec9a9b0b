//! A dataset that is refreshed by what has changed answers as one that is made anew, whatever has happened in between.

mod support;

use attiva_core::Value;
use attiva_core::model::EntityKind;
use attiva_expr::check;
use attiva_segments::column::{Bits, ColumnBuilder, Dataset, Evaluation, Refresh, Rows, SegmentSet, Table};
use attiva_segments::{Plan, plan, segment_scope};
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use support::generate::Writer;
use support::scalar::check_cases_of;
use support::scalar::generate::{Dice, NOW};
use support::world::{World, entity, model, relation};
use support::worlds::world;

/// A record by number: its values, and whom it names by each of its relations, by number, too.
#[derive(Debug, Clone, PartialEq)]
struct Record {
    values: Vec<Value>,
    names: BTreeMap<usize, i64>,
}

/// A world whose records keep their numbers while others come and go.
#[derive(Debug, Clone)]
struct Kept {
    /// By entity.
    records: Vec<BTreeMap<i64, Record>>,
    rates: BTreeMap<String, String>,
    members: BTreeMap<String, BTreeSet<i64>>,
}

/// Between the numbers of two records others may come.
const APART: i64 = 10;

impl Kept {
    fn new(world: &World) -> Self {
        let model = model();
        let number = |row: usize| i64::try_from(row).unwrap() * APART;
        let record = |of: usize, row: usize| {
            let names = model.relations.iter().enumerate().filter(|(_, it)| it.from == of);
            let names = names.filter_map(|(relation, _)| Some((relation, number(world.names[relation][row]?))));
            Record { values: world.rows[of][row].clone(), names: names.collect() }
        };
        let records = (0..model.entities.len())
            .map(|of| (0..world.rows[of].len()).map(|row| (number(row), record(of, row))).collect());
        let members =
            world.members.iter().map(|(name, rows)| (name.clone(), rows.iter().map(|row| number(*row)).collect()));
        Self { records: records.collect(), rates: world.rates.clone(), members: members.collect() }
    }

    /// The numbers of an entity in the order of its rows: events by whom they are of, all else by number.
    fn order(&self, of: usize) -> Vec<i64> {
        let mut numbers: Vec<i64> = self.records[of].keys().copied().collect();
        if of == entity("activity") {
            let person = relation("activity", "person");
            numbers.sort_by_key(|number| (self.names_of(of, *number, person).unwrap_or(i64::MAX), *number));
        }
        numbers
    }

    /// Whom a record names, if that is there.
    fn names_of(&self, of: usize, number: i64, relation: usize) -> Option<i64> {
        let to = model().relations[relation].to;
        let named = *self.records[of][&number].names.get(&relation)?;
        self.records[to].contains_key(&named).then_some(named)
    }

    fn world(&self) -> World {
        let model = model();
        let orders: Vec<Vec<i64>> = (0..model.entities.len()).map(|of| self.order(of)).collect();
        let row = |of: usize, number: i64| orders[of].iter().position(|own| *own == number);
        let mut world = World { rates: self.rates.clone(), ..World::default() };
        for (of, order) in orders.iter().enumerate() {
            world.rows[of] = order.iter().map(|number| self.records[of][number].values.clone()).collect();
            for (number, kept) in model.relations.iter().enumerate().filter(|(_, it)| it.from == of) {
                let named = |own: &i64| row(kept.to, self.names_of(of, *own, number)?);
                world.names[number] = order.iter().map(named).collect();
            }
        }
        for (name, members) in &self.members {
            let of = if name == "persons" { "person" } else { "account" };
            let rows = members.iter().filter_map(|number| row(entity(of), *number)).collect();
            world.members.insert(name.clone(), rows);
        }
        world
    }

    /// Something happens.
    fn happen(&mut self, dice: &mut Dice<'_>, another: &Self) {
        let entities: Vec<usize> = ["person", "account", "opportunity", "account_person", "opportunity_person"]
            .into_iter()
            .chain(["person_component", "campaign_member", "subscription", "activity", "activity", "person"])
            .map(entity)
            .collect();
        let of = *dice.pick(&entities);
        let all: Vec<i64> = self.records[of].keys().copied().collect();
        let others: Vec<Record> = another.records[of].values().cloned().collect();
        match dice.roll(6) {
            // One more, or one that comes back in between.
            0 if !others.is_empty() => {
                let number = i64::from(dice.roll(7)) * APART + i64::from(dice.roll(2)) * (APART / 2);
                self.records[of].insert(number, others[usize::from(dice.roll(250)) % others.len()].clone());
            }
            1 if !all.is_empty() => {
                self.records[of].remove(dice.pick(&all));
            }
            // It says something else.
            2 if !all.is_empty() && !others.is_empty() => {
                let values = others[usize::from(dice.roll(250)) % others.len()].values.clone();
                if let Some(record) = self.records[of].get_mut(dice.pick(&all)) {
                    record.values = values;
                }
            }
            // It names others, or nobody; an event is another's.
            3 | 4 if !all.is_empty() => {
                let number = *dice.pick(&all);
                let relations: Vec<usize> =
                    (0..model().relations.len()).filter(|it| model().relations[*it].from == of).collect();
                if relations.is_empty() {
                    return;
                }
                let relation = *dice.pick(&relations);
                let there: Vec<i64> = self.records[model().relations[relation].to].keys().copied().collect();
                let named = (!there.is_empty() && dice.roll(4) > 0).then(|| *dice.pick(&there));
                let Some(record) = self.records[of].get_mut(&number) else { return };
                match named {
                    Some(named) => record.names.insert(relation, named),
                    None => record.names.remove(&relation),
                };
            }
            // Two are one from now on.
            5 if all.len() > 1 => {
                let (one, other) = (*dice.pick(&all), *dice.pick(&all));
                if one == other {
                    return;
                }
                self.records[of].remove(&other);
                for (relation, kept) in model().relations.iter().enumerate().filter(|(_, kept)| kept.to == of) {
                    for record in self.records[kept.from].values_mut() {
                        if let Some(named) = record.names.get_mut(&relation).filter(|named| **named == other) {
                            *named = one;
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

fn table(of: usize, rows: &[&Record]) -> Table {
    let definition = &model().entities[of];
    let mut table = Table::new(rows.len(), definition.fields.len());
    for (slot, field) in definition.fields.iter().enumerate() {
        let mut column = ColumnBuilder::new(field.data_type);
        rows.iter().for_each(|row| column.push(&row.values[slot]));
        table.put(slot, column.finish());
    }
    table
}

/// Tells what is different, and nothing else. Whether events were told by person is counted.
fn refreshed(data: Dataset, before: &Kept, after: &Kept, by_person: &Cell<u32>) -> Dataset {
    let (model, events, person) = (model(), entity("activity"), relation("activity", "person"));
    let mut refresh = Refresh::new(data);
    let mut orders: Vec<Vec<i64>> = (0..model.entities.len()).map(|of| after.order(of)).collect();
    let is_different = |of: usize, number: i64| {
        before.records[of].get(&number).map(|it| &it.values) != after.records[of].get(&number).map(|it| &it.values)
    };
    let changed = |of: usize| -> Vec<(i64, bool)> {
        let numbers: BTreeSet<i64> = before.records[of].keys().chain(after.records[of].keys()).copied().collect();
        let told = numbers.into_iter().filter(|number| is_different(of, *number));
        told.map(|number| (number, after.records[of].contains_key(&number))).collect()
    };
    for of in (0..model.entities.len()).filter(|of| *of != events) {
        let told = changed(of);
        if told.is_empty() {
            continue;
        }
        let rows: Vec<&Record> = told.iter().filter_map(|(number, _)| after.records[of].get(number)).collect();
        let (places, numbers) = Rows::keyed(&before.order(of), told.iter().copied());
        assert_eq!(numbers, orders[of]);
        refresh.rows(of, places, table(of, &rows));
    }
    // Whose an event is decides where it stands.
    let whose = |of: &Kept, number: i64| of.records[events].get(&number).map(|_| of.names_of(events, number, person));
    let moved: BTreeSet<i64> = (before.records[events].keys().chain(after.records[events].keys()))
        .copied()
        .filter(|number| is_different(events, *number) || whose(before, *number) != whose(after, *number))
        .collect();
    let before_events = before.order(events);
    let mut removed = Bits::none(before_events.len());
    before_events.iter().enumerate().filter(|(_, it)| moved.contains(*it)).for_each(|(row, _)| removed.set(row));
    let row_of = |orders: &[Vec<i64>], of: usize, number: i64| {
        orders[of].iter().position(|own| *own == number).map(|row| u32::try_from(row).unwrap())
    };
    let mut told: Vec<(u32, i64)> = (moved.iter().filter(|number| after.records[events].contains_key(*number)))
        .map(|number| {
            let person = after.names_of(events, *number, person).and_then(|it| row_of(&orders, entity("person"), it));
            (person.unwrap_or(u32::MAX), *number)
        })
        .collect();
    told.sort_unstable();
    let rows: Vec<&Record> = told.iter().map(|(_, number)| &after.records[events][number]).collect();
    let named: Vec<u32> = told.iter().map(|(person, _)| *person).collect();
    if refresh.clustered(person, &removed, &named, table(events, &rows)) {
        by_person.set(by_person.get() + 1);
        // Those that are told stand after those of the same person that are not.
        let told: BTreeSet<i64> = told.iter().map(|(_, number)| *number).collect();
        let place = |number: &i64| {
            (after.names_of(events, *number, person).unwrap_or(i64::MAX), told.contains(number), *number)
        };
        orders[events].sort_by_key(place);
    } else {
        let told = told.iter().map(|(_, number)| *number).collect::<BTreeSet<_>>();
        let mut rows = Rows::new();
        let mut told_rows = Vec::new();
        for number in &orders[events] {
            match before_events.iter().position(|it| it == number) {
                Some(row) if !told.contains(number) => rows.keep(row, row + 1),
                was => {
                    told_rows.push(&after.records[events][number]);
                    match was {
                        Some(was) => rows.change(was),
                        None => rows.add(1),
                    }
                }
            }
        }
        refresh.rows(events, rows, table(events, &told_rows));
    }
    for (number, kept) in model.relations.iter().enumerate() {
        let is_other = |own: &&i64| {
            let named = |of: &Kept| of.records[kept.from].get(*own).map(|_| of.names_of(kept.from, **own, number));
            named(before) != named(after) || is_different(kept.from, **own)
        };
        let name = |own: &i64| {
            let named = after.names_of(kept.from, *own, number).and_then(|it| row_of(&orders, kept.to, it));
            (row_of(&orders, kept.from, *own).unwrap(), named.unwrap_or(u32::MAX))
        };
        let of_all: Vec<i64> = after.records[kept.from].keys().copied().collect();
        let told: BTreeSet<i64> = if kept.from == events { moved.clone() } else { BTreeSet::new() };
        let names = of_all.iter().filter(|own| is_other(own) || told.contains(*own)).map(name);
        refresh.names(number, names.collect::<Vec<_>>());
    }
    let mut data = refresh.finish();
    for (audience, rows) in after.world().members {
        let mut bits = Bits::none(1_000);
        rows.into_iter().for_each(|row| bits.set(row));
        data.put_audience(&audience, bits);
    }
    data
}

fn segment(dice: &[u8], root: &str) -> Option<Plan> {
    let kind = if root == "person" { EntityKind::Person } else { EntityKind::Account };
    let text = Writer::new(dice, if root == "person" { "person" } else { "account" }).condition(3);
    Some(plan(&check(&text, &segment_scope(&model(), kind).unwrap()).ok()?).unwrap())
}

#[test]
fn what_is_refreshed_answers_as_what_is_made_anew() {
    let (by_person, met, compared) = (Cell::new(0), Cell::new(0_u64), Cell::new(0_u32));
    check_cases_of(250, 800, 900, |dice, world_dice| {
        let halves = world_dice.split_at(world_dice.len() / 2);
        let (mut before, another) = (Kept::new(&world(halves.0)), Kept::new(&world(halves.1)));
        let plans: Vec<Plan> = dice
            .chunks(130)
            .enumerate()
            .filter_map(|(n, dice)| segment(dice, if n % 3 == 2 { "account" } else { "person" }))
            .collect();
        let plans: Vec<&Plan> = plans.iter().collect();
        let set = SegmentSet::new(&plans);
        let mut data = before.world().dataset();
        let mut dice = Dice(world_dice);
        for _ in 0..4 {
            let mut after = before.clone();
            (0..dice.roll(5)).for_each(|_| after.happen(&mut dice, &another));
            // Paths are kept where nothing they go by has changed.
            let anew = after.world();
            let of = |data: &Dataset| set.evaluate(&Evaluation { data, rates: &anew, now: NOW }, 1);
            let _ = of(&data);
            data = refreshed(data, &before, &after, &by_person);
            let (refreshed, expected) = (of(&data), of(&anew.dataset()));
            met.set(met.get() + expected.iter().map(|bits| bits.count() as u64).sum::<u64>());
            compared.set(compared.get() + 1);
            prop_assert_eq!(refreshed, expected, "{:?}\nbecame\n{:?}", before, after);
            before = after;
        }
        Ok(())
    });
    assert!(by_person.get() * 3 > compared.get(), "{} of {} by person", by_person.get(), compared.get());
    assert!(met.get() > 300, "{} members", met.get());
}
