//! Generated data with the skew of B2B: few companies have most of the people, few people most of the events, and a person
//! is in several companies. The same seed makes the same data.

use attiva_core::Value;
use attiva_core::model::Schema;
use attiva_core::model::custom::Custom;
use attiva_expr::Model;
use attiva_segments::column::{Column, Dataset, DatasetBuilder, Table};
use attiva_segments::segment_model;
use std::sync::Arc;

pub const DEPARTMENTS: u64 = 10;
pub const COUNTRIES: u64 = 40;
pub const INDUSTRIES: u64 = 20;
pub const STAGES: u64 = 8;
pub const TYPES: u64 = 12;
pub const PAGES: u64 = 200;
/// The instant of the evaluation: 2026-11-28T00:00:00Z.
pub const NOW: i64 = 1_795_824_000_000;
pub const DAY_MS: i64 = 86_400_000;

/// How much there is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub persons: usize,
    pub accounts: usize,
    pub opportunities: usize,
    pub events: usize,
}

/// Codes and numbers by row; events by person, and a person's in the order of time.
#[derive(Debug, Clone)]
pub struct Data {
    pub department: Vec<u8>,
    pub country: Vec<u8>,
    pub score: Vec<i64>,
    pub industry: Vec<u8>,
    pub employees: Vec<i64>,
    pub stage: Vec<u8>,
    pub closed: Vec<u8>,
    pub quantity: Vec<i64>,
    /// A person and an account in each row.
    pub works_at: (Vec<u32>, Vec<u32>),
    /// A person and an opportunity in each row.
    pub role_in: (Vec<u32>, Vec<u32>),
    pub of: Vec<u32>,
    pub kind: Vec<u8>,
    pub page: Vec<u8>,
    pub time: Vec<i64>,
}

/// Numbers that look random: `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.unit() * n as f64) as u64
    }

    /// Log-normal, its median 1.
    fn skewed(&mut self, sigma: f64) -> f64 {
        let normal = (-2.0 * self.unit().max(1e-12).ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos();
        (sigma * normal).exp()
    }
}

/// Shares `total` out by weight, to the last one.
fn shared(total: usize, weights: &[f64]) -> Vec<usize> {
    let sum: f64 = weights.iter().sum();
    let (mut so_far, mut given) = (0.0, 0);
    let share = |weight: &f64| {
        so_far += weight;
        let upto = (so_far / sum * total as f64).round() as usize;
        std::mem::replace(&mut given, upto).abs_diff(upto)
    };
    weights.iter().map(share).collect()
}

/// The row of each of `total`, by weight, in order.
fn rows(total: usize, count: usize, dice: &mut Dice, sigma: f64) -> Vec<u32> {
    let weights: Vec<f64> = (0..count).map(|_| dice.skewed(sigma)).collect();
    let counts = shared(total, &weights);
    (0_u32..).zip(counts).flat_map(|(row, count)| std::iter::repeat_n(row, count)).collect()
}

impl Data {
    #[must_use]
    pub fn generate(size: Size, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let mut codes = |count: usize, kinds: u64| -> Vec<u8> { (0..count).map(|_| dice.below(kinds) as u8).collect() };
        let (department, country) = (codes(size.persons, DEPARTMENTS), codes(size.persons, COUNTRIES));
        let (industry, stage) = (codes(size.accounts, INDUSTRIES), codes(size.opportunities, STAGES));
        let mut whole =
            |count: usize, of: &dyn Fn(&mut Dice) -> i64| -> Vec<i64> { (0..count).map(|_| of(&mut dice)).collect() };
        let score = whole(size.persons, &|dice| dice.below(101) as i64);
        let employees = whole(size.accounts, &|dice| (dice.skewed(1.5) * 200.0) as i64);
        let quantity = whole(size.opportunities, &|dice| (dice.skewed(1.0) * 50.0) as i64);
        let closed = stage.iter().map(|stage| u8::from(u64::from(*stage) + 2 >= STAGES)).collect();
        // Nearly everybody works somewhere, some in two or three places; the companies by their size.
        let mut persons: Vec<u32> = (0..size.persons as u32).filter(|_| dice.below(100) < 85).collect();
        persons.extend((0..size.persons / 10).map(|_| dice.below(size.persons as u64) as u32));
        let mut accounts = rows(persons.len(), size.accounts, &mut dice, 1.2);
        for i in (1..accounts.len()).rev() {
            accounts.swap(i, dice.below(i as u64 + 1) as usize);
        }
        let in_deals = size.opportunities * 22 / 10;
        let role_in = (
            (0..in_deals).map(|_| dice.below(size.persons as u64) as u32).collect(),
            (0..in_deals).map(|i| (i % size.opportunities.max(1)) as u32).collect(),
        );
        let of = rows(size.events, size.persons, &mut dice, 1.2);
        // Denser towards now.
        let mut time: Vec<i64> =
            of.iter().map(|_| NOW - (dice.unit().powi(2) * 365.0 * DAY_MS as f64) as i64).collect();
        let mut from = 0;
        for run in of.chunk_by(|a, b| a == b) {
            time[from..from + run.len()].sort_unstable();
            from += run.len();
        }
        let kind = of.iter().map(|_| (dice.unit().powi(2) * TYPES as f64) as u8).collect();
        let page = of.iter().map(|_| (dice.unit().powi(2) * PAGES as f64) as u8).collect();
        Self {
            department,
            country,
            score,
            industry,
            employees,
            stage,
            closed,
            quantity,
            works_at: (persons, accounts),
            role_in,
            of,
            kind,
            page,
            time,
        }
    }

