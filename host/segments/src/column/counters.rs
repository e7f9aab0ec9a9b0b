//! How many of each row's set meet which conditions, for all conditions at once.
//!
//! Where the rows of a relation are kept by whom they name, as events by person, one pass over them answers everything
//! that is counted of them: each row is turned into a word of bits, one for each counter that counts it, by a look-up for
//! each column; and the counters of one person fit into the nearest memory. No bitmap over events is made, and what is
//! asked of a count is answered where it stands.

use super::adjacency::Adjacency;
use super::bits::{Bits, Truths};
use super::build::{Inputs, Op, SegmentSet, Source};
use super::counted_words::{Asked, COUNTERS, Factor, Word, count, each};
use super::leaf;
use super::run::{Evaluation, needs};
use super::table::{Column, Data};
use crate::logic::Truth;
use attiva_core::Value;
use attiva_expr::{Aggregate, CompareOp, Quantifier, Step};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A column of more kinds of values is asked as it always is, not by a table of words.
const KINDS_MAX: usize = 4_096;
/// Rows that one thread takes at a time, in words of their answers.
const CHUNK: usize = 128;

/// Something that is counted.
struct Counter {
    step: usize,
    /// All of which have to be met.
    conditions: Vec<usize>,
    answers: Vec<Answer>,
    /// Somebody reads the count itself.
    is_read: bool,
}

/// A step that is about a count: whether that lies between two numbers, or outside of them.
struct Answer {
    step: usize,
    low: i64,
    high: i64,
    is_outside: bool,
}

impl Answer {
    fn new(step: usize, op: CompareOp, with: i64) -> Self {
        let nothing = (1, 0);
        let (low, high) = match op {
            CompareOp::Eq | CompareOp::Ne => (with, with),
            CompareOp::Lt => with.checked_sub(1).map_or(nothing, |high| (i64::MIN, high)),
            CompareOp::Le => (i64::MIN, with),
            CompareOp::Gt => with.checked_add(1).map_or(nothing, |low| (low, i64::MAX)),
            CompareOp::Ge => (with, i64::MAX),
        };
        Self { step, low, high, is_outside: op == CompareOp::Ne }
    }

    fn holds(&self, count: i64) -> bool {
        ((self.low <= count) & (count <= self.high)) != self.is_outside
    }
}

/// Counters of one relation that are answered together.
pub(super) struct Pass {
    path: Arc<Adjacency>,
    counters: Vec<Counter>,
    factors: Vec<Factor>,
    /// Conditions that are asked as they always are: their answers are wanted first.
    pub(super) asked_before: Vec<usize>,
}

/// What passes make of a set of segments.
pub(super) fn passes(set: &SegmentSet, of: &Evaluation<'_>) -> Vec<Pass> {
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); set.steps.len()];
    for (number, step) in set.steps.iter().enumerate() {
        needs(&step.op).into_iter().for_each(|of| users[of].push(number));
    }
    let mut by_relation: BTreeMap<usize, Vec<Counter>> = BTreeMap::new();
    for (number, step) in set.steps.iter().enumerate() {
        let (path, asked) = match &step.op {
            Op::Aggregate { how: Aggregate::Count, value: None, path, filter, .. } => (path, [*filter, None]),
            Op::Quantified { how, path, filter, condition } if compared(how).is_some() => {
                (path, [*filter, Some(*condition)])
            }
            _ => continue,
        };
        let [Step::Many(relation)] = path[..] else { continue };
        if !of.data.path(path).is_in_order() {
            continue;
        }
        let mut conditions = Vec::new();
        asked.into_iter().flatten().for_each(|step| conjuncts(set, step, &mut conditions));
        conditions.sort_unstable();
        conditions.dedup();
        let mut counter = Counter { step: number, conditions, answers: Vec::new(), is_read: false };
        match &step.op {
            Op::Quantified { how, .. } => {
                counter.answers.extend(compared(how).map(|(op, with)| Answer::new(number, op, with)));
            }
            _ => {
                for user in &users[number] {
                    match of_count(&set.steps[*user].op, number, of) {
                        Some((op, with)) => counter.answers.push(Answer::new(*user, op, with)),
                        None => counter.is_read = true,
                    }
                }
            }
        }
        by_relation.entry(relation).or_default().push(counter);
    }
    let mut passes = Vec::new();
    for (relation, mut counters) in by_relation {
        while !counters.is_empty() {
            let rest = counters.split_off(counters.len().min(COUNTERS));
            passes.push(Pass::new(set, of, relation, counters));
            counters = rest;
        }
    }
    passes
}

