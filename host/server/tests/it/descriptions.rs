//! How often a vendor is asked to describe its streams, counted at the vendor.

use crate::harness::{Api, Harness};
use attiva_simulators::marketo::{Marketo, MarketoConfig};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const MUNCHKIN: &str = "340-DES-340";
/// For a host that hangs, not for a slow one.
const PATIENCE: Duration = Duration::from_secs(120);

/// By what is described.
fn described(vendor: &Marketo) -> Vec<(String, u64)> {
    let by_path = vendor.received().by_path;
    by_path.into_iter().filter(|(path, _)| path.contains("describe")).collect()
}

/// Waits until a run that has the person's title in it has ended, and all that had begun before.
fn titled(api: &Api, connection: &str, lead: u64, title: &str) {
    let began = Instant::now();
    let profile = format!("profiles?namespace=source_key&value={lead}%40{MUNCHKIN}.Marketo");
    let is_there = || api.get(&profile).body["items"][0]["attributes"]["job_title"] == title;
    let goes = |run: &Value| run["ended_at"].is_null();
    let runs = || api.get(&format!("runs?connection={connection}")).body["items"].as_array().cloned().unwrap();
    while !is_there() || runs().iter().any(goes) {
        assert!(began.elapsed() < PATIENCE, "{:?}", runs());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn runs_of_a_schedule_have_it_described_once_between_them_and_a_run_by_hand_again() {
    let config = MarketoConfig { leads: 30, history_days: 10, awkward: false, ..MarketoConfig::default() };
    let vendor = Harness::shared().runtime.block_on(Marketo::start(config)).unwrap();
    let api = Harness::sandbox();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let start = attiva_core::time::format_date(i32::try_from(now / 86_400).unwrap() - 12);
    let body = json!({"name": "m", "plugin": "source-marketo", "grants": {"api": vendor.base_url()},
        "streams": ["persons", "companies"], "schedule": {"every_seconds": 10}, "configuration": {
            "munchkin_id": MUNCHKIN, "client_id": vendor.config().client_id, "client_secret": vendor.config().client_secret,
            "poll_seconds": 1, "start_date": start}});
    vendor.change_lead(7, json!({"title": "First"})).unwrap();
    let connection = api.post("connections", &body).is(201).text("/id").to_owned();
    titled(&api, &connection, 7, "First");
    // All there is, by the first run; and the fields of the two streams that are read, by those.
    let once = described(&vendor);
    let of = |path: &str| once.iter().find(|(described, _)| described.ends_with(path)).map(|(_, calls)| *calls);
    assert_eq!((of("/leads/describe.json"), of("/companies/describe.json")), (Some(2), Some(2)), "{once:?}");
    assert_eq!(once.iter().map(|(_, calls)| calls).sum::<u64>(), 8, "{once:?}");
    for title in ["Second", "Third"] {
        vendor.change_lead(7, json!({ "title": title })).unwrap();
        titled(&api, &connection, 7, title);
        assert_eq!(described(&vendor), once, "by a run of a schedule");
    }
    // By hand: all of it, but not what the streams remember.
    loop {
        let begun = api.post(&format!("connections/{connection}/runs"), &json!({}));
        if begun.status == 202 {
            break;
        }
        assert_eq!(begun.text("/code"), "run.in-progress");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(described(&vendor).iter().map(|(_, calls)| calls).sum::<u64>(), 8 + 6, "{:?}", described(&vendor));
    api.json(ureq::http::Method::PATCH, &format!("connections/{connection}"), &[], &json!({"schedule": null})).is(200);
}
