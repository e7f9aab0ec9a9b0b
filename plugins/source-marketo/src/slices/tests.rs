use super::*;
use crate::cursor::{ActivitiesState, Beside, Job, Stage, VERSION};
use crate::testing::{NOW, activity_page, config, kept, read_stream, shown, token};
use attiva_connector::testing::FakeHost;
use attiva_connector::{Cursor, Page};
use serde_json::{Value, json};

const DAY: i64 = 86_400;

/// Twelve days of two chains, the exports of today spent.
fn rests(past: History) -> Cursor {
    let chain = Chain::at("T".into(), NOW);
    let chains = [vec![1], vec![24]].map(|types| TypeChain { types, chain: chain.clone() });
    let history = Some(History { rests_until: Some(NOW + 3_600), ..past });
    let beside = Beside { next: NOW + 100_000, busy: false };
    Cursor::encode(VERSION, &ActivitiesState { chains: chains.into(), at: 0, beside, history }).unwrap()
}

fn go(fake: &FakeHost, cursor: Cursor) -> Page {
    read_stream(fake, &config(json!({})), "activities", Some(cursor), &[]).unwrap()
}

fn past(page: &Page) -> History {
    kept::<ActivitiesState>(&page.next).history.unwrap()
}

fn happened(guid: &str, at: i64) -> Value {
    json!({"marketoGUID": guid, "leadId": 7, "activityDate": instant::format_seconds(at), "activityTypeId": 1})
}

#[test]
fn the_newest_day_comes_by_pages_while_no_export_can_be_ordered() {
    let fake = FakeHost::new();
    token(&fake, "D");
    activity_page(&fake, json!([happened("a", NOW - DAY + 5)]), "D2", true);
    let page = go(&fake, rests(History::new(NOW - 12 * DAY, NOW)));
    assert!(fake.request_lines()[0].contains("sinceDatetime=2025-12-31T00%3A00%3A00Z"), "{:?}", fake.request_lines());
    assert_eq!((shown(&page)[0].split(' ').nth(1), page.wait_ms), (Some("a"), None));
    assert!(page.estimate.as_ref().unwrap().phase.contains("reading 2025-12-31T00:00:00Z page by page"));

    // What is later than the day is of another: a page of nothing else is the chain's last.
    activity_page(&fake, json!([happened("b", NOW - 5), happened("later", NOW + 9)]), "D3", true);
    let page = go(&fake, page.next);
    assert_eq!(page.rows, 1);
    activity_page(&fake, json!([happened("later", NOW + 9)]), "D4", true);
    token(&fake, "E");
    let page = go(&fake, page.next);
    assert_eq!((page.rows, past(&page).slice.as_ref().map(|slice| slice.at)), (0, Some(1)));
    assert_eq!(past(&page).end, NOW, "the day is not over: the other types are to come");
    activity_page(&fake, json!([happened("c", NOW - 6)]), "E2", false);
    let page = go(&fake, page.next);
    let after = past(&page);
    assert_eq!((after.end, after.slice.as_ref(), after.records), (NOW - DAY, None, 3));
    assert!(fake.request_lines().last().unwrap().contains("activityTypeIds=24&"));
    assert!(fake.unused().is_empty(), "{:?}", fake.unused());
}

#[test]
fn what_an_export_has_or_will_have_is_not_read_by_pages() {
    let fake = FakeHost::new();
    // Ordered for all that is left, and not started: it is waited for.
    let job = Some(Job { stage: Stage::Created, ..Job::created("e1".into()) });
    let page = go(&fake, rests(History { job, ..History::new(NOW - 12 * DAY, NOW) }));
    assert_eq!((page.rows, page.wait_ms, fake.requests().len()), (0, Some(5_000), 0));
    // Half a day is left behind the exports.
    token(&fake, "D");
    activity_page(&fake, json!([]), "D2", false);
    token(&fake, "E");
    let page = go(&fake, rests(History { window: NOW - DAY / 2, ..History::new(NOW - 12 * DAY, NOW) }));
    assert_eq!(past(&page).slice.unwrap().from, NOW - DAY / 2);
    activity_page(&fake, json!([]), "E2", false);
    let page = go(&fake, page.next);
    assert_eq!(kept::<ActivitiesState>(&page.next).history, None, "history is over");
    assert!(page.more, "and what is new comes next");
}
