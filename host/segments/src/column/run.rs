//! Evaluates a set of segments on a dataset.

use super::adjacency::{Adjacency, NOBODY};
use super::bits::{Bits, Truths};
use super::build::{Inputs, Moment, Op, SegmentSet, Source};
use super::counters;
use super::dataset::Dataset;
use super::leaf::{self, Read};
use super::reduce;
use super::table::{Column, ColumnBuilder, Data};
use crate::evaluate::{Vars, no_rate};
use crate::graph::{Id, Rates, Surroundings};
use crate::logic::Truth;
use crate::meter::Metered;
use attiva_core::time::Millis;
use attiva_core::{DataType, Value};
use attiva_expr::{Aggregate, EvalFault, Fold, Position, Quantifier, Step, Type};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What all steps of one evaluation share.
#[derive(Clone, Copy)]
pub struct Evaluation<'a> {
    pub data: &'a Dataset,
    pub rates: &'a (dyn Rates + Sync),
    pub now: Millis,
}

impl std::fmt::Debug for Evaluation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Evaluation").field("now", &self.now).finish_non_exhaustive()
    }
}

/// What a step has made.
#[derive(Clone)]
enum Made {
    Truths(Arc<Truths>),
    Column(Arc<Column>),
}

impl SegmentSet {
    /// The members of each segment, in the order of the plans: a bit for each row of the entity it is about.
    #[must_use]
    pub fn evaluate(&self, evaluation: &Evaluation, threads: usize) -> Vec<Bits> {
        let none = |(root, bits): (&usize, Option<Bits>)| {
            bits.unwrap_or_else(|| Bits::none(evaluation.data.rows(self.steps[*root].entity)))
        };
        let all = self.evaluate_within(evaluation, threads, u64::MAX);
        self.roots.iter().zip(all).map(none).collect()
    }

    /// As [`Self::evaluate`], but no step looks at more than `looks_max` records, each as often as it is looked at. None:
    /// the segment has a step that would; the others have their answers.
    #[must_use]
    pub fn evaluate_within(&self, evaluation: &Evaluation, threads: usize, looks_max: u64) -> Vec<Option<Bits>> {
        let steps = self.steps.len();
        let run = Run {
            of: *evaluation,
            set: self,
            looks_max,
            made: vec![OnceLock::new(); steps],
            overran: (0..steps).map(|_| AtomicBool::new(false)).collect(),
            hops: Mutex::default(),
        };
        run.all(threads);
        // Steps come after what they are made of.
        let mut overran: Vec<bool> = Vec::with_capacity(steps);
        for (step, own) in self.steps.iter().zip(&run.overran) {
            let made_of_one = needs(&step.op).into_iter().any(|of| overran[of]);
            overran.push(own.load(Ordering::Relaxed) || made_of_one);
        }
        let members = |root: &usize| (!overran[*root]).then(|| run.truths(*root).yes.clone());
        self.roots.iter().map(members).collect()
    }
}

struct Run<'a> {
    of: Evaluation<'a>,
    set: &'a SegmentSet,
    looks_max: u64,
    made: Vec<OnceLock<Made>>,
    /// Steps that were given up.
    overran: Vec<AtomicBool>,
    /// Row numbers along relations to one, by path.
    hops: Mutex<HashMap<Vec<Step>, Arc<Vec<u32>>>>,
}