/// What a quantifier asks of how many elements there are that meet its condition, if that is all it asks.
fn compared(how: &Quantifier) -> Option<(CompareOp, i64)> {
    match how {
        Quantifier::Exists => Some((CompareOp::Ge, 1)),
        Quantifier::None => Some((CompareOp::Eq, 0)),
        Quantifier::ExistsOne => Some((CompareOp::Eq, 1)),
        Quantifier::AtLeast(n) => Some((CompareOp::Ge, i64::from(*n))),
        Quantifier::All | Quantifier::ShareOf(_) => None,
    }
}

/// What a step asks of a count, if it compares it with a number and nothing else.
fn of_count(op: &Op, count: usize, of: &Evaluation<'_>) -> Option<(CompareOp, i64)> {
    let Op::Leaf(Inputs { scalar, sources }) = op else { return None };
    if sources[..] != [Source::Work(count)] {
        return None;
    }
    match leaf::against(&scalar.expr, of.now)? {
        (op, Some(Value::Integer(with))) => Some((op, with)),
        _ => None,
    }
}

/// The conditions that are all met where one is.
fn conjuncts(set: &SegmentSet, step: usize, found: &mut Vec<usize>) {
    match &set.steps[step].op {
        Op::And(all) => all.iter().for_each(|one| conjuncts(set, *one, found)),
        Op::Const(Truth::True) => {}
        _ => found.push(step),
    }
}

fn asked(set: &SegmentSet, of: &Evaluation<'_>, step: usize) -> Option<(usize, Arc<Column>, Asked)> {
    let Op::Leaf(Inputs { scalar, sources }) = &set.steps[step].op else { return None };
    let [Source::Field { path, entity, slot }] = &sources[..] else { return None };
    let column = of.data.table(*entity)?.columns.get(*slot)?.as_ref().filter(|_| path.is_empty())?;
    let asked = match &column.data {
        Data::Coded { values, .. } if values.len() <= KINDS_MAX => {
            let answer = |value: &Value| scalar.program.truth(std::slice::from_ref(value), of.now).ok().flatten();
            Asked::Codes(values.iter().map(|value| answer(value) == Some(true)).collect())
        }
        Data::Whole { .. } => match leaf::against(&scalar.expr, of.now)? {
            (op, Some(Value::Integer(n) | Value::Timestamp(n))) => Asked::Whole(op, n),
            (op, Some(Value::Date(days))) => Asked::Whole(op, i64::from(days)),
            _ => return None,
        },
        _ => return None,
    };
    Some((*slot, Arc::clone(column), asked))
}

impl Pass {
    fn new(set: &SegmentSet, of: &Evaluation<'_>, relation: usize, counters: Vec<Counter>) -> Self {
        // By condition, the counters that have it.
        let mut conditions: BTreeMap<usize, u64> = BTreeMap::new();
        for (bit, counter) in counters.iter().enumerate() {
            counter.conditions.iter().for_each(|step| *conditions.entry(*step).or_default() |= 1 << bit);
        }
        let mut by_column: BTreeMap<usize, (Arc<Column>, Vec<(Asked, u64)>)> = BTreeMap::new();
        let (mut factors, mut asked_before) = (Vec::new(), Vec::new());
        for (step, counters) in conditions {
            match asked(set, of, step) {
                Some((slot, column, asked)) => {
                    by_column.entry(slot).or_insert_with(|| (column, Vec::new())).1.push((asked, counters));
                }
                None => {
                    asked_before.push(step);
                    factors.push(Factor::Step { step, counters });
                }
            }
        }
        let of_columns = by_column.into_values().map(|(column, asked)| Factor::new(column, &asked));
        factors.splice(0..0, of_columns);
        Self { path: of.data.path(&[Step::Many(relation)]), counters, factors, asked_before }
    }

    /// Steps that it answers.
    pub(super) fn answered(&self) -> impl Iterator<Item = usize> {
        let read = self.counters.iter().filter(|counter| counter.is_read).map(|counter| counter.step);
        read.chain(self.counters.iter().flat_map(|counter| counter.answers.iter().map(|answer| answer.step)))
    }

    /// Counts. `truths`: the answers of what was asked before.
    pub(super) fn run(
        &self,
        threads: usize,
        truths: impl Fn(usize) -> Arc<Truths>,
    ) -> (Vec<(usize, Bits)>, Vec<(usize, Column)>) {
        let before: Vec<Arc<Truths>> = self.asked_before.iter().map(|step| truths(*step)).collect();
        if self.counters.len() <= 8 { self.count::<u8>(threads, &before) } else { self.count::<u64>(threads, &before) }
    }

