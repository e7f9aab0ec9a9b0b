//! A short kill campaign for every test run; the long one is the binary `campaign`.

use attiva_e2e::vendors::Vendors;
use attiva_e2e::{Kill, same, travel};
use attiva_sync::crash::POINTS;

#[test]
fn a_host_killed_at_any_commit_goes_on_as_if_nothing_had_been() {
    // Cargo builds the program under test for this test, because it is named here.
    let _ = env!("CARGO_BIN_EXE_attiva-under-test");
    let vendors = Vendors::start(1_500, 7).unwrap();
    let reference = travel(&vendors, Kill::Never).unwrap();
    assert!(reference.phase.is_none());
    assert!(reference.landed.profiles.len() > 1_000 && reference.landed.file.len() > 10_000);
    assert!(reference.landed.audience.len() > 1_000, "members, and as many who entered");
    for name in POINTS {
        let told = travel(&vendors, Kill::AtPoint { name, count: 1 }).unwrap();
        let phase = told.phase.unwrap_or_else(|| panic!("{name} was never passed"));
        same(&reference.landed, &told.landed).unwrap_or_else(|e| panic!("killed at {name} ({phase}): {e:#}"));
        println!("killed at {name}: {phase}: same");
    }
}

/// The moment that is worst for a client: what it asked for is done, and nobody has told it so.
#[test]
fn a_request_that_was_done_and_not_answered_is_done_once() {
    let _ = env!("CARGO_BIN_EXE_attiva-under-test");
    let vendors = Vendors::start(60, 7).unwrap();
    let reference = travel(&vendors, Kill::Never).unwrap();
    assert_eq!(
        reference.landed.made,
        [2, 2, 1, 1, 1, 11],
        "eight POSTs; the key they came with, its organisation and sandbox"
    );
    for count in 1..=u64::from(reference.posts) {
        let told = travel(&vendors, Kill::AtPoint { name: "request.done", count }).unwrap();
        let phase = told.phase.unwrap_or_else(|| panic!("there were not {count} requests"));
        same(&reference.landed, &told.landed).unwrap_or_else(|e| panic!("killed at {count} ({phase}): {e:#}"));
    }
}
