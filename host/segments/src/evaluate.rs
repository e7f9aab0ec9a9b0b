//! The answer of a condition for one record.

use crate::condition::{Amount, Ask, Code, Condition, Input, Inputs, Moment, Reached, Read, Records};
use crate::graph::{Id, Surroundings};
use crate::logic::Truth;
use crate::scalar::{poison, with_reason};
use attiva_core::Value;
use attiva_expr::{EvalFault, Expr, Fold, Kind, Position, Program, Quantifier, Step};
use std::borrow::Cow;
use std::collections::HashSet;

/// The records that the variables in sight stand for.
#[derive(Clone, Copy)]
pub(crate) struct Vars<'a> {
    outer: Option<&'a Vars<'a>>,
    level: usize,
    id: Id,
}

impl<'a> Vars<'a> {
    pub(crate) fn root(id: Id) -> Self {
        Self { outer: None, level: 0, id }
    }

    pub(crate) fn with(&'a self, id: Id) -> Vars<'a> {
        Vars { outer: Some(self), level: self.level + 1, id }
    }

    fn get(&self, level: usize) -> Id {
        let mut vars = self;
        while vars.level > level {
            match vars.outer {
                Some(outer) => vars = outer,
                None => break,
            }
        }
        vars.id
    }
}

impl Condition {
    pub(crate) fn answer(&self, vars: &Vars, around: &Surroundings) -> Result<Truth, EvalFault> {
        self.formula.answer(&|leaf| self.leaves[leaf].ask.answer(vars, around))
    }

    /// Inside of a set only what is true counts.
    pub(crate) fn is_true(&self, vars: &Vars, around: &Surroundings) -> bool {
        self.answer(vars, around) == Ok(Truth::True)
    }
}

impl Ask {
    pub(crate) fn answer(&self, vars: &Vars, around: &Surroundings) -> Result<Truth, EvalFault> {
        match self {
            Self::Scalar(code, _) => code.truth(vars, around),
            Self::Quantified { how, set, condition } => {
                let elements = set.elements(vars, around);
                Ok(quantified(how, elements.iter().map(|id| condition.is_true(&vars.with(*id), around))).into())
            }
            Self::Member { audience, of } => {
                let member = of.id(vars, around).and_then(|id| around.graph.is_member(audience, id));
                Ok(member.into())
            }
            Self::Sequence { set, time, steps } => Ok(sequence(set, *time, steps, vars, around).into()),
        }
    }
}

/// Stops as soon as it is decided.
fn quantified(how: &Quantifier, mut met: impl ExactSizeIterator<Item = bool>) -> bool {
    let elements = met.len();
    match how {
        Quantifier::Exists => met.any(|met| met),
        Quantifier::All => met.all(|met| met),
        Quantifier::None => !met.any(|met| met),
        Quantifier::ExistsOne => met.filter(|met| *met).take(2).count() == 1,
        Quantifier::AtLeast(n) => {
            let n = usize::try_from(*n).unwrap_or(usize::MAX);
            met.filter(|met| *met).take(n).count() == n
        }
        Quantifier::ShareOf(share) => share_is_met(share, met.filter(|met| *met).count(), elements),
    }
}

/// Whether `met` of `all` are at least the share: exact, by whole numbers.
pub(crate) fn share_is_met(share: &str, met: usize, all: usize) -> bool {
    let (whole, fraction) = share.split_once('.').unwrap_or((share, ""));
    let scale = u32::try_from(fraction.len()).unwrap_or(u32::MAX);
    let (Ok(share), Some(one)) = (format!("{whole}{fraction}").parse::<u128>(), 10_u128.checked_pow(scale)) else {
        return false;
    };
    let product = |count: usize, factor: u128| u128::try_from(count).ok().and_then(|n| n.checked_mul(factor));
    all > 0 && product(met, one) >= product(all, share)
}

/// For each step it suffices to know the latest event that was reached: whatever a later event must keep to, it keeps to
/// after the latest if after any. Events of one instant do not follow each other.
fn sequence(set: &Records, time: usize, steps: &[Moment], vars: &Vars, around: &Surroundings) -> bool {
    let graph = around.graph;
    let at = |id: Id| match graph.row(set.entity, id).get(time) {
        Some(Value::Timestamp(ms)) => Some((*ms, id)),
        _ => None,
    };
    let mut events: Vec<(i64, Id)> = set.elements(vars, around).into_iter().filter_map(at).collect();
    events.sort_unstable();
    let mut reached: Vec<Option<i64>> = vec![None; steps.len()];
    let mut forbidden: Vec<Option<i64>> = vec![None; steps.len()];
    for same_time in events.chunk_by(|a, b| a.0 == b.0) {
        let now = same_time[0].0;
        let before = (reached.clone(), forbidden.clone());
        for (_, id) in same_time {
            let event = vars.with(*id);
            for (i, step) in steps.iter().enumerate() {
                if step.not_between.as_ref().is_some_and(|not| not.is_true(&event, around)) {
                    forbidden[i] = Some(now);
                }
                let follows = i == 0
                    || before.0[i - 1].is_some_and(|last| {
                        let soon =
                            step.within_ms.is_none_or(|within| i128::from(now) - i128::from(last) < i128::from(within));
                        soon && before.1[i].is_none_or(|between| between <= last)
                    });
                if follows && step.condition.is_true(&event, around) {
                    reached[i] = Some(now);
                }
            }
        }
    }
    reached.last().is_some_and(Option::is_some)
}

impl Reached {
    /// None: a relation on the way names nobody.
    pub(crate) fn id(&self, vars: &Vars, around: &Surroundings) -> Option<Id> {
        let start = vars.get(self.var);
        self.steps.iter().try_fold(start, |id, step| around.graph.step(*step, id).first().copied())
    }
}

impl Records {
    /// What the path leads to, each once, before the filter.
    pub(crate) fn all(&self, vars: &Vars, around: &Surroundings) -> Vec<Id> {
        let mut at = vec![vars.get(self.from)];
        for step in &self.steps {
            let mut seen = HashSet::new();
            let next = at.iter().flat_map(|id| follow(*step, *id, around).into_owned());
            at = next.filter(|id| seen.insert(*id)).collect();
        }
        at
    }

