use super::*;

fn row(value: &str) -> Row {
    Row::from([("email".to_owned(), Value::Text(value.to_owned()))])
}

fn why(status: RefusalStatus) -> Why {
    Why { status, code: "c".into(), field: None, message: "m".into() }
}

fn refused(operation: Operation, row: Option<Row>, retry_at: Option<Millis>) -> Option<Refusal> {
    Some(Refusal { operation, why: why(RefusalStatus::Failed), row, retry_at, attempts: 1 })
}

fn held(value: &str) -> Standing {
    Standing { held: Some(row(value)), ..Standing::default() }
}

fn excluded() -> Desired {
    Desired::Excluded(why(RefusalStatus::Excluded))
}

#[test]
fn only_a_difference_is_sent() {
    use Operation::{Remove, Upsert};
    let unsure = |operation, standing: Standing| Standing { unsure: Some(operation), ..standing };
    let none = Standing::default;
    let kept = |status| Decision::Kept(why(status));
    let cases = [
        (Desired::Row(row("a")), none(), Decision::Send(Upsert)),
        (Desired::Row(row("a")), held("a"), Decision::Unchanged),
        (Desired::Row(row("b")), held("a"), Decision::Send(Upsert)),
        // Nobody knows what became of it: it is driven again although it is as it should be.
        (Desired::Row(row("a")), unsure(Remove, held("a")), Decision::Send(Upsert)),
        (Desired::Row(row("a")), unsure(Upsert, held("a")), Decision::Send(Upsert)),
        (Desired::Unwanted, held("a"), Decision::Send(Remove)),
        (Desired::Unwanted, unsure(Upsert, none()), Decision::Send(Remove)),
        (Desired::Unwanted, none(), Decision::Unchanged),
        (excluded(), none(), kept(RefusalStatus::Excluded)),
        (excluded(), held("a"), Decision::Send(Remove)),
    ];
    for (desired, standing, wanted) in cases {
        assert_eq!(decide(&desired, &standing, 0), wanted, "{desired:?} {standing:?}");
    }
}

#[test]
fn what_was_refused_is_sent_again_when_it_changed_or_its_time_has_come() {
    use Operation::{Remove, Upsert};
    let stand = |refusal| Standing { refusal, ..held("a") };
    let kept = Decision::Kept(why(RefusalStatus::Failed));
    let permanent = || stand(refused(Upsert, Some(row("b")), None));
    assert_eq!(decide(&Desired::Row(row("b")), &permanent(), i64::MAX), kept);
    assert_eq!(decide(&Desired::Row(row("c")), &permanent(), 0), Decision::Send(Upsert));
    assert_eq!(decide(&Desired::Row(row("a")), &permanent(), 0), Decision::Unchanged);
    assert_eq!(decide(&Desired::Unwanted, &permanent(), 0), Decision::Send(Remove));
    let passing = || stand(refused(Upsert, Some(row("b")), Some(100)));
    assert_eq!(decide(&Desired::Row(row("b")), &passing(), 99), kept);
    assert_eq!(decide(&Desired::Row(row("b")), &passing(), 100), Decision::Send(Upsert));
    assert_eq!(decide(&Desired::Unwanted, &stand(refused(Remove, None, None)), 0), kept);
}

#[test]
fn an_answer_moves_the_standing() {
    use Operation::{Remove, Upsert};
    use OutcomeStatus as S;
    let after = |standing: Standing, operation, status| {
        let answer = Answer { status, code: "c".into(), field: None, message: "m".into(), passes: false };
        standing.after(Sent { operation, row: row("b"), doubt: Doubt::None }, &answer, 0)
    };
    let fresh = || Standing { unsure: Some(Upsert), ..Standing::default() };
    for status in [S::Created, S::Updated, S::Unchanged] {
        assert_eq!(after(fresh(), Upsert, status), Some(held("b")), "{status:?}");
    }
    for status in [S::Removed, S::Unchanged, S::Unmatched] {
        assert_eq!(after(held("a"), Remove, status), None, "{status:?}");
    }
    let refused = after(held("a"), Upsert, S::Rejected).unwrap();
    assert_eq!(refused.held, Some(row("a")), "what was there is there");
    assert_eq!(refused.refusal.unwrap().row, Some(row("b")));
    let unmatched = after(held("a"), Upsert, S::Unmatched).unwrap();
    assert!(unmatched.held == Some(row("a")) && unmatched.has_somebody_of_before(), "who was there may be there still");
    assert!(!after(fresh(), Upsert, S::Unmatched).unwrap().has_somebody_of_before());
    let pending = after(held("a"), Remove, S::Pending).unwrap();
    assert_eq!((pending.held.is_some(), pending.unsure), (true, Some(Remove)));
    let not_done = after(held("a"), Remove, S::Created).unwrap();
    assert_eq!(not_done.refusal.map(|r| (r.operation, r.row)), Some((Remove, None)));
}

/// It was sent with another address, nobody answered, and it left: by the one nobody finds who was put in by the other.
#[test]
fn who_may_be_there_as_two_is_taken_out_twice() {
    let removed = |standing: Standing, doubt| {
        let answer = Answer {
            status: OutcomeStatus::Removed,
            code: String::new(),
            field: None,
            message: String::new(),
            passes: false,
        };
        standing.after(Sent { operation: Operation::Remove, row: row("b"), doubt }, &answer, 0)
    };
    let unsure = Standing { unsure: Some(Operation::Remove), ..held("a") };
    let left = removed(unsure, Doubt::Other).unwrap();
    assert_eq!(left, held("a"));
    assert_eq!(decide(&Desired::Unwanted, &left, 0), Decision::Send(Operation::Remove));
    assert_eq!(removed(left, Doubt::None), None, "and not for ever");
    for only in [held("b"), Standing::default()] {
        let unsure = Standing { unsure: Some(Operation::Remove), ..only };
        assert_eq!(removed(unsure, Doubt::Other), None);
    }
}

