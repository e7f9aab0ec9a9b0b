//! One of each hundred records is another: the same data made anew, and the dataset that was there, refreshed.

use super::data::{COUNTRIES, DEPARTMENTS, Data, INDUSTRIES, NOW, PAGES, STAGES, coded, model, text};
use attiva_core::Value;
use attiva_segments::column::{Bits, Column, Dataset, Refresh, Rows, Table};
use std::collections::BTreeMap;

/// Which of them change.
const EACH: usize = 100;

impl Data {
    /// Of each table every hundredth row says something else, and of each relation every hundredth names another.
    #[must_use]
    pub fn changed(&self) -> Self {
        let mut data = self.clone();
        let other = |code: &mut u8, kinds: u64| *code = ((u64::from(*code) + 1) % kinds) as u8;
        each(&mut data.department, |code| other(code, DEPARTMENTS));
        each(&mut data.country, |code| other(code, COUNTRIES));
        each(&mut data.score, |score| *score = (*score + 50) % 101);
        each(&mut data.industry, |code| other(code, INDUSTRIES));
        each(&mut data.employees, |employees| *employees += 100);
        each(&mut data.stage, |code| other(code, STAGES));
        each(&mut data.quantity, |quantity| *quantity += 10);
        let (accounts, opportunities) = (data.industry.len() as u32, data.stage.len() as u32);
        each(&mut data.works_at.1, |account| *account = (*account + 1) % accounts);
        each(&mut data.role_in.1, |opportunity| *opportunity = (*opportunity + 1) % opportunities);
        each(&mut data.page, |code| other(code, PAGES));
        each(&mut data.time, |time| *time = NOW - 1);
        data
    }
}

fn each<T>(values: &mut [T], change: impl Fn(&mut T)) {
    values.iter_mut().step_by(EACH).for_each(change);
}

fn some<T: Copy>(values: &[T]) -> Vec<T> {
    values.iter().step_by(EACH).copied().collect()
}

/// The numbers that records have, by which a refresh finds them; the host has them, too.
#[must_use]
pub fn numbers(data: &Data) -> BTreeMap<&'static str, Vec<i64>> {
    let of = |rows: usize| (0..rows as i64).collect();
    BTreeMap::from([
        ("person", of(data.department.len())),
        ("account", of(data.industry.len())),
        ("opportunity", of(data.stage.len())),
    ])
}

/// `after`: as `changed` makes it of what the dataset was made of.
#[must_use]
pub fn refresh(before: Dataset, numbers: &BTreeMap<&'static str, Vec<i64>>, after: &Data) -> Dataset {
    let model = model();
    let mut refresh = Refresh::new(before);
    let entity = |of: &str| model.entity(of).unwrap_or_default();
    let table = |of: &str, rows: usize, columns: Vec<(&str, Column)>| {
        let mut table = Table::new(rows, model.entities[entity(of)].fields.len());
        for (name, column) in columns {
            if let Some(slot) = model.entities[entity(of)].field(name) {
                table.put(slot, column);
            }
        }
        table
    };
    let codes = |codes: &[u8], name: &str| coded(&some(codes), |code| Value::Text(text(name, code)));
    let quantity = some(&after.quantity).into_iter().map(i128::from).collect();
    let columns = [
        (
            "person",
            vec![
                ("department", codes(&after.department, "department")),
                ("country", codes(&after.country, "country")),
                ("person_score", Column::integers(some(&after.score))),
            ],
        ),
        (
            "account",
            vec![
                ("industry", codes(&after.industry, "industry")),
                ("number_of_employees", Column::integers(some(&after.employees))),
            ],
        ),
        (
            "opportunity",
            vec![
                ("stage", codes(&after.stage, "stage")),
                ("is_closed", coded(&some(&after.closed), |code| Value::Boolean(code == 1))),
                ("quantity", Column::decimals(quantity, 0)),
            ],
        ),
    ];
    for (of, columns) in columns {
        let before = numbers.get(of).map_or(&[][..], Vec::as_slice);
        let (rows, _) = Rows::keyed(before, before.iter().step_by(EACH).map(|number| (*number, true)));
        let told = table(of, rows.told(), columns);
        refresh.rows(entity(of), rows, told);
    }
    let relation = |from: &str, name: &str| {
        let from = model.entity(from);
        model.relations.iter().position(|r| Some(r.from) == from && r.name == name).unwrap_or_default()
    };
    let named = |names: &[u32]| (0..).step_by(EACH).zip(some(names)).collect::<Vec<(u32, u32)>>();
    refresh.names(relation("account_person", "account"), named(&after.works_at.1));
    refresh.names(relation("opportunity_person", "opportunity"), named(&after.role_in.1));
    let mut removed = Bits::none(after.of.len());
    (0..after.of.len()).step_by(EACH).for_each(|row| removed.set(row));
    let events = table(
        "activity",
        after.of.len().div_ceil(EACH),
        vec![
            ("type", codes(&after.kind, "type")),
            ("page", codes(&after.page, "page")),
            ("time", Column::timestamps(some(&after.time))),
        ],
    );
    refresh.clustered(relation("activity", "person"), &removed, &some(&after.of), events);
    refresh.finish()
}
