//! `sequence(events, step(e, ..), within(days(3)), step(e, ..), ..)`.

use super::Checker;
use super::names::Place;
use crate::ast::{Expr, Kind, Type};
use crate::problem::{Position, Problem};
use crate::relational::{Lambda, Sequence, SequenceStep, Set};
use attiva_core::{DataType, Value};
use cel::IdedExpr;
use cel::common::ast;

const FORM: &str = "`sequence(events, step(e, e.type == ..), within(days(3)), notBetween(e, ..), step(e, ..))`";

/// Most steps: an evaluator goes through a person's events once, with a note for each step.
const STEPS_MAX: usize = 16;

impl Checker<'_> {
    pub(super) fn sequence(&mut self, args: &[IdedExpr], at: Position) -> Option<Expr> {
        let [set, parts @ ..] = args else {
            return self.fail(Problem::SYNTAX, at, format!("a sequence is written {FORM}"));
        };
        let set_at = self.at(set.id);
        let Place::Set(set) = self.place(set)? else {
            return self.fail(Problem::TYPE, set_at, "a sequence is made of events: `sequence(events, ..)`");
        };
        let time = self.time_of(&set, set_at)?;
        let mut steps: Vec<SequenceStep> = Vec::new();
        let (mut within_ms, mut not_between) = (None, None);
        for part in parts {
            let ast::Expr::Call(call) = &part.expr else {
                let at = self.at(part.id);
                return self.fail(Problem::SYNTAX, at, format!("a sequence is written {FORM}"));
            };
            let at = self.called(part.id).1;
            match (call.func_name.as_str(), steps.is_empty()) {
                ("step", _) => {
                    let condition = self.event_condition(&set, "step", &call.args, at)?;
                    steps.push(SequenceStep {
                        condition,
                        within_ms: within_ms.take(),
                        not_between: not_between.take(),
                    });
                }
                ("within" | "notBetween", true) => {
                    return self.fail(Problem::SYNTAX, at, "this stands between two steps: the first step comes first");
                }
                ("within", false) if within_ms.is_none() => within_ms = Some(self.gap(&call.args, at)?),
                ("notBetween", false) if not_between.is_none() => {
                    not_between = Some(self.event_condition(&set, "notBetween", &call.args, at)?);
                }
                ("within" | "notBetween", false) => {
                    return self.fail(Problem::SYNTAX, at, "there is one of these already between the same two steps");
                }
                (other, _) => {
                    let message = format!("`{other}` is no part of a sequence, which is written {FORM}");
                    return self.unknown(at, message, None);
                }
            }
        }
        if within_ms.is_some() || not_between.is_some() {
            return self.fail(Problem::SYNTAX, at, "a sequence ends with a step");
        }
        if !(2..=STEPS_MAX).contains(&steps.len()) {
            let message = format!("a sequence has 2 to {STEPS_MAX} steps; for one, write `.exists(e, ..)`");
            return self.fail(Problem::TYPE, at, message);
        }
        Some(Expr::new(Kind::Sequence(Box::new(Sequence { set, time, steps })), Type::Boolean, at))
    }

    fn event_condition(&mut self, set: &Set, name: &str, args: &[IdedExpr], at: Position) -> Option<Lambda> {
        let of = format!("`{name}`");
        self.lambda(set, name, args, at, |checker, body| checker.boolean(body, &of))
    }

    /// Where an element has its instant.
    fn time_of(&mut self, set: &Set, at: Position) -> Option<usize> {
        let entity = &self.scope.model()?.entities[set.entity];
        let time = entity.field("time").filter(|field| entity.fields[*field].data_type == DataType::Timestamp);
        if time.is_none() {
            let message = format!("only what has a time can follow each other; {} has none", entity.name);
            return self.fail(Problem::TYPE, at, message);
        }
        time
    }

    fn gap(&mut self, args: &[IdedExpr], at: Position) -> Option<i64> {
        let [length] = args else {
            return self.fail(Problem::TYPE, at, "`within` between steps takes a length: `within(days(3))`");
        };
        let length = self.expr(length)?;
        match length.kind {
            Kind::Literal(Value::Integer(ms)) if length.ty == Type::Duration && ms > 0 => Some(ms),
            _ if length.ty == Type::Months => self
                .unsupported(length.at, "between two events a length is counted: `days(30)`, not in calendar months"),
            _ => {
                self.fail(Problem::LITERAL, length.at, "the time between two steps is written out and over 0: days(3)")
            }
        }
    }
}
