use super::*;

fn run(streams: &[&str]) -> Run {
    let streams: Vec<String> = streams.iter().map(|s| (*s).to_owned()).collect();
    Run::new(RunId::new(0, [0; 6]), ConnectionId::new(0, [0; 6]), "p@1".into(), &streams, 0)
}

fn committed(more: bool, wait_ms: Option<u64>) -> Event {
    Event::Committed {
        counts: Counts { changed: 2, rejected: 1, ..Counts::default() },
        more,
        wait_ms,
        estimate: None,
        calls: 0,
        anew: None,
    }
}

fn failed(kind: FaultKind) -> Event {
    Event::Failed { fault: Fault::new(kind, "x", "x"), jitter: 0 }
}

#[test]
fn streams_are_read_in_turns_each_to_its_end() {
    let mut run = run(&["a", "b"]);
    assert_eq!(run.step(Event::Resumed, 0), Action::Pull { stream: 0 });
    assert_eq!(run.step(committed(true, None), 1), Action::Pull { stream: 1 });
    assert_eq!(run.step(committed(false, None), 2), Action::Pull { stream: 0 });
    assert_eq!(run.step(committed(false, None), 3), Action::End);
    assert_eq!((run.status, run.ended_at), (RunStatus::Succeeded, Some(3)));
    assert_eq!((run.streams[0].pages, run.streams[0].received, run.streams[0].changed), (2, 6, 4));
    let times = |stream: &str| run.pages_at.get(stream).map(|at| (at.committed_at, at.caught_up_at));
    assert_eq!((times("a"), times("b")), (Some((3, Some(3))), Some((2, Some(2)))));
}

#[test]
fn a_stream_that_cannot_be_read_ends_the_run_when_the_others_were() {
    let mut run = run(&["a", "b"]);
    run.step(Event::Resumed, 0);
    assert_eq!(run.step(failed(FaultKind::Scope), 1), Action::Pull { stream: 1 });
    let stored = serde_json::to_string(&run).unwrap();
    let mut run: Run = serde_json::from_str(&stored).unwrap();
    assert_eq!(run.step(Event::Resumed, 2), Action::Pull { stream: 1 });
    assert_eq!(run.step(committed(false, None), 3), Action::End);
    assert_eq!((run.status, run.fault.as_ref().unwrap().kind), (RunStatus::Failed, FaultKind::Scope));
    assert!(run.streams[1].caught_up && run.streams[0].fault.is_some());
    // What is everybody's trouble ends it at once.
    let mut run = self::run(&["a", "b"]);
    run.step(Event::Resumed, 0);
    assert_eq!((run.step(failed(FaultKind::Quota), 1), run.status), (Action::End, RunStatus::Stopped));
}

#[test]
fn what_is_caught_up_is_read_on_while_the_rest_is_not() {
    let mut run = run(&["long", "short"]);
    run.step(Event::Resumed, 0);
    run.step(committed(true, Some(1_000)), 0);
    assert_eq!(run.step(committed(false, None), 1), Action::WaitUntil(1_000));
    assert_eq!(run.step(Event::Due, 2), Action::Pull { stream: 1 });
    assert_eq!(run.step(committed(false, None), 4), Action::WaitUntil(1_000));
    assert_eq!(run.streams[1].pages, 2);
    // While the vendor as a whole is waited for, nothing is read.
    run.step(Event::Resumed, 1_000);
    let Action::WaitUntil(until) = run.step(failed(FaultKind::RateLimited), 1_000) else { panic!("no wait") };
    assert_eq!(run.step(Event::Due, 1_001), Action::WaitUntil(until));
}

#[test]
fn a_reading_anew_keeps_its_place_and_makes_no_stream_fresh() {
    let mut run = run(&["a", "b"]).anew(Backfill::default());
    let read = |more, anew| Event::Committed {
        counts: Counts::default(),
        more,
        wait_ms: None,
        estimate: None,
        calls: 0,
        anew,
    };
    run.step(read(true, Some(Place::Deleting(7))), 1);
    let stored = serde_json::to_string(&run).unwrap();
    let mut run: Run = serde_json::from_str(&stored).unwrap();
    assert_eq!(run.backfill.as_ref().unwrap().place, Place::Deleting(7));
    assert_eq!(run.step(read(false, Some(Place::default())), 2), Action::Pull { stream: 1 });
    assert_eq!((run.backfill.as_ref().unwrap().place.clone(), run.pages_at.len()), (Place::default(), 0));
}

