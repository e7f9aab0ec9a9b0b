//! The first of those who meet a rule: exact, ties by who was known first, whatever is missing last.

mod support;

use attiva_core::Value;
use attiva_core::model::EntityKind;
use attiva_core::ranking::RankOrder;
use attiva_expr::{Problem, check};
use attiva_segments::column::{Evaluation, SegmentSet};
use attiva_segments::{Needs, Rank, segment_scope};
use proptest::prelude::*;
use support::ranks::{self, Case};
use support::scalar::check_cases_of;
use support::scalar::generate::NOW;
use support::world::{World, decimal, model, text};
use support::{checked, planned};

fn rank(by: &str, order: RankOrder, limit: usize) -> Rank {
    Rank::new(&checked(by, EntityKind::Person), order, limit).unwrap_or_else(|problem| panic!("{by}: {problem:?}"))
}

/// Who of the world's persons meets a rule and is among the first.
fn first(world: &World, rule: &str, rank: &Rank, threads: usize) -> Vec<usize> {
    let data = world.dataset();
    let of = Evaluation { data: &data, rates: world, now: NOW };
    let met = SegmentSet::new(&[&planned(rule, EntityKind::Person)]).evaluate(&of, 1).remove(0);
    rank.first(&met, &of, threads, u64::MAX).expect("no budget").rows().collect()
}

fn person(world: &mut World, score: Option<i64>, department: &str) -> usize {
    let score = score.map_or(Value::Null, Value::Integer);
    world.add("person", &[("person_score", score), ("department", text(department))], &[])
}

#[test]
fn the_most_are_first_ties_go_by_who_was_known_first_and_nothing_is_last() {
    let mut world = World::default();
    for (score, department) in
        [(Some(5), "HR"), (Some(9), "HR"), (None, "HR"), (Some(9), "HR"), (Some(50), "Sales"), (Some(1), "HR")]
    {
        person(&mut world, score, department);
    }
    let of = |order, limit| first(&world, "person.department == \"HR\"", &rank("person.person_score", order, limit), 1);
    assert_eq!(of(RankOrder::Descending, 1), [1], "of two with nine points, who was known first");
    assert_eq!(of(RankOrder::Descending, 2), [1, 3]);
    assert_eq!(of(RankOrder::Descending, 4), [0, 1, 3, 5], "who has no points is behind all that have some");
    assert_eq!(of(RankOrder::Ascending, 1), [5]);
    assert_eq!(of(RankOrder::Ascending, 4), [0, 1, 3, 5], "whichever way the order goes");
    assert_eq!(of(RankOrder::Descending, 5), [0, 1, 2, 3, 5], "and belongs where there is room");
    assert_eq!(of(RankOrder::Descending, 90), [0, 1, 2, 3, 5]);
}

#[test]
fn amounts_are_ranked_in_one_currency_and_sets_by_what_is_made_of_them() {
    let mut world = World::default();
    let deals = |world: &mut World, amounts: &[(&str, &str)]| {
        let who = person(world, None, "HR");
        for (amount, currency) in amounts {
            let deal =
                world.add("opportunity", &[("amount", decimal(amount)), ("amount_currency", text(currency))], &[]);
            world.add("opportunity_person", &[], &[("person", who), ("opportunity", deal)]);
        }
    };
    // A euro is a dollar and a quarter; of yen there is no rate.
    deals(&mut world, &[("100", "USD")]);
    deals(&mut world, &[("90", "EUR")]);
    deals(&mut world, &[("60", "USD"), ("50.5", "USD")]);
    deals(&mut world, &[("1000000", "JPY")]);
    deals(&mut world, &[]);
    let by = |by: &str, limit| first(&world, "true", &rank(by, RankOrder::Descending, limit), 1);
    let sum = "person.opportunities_by_role.sum(o, o.amount)";
    assert_eq!((by(sum, 1), by(sum, 2), by(sum, 3)), (vec![1], vec![1, 2], vec![0, 1, 2]));
    assert_eq!(by(sum, 4), [0, 1, 2, 4], "a sum of nothing is nothing, one without a rate has no value");
    assert_eq!(by("person.opportunities_by_role.size()", 1), [2]);
    assert_eq!(by("person.opportunities_by_role.max(o, o.amount)", 2), [0, 1]);
}

#[test]
fn what_has_no_order_is_refused_and_what_is_read_is_known() {
    let scope = segment_scope(&model(), EntityKind::Person).unwrap();
    for by in ["person.department", "person.department == \"x\"", "person.departments"] {
        let Ok(checked) = check(by, &scope) else { continue };
        let problem = Rank::new(&checked, RankOrder::Descending, 3).unwrap_err();
        assert_eq!(problem.code, Problem::TYPE, "{by}");
    }
    assert!(check("person.no_such_field", &scope).is_err());
    let needs =
        Needs::of([rank("person.accounts.max(a, a.number_of_employees)", RankOrder::Descending, 3).plan()], &model());
    assert_eq!(needs.names(&model()).last().map(String::as_str), Some("account.number_of_employees"));
    rank("person.created_date", RankOrder::Ascending, 3);
    rank("person.birthday", RankOrder::Ascending, 3);
    rank("person.rating", RankOrder::Ascending, 3);
}

/// Against sorting everybody, on as many threads as there are.
#[test]
fn the_first_are_those_of_a_whole_sort() {
    check_cases_of(300, 60, 3, |dice, more| {
        let mut world = World::default();
        for die in dice {
            person(&mut world, (*die < 240).then_some(i64::from(die % 7)), "HR");
        }
        let limit = 1 + usize::from(more.first().copied().unwrap_or(0)) % 40;
        let threads = 1 + usize::from(more.get(1).copied().unwrap_or(0)) % 3;
        for order in [RankOrder::Descending, RankOrder::Ascending] {
            let mut all: Vec<(Option<i64>, usize)> =
                dice.iter().enumerate().map(|(row, die)| ((*die < 240).then_some(i64::from(die % 7)), row)).collect();
            all.sort_by_key(|(score, row)| {
                let turned = score.map(|score| if order == RankOrder::Descending { -score } else { score });
                (turned.is_none(), turned, *row)
            });
            let mut expected: Vec<usize> = all.iter().take(limit).map(|(_, row)| *row).collect();
            expected.sort_unstable();
            prop_assert_eq!(first(&world, "true", &rank("person.person_score", order, limit), threads), expected);
        }
        Ok(())
    });
}

#[test]
fn what_costs_too_much_has_no_answer() {
    let mut world = World::default();
    (0..50).for_each(|n| {
        person(&mut world, Some(n), "HR");
    });
    let data = world.dataset();
    let of = Evaluation { data: &data, rates: &world, now: NOW };
    let met = SegmentSet::new(&[&planned("true", EntityKind::Person)]).evaluate(&of, 1).remove(0);
    let rank = rank("person.person_score", RankOrder::Descending, 5);
    assert!(rank.first(&met, &of, 1, 40).is_none());
    assert!(rank.first(&met, &of, 1, 60).is_some());
}

/// The same cases that engines of SQL are asked.
#[test]
fn cases_known_by_hand_are_those_of_the_columns() {
    let world = ranks::world();
    for Case { rule, by, order, limit, expected } in ranks::CASES {
        for threads in [1, 2] {
            let found = first(&world, rule, &rank(by, *order, *limit), threads);
            assert_eq!(found, *expected, "{rule}: {limit} by {by}, {order:?}");
        }
    }
}