impl Run<'_> {
    /// What is counted of clustered rows is counted in passes; the rest goes step by step.
    fn all(&self, threads: usize) {
        let passes = counters::passes(self.set, &self.of);
        let mut wanted = vec![false; self.set.steps.len()];
        let mut is_answered = wanted.clone();
        for pass in &passes {
            pass.answered().for_each(|step| is_answered[step] = true);
            pass.asked_before.iter().for_each(|step| wanted[*step] = true);
        }
        // What a pass asks before it is never an answer of one that comes later: it would be of another table.
        self.reach(&mut wanted, &vec![false; self.set.steps.len()]);
        self.steps(threads, &wanted);
        for pass in &passes {
            let (answers, counts) = pass.run(threads, |step| self.truths(step));
            for (step, bits) in answers {
                let _ = self.made[step].set(Made::Truths(Arc::new(Truths::known(bits))));
            }
            for (step, column) in counts {
                let _ = self.made[step].set(Made::Column(Arc::new(column)));
            }
        }
        wanted.fill(false);
        self.set.roots.iter().for_each(|root| wanted[*root] = true);
        self.reach(&mut wanted, &is_answered);
        self.steps(threads, &wanted);
    }

    /// Marks what marked steps are made of, but for what need not be made.
    fn reach(&self, wanted: &mut [bool], is_made: &[bool]) {
        for number in (0..wanted.len()).rev().filter(|number| !is_made[*number]) {
            if wanted[number] {
                needs(&self.set.steps[number].op).into_iter().for_each(|of| wanted[of] = true);
            }
        }
    }

    /// Steps that wait for none that is not made go at the same time.
    fn steps(&self, threads: usize, wanted: &[bool]) {
        let mut depth = vec![0_usize; self.set.steps.len()];
        for (number, step) in self.set.steps.iter().enumerate() {
            depth[number] = needs(&step.op).into_iter().map(|of| depth[of] + 1).max().unwrap_or(0);
        }
        let deepest = depth.iter().copied().max().unwrap_or(0);
        for level in 0..=deepest {
            let steps: Vec<usize> = (0..depth.len())
                .filter(|step| depth[*step] == level && wanted[*step] && self.made[*step].get().is_none())
                .collect();
            let next = AtomicUsize::new(0);
            let work = || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(step) = steps.get(at) else { break };
                    let _ = self.made[*step].set(self.make(*step));
                }
            };
            std::thread::scope(|scope| {
                (1..threads.min(steps.len())).for_each(|_| {
                    scope.spawn(work);
                });
                work();
            });
        }
    }

    fn truths(&self, step: usize) -> Arc<Truths> {
        match self.made[step].get_or_init(|| self.make(step)) {
            Made::Truths(truths) => Arc::clone(truths),
            Made::Column(column) => Arc::new(Truths::known(Bits::none(column.len()))),
        }
    }

    fn make(&self, number: usize) -> Made {
        let step = &self.set.steps[number];
        let rows = self.of.data.rows(step.entity);
        let truths = |truths: Truths| Made::Truths(Arc::new(truths));
        let column = |column: Column| Made::Column(Arc::new(column));
        match &step.op {
            Op::Const(Truth::True) => truths(Truths::known(Bits::all(rows))),
            Op::Const(Truth::False) => truths(Truths::known(Bits::none(rows))),
            Op::Const(Truth::Unknown) => truths(Truths::new(Bits::none(rows), Bits::all(rows))),
            Op::Not(inner) => truths(self.truths(*inner).negated()),
            Op::And(all) => truths(self.joined(all, Truths::known(Bits::all(rows)), Truths::and)),
            Op::Or(all) => truths(self.joined(all, Truths::known(Bits::none(rows)), Truths::or)),
            Op::Leaf(inputs) => {
                let reads = self.reads(&inputs.sources);
                truths(leaf::truths(&inputs.scalar, &reads, rows, self.of.now))
            }
            Op::Value(inputs) => column(self.value(inputs, rows)),
            Op::Quantified { .. } | Op::Sequence { .. } if !self.affords(number) => {
                truths(Truths::known(Bits::none(rows)))
            }
            Op::Aggregate { .. } if !self.affords(number) => column(Column::integers(vec![0; rows])),
            Op::Quantified { how, path, filter, condition } => {
                let filtered = filter.map(|filter| self.truths(filter));
                let condition = self.truths(*condition);
                let met = match &filtered {
                    None => condition.yes.clone(),
                    Some(filtered) => {
                        let mut met = filtered.yes.clone();
                        met.and(&condition.yes);
                        met
                    }
                };
                let filtered = filtered.as_deref().map(|truths| &truths.yes);
                truths(Truths::known(reduce::quantified(self.of.data, how, path, filtered, &met, met.len())))
            }
            Op::Member { audience, path } => truths(self.member(audience, path, rows)),
            Op::Sequence { path, filter, time, moments, events } => {
                let filter = filter.map(|filter| self.truths(filter));
                let column = self.of.data.table(*events).and_then(|table| table.columns.get(*time)?.as_deref());
                let yes = match column {
                    Some(column) => self.sequence(path, filter.as_deref(), column, moments, rows),
                    None => Bits::none(rows),
                };
                truths(Truths::known(yes))
            }
            Op::Aggregate { how, of, path, filter, value, at } => {
                let filter = filter.map(|filter| self.truths(filter));
                let path = self.of.data.path(path);
                let filter = filter.as_deref().map(|truths| &truths.yes);
                column(self.aggregate(*how, *of, &path, filter, value.as_ref(), *at))
            }
            Op::Base { amount, currency, at } => column(self.in_base(amount, currency, *at, rows)),
            Op::RowByRow(condition) => {
                let metered = Metered::new(self.of.data, self.looks_max);
                let around = Surroundings { graph: &metered, rates: self.of.rates, now: self.of.now };
                let id = |row: usize| Id::try_from(row).unwrap_or(Id::MAX);
                let mut unknown = Bits::none(rows);
                let yes = Bits::of(rows, |row| match condition.answer(&Vars::root(id(row)), &around) {
                    Ok(Truth::True) => true,
                    Ok(Truth::False) => false,
                    Ok(Truth::Unknown) | Err(_) => {
                        unknown.set(row);
                        false
                    }
                });
                if metered.is_spent() {
                    self.overran[number].store(true, Ordering::Relaxed);
                }
                truths(Truths::new(yes, unknown))
            }
        }
    }

    /// Whether a step's path may be gone; one whose path is too long is given up.
    fn affords(&self, number: usize) -> bool {
        let afford = |path: &[Step]| self.of.data.affords(path, self.looks_max);
        let affords = match &self.set.steps[number].op {
            // Gone back from its end, one step after the other: only what is a path in itself is long.
            Op::Quantified { how: Quantifier::Exists | Quantifier::All | Quantifier::None, path, .. } => {
                path.iter().all(|step| afford(std::slice::from_ref(step)))
            }
            Op::Quantified { path, .. } | Op::Sequence { path, .. } | Op::Aggregate { path, .. } => afford(path),
            _ => true,
        };
        if !affords {
            self.overran[number].store(true, Ordering::Relaxed);
        }
        affords
    }

    fn joined(&self, all: &[usize], start: Truths, join: impl Fn(Truths, &Truths) -> Truths) -> Truths {
        all.iter().fold(start, |so_far, step| join(so_far, &self.truths(*step)))
    }

    fn reads(&self, sources: &[Source]) -> Vec<Read> {
        sources.iter().map(|source| self.read(source)).collect()
    }

    fn read(&self, source: &Source) -> Read {
        match source {
            Source::Field { path, entity, slot } => {
                let stored = self.of.data.table(*entity).and_then(|table| table.columns.get(*slot)?.clone());
                let rows = self.of.data.rows(*entity);
                // A field that nobody has filled is null.
                let column = stored.unwrap_or_else(|| Arc::new(Column::coded(vec![0; rows], vec![Value::Null])));
                Read { column, by: (!path.is_empty()).then(|| self.hop(path)) }
            }
            Source::Work(step) => match self.made[*step].get_or_init(|| self.make(*step)) {
                Made::Column(column) => Read { column: Arc::clone(column), by: None },
                Made::Truths(truths) => Read { column: Arc::new(booleans(truths)), by: None },
            },
        }
    }

    /// For each row at the beginning of a path of relations to one, the row at its end.
    fn hop(&self, path: &[Step]) -> Arc<Vec<u32>> {
        let lock = || self.hops.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(path) {
            return Arc::clone(known);
        }
        let data = self.of.data;
        let rows = path.first().map_or(0, |first| data.rows(data.starts_at(*first)));
        let mut at: Vec<u32> = (0..u32::try_from(rows).unwrap_or(NOBODY)).collect();
        for step in path {
            let Step::One(relation) = step else { continue };
            let one = data.one(*relation);
            at.iter_mut().for_each(|row| *row = one.get(*row as usize).copied().unwrap_or(NOBODY));
        }
        let made = Arc::new(at);
        lock().insert(path.to_vec(), Arc::clone(&made));
        made
    }

    fn value(&self, inputs: &Inputs, rows: usize) -> Column {
        let reads = self.reads(&inputs.sources);
        let (values, faults) = leaf::values(&inputs.scalar, &reads, rows, self.of.now);
        filled(inputs.scalar.expr.ty, &values, faults)
    }

    fn member(&self, audience: &str, path: &[Step], rows: usize) -> Truths {
        let Some(members) = self.of.data.members(audience) else {
            return Truths::new(Bits::none(rows), Bits::all(rows));
        };
        if path.is_empty() {
            return Truths::known(Bits::of(rows, |row| members.get(row)));
        }
        let hop = self.hop(path);
        let yes = Bits::of(rows, |row| hop[row] != NOBODY && members.get(hop[row] as usize));
        Truths::new(yes, Bits::of(rows, |row| hop[row] == NOBODY))
    }

    fn in_base(&self, amount: &Source, currency: &Source, at: Position, rows: usize) -> Column {
        let (amount, currency) = (self.read(amount), self.read(currency));
        let mut rates: HashMap<String, Option<String>> = HashMap::new();
        let mut faults = Bits::none(rows);
        let mut one = |row: usize| {
            let (amount, currency) = (amount.value(row)?, currency.value(row)?);
            let Value::Text(currency) = currency else { return Some(amount) };
            if amount.is_null() {
                return Some(amount);
            }
            let rate = rates.entry(currency).or_insert_with_key(|currency| self.of.rates.rate(currency));
            match rate.as_deref()? {
                "1" => Some(amount),
                rate => times(&amount, rate, at),
            }
        };
        let mut or_fault = |row: usize| {
            one(row).unwrap_or_else(|| {
                faults.set(row);
                Value::Null
            })
        };
        let values: Vec<Value> = (0..rows).map(&mut or_fault).collect();
        filled(Type::Decimal, &values, faults)
    }

    fn aggregate(
        &self,
        how: Aggregate,
        of: Type,
        path: &Adjacency,
        filter: Option<&Bits>,
        value: Option<&Source>,
        at: Position,
    ) -> Column {
        let Some(value) = value.map(|source| self.read(source)) else {
            let counts = filter.map_or_else(|| reduce::sizes(path), |bits| reduce::counts(path, bits));
            return Column::integers(counts.into_iter().map(i64::from).collect());
        };
        let mut faults = Bits::none(path.rows());
        let one = |row: usize| {
            let mut fold = Fold::new(how, of, at);
            let mut elements = path.list(row).filter(|there| filter.is_none_or(|bits| bits.get(*there)));
            let added = elements.try_for_each(|there| match value.value(there) {
                Some(value) => fold.add(&value),
                None => Err(no_rate("an element", at)),
            });
            added.and_then(|()| fold.finish()).unwrap_or_else(|_: EvalFault| {
                faults.set(row);
                Value::Null
            })
        };
        let values: Vec<Value> = (0..path.rows()).map(one).collect();
        let ty = match how {
            Aggregate::Average => Type::Decimal,
            _ => of,
        };
        filled(ty, &values, faults)
    }

    fn sequence(&self, path: &[Step], filter: Option<&Truths>, time: &Column, moments: &[Moment], rows: usize) -> Bits {
        let path = self.of.data.path(path);
        let conditions: Vec<Arc<Truths>> = moments.iter().map(|moment| self.truths(moment.condition)).collect();
        let forbidden: Vec<Option<Arc<Truths>>> =
            moments.iter().map(|moment| moment.not_between.map(|step| self.truths(step))).collect();
        let mut events: Vec<(i64, usize)> = Vec::new();
        Bits::of(rows, |row| {
            events.clear();
            for there in path.list(row).filter(|there| filter.is_none_or(|truths| truths.yes.get(*there))) {
                if let Some(Value::Timestamp(at)) = time.value(there) {
                    events.push((at, there));
                }
            }
            if !events.is_sorted() {
                events.sort_unstable();
            }
            let meets = |step: usize, event: usize| conditions[step].yes.get(event);
            let forbids = |step: usize, event: usize| forbidden[step].as_ref().is_some_and(|t| t.yes.get(event));
            in_order(&events, moments, meets, forbids)
        })
    }
}

