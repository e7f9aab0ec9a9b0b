use super::*;
use crate::testing::{activity_page, config, describe, describe_object, granted, read_stream, refused, shown, token};
use attiva_connector::testing::FakeHost;
use serde_json::json;

const NOW_MS: u64 = 1_767_225_600_000;
const DESCRIBE: &str = "/rest/v1/leads/describe.json";

fn asked(fake: &FakeHost, path: &str) -> usize {
    fake.requests().iter().filter(|request| request.path.starts_with(path)).count()
}

fn fields(count: usize) -> Vec<Field> {
    (0..count).map(|n| Field::new(&format!("aFieldOfSomeLength{n}"), "string", "")).collect()
}

#[test]
fn what_is_described_is_remembered_for_an_hour_in_the_cursor_and_else_in_the_spool() {
    for (count, is_kept) in [(100, true), (1_000, false)] {
        let fake = FakeHost::new();
        let mut calls = 0;
        let mut described = |description: &Description| {
            let mut ask = || {
                calls += 1;
                Ok(fields(count))
            };
            let got = description.fields(&Api::new(&fake), &mut ask).unwrap();
            assert_eq!(got.len(), count);
            calls
        };
        let state = Cursor { state_version: 1, bytes: b"{}".to_vec() };
        let first = Description::default();
        assert_eq!((described(&first), described(&first)), (1, 1));
        let now = i64::try_from(NOW_MS / 1000).unwrap();
        let cursor = first.put(state.clone(), now);
        assert_eq!(cursor != state, is_kept);
        // A later call, of a run whose spool is another.
        let (back, next) = Description::take(Some(&cursor));
        assert_eq!(back.as_ref(), Some(&state));
        assert_eq!(described(&next), 1);
        // What is doubted is asked for, and remembered anew.
        assert_eq!(described(&Description::doubted()), 2);
        fake.set_now_ms(NOW_MS + 3_600_000);
        assert_eq!(described(&Description::take(Some(&cursor)).1), 3);
        assert_eq!(next.put(state.clone(), now + 3_600), state, "what is old goes");
    }
}

#[test]
fn a_state_that_leaves_no_room_goes_without() {
    let fake = FakeHost::new();
    let description = Description::default();
    description.fields(&Api::new(&fake), || Ok(fields(300))).unwrap();
    let state = Cursor { state_version: 1, bytes: vec![b'x'; 60 * 1024] };
    assert_eq!(description.put(state.clone(), i64::try_from(NOW_MS / 1000).unwrap()), state);
}

/// A host for another run: same clock, no spool.
fn next_run(minute: u64) -> FakeHost {
    let fake = FakeHost::new();
    fake.set_now_ms(NOW_MS + minute * 60_000);
    fake
}

#[test]
fn runs_of_an_hour_describe_a_stream_once_and_a_reading_anew_describes_it_again() {
    let (config, fields) =
        (config(json!({"start_date": "2026-01-02"})), [("marketoGUID", "string"), ("id", "integer")]);
    let mut described = (0, 0);
    let (mut persons, mut companies) = (None, None);
    for minute in 0..59 {
        let fake = next_run(minute);
        describe(&fake);
        describe_object(&fake, "companies", &fields);
        if minute == 30 {
            // The chain goes back for what was filed late.
            token(&fake, "A");
        }
        if persons.is_none() {
            token(&fake, "A");
            token(&fake, "B");
            persons = Some(read_stream(&fake, &config, "persons", None, &[]).unwrap().next);
        }
        let changed = json!([{"id": 1, "marketoGUID": "1", "leadId": 7, "activityTypeId": 13,
            "activityDate": "2026-01-01T00:00:00Z"}]);
        activity_page(&fake, changed, "A", false);
        fake.on("GET", "api", "/rest/v1/leads.json").json(200, &granted(json!([{"id": 7, "email": "a@b.c"}])));
        let page = read_stream(&fake, &config, "persons", persons, &[]).unwrap();
        assert!(shown(&page)[0].contains("email=a@b.c"), "{:?}", shown(&page));
        // What is left of the run: deletions.
        let mut none = granted(json!([]));
        none["nextPageToken"] = "B".into();
        none["moreResult"] = false.into();
        fake.on("GET", "api", "/rest/v1/activities/deletedleads.json").json(200, &none);
        persons = Some(read_stream(&fake, &config, "persons", Some(page.next), &[]).unwrap().next);
        fake.on("GET", "api", "/rest/v1/companies.json").json(200, &granted(json!([{"id": 3}])));
        companies = Some(read_stream(&fake, &config, "companies", companies, &["3"]).unwrap().next);
        described.0 += asked(&fake, DESCRIBE);
        described.1 += asked(&fake, "/rest/v1/companies/describe.json");
    }
    assert_eq!(described, (1, 1), "59 runs a minute apart");
    let fake = next_run(59);
    describe_object(&fake, "companies", &fields);
    fake.on("GET", "api", "/rest/v1/companies.json").json(200, &granted(json!([{"id": 3}])));
    read_stream(&fake, &config, "companies", None, &["3"]).unwrap();
    assert_eq!(asked(&fake, "/rest/v1/companies/describe.json"), 1);
}

#[test]
fn a_field_that_is_gone_or_asked_for_by_name_has_the_stream_described_anew_at_once() {
    let (with_fax, without) = ([("id", "integer"), ("fax", "string")], [("id", "integer")]);
    let plain = config(json!({}));
    let fake = next_run(0);
    describe_object(&fake, "companies", &with_fax);
    fake.on("GET", "api", "/rest/v1/companies.json").json(200, &granted(json!([{"id": 3, "fax": "1"}])));
    let before = read_stream(&fake, &plain, "companies", None, &["3"]).unwrap().next;
    // The field is gone since.
    let fake = next_run(1);
    describe_object(&fake, "companies", &without);
    fake.on("GET", "api", "/rest/v1/companies.json").json(200, &refused("1006", "Field 'fax' not found"));
    fake.on("GET", "api", "/rest/v1/companies.json").json(200, &granted(json!([{"id": 3}])));
    let page = read_stream(&fake, &plain, "companies", Some(before.clone()), &["3"]).unwrap();
    assert_eq!(shown(&page), ["full 3.mkto_org id=3"]);
    assert_eq!(asked(&fake, "/rest/v1/companies/describe.json"), 1);
    // What is refused though it was just described is a fault.
    let fake = next_run(1);
    describe_object(&fake, "companies", &without);
    fake.on("GET", "api", "/rest/v1/companies.json").always().json(200, &refused("1006", "Field 'id' not found"));
    let fault = read_stream(&fake, &plain, "companies", Some(before), &["3"]).unwrap_err();
    assert_eq!((fault.code.as_str(), asked(&fake, "/rest/v1/companies/describe.json")), ("marketo.1006", 1));
}
