//! Roots and fields, and what the author may have meant.

use super::Checker;
use crate::ast::{Expr, Field, Kind, Type};
use crate::problem::{Position, Problem};
use cel::common::ast::{self, SelectExpr};

impl Checker<'_> {
    /// A name by itself: only `now` is a value.
    pub(super) fn bare_name(&mut self, name: &str, at: Position) -> Option<Expr> {
        let name = name.trim_start_matches('.');
        if name == "now" {
            return Some(Expr::new(Kind::Now, Type::Timestamp, at));
        }
        if self.scope.has_root(name) {
            let message = format!("`{name}` is a record, not a value; name one of its fields: `{name}.`...");
            return self.fail(Problem::TYPE, at, message);
        }
        let scope = self.scope;
        let in_root = |root| closest(name, scope.field_names(root)).map(|field| format!("{root}.{field}"));
        let suggestion = scope.root_names().find_map(in_root);
        self.unknown(at, format!("no value is called `{name}`"), suggestion.as_deref())
    }

    /// `root.field`, or `has(root.field)`.
    pub(super) fn select(&mut self, select: &SelectExpr, id: u64) -> Option<Expr> {
        let at = if select.test { self.called(id).1 } else { self.after_point(id) };
        let ast::Expr::Ident(root) = &select.operand.expr else {
            let operand = self.expr(&select.operand)?;
            let message = format!("{} has no fields; `{}` is not expected here", operand.ty.noun(), select.field);
            return self.fail(Problem::TYPE, at, message);
        };
        let root = root.trim_start_matches('.');
        let field = self.field(root, &select.field, self.at(select.operand.id), at)?;
        if !select.test {
            return Some(field);
        }
        let is_null = Expr::new(Kind::IsNull(Box::new(field)), Type::Boolean, at);
        Some(Expr::new(Kind::Not(Box::new(is_null)), Type::Boolean, at))
    }

    fn field(&mut self, root: &str, name: &str, root_at: Position, at: Position) -> Option<Expr> {
        if let Some((slot, data_type)) = self.scope.find(root, name) {
            let field = Field { root: root.to_owned(), name: name.to_owned(), slot };
            return Some(Expr::new(Kind::Field(field), data_type.into(), at));
        }
        let scope = self.scope;
        if scope.has_root(root) {
            let suggestion = closest(name, scope.field_names(root));
            return self.unknown(at, format!("no field `{name}` on {root}"), suggestion);
        }
        let roots: Vec<&str> = scope.root_names().collect();
        // With one root there is nothing else that could have been meant.
        let suggestion =
            closest(root, roots.iter().copied()).or(if let [only] = roots[..] { Some(only) } else { None });
        self.unknown(root_at, format!("no record is called `{root}` here"), suggestion)
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
