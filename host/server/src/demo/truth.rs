//! What the file ought to hold, worked out from the simulator's leads in the plainest way, with nothing of the host: no
//! expression, no projector, no mapping of ours. The rule and the fields stand here a second time, in other words.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The audience, as the host is told it.
pub(super) const SEGMENT: &str = "person.person_score >= 20 && !person.is_unsubscribed \
     && (person.department == \"Marketing\" || person.job_title.contains(\"Manager\"))";

/// The file's columns: name, the expression the host is told, and Marketo's field it must come out as.
pub(super) const FIELDS: &[(&str, &str, &str)] = &[
    ("email", "person.email", "email"),
    ("first_name", "person.first_name", "firstName"),
    ("last_name", "person.last_name", "lastName"),
    ("job_title", "person.job_title", "title"),
    ("department", "person.department", "department"),
    ("company", "person.company_name", "company"),
    ("employees", "person.number_of_employees", "numberOfEmployees"),
    ("street", "person.street", "address"),
    ("country", "person.country", "country"),
    ("score", "person.person_score", "leadScore"),
    ("unsubscribed", "person.is_unsubscribed", "unsubscribed"),
    ("updated", "person.last_updated_date", "updatedAt"),
];

/// What the host should have made of the leads.
#[derive(Debug, Default)]
pub(super) struct Truth {
    pub(super) leads: u64,
    pub(super) profiles: u64,
    pub(super) members: u64,
    /// Members without an address, which the file's mapping requires.
    pub(super) excluded: u64,
    /// The rows by their address in lower case; each value in the order of [`FIELDS`].
    pub(super) rows: BTreeMap<String, Vec<String>>,
}

impl Truth {
    pub(super) fn of(leads: impl Iterator<Item = Map<String, Value>>, instance: &str) -> Self {
        let mut truth = Self::default();
        let mut by_address: BTreeMap<String, Vec<Lead>> = BTreeMap::new();
        let mut without_address = Vec::new();
        for fields in leads {
            truth.leads += 1;
            let lead = Lead::new(fields, instance);
            match lead.address() {
                Some(address) => by_address.entry(address).or_default().push(lead),
                None => without_address.push(vec![lead]),
            }
        }
        for person in by_address.into_values().chain(without_address).map(Person::of) {
            truth.profiles += 1;
            if !person.belongs() {
                continue;
            }
            truth.members += 1;
            match person.text("email") {
                email if email.is_empty() => truth.excluded += 1,
                email => {
                    let row = FIELDS.iter().map(|(_, _, marketo)| person.text(marketo)).collect();
                    truth.rows.insert(email.to_lowercase(), row);
                }
            }
        }
        truth
    }
}

struct Lead {
    key: String,
    updated_at: String,
    fields: Map<String, Value>,
}

impl Lead {
    fn new(mut fields: Map<String, Value>, instance: &str) -> Self {
        // Only what counts: there may be millions of leads.
        let counts = |name: &str| name == "id" || FIELDS.iter().any(|(.., marketo)| *marketo == name);
        fields.retain(|name, _| counts(name));
        let id = fields.get("id").map(ToString::to_string).unwrap_or_default();
        let updated_at = fields.get("updatedAt").and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { key: format!("{id}@{instance}.Marketo"), updated_at, fields }
    }

    fn address(&self) -> Option<String> {
        let email = self.fields.get("email").and_then(Value::as_str)?;
        Some(email.trim().to_lowercase()).filter(|email| !email.is_empty())
    }
}

/// The leads that share an address, the one that counts first: newest, then the smallest key.
struct Person(Vec<Lead>);

impl Person {
    fn of(mut leads: Vec<Lead>) -> Self {
        // All times have one form, so that their text sorts as they do.
        leads.sort_by(|a, b| b.updated_at.cmp(&a.updated_at).then_with(|| a.key.cmp(&b.key)));
        Self(leads)
    }

    /// The first lead's value that there is.
    fn value(&self, field: &str) -> Option<&Value> {
        self.0.iter().find_map(|lead| lead.fields.get(field).filter(|v| !v.is_null()))
    }

    fn text(&self, field: &str) -> String {
        match self.value(field) {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }

    fn belongs(&self) -> bool {
        let score = self.value("leadScore").and_then(Value::as_i64);
        let unsubscribed = self.value("unsubscribed").and_then(Value::as_bool);
        let marketing = self.text("department") == "Marketing";
        let manager = self.text("title").contains("Manager");
        score.is_some_and(|s| s >= 20) && unsubscribed == Some(false) && (marketing || manager)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lead(id: u64, email: Value, updated: &str, more: Value) -> Map<String, Value> {
        let mut lead = json!({"id": id, "email": email, "updatedAt": updated, "leadScore": 50, "unsubscribed": false,
                              "department": "Marketing"});
        let fields = lead.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        fields.clone()
    }

    #[test]
    fn leads_of_one_address_are_one_person_and_the_newest_value_counts() {
        let leads = [
            lead(1, json!("A@x.com"), "2026-01-02T00:00:00Z", json!({"firstName": null, "lastName": "New"})),
            lead(2, json!("a@x.com"), "2026-01-01T00:00:00Z", json!({"firstName": "Old", "lastName": "Old"})),
            lead(3, json!(null), "2026-01-01T00:00:00Z", json!({})),
            lead(4, json!("b@x.com"), "2026-01-01T00:00:00Z", json!({"unsubscribed": true})),
        ];
        let truth = Truth::of(leads.into_iter(), "i");
        assert_eq!((truth.leads, truth.profiles, truth.members, truth.excluded), (4, 3, 2, 1));
        let row = &truth.rows["a@x.com"];
        assert_eq!((row[0].as_str(), row[1].as_str(), row[2].as_str()), ("A@x.com", "Old", "New"));
    }
}
