//! Every kind of node is met true, false and unknown by every evaluator. A node added to the plan fails here until it
//! has its cases.

mod support;

use attiva_core::model::EntityKind;
use attiva_expr::Function;
use attiva_segments::column::{Evaluation, SegmentSet};
use attiva_segments::{NodeKind, Plan, RowEvaluator, Surroundings, Truth};
use support::cases::{CASES, world};
use support::scalar::generate::NOW;
use support::world::World;
use support::{functions, planned};

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

/// The same of every function, and of what else values are made of.
#[test]
fn every_function_is_met_true_false_and_unknown() {
    let world = world();
    for function in Function::ALL {
        let name = format!("{function:?}");
        let is_met = functions::CASES.iter().any(|(of, _)| *of == name);
        assert!(is_met || functions::OF_MAPPINGS.contains(&name.as_str()), "{name} has no cases");
    }
    for (of, texts) in functions::CASES {
        for (text, truth) in texts.iter().zip([Some(true), Some(false), None]) {
            let plan = planned(text, EntityKind::Person);
            let negated = planned(&format!("!({text})"), EntityKind::Person);
            if Function::ALL.iter().any(|function| format!("{function:?}") == *of) {
                assert!(
                    format!("{plan:?}").contains(&format!("function: {of}")),
                    "{text} is no case of {of}: {plan:?}"
                );
            }
            assert_eq!(by_row(&plan, &world), truth, "row: {text}");
            assert_eq!(by_column(&plan, &negated, &world), truth, "column: {text}");
        }
    }
    for (text, truth) in functions::EXACT {
        let (plan, negated) = (planned(text, EntityKind::Person), planned(&format!("!({text})"), EntityKind::Person));
        let found = (by_row(&plan, &world), by_column(&plan, &negated, &world));
        assert_eq!(found, (Some(*truth), Some(*truth)), "{text}");
    }
    for (text, _) in functions::REFUSED {
        let (plan, negated) = (planned(text, EntityKind::Person), planned(&format!("!({text})"), EntityKind::Person));
        assert_eq!(by_row(&plan, &world), by_column(&plan, &negated, &world), "{text}");
    }
}
