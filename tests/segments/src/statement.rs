//! A random segment, its statement, and who its members are; and the first of an order.

use crate::support::generate::Writer;
use crate::support::naive;
use crate::support::scalar::generate::NOW;
use crate::support::world::{World, entity, model};
use crate::support::{checked, planned};
use attiva_core::Millis;
use attiva_core::model::EntityKind;
use attiva_core::ranking::RankOrder;
use attiva_expr::{Checked, Problem, check};
use attiva_segments::column::{Evaluation, SegmentSet};
use attiva_segments::{Plan, Rank, SqlOptions, plan, segment_scope, sql, sql_of_first};

/// A segment over persons or accounts; none where the dice wrote none.
#[must_use]
pub fn segment(dice: &[u8]) -> Option<(&'static str, Checked, Plan)> {
    let (root, kind) = match dice.first() {
        Some(first) if first % 3 == 0 => ("account", EntityKind::Account),
        _ => ("person", EntityKind::Person),
    };
    let text = Writer::new(dice.get(1..).unwrap_or_default(), root).condition(3);
    let checked = check(&text, &segment_scope(&model(), kind)?).ok()?;
    let plan = plan(&checked).ok()?;
    Some((root, checked, plan))
}

/// # Errors
/// Where the statement is refused.
pub fn statement(plan: &Plan, world: &World) -> Result<String, Problem> {
    statement_at(plan, world, NOW)
}

/// # Errors
/// Where the statement is refused.
pub fn statement_at(plan: &Plan, world: &World, now: Millis) -> Result<String, Problem> {
    let has_result = |audience: &str| world.members.contains_key(audience);
    sql(plan, &SqlOptions { model: &model(), rates: world, now, has_result: &has_result })
}

/// The statement of the first of an order among who meets a rule.
///
/// # Errors
/// Where the statement is refused.
pub fn statement_of_first(plan: &Plan, rank: &Rank, world: &World) -> Result<String, Problem> {
    let has_result = |audience: &str| world.members.contains_key(audience);
    sql_of_first(plan, rank, &SqlOptions { model: &model(), rates: world, now: NOW, has_result: &has_result })
}

/// What random worlds are put in order by.
const BY: [&str; 5] = [
    "person.person_score",
    "person.created_date",
    "person.opportunities_by_role.size()",
    "person.opportunities_by_role.sum(o, o.amount)",
    "person.accounts.max(a, a.number_of_employees)",
];

/// A random order of all persons, and who its first are.
#[derive(Debug)]
pub struct First {
    pub text: String,
    pub sql: String,
    /// As the columns have them.
    pub members: Vec<i64>,
    /// Whether it leaves somebody out.
    pub is_cut: bool,
}

/// # Errors
/// Where the statement is refused.
pub fn first(dice: &[u8], world: &World) -> Result<First, Problem> {
    let die = |n: usize| usize::from(dice.get(n).copied().unwrap_or(0));
    let order = if die(0).is_multiple_of(2) { RankOrder::Descending } else { RankOrder::Ascending };
    let (by, limit) = (BY.get(die(1) % BY.len()).copied().unwrap_or_default(), 1 + die(2) % 4);
    let rank = Rank::new(&checked(by, EntityKind::Person), order, limit)?;
    let plan = planned("true", EntityKind::Person);
    let data = world.dataset();
    let of = Evaluation { data: &data, rates: world, now: NOW };
    let met = SegmentSet::new(&[&plan]).evaluate(&of, 1).remove(0);
    let first = rank.first(&met, &of, 1, u64::MAX).expect("no budget");
    let members = first.rows().map(|row| i64::try_from(row).expect("a small world")).collect();
    let text = format!("the first {limit} by {by}, {order:?}");
    Ok(First { text, sql: statement_of_first(&plan, &rank, world)?, members, is_cut: first != met })
}

/// As the columns have them: for what has more digits than the naive reading.
#[must_use]
pub fn members_by_columns(plan: &Plan, world: &World) -> Vec<i64> {
    let data = world.dataset();
    let met = SegmentSet::new(&[plan]).evaluate(&Evaluation { data: &data, rates: world, now: NOW }, 1).remove(0);
    met.rows().map(|row| i64::try_from(row).expect("a small world")).collect()
}

/// None: the naive reading cannot tell for one of them.
#[must_use]
pub fn members(checked: &Checked, root: &str, world: &World) -> Option<Vec<i64>> {
    let mut members = Vec::new();
    for row in 0..world.count(root) {
        if naive::is_true(world, checked.root(), entity(root), row, NOW)? == Some(true) {
            members.push(i64::try_from(row).ok()?);
        }
    }
    Some(members)
}
