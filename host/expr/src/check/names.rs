//! Names with points: what they lead to, and what the author may have meant.

use super::Checker;
use crate::ast::{Expr, Field, Function, Kind, Type};
use crate::problem::{Position, Problem};
use crate::relational::{Hop, Set};
use cel::IdedExpr;
use cel::common::ast::{self, SelectExpr};

/// Most relations between a variable and a field or set.
const HOPS_MAX: usize = 8;

/// What a name or a call leads to.
pub(super) enum Place {
    Value(Expr),
    Record(Record),
    Set(Set),
}

/// A root, a variable, or what is reached from it by relations to one.
#[derive(Clone)]
pub(super) struct Record {
    pub(super) var: usize,
    pub(super) name: String,
    pub(super) hops: Vec<Hop>,
    /// None: a root from which nothing is reached.
    pub(super) entity: Option<usize>,
}

impl Record {
    fn path(&self) -> String {
        let hops = self.hops.iter().map(|hop| hop.name.as_str());
        std::iter::once(self.name.as_str()).chain(hops).collect::<Vec<_>>().join(".")
    }
}

/// A name bound to the elements of a set.
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) entity: usize,
}

impl Checker<'_> {
    pub(super) fn place(&mut self, expr: &IdedExpr) -> Option<Place> {
        let at = self.at(expr.id);
        match &expr.expr {
            ast::Expr::Ident(name) => self.named(name.trim_start_matches('.'), at),
            ast::Expr::Select(select) if !select.test => self.selected(select, expr.id),
            ast::Expr::Call(call) => self.call(call, expr.id),
            _ => self.expr(expr).map(Place::Value),
        }
    }

    /// Only a value will do.
    pub(super) fn value_of(&mut self, place: Place, at: Position) -> Option<Expr> {
        match place {
            Place::Value(expr) => Some(expr),
            Place::Record(record) => {
                let path = record.path();
                let message = format!("`{path}` is a record, not a value; name one of its fields: `{path}.`...");
                self.fail(Problem::TYPE, at, message)
            }
            Place::Set(set) => {
                let name = set.hops.last().map_or("", |hop| hop.name.as_str());
                let message = format!("`{name}` is a set of records; ask something of it: `.exists(x, ..)`, `.size()`");
                self.fail(Problem::TYPE, at, message)
            }
        }
    }

    /// A root or a variable; nothing is said if there is none.
    fn record(&self, name: &str) -> Option<Record> {
        if let Some(level) = self.variables.iter().position(|variable| variable.name == name) {
            let entity = Some(self.variables[level].entity);
            return Some(Record { var: level + 1, name: name.to_owned(), hops: Vec::new(), entity });
        }
        self.scope.has_root(name).then(|| Record {
            var: 0,
            name: name.to_owned(),
            hops: Vec::new(),
            entity: self.scope.reach().map(|reach| reach.entity),
        })
    }

    /// The record that the whole expression is about, if others can be reached from it.
    pub(super) fn root_record(&self) -> Option<Record> {
        self.scope.reach()?;
        let name = self.scope.root_names().next()?.to_owned();
        self.record(&name)
    }

    fn named(&mut self, name: &str, at: Position) -> Option<Place> {
        if let Some(record) = self.record(name) {
            return Some(Place::Record(record));
        }
        match name {
            "now" => Some(Place::Value(Expr::new(Kind::Now, Type::Timestamp, at))),
            "today" => Some(Place::Value(self.today(at))),
            // The one set that is named without its record.
            "events" => match self.root_record().and_then(|root| self.linked(&root, "events")) {
                Some(place) => Some(place),
                None => self.no_value(name, at),
            },
            _ => self.no_value(name, at),
        }
    }

    fn no_value<T>(&mut self, name: &str, at: Position) -> Option<T> {
        let scope = self.scope;
        let in_root = |root| closest(name, scope.field_names(root)).map(|field| format!("{root}.{field}"));
        let suggestion = scope.root_names().find_map(in_root);
        self.unknown(at, format!("no value is called `{name}`"), suggestion.as_deref())
    }

    /// `record.name` or `set.name`.
    fn selected(&mut self, select: &SelectExpr, id: u64) -> Option<Place> {
        let at = self.after_point(id);
        if let ast::Expr::Ident(name) = &select.operand.expr {
            let name = name.trim_start_matches('.');
            let is_set = name == "events" && self.root_record().is_some();
            if self.record(name).is_none() && !is_set {
                return self.no_record(name, self.at(select.operand.id));
            }
        }
        match self.place(&select.operand)? {
            Place::Record(record) => self.of_record(&record, &select.field, at),
            Place::Set(set) => self.of_set(set, &select.field, at),
            Place::Value(operand) => {
                let message = format!("{} has no fields; `{}` is not expected here", operand.ty.noun(), select.field);
                self.fail(Problem::TYPE, at, message)
            }
        }
    }

    /// `has(record.field)`.
    pub(super) fn presence(&mut self, select: &SelectExpr, id: u64, at: Position) -> Option<Expr> {
        let place = self.selected(select, id)?;
        let field = self.value_of(place, at)?;
        let is_null = Expr::new(Kind::IsNull(Box::new(bare(field))), Type::Boolean, at);
        Some(Expr::new(Kind::Not(Box::new(is_null)), Type::Boolean, at))
    }

    fn of_record(&mut self, record: &Record, name: &str, at: Position) -> Option<Place> {
        if let Some(field) = self.field(record, name, at) {
            return Some(Place::Value(field));
        }
        if let Some(place) = self.linked(record, name) {
            return self.not_too_far(place, at);
        }
        let scope = self.scope;
        let (of, suggestion) = match (record.entity, scope.model()) {
            (Some(entity), Some(model)) => {
                let entity = &model.entities[entity];
                let names = entity.fields.iter().map(|f| &f.name).chain(entity.links.iter().map(|l| &l.name));
                (entity.name.clone(), closest(name, names.map(String::as_str)))
            }
            _ => (record.name.clone(), closest(name, scope.field_names(&record.name))),
        };
        self.unknown(at, format!("no field `{name}` on {of}"), suggestion)
    }

    fn field(&self, record: &Record, name: &str, at: Position) -> Option<Expr> {
        let field = |slot, name: &str| Field {
            root: record.name.clone(),
            name: name.to_owned(),
            slot,
            var: record.var,
            hops: record.hops.clone(),
        };
        let (Some(entity), Some(model)) = (record.entity, self.scope.model()) else {
            let (slot, data_type) = self.scope.find(&record.name, name)?;
            return Some(Expr::new(Kind::Field(field(slot, name)), data_type.into(), at));
        };
        let fields = &model.entities[entity].fields;
        let slot = model.entities[entity].field(name)?;
        let read =
            |slot: usize| Expr::new(Kind::Field(field(slot, &fields[slot].name)), fields[slot].data_type.into(), at);
        let Some(currency) = fields[slot].currency else { return Some(read(slot)) };
        let kind = Kind::InBase { amount: Box::new(read(slot)), currency: Box::new(read(currency)) };
        Some(Expr::new(kind, Type::Decimal, at))
    }

    fn linked(&self, record: &Record, name: &str) -> Option<Place> {
        let link = self.scope.model()?.entities[record.entity?].link(name)?;
        let mut hops = record.hops.clone();
        hops.push(Hop { name: link.name.clone(), steps: link.steps.clone(), to: link.to });
        let (var, root) = (record.var, record.name.clone());
        Some(if link.many {
            let level = self.variables.len() + 1;
            Place::Set(Set { from: var, root, hops, entity: link.to, level, filters: Vec::new() })
        } else {
            Place::Record(Record { var, name: root, hops, entity: Some(link.to) })
        })
    }

    fn of_set(&mut self, mut set: Set, name: &str, at: Position) -> Option<Place> {
        let scope = self.scope;
        let model = scope.model()?;
        let entity = &model.entities[set.entity];
        if let Some(link) = entity.link(name) {
            if !set.filters.is_empty() {
                let message = format!(
                    "`.{name}` does not go on from a filtered set; ask it inside: `.exists(x, x.{name}..)`, or filter last"
                );
                return self.unsupported(at, message);
            }
            set.hops.push(Hop { name: link.name.clone(), steps: link.steps.clone(), to: link.to });
            set.entity = link.to;
            return self.not_too_far(Place::Set(set), at);
        }
        if entity.field(name).is_some() {
            let message = format!(
                "`{name}` is a field of each of these {}; write `.exists(x, x.{name} ..)`, `.sum(x, x.{name})` or the like",
                set.hops.last().map_or("", |hop| hop.name.as_str())
            );
            return self.fail(Problem::TYPE, at, message);
        }
        let suggestion = closest(name, entity.links.iter().map(|link| link.name.as_str()));
        self.unknown(at, format!("nothing called `{name}` follows {}", entity.name), suggestion)
    }

    fn not_too_far(&mut self, place: Place, at: Position) -> Option<Place> {
        let hops = match &place {
            Place::Record(Record { hops, .. }) | Place::Set(Set { hops, .. }) => hops.len(),
            Place::Value(_) => 0,
        };
        if hops > HOPS_MAX {
            return self.fail(Problem::TOO_LARGE, at, format!("this goes over more than {HOPS_MAX} relations"));
        }
        Some(place)
    }

    fn no_record<T>(&mut self, name: &str, at: Position) -> Option<T> {
        let roots: Vec<&str> = self.scope.root_names().collect();
        let variables: Vec<String> = self.variables.iter().map(|variable| variable.name.clone()).collect();
        let names = roots.iter().copied().chain(variables.iter().map(String::as_str));
        // With one root there is nothing else that could have been meant.
        let only = if let ([only], true) = (&roots[..], variables.is_empty()) { Some(*only) } else { None };
        let suggestion = closest(name, names).or(only).map(str::to_owned);
        self.unknown(at, format!("no record is called `{name}` here"), suggestion.as_deref())
    }

    pub(super) fn unknown<T>(&mut self, at: Position, message: String, suggestion: Option<&str>) -> Option<T> {
        self.problems.push(Problem::new(Problem::UNKNOWN_NAME, at, message).suggesting(suggestion));
        None
    }

    /// The first character of the field's name: the parser knows the place of the point.
    fn after_point(&self, id: u64) -> Position {
        let offset = self.offset(id) + 1;
        let blanks = self.text.get(offset..).map_or(0, |rest| rest.len() - rest.trim_start().len());
        Position::of(self.text, offset + blanks)
    }
}

