//! Paging: every item once, whatever the page's length.

use crate::harness::{Api, Harness};
use serde_json::json;

fn walk(api: &Api, path: &str) -> (Vec<String>, usize) {
    let (mut ids, mut pages) = (Vec::new(), 0);
    let mut next = path.to_owned();
    loop {
        let page = api.get(&next);
        page.is(200);
        pages += 1;
        ids.extend(page.body["items"].as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap().to_owned()));
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
