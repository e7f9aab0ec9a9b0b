//! Shared by the tests of expressions and, by path, of segments: random expressions and rows, a naive reading of a
//! checked expression, and a runner that prints its seed.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]
#![allow(clippy::disallowed_methods, reason = "a person who repeats a failure says so in the environment")]

pub mod generate;
pub mod naive;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use std::hash::{BuildHasher, RandomState};

/// Runs `test` on random dice for an expression and for a row, and shrinks what fails. The seed is printed with the
/// failure; the same seed in `ATTIVA_TEST_SEED` runs the same cases. `ATTIVA_TEST_TIMES` runs that many times as many.
pub fn check_cases(cases: u32, test: impl Fn(&[u8], &[u8]) -> Result<(), TestCaseError>) {
    check_cases_of(cases, 200, 60, test);
}

/// As [`check_cases`], with up to so many bytes of dice for the first and for the second.
pub fn check_cases_of(
    cases: u32,
    first: usize,
    second: usize,
    test: impl Fn(&[u8], &[u8]) -> Result<(), TestCaseError>,
) {
    let given = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = given("ATTIVA_TEST_SEED").unwrap_or_else(|| RandomState::new().hash_one("seed"));
    let times = given("ATTIVA_TEST_TIMES").and_then(|times| u32::try_from(times).ok()).unwrap_or(1);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config =
        Config { cases: cases * times, failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let dice = (vec(any::<u8>(), 0..first), vec(any::<u8>(), 0..second));
    if let Err(error) = runner.run(&dice, |(expression, row)| test(&expression, &row)) {
        panic!("with ATTIVA_TEST_SEED={seed}: {error}");
    }
}