#[test]
fn what_passes_is_tried_less_and_less_often() {
    let mut standing = Standing::default();
    let mut pauses = Vec::new();
    for _ in 0..13 {
        let answer = Answer {
            status: OutcomeStatus::Rejected,
            code: "busy".into(),
            field: None,
            message: String::new(),
            passes: true,
        };
        standing = standing
            .after(Sent { operation: Operation::Upsert, row: row("a"), doubt: Doubt::None }, &answer, 1000)
            .unwrap();
        pauses.push(standing.refusal.as_ref().and_then(|r| r.retry_at).unwrap() - 1000);
    }
    assert_eq!(&pauses[..3], [60_000, 120_000, 240_000]);
    assert_eq!(pauses[12], 86_400_000);
}

/// By the vendor's own hand, and nothing tells us.
#[test]
fn whom_a_vendor_does_not_know_is_asked_for_again() {
    const HOUR: i64 = 3_600_000;
    let answer = Answer {
        status: OutcomeStatus::Unmatched,
        code: "nobody".into(),
        field: None,
        message: String::new(),
        passes: false,
    };
    let mut standing = Standing::default();
    let mut pauses = Vec::new();
    for _ in 0..7 {
        let sent = Sent { operation: Operation::Upsert, row: row("a"), doubt: Doubt::None };
        standing = standing.after(sent, &answer, 1000).unwrap();
        pauses.push(standing.refusal.as_ref().and_then(|r| r.retry_at).unwrap());
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 32].map(|days| (days * 24 + 1) * HOUR), "at a full hour");
    let (wanted, at) = (Desired::Row(row("a")), pauses[6]);
    assert_eq!(decide(&wanted, &standing, at - 1), Decision::Kept(standing.refusal.clone().unwrap().why));
    assert_eq!(decide(&wanted, &standing, at), Decision::Send(Operation::Upsert));
}

#[test]
fn a_large_share_of_removals_needs_a_word() {
    for (removals, held, percent, stops) in [
        (10, 10, 20, false),
        (11, 11, 20, true),
        (20, 100, 20, false),
        (21, 100, 20, true),
        (11, 11, 100, false),
        (11, 50, 0, true),
    ] {
        assert_eq!(needs_approval(removals, held, percent), stops, "{removals} of {held}, {percent} %");
    }
}

#[test]
fn a_refusal_does_not_say_what_became_of_what_was_sent_before() {
    let after = |doubt, passes| {
        let answer = Answer {
            status: OutcomeStatus::Rejected,
            code: "busy".into(),
            field: None,
            message: String::new(),
            passes,
        };
        Standing::default().after(Sent { operation: Operation::Upsert, row: row("a"), doubt }, &answer, 0).unwrap()
    };
    let unsure = |doubt, passes| after(doubt, passes).unsure.is_some();
    assert_eq!([unsure(Doubt::Same, true), unsure(Doubt::Other, true), unsure(Doubt::Other, false)], [true; 3]);
    assert_eq!([unsure(Doubt::Same, false), unsure(Doubt::None, true)], [false; 2]);
    // It is not sent again for that, and is removed when it is not wanted.
    let standing = after(Doubt::Other, false);
    assert_eq!(decide(&Desired::Row(row("a")), &standing, 0), Decision::Kept(standing.refusal.clone().unwrap().why));
    assert_eq!(decide(&Desired::Unwanted, &standing, 0), Decision::Send(Operation::Remove));
}

/// Whom the vendor does not know by what is wanted is left alone, unless it has them as they were.
#[test]
fn somebody_of_before_is_taken_out_where_the_new_row_matches_nobody() {
    let unmatched = |held| {
        let refusal = Refusal {
            operation: Operation::Upsert,
            why: why(RefusalStatus::Unmatched),
            row: Some(row("new")),
            retry_at: None,
            attempts: 1,
        };
        Standing { held, unsure: None, refusal: Some(refusal) }
    };
    let wanted = Desired::Row(row("new"));
    assert_eq!(decide(&wanted, &unmatched(None), 0), Decision::Kept(why(RefusalStatus::Unmatched)));
    assert_eq!(decide(&wanted, &unmatched(Some(Row::new())), 0), Decision::Send(Operation::Remove));
    let mut due = unmatched(Some(Row::new()));
    due.refusal.as_mut().unwrap().retry_at = Some(0);
    assert_eq!(decide(&wanted, &due, 0), Decision::Send(Operation::Remove), "before it is asked for again");
    due.held = None;
    assert_eq!(decide(&wanted, &due, 0), Decision::Send(Operation::Upsert));
    let leaving = Standing { unsure: Some(Operation::Remove), ..unmatched(Some(row("old"))) };
    assert_eq!(decide(&wanted, &leaving, 0), Decision::Send(Operation::Remove), "nobody knows whether it is gone");
    // A row that was refused for itself says nothing of who is there.
    let failed =
        Standing { held: Some(row("old")), refusal: refused(Operation::Upsert, Some(row("new")), None), unsure: None };
    assert_eq!(decide(&wanted, &failed, 0), Decision::Kept(why(RefusalStatus::Failed)));
}
