//! Every kind of node is met true, false and unknown by every evaluator. A node added to the plan fails here until it
//! has its cases.

mod support;

use attiva_core::model::EntityKind;
use attiva_segments::column::{Evaluation, SegmentSet};
use attiva_segments::{NodeKind, Plan, RowEvaluator, Surroundings, Truth};
use support::cases::{CASES, world};
use support::planned;
use support::scalar::generate::NOW;
use support::world::World;

fn by_row(plan: &Plan, world: &World) -> Option<bool> {
    let around = Surroundings { graph: world, rates: world, now: NOW };
    match RowEvaluator::new(plan).evaluate_in(0, &around) {
        Ok(Truth::True) => Some(true),
        Ok(Truth::False) => Some(false),
        Ok(Truth::Unknown) | Err(_) => None,
    }
}

/// A column says who is a member; what is unknown is so where the negation has no member either.
fn by_column(plan: &Plan, negated: &Plan, world: &World) -> Option<bool> {
    let data = world.dataset();
    let evaluation = Evaluation { data: &data, rates: world, now: NOW };
    let members = SegmentSet::new(&[plan, negated]).evaluate(&evaluation, 1);
    match (members[0].get(0), members[1].get(0)) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
        (true, true) => panic!("true, and its negation too"),
    }
}

#[test]
fn every_node_is_met_true_false_and_unknown() {
    let world = world();
    for kind in NodeKind::ALL {
        let name = format!("{kind:?}");
        let cases = CASES.iter().find(|(of, _)| *of == name).unwrap_or_else(|| panic!("{name} has no cases"));
        for (text, truth) in cases.1.iter().zip([Some(true), Some(false), None]) {
            if text.is_empty() {
                assert!(kind.is_never_unknown() && truth.is_none(), "{name} has no case that is {truth:?}");
                continue;
            }
            let plan = planned(text, EntityKind::Person);
            let negated = planned(&format!("!({text})"), EntityKind::Person);
            assert!(plan.kinds().contains(kind), "{text} is no case of {name}: {plan:?}");
            assert_eq!(by_row(&plan, &world), truth, "row: {text}");
            assert_eq!(by_column(&plan, &negated, &world), truth, "column: {text}");
        }
    }
}
