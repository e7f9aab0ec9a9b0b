//! Lists and their members, who are known by the hash of their address.

use super::{Asked, fine, refused};
use attiva_testkit::wire::message::Answer;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Members in one call.
const MEMBERS_MAX: usize = 50;

#[derive(Default)]
pub(crate) struct Lists {
    lists: BTreeMap<String, List>,
    /// How often an import was asked for, and whom it refused.
    imports: BTreeMap<String, (u32, Vec<Value>)>,
}

#[derive(Default)]
struct List {
    external_id: String,
    columns: Value,
    members: BTreeMap<String, Value>,
}

impl Lists {
    pub(crate) fn answer(&mut self, asked: &Asked<'_>) -> Answer {
        match (asked.method, asked.parts.as_slice()) {
            ("GET", ["lists"]) => {
                let wanted = asked.query("external_id").unwrap_or_default();
                let found = self.lists.iter().filter(|(_, list)| list.external_id == wanted);
                fine(
                    &json!({"lists": found.map(|(id, list)| json!({"id": id, "columns": list.columns})).collect::<Vec<_>>()}),
                )
            }
            ("POST", ["lists"]) => self.create(&asked.body),
            ("DELETE", ["lists", id]) => match self.lists.remove(*id) {
                Some(_) => fine(&json!({})),
                None => refused(404, "not_found", "There is no such list."),
            },
            ("POST", ["lists", id, "members"]) => match self.lists.get_mut(*id) {
                Some(list) => list.take(&asked.body),
                None => refused(404, "not_found", "There is no such list."),
            },
            ("GET", ["lists", id, "members"]) => match self.lists.get(*id) {
                Some(list) => {
                    let after = asked.query("after").unwrap_or_default();
                    let mut left = list.members.keys().filter(|hash| hash.as_str() > after);
                    let items: Vec<&String> = left.by_ref().take(3).collect();
                    let next = left.next().and(items.last().copied());
                    fine(&json!({"items": items, "next": next}))
                }
                None => refused(404, "not_found", "There is no such list."),
            },
            ("POST", ["lists", id, "imports"]) => match self.lists.get_mut(*id) {
                Some(list) => {
                    let refused = list.refusals(&asked.body);
                    let import = format!("i{}", self.imports.len() + 1);
                    list.take(&asked.body);
                    self.imports.insert(import.clone(), (0, refused));
                    fine(&json!({"id": import}))
                }
                None => refused(404, "not_found", "There is no such list."),
            },
            ("GET", ["imports", id]) => match self.imports.get_mut(*id) {
                Some((asked, failures)) => {
                    *asked += 1;
                    let status = if *asked > 1 { "done" } else { "queued" };
                    fine(&json!({"status": status, "failures": failures}))
                }
                None => refused(404, "not_found", "There is no such import."),
            },
            ("DELETE", ["people", hash]) => {
                let found = self.lists.values_mut().filter_map(|list| list.members.remove(*hash)).count();
                if found > 0 { fine(&json!({})) } else { refused(404, "not_found", "Nobody is known by that.") }
            }
            _ => refused(405, "not_allowed", "That is not done here."),
        }
    }

    fn create(&mut self, body: &Value) -> Answer {
        let external_id = body["external_id"].as_str().unwrap_or_default().to_owned();
        let known = self.lists.iter().find(|(_, list)| list.external_id == external_id).map(|(id, _)| id.clone());
        let id = known.unwrap_or_else(|| {
            let id = format!("l{}-{}", self.lists.len() + 1, external_id.len());
            let list = List { external_id, columns: body["columns"].clone(), members: BTreeMap::new() };
            self.lists.insert(id.clone(), list);
            id
        });
        fine(&json!({"id": id}))
    }
}

impl List {
    fn refusals(&self, body: &Value) -> Vec<Value> {
        let members = body["members"].as_array().into_iter().flatten().enumerate();
        let refused = members.filter(|(_, member)| member["country"] == "xx");
        refused
            .map(|(n, _)| json!({"index": n, "code": "bad_country", "message": "The country xx is unknown."}))
            .collect()
    }

    fn take(&mut self, body: &Value) -> Answer {
        let members = body["members"].as_array().cloned().unwrap_or_default();
        if members.len() > MEMBERS_MAX {
            return refused(400, "too_many", "At most 50 members are taken at once.");
        }
        if body["replace"] == true {
            self.members.clear();
        }
        let one = |member: &Value| {
            let hash = member["email_sha256"].as_str().unwrap_or_default().to_owned();
            if member["country"] == "xx" {
                return json!({"status": "rejected", "code": "bad_country", "message": "The country xx is unknown."});
            }
            if member["op"] == "remove" {
                let status = if self.members.remove(&hash).is_some() { "removed" } else { "unknown" };
                return json!({"status": status});
            }
            let is_new = self.members.insert(hash, member.clone()).is_none();
            json!({"status": if is_new { "created" } else { "updated" }})
        };
        let results: Vec<Value> = members.iter().map(one).collect();
        fine(&json!({"results": results}))
    }
}
