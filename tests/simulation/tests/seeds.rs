//! The first seeds. Thousands more run in the deep tier.

#[test]
fn whatever_fails_a_target_ends_with_what_is_wanted_and_the_books_balance() {
    let mut kills = 0;
    let mut resent = 0;
    for seed in 1..=60 {
        let report = attiva_simulation::run(seed).unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
        kills += report.kills;
        resent += report.resent;
    }
    assert!(kills > 30 && resent > 30, "it was too easy: {kills} kills, {resent} batches resent");
}
