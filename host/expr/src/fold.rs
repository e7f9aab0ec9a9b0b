//! One value of many: what an aggregate makes of the values of a set, one after the other.

use crate::ast::{CompareOp, Type};
use crate::decimal::Number;
use crate::operate::{self, decimal_fault, overflow};
use crate::problem::Position;
use crate::program::EvalFault;
use crate::relational::Aggregate;
use attiva_core::Value;

/// An aggregate on its way. The order of the values makes no difference.
#[derive(Debug)]
pub struct Fold {
    how: Aggregate,
    at: Position,
    integers: bool,
    count: i64,
    whole: i128,
    decimal: Number,
    extreme: Option<Value>,
}

impl Fold {
    /// For values of a type; `at` is where faults are said to be.
    #[must_use]
    pub fn new(how: Aggregate, of: Type, at: Position) -> Self {
        let integers = of == Type::Integer;
        Self { how, at, integers, count: 0, whole: 0, decimal: Number::ZERO, extreme: None }
    }

    /// Null is left out; of a count, every element is counted.
    pub fn add(&mut self, value: &Value) -> Result<(), EvalFault> {
        if value.is_null() && self.how != Aggregate::Count {
            return Ok(());
        }
        self.count += 1;
        match (self.how, value) {
            (Aggregate::Count, _) => {}
            (Aggregate::Sum | Aggregate::Average, Value::Integer(i)) => self.whole += i128::from(*i),
            (Aggregate::Sum | Aggregate::Average, Value::Decimal(text)) => {
                let sum = Number::parse(text).and_then(|number| self.decimal.add(number));
                self.decimal = sum.map_err(|trouble| decimal_fault(trouble, &[text], self.at))?;
            }
            (Aggregate::Min, _) => self.keep(value, CompareOp::Lt)?,
            (Aggregate::Max, _) => self.keep(value, CompareOp::Gt)?,
            _ => return Err(operate::mismatch(&[value], self.at)),
        }
        Ok(())
    }

    fn keep(&mut self, value: &Value, better: CompareOp) -> Result<(), EvalFault> {
        let is_better = match &self.extreme {
            None => true,
            Some(kept) => operate::compare(value, kept, self.at)?.is_some_and(|order| better.holds(order)),
        };
        if is_better {
            self.extreme = Some(value.clone());
        }
        Ok(())
    }

    pub fn finish(self) -> Result<Value, EvalFault> {
        let whole = |at| i64::try_from(self.whole).map(Value::Integer).map_err(|_| overflow(at));
        match self.how {
            Aggregate::Count => Ok(Value::Integer(self.count)),
            Aggregate::Sum if self.integers => whole(self.at),
            Aggregate::Sum => Ok(Value::Decimal(self.decimal.to_string())),
            Aggregate::Average if self.count == 0 => Ok(Value::Null),
            Aggregate::Average => {
                let sum = if self.integers { Number::whole(self.whole) } else { self.decimal };
                let average = sum.divide(Number::whole(self.count.into()));
                average.map(|n| Value::Decimal(n.to_string())).map_err(|trouble| decimal_fault(trouble, &[], self.at))
            }
            Aggregate::Min | Aggregate::Max => Ok(self.extreme.unwrap_or(Value::Null)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(how: Aggregate, of: Type, values: &[Value]) -> Result<Value, &'static str> {
        let mut fold = Fold::new(how, of, Position::START);
        values.iter().try_for_each(|value| fold.add(value)).and_then(|()| fold.finish()).map_err(|fault| fault.code())
    }

    #[test]
    fn null_is_left_out_and_nothing_sums_to_zero() {
        let (int, dec) = (Value::Integer, |text: &str| Value::Decimal(text.to_owned()));
        let numbers = [int(1), Value::Null, int(2), int(2)];
        for (how, expected, of_none) in [
            (Aggregate::Count, int(4), int(0)),
            (Aggregate::Sum, int(5), int(0)),
            (Aggregate::Min, int(1), Value::Null),
            (Aggregate::Max, int(2), Value::Null),
            (Aggregate::Average, dec("1.666666666666666667"), Value::Null),
        ] {
            assert_eq!(fold(how, Type::Integer, &numbers), Ok(expected), "{how:?}");
            assert_eq!(fold(how, Type::Integer, &[]), Ok(of_none), "{how:?}");
        }
        let amounts = [dec("0.1"), dec("0.20"), Value::Null];
        assert_eq!(fold(Aggregate::Sum, Type::Decimal, &amounts), Ok(dec("0.30")));
        assert_eq!(fold(Aggregate::Average, Type::Decimal, &amounts), Ok(dec("0.15")));
        assert_eq!(fold(Aggregate::Max, Type::Decimal, &amounts), Ok(dec("0.20")));
        assert_eq!(fold(Aggregate::Sum, Type::Decimal, &[]), Ok(dec("0")));
    }

    #[test]
    fn what_is_too_large_is_said_at_the_end() {
        let (most, least) = (Value::Integer(i64::MAX), Value::Integer(-1));
        assert_eq!(fold(Aggregate::Sum, Type::Integer, &[most.clone(), Value::Integer(1), least]), Ok(most.clone()));
        assert_eq!(fold(Aggregate::Sum, Type::Integer, &[most, Value::Integer(1)]), Err(EvalFault::OVERFLOW));
        assert_eq!(fold(Aggregate::Sum, Type::Decimal, &[Value::Decimal("x".into())]), Err(EvalFault::CONVERSION));
    }
}
