//! What is asked of a set of records, and of a record's audiences.

use super::Checker;
use super::names::{Place, Record, Variable, closest};
use crate::ast::{Expr, Kind, Type};
use crate::decimal;
use crate::problem::{Position, Problem};
use crate::relational::{Aggregate, Aggregated, Lambda, Membership, Quantified, Quantifier, Set};
use attiva_core::Value;
use cel::IdedExpr;
use cel::common::ast::{self, CallExpr};
use std::cmp::Ordering;

const METHODS: [&str; 12] =
    ["exists", "all", "none", "exists_one", "existsOne", "atLeast", "shareOf", "filter", "size", "sum", "min", "max"];
const MORE: [&str; 1] = ["average"];

impl Checker<'_> {
    /// A method of a set.
    pub(super) fn set_method(&mut self, set: Set, call: &CallExpr, id: u64) -> Option<Place> {
        let (name, at) = (call.func_name.as_str(), self.called(id).1);
        let args = call.args.as_slice();
        let quantified = |checker: &mut Self, how, set, args: &[IdedExpr]| {
            checker.quantified(how, set, name, args, at).map(Place::Value)
        };
        match (name, args) {
            ("exists", _) => quantified(self, Quantifier::Exists, set, args),
            ("all", _) => quantified(self, Quantifier::All, set, args),
            ("none", _) => quantified(self, Quantifier::None, set, args),
            ("exists_one" | "existsOne", _) => quantified(self, Quantifier::ExistsOne, set, args),
            ("atLeast", [first, rest @ ..]) => {
                let how = self.at_least(first)?;
                quantified(self, how, set, rest)
            }
            ("shareOf", [first, rest @ ..]) => {
                let how = self.share_of(first)?;
                quantified(self, how, set, rest)
            }
            ("filter", _) => {
                let mut set = set;
                let filter = self.lambda(&set, name, args, at, |checker, body| checker.boolean(body, "`filter`"))?;
                set.filters.push(filter);
                Some(Place::Set(set))
            }
            ("size", []) => Some(Place::Value(self.count(set, at))),
            ("sum", _) => self.aggregated(Aggregate::Sum, set, args, at),
            ("min", _) => self.aggregated(Aggregate::Min, set, args, at),
            ("max", _) => self.aggregated(Aggregate::Max, set, args, at),
            ("average", _) => self.aggregated(Aggregate::Average, set, args, at),
            ("map", _) => self.unsupported(
                at,
                "`map` makes a list, and nothing takes one; write exists(x, ..), sum(x, ..), min, max or average",
            ),
            ("atLeast" | "shareOf" | "size", _) => {
                let form = match name {
                    "atLeast" => "atLeast(3, x, ..)",
                    "shareOf" => "shareOf(0.5, x, ..)",
                    _ => "size()",
                };
                self.fail(Problem::TYPE, at, format!("this is written `.{form}`"))
            }
            _ => {
                let known = METHODS.iter().chain(&MORE).copied();
                self.unknown(at, format!("nothing called `{name}` can be asked of a set"), closest(name, known))
            }
        }
    }

    pub(super) fn count(&mut self, set: Set, at: Position) -> Expr {
        let aggregated = Aggregated { how: Aggregate::Count, set, value: None };
        Expr::new(Kind::Aggregated(Box::new(aggregated)), Type::Integer, at)
    }

    fn quantified(&mut self, how: Quantifier, set: Set, name: &str, args: &[IdedExpr], at: Position) -> Option<Expr> {
        let of = format!("`{name}`");
        let condition = self.lambda(&set, name, args, at, |checker, body| checker.boolean(body, &of))?;
        Some(Expr::new(Kind::Quantified(Box::new(Quantified { how, set, condition })), Type::Boolean, at))
    }

    fn aggregated(&mut self, how: Aggregate, set: Set, args: &[IdedExpr], at: Position) -> Option<Place> {
        let value = self.lambda(&set, how.name(), args, at, Self::expr)?;
        let Some(ty) = how.result(value.body.ty) else {
            let message = match value.body.ty {
                Type::Float => {
                    format!("`{}` of floats would hang on their order; make them exact: decimal(x)", how.name())
                }
                other => format!("`{}` of {} does not exist", how.name(), other.noun()),
            };
            return self.fail(Problem::TYPE, value.body.at, message);
        };
        let aggregated = Aggregated { how, set, value: Some(value) };
        Some(Place::Value(Expr::new(Kind::Aggregated(Box::new(aggregated)), ty, at)))
    }

    /// `x, expression about x`.
    pub(super) fn lambda(
        &mut self,
        set: &Set,
        name: &str,
        args: &[IdedExpr],
        at: Position,
        check: impl FnOnce(&mut Self, &IdedExpr) -> Option<Expr>,
    ) -> Option<Lambda> {
        let [IdedExpr { expr: ast::Expr::Ident(variable), id }, body] = args else {
            let message =
                format!("`{name}` wants a name for an element and what is asked of it: `{name}(x, x.field ..)`");
            return self.fail(Problem::SYNTAX, at, message);
        };
        let taken = self.scope.has_root(variable)
            || self.variables.iter().any(|other| other.name == *variable)
            || matches!(variable.as_str(), "now" | "today" | "events");
        if taken {
            let at = self.at(*id);
            return self.fail(
                Problem::SYNTAX,
                at,
                format!("`{variable}` has a meaning here already; take another name"),
            );
        }
        self.variables.push(Variable { name: variable.clone(), entity: set.entity });
        let body = check(self, body);
        self.variables.pop();
        Some(Lambda { name: variable.clone(), body: body? })
    }

    fn at_least(&mut self, number: &IdedExpr) -> Option<Quantifier> {
        let number = self.expr(number)?;
        match &number.kind {
            Kind::Literal(Value::Integer(n)) if number.ty == Type::Integer && *n > 0 => match u32::try_from(*n) {
                Ok(n) => Some(Quantifier::AtLeast(n)),
                Err(_) => self.fail(Problem::LITERAL, number.at, "there are not that many of anything"),
            },
            _ => self.fail(Problem::LITERAL, number.at, "`atLeast` wants a whole number over 0, written out"),
        }
    }

    fn share_of(&mut self, share: &IdedExpr) -> Option<Quantifier> {
        let share = self.expr(share)?;
        let text = match &share.kind {
            Kind::Literal(Value::Integer(n)) => Some(n.to_string()),
            Kind::Literal(Value::Float(f)) => Some(self.exact.decimal(*f, share.at)),
            _ => None,
        };
        let short = |text: &String| text.len() <= 20;
        let fits = |text: &String| {
            decimal::compare(text, "0") == Ok(Ordering::Greater) && decimal::compare(text, "1") != Ok(Ordering::Greater)
        };
        match text.filter(short).filter(fits) {
            Some(text) => Some(Quantifier::ShareOf(text)),
            None => self.fail(Problem::LITERAL, share.at, "`shareOf` wants a share over 0 and up to 1, like 0.5"),
        }
    }

    /// `inAudience("x")` of the record the expression is about, `record.inAudience("x")` of another.
    pub(super) fn in_audience(&mut self, record: &Record, args: &[IdedExpr], at: Position) -> Option<Expr> {
        let [name] = args else {
            return self.fail(Problem::TYPE, at, "`inAudience` takes the name or id of an audience");
        };
        let name = self.expr(name)?;
        let Kind::Literal(Value::Text(wanted)) = &name.kind else {
            return self.fail(Problem::LITERAL, name.at, "the audience is named in the text: `inAudience(\"name\")`");
        };
        let audience = self.audience(wanted, record, name.at)?;
        let membership = Membership { audience, var: record.var, root: record.name.clone(), hops: record.hops.clone() };
        Some(Expr::new(Kind::InAudience(Box::new(membership)), Type::Boolean, at))
    }

    fn audience(&mut self, wanted: &str, record: &Record, at: Position) -> Option<String> {
        let scope = self.scope;
        let Some(known) = scope.reach().and_then(|reach| reach.audiences.as_ref()) else {
            return Some(wanted.to_owned());
        };
        let Some(found) = known.iter().find(|a| a.id == wanted).or_else(|| known.iter().find(|a| a.name == wanted))
        else {
            let suggestion = closest(wanted, known.iter().map(|a| a.name.as_str()));
            return self.unknown(at, format!("no audience is called {wanted:?}"), suggestion);
        };
        let name_of = |entity: usize| scope.model().map_or("", |model| model.entities[entity].name.as_str());
        match record.entity {
            Some(entity) if entity != found.entity => {
                let (is, wants) = (name_of(found.entity), name_of(entity));
                let message = format!("{wanted:?} is an audience of the entity {is}; this is a record of {wants}");
                self.fail(Problem::TYPE, at, message)
            }
            _ => Some(found.id.clone()),
        }
    }
}
