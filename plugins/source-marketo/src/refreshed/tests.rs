use super::*;
use crate::testing::{NOW, config, describe_object, granted, read_stream, shown};
use attiva_connector::testing::FakeHost;
use serde_json::{Value, json};

const PROGRAMS: &str = "/rest/asset/v1/programs.json";
const LISTS: &str = "/rest/v1/lists.json";

fn go(fake: &FakeHost, more: Value, stream: &str, cursor: Option<Cursor>) -> Result<Page> {
    read_stream(fake, &config(more), stream, cursor, &[])
}

fn nothing(fake: &FakeHost) {
    let nothing = json!({"success": true, "errors": [], "requestId": "r",
                         "warnings": ["No assets found for the given search criteria."]});
    fake.on("GET", "api", PROGRAMS).json(200, &nothing);
}

fn program(id: i64) -> Value {
    json!({"id": id, "name": format!("P{id}"), "channel": "Nurture", "createdAt": "1970-01-01T00:00:01Z+0000",
           "updatedAt": "1970-01-01T00:00:02Z+0000", "folder": {"type": "Folder", "value": 28}, "headStart": false})
}

#[test]
fn programs_end_with_a_warning_whatever_a_page_holds() {
    let fake = FakeHost::new();
    // Fewer than asked for, and yet not the end.
    fake.on("GET", "api", PROGRAMS).json(200, &granted(json!([program(1001), program(1002)])));
    fake.on("GET", "api", PROGRAMS).json(200, &granted(json!([program(1003)])));
    nothing(&fake);
    // Once more, since the pages may have moved: the same.
    fake.on("GET", "api", PROGRAMS).json(200, &granted(json!([program(1003), program(1001), program(1002)])));
    nothing(&fake);
    let (mut cursor, mut rows) = (None, Vec::new());
    for more in [true, true, true, true, false] {
        let page = go(&fake, json!({}), "programs", cursor).unwrap();
        rows.extend(shown(&page));
        assert_eq!(page.more, more);
        cursor = Some(page.next);
    }
    assert_eq!(rows.len(), 6);
    assert_eq!(
        rows[0],
        "full 1001 id=1001 name=P1001 channel=Nurture folder={\"type\":\"Folder\",\"value\":28} headStart=false \
         createdAt=1000 updatedAt=2000"
    );
    let offsets: Vec<String> = fake.requests().iter().map(|r| r.path.clone()).collect();
    assert!(offsets[0].contains("offset=0&maxReturn=200") && !offsets[0].contains("earliest"), "{offsets:?}");
    assert!(offsets[1].contains("offset=2&") && offsets[2].contains("offset=3&"), "{offsets:?}");
}

#[test]
fn in_between_a_run_costs_nothing_and_then_only_what_changed_is_asked_for() {
    let fake = FakeHost::new();
    nothing(&fake);
    let first = go(&fake, json!({}), "programs", None).unwrap();
    let again = go(&fake, json!({}), "programs", Some(first.next)).unwrap();
    assert_eq!((again.more, again.rows, fake.requests().len()), (false, 0, 1));

    let later = u64::try_from(NOW + 3600).unwrap() * 1000;
    fake.set_now_ms(later);
    nothing(&fake);
    go(&fake, json!({}), "programs", Some(again.next)).unwrap();
    let asked = fake.requests().pop().unwrap().path;
    // Ten minutes before the last reading began.
    assert!(asked.ends_with("earliestUpdatedAt=2025-12-31T23%3A50%3A00Z"), "{asked}");
}

#[test]
fn static_lists_go_on_while_there_is_a_token() {
    let fake = FakeHost::new();
    let list = |id: i64| json!({"id": id, "name": format!("L{id}"), "updatedAt": "1970-01-01T00:00:02Z"});
    let mut first = granted(json!([list(5)]));
    first["nextPageToken"] = "T+/=".into();
    fake.on("GET", "api", LISTS).json(200, &first);
    fake.on("GET", "api", LISTS).json(200, &granted(json!([list(6), {"name": "no id"}])));
    let page = go(&fake, json!({}), "static_lists", None).unwrap();
    assert_eq!((shown(&page), page.more), (vec!["full 5 id=5 name=L5 updatedAt=2000".to_owned()], true));
    let page = go(&fake, json!({}), "static_lists", Some(page.next)).unwrap();
    assert_eq!((shown(&page).len(), page.rejects.len(), page.more), (1, 1, true));
    assert!(fake.requests()[1].path.ends_with("nextPageToken=T%2B%2F%3D"));
}

