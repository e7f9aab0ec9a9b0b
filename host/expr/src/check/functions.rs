//! Functions and methods.

use super::Checker;
use super::names::{Place, closest, number_of};
use crate::ast::{Expr, Function, Kind, TextMatch, Type};
use crate::problem::{Position, Problem};
use crate::program::Program;
use cel::common::ast::{self, CallExpr};

const METHODS: [&str; 15] = [
    "size",
    "startsWith",
    "endsWith",
    "contains",
    "lowerAscii",
    "upperAscii",
    "trim",
    "split",
    "join",
    "intersects",
    "supersetOf",
    "subsetOf",
    "within",
    "between",
    "anniversaryWithin",
];

const FUNCTIONS: [&str; 28] = [
    "has",
    "size",
    "coalesce",
    "string",
    "int",
    "decimal",
    "double",
    "bool",
    "timestamp",
    "date",
    "now",
    "days",
    "hours",
    "minutes",
    "seconds",
    "source_key",
    "today",
    "weeks",
    "months",
    "years",
    "money",
    "milliseconds",
    "startOfDay",
    "startOfWeek",
    "startOfMonth",
    "startOfQuarter",
    "startOfYear",
    "anniversaryBetween",
];

/// What CEL has elsewhere, and why it is not here.
const REFUSED: [(&str, &str); 6] = [
    ("matches", "regular expressions are not offered; use startsWith, endsWith, contains"),
    ("duration", "a duration is written days(7), hours(12), minutes(5), seconds(30)"),
    ("uint", "integers have a sign here; write int(x)"),
    ("dyn", "every value has a type here"),
    ("type", "every value has a type here"),
    ("bytes", "bytes are not made here"),
];

/// What is asked of sets.
const OF_SETS: [&str; 14] = [
    "exists",
    "all",
    "none",
    "exists_one",
    "existsOne",
    "atLeast",
    "shareOf",
    "filter",
    "map",
    "sum",
    "min",
    "max",
    "average",
    "sequence",
];

const HAS: &str = "`has` asks whether a field has a value: `has(record.field)`";

