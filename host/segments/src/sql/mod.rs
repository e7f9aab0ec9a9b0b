//! The SQL evaluator: a plan as one portable statement over the open tables, for an engine outside.
//!
//! The tables, which `docs/open-tables.md` describes as files and as the views that make these of them:
//! - one for each entity, by its name: `_id`, a column for each field, `_<relation>_id` for each relation to one. No field's
//!   name begins with `_`, so that none can be taken for another;
//! - instants are milliseconds and dates days since 1970, both integers; a list of text is the number of its items in
//!   `_<field>_size` and the items in a table `<entity>_<field>` of `id` and `item`;
//! - `<entity>_<relation>_closure` of `from_id` and `to_id` for a relation of an entity to itself: all pairs from a record
//!   to what it reaches by going on, each once and never a record with itself;
//! - `audience_member` of `audience` and `member_id`.
//!
//! The text keeps to what every engine reads: CASE, COALESCE, EXISTS, IN, sums and counts, LENGTH, SUBSTR, REPLACE, `%`.

mod calendar;
mod fault;
mod lists;
mod numbers;
mod scalar;
mod sets;
mod texts;

use crate::graph::Rates;
use crate::plan::Plan;
use crate::rank::Rank;
use attiva_core::ranking::RankOrder;
use attiva_core::time::Millis;
use attiva_expr::{Expr, Hop, Model, Position, Problem, Step};

type Result<T> = std::result::Result<T, Problem>;

/// Most bytes of a statement: what is asked for more than once is written more than once, and engines read so much.
const BYTES_MAX: usize = 1_024 * 1_024;

/// Up to so long, a text is written as often as it is needed; a longer one gets a name.
const SHORT: usize = 64;

/// What a statement is made for.
#[derive(Clone, Copy)]
pub struct SqlOptions<'a> {
    pub model: &'a Model,
    /// Rates become part of the statement, as the instant does.
    pub rates: &'a dyn Rates,
    pub now: Millis,
    /// Whether there is a result of an audience. Without one, membership is unknown.
    pub has_result: &'a dyn Fn(&str) -> bool,
}

impl std::fmt::Debug for SqlOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqlOptions").field("now", &self.now).finish_non_exhaustive()
    }
}

/// The ids of the members: `SELECT v0._id FROM person v0 WHERE ..`.
///
/// # Errors
/// What no portable SQL answers exactly, with its place and what to write instead.
pub fn sql(plan: &Plan, options: &SqlOptions) -> Result<String> {
    statement(plan, None, options)
}

/// The ids of the first of the members, in no order.
///
/// # Errors
/// As [`sql`].
pub fn sql_of_first(plan: &Plan, rank: &Rank, options: &SqlOptions) -> Result<String> {
    let (all, by) = (statement(plan, Some(rank.by()), options)?, "_by");
    let direction = match rank.order() {
        RankOrder::Descending => "DESC",
        RankOrder::Ascending => "ASC",
    };
    let missing = format!("CASE WHEN {by} IS NULL THEN 1 ELSE 0 END");
    let limit = rank.limit();
    Ok(format!("SELECT _id FROM ({all}) members ORDER BY {missing}, {by} {direction}, _id LIMIT {limit}"))
}

/// With a value of each member beside its id, where one is wanted.
fn statement(plan: &Plan, value: Option<&Expr>, options: &SqlOptions) -> Result<String> {
    let entity = plan.entity().unwrap_or_default();
    let mut writer = Writer { options: *options, scopes: Vec::new(), aliases: 0 };
    writer.scopes.push(Scope { alias: "v0".to_owned(), entity, joins: Vec::new() });
    let mut root = plan.root().expression();
    root.relevel(0);
    let condition = writer.truth(&root)?;
    let by = match value.cloned() {
        None => String::new(),
        Some(mut value) => {
            value.relevel(0);
            format!(" AS _id, {} AS _by", writer.value(&value)?)
        }
    };
    let scope = writer.scopes.pop();
    let joins = scope.map(|scope| scope.joins_text()).unwrap_or_default();
    let table = writer.table(entity);
    Ok(format!("SELECT v0._id{by} FROM {table} v0{joins} WHERE {condition}"))
}

struct Writer<'a> {
    options: SqlOptions<'a>,
    /// Of the variables in sight, by level.
    scopes: Vec<Scope>,
    aliases: usize,
}

/// What a variable stands for.
struct Scope {
    alias: String,
    entity: usize,
    /// Records reached by relations to one: the path, the alias, the join.
    joins: Vec<(Vec<Step>, String, String)>,
}

impl Scope {
    fn joins_text(&self) -> String {
        self.joins.iter().map(|(_, _, join)| join.as_str()).collect()
    }
}

