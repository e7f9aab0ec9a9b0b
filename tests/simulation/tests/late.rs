//! An old addition never lands after a new removal: no later request is made before the one of before has landed, or has
//! been lost.

use attiva_core::delivery::DeliveryStatus;
use attiva_simulation::late::{Ended, addition};

#[tokio::test]
async fn who_has_left_is_not_put_in_by_a_request_of_before_the_kill() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(addition(directory.path(), Ended::Killed).await, (vec![], None));
}

/// Also where it was never acknowledged, the row that was sent says whom to take out.
#[tokio::test]
async fn who_has_left_is_not_put_in_by_a_request_that_was_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(addition(directory.path(), Ended::CutOff).await, (vec![], Some(DeliveryStatus::Failed)));
}