/// As for single records: the latest event that reached each step suffices.
fn in_order(
    events: &[(i64, usize)],
    moments: &[Moment],
    meets: impl Fn(usize, usize) -> bool,
    forbids: impl Fn(usize, usize) -> bool,
) -> bool {
    let mut reached: Vec<Option<i64>> = vec![None; moments.len()];
    let mut between: Vec<Option<i64>> = vec![None; moments.len()];
    for same_time in events.chunk_by(|a, b| a.0 == b.0) {
        let now = same_time[0].0;
        // From the last step to the first, so that a step sees what was reached before this instant; and what is
        // forbidden at this instant lies between only from the next on.
        for step in (0..moments.len()).rev() {
            let may_follow = step == 0
                || reached[step - 1].is_some_and(|last| {
                    let gap = i128::from(now) - i128::from(last);
                    moments[step].within_ms.is_none_or(|within| gap < i128::from(within))
                        && between[step].is_none_or(|forbidden| forbidden <= last)
                });
            if may_follow && same_time.iter().any(|(_, event)| meets(step, *event)) {
                reached[step] = Some(now);
            }
        }
        for (step, last) in between.iter_mut().enumerate() {
            if same_time.iter().any(|(_, event)| forbids(step, *event)) {
                *last = Some(now);
            }
        }
    }
    reached.last().is_some_and(Option::is_some)
}