fn refused(at: Position, why: impl Into<String>) -> Problem {
    Problem::new(Problem::UNSUPPORTED, at, why)
}

impl Writer<'_> {
    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("t{}", self.aliases)
    }

    fn table(&self, entity: usize) -> String {
        self.options.model.entities.get(entity).map(|entity| name(&entity.name)).unwrap_or_default()
    }

    fn relation_column(&self, relation: usize) -> String {
        self.options.model.relations.get(relation).map(|r| format!("_{}_id", r.name)).unwrap_or_default()
    }

    /// The pairs of a relation that was gone to its end.
    fn closure_table(&self, relation: usize) -> String {
        let of = self.options.model.relations.get(relation);
        of.map(|r| format!("{}_{}_closure", self.options.model.entities[r.from].name, r.name)).unwrap_or_default()
    }

    /// The alias of a record reached from a variable, joined where it is not yet; and its entity.
    fn reached(&mut self, var: usize, hops: &[Hop]) -> (String, usize) {
        let (mut alias, mut entity) = self.scopes.get(var).map(|s| (s.alias.clone(), s.entity)).unwrap_or_default();
        let mut path = Vec::new();
        for hop in hops {
            for step in &hop.steps {
                let Step::One(relation) = step else { continue };
                path.push(*step);
                let known = self.scopes[var].joins.iter().find(|(known, ..)| *known == path).map(|j| j.1.clone());
                entity = self.options.model.relations[*relation].to;
                alias = match known {
                    Some(known) => known,
                    None => {
                        let next = self.alias();
                        let (table, column) = (self.table(entity), self.relation_column(*relation));
                        let join = format!(" LEFT JOIN {table} {next} ON {next}._id = {alias}.{column}");
                        self.scopes[var].joins.push((path.clone(), next.clone(), join));
                        next
                    }
                };
            }
        }
        (alias, entity)
    }

    /// Inside of a set, with its element as the innermost variable.
    fn inside<T>(
        &mut self,
        alias: &str,
        entity: usize,
        write: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<(T, String)> {
        self.scopes.push(Scope { alias: alias.to_owned(), entity, joins: Vec::new() });
        let written = write(self);
        let joins = self.scopes.pop().map(|scope| scope.joins_text()).unwrap_or_default();
        Ok((written?, joins))
    }

    /// Something made of values that are needed more than once. Those that are long are columns of a table of one row, so
    /// that a statement does not grow with every level of an expression.
    fn named(&mut self, values: &[String], write: impl FnOnce(&[String]) -> String) -> String {
        let (table, mut columns) = (self.alias(), Vec::new());
        let mut name = |value: &String| {
            if value.len() <= SHORT {
                return value.clone();
            }
            columns.push(format!("{value} AS x{}", columns.len()));
            format!("{table}.x{}", columns.len() - 1)
        };
        let names: Vec<String> = values.iter().map(&mut name).collect();
        let written = write(&names);
        if columns.is_empty() {
            written
        } else {
            format!("(SELECT {written} FROM (SELECT {}) {table})", columns.join(", "))
        }
    }

    /// As [`Self::named`], of one value, with what may be refused.
    fn through(&mut self, value: String, write: impl FnOnce(&mut Self, &str) -> Result<String>) -> Result<String> {
        if value.len() <= SHORT {
            return write(self, &value);
        }
        let table = self.alias();
        let written = write(self, &format!("{table}.x0"))?;
        Ok(format!("(SELECT {written} FROM (SELECT {value} AS x0) {table})"))
    }

    fn short_enough(&self, text: String, at: Position) -> Result<String> {
        if text.len() <= BYTES_MAX {
            return Ok(text);
        }
        Err(refused(
            at,
            format!(
                "as SQL this has more than {BYTES_MAX} bytes; make parts of it segments of their own and ask for them"
            ),
        ))
    }

    /// The value of what is the same for every record; none where it is not.
    fn constant(&self, expr: &Expr) -> Option<std::result::Result<attiva_core::Value, attiva_expr::EvalFault>> {
        let is_constant = expr.fields().is_empty() && !expr.is_relational();
        is_constant.then(|| attiva_expr::Program::new(expr).evaluate(&[], self.options.now))
    }
}

/// Names of entities are lower-case letters, digits and `_`; some of them are words of SQL.
fn name(name: &str) -> String {
    const WORDS: [&str; 12] =
        ["order", "group", "user", "table", "select", "case", "index", "values", "column", "check", "grant", "limit"];
    if WORDS.contains(&name) { format!("\"{name}\"") } else { name.to_owned() }
}
