//! The first seeds. Many more run in the deep tier, from another number each time.

use attiva_simulation::{Failed, run_many};

#[test]
fn whatever_fails_a_target_ends_with_what_is_wanted_and_the_books_balance() {
    let (seeds, report) =
        run_many(1, |seed| seed <= 60).unwrap_or_else(|Failed { seed, problem }| panic!("seed {seed}: {problem}"));
    assert_eq!(seeds, 60);
    assert!(report.kills > 30 && report.resent > 30, "it was too easy: {report:?}");
}