    /// Those that the filters let through.
    pub(crate) fn elements(&self, vars: &Vars, around: &Surroundings) -> Vec<Id> {
        let mut all = self.all(vars, around);
        all.retain(|id| self.filters.iter().all(|filter| filter.is_true(&vars.with(*id), around)));
        all
    }
}

fn follow<'a>(step: Step, id: Id, around: &Surroundings<'a>) -> Cow<'a, [Id]> {
    let one = match step {
        Step::One(_) | Step::Many(_) => return around.graph.step(step, id),
        Step::Ancestors(relation) => Step::One(relation),
        Step::Descendants(relation) => Step::Many(relation),
    };
    let mut seen = HashSet::from([id]);
    let mut found = Vec::new();
    let mut open = vec![id];
    while let Some(at) = open.pop() {
        for next in around.graph.step(one, at).iter().copied() {
            if seen.insert(next) {
                found.push(next);
                open.push(next);
            }
        }
    }
    Cow::Owned(found)
}

impl Code {
    pub(crate) fn truth(&self, vars: &Vars, around: &Surroundings) -> Result<Truth, EvalFault> {
        self.run(vars, around, |program, row| program.truth(row, around.now)).map(Truth::from)
    }

    pub(crate) fn value(&self, vars: &Vars, around: &Surroundings) -> Result<Value, EvalFault> {
        self.run(vars, around, |program, row| program.evaluate(row, around.now))
    }

    /// The value that an expression of the leaf has read; null where there is none.
    pub(crate) fn read(&self, expr: &Expr, vars: &Vars, around: &Surroundings) -> Value {
        match (&self.inputs, &expr.kind) {
            (Inputs::Row(of), Kind::Field(field)) => {
                around.graph.row(of.entity, vars.get(of.var)).get(field.slot).cloned().unwrap_or(Value::Null)
            }
            (Inputs::Each(reads), kind) => {
                let value = reads.iter().find_map(|read| match (&read.input, &read.of.kind) {
                    (input, of) if of == kind => Some(input.value(vars, around)),
                    // An amount is compared in another currency, and shown as it stands.
                    (Input::Base(base), Kind::InBase { amount, .. }) if amount.kind == *kind => {
                        Some(base.amount.value(vars, around))
                    }
                    (Input::Base(base), Kind::InBase { currency, .. }) if currency.kind == *kind => {
                        Some(base.currency.value(vars, around))
                    }
                    _ => None,
                });
                value.and_then(Result::ok).unwrap_or(Value::Null)
            }
            _ => Value::Null,
        }
    }

    /// Runs something on what the program reads.
    pub(crate) fn run<T>(
        &self,
        vars: &Vars,
        around: &Surroundings,
        run: impl FnOnce(&Program, &[Value]) -> Result<T, EvalFault>,
    ) -> Result<T, EvalFault> {
        match &self.inputs {
            Inputs::Row(of) => run(&self.program, &around.graph.row(of.entity, vars.get(of.var))),
            Inputs::Each(inputs) => {
                let mut reason = None;
                let value = |read: &Read| match read.input.value(vars, around) {
                    Ok(value) => value,
                    Err(fault) => {
                        reason.get_or_insert(fault);
                        poison(read.of.ty)
                    }
                };
                let row: Vec<Value> = inputs.iter().map(value).collect();
                with_reason(run(&self.program, &row), reason)
            }
        }
    }
}

impl Input {
    fn value(&self, vars: &Vars, around: &Surroundings) -> Result<Value, EvalFault> {
        match self {
            Self::Field { of, slot } => {
                let Some(id) = of.id(vars, around) else { return Ok(Value::Null) };
                Ok(around.graph.row(of.entity, id).get(*slot).cloned().unwrap_or(Value::Null))
            }
            Self::Truth(ask) => ask.answer(vars, around).map(|truth| match truth {
                Truth::True => Value::Boolean(true),
                Truth::False => Value::Boolean(false),
                Truth::Unknown => Value::Null,
            }),
            Self::Aggregate { how, of, set, value, at } => {
                let mut fold = Fold::new(*how, *of, *at);
                for id in set.elements(vars, around) {
                    let value = value.as_ref().map(|value| value.value(&vars.with(id), around)).transpose()?;
                    fold.add(&value.unwrap_or(Value::Null))?;
                }
                fold.finish()
            }
            Self::Base(amount) => amount.in_base(vars, around),
        }
    }
}

impl Amount {
    fn in_base(&self, vars: &Vars, around: &Surroundings) -> Result<Value, EvalFault> {
        let amount = self.amount.value(vars, around)?;
        match (&amount, self.currency.value(vars, around)?) {
            (Value::Null, _) | (_, Value::Null) => Ok(amount),
            (_, Value::Text(currency)) => match around.rates.rate(&currency) {
                None => Err(no_rate(&currency, self.at)),
                Some(rate) if rate == "1" => Ok(amount),
                Some(rate) => self.product.evaluate(&[amount, Value::Decimal(rate)], around.now),
            },
            _ => Ok(Value::Null),
        }
    }
}

pub(crate) fn no_rate(currency: &str, at: Position) -> EvalFault {
    EvalFault::new(EvalFault::NO_RATE, at, format!("there is no rate of exchange for {currency}"))
}
