//! Server-sent events: told as it happens, gone on with after a break, ended when there is no more.

use crate::harness::{Api, Harness};
use crate::journey::{caught_up, connect_marketo, vendors_of};
use attiva_simulators::marketo::MarketoConfig;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use ureq::http::Method;

struct Event {
    id: String,
    kind: String,
    data: Value,
}

/// The events of an answer, as they come.
struct Stream {
    lines: std::io::Lines<BufReader<ureq::BodyReader<'static>>>,
}

impl Stream {
    fn open(api: &Api, path: &str, last: Option<&str>) -> Self {
        let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
        let mut request = agent.get(api.place(path)).header("authorization", format!("Bearer {}", api.key));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.call().unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-cache");
        Self { lines: BufReader::new(response.into_body().into_reader()).lines() }
    }
}

impl Iterator for Stream {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let mut event = Event { id: String::new(), kind: String::new(), data: Value::Null };
        loop {
            // However it ends, it has ended.
            let line = self.lines.next()?.ok()?;
            match line.split_once(": ") {
                Some(("id", text)) => text.clone_into(&mut event.id),
                Some(("event", text)) => text.clone_into(&mut event.kind),
                Some(("data", text)) => event.data = serde_json::from_str(text).unwrap(),
                _ if line.is_empty() && !event.id.is_empty() => return Some(event),
                _ => {}
            }
        }
    }
}

fn with(api: &Api, path: &str, last: &str) -> crate::harness::Answer {
    api.send(Method::GET, path, &[("last-event-id", last)], Vec::new())
}

#[test]
fn long_work_is_followed_to_its_end_and_gone_on_with() {
    let api = Harness::sandbox();
    let vendors = vendors_of(MarketoConfig { leads: 40, ..MarketoConfig::default() });
    let connection = connect_marketo(&api, &vendors, &vendors.secret());
    let begun = api.post(&format!("connections/{connection}/runs"), &json!({}));
    let place = format!("{}/events", begun.is(202).header("location"));
    let events: Vec<Event> = Stream::open(&api, &place, None).collect();
    let done: Vec<bool> = events.iter().map(|event| event.data["done"].as_bool().unwrap()).collect();
    assert!(
        done.len() >= 2 && done.last() == Some(&true) && done.iter().filter(|done| **done).count() == 1,
        "{done:?}"
    );
    let (first, last) = (events.first().unwrap(), events.last().unwrap());
    assert_eq!((last.kind.as_str(), &last.data["status"]), ("operation", &json!("succeeded")));
    assert_eq!(api.get(begun.header("location")).body, last.data);
    assert!(events.windows(2).all(|two| two[0].id != two[1].id));

    // Whoever lost the connection early is told how it ended, and whoever saw the end is told to stop.
    let again: Vec<Event> = Stream::open(&api, &place, Some(&first.id)).collect();
    assert_eq!((again.len(), &again[0].id, &again[0].data), (1, &last.id, &last.data));
    assert_eq!(with(&api, &place, &last.id).is(204).text, "");
    let other = place.replace("/events", "0/events");
    api.get(&other).refused(404, "run.missing");
    caught_up(&api);
}

#[test]
fn what_is_done_is_told_once_each_and_gone_on_with_after_any() {
    let harness = Harness::start(&[]);
    let api = harness.api("default");
    let path = "/v1/audit/events";
    let listed = api.get("/v1/audit").is(200).body["items"].as_array().unwrap().len();
    let mut stream = Stream::open(&api, path, None);
    let before: Vec<Event> = stream.by_ref().take(listed).collect();
    let made = api.post("/v1/keys", &json!({"name": "ci"}));
    let new = stream.next().unwrap();
    assert_eq!((&new.data["action"], &new.data["subject"]), (&json!("key.created"), &made.is(201).body["id"]));
    assert_eq!(new.kind, "audit");

    let last = &before.last().unwrap().id;
    let again = Stream::open(&api, path, Some(last)).next().unwrap();
    assert_eq!((again.id, again.data), (new.id, new.data));
    with(&api, path, "yesterday").refused(400, "request.header");

    // A key that is revoked is told nothing any more.
    let theirs = Api { key: made.text("/key").to_owned(), ..api.clone() };
    let following = Stream::open(&theirs, path, Some(last));
    api.send(Method::DELETE, &format!("/v1/keys/{}", made.text("/id")), &[], Vec::new()).is(204);
    assert!(following.count() <= 2, "the key's making, and perhaps its end");

    // Nor does a stream keep the host from stopping.
    let told = std::thread::spawn(move || stream.count());
    let harness = harness.restarted(|| {});
    assert_eq!(told.join().unwrap(), 1, "that the key was revoked");

    drop(harness);
}
