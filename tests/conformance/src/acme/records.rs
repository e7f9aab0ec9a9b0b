//! Persons and companies.

use super::{Asked, fine, refused};
use attiva_testkit::wire::message::Answer;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// 2026-10-01T00:00:00Z.
const START_MS: i64 = 1_790_812_800_000;
const PERSONS: i64 = 10;
const COMPANIES: i64 = 7;

/// Everything that is read.
pub(crate) struct Records {
    persons: Vec<(i64, Value)>,
    /// How often each export was asked for.
    exports: BTreeMap<String, u32>,
}

impl Default for Records {
    fn default() -> Self {
        let mut persons: Vec<(i64, Value)> = (1..=PERSONS).map(|n| (START_MS + n * 60_000, person(n))).collect();
        // Two changed in the same millisecond; one is gone.
        persons[9].0 = persons[8].0;
        persons[5].1 = json!({"id": "p6", "deleted": true});
        Self { persons, exports: BTreeMap::new() }
    }
}

fn person(n: i64) -> Value {
    json!({"id": format!("p{n}"), "email": format!("person{n}@example.com"), "name": format!("Person {n}"),
        "score": n * 10, "amount": format!("{n}.50"), "subscribed": n % 2 == 0, "note": if n == 3 { json!("three") } else { Value::Null }})
}

fn stamped((at, person): &(i64, Value)) -> Value {
    let mut person = person.clone();
    person["updated_at"] = json!(written(*at));
    person
}

/// Milliseconds as Acme writes times: all of them are in October 2026 or a little later.
fn written(at: i64) -> String {
    let (seconds, ms) = ((at - START_MS) / 1000, (at - START_MS) % 1000);
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    format!("2026-10-{:02}T{:02}:{:02}:{:02}.{ms:03}Z", days + 1, rest / 3600, rest / 60 % 60, rest % 60)
}

impl Records {
    /// One changes at the very time of the last one, one is deleted, one merged, and one comes back.
    pub(crate) fn change(&mut self) {
        let last = self.persons.iter().map(|(at, _)| *at).max().unwrap_or(START_MS);
        self.persons[2] = (last, json!({"id": "p3", "email": "changed3@example.com", "name": "Person 3", "score": 31}));
        self.persons[3] = (last + 1_000, json!({"id": "p4", "deleted": true}));
        self.persons[4] = (last + 2_000, json!({"id": "p5", "merged_into": "p1"}));
        self.persons[5] = (last + 3_000, person(6));
    }

    pub(crate) fn answer(&mut self, asked: &Asked<'_>) -> Answer {
        match (asked.method, asked.parts.as_slice()) {
            ("GET", ["me"]) => fine(&json!({"account": "acme-1"})),
            ("GET", ["fields"]) => fine(&json!({"fields": [
                {"name": "id", "type": "text"}, {"name": "email", "type": "text"}, {"name": "name", "type": "text"},
                {"name": "score", "type": "integer"}, {"name": "amount", "type": "decimal"},
                {"name": "subscribed", "type": "boolean"}, {"name": "note", "type": "text"},
                {"name": "updated_at", "type": "timestamp"}]})),
            ("GET", ["persons"]) => self.persons(asked),
            ("POST", ["exports"]) => {
                let id = format!("x{}", self.exports.len() + 1);
                self.exports.insert(id.clone(), 0);
                fine(&json!({"id": id, "status": "queued"}))
            }
            ("GET", ["exports", id]) => match self.exports.get_mut(*id) {
                Some(asked) => {
                    *asked += 1;
                    fine(&json!({"id": id, "status": if *asked > 1 { "done" } else { "queued" }}))
                }
                None => refused(404, "not_found", "There is no such export."),
            },
            ("GET", ["exports", _, "rows"]) => {
                let company =
                    |n: i64| json!({"id": format!("c{n}"), "name": format!("Company {n}"), "employees": n * 100});
                fine(&json!({"items": (1..=COMPANIES).map(company).collect::<Vec<_>>()}))
            }
            _ => refused(405, "not_allowed", "That is not done here."),
        }
    }

    fn persons(&self, asked: &Asked<'_>) -> Answer {
        let number = |name: &str| asked.query(name).and_then(|text| text.parse::<i64>().ok());
        let limit = number("limit").unwrap_or(100).clamp(1, 100);
        let since = number("since").unwrap_or(0);
        let mut all: Vec<&(i64, Value)> = self.persons.iter().filter(|(at, _)| *at >= since).collect();
        let place = |(at, person): &(i64, Value)| format!("{at}:{}", person["id"].as_str().unwrap_or_default());
        all.sort_by_key(|record| place(record));
        if let Some(after) = asked.query("after") {
            all.retain(|record| place(record).as_str() > after);
        }
        let page: Vec<&(i64, Value)> = all.iter().copied().take(usize::try_from(limit).unwrap_or(1)).collect();
        let next = if page.len() < all.len() { page.last().map(|record| place(record)) } else { None };
        fine(&json!({"items": page.into_iter().map(stamped).collect::<Vec<_>>(), "next": next}))
    }
}
