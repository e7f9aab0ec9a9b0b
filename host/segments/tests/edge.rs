//! Which rules are answered at a request, and what keeps the others from it.

use attiva_core::model::custom::Custom;
use attiva_core::model::{EntityKind, Schema};
use attiva_segments::{EdgeLimit, EdgeNeeds, EdgeReason, edge, plan, segment_model, segment_scope};
use std::sync::Arc;

fn fits(text: &str) -> Result<EdgeNeeds, EdgeReason> {
    let model = Arc::new(segment_model(&Schema::new(&Custom::default()).unwrap()));
    let scope = segment_scope(&model, EntityKind::Person).unwrap();
    let checked = attiva_expr::check(text, &scope).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
    edge(&plan(&checked).unwrap(), Some(&model))
}

#[test]
fn own_fields_audiences_and_the_last_day_are_answered_at_a_request() {
    for (text, events) in [
        ("person.job_title == \"CIO\"", false),
        ("inAudience(\"a\") || person.person_score > 5", false),
        ("person.created_date.anniversaryWithin(next(days(7)))", false),
        ("events.exists(e, e.page == \"/pricing\" && e.time.within(last(days(1))))", true),
        ("inAudience(\"a\") && events.exists(e, e.time > now - hours(24))", true),
        ("events.filter(e, now - e.time <= hours(24)).size() >= 3", true),
        ("events.none(e, e.time >= today)", true),
        ("events.atLeast(2, e, e.time.within(thisDay()) && e.page == \"x\")", true),
        ("events.exists(e, (e.time > now - hours(1) && e.page == \"a\") || e.time > now - hours(2))", true),
        ("events.filter(e, e.time > now - hours(3)).all(e, e.page == \"a\")", true),
        (
            "sequence(events, step(e, e.time > now - hours(3)), notBetween(e, e.page == \"x\"), step(e, e.page == \"b\"))",
            true,
        ),
    ] {
        assert_eq!(fits(text), Ok(EdgeNeeds { events }), "{text}");
    }
}

#[test]
fn what_is_not_is_told_by_clause_and_hop() {
    let of = |text: &str| {
        let reason = fits(text).expect_err(text);
        (reason.limit, reason.hop)
    };
    let reason = fits("person.person_score > 5 && person.accounts.exists(a, a.name == \"x\")").unwrap_err();
    assert_eq!((reason.limit, reason.hop.as_str(), reason.line), (EdgeLimit::Hop, "accounts", 1));
    assert!(reason.clause.starts_with("person.accounts.exists"), "{reason:?}");
    assert_eq!(of("person.account.name == \"x\""), (EdgeLimit::Hop, "account".to_owned()));
    for text in [
        "events.exists(e, e.page == \"/pricing\")",
        "events.exists(e, e.time.within(last(days(2))))",
        "events.exists(e, e.time > now - hours(24) - seconds(1))",
        "events.exists(e, e.time < now - hours(1))",
        "events.exists(e, e.time.within(lastDay()))",
        "events.exists(e, e.time.within(thisMonth()))",
        "events.exists(e, e.time > now - hours(1) || e.page == \"a\")",
        "events.all(e, e.time > now - hours(1))",
        "events.size() > 3",
        "sequence(events, step(e, e.page == \"a\"), step(e, e.time > now - hours(1)))",
        "events.exists(e, e.time > now - hours(1)) && events.exists(e, e.page == \"a\")",
        "events.exists(e, e.time > now - hours(1) && events.exists(f, f.time < e.time))",
    ] {
        assert_eq!(of(text), (EdgeLimit::Window, "events".to_owned()), "{text}");
    }
}
