//! A checked expression as CEL text again: for explanations, where a part of a rule must be shown by itself.
//!
//! What is printed reads back as the same expression. It need not be the text the author wrote.

use crate::ast::{ArithmeticOp, Expr, Field, Function, Kind, Type};
use crate::check::compare_money;
use crate::convert::DAY_MS;
use crate::relational::{Lambda, Quantifier, Sequence, Set};
use attiva_core::{Value, time};
use std::fmt::{self, Display, Formatter, Write};

/// How tightly an expression holds together; an operand that holds less tightly than its place needs gets parentheses.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Binding {
    Choice,
    Or,
    And,
    Relation,
    Sum,
    Product,
    Unary,
    Primary,
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        print(self, Binding::Choice, false, f)
    }
}

/// Two amounts that are compared, where they became a choice between their currencies.
fn as_written(expr: &Expr) -> &Expr {
    let Kind::Choose { otherwise, .. } = &expr.kind else { return expr };
    let Kind::Compare { op, left, right } = &otherwise.kind else { return expr };
    if compare_money(*op, left, right, expr.at).is_some_and(|choice| choice == *expr) { otherwise } else { expr }
}

fn binding(expr: &Expr) -> Binding {
    match &expr.kind {
        Kind::Choose { .. } => Binding::Choice,
        Kind::Or(_) => Binding::Or,
        Kind::And(_) => Binding::And,
        Kind::Compare { .. } | Kind::In { .. } | Kind::InList { .. } => Binding::Relation,
        Kind::IsNull(_) => Binding::Relation,
        Kind::Call { function: Function::AddMonths, .. } => Binding::Sum,
        Kind::Concat(_) | Kind::Arithmetic { op: ArithmeticOp::Add | ArithmeticOp::Subtract, .. } => Binding::Sum,
        Kind::Arithmetic { .. } => Binding::Product,
        Kind::Not(inner) => match negated_null_test(inner) {
            Some(Expr { kind: Kind::Field(_), .. }) => Binding::Primary,
            Some(_) => Binding::Relation,
            None => Binding::Unary,
        },
        Kind::Negate(_) => Binding::Unary,
        _ => Binding::Primary,
    }
}

/// The operand of `x == null`.
fn negated_null_test(expr: &Expr) -> Option<&Expr> {
    match &expr.kind {
        Kind::IsNull(inner) => Some(inner),
        _ => None,
    }
}

/// `beside_decimal`: an operand to the side is a decimal and no literal, so that a bare number will be read as one.
fn print(expr: &Expr, least: Binding, beside_decimal: bool, f: &mut Formatter<'_>) -> fmt::Result {
    let expr = as_written(expr);
    if binding(expr) < least {
        f.write_char('(')?;
        print_bare(expr, beside_decimal, f)?;
        return f.write_char(')');
    }
    print_bare(expr, beside_decimal, f)
}

