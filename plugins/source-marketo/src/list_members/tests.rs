use super::*;
use crate::testing::{NOW, activity_page, config, granted, read_stream, refused, shown, token};
use attiva_connector::testing::FakeHost;
use serde_json::{Value, json};

const LISTS: &str = "/rest/v1/lists.json";

fn go(fake: &FakeHost, cursor: Option<Cursor>) -> Page {
    read_stream(fake, &config(json!({})), "static_list_memberships", cursor, &[]).unwrap()
}

fn page_of(fake: &FakeHost, path: &str, ids: &[i64], next: Option<&str>) {
    let ids: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
    let mut page = granted(json!(ids));
    if let Some(next) = next {
        page["nextPageToken"] = next.into();
    }
    fake.on("GET", "api", path).json(200, &page);
}

fn changed(fake: &FakeHost, activities: &[(i64, i64, i64, i64)]) {
    let one = |(second, kind, list, lead): &(i64, i64, i64, i64)| {
        json!({"marketoGUID": "g", "leadId": lead, "activityDate": format!("1970-01-01T00:00:{second:02}Z"),
               "activityTypeId": kind, "primaryAttributeValueId": list, "primaryAttributeValue": "L"})
    };
    activity_page(fake, activities.iter().map(one).collect(), "C2", false);
}

#[test]
fn all_lists_are_walked_and_a_page_without_a_token_is_the_last() {
    let fake = FakeHost::new();
    token(&fake, "C1");
    // Counted first.
    page_of(&fake, LISTS, &[5, 6], Some("L2"));
    page_of(&fake, LISTS, &[7], None);
    page_of(&fake, LISTS, &[5, 6], Some("L2"));
    page_of(&fake, "/rest/v1/lists/5/leads.json", &[1, 2], Some("M2"));
    page_of(&fake, "/rest/v1/lists/5/leads.json", &[3], None);
    // A list that nobody is on, and one that went meanwhile.
    page_of(&fake, "/rest/v1/lists/6/leads.json", &[], None);
    page_of(&fake, LISTS, &[7], None);
    fake.on("GET", "api", "/rest/v1/lists/7/leads.json").json(200, &refused("1013", "List 7 not found"));
    // Once more, since the pages may have moved: none has a list that was not read.
    page_of(&fake, LISTS, &[5, 6], Some("L2"));
    page_of(&fake, LISTS, &[7], None);
    changed(&fake, &[]);
    let (mut cursor, mut rows, mut times, mut said) = (None, Vec::new(), Vec::new(), Vec::new());
    loop {
        let page = go(&fake, cursor.take());
        let estimate = page.estimate.as_ref().unwrap();
        said.push((estimate.phase.clone(), estimate.records_done, estimate.records_total));
        rows.extend(shown(&page));
        times.extend(page.source_times.iter().copied());
        if !page.more {
            break;
        }
        cursor = Some(page.next);
    }
    assert_eq!(
        rows,
        [1, 2, 3].map(|lead| format!("full 5-{lead} membershipId=5-{lead} listId=5 leadId={lead}")),
        "each member once"
    );
    let said = |at: usize| (said[at].0.as_str(), said[at].1, said[at].2);
    assert_eq!(said(1), ("counting lists, 2 so far", None, None));
    assert!(said(4).0.starts_with("reading lists, 0 of 3; when history ends cannot be told"), "{:?}", said(4));
    // One of three lists had three members: six more are awaited; and two of three two each, on the whole.
    assert_eq!(said(5), ("reading lists, 1 of 3", Some(3), Some(9)));
    assert_eq!(said(6), ("reading lists, 2 of 3", Some(3), Some(5)));
    // Of when reading began, so that whatever happens meanwhile counts as later.
    assert_eq!(times, [(NOW - 600) * 1000; 3]);
    assert!(fake.unused().is_empty(), "{:?}", fake.unused());
}

#[test]
fn who_came_is_a_row_who_went_a_tombstone_and_the_last_of_both_counts() {
    let fake = FakeHost::new();
    let chain = Chain::at("C1".into(), NOW - 7200);
    let state = ListMembersState { chain, since_ms: 0, walk: None };
    changed(&fake, &[(1, 24, 5, 1), (2, 25, 5, 2), (3, 24, 6, 3), (4, 25, 6, 3), (5, 25, 6, 4), (6, 24, 6, 4)]);
    let page = go(&fake, Some(Cursor::encode(VERSION, &state).unwrap()));
    assert_eq!(
        shown(&page),
        [
            "full 5-1 membershipId=5-1 listId=5 leadId=1 addedAt=1000",
            "tombstone 5-2",
            "tombstone 6-3",
            "full 6-4 membershipId=6-4 listId=6 leadId=4 addedAt=6000",
        ]
    );
    assert_eq!(page.source_times, [1000, 2000, 4000, 6000]);
    assert!(!page.more);
    let asked = fake.request_lines().remove(0);
    assert!(asked.contains("activityTypeIds=24%2C25"), "{asked}");
}
