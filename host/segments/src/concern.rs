//! Which events can change an answer, told from the event alone: most new events concern few of many segments, and the
//! others need not be asked.
//!
//! An event counts in a set only where all filters are true of it, and under most quantifiers only where the condition is.
//! Of these, what reads the event alone and not the time stays as it is for as long as the event does: where it is not true,
//! the event is in no set that matters, now or later.

use crate::plan::Plan;
use attiva_core::Value;
use attiva_expr::{Expr, Kind, Program, Quantified, Sequence, Set};

/// Of a plan that is evaluated in streaming, whose sets are the events of the person and no others.
#[derive(Debug)]
pub struct Concern {
    /// An event matters to the answer where all conditions of one of these are true of it. One without conditions: every
    /// event does.
    any: Vec<Vec<Program>>,
}

impl Concern {
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let mut any = Vec::new();
        for leaf in plan.leaves() {
            leaf.expression().walk(&mut |expr| match &expr.kind {
                Kind::Quantified(quantified) => any.push(of_quantified(quantified)),
                Kind::Aggregated(aggregated) => any.push(filters(&aggregated.set)),
                Kind::Sequence(sequence) => any.extend(of_sequence(sequence)),
                _ => {}
            });
        }
        Self { any }
    }

    /// Whether a new event of a person, by its values by slot, can move that person. What the event said before, if it did,
    /// is not asked here.
    #[must_use]
    pub fn is_met_by(&self, event: &[Value]) -> bool {
        self.any.iter().any(|all| all.iter().all(|condition| condition.truth(event, 0) == Ok(Some(true))))
    }
}

fn of_quantified(quantified: &Quantified) -> Vec<Program> {
    let mut all = filters(&quantified.set);
    if quantified.how.ignores_unmet() {
        own(&quantified.condition.body, quantified.set.level, &mut all);
    }
    all
}

/// An event that is in no step, and that no step forbids, makes no difference.
fn of_sequence(sequence: &Sequence) -> Vec<Vec<Program>> {
    let of_step = |condition: &Expr| {
        let mut all = filters(&sequence.set);
        own(condition, sequence.set.level, &mut all);
        all
    };
    sequence.lambdas().map(|lambda| of_step(&lambda.body)).collect()
}

fn filters(set: &Set) -> Vec<Program> {
    let mut all = Vec::new();
    set.filters.iter().for_each(|filter| own(&filter.body, set.level, &mut all));
    all
}

/// The parts of a condition, all of which have to be true, that read an element alone and not the time.
fn own(condition: &Expr, level: usize, found: &mut Vec<Program>) {
    if let Kind::And(all) = &condition.kind {
        all.iter().for_each(|one| own(one, level, found));
    } else if is_own(condition, level) {
        found.push(Program::new(condition));
    }
}

fn is_own(condition: &Expr, level: usize) -> bool {
    let mut is_own = true;
    condition.walk(&mut |expr| {
        is_own &= match &expr.kind {
            Kind::Field(field) => field.var == level && field.hops.is_empty(),
            Kind::Now | Kind::Quantified(_) | Kind::Aggregated(_) | Kind::Sequence(_) => false,
            Kind::InAudience(_) | Kind::InBase { .. } => false,
            _ => true,
        };
    });
    is_own
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plan, segment_model, segment_scope};
    use attiva_core::model::custom::Custom;
    use attiva_core::model::{EntityKind, Schema};
    use std::sync::Arc;

    /// Whether a view of a page by somebody with a form concerns the rule.
    fn met(rule: &str, page: &str) -> bool {
        let model = Arc::new(segment_model(&Schema::new(&Custom::default()).unwrap()));
        let checked = attiva_expr::check(rule, &segment_scope(&model, EntityKind::Person).unwrap()).unwrap();
        let activity = model.entities.iter().find(|entity| entity.name == "activity").unwrap();
        let mut row = vec![Value::Null; activity.fields.len()];
        row[activity.field("page").unwrap()] = Value::Text(page.into());
        row[activity.field("type").unwrap()] = Value::Text("view".into());
        Concern::of(&plan(&checked).unwrap()).is_met_by(&row)
    }

    #[test]
    fn an_event_that_no_condition_lets_through_concerns_nothing() {
        for rule in [
            "events.exists(e, e.page == \"/a\")",
            "events.none(e, e.page == \"/a\" && e.time.within(last(days(1))))",
            "events.atLeast(2, e, e.time.within(last(days(1))) && e.page == \"/a\")",
            "events.filter(e, e.page == \"/a\").size() > 3",
            "events.filter(e, e.page == \"/a\").all(e, e.type == \"other\")",
            "sequence(events, step(e, e.page == \"/a\" && e.type == \"view\"), step(e, e.page == \"/b\"))",
            "person.department == \"HR\" && events.exists(e, e.page == \"/a\")",
            "events.exists(e, e.page == \"/a\") || events.exists(e, e.page == \"/b\")",
        ] {
            assert!(met(rule, "/a"), "{rule}");
            assert!(!met(rule, "/other"), "{rule}");
        }
    }

    #[test]
    fn where_it_cannot_be_told_every_event_concerns() {
        for rule in [
            "events.size() > 3",
            "events.all(e, e.page == \"/a\")",
            "events.shareOf(0.5, e, e.page == \"/a\")",
            "events.exists(e, e.page == person.department)",
            "events.exists(e, e.time.within(last(days(1))))",
            "events.filter(e, e.page == \"/a\").size() > 3 || events.size() > 9",
            "events.exists(e, e.page == \"/a\" && events.all(o, o.page == \"/a\"))",
            "sequence(events, step(e, e.page == \"/a\"), step(e, e.time < now))",
            "sequence(events, step(e, e.page == \"/a\"), notBetween(e, e.form_name == null), step(e, e.page == \"/b\"))",
        ] {
            assert!(met(rule, "/other"), "{rule}");
        }
    }

    #[test]
    fn a_rule_without_events_is_concerned_by_none() {
        assert!(!met("person.department == \"HR\"", "/a"));
    }
}