fn print_bare(expr: &Expr, beside_decimal: bool, f: &mut Formatter<'_>) -> fmt::Result {
    match &expr.kind {
        Kind::Literal(value) => literal(value, expr.ty, beside_decimal, f),
        Kind::Field(field) => path(field, f),
        Kind::Now => f.write_str("now"),
        Kind::Not(inner) => match negated_null_test(inner) {
            Some(Expr { kind: Kind::Field(field), .. }) => {
                f.write_str("has(")?;
                path(field, f)?;
                f.write_char(')')
            }
            Some(tested) => {
                print(tested, Binding::Sum, false, f)?;
                f.write_str(" != null")
            }
            None => {
                f.write_char('!')?;
                print(inner, Binding::Primary, false, f)
            }
        },
        Kind::And(all) => joined(all, " && ", Binding::Relation, f),
        Kind::Or(all) => joined(all, " || ", Binding::And, f),
        Kind::Compare { op, left, right } => pair(left, op.as_str(), right, Binding::Sum, Binding::Sum, f),
        Kind::In { value, list } => {
            print(value, Binding::Sum, any_decimal(list), f)?;
            f.write_str(" in [")?;
            comma_separated(list, is_decimal(value), f)?;
            f.write_char(']')
        }
        Kind::InList { value, list } => pair(value, "in", list, Binding::Sum, Binding::Sum, f),
        Kind::IsNull(inner) => {
            print(inner, Binding::Sum, false, f)?;
            f.write_str(" == null")
        }
        Kind::Match { how, text, pattern } => {
            print(text, Binding::Primary, false, f)?;
            write!(f, ".{}(", how.as_str())?;
            print(pattern, Binding::Choice, false, f)?;
            f.write_char(')')
        }
        Kind::Choose { cases, otherwise } => {
            let results = || cases.iter().map(|c| &c.then).chain([&**otherwise]);
            let decimal = results().any(is_decimal);
            for case in cases {
                print(&case.when, Binding::Or, false, f)?;
                f.write_str(" ? ")?;
                print(&case.then, Binding::Or, decimal, f)?;
                f.write_str(" : ")?;
            }
            print(otherwise, Binding::Or, decimal, f)
        }
        Kind::Coalesce(all) => {
            f.write_str("coalesce(")?;
            comma_separated(all, any_decimal(all), f)?;
            f.write_char(')')
        }
        Kind::Negate(inner) => {
            f.write_char('-')?;
            // `-1` and `--x` would be read as other expressions.
            let literal = matches!(inner.kind, Kind::Literal(_));
            if literal {
                f.write_char('(')?;
            }
            print(inner, Binding::Primary, beside_decimal, f)?;
            if literal { f.write_char(')') } else { Ok(()) }
        }
        Kind::Arithmetic { op, left, right } => {
            let own = binding(expr);
            let tighter = if own == Binding::Sum { Binding::Product } else { Binding::Unary };
            pair(left, op.as_str(), right, own, tighter, f)
        }
        Kind::Concat(all) => joined(all, " + ", Binding::Product, f),
        Kind::List(all) => {
            f.write_char('[')?;
            comma_separated(all, false, f)?;
            f.write_char(']')
        }
        Kind::Call { function, args } => call(*function, args, f),
        Kind::Quantified(q) => {
            set(&q.set, f)?;
            write!(f, ".{}(", q.how.name())?;
            match &q.how {
                Quantifier::AtLeast(n) => write!(f, "{n}, ")?,
                Quantifier::ShareOf(share) => write!(f, "{share}, ")?,
                _ => {}
            }
            lambda(&q.condition, f)?;
            f.write_char(')')
        }
        Kind::Aggregated(a) => {
            set(&a.set, f)?;
            write!(f, ".{}(", a.how.name())?;
            a.value.iter().try_for_each(|value| lambda(value, f))?;
            f.write_char(')')
        }
        Kind::Sequence(s) => sequence(s, f),
        Kind::InAudience(m) => {
            if m.var > 0 || !m.hops.is_empty() {
                f.write_str(&m.root)?;
                m.hops.iter().try_for_each(|hop| write!(f, ".{}", hop.name))?;
                f.write_char('.')?;
            }
            f.write_str("inAudience(")?;
            text(&m.audience, f)?;
            f.write_char(')')
        }
        // Read from the amount, the currency is found again.
        Kind::InBase { amount, currency } => match (&amount.kind, &currency.kind) {
            (Kind::Literal(Value::Decimal(amount)), Kind::Literal(Value::Text(currency))) => {
                if reads_as_number(amount) {
                    write!(f, "money({amount}, ")?;
                } else {
                    write!(f, "money(decimal(\"{amount}\"), ")?;
                }
                text(currency, f)?;
                f.write_char(')')
            }
            _ => print(amount, Binding::Primary, false, f),
        },
    }
}

fn pair(
    left: &Expr,
    op: &str,
    right: &Expr,
    left_least: Binding,
    right_least: Binding,
    f: &mut Formatter<'_>,
) -> fmt::Result {
    print(left, left_least, is_decimal(right), f)?;
    write!(f, " {op} ")?;
    print(right, right_least, is_decimal(left), f)
}

fn joined(all: &[Expr], separator: &str, least: Binding, f: &mut Formatter<'_>) -> fmt::Result {
    for (i, one) in all.iter().enumerate() {
        if i > 0 {
            f.write_str(separator)?;
        }
        print(one, least, false, f)?;
    }
    Ok(())
}

fn comma_separated(all: &[Expr], beside_decimal: bool, f: &mut Formatter<'_>) -> fmt::Result {
    for (i, one) in all.iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        print(one, Binding::Choice, beside_decimal, f)?;
    }
    Ok(())
}

fn is_decimal(expr: &Expr) -> bool {
    expr.ty == Type::Decimal && !expr.is_literal()
}

fn any_decimal(exprs: &[Expr]) -> bool {
    exprs.iter().any(is_decimal)
}

fn call(function: Function, args: &[Expr], f: &mut Formatter<'_>) -> fmt::Result {
    let (name, method) = match function {
        Function::Size => ("size", true),
        Function::LowerAscii => ("lowerAscii", true),
        Function::UpperAscii => ("upperAscii", true),
        Function::Trim => ("trim", true),
        Function::Split => ("split", true),
        Function::Join => ("join", true),
        Function::ToText => ("string", false),
        Function::ToInteger => ("int", false),
        Function::ToDecimal => ("decimal", false),
        Function::ToFloat => ("double", false),
        Function::ToBoolean => ("bool", false),
        Function::ToTimestamp => ("timestamp", false),
        Function::ToDate => ("date", false),
        Function::Days => ("days", false),
        Function::Hours => ("hours", false),
        Function::Minutes => ("minutes", false),
        Function::Seconds => ("seconds", false),
        Function::SourceKey => ("source_key", false),
        Function::Milliseconds => ("milliseconds", false),
        Function::StartOfDay => ("startOfDay", false),
        Function::StartOfWeek => ("startOfWeek", false),
        Function::StartOfMonth => ("startOfMonth", false),
        Function::StartOfQuarter => ("startOfQuarter", false),
        Function::StartOfYear => ("startOfYear", false),
        Function::AddMonths => return moved_by_months(args, f),
        Function::AnniversaryIn => ("anniversaryBetween", false),
        Function::Intersects => ("intersects", true),
        Function::SupersetOf => ("supersetOf", true),
        Function::SubsetOf => ("subsetOf", true),
    };
    match args.split_first() {
        Some((target, rest)) if method => {
            print(target, Binding::Primary, false, f)?;
            write!(f, ".{name}(")?;
            comma_separated(rest, false, f)?;
        }
        _ => {
            write!(f, "{name}(")?;
            comma_separated(args, false, f)?;
        }
    }
    f.write_char(')')
}