/// The steps that one is made of.
pub(super) fn needs(op: &Op) -> Vec<usize> {
    let of = |source: &Source| match source {
        Source::Work(step) => Some(*step),
        Source::Field { .. } => None,
    };
    match op {
        Op::Const(_) | Op::Member { .. } | Op::RowByRow(_) => Vec::new(),
        Op::Not(inner) => vec![*inner],
        Op::And(all) | Op::Or(all) => all.clone(),
        Op::Leaf(inputs) | Op::Value(inputs) => inputs.sources.iter().filter_map(of).collect(),
        Op::Quantified { filter, condition, .. } => filter.iter().copied().chain([*condition]).collect(),
        Op::Sequence { filter, moments, .. } => {
            let moments = moments.iter().flat_map(|moment| moment.not_between.into_iter().chain([moment.condition]));
            filter.iter().copied().chain(moments).collect()
        }
        Op::Aggregate { filter, value, .. } => filter.iter().copied().chain(value.iter().filter_map(of)).collect(),
        Op::Base { amount, currency, .. } => [amount, currency].into_iter().filter_map(of).collect(),
    }
}

fn booleans(truths: &Truths) -> Column {
    let code = |row: usize| match (truths.yes.get(row), &truths.unknown) {
        (true, _) => 2,
        (false, Some(unknown)) if unknown.get(row) => 0,
        _ => 1,
    };
    let values = vec![Value::Null, Value::Boolean(false), Value::Boolean(true)];
    Column::coded((0..truths.yes.len()).map(code).collect(), values)
}

fn filled(ty: Type, values: &[Value], faults: Bits) -> Column {
    let mut builder = ColumnBuilder::new(ty.data_type().unwrap_or(DataType::Integer));
    values.iter().for_each(|value| builder.push(value));
    let mut column = builder.finish();
    // Codes know no faults.
    if !faults.is_none() {
        if let Data::Coded { .. } = column.data {
            column.data = Data::Values(values.to_vec());
        }
        column.faults = Some(faults);
    }
    column
}

/// None: too many digits, or no number.
fn times(amount: &Value, rate: &str, at: Position) -> Option<Value> {
    crate::condition::product(at).evaluate(&[amount.clone(), Value::Decimal(rate.to_owned())], 0).ok()
}
