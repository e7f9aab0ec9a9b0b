//! Literals, and lists of them.

use super::Checker;
use crate::ast::{Expr, Kind, Type};
use crate::decimal;
use crate::problem::{Position, Problem};
use attiva_core::Value;
use cel::common::ast::{ListExpr, LiteralValue};
use std::collections::HashMap;

/// What was written for each number with a point: beside a decimal it is a decimal with exactly these digits, which
/// the parser's float may have lost.
#[derive(Default)]
pub(super) struct Exact(HashMap<Position, String>);

impl Exact {
    /// The decimal text of a float literal at this place.
    pub(super) fn decimal(&self, float: f64, at: Position) -> String {
        self.0.get(&at).cloned().unwrap_or_else(|| float.to_string())
    }
}

impl Checker<'_> {
    pub(super) fn literal(&mut self, literal: &LiteralValue, id: u64) -> Option<Expr> {
        let at = self.at(id);
        let (value, ty) = match literal {
            LiteralValue::Null => (Value::Null, Type::Null),
            LiteralValue::Boolean(b) => (Value::Boolean(*b.inner()), Type::Boolean),
            LiteralValue::Int(i) => (Value::Integer(*i.inner()), Type::Integer),
            LiteralValue::UInt(u) => match i64::try_from(*u.inner()) {
                Ok(i) => (Value::Integer(i), Type::Integer),
                Err(_) => return self.fail(Problem::LITERAL, at, "an integer over 64 bits with a sign"),
            },
            LiteralValue::Double(f) => {
                self.remember_exact(*f.inner(), id, at);
                (Value::Float(*f.inner()), Type::Float)
            }
            LiteralValue::String(s) => (Value::Text(s.inner().to_owned()), Type::Text),
            LiteralValue::Bytes(b) => (Value::Bytes(b.inner().to_vec()), Type::Bytes),
        };
        Some(Expr::new(Kind::Literal(value), ty, at))
    }

    fn remember_exact(&mut self, float: f64, id: u64, at: Position) {
        let Some((start, stop)) = self.info.offset_for(id) else { return };
        let Some(written) = self.text.get(start as usize..=stop as usize) else { return };
        // The parser gives the place of the digits, without their sign.
        let sign = if float.is_sign_negative() { "-" } else { "" };
        if let Ok(text) = decimal::plain(&format!("{sign}{written}")) {
            self.exact.0.insert(at, text);
        }
    }

    /// A list by itself is a list of text. What stands right of `in` is another matter.
    pub(super) fn list(&mut self, list: &ListExpr, at: Position) -> Option<Expr> {
        let elements = self.elements(list)?;
        for element in &elements {
            if element.ty != Type::Text {
                let message = format!("a list as a value holds texts; this is {}", element.ty.noun());
                return self.fail(Problem::TYPE, element.at, message);
            }
        }
        Some(Expr::new(Kind::List(elements), Type::TextList, at))
    }

    pub(super) fn elements(&mut self, list: &ListExpr) -> Option<Vec<Expr>> {
        let checked: Vec<Option<Expr>> = list.elements.iter().map(|e| self.expr(e)).collect();
        checked.into_iter().collect()
    }
}
