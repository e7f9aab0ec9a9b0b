//! What a checked segment means, read off the tree in the plainest way: sets are lists, quantifiers count, sequences try
//! every way to choose the events. It shares no code with the evaluators.

use super::scalar::naive::{self, Answer, Wrong, ratio};
use super::world::World;
use attiva_core::Value;
use attiva_expr::{Aggregate, EvalFault, Expr, Hop, Kind, Lambda, Quantifier, Sequence, Set, Step};
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// A record: its entity and its row.
type Record = (usize, usize);

/// None: the reading's own numbers do not suffice to tell. A fault is as good as unknown.
pub fn is_true(world: &World, expr: &Expr, entity: usize, row: usize, now: i64) -> Option<Option<bool>> {
    match evaluate(world, expr, &[(entity, row)], now) {
        Ok(Value::Boolean(answer)) => Some(Some(answer)),
        Ok(Value::Null) | Err(Wrong::Fault(_)) => Some(None),
        Ok(other) => panic!("a condition with the value {other:?}"),
        Err(Wrong::CannotTell) => None,
    }
}

fn evaluate(world: &World, expr: &Expr, vars: &[Record], now: i64) -> Answer {
    let other = |expr: &Expr| -> Option<Answer> {
        match &expr.kind {
            Kind::Field(field) => Some(Ok(match reached(world, vars[field.var], &field.hops) {
                Some((entity, row)) => world.rows[entity][row][field.slot].clone(),
                None => Value::Null,
            })),
            Kind::InAudience(m) => {
                Some(Ok(match (reached(world, vars[m.var], &m.hops), world.members.get(&m.audience)) {
                    (Some((_, row)), Some(members)) => Value::Boolean(members.contains(&row)),
                    _ => Value::Null,
                }))
            }
            Kind::Quantified(q) => Some((|| {
                let elements = elements(world, &q.set, vars, now)?;
                let mut met = 0;
                for element in &elements {
                    met += usize::from(holds(world, &q.condition, vars, *element, now)?);
                }
                Ok(Value::Boolean(match &q.how {
                    Quantifier::Exists => met > 0,
                    Quantifier::All => met == elements.len(),
                    Quantifier::None => met == 0,
                    Quantifier::ExistsOne => met == 1,
                    Quantifier::AtLeast(n) => met >= *n as usize,
                    Quantifier::ShareOf(share) => {
                        let (n, d) = ratio(share)?;
                        let whole = |count: usize| i128::try_from(count).expect("small");
                        !elements.is_empty() && whole(met) * d >= whole(elements.len()) * n
                    }
                }))
            })()),
            Kind::Aggregated(a) => Some((|| {
                let elements = elements(world, &a.set, vars, now)?;
                let mut values = Vec::new();
                for element in &elements {
                    let value = match &a.value {
                        Some(value) => evaluate(world, &value.body, &with(vars, *element), now)?,
                        None => Value::Boolean(true),
                    };
                    values.push(value);
                }
                values.retain(|value| *value != Value::Null);
                aggregate(a.how, &values, expr.ty == attiva_expr::Type::Integer)
            })()),
            Kind::Sequence(s) => Some((|| {
                let events = elements(world, &s.set, vars, now)?;
                Ok(Value::Boolean(follows(world, s, &events, vars, now, 0, None)?))
            })()),
            Kind::InBase { amount, currency } => Some((|| {
                let amount = evaluate(world, amount, vars, now)?;
                let Value::Text(currency) = evaluate(world, currency, vars, now)? else { return Ok(amount) };
                if amount == Value::Null {
                    return Ok(amount);
                }
                let Some(rate) = world.rates.get(&currency) else { return Err(Wrong::Fault(EvalFault::NO_RATE)) };
                let Value::Decimal(amount) = amount else { panic!("an amount") };
                let ((an, ad), (bn, bd)) = (ratio(&amount)?, ratio(rate)?);
                decimal(an * bn, ad * bd)
            })()),
            _ => None,
        }
    };
    naive::evaluate_with(expr, &other, now)
}

fn with(vars: &[Record], element: Record) -> Vec<Record> {
    vars.iter().copied().chain([element]).collect()
}

/// Only what is true counts; what the reading cannot tell, nobody can.
fn holds(world: &World, lambda: &Lambda, vars: &[Record], element: Record, now: i64) -> Result<bool, Wrong> {
    match evaluate(world, &lambda.body, &with(vars, element), now) {
        Err(Wrong::CannotTell) => Err(Wrong::CannotTell),
        answer => Ok(answer == Ok(Value::Boolean(true))),
    }
}

fn reached(world: &World, from: Record, hops: &[Hop]) -> Option<Record> {
    let mut at = from;
    for hop in hops {
        let [Step::One(relation)] = hop.steps[..] else { panic!("a relation to one") };
        at = (hop.to, world.names[relation][at.1]?);
    }
    Some(at)
}

fn elements(world: &World, set: &Set, vars: &[Record], now: i64) -> Result<Vec<Record>, Wrong> {
    let mut at = BTreeSet::from([vars[set.from].1]);
    for step in set.steps() {
        at = at.into_iter().flat_map(|row| stepped(world, step, row)).collect();
    }
    let mut elements = Vec::new();
    for row in at {
        let mut passes = true;
        for filter in &set.filters {
            // Levels between are those of variables around; the element comes right after them.
            passes &= holds(world, filter, &vars[..set.level], (set.entity, row), now)?;
        }
        if passes {
            elements.push((set.entity, row));
        }
    }
    Ok(elements)
}