    fn count<W: Word>(&self, threads: usize, before: &[Arc<Truths>]) -> (Vec<(usize, Bits)>, Vec<(usize, Column)>) {
        let rows = self.path.rows();
        let chunks = rows.div_ceil(64 * CHUNK);
        let next = AtomicUsize::new(0);
        let done: Mutex<Vec<(usize, Found)>> = Mutex::default();
        let work = || {
            let mut counting = Counting::<W>::new(self, before);
            loop {
                let chunk = next.fetch_add(1, Ordering::Relaxed);
                if chunk >= chunks {
                    break;
                }
                let found = counting.chunk(chunk * 64 * CHUNK, ((chunk + 1) * 64 * CHUNK).min(rows));
                done.lock().unwrap_or_else(PoisonError::into_inner).push((chunk, found));
            }
        };
        std::thread::scope(|scope| {
            (1..threads.min(chunks)).for_each(|_| {
                scope.spawn(work);
            });
            work();
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_unstable_by_key(|(chunk, _)| *chunk);
        let answers = self.counters.iter().flat_map(|counter| &counter.answers).enumerate().map(|(place, answer)| {
            let words = done.iter().flat_map(|(_, found)| found.answers[place].iter().copied()).collect();
            (answer.step, Bits::of_words(words, rows))
        });
        let read = self.counters.iter().filter(|counter| counter.is_read).enumerate().map(|(place, counter)| {
            let counts = done.iter().flat_map(|(_, found)| found.counts[place].iter().copied()).collect();
            (counter.step, Column::integers(counts))
        });
        (answers.collect(), read.collect())
    }
}

/// What one thread has found of some rows.
struct Found {
    /// By answer, words of bits.
    answers: Vec<Vec<u64>>,
    /// By counter that is read.
    counts: Vec<Vec<i64>>,
}

/// What one thread works with.
struct Counting<'a, W> {
    pass: &'a Pass,
    before: &'a [Arc<Truths>],
    /// By counter, the places of its answers.
    places: Vec<std::ops::Range<usize>>,
    /// The answers of who has none: its bits.
    of_none: Vec<u64>,
    /// The places among those that are read.
    read: Vec<Option<usize>>,
    words: Vec<W>,
    counts: [u32; COUNTERS],
}

impl<'a, W: Word> Counting<'a, W> {
    fn new(pass: &'a Pass, before: &'a [Arc<Truths>]) -> Self {
        let mut places = Vec::new();
        let mut of_none = Vec::new();
        let (mut read, mut next) = (Vec::new(), 0);
        for counter in &pass.counters {
            places.push(of_none.len()..of_none.len() + counter.answers.len());
            of_none.extend(counter.answers.iter().map(|answer| if answer.holds(0) { u64::MAX } else { 0 }));
            read.push(counter.is_read.then_some(next));
            next += usize::from(counter.is_read);
        }
        Self { pass, before, places, of_none, read, words: Vec::new(), counts: [0; COUNTERS] }
    }

    fn chunk(&mut self, first: usize, last: usize) -> Found {
        let counted = self.read.iter().flatten().count();
        let mut found = Found {
            answers: self.of_none.iter().map(|_| Vec::with_capacity(CHUNK)).collect(),
            counts: vec![vec![0; last - first]; counted],
        };
        let mut answers = self.of_none.clone();
        for from in (first..last).step_by(64) {
            answers.copy_from_slice(&self.of_none);
            self.word(from, (from + 64).min(last), first, &mut answers, &mut found.counts);
            found.answers.iter_mut().zip(&answers).for_each(|(all, word)| all.push(*word));
        }
        found
    }

