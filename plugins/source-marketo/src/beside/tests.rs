use super::*;
use crate::cursor::{Chain, Chains, History, Job, Phase, Stage, State, VERSION};
use crate::testing::{LIMITS, NOW, activity_page, config, describe, granted, kept, read, read_stream, shown, token};
use attiva_connector::Cursor;
use attiva_connector::testing::FakeHost;
use serde_json::{Value, json};

const DELETED: &str = "/rest/v1/activities/deletedleads.json";
const STATUS: &str = "/bulk/v1/leads/export/e1/status.json";

/// Persons in the middle of an export that Marketo makes.
fn waiting(next: i64) -> Cursor {
    let chain = |token: &str| Chain::at(token.into(), NOW - 7200);
    let job = Some(Job { stage: Stage::Enqueued, ..Job::created("e1".into()) });
    let state = State {
        chains: Chains { changes: chain("C1"), deletions: chain("D1") },
        phase: Phase::History(History { job, ..History::new(NOW - 12 * 86_400, NOW) }),
        beside: Beside { next, busy: false },
        meanwhile: None,
    };
    Cursor::encode(VERSION, &state).unwrap()
}

fn state(page: &Page) -> State {
    kept(&page.next)
}

fn go(fake: &FakeHost, cursor: Cursor, more: Value) -> Page {
    read(fake, &config(more), Some(cursor), LIMITS).unwrap()
}

fn processing(fake: &FakeHost) {
    let job = json!([{"exportId": "e1", "status": "Processing"}]);
    fake.on("GET", "api", STATUS).json(200, &granted(job));
}

#[test]
fn changes_and_deletions_are_read_while_an_export_is_waited_for() {
    let fake = FakeHost::new();
    describe(&fake);
    // Before they are due the export is looked at, and a wait ends when they are.
    processing(&fake);
    let page = go(&fake, waiting(NOW + 2), json!({}));
    assert_eq!((page.rows, page.wait_ms), (0, Some(2_000)));

    fake.set_now_ms(u64::try_from(NOW + 2).unwrap() * 1000);
    let change = json!({"leadId": 7, "activityDate": "1970-01-01T00:00:05Z", "activityTypeId": 13});
    activity_page(&fake, json!([change]), "C2", false);
    fake.on("GET", "api", "/rest/v1/leads.json").json(200, &granted(json!([{"id": 7, "email": "a@example.com"}])));
    let page = go(&fake, page.next, json!({}));
    assert_eq!(shown(&page), ["full 7 id=7 email=a@example.com"]);
    let after = state(&page);
    assert!(page.more && after.beside.busy && after.meanwhile == Some(Phase::Deletions), "{after:?}");
    let said = &page.estimate.as_ref().unwrap().phase;
    assert!(said.starts_with("reading changes while history is read; when history ends cannot be told"), "{said}");

    let mut gone = granted(json!([{"leadId": 8, "activityDate": "1970-01-01T00:00:06Z"}]));
    gone["nextPageToken"] = "D2".into();
    gone["moreResult"] = false.into();
    fake.on("GET", "api", DELETED).json(200, &gone);
    let page = go(&fake, page.next, json!({}));
    assert_eq!((shown(&page), page.more), (vec!["tombstone 8".to_owned()], true), "history is not over");
    let after = state(&page);
    assert_eq!((after.beside.next, after.meanwhile.clone()), (NOW + 2 + 5 * 5, None));
    assert_eq!((after.chains.changes.token.as_str(), after.chains.deletions.token.as_str()), ("C2", "D2"));

    // The export is where it was.
    processing(&fake);
    let page = go(&fake, page.next, json!({}));
    let Phase::History(history) = state(&page).phase else { panic!("{page:?}") };
    assert_eq!(history.job.unwrap().id, "e1");
    assert!(fake.unused().is_empty(), "{:?}", fake.unused());
}

#[test]
fn a_span_of_days_has_no_changes_beside_it() {
    let fake = FakeHost::new();
    processing(&fake);
    let page = go(&fake, waiting(0), json!({"end_date": "2025-12-31"}));
    assert_eq!((page.rows, page.wait_ms), (0, Some(5_000)));
}

#[test]
fn new_activities_and_memberships_come_beside_their_history_too() {
    for stream in ["activities", "program_memberships"] {
        let fake = FakeHost::new();
        fake.on("GET", "api", "/rest/v1/activities/types.json")
            .always()
            .json(200, &granted(json!([{"id": 1, "name": "x"}])));
        token(&fake, "T");
        let begun = read_stream(&fake, &config(json!({})), stream, None, &[]).unwrap();
        fake.set_now_ms(u64::try_from(NOW + 25).unwrap() * 1000);
        activity_page(&fake, json!([]), "T2", false);
        let page = read_stream(&fake, &config(json!({})), stream, Some(begun.next), &[]).unwrap();
        assert!(page.more, "{stream}: history is not over");
        let said = page.estimate.unwrap().phase;
        assert!(said.contains("while history is read"), "{stream}: {said}");
        // And then history again.
        let nothing = json!({"success": true, "warnings": ["No assets found for the given search criteria."]});
        fake.on("GET", "api", "/rest/asset/v1/programs.json").json(200, &nothing);
        let created = granted(json!([{"exportId": "e1", "status": "Created"}]));
        fake.on("POST", "api", "/bulk/v1/activities/export/create.json").json(200, &created);
        let page = read_stream(&fake, &config(json!({})), stream, Some(page.next), &[]).unwrap();
        assert!(page.estimate.unwrap().phase.starts_with("export 1"), "{stream}");
    }
}
