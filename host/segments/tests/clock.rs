//! The edges of the calendar, by every evaluator, as is known by hand.

mod support;

use attiva_core::model::EntityKind;
use attiva_segments::column::{Evaluation, SegmentSet};
use attiva_segments::{NextChange, RowEvaluator, Surroundings, plan};
use support::world::entity;
use support::{checked, clock, naive};

#[test]
fn months_leap_days_and_nights_that_clocks_change_have_their_answers() {
    let all = clock::all();
    assert!(all.len() > 20);
    for (now, rule, world, expected) in all {
        let tree = checked(&rule, EntityKind::Person);
        let plan = plan(&tree).unwrap();
        let rows = 0..world.count("person");
        let naive = |row: &usize| naive::is_true(&world, tree.root(), entity("person"), *row, now) == Some(Some(true));
        assert_eq!(rows.clone().filter(naive).collect::<Vec<_>>(), expected, "{rule}, read naively");
        let evaluator = RowEvaluator::new(&plan);
        let around = Surroundings { graph: &world, rates: &world, now };
        let by_row = |row: &usize| evaluator.evaluate_in(*row as u64, &around).is_ok_and(|truth| truth.is_true());
        assert_eq!(rows.clone().filter(by_row).collect::<Vec<_>>(), expected, "{rule}, row by row");
        let data = world.dataset();
        let columns = SegmentSet::new(&[&plan]).evaluate(&Evaluation { data: &data, rates: &world, now }, 1);
        assert_eq!(columns[0].rows().collect::<Vec<_>>(), expected, "{rule}, by columns");
        // Where it is foretold when the answer may change, it holds until then.
        for row in rows {
            let NextChange::At(next) = evaluator.next_change_in(row as u64, &around) else { continue };
            assert!(next > now, "{rule}");
            let just_before = Surroundings { now: next - 1, ..around };
            let answer = evaluator.evaluate_in(row as u64, &just_before).is_ok_and(|truth| truth.is_true());
            assert_eq!(answer, expected.contains(&row), "{rule}: it changes before it was foretold");
        }
    }
}
