//! Two connections that bring the same things: a CRM that is connected itself and syncs into another system that is
//! connected, too. Their records become one by key; this says what arrives twice, and what only one of them brings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What one connection brings of one entity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feed {
    pub connection: String,
    /// The vendor instance, as in source keys: `00D1.Salesforce`.
    pub instance: String,
    /// An entity of the model, or a custom one.
    pub entity: String,
    /// Fields that its mapping fills.
    pub fields: BTreeSet<String>,
    pub records: u64,
    /// How many of its records name one of another instance as the same.
    pub named: BTreeMap<String, u64>,
}

/// What becomes of an entity that one connection brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Overlap {
    pub connection: String,
    pub entity: String,
    pub records: u64,
    /// The connections through which its records arrive as well, most first. None: only this connection brings it.
    pub through: Vec<Through>,
    /// Fields that nobody else fills: what the connection is worth keeping for, where it brings no records of its own.
    pub own_fields: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Through {
    pub connection: String,
    /// Its records that name one of the other's.
    pub records: u64,
}

impl Overlap {
    /// Whether the connection could do without this entity: another brings its records, and all it says of them.
    #[must_use]
    pub fn is_redundant(&self) -> bool {
        self.own_fields.is_empty() && self.through.iter().any(|through| through.records >= self.records)
    }
}

/// For each feed, what others bring of it, in the order of connection and entity.
#[must_use]
pub fn overlaps(feeds: &[Feed]) -> Vec<Overlap> {
    let mut overlaps: Vec<Overlap> = feeds.iter().map(|feed| overlap(feed, feeds)).collect();
    overlaps.sort_by(|a, b| (&a.connection, &a.entity).cmp(&(&b.connection, &b.entity)));
    overlaps
}

fn overlap(feed: &Feed, feeds: &[Feed]) -> Overlap {
    let names = |other: &&Feed| other.named.get(&feed.instance).is_some_and(|records| *records > 0);
    let same = feeds.iter().filter(|other| other.entity == feed.entity && other.instance != feed.instance);
    let others: Vec<&Feed> = same.filter(names).collect();
    let mut through: Vec<Through> = others
        .iter()
        .map(|other| Through { connection: other.connection.clone(), records: other.named[&feed.instance] })
        .collect();
    through.sort_by(|a, b| b.records.cmp(&a.records).then(a.connection.cmp(&b.connection)));
    let theirs: BTreeSet<&String> = others.iter().flat_map(|other| &other.fields).collect();
    Overlap {
        connection: feed.connection.clone(),
        entity: feed.entity.clone(),
        records: feed.records,
        through,
        own_fields: feed.fields.iter().filter(|field| !theirs.contains(field)).cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(connection: &str, instance: &str, entity: &str, fields: &str, records: u64, named: &[(&str, u64)]) -> Feed {
        Feed {
            connection: connection.into(),
            instance: instance.into(),
            entity: entity.into(),
            fields: fields.split_whitespace().map(str::to_owned).collect(),
            records,
            named: named.iter().map(|(instance, records)| ((*instance).to_owned(), *records)).collect(),
        }
    }

    /// C1 and C2: what the CRM syncs into Marketo arrives through it; what it does not pass on is worth a connection.
    #[test]
    fn what_arrives_through_another_system_is_told() {
        let crm = "00D1.Salesforce";
        let feeds = [
            feed("con_crm", crm, "person", "email job_title", 90, &[]),
            feed("con_crm", crm, "opportunity", "stage", 9, &[]),
            feed("con_crm", crm, "subscription", "plan", 5, &[]),
            feed("con_mkto", "1.Marketo", "person", "email person_score", 100, &[(crm, 80)]),
            feed("con_mkto", "1.Marketo", "opportunity", "stage amount", 12, &[(crm, 9)]),
        ];
        let told = overlaps(&feeds);
        let of = |connection: &str, entity: &str| {
            told.iter().find(|o| o.connection == connection && o.entity == entity).unwrap()
        };
        let persons = of("con_crm", "person");
        assert_eq!(persons.through, [Through { connection: "con_mkto".into(), records: 80 }]);
        assert_eq!(persons.own_fields, BTreeSet::from(["job_title".to_owned()]));
        assert!(!persons.is_redundant(), "it has a field of its own, and records that Marketo does not have");
        assert!(of("con_crm", "opportunity").is_redundant());
        assert!(of("con_crm", "subscription").through.is_empty());
        assert!(!of("con_crm", "subscription").is_redundant());
        // Marketo's records are not known to the CRM.
        assert!(of("con_mkto", "person").through.is_empty());
        assert_eq!(told.len(), feeds.len());
    }
}