pub fn stepped(world: &World, step: Step, row: usize) -> BTreeSet<usize> {
    let naming = |relation: usize, row: usize| -> BTreeSet<usize> {
        (0..world.names[relation].len()).filter(|other| world.names[relation][*other] == Some(row)).collect()
    };
    let next = |row: usize| -> BTreeSet<usize> {
        match step {
            Step::One(relation) | Step::Ancestors(relation) => world.names[relation][row].into_iter().collect(),
            Step::Many(relation) | Step::Descendants(relation) => naming(relation, row),
        }
    };
    if let Step::One(_) | Step::Many(_) = step {
        return next(row);
    }
    let mut found = next(row);
    loop {
        let more: BTreeSet<usize> = found.iter().flat_map(|row| next(*row)).collect();
        let size = found.len();
        found.extend(more);
        if found.len() == size {
            found.remove(&row);
            return found;
        }
    }
}

fn decimal(n: i128, d: i128) -> Answer {
    let scale = (0..30).find(|scale| 10_i128.pow(*scale) % d == 0).ok_or(Wrong::CannotTell)?;
    Ok(Value::Decimal(format!("{}e-{scale}", n.checked_mul(10_i128.pow(scale) / d).ok_or(Wrong::CannotTell)?)))
}

fn aggregate(how: Aggregate, values: &[Value], integer: bool) -> Answer {
    let number = |value: &Value| match value {
        Value::Integer(i) => Ok((i128::from(*i), 1)),
        Value::Decimal(text) => ratio(text),
        other => panic!("no number: {other:?}"),
    };
    let sum = || {
        values.iter().try_fold((0_i128, 1_i128), |(n, d), value| {
            let (vn, vd) = number(value)?;
            let sum = n.checked_mul(vd).zip(vn.checked_mul(d)).and_then(|(a, b)| a.checked_add(b));
            Ok((sum.ok_or(Wrong::CannotTell)?, d.checked_mul(vd).ok_or(Wrong::CannotTell)?))
        })
    };
    match how {
        Aggregate::Count => Ok(Value::Integer(i64::try_from(values.len()).expect("small"))),
        Aggregate::Sum if integer => {
            i64::try_from(sum()?.0).map(Value::Integer).map_err(|_| Wrong::Fault(EvalFault::OVERFLOW))
        }
        Aggregate::Sum => sum().and_then(|(n, d)| decimal(n, d)),
        Aggregate::Average if values.is_empty() => Ok(Value::Null),
        Aggregate::Average => {
            const SCALE: i128 = 1_000_000_000_000_000_000;
            let (n, d) = sum()?;
            let d = d.checked_mul(i128::try_from(values.len()).expect("small")).ok_or(Wrong::CannotTell)?;
            let n = n.checked_mul(SCALE).ok_or(Wrong::CannotTell)?;
            let (quotient, rest) = (n.div_euclid(d), n.rem_euclid(d));
            let up = match (rest * 2).cmp(&d) {
                Ordering::Less => 0,
                Ordering::Equal => quotient.rem_euclid(2),
                Ordering::Greater => 1,
            };
            decimal(quotient + up, SCALE)
        }
        Aggregate::Min | Aggregate::Max => {
            let mut best = Value::Null;
            for value in values {
                let wins = match (&best, value) {
                    (Value::Null, _) => true,
                    (Value::Timestamp(a), Value::Timestamp(b)) => (a > b) == (how == Aggregate::Min) && a != b,
                    (Value::Date(a), Value::Date(b)) => (a > b) == (how == Aggregate::Min) && a != b,
                    (best, value) => {
                        let ((an, ad), (bn, bd)) = (number(best)?, number(value)?);
                        (an * bd > bn * ad) == (how == Aggregate::Min) && an * bd != bn * ad
                    }
                };
                if wins {
                    best = value.clone();
                }
            }
            Ok(best)
        }
    }
}

/// Whether the steps from `step` on can be taken after the event of the step before.
fn follows(
    world: &World,
    sequence: &Sequence,
    events: &[Record],
    vars: &[Record],
    now: i64,
    step: usize,
    last: Option<i64>,
) -> Result<bool, Wrong> {
    let Some(this) = sequence.steps.get(step) else { return Ok(true) };
    let time = |event: &Record| match world.rows[event.0][event.1][sequence.time] {
        Value::Timestamp(at) => Some(at),
        _ => None,
    };
    for event in events {
        let Some(at) = time(event) else { continue };
        let in_time = last.is_none_or(|last| {
            at > last && this.within_ms.is_none_or(|within| i128::from(at) - i128::from(last) < i128::from(within))
        });
        if !in_time || !holds(world, &this.condition, vars, *event, now)? {
            continue;
        }
        let mut disturbed = false;
        if let (Some(forbidden), Some(last)) = (&this.not_between, last) {
            for other in events {
                let between = time(other).is_some_and(|other| last < other && other < at);
                disturbed |= between && holds(world, forbidden, vars, *other, now)?;
            }
        }
        if !disturbed && follows(world, sequence, events, vars, now, step + 1, Some(at))? {
            return Ok(true);
        }
    }
    Ok(false)
}
