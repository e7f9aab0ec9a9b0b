use super::*;
use crate::FaultKind;
use crate::spec::DeliverySpec;

fn begun() -> Delivery {
    let (a, s) = (ActivationId::new(0, [0; 6]), SegmentId::new(0, [0; 6]));
    Delivery::new(DeliveryId::new(0, [0; 6]), a, s, "p@1".into(), 0)
}

fn planned(upserts: u64, removals: u64, held: u64) -> Event {
    let plan = Plan { held, upserts, removals, ..Plan::default() };
    Event::Planned { received: upserts + removals, queued: upserts + removals, plan, removals_percent: 20 }
}

/// One that is planned, and has something to send.
fn delivery() -> Delivery {
    let mut delivery = begun();
    assert_eq!(delivery.step(Event::Resumed, 0), Action::Plan);
    assert_eq!(delivery.step(planned(3, 0, 0), 0), Action::Prepare);
    delivery
}

fn records() -> Delivery {
    Delivery { mode: DeliveryMode::Records, ..begun() }
}

fn prepared(delivery: &mut Delivery) {
    let event = Event::Prepared { state: vec![1], notes: vec![], wait_ms: None };
    assert_eq!(delivery.step(event, 0), Action::Deliver);
}

fn failed(kind: FaultKind) -> Event {
    unsure(kind, 0)
}

fn unsure(kind: FaultKind, unsure_ms: u64) -> Event {
    Event::Failed { fault: Fault::new(kind, "x", "x"), jitter: 0, unsure_ms }
}

fn finished(pending_become: OutcomeStatus) -> Event {
    Event::Finished { state: vec![9], pending_become, artifacts: vec![], wait_ms: Some(50) }
}

#[test]
fn the_straight_way() {
    let mut d = delivery();
    assert_eq!(d.step(Event::Resumed, 0), Action::Prepare);
    prepared(&mut d);
    assert_eq!(d.step(Event::Delivered { state: vec![2], rows: 100, batches: 1 }, 1), Action::Deliver);
    assert_eq!((d.batch, d.position, d.state.as_slice()), (1, 100, &[2u8][..]));
    assert_eq!(d.step(Event::Exhausted, 2), Action::Finish);
    assert_eq!(d.step(finished(OutcomeStatus::Created), 3), Action::End);
    assert_eq!(d.status, DeliveryStatus::Succeeded);
}

#[test]
fn what_was_made_is_given_time_to_be_ready() {
    let made = |wait_ms| Event::Prepared { state: vec![1], notes: vec![], wait_ms: Some(wait_ms) };
    let mut d = delivery();
    assert_eq!(d.step(made(5_000), 10), Action::WaitUntil(5_010));
    assert_eq!((d.status, d.fault.clone()), (DeliveryStatus::Waiting, None));
    assert_eq!(d.step(Event::Resumed, 5_010), Action::Deliver);
    assert_eq!(delivery().step(made(u64::MAX), 0), Action::WaitUntil(3_600_000));
}

#[test]
fn pending_work_is_polled_to_its_end() {
    let mut d = delivery();
    prepared(&mut d);
    d.step(Event::Exhausted, 0);
    assert_eq!(d.step(finished(OutcomeStatus::Pending), 10), Action::WaitUntil(60));
    assert_eq!(d.step(Event::Resumed, 60), Action::Poll);
    assert_eq!(d.step(finished(OutcomeStatus::Created), 61), Action::End);
}

#[test]
fn a_fault_that_stays_takes_back_what_is_not_visible() {
    let mut d = delivery();
    prepared(&mut d);
    assert_eq!(d.step(failed(FaultKind::Scope), 1), Action::Abort);
    assert_eq!(d.step(Event::Aborted, 2), Action::End);
    assert_eq!(d.status, DeliveryStatus::Failed);
    assert_eq!(d.fault.unwrap().kind, FaultKind::Scope);
}

#[test]
fn aborting_gives_up_in_the_end() {
    let mut d = delivery();
    prepared(&mut d);
    d.step(failed(FaultKind::Scope), 0);
    let mut now = 0;
    for _ in 1..ABORTS_MAX {
        let Action::WaitUntil(until) = d.step(failed(FaultKind::Transient), now) else { panic!("no wait") };
        now = until;
        assert_eq!(d.step(Event::Resumed, now), Action::Abort);
    }
    assert_eq!(d.step(failed(FaultKind::Transient), now), Action::End);
    assert_eq!(d.fault.unwrap().kind, FaultKind::Scope);
}

