//! A target is read back by a host that is killed within the reading: what was found and what follows from it are as if
//! nothing had been.

use attiva_e2e::Kill;
use attiva_e2e::readings::Readings;
use attiva_e2e::vendors::Vendors;
use attiva_sync::crash::POINTS_OF_READBACK;
use serde_json::json;

#[test]
fn a_reading_killed_at_each_of_its_points_finds_and_leaves_the_same() {
    let _ = env!("CARGO_BIN_EXE_attiva-under-test");
    let vendors = Vendors::start(3, 7).unwrap();
    let mut readings = Readings::prepare(&vendors).unwrap();
    let (reference, killed) = readings.read(Kill::Never).unwrap();
    assert!(!killed);
    let counts = json!({ "there": 648, "as_known": 646, "missing": 3, "returned": 1, "foreign": 1, "unnamed": 0,
        "unsettled": 0, "repaired": 4 });
    assert_eq!((&reference.reading["counts"], &reference.reading["pages"]), (&counts, &json!(3)), "{reference:?}");
    assert_eq!((reference.drift.len(), reference.listed.len()), (4, 650), "everybody but one, and somebody else's");
    assert_eq!((&reference.books["updated"], &reference.books["removed"]), (&json!(3), &json!(1)), "{reference:?}");
    // The first page, and the last; of a comparison there is one step.
    for (name, counts) in POINTS_OF_READBACK.into_iter().zip([&[1, 3][..], &[1, 3], &[1]]) {
        for count in counts.iter().copied() {
            let (found, killed) = readings.read(Kill::AtPoint { name, count }).unwrap();
            assert!(killed, "{name} was not passed {count} times");
            assert_eq!(found, reference, "killed at {name} {count}");
        }
    }
    readings.stop().unwrap();
}