    /// 64 rows, or fewer at the end.
    fn word(&mut self, from: usize, until: usize, first: usize, answers: &mut [u64], read: &mut [Vec<i64>]) {
        let path = &self.pass.path;
        let (begin, end) = (path.bounds(from).0, path.bounds(until - 1).1);
        let mut words = std::mem::take(&mut self.words);
        words.clear();
        words.resize(end - begin, W::of(u64::MAX >> (COUNTERS - self.pass.counters.len())));
        for factor in &self.pass.factors {
            factor.narrow(begin, &mut words, &self.pass.asked_before, self.before);
        }
        let lanes = self.pass.counters.len().div_ceil(8);
        for row in from..until {
            let (own, past) = path.bounds(row);
            let counted = count(&words[own - begin..past - begin], lanes, &mut self.counts);
            let bit = 1_u64 << (row - from);
            each(counted, |counter| {
                let count = i64::from(self.counts[counter]);
                let places = self.places[counter].clone();
                for (answer, own) in answers[places].iter_mut().zip(&self.pass.counters[counter].answers) {
                    // Without a branch, which would be taken now and now not.
                    *answer = (*answer & !bit) | (u64::from(own.holds(count)) << (row - from));
                }
                if let Some(place) = self.read[counter] {
                    read[place][row - first] = count;
                }
            });
        }
        self.words = words;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_answer_is_its_comparison(count in 0_i64..5, with in prop_oneof![-1_i64..6, Just(i64::MIN), Just(i64::MAX)]) {
            for op in [CompareOp::Eq, CompareOp::Ne, CompareOp::Lt, CompareOp::Le, CompareOp::Gt, CompareOp::Ge] {
                prop_assert_eq!(Answer::new(0, op, with).holds(count), op.holds(count.cmp(&with)), "{:?}", op);
            }
        }
    }

    /// Counts of many kinds at once, more than fit one pass, some asked of a bitmap, some read themselves.
    #[test]
    fn many_counters_answer_as_each_alone() {
        use crate::{NoRates, Plan, plan, segment_model, segment_scope};
        use attiva_core::model::custom::Custom;
        use attiva_core::model::{EntityKind, Schema};

        let model = Arc::new(segment_model(&Schema::new(&Custom::default()).unwrap()));
        let entity = |name: &str| model.entity(name).unwrap();
        let (person, event) = (entity("person"), entity("activity"));
        let rows = 200;
        let whose: Vec<u32> = (0..rows).flat_map(|row| std::iter::repeat_n(row, (row * row % 41) as usize)).collect();
        let mut builder = super::super::DatasetBuilder::new(Arc::clone(&model));
        builder.table(person, super::super::Table::new(rows as usize, model.entities[person].fields.len()));
        let mut table = super::super::Table::new(whose.len(), model.entities[event].fields.len());
        let mut types = super::super::ColumnBuilder::new(attiva_core::DataType::Text);
        (0..whose.len()).for_each(|n| types.push(&Value::Text(format!("t{}", n * 7 % 9))));
        table.put(model.entities[event].field("type").unwrap(), types.finish());
        let times = (0..whose.len() as i64).map(|n| n * 37 % 100).collect();
        table.put(model.entities[event].field("time").unwrap(), Column::timestamps(times));
        builder.table(event, table);
        let of = model.relations.iter().position(|it| it.from == event && it.name == "person").unwrap();
        builder.relation(of, whose);
        let data = builder.finish();
        let mut texts: Vec<String> = (0..90)
            .map(|n| {
                format!(
                    "events.filter(e, e.type == \"t{}\" && e.time < now - milliseconds({})).size() >= {}",
                    n % 9,
                    n % 50,
                    n % 4
                )
            })
            .collect();
        texts.extend((0..9).map(|n| format!("events.exists(e, e.type == \"t{n}\" || e.type.contains(\"{n}\"))")));
        texts.push("events.size() + 1 == events.filter(e, e.type != \"t1\").size() + 3".into());
        texts.push("!events.exists(e, e.type == \"t3\") || events.exists_one(e, e.type == \"t4\")".into());
        let scope = segment_scope(&model, EntityKind::Person).unwrap();
        let plans: Vec<Plan> = texts
            .iter()
            .map(|text| {
                plan(&attiva_expr::check(text, &scope).unwrap_or_else(|problem| panic!("{text}: {problem:?}"))).unwrap()
            })
            .collect();
        let of = Evaluation { data: &data, rates: &NoRates, now: 100 };
        let set = SegmentSet::new(&plans.iter().collect::<Vec<_>>());
        let passes = passes(&set, &of);
        assert!(passes.len() > 1 && passes.iter().any(|pass| !pass.asked_before.is_empty()));
        assert!(passes.iter().flat_map(|pass| &pass.counters).any(|counter| counter.is_read));
        for (bits, (plan, text)) in set.evaluate(&of, 3).iter().zip(plans.iter().zip(&texts)) {
            let around = crate::Surroundings { graph: &data, rates: &NoRates, now: 100 };
            let row = crate::RowEvaluator::new(plan);
            let expected = Bits::of(rows as usize, |row_number| {
                row.evaluate_in(row_number as u64, &around).unwrap() == Truth::True
            });
            assert_eq!(bits, &expected, "{text}");
        }
    }
}
