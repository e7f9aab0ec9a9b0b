//! Operators: comparison, connectives, arithmetic, membership, choice.

use super::Checker;
use super::names::{Place, bare, number_of};
use crate::ast::{ArithmeticOp, Case, CompareOp, Expr, Kind, Type};
use crate::problem::{Position, Problem};
use attiva_core::Value;
use cel::IdedExpr;
use cel::common::ast::{self, CallExpr, operators as op};

impl Checker<'_> {
    /// An operator, a function or a method.
    pub(super) fn call(&mut self, call: &CallExpr, id: u64) -> Option<Place> {
        let at = self.at(id);
        let value = match (call.func_name.as_str(), call.args.as_slice()) {
            (op::LOGICAL_AND, _) => self.connective(call, true, at),
            (op::LOGICAL_OR, _) => self.connective(call, false, at),
            (op::LOGICAL_NOT, [operand]) => {
                let operand = self.boolean(operand, "`!`")?;
                Some(Expr::new(Kind::Not(Box::new(operand)), Type::Boolean, at))
            }
            (op::EQUALS, [l, r]) => self.comparison(CompareOp::Eq, l, r, at),
            (op::NOT_EQUALS, [l, r]) => self.comparison(CompareOp::Ne, l, r, at),
            (op::LESS, [l, r]) => self.comparison(CompareOp::Lt, l, r, at),
            (op::LESS_EQUALS, [l, r]) => self.comparison(CompareOp::Le, l, r, at),
            (op::GREATER, [l, r]) => self.comparison(CompareOp::Gt, l, r, at),
            (op::GREATER_EQUALS, [l, r]) => self.comparison(CompareOp::Ge, l, r, at),
            (op::IN, [l, r]) => self.membership(l, r, at),
            (op::ADD, [l, r]) => self.arithmetic(ArithmeticOp::Add, l, r, at),
            (op::SUBSTRACT, [l, r]) => self.arithmetic(ArithmeticOp::Subtract, l, r, at),
            (op::MULTIPLY, [l, r]) => self.arithmetic(ArithmeticOp::Multiply, l, r, at),
            (op::DIVIDE, [l, r]) => self.arithmetic(ArithmeticOp::Divide, l, r, at),
            (op::MODULO, [l, r]) => self.arithmetic(ArithmeticOp::Remainder, l, r, at),
            (op::NEGATE, [operand]) => self.negation(operand, at),
            (op::CONDITIONAL, [_, _, _]) => self.choice(call, at),
            (op::INDEX | op::OPT_INDEX, _) => self.unsupported(at, "reading an element by `[..]` is not offered here"),
            _ => return self.named_call(call, id),
        };
        value.map(Place::Value)
    }

    pub(super) fn boolean(&mut self, expr: &IdedExpr, of: &str) -> Option<Expr> {
        let checked = self.expr(expr)?;
        if checked.ty == Type::Boolean {
            return Some(checked);
        }
        let message = format!("{of} wants a condition here; this is {}", checked.ty.noun());
        self.fail(Problem::TYPE, checked.at, message)
    }

    /// `a && b && c`: the parser balances a chain into a tree, here it is one node again.
    fn connective(&mut self, call: &CallExpr, and: bool, at: Position) -> Option<Expr> {
        let sign = if and { "`&&`" } else { "`||`" };
        let operands: Vec<Option<Expr>> = call.args.iter().map(|arg| self.boolean(arg, sign)).collect();
        let mut flat = Vec::new();
        for operand in operands.into_iter().collect::<Option<Vec<_>>>()? {
            match operand.kind {
                Kind::And(inner) if and => flat.extend(inner),
                Kind::Or(inner) if !and => flat.extend(inner),
                _ => flat.push(operand),
            }
        }
        Some(Expr::new(if and { Kind::And(flat) } else { Kind::Or(flat) }, Type::Boolean, at))
    }

    fn two(&mut self, left: &IdedExpr, right: &IdedExpr) -> Option<(Expr, Expr)> {
        let (left, right) = (self.expr(left), self.expr(right));
        Some((left?, right?))
    }

    fn comparison(&mut self, op: CompareOp, left: &IdedExpr, right: &IdedExpr, at: Position) -> Option<Expr> {
        let (left, right) = self.two(left, right)?;
        let is_null = |e: &Expr| e.kind == Kind::Literal(Value::Null);
        let tested = match (is_null(&left), is_null(&right)) {
            (false, false) => return self.ordinary_comparison(op, left, right, at),
            (true, _) => right,
            (false, true) => left,
        };
        // A comparison with a value that happens to be null is unknown. Whoever writes `null` asks whether it is.
        let test = Expr::new(Kind::IsNull(Box::new(bare(tested))), Type::Boolean, at);
        match op {
            CompareOp::Eq => Some(test),
            CompareOp::Ne => Some(Expr::new(Kind::Not(Box::new(test)), Type::Boolean, at)),
            _ => self.fail(Problem::TYPE, at, "null has no order; to ask for a value, write `!= null`"),
        }
    }

    fn ordinary_comparison(&mut self, op: CompareOp, left: Expr, right: Expr, at: Position) -> Option<Expr> {
        let (left, right, ty) = self.unify_two(left, right, "compared")?;
        if !ty.is_comparable() {
            let message = match ty {
                Type::TextList => "lists are not compared; ask for an element: `\"x\" in list`",
                _ => "JSON is not compared; take a value out of it in the mapping",
            };
            return self.fail(Problem::TYPE, at, message);
        }
        Some(compare_money(op, &left, &right, at).unwrap_or_else(|| compare(op, left, right, at)))
    }

    fn membership(&mut self, value: &IdedExpr, list: &IdedExpr, at: Position) -> Option<Expr> {
        let ast::Expr::List(elements) = &list.expr else {
            return self.membership_of_list(value, list, at);
        };
        let (value, elements) = (self.expr(value), self.elements(elements));
        let (value, elements) = (value?, elements?);
        if let Some(null) = elements.iter().find(|e| e.ty == Type::Null) {
            return self.fail(Problem::TYPE, null.at, "nothing equals null; write `|| x == null` beside the list");
        }
        let all = std::iter::once(value).chain(elements).collect();
        let (unified, ty) = self.unify(all, "compared")?;
        if !ty.is_comparable() {
            return self.fail(Problem::TYPE, at, format!("{} cannot be looked for in a list", ty.noun()));
        }
        let mut unified = unified.into_iter();
        let value = Box::new(unified.next()?);
        Some(Expr::new(Kind::In { value, list: unified.collect() }, Type::Boolean, at))
    }

    fn membership_of_list(&mut self, value: &IdedExpr, list: &IdedExpr, at: Position) -> Option<Expr> {
        let (value, list) = self.two(value, list)?;
        match (value.ty, list.ty) {
            (Type::Text, Type::TextList) => {
                Some(Expr::new(Kind::InList { value: Box::new(value), list: Box::new(list) }, Type::Boolean, at))
            }
            (_, Type::TextList) => {
                let message = format!("a list of text holds no {}", value.ty.noun());
                self.fail(Problem::TYPE, value.at, message)
            }
            (_, other) => {
                let message = format!("`in` wants a list on its right; this is {}", other.noun());
                self.fail(Problem::TYPE, list.at, message)
            }
        }
    }

    fn arithmetic(&mut self, op: ArithmeticOp, left: &IdedExpr, right: &IdedExpr, at: Position) -> Option<Expr> {
        use ArithmeticOp::{Add, Subtract};
        let (left, right) = self.two(left, right)?;
        match (op, left.ty, right.ty) {
            (Add, Type::Text, Type::Text) => Some(concat(left, right, at)),
            (Add, Type::Timestamp, Type::Duration) | (Add, Type::Duration, Type::Timestamp) => {
                Some(arithmetic(op, left, right, Type::Timestamp, at))
            }
            (Subtract, Type::Timestamp, Type::Duration) => Some(arithmetic(op, left, right, Type::Timestamp, at)),
            (Subtract, Type::Timestamp, Type::Timestamp) => Some(arithmetic(op, left, right, Type::Duration, at)),
            (Add | Subtract, Type::Timestamp, Type::Months) => self.moved_by_months(left, right, op == Subtract, at),
            (Add, Type::Months, Type::Timestamp) => self.moved_by_months(right, left, false, at),
            (Add | Subtract, Type::Duration, Type::Duration) => Some(arithmetic(op, left, right, Type::Duration, at)),
            (Add | Subtract, Type::Date, Type::Duration) => self.fail(
                Problem::TYPE,
                at,
                "a duration moves an instant, not a date; write timestamp(x), or date(now - ..)",
            ),
            _ => self.numeric(op, left, right, at),
        }
    }

    fn numeric(&mut self, op: ArithmeticOp, left: Expr, right: Expr, at: Position) -> Option<Expr> {
        let verb = match op {
            ArithmeticOp::Add => "added",
            ArithmeticOp::Subtract => "subtracted",
            ArithmeticOp::Multiply => "multiplied",
            ArithmeticOp::Divide => "divided",
            ArithmeticOp::Remainder => "divided with a remainder",
        };
        let (left, right, ty) = self.unify_two(left, right, verb)?;
        match (op, ty) {
            (_, Type::Integer) => {}
            (ArithmeticOp::Remainder, _) => {
                return self.fail(Problem::TYPE, at, format!("`%` works on integers; this is {}", ty.noun()));
            }
            (_, Type::Decimal | Type::Float) => {}
            // A list, a boolean, two texts and a minus.
            _ => return self.fail(Problem::TYPE, at, format!("{} cannot be {verb}", ty.noun())),
        }
        Some(arithmetic(op, left, right, ty, at))
    }

    fn negation(&mut self, operand: &IdedExpr, at: Position) -> Option<Expr> {
        let operand = self.expr(operand)?;
        match operand.ty {
            ty @ (Type::Integer | Type::Decimal | Type::Float) => {
                Some(Expr::new(Kind::Negate(Box::new(operand)), ty, at))
            }
            ty => self.fail(Problem::TYPE, at, format!("`-` wants a number; this is {}", ty.noun())),
        }
    }

    /// `a ? b : c ? d : e`: one choice with two cases.
    fn choice(&mut self, call: &CallExpr, at: Position) -> Option<Expr> {
        let mut conditions = Vec::new();
        let mut results = Vec::new();
        let mut rest = call;
        loop {
            let [condition, then, otherwise] = rest.args.as_slice() else {
                return self.fail(Problem::SYNTAX, at, "a choice is written `condition ? value : other value`");
            };
            conditions.push(self.boolean(condition, "`?`"));
            results.push(self.expr(then));
            match &otherwise.expr {
                ast::Expr::Call(next) if next.func_name == op::CONDITIONAL => rest = next,
                _ => {
                    results.push(self.expr(otherwise));
                    break;
                }
            }
        }
        let conditions = conditions.into_iter().collect::<Option<Vec<_>>>()?;
        let (mut results, ty) = self.unify(results.into_iter().collect::<Option<_>>()?, "results of one choice")?;
        let otherwise = Box::new(results.pop()?);
        let cases = conditions.into_iter().zip(results).map(|(when, then)| Case { when, then }).collect();
        Some(Expr::new(Kind::Choose { cases, otherwise }, ty, at))
    }
}