#[test]
fn a_batch_that_was_open_at_a_kill_waits_where_a_late_repeat_could_harm() {
    let restarted = |unsure_ms| Event::Restarted { batch_open: true, unsure_ms };
    let mut d = delivery();
    prepared(&mut d);
    assert_eq!(d.step(restarted(60), 110), Action::WaitUntil(170), "from the restart: the last request may be young");
    assert_eq!(d.step(restarted(60), 120), Action::WaitUntil(170), "killed while it waited: nothing was sent since");
    assert_eq!(d.step(Event::Resumed, 170), Action::Deliver);
    assert_eq!(d.resent_batches, 1);
    let mut d = delivery();
    prepared(&mut d);
    assert_eq!(d.step(restarted(0), 110), Action::Deliver);
    assert_eq!(d.step(Event::Restarted { batch_open: false, unsure_ms: 60 }, 111), Action::Deliver);
    assert_eq!(d.resent_batches, 1);
}

#[test]
fn a_batch_without_an_answer_is_as_unsure_as_a_killed_one() {
    let mut d = delivery();
    prepared(&mut d);
    let day = 86_400_000;
    assert_eq!(d.step(unsure(FaultKind::Transient, day), 100), Action::WaitUntil(86_400_100));
    assert_eq!(d.step(Event::Resumed, 86_400_100), Action::Deliver);
    assert_eq!((d.attempts, d.resent_batches), (1, 1));
    // The back-off counts where it is longer, and a refusal is an answer.
    let Action::WaitUntil(until) = d.step(unsure(FaultKind::Transient, 1), 200) else { panic!("no wait") };
    assert!(until > 201);
    let mut d = delivery();
    prepared(&mut d);
    let Action::WaitUntil(until) = d.step(unsure(FaultKind::RateLimited, day), 100) else { panic!("no wait") };
    assert!(until < 10_000 && d.resent_batches == 0);
}

#[test]
fn an_unsure_batch_is_waited_out_before_it_is_given_up() {
    // A call that was cut off is not repeated, yet its request may be on its way.
    let mut d = delivery();
    prepared(&mut d);
    assert_eq!(d.step(unsure(FaultKind::Internal, 5_000), 100), Action::WaitUntil(5_100));
    assert_eq!(d.step(Event::Resumed, 5_100), Action::Abort);
    // The same when it is cancelled in the meantime.
    let mut d = delivery();
    prepared(&mut d);
    d.step(unsure(FaultKind::Transient, 5_000), 100);
    assert_eq!(d.step(Event::CancelRequested, 200), Action::WaitUntil(5_100));
    assert_eq!(d.step(Event::Resumed, 5_100), Action::Abort);
    assert_eq!(d.step(Event::Aborted, 5_101), Action::End);
    assert_eq!(d.status, DeliveryStatus::Cancelled);
}

#[test]
fn an_end_that_was_not_told_comes_again() {
    let mut d = delivery();
    prepared(&mut d);
    d.step(Event::Exhausted, 0);
    d.step(finished(OutcomeStatus::Created), 1);
    let mut stored = d.clone().untold();
    assert!(!stored.status.has_ended());
    assert_eq!(stored.step(Event::Resumed, 1), Action::End);
    assert_eq!(stored, d);
}

#[test]
fn cancelling_aborts_and_ends_as_cancelled() {
    let mut d = delivery();
    prepared(&mut d);
    assert_eq!(d.step(Event::CancelRequested, 1), Action::Abort);
    assert_eq!(d.step(Event::Aborted, 2), Action::End);
    assert_eq!(d.status, DeliveryStatus::Cancelled);
    let mut d = delivery();
    assert_eq!(d.step(Event::CancelRequested, 1), Action::Abort, "prepare may have made something");
}

#[test]
fn once_it_may_be_visible_it_is_too_late_to_cancel() {
    let mut d = delivery();
    prepared(&mut d);
    d.step(Event::Exhausted, 0);
    assert_eq!(d.step(Event::CancelRequested, 1), Action::Finish);
    assert_eq!(d.step(finished(OutcomeStatus::Created), 2), Action::End);
    assert_eq!(d.status, DeliveryStatus::Succeeded);
}

#[test]
fn a_spent_budget_does_not_stop_the_question_what_became_of_a_job() {
    let mut d = delivery();
    prepared(&mut d);
    d.step(Event::Exhausted, 0);
    d.step(finished(OutcomeStatus::Pending), 0);
    let quota = Fault::new(FaultKind::Quota, "x", "x").retry_after_ms(7_200_000);
    let spent = Event::Failed { fault: quota, jitter: 0, unsure_ms: 0 };
    assert_eq!(d.step(spent, 60), Action::WaitUntil(7_200_060));
    assert_eq!(d.step(Event::Resumed, 7_200_060), Action::Poll);
    assert_eq!(d.step(failed(FaultKind::Scope), 7_200_060), Action::End);
    assert_eq!(d.status, DeliveryStatus::Failed);
}