/// Reads a stream until it says that there is no more; how many calls that took, and how long it waited between them.
fn to_the_end(fake: &FakeHost, stream: &str, mut cursor: Option<Cursor>) -> (Cursor, usize, Vec<u64>) {
    let (before, mut waits) = (fake.requests().len(), Vec::new());
    loop {
        let page = go(fake, json!({}), stream, cursor).unwrap();
        waits.extend(page.wait_ms);
        cursor = Some(page.next);
        if !page.more {
            return (cursor.unwrap(), fake.requests().len() - before, waits);
        }
    }
}

#[test]
fn a_list_of_several_pages_is_read_until_two_passes_found_the_same() {
    let fake = FakeHost::new();
    let pages = |of: &[&[i64]]| {
        for (at, ids) in of.iter().enumerate() {
            let lists: Vec<Value> = ids.iter().map(|id| json!({"id": id, "name": format!("L{id}")})).collect();
            let mut page = granted(json!(lists));
            if at + 1 < of.len() {
                page["nextPageToken"] = "T".into();
            }
            fake.on("GET", "api", LISTS).json(200, &page);
        }
    };
    // 1 is deleted when the first page was read: 3 moves on to it, and is missed.
    pages(&[&[1, 2], &[4]]);
    pages(&[&[2, 3], &[4]]);
    pages(&[&[2, 3], &[4]]);
    let (cursor, calls, waits) = to_the_end(&fake, "static_lists", None);
    assert_eq!((calls, waits), (6, vec![MOVES_WAIT_MS]), "it waits where two passes were not enough");
    // An hour later nothing has changed: one pass is enough.
    let hour = |n: i64| fake.set_now_ms(u64::try_from(NOW + n * 3600).unwrap() * 1000);
    hour(1);
    pages(&[&[2, 3], &[4]]);
    let (cursor, calls, _) = to_the_end(&fake, "static_lists", Some(cursor));
    assert_eq!(calls, 2);
    // Something has: one more.
    hour(2);
    pages(&[&[2, 3], &[4, 5]]);
    pages(&[&[2, 3], &[4, 5]]);
    let (cursor, calls, _) = to_the_end(&fake, "static_lists", Some(cursor));
    assert_eq!(calls, 4);
    // A single page cannot move.
    hour(3);
    pages(&[&[6]]);
    assert_eq!(to_the_end(&fake, "static_lists", Some(cursor)).1, 1);
}

#[test]
fn named_accounts_are_those_of_the_named_lists() {
    let fake = FakeHost::new();
    describe_object(&fake, ACCOUNTS, &[("marketoGUID", "string"), ("name", "string"), ("annualRevenue", "currency")]);
    let lists = "/rest/v1/namedAccountLists.json";
    fake.on("GET", "api", lists).json(200, &granted(json!([{"marketoGUID": "l1", "name": "Tier 1"}])));
    let account = json!({"seq": 0, "marketoGUID": "a1", "name": "Acme", "annualRevenue": 1.25e7});
    fake.on("GET", "api", "/rest/v1/namedAccountList/l1/namedAccounts.json").json(200, &granted(json!([account])));
    fake.on("GET", "api", lists).json(200, &granted(json!([])));
    let two = json!({"named_account_lists": ["Tier 1", "Tier 2"]});
    let page = go(&fake, two.clone(), "named_accounts", None).unwrap();
    assert_eq!(shown(&page), ["full a1.mkto_acct marketoGUID=a1 name=Acme annualRevenue=12500000.0"]);
    assert!(page.more);
    let fault = go(&fake, two, "named_accounts", Some(page.next)).unwrap_err();
    assert_eq!(
        (fault.code.as_str(), fault.field.as_deref()),
        ("marketo.account-list-unknown", Some("named_account_lists"))
    );
    assert!(fault.message.contains("Tier 2"));

    let none = go(&fake, json!({}), "named_accounts", None).unwrap();
    assert_eq!((none.rows, none.more), (0, false));
}