fn compare(op: CompareOp, left: Expr, right: Expr, at: Position) -> Expr {
    Expr::new(Kind::Compare { op, left: Box::new(left), right: Box::new(right) }, Type::Boolean, at)
}

/// Two amounts of one currency compare as they are; others in the currency that amounts are compared in.
pub(crate) fn compare_money(op: CompareOp, left: &Expr, right: &Expr, at: Position) -> Option<Expr> {
    let (Kind::InBase { currency: of_l, .. }, Kind::InBase { currency: of_r, .. }) = (&left.kind, &right.kind) else {
        return None;
    };
    let known = |currency: &Expr| {
        let none = Expr::new(Kind::Literal(Value::Text(String::new())), Type::Text, at);
        Expr::new(Kind::Coalesce(vec![currency.clone(), none]), Type::Text, at)
    };
    let when = compare(CompareOp::Eq, known(of_l), known(of_r), at);
    let then = compare(op, number_of(left.clone()), number_of(right.clone()), at);
    let otherwise = Box::new(compare(op, left.clone(), right.clone(), at));
    Some(Expr::new(Kind::Choose { cases: vec![Case { when, then }], otherwise }, Type::Boolean, at))
}

fn arithmetic(op: ArithmeticOp, left: Expr, right: Expr, ty: Type, at: Position) -> Expr {
    Expr::new(Kind::Arithmetic { op, left: Box::new(left), right: Box::new(right) }, ty, at)
}

fn concat(left: Expr, right: Expr, at: Position) -> Expr {
    let mut parts = Vec::new();
    for side in [left, right] {
        match side.kind {
            Kind::Concat(inner) => parts.extend(inner),
            _ => parts.push(side),
        }
    }
    Expr::new(Kind::Concat(parts), Type::Text, at)
}