#[test]
fn without_a_difference_nobody_is_called() {
    let mut d = records();
    assert_eq!(d.step(planned(0, 0, 9), 0), Action::Deliver, "members that stay are settled");
    assert_eq!(d.clone().step(Event::Exhausted, 1), Action::End);
    assert_eq!(d.clone().step(Event::CancelRequested, 1), Action::End, "there is nothing to take back");
    // A profile that changed after the plan is sent for.
    assert_eq!(d.step(Event::Needed, 1), Action::Prepare);
    // A file of nobody is a file.
    assert_eq!(begun().step(planned(0, 0, 0), 0), Action::Prepare);
}

#[test]
fn many_removals_wait_for_a_word() {
    let mut d = records();
    assert_eq!(d.step(planned(5, 30, 100), 0), Action::Hold(Hold::Removals));
    assert_eq!(d.status, DeliveryStatus::Held);
    assert_eq!(d.step(Event::Resumed, 1), Action::Hold(Hold::Removals), "also after a restart");
    assert_eq!(d.clone().step(Event::CancelRequested, 2), Action::Abort);
    assert_eq!(d.step(Event::Approved, 2), Action::Prepare);
}

#[test]
fn a_pause_holds_at_the_next_batch_and_nothing_is_lost() {
    let mut d = delivery();
    prepared(&mut d);
    assert_eq!(d.step(Event::Paused(true), 1), Action::Hold(Hold::Paused));
    assert_eq!(d.step(Event::Paused(false), 2), Action::Deliver);
    d.step(Event::Exhausted, 2);
    assert_eq!(d.step(Event::Paused(true), 3), Action::Finish, "what may be visible is brought to its end");
}

#[test]
fn a_dry_run_ends_after_its_plan() {
    let mut d = Delivery { dry_run: true, ..records() };
    assert_eq!(d.step(planned(5, 30, 100), 0), Action::Prepare);
    assert_eq!(d.step(Event::Prepared { state: vec![], notes: vec![], wait_ms: None }, 0), Action::End);
    assert_eq!(d.status, DeliveryStatus::Succeeded);
}

#[test]
fn a_batch_that_is_refused_comes_again_in_halves() {
    let mut d = delivery();
    prepared(&mut d);
    let mut sizes = Vec::new();
    for rows in [100, 50, 25] {
        assert_eq!(d.step(Event::Refused { rows, batches: 1 }, 0), Action::Deliver);
        sizes.push(d.batch_rows_max.unwrap());
    }
    assert_eq!((sizes, d.batch), (vec![50, 25, 12], 3));
    d.step(Event::Delivered { state: vec![], rows: 12, batches: 1 }, 0);
    assert_eq!(d.batch_rows_max, Some(24));
}

#[test]
fn batches_go_at_once_when_one_has_left_the_state_alone_and_no_row_is_looked_for() {
    let spec: DeliverySpec = serde_json::from_value(serde_json::json!({
        "class": "at-least-once", "batch_rows": 100, "at_once": {"batches": 5, "keys": ["email"]}
    }))
    .unwrap();
    let mut d = delivery();
    prepared(&mut d);
    assert_eq!(d.batches_at_once(&spec), 1, "nothing is known of its batches yet");
    d.step(Event::Delivered { state: vec![1], rows: 3, batches: 0 }, 0);
    assert_eq!(d.batches_at_once(&spec), 1, "nobody of them was sent");
    d.step(Event::Delivered { state: vec![1], rows: 100, batches: 1 }, 0);
    assert_eq!(d.batches_at_once(&spec), 5);
    d.step(Event::Delivered { state: vec![1], rows: 500, batches: 5 }, 0);
    assert_eq!((d.batch, d.position), (7, 603), "each has used up a number");
    d.step(Event::Refused { rows: 100, batches: 5 }, 0);
    assert_eq!((d.batch, d.batches_at_once(&spec)), (12, 1), "the row is looked for");
    d.step(Event::Delivered { state: vec![1], rows: 50, batches: 1 }, 0);
    assert_eq!(d.batches_at_once(&spec), 5, "batches have their full size again");
    d.step(Event::Delivered { state: vec![2], rows: 100, batches: 1 }, 0);
    assert_eq!(d.batches_at_once(&spec), 1, "the connector keeps something of each batch");
    assert_eq!(d.batches_at_once(&DeliverySpec { at_once: None, ..spec }), 1);
}
