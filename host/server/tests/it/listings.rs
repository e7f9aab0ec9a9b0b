//! Paging: every item once, whatever the page's length.

use crate::harness::{Api, Harness};
use serde_json::json;

/// What names an item: of an event, its source key.
fn id(item: &serde_json::Value) -> String {
    item["id"].as_str().or(item["source_key"].as_str()).unwrap_or_else(|| panic!("{item}")).to_owned()
}

fn walk(api: &Api, path: &str) -> (Vec<String>, usize) {
    let (mut ids, mut pages) = (Vec::new(), 0);
    let mut next = path.to_owned();
    loop {
        let page = api.get(&next);
        page.is(200);
        pages += 1;
        ids.extend(page.body["items"].as_array().unwrap().iter().map(id));
        let link = page.header("link").to_owned();
        match page.body["next_cursor"].as_str() {
            Some(cursor) => {
                assert!(link.contains(cursor) && link.ends_with("rel=\"next\""), "{link}");
                next = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
            }
            None => {
                assert_eq!(link, "");
                return (ids, pages);
            }
        }
    }
}

#[test]
fn pages_hold_everything_once_and_in_order() {
    let api = Harness::sandbox();
    let mut made = Vec::new();
    for i in 0..5 {
        let body = json!({"name": format!("s{i}"), "expression": "true"});
        made.push(api.post("segments", &body).is(201).text("/id").to_owned());
    }
    made.sort();
    for (limit, pages) in [(1, 5), (2, 3), (4, 2), (5, 1), (6, 1)] {
        assert_eq!(walk(&api, &format!("segments?limit={limit}")), (made.clone(), pages), "limit {limit}");
    }
    assert_eq!(walk(&api, "segments").1, 1);
    let empty = api.get("activations");
    assert_eq!(empty.body, json!({"items": []}));
}

#[test]
fn the_configured_page_size_is_the_default() {
    let harness = Harness::start(&["pages.size_default=2", "pages.size_max=3"]);
    let api = harness.api("default");
    for i in 0..3 {
        api.post("segments", &json!({"name": format!("s{i}"), "expression": "true"})).is(201);
    }
    assert_eq!(api.get("segments").body["items"].as_array().unwrap().len(), 2);
    assert_eq!(api.get("segments?limit=3").body["items"].as_array().unwrap().len(), 3);
    api.get("segments?limit=4").refused(400, "request.malformed");
}

#[test]
fn a_filter_stays_in_the_link() {
    let api = Harness::sandbox();
    let link = api.get("/v1/audit?limit=1").header("link").to_owned();
    assert!(link.contains("/v1/audit?limit=1&cursor="), "{link}");
}

#[test]
fn pages_of_profiles_stay_what_they_are_while_others_are_written() {
    let api = Harness::sandbox();
    let send = |ids: &[u32], name: &str| {
        let record = |id: &u32| json!({"id": format!("p{id}"), "fields": {"last_name": format!("{name}{id:02}"), "email": format!("p{id}@x.com"), "account_key": "a@shop.Web"}});
        let body = json!({"source": {"system": "Web", "id": "shop"}, "entity": "person",
            "records": ids.iter().map(record).collect::<Vec<_>>()});
        api.post("records", &body).is(200);
        crate::journey::caught_up(&api);
    };
    let account = json!({"source": {"system": "Web", "id": "shop"}, "entity": "account", "records": [{"id": "a", "fields": {"name": "A"}}]});
    api.post("records", &account).is(200);
    let all: Vec<u32> = (0..20).collect();
    send(&all, "Miller");
    let acme = api.get("profiles?entity=account").text("/items/0/id").to_owned();
    let events: Vec<_> = (0..9)
        .map(|n| json!({"id": format!("e{n}"), "fields": {"type": "x", "time": format!("2026-11-0{}T00:00:00Z", n + 1), "email": "p0@x.com"}}))
        .collect();
    let events = json!({"source": {"system": "Web", "id": "shop"}, "entity": "activity", "records": events});
    api.post("records", &events).is(200);
    let ann = api.get("profiles?namespace=email&value=p0@x.com").text("/items/0/id").to_owned();
    // Between the pages: others come, some are renamed out of their place, one goes.
    for (path, new_ids) in [
        ("profiles?limit=3".to_owned(), 100..103),
        ("profiles?name=mill&limit=3".to_owned(), 110..113),
        ("profiles?namespace=email&prefix=p&limit=3".to_owned(), 120..123),
        (format!("profiles/{acme}/related/people?limit=3"), 130..133),
        (format!("profiles/{ann}/events?limit=2"), 140..143),
    ] {
        let before = walk(&api, &path).0;
        let (mut seen, mut next) = (Vec::new(), path.clone());
        for turn in 0.. {
            let page = api.get(&next);
            seen.extend(page.is(200).body["items"].as_array().unwrap().iter().map(id));
            if turn == 0 {
                // One that was shown already changes, and others appear before and behind.
                send(&new_ids.clone().collect::<Vec<_>>(), "Aller");
                send(&new_ids.clone().map(|n| n + 200).collect::<Vec<_>>(), "Millet");
                send(&[0], "Miller");
            }
            match page.text("/next_cursor") {
                "" => break,
                cursor => next = format!("{path}&cursor={cursor}"),
            }
        }
        let mut once = seen.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), seen.len(), "{path}: nobody twice");
        let kept: Vec<&String> = seen.iter().filter(|id| before.contains(id)).collect();
        assert_eq!(kept, before.iter().collect::<Vec<_>>(), "{path}: who was there is there, in the same order");
    }
}