    /// As the evaluator has it, with no more columns than are given here.
    #[must_use]
    pub fn dataset(&self) -> Dataset {
        let model = model();
        let mut builder = DatasetBuilder::new(Arc::clone(&model));
        let mut put = |of: &str, rows: usize, columns: Vec<(&str, Column)>| {
            let Some(entity) = model.entity(of) else { return };
            let mut table = Table::new(rows, model.entities[entity].fields.len());
            for (name, column) in columns {
                if let Some(slot) = model.entities[entity].field(name) {
                    table.put(slot, column);
                }
            }
            builder.table(entity, table);
        };
        let coded = |codes: &[u8], name: &str| coded(codes, |code| Value::Text(text(name, code)));
        let closed = self::coded(&self.closed, |code| Value::Boolean(code == 1));
        put(
            "person",
            self.department.len(),
            vec![
                ("department", coded(&self.department, "department")),
                ("country", coded(&self.country, "country")),
                ("person_score", Column::integers(self.score.clone())),
            ],
        );
        put(
            "account",
            self.industry.len(),
            vec![
                ("industry", coded(&self.industry, "industry")),
                ("number_of_employees", Column::integers(self.employees.clone())),
            ],
        );
        put(
            "opportunity",
            self.stage.len(),
            vec![
                ("stage", coded(&self.stage, "stage")),
                ("is_closed", closed),
                ("quantity", Column::decimals(self.quantity.iter().map(|q| i128::from(*q)).collect(), 0)),
            ],
        );
        put("account_person", self.works_at.0.len(), Vec::new());
        put("opportunity_person", self.role_in.0.len(), Vec::new());
        put(
            "activity",
            self.of.len(),
            vec![
                ("type", coded(&self.kind, "type")),
                ("page", coded(&self.page, "page")),
                ("time", Column::timestamps(self.time.clone())),
            ],
        );
        for (from, name, rows) in [
            ("account_person", "person", &self.works_at.0),
            ("account_person", "account", &self.works_at.1),
            ("opportunity_person", "person", &self.role_in.0),
            ("opportunity_person", "opportunity", &self.role_in.1),
            ("activity", "person", &self.of),
        ] {
            let from = model.entity(from);
            if let Some(relation) = model.relations.iter().position(|r| Some(r.from) == from && r.name == name) {
                builder.relation(relation, rows.clone());
            }
        }
        builder.finish()
    }
}

/// The model that everybody has.
///
/// # Panics
/// Never: nothing is added to it.
#[must_use]
pub fn model() -> Arc<Model> {
    Arc::new(segment_model(&Schema::new(&Custom::default()).expect("nothing is added")))
}

/// What a code stands for.
#[must_use]
pub fn text(name: &str, code: u64) -> String {
    format!("{name}-{code}")
}

pub(super) fn coded(codes: &[u8], value: impl Fn(u64) -> Value) -> Column {
    let most = u64::from(codes.iter().copied().max().unwrap_or(0));
    let values = std::iter::once(Value::Null).chain((0..=most).map(value)).collect();
    Column::coded(codes.iter().map(|code| u32::from(*code) + 1).collect(), values)
}