#[test]
fn a_stream_that_is_held_back_says_why_and_the_others_are_read() {
    let mut run = run(&["hungry", "frugal"]);
    run.step(Event::Resumed, 0);
    let kept = || Fault::new(FaultKind::Quota, "quota.share", "kept for others").retry_after_ms(50);
    assert_eq!(run.step(Event::HeldBack { fault: kept() }, 0), Action::Pull { stream: 1 });
    assert_eq!((run.status, &run.fault), (RunStatus::Running, &None));
    assert_eq!(run.step(committed(true, None), 1), Action::Pull { stream: 1 });
    assert_eq!(run.step(committed(false, None), 2), Action::WaitUntil(50), "and the run goes on by itself");
    let stored = serde_json::to_string(&run).unwrap();
    let mut run: Run = serde_json::from_str(&stored).unwrap();
    assert_eq!(
        (run.status, run.streams[0].held_back.as_ref().unwrap().code.as_str()),
        (RunStatus::Waiting, "quota.share")
    );
    assert_eq!(run.step(Event::Resumed, 50), Action::Pull { stream: 0 });
    // However often it is: no failure, so it never ends the run.
    for at in 1..100 {
        assert_eq!(run.step(Event::HeldBack { fault: kept() }, at * 50), Action::WaitUntil(at * 50 + 50));
        run.step(Event::Resumed, at * 50 + 50);
    }
    assert_eq!(run.step(committed(false, None), 6_000), Action::End);
    assert_eq!((run.status, &run.streams[0].held_back), (RunStatus::Succeeded, &None));
    // What is read anew waits, too.
    let mut anew = self::run(&["a", "b"]).anew(Backfill::default());
    anew.step(Event::Resumed, 0);
    assert_eq!(anew.step(Event::HeldBack { fault: kept() }, 0), Action::WaitUntil(50));
}

#[test]
fn a_run_that_is_refused_has_ended_with_the_reason() {
    let mut run = run(&["a"]);
    run.refuse(Fault::new(FaultKind::Config, "x", "x"), 3);
    assert_eq!((run.status, run.ended_at, run.step(Event::Resumed, 4)), (RunStatus::Failed, Some(3), Action::End));
}

#[test]
fn a_stream_in_the_middle_of_its_backlog_is_not_fresh() {
    let mut run = run(&["a"]);
    run.step(committed(true, None), 5);
    assert_eq!(run.pages_at["a"], PageTimes { committed_at: 5, caught_up_at: None });
}

#[test]
fn a_wait_is_waited_out_even_across_a_restart() {
    let mut run = run(&["a"]);
    assert_eq!(run.step(committed(true, Some(100)), 0), Action::WaitUntil(100));
    assert_eq!(run.status, RunStatus::Waiting);
    let stored = serde_json::to_string(&run).unwrap();
    let mut run: Run = serde_json::from_str(&stored).unwrap();
    assert_eq!(run.step(Event::Resumed, 50), Action::WaitUntil(100));
    assert_eq!(run.step(Event::Resumed, 100), Action::Pull { stream: 0 });
}

#[test]
fn faults_end_a_run_as_their_kind_says() {
    for (kind, status) in [
        (FaultKind::Auth, RunStatus::Failed),
        (FaultKind::Config, RunStatus::Failed),
        (FaultKind::Quota, RunStatus::Stopped),
    ] {
        let mut run = run(&["a"]);
        assert_eq!(run.step(failed(kind), 5), Action::End, "{kind:?}");
        assert_eq!(run.status, status);
        assert_eq!(run.fault.as_ref().unwrap().kind, kind);
    }
}

