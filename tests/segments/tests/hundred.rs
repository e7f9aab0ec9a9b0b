//! The hundred segments that are measured: what the column evaluator answers, counted by hand.

use attiva_segments::NoRates;
use attiva_segments::column::{Dataset, Evaluation, SegmentSet};
use attiva_segments_judge::hundred::data::NOW;
use attiva_segments_judge::hundred::data::{Data, Size};
use attiva_segments_judge::hundred::refresh::{numbers, refresh};
use attiva_segments_judge::hundred::rules::{Counter, Rule, counters, rules};
use attiva_segments_judge::hundred::{Parameters, measure, plans};

fn is_met(data: &Data, counters: &[Counter], rule: &Rule, person: usize) -> bool {
    let row = person as u32;
    let counter = counters[rule.counter];
    let counts = |event: usize| {
        u64::from(data.kind[event]) == counter.kind
            && counter.page.is_none_or(|page| u64::from(data.page[event]) == page)
            && data.time[event] >= counter.since
    };
    let at = |account: u32, (industry, more): (u64, i64)| {
        u64::from(data.industry[account as usize]) == industry && data.employees[account as usize] > more
    };
    let in_deal = |deal: u32, (stage, more): (u64, i64)| {
        let deal = deal as usize;
        data.closed[deal] == 0 && u64::from(data.stage[deal]) == stage && data.quantity[deal] > more
    };
    let named = |pairs: &(Vec<u32>, Vec<u32>), test: &dyn Fn(u32) -> bool| {
        pairs.0.iter().zip(&pairs.1).any(|(of, other)| *of == row && test(*other))
    };
    let own = data.of.partition_point(|of| *of < row)..data.of.partition_point(|of| *of <= row);
    own.filter(|event| counts(*event)).count() as u64 >= rule.at_least
        && rule.department.is_none_or(|code| u64::from(data.department[person]) == code)
        && rule.country.is_none_or(|code| u64::from(data.country[person]) == code)
        && rule.score_over.is_none_or(|score| data.score[person] > score)
        && rule.account.is_none_or(|asked| named(&data.works_at, &|account| at(account, asked)))
        && rule.opportunity.is_none_or(|asked| named(&data.role_in, &|deal| in_deal(deal, asked)))
}

#[test]
fn the_hundred_are_answered_as_counting_says() {
    let size = Size { persons: 3_000, accounts: 300, opportunities: 900, events: 60_000 };
    let parameters = Parameters { size, segments: 100, rounds: 1, threads: 2, seed: 3 };
    let data = Data::generate(size, parameters.seed);
    let (counters, rules) = (counters(), rules(100));
    let expected: Vec<(u64, u64)> = rules
        .iter()
        .map(|rule| {
            let members = (0..size.persons).filter(|person| is_met(&data, &counters, rule, *person));
            members.fold((0, 0), |(count, sum), person| (count + 1, sum + person as u64))
        })
        .collect();
    assert_eq!(measure(&data, &parameters).unwrap().members, expected);
    let is_multi = |rule: &Rule| rule.account.is_some() || rule.opportunity.is_some();
    assert_eq!(rules.iter().filter(|rule| is_multi(rule)).count(), 50);
    let has_members =
        |multi| rules.iter().zip(&expected).filter(|(r, (count, _))| is_multi(r) == multi && *count > 0).count();
    assert!(has_members(false) > 20 && has_members(true) > 20, "{expected:?}");
    let used: std::collections::BTreeSet<usize> = rules.iter().map(|rule| rule.counter).collect();
    assert_eq!(used.len(), counters.len());
    assert!(counters.iter().enumerate().all(|(n, counter)| !counters[..n].contains(counter)), "all are different");
}

#[test]
fn the_same_seed_makes_the_same_data() {
    let size = Size { persons: 100, accounts: 10, opportunities: 30, events: 1_000 };
    let [one, same, other] = [7, 7, 8].map(|seed| Data::generate(size, seed));
    assert_eq!((&one.time, &one.works_at), (&same.time, &same.works_at));
    assert_ne!(one.time, other.time);
    assert_eq!(one.of.len(), size.events);
    assert!(one.of.is_sorted());
}

#[test]
fn a_refresh_of_one_in_a_hundred_answers_as_the_data_made_anew() {
    let size = Size { persons: 3_000, accounts: 300, opportunities: 900, events: 60_000 };
    let data = Data::generate(size, 3);
    let changed = data.changed();
    let plans = plans(100).unwrap();
    let set = SegmentSet::new(&plans.iter().collect::<Vec<_>>());
    let members = |data: &Dataset| set.evaluate(&Evaluation { data, rates: &NoRates, now: NOW }, 2);
    let before = data.dataset();
    let was = members(&before);
    let refreshed = members(&refresh(before, &numbers(&data), &changed));
    let anew = members(&changed.dataset());
    assert!(refreshed == anew, "what is refreshed is what is made anew");
    let others = was.iter().zip(&anew).filter(|(was, is)| was != is).count();
    assert!(others > 20, "{others} of the hundred have other members");
}