/// An amount as a number, whatever its currency: said by a call, so that it is told from the amount in what is printed of
/// a rule, and by everything that knows conditions by that. A literal amount is one.
pub(super) fn number_of(amount: Expr) -> Expr {
    let at = amount.at;
    let number = bare(amount);
    if let Kind::Literal(_) = number.kind {
        return number;
    }
    Expr::new(Kind::Call { function: Function::ToDecimal, args: vec![number] }, Type::Decimal, at)
}

/// An amount as it stands, for what is asked of it whatever its currency.
pub(super) fn bare(expr: Expr) -> Expr {
    match expr.kind {
        Kind::InBase { amount, .. } => *amount,
        _ => expr,
    }
}

/// The name most like `wanted`, if one is like it at all: written in another style, or a few letters away.
#[must_use]
pub fn closest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| name.to_lowercase().replace(['_', '-', ' '], "");
    let target = plain(wanted);
    let most = (target.chars().count() / 3).max(1);
    names
        .map(|name| (strsim::osa_distance(&target, &plain(name)), name))
        .filter(|(distance, _)| *distance <= most && !target.is_empty())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn a_likely_name_is_found_and_an_unlikely_one_is_not_offered() {
        let names = || ["job_title", "email", "city", "state"].into_iter();
        for (wanted, expected) in [
            ("job_titel", Some("job_title")),
            ("jobTitle", Some("job_title")),
            ("Email", Some("email")),
            ("eMial", Some("email")),
            ("cty", Some("city")),
            ("x", None),
            ("revenue", None),
            ("_", None),
        ] {
            assert_eq!(closest(wanted, names()), expected, "{wanted}");
        }
    }
}