fn path(field: &Field, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str(&field.root)?;
    field.hops.iter().try_for_each(|hop| write!(f, ".{}", hop.name))?;
    f.write_char('.')?;
    name(&field.name, f)
}

fn set(set: &Set, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str(&set.root)?;
    set.hops.iter().try_for_each(|hop| write!(f, ".{}", hop.name))?;
    set.filters.iter().try_for_each(|filter| {
        f.write_str(".filter(")?;
        lambda(filter, f)?;
        f.write_char(')')
    })
}

fn lambda(lambda: &Lambda, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "{}, ", lambda.name)?;
    print(&lambda.body, Binding::Choice, false, f)
}

fn sequence(sequence: &Sequence, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str("sequence(")?;
    set(&sequence.set, f)?;
    for step in &sequence.steps {
        if let Some(ms) = step.within_ms {
            f.write_str(", within(")?;
            duration(ms, f)?;
            f.write_char(')')?;
        }
        if let Some(between) = &step.not_between {
            f.write_str(", notBetween(")?;
            lambda(between, f)?;
            f.write_char(')')?;
        }
        f.write_str(", step(")?;
        lambda(&step.condition, f)?;
        f.write_char(')')?;
    }
    f.write_char(')')
}

/// `now - months(3)`.
fn moved_by_months(args: &[Expr], f: &mut Formatter<'_>) -> fmt::Result {
    let [instant, months] = args else { return Err(fmt::Error) };
    print(instant, Binding::Sum, false, f)?;
    match months.kind {
        Kind::Literal(Value::Integer(n)) if n < 0 && n != i64::MIN => write!(f, " - months({})", -n),
        Kind::Literal(Value::Integer(n)) => write!(f, " + months({n})"),
        _ => Err(fmt::Error),
    }
}

fn name(name: &str, f: &mut Formatter<'_>) -> fmt::Result {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !matches!(name, "in" | "true" | "false" | "null");
    if plain { f.write_str(name) } else { write!(f, "`{name}`") }
}

fn literal(value: &Value, ty: Type, beside_decimal: bool, f: &mut Formatter<'_>) -> fmt::Result {
    match value {
        Value::Null => f.write_str("null"),
        Value::Boolean(b) => write!(f, "{b}"),
        Value::Integer(ms) if ty == Type::Duration => duration(*ms, f),
        Value::Integer(i) => write!(f, "{i}"),
        Value::Decimal(number) if beside_decimal && reads_as_number(number) => f.write_str(number),
        Value::Decimal(number) => write!(f, "decimal(\"{number}\")"),
        // With a point, or it would be read as an integer.
        Value::Float(x) => write!(f, "{x:?}"),
        Value::Text(t) => text(t, f),
        Value::Bytes(bytes) => {
            f.write_str("b\"")?;
            bytes.iter().try_for_each(|b| write!(f, "\\x{b:02x}"))?;
            f.write_char('"')
        }
        Value::Date(days) => write!(f, "date(\"{}\")", time::format_date(*days)),
        Value::Timestamp(ms) => write!(f, "timestamp(\"{}\")", time::format_timestamp(*ms)),
        Value::TextList(list) => {
            f.write_char('[')?;
            for (i, one) in list.iter().enumerate() {
                if i > 0 {
                    f.write_str(", ")?;
                }
                text(one, f)?;
            }
            f.write_char(']')
        }
        // There is no such literal.
        Value::Json(json) => f.write_str(json),
    }
}

/// Whether the parser takes it for a number: it reads whole ones as integers of 64 bits.
fn reads_as_number(decimal: &str) -> bool {
    const LONGEST: usize = 40;
    decimal.parse::<i64>().is_ok() || (decimal.contains('.') && decimal.len() <= LONGEST)
}

/// The largest unit that divides it.
fn duration(ms: i64, f: &mut Formatter<'_>) -> fmt::Result {
    for (unit, name) in [(DAY_MS, "days"), (3_600_000, "hours"), (60_000, "minutes")] {
        if ms % unit == 0 {
            return write!(f, "{name}({})", ms / unit);
        }
    }
    if ms % 1_000 == 0 { write!(f, "seconds({})", ms / 1_000) } else { write!(f, "milliseconds({ms})") }
}

fn text(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c.is_control() => write!(f, "\\u{:04x}", c as u32)?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}
