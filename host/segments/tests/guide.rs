//! Every example of `docs/segments.md` is checked, and answered by every evaluator as is known by hand.

mod support;

use attiva_core::model::EntityKind;
use attiva_segments::column::{Evaluation, SegmentSet};
use attiva_segments::{Classification, RowEvaluator, Surroundings, classify, plan};
use support::bodea::{self, EXPECTED};
use support::scalar::generate::NOW;
use support::world::{entity, model};
use support::{checked, naive};

const GUIDE: &str = include_str!("../../../docs/segments.md");

fn kind(root: &str) -> EntityKind {
    EntityKind::parse(root).unwrap()
}

fn expected(name: &str) -> &'static [usize] {
    EXPECTED.iter().find(|(of, _)| *of == name).unwrap_or_else(|| panic!("{name} has no answer")).1
}

#[test]
fn every_example_has_its_members() {
    let world = bodea::world();
    let data = world.dataset();
    let examples = bodea::examples(GUIDE);
    assert_eq!(examples.len(), EXPECTED.len(), "examples and answers");
    let plans: Vec<_> = examples.iter().map(|(root, _, text)| plan(&checked(text, kind(root))).unwrap()).collect();
    let set = SegmentSet::new(&plans.iter().collect::<Vec<_>>());
    let columns = set.evaluate(&Evaluation { data: &data, rates: &world, now: NOW }, 2);
    let around = Surroundings { graph: &world, rates: &world, now: NOW };
    for (((root, name, text), plan), column) in examples.iter().zip(&plans).zip(columns) {
        let expected = expected(name);
        let rows = 0..world.count(root);
        let tree = checked(text, kind(root));
        let naive = |row: &usize| naive::is_true(&world, tree.root(), entity(root), *row, NOW) == Some(Some(true));
        assert_eq!(rows.clone().filter(naive).collect::<Vec<_>>(), expected, "{name}, read naively");
        let evaluator = RowEvaluator::new(plan);
        let by_row = |row: &usize| evaluator.evaluate_in(*row as u64, &around).is_ok_and(|truth| truth.is_true());
        assert_eq!(rows.clone().filter(by_row).collect::<Vec<_>>(), expected, "{name}, row by row");
        assert_eq!(column.rows().collect::<Vec<_>>(), expected, "{name}, by columns");
        for row in rows {
            let explanation = evaluator.explain_in(row as u64, &around);
            assert_eq!(explanation.member, expected.contains(&row), "{name}: {explanation}");
            assert!(explanation.deciding().next().is_some(), "{name}: {explanation}");
        }
    }
}

/// Persons named on an opportunity, and everybody at its company: two questions with two answers.
#[test]
fn the_other_path_is_another_audience() {
    let (named, all) = (expected("Big deals in Canada"), expected("Everyone at a company with a big deal in Canada"));
    let only = |of: &[usize], other: &[usize]| of.iter().filter(|p| !other.contains(p)).copied().collect::<Vec<_>>();
    assert_eq!((only(named, all), only(all, named)), (vec![bodea::BOB], vec![bodea::FOX, bodea::GUS]));
}

#[test]
fn examples_stream_where_they_stay_with_the_person() {
    let streaming: Vec<String> = bodea::examples(GUIDE)
        .into_iter()
        .filter(|(root, _, text)| {
            let plan = plan(&checked(text, kind(root))).unwrap();
            classify(&plan, Some(&model())) == Classification::Streaming
        })
        .map(|(_, name, _)| name)
        .collect();
    assert_eq!(
        streaming,
        [
            "Read the pricing page, then asked, within three days and without booking in between",
            "Streaming on top of batch",
            "In HR or People, and in nothing else",
            "Score over 80"
        ]
    );
}