#[test]
fn what_passes_is_waited_for_and_forgotten_after_a_page() {
    let mut run = run(&["a"]);
    let Action::WaitUntil(first) = run.step(failed(FaultKind::Transient), 0) else { panic!("no wait") };
    let Action::WaitUntil(second) = run.step(failed(FaultKind::Transient), first) else { panic!("no wait") };
    assert!(second - first > first);
    run.step(committed(true, None), second);
    assert_eq!((run.attempts, &run.fault), (0, &None));
    for _ in 0..retry::ATTEMPTS_MAX {
        run.step(failed(FaultKind::Transient), second);
    }
    assert_eq!(run.step(failed(FaultKind::Transient), second), Action::End);
    assert_eq!(run.status, RunStatus::Failed);
}

#[test]
fn a_run_that_is_held_waits_for_as_long_as_it_takes_and_goes_on() {
    let mut run = run(&["a"]);
    let held = || Event::Held { fault: Fault::new(FaultKind::Quota, "full", "full"), wait_ms: 10 };
    for n in 0..i64::from(retry::ATTEMPTS_MAX) * 2 {
        assert_eq!(run.step(Event::Resumed, n * 10), Action::Pull { stream: 0 });
        assert_eq!(run.step(held(), n * 10), Action::WaitUntil(n * 10 + 10));
        assert_eq!((run.status, run.fault.as_ref().unwrap().code.as_str()), (RunStatus::Waiting, "full"));
    }
    assert_eq!(run.step(Event::Resumed, 10_000), Action::Pull { stream: 0 });
    assert_eq!(run.step(committed(false, None), 10_000), Action::End);
    assert_eq!((run.status, &run.fault), (RunStatus::Succeeded, &None));
}

#[test]
fn a_run_that_never_comes_to_an_end_is_ended() {
    let limits = r#"{"run.pages": {"max": 6}, "run.empty_pages": {"max": 3}}"#;
    let limits = Guardrails::new(&serde_json::from_str(limits).unwrap()).unwrap();
    let empty = |wait_ms| Event::Committed {
        counts: Counts::default(),
        more: true,
        wait_ms,
        estimate: None,
        calls: 0,
        anew: None,
    };
    let mut run = run(&["a"]);
    for (event, code) in [
        (empty(None), None),
        (empty(Some(1)), None),
        // What waits for its vendor, or brings something, begins anew.
        (empty(Some(1_000)), None),
        (empty(None), None),
        (committed(true, None), None),
        (empty(None), Some("run.pages")),
        (empty(None), Some("run.pages")),
        (empty(None), Some("run.empty-pages")),
    ] {
        run.step(event, 0);
        assert_eq!(run.may_read(&limits).err().map(|fault| fault.code).as_deref(), code, "{run:?}");
    }
    let mut ended = run.clone();
    let fault = ended.may_read(&limits).unwrap_err();
    ended.step(Event::Failed { fault, jitter: 0 }, 9);
    assert_eq!(ended.status, RunStatus::Failed);
    run.streams[0].empty_pages = 0;
    let fault = run.may_read(&limits).unwrap_err();
    run.step(Event::Failed { fault, jitter: 0 }, 9);
    assert_eq!((run.status, run.fault.unwrap().kind), (RunStatus::Stopped, FaultKind::Quota));
    assert_eq!(ended.may_read(&Guardrails::default()), Ok(()));
}

#[test]
fn an_end_that_was_not_told_comes_again() {
    let mut run = run(&["a"]);
    run.step(committed(false, None), 1);
    let mut stored = run.clone().untold();
    assert!(!stored.status.has_ended());
    assert_eq!(stored.step(Event::Resumed, 1), Action::End);
    assert_eq!(stored, run);
}

#[test]
fn cancelling_ends_it_at_the_next_step_and_for_good() {
    let mut run = run(&["a"]);
    assert_eq!(run.step(Event::CancelRequested, 1), Action::End);
    assert_eq!(run.status, RunStatus::Cancelled);
    assert_eq!(run.step(Event::Resumed, 2), Action::End);
}
