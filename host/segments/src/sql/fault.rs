//! Where an evaluation fails. SQL has null for what fails as for what is missing; where the two differ, it is asked.
//! What is over 64 bits or 38 digits is each engine's own.

use super::scalar::{FALSE, TRUE};
use super::{Result, Writer};
use attiva_expr::{ArithmeticOp, Expr, Function, Kind, Type};

impl Writer<'_> {
    /// That evaluating it fails, as a condition that is never unknown; none where it cannot.
    pub(super) fn fault(&mut self, expr: &Expr) -> Result<Option<String>> {
        if let Some(constant) = self.constant(expr) {
            return Ok(constant.is_err().then(|| TRUE.to_owned()));
        }
        if !may_fail(expr) {
            return Ok(None);
        }
        Ok(match &expr.kind {
            // Of an element only what is true counts, and nothing goes out of a set.
            Kind::Quantified(_) | Kind::Sequence(_) | Kind::InAudience(_) => None,
            Kind::And(all) => self.undecided(all, false)?,
            Kind::Or(all) => self.undecided(all, true)?,
            Kind::In { value, list } => {
                let of_value = self.fault(value)?;
                let of_list = any(list.iter().map(|one| self.fault(one)).collect::<Result<_>>()?);
                // One that is equal decides, whatever the others are.
                let of_list = match of_list {
                    Some(fails) => Some(format!("({fails} AND {})", not_true(&self.truth(expr)?))),
                    None => None,
                };
                any(vec![of_value, of_list])
            }
            Kind::Choose { cases, otherwise } => {
                let mut text = String::from("(CASE");
                for case in cases {
                    if let Some(fails) = self.fault(&case.when)? {
                        text += &format!(" WHEN {fails} THEN {TRUE}");
                    }
                    let of_result = self.fault_or_not(&case.then)?;
                    text += &format!(" WHEN {} THEN {of_result}", self.truth(&case.when)?);
                }
                Some(text + &format!(" ELSE {} END)", self.fault_or_not(otherwise)?))
            }
            Kind::Coalesce(all) => {
                let mut text = String::from("(CASE");
                for one in all {
                    if let Some(fails) = self.fault(one)? {
                        text += &format!(" WHEN {fails} THEN {TRUE}");
                    }
                    text += &format!(" WHEN {} THEN {FALSE}", self.presence(one)?);
                }
                Some(text + &format!(" ELSE {FALSE} END)"))
            }
            Kind::Aggregated(a) => match &a.value {
                Some(value) => self.some_element_fails(&a.set, &value.body)?,
                None => None,
            },
            _ => {
                let mut all: Vec<Option<String>> = Vec::new();
                for operand in expr.operands() {
                    all.push(self.fault(operand)?);
                }
                if fails_itself(expr) {
                    all.push(Some(self.fails_itself(expr)?));
                }
                any(all)
            }
        })
    }

    fn fault_or_not(&mut self, expr: &Expr) -> Result<String> {
        Ok(self.fault(expr)?.unwrap_or_else(|| FALSE.to_owned()))
    }

    /// One that decides does so whatever the others are, a fault among them included.
    fn undecided(&mut self, all: &[Expr], deciding: bool) -> Result<Option<String>> {
        let Some(fails) = any(all.iter().map(|one| self.fault(one)).collect::<Result<_>>()?) else { return Ok(None) };
        let mut text = String::from("(CASE");
        for one in all {
            let truth = self.truth(one)?;
            text += &if deciding {
                format!(" WHEN {truth} THEN {FALSE}")
            } else {
                format!(" WHEN NOT {truth} THEN {FALSE}")
            };
        }
        Ok(Some(text + &format!(" ELSE {fails} END)")))
    }

    /// It has all that it needs, and comes to nothing.
    fn fails_itself(&mut self, expr: &Expr) -> Result<String> {
        let mut text = format!("({} IS NULL", self.value(expr)?);
        for operand in expr.operands() {
            text += &format!(" AND {}", self.presence(operand)?);
        }
        Ok(text + ")")
    }
}

fn any(all: Vec<Option<String>>) -> Option<String> {
    let all: Vec<String> = all.into_iter().flatten().collect();
    if all.is_empty() { None } else { Some(format!("({})", all.join(" OR "))) }
}

/// False or unknown, and never unknown itself.
pub(super) fn not_true(condition: &str) -> String {
    format!("(CASE WHEN {condition} THEN {FALSE} ELSE {TRUE} END)")
}

/// Whether evaluating it can fail.
pub(super) fn may_fail(expr: &Expr) -> bool {
    let mut found = false;
    expr.walk(&mut |expr| found |= fails_itself(expr));
    found
}

fn fails_itself(expr: &Expr) -> bool {
    match &expr.kind {
        Kind::InBase { .. } => true,
        Kind::Arithmetic { op: ArithmeticOp::Divide | ArithmeticOp::Remainder, .. } => true,
        Kind::Arithmetic { .. } => expr.ty == Type::Float,
        Kind::Call { function, args } => match (function, args.first().map(|arg| arg.ty)) {
            (Function::ToInteger, Some(of)) => matches!(of, Type::Text | Type::Decimal | Type::Float),
            (Function::ToBoolean, Some(of)) => of == Type::Text,
            _ => false,
        },
        _ => false,
    }
}