impl Checker<'_> {
    /// A call by name, as a function or as a method.
    pub(super) fn named_call(&mut self, call: &CallExpr, id: u64) -> Option<Place> {
        let name = call.func_name.trim_start_matches('.');
        let at = self.called(id).1;
        let root = self.root_record();
        let Some(target) = &call.target else {
            let value = match (name, root, call.args.as_slice()) {
                ("inAudience", Some(root), args) => self.in_audience(&root, args, at),
                ("sequence", Some(_), args) => self.sequence(args, at),
                ("has", _, [arg]) => self.has(arg, at),
                ("size", Some(_), [arg]) => match self.place(arg)? {
                    Place::Set(set) => Some(self.count(set, at)),
                    other => {
                        let arg = self.value_of(other, at)?;
                        self.typed(name, vec![arg], at)
                    }
                },
                _ => self.function(name, None, &call.args, at),
            };
            return value.map(Place::Value);
        };
        if root.is_none() && OF_SETS.contains(&name) {
            let message = format!("`{name}` goes through a collection of related records, and none can be named here");
            return self.unsupported(at, message);
        }
        match self.place(target)? {
            Place::Set(set) => self.set_method(set, call, id),
            Place::Record(record) if name == "inAudience" && root.is_some() => {
                self.in_audience(&record, &call.args, at).map(Place::Value)
            }
            Place::Value(target) if matches!(name, "within" | "anniversaryWithin") => {
                self.within(target, call, at).map(Place::Value)
            }
            Place::Value(target) if OF_SETS.contains(&name) => {
                let message = format!("`{name}` is asked of a set of records; this is {}", target.ty.noun());
                self.fail(Problem::TYPE, at, message)
            }
            place => {
                let at_target = self.at(target.id);
                let target = self.value_of(place, at_target)?;
                self.function(name, Some(target), &call.args, at).map(Place::Value)
            }
        }
    }

    fn has(&mut self, arg: &cel::IdedExpr, at: Position) -> Option<Expr> {
        match &arg.expr {
            ast::Expr::Select(select) => self.presence(select, arg.id, at),
            _ => self.fail(Problem::SYNTAX, self.at(arg.id), HAS),
        }
    }

    fn function(&mut self, name: &str, target: Option<Expr>, args: &[cel::IdedExpr], at: Position) -> Option<Expr> {
        if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
            return self.unsupported(at, format!("`{name}`: {why}"));
        }
        let is_method = target.is_some();
        let known = if is_method { METHODS.contains(&name) } else { FUNCTIONS.contains(&name) };
        if !known {
            return self.unknown_function(name, is_method, at);
        }
        let checked: Vec<Option<Expr>> =
            target.into_iter().map(Some).chain(args.iter().map(|e| self.expr(e))).collect();
        let args = checked.into_iter().collect::<Option<Vec<_>>>()?;
        self.typed(name, args, at)
    }

    fn unknown_function(&mut self, name: &str, is_method: bool, at: Position) -> Option<Expr> {
        let (own, other) = if is_method { (&METHODS[..], &FUNCTIONS[..]) } else { (&FUNCTIONS[..], &METHODS[..]) };
        if other.contains(&name) {
            let form = if is_method { format!("{name}(x)") } else { format!("x.{name}(..)") };
            return self.unknown(at, format!("`{name}` is written `{form}`"), None);
        }
        self.unknown(at, format!("no function is called `{name}`"), closest(name, own.iter().copied()))
    }

    /// A method's target is its first argument.
    fn typed(&mut self, name: &str, args: Vec<Expr>, at: Position) -> Option<Expr> {
        use Type::{Boolean, Bytes, Date, Decimal, Duration, Float, Integer, Json, Text, TextList, Timestamp};
        const LISTS: &[&[Type]] = &[&[TextList], &[TextList]];
        const ANY_TEXT: &[Type] = &[Boolean, Integer, Decimal, Float, Text, Bytes, Date, Timestamp, Json];
        let (function, wanted, result): (Function, &[&[Type]], Type) = match name {
            "now" => return self.now(&args, at),
            "today" => {
                self.arguments("today", &args, &[], at)?;
                return Some(self.today(at));
            }
            "weeks" | "months" | "years" => return self.calendar_length(name, &args, at),
            "between" => {
                let mut args = args;
                let target = args.remove(0);
                return self.between(target, args, at);
            }
            "money" => return self.money(args, at),
            // An amount without its currency.
            "decimal" if args.len() == 1 && matches!(args[0].kind, Kind::InBase { .. }) => {
                return args.into_iter().next().map(number_of);
            }
            "coalesce" => return self.coalesce(args, at),
            "contains" => return self.text_match(TextMatch::Contains, name, args, at),
            "startsWith" => return self.text_match(TextMatch::StartsWith, name, args, at),
            "endsWith" => return self.text_match(TextMatch::EndsWith, name, args, at),
            "size" => (Function::Size, &[&[Text, Bytes, TextList]], Integer),
            "lowerAscii" => (Function::LowerAscii, &[&[Text]], Text),
            "upperAscii" => (Function::UpperAscii, &[&[Text]], Text),
            "trim" => (Function::Trim, &[&[Text]], Text),
            "split" => (Function::Split, &[&[Text], &[Text]], TextList),
            "join" => (Function::Join, &[&[TextList], &[Text]], Text),
            "intersects" => (Function::Intersects, LISTS, Boolean),
            "supersetOf" => (Function::SupersetOf, LISTS, Boolean),
            "subsetOf" => (Function::SubsetOf, LISTS, Boolean),
            "string" => (Function::ToText, &[ANY_TEXT], Text),
            "int" => (Function::ToInteger, &[&[Integer, Text, Decimal, Float, Timestamp]], Integer),
            "decimal" => (Function::ToDecimal, &[&[Decimal, Integer, Float, Text]], Decimal),
            "double" => (Function::ToFloat, &[&[Float, Integer, Decimal, Text]], Float),
            "bool" => (Function::ToBoolean, &[&[Boolean, Text]], Boolean),
            "timestamp" => (Function::ToTimestamp, &[&[Timestamp, Text, Date, Integer]], Timestamp),
            "date" => (Function::ToDate, &[&[Date, Text, Timestamp]], Date),
            "days" => (Function::Days, &[&[Integer]], Duration),
            "hours" => (Function::Hours, &[&[Integer]], Duration),
            "minutes" => (Function::Minutes, &[&[Integer]], Duration),
            "seconds" => (Function::Seconds, &[&[Integer]], Duration),
            "milliseconds" => (Function::Milliseconds, &[&[Integer]], Duration),
            "startOfDay" => (Function::StartOfDay, &[&[Timestamp]], Timestamp),
            "startOfWeek" => (Function::StartOfWeek, &[&[Timestamp]], Timestamp),
            "startOfMonth" => (Function::StartOfMonth, &[&[Timestamp]], Timestamp),
            "startOfQuarter" => (Function::StartOfQuarter, &[&[Timestamp]], Timestamp),
            "startOfYear" => (Function::StartOfYear, &[&[Timestamp]], Timestamp),
            "anniversaryBetween" => (Function::AnniversaryIn, &[&[Date], &[Timestamp], &[Timestamp]], Boolean),
            "source_key" => (Function::SourceKey, &[&[Text, Integer], &[Text], &[Text]], Text),
            // `has` of a field never comes here.
            _ => return self.fail(Problem::SYNTAX, at, HAS),
        };
        self.arguments(name, &args, wanted, at)?;
        self.calendar_is_of_no_field(name, &args)?;
        self.folded(Expr::new(Kind::Call { function, args }, result, at))
    }

    fn arguments(&mut self, name: &str, args: &[Expr], wanted: &[&[Type]], at: Position) -> Option<()> {
        if args.len() != wanted.len() {
            let message = format!("`{name}` has {} arguments; it takes {}", args.len(), wanted.len());
            return self.fail(Problem::TYPE, at, message);
        }
        for (arg, types) in args.iter().zip(wanted) {
            if !types.contains(&arg.ty) {
                let nouns: Vec<&str> = types.iter().map(|t| t.noun()).collect();
                let message = format!("`{name}` takes {}; this is {}", nouns.join(" or "), arg.ty.noun());
                return self.fail(Problem::TYPE, arg.at, message);
            }
        }
        Some(())
    }

    /// A conversion of a literal is done here, once, and what cannot be converted is a problem of the text.
    fn folded(&mut self, call: Expr) -> Option<Expr> {
        if !call.operands().into_iter().all(Expr::is_literal) {
            return Some(call);
        }
        match Program::new(&call).evaluate(&[], 0) {
            Ok(value) => Some(Expr::new(Kind::Literal(value), call.ty, call.at)),
            Err(fault) => self.fail(Problem::LITERAL, call.at, fault.message()),
        }
    }

    fn now(&mut self, args: &[Expr], at: Position) -> Option<Expr> {
        self.arguments("now", args, &[], at)?;
        Some(Expr::new(Kind::Now, Type::Timestamp, at))
    }

    /// `money(1000000, "USD")`: an amount to compare others with.
    fn money(&mut self, args: Vec<Expr>, at: Position) -> Option<Expr> {
        let Ok([amount, currency]) = <[Expr; 2]>::try_from(args) else {
            return self.fail(Problem::TYPE, at, "`money` takes an amount and its currency: `money(1000000, \"USD\")`");
        };
        let amount = self.coerce(amount, Type::Decimal, "an amount of money");
        let code = |text: &str| text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase());
        match &currency.kind {
            Kind::Literal(attiva_core::Value::Text(text)) if code(text) => {}
            _ => {
                let message = "a currency is written out, three capitals of ISO 4217: \"USD\"";
                return self.fail(Problem::LITERAL, currency.at, message);
            }
        }
        let kind = Kind::InBase { amount: Box::new(amount?), currency: Box::new(currency) };
        Some(Expr::new(kind, Type::Decimal, at))
    }

    fn coalesce(&mut self, args: Vec<Expr>, at: Position) -> Option<Expr> {
        if args.len() < 2 {
            return self.fail(Problem::TYPE, at, "`coalesce` takes two or more values: the first that is not null");
        }
        let (args, ty) = self.unify(args, "alternatives of one value")?;
        Some(Expr::new(Kind::Coalesce(args), ty, at))
    }

    fn text_match(&mut self, how: TextMatch, name: &str, args: Vec<Expr>, at: Position) -> Option<Expr> {
        if let [target, _] = args.as_slice()
            && target.ty == Type::TextList
            && how == TextMatch::Contains
        {
            return self.fail(Problem::TYPE, at, "to look for an element of a list, write `\"x\" in list`");
        }
        self.arguments(name, &args, &[&[Type::Text], &[Type::Text]], at)?;
        let mut args = args.into_iter();
        let (text, pattern) = (Box::new(args.next()?), Box::new(args.next()?));
        Some(Expr::new(Kind::Match { how, text, pattern }, Type::Boolean, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What can be written stands in the guide, each in its form.
    #[test]
    fn every_function_is_in_the_guide() {
        let guide = include_str!("../../../../docs/segments.md");
        for name in METHODS.iter().chain(&FUNCTIONS).chain(&OF_SETS) {
            let is_there = guide.contains(&format!("{name}(")) || guide.contains(&format!("`{name}`"));
            // CEL's own name of it has another form.
            assert!(is_there || *name == "existsOne" || *name == "map", "the guide says nothing of {name}");
        }
    }
}
