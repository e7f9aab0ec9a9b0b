//! A random segment, its statement, and who its members are.

use crate::support::generate::Writer;
use crate::support::naive;
use crate::support::scalar::generate::NOW;
use crate::support::world::{World, entity, model};
use attiva_core::model::EntityKind;
use attiva_expr::{Checked, Problem, check};
use attiva_segments::{Plan, SqlOptions, plan, segment_scope, sql};

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
    let has_result = |audience: &str| world.members.contains_key(audience);
    sql(plan, &SqlOptions { model: &model(), rates: world, now: NOW, has_result: &has_result })
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
