//! Union, intersection, exclusion and waterfalls of audiences, by every evaluator, as is known by hand.

mod support;

use attiva_core::model::EntityKind;
use attiva_segments::column::{Evaluation, SegmentSet};
use attiva_segments::{RowEvaluator, Surroundings, plan};
use support::scalar::generate::NOW;
use support::sets::{CASES, world};
use support::world::entity;
use support::{checked, naive};

#[test]
fn operations_on_audiences_have_their_members() {
    let world = world();
    let data = world.dataset();
    let around = Surroundings { graph: &world, rates: &world, now: NOW };
    for (rule, expected) in CASES {
        let tree = checked(rule, EntityKind::Person);
        let plan = plan(&tree).unwrap();
        let rows = 0..world.count("person");
        let naive = |row: &usize| naive::is_true(&world, tree.root(), entity("person"), *row, NOW) == Some(Some(true));
        assert_eq!(rows.clone().filter(naive).collect::<Vec<_>>(), *expected, "{rule}, read naively");
        let evaluator = RowEvaluator::new(&plan);
        let by_row = |row: &usize| evaluator.evaluate_in(*row as u64, &around).is_ok_and(|truth| truth.is_true());
        assert_eq!(rows.filter(by_row).collect::<Vec<_>>(), *expected, "{rule}, row by row");
        let columns = SegmentSet::new(&[&plan]).evaluate(&Evaluation { data: &data, rates: &world, now: NOW }, 1);
        assert_eq!(columns[0].rows().collect::<Vec<_>>(), *expected, "{rule}, by columns");
    }
}
