//! The org's records, and what can happen to them.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::schema::{OBJECTS, Object};
use crate::marketo::clock::{self, Seconds};
use crate::world::record_id;

/// One record. Its values have all fields that are not null.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) values: Map<String, Json>,
    pub(crate) stamp: Seconds,
}

/// All records, by object and id.
#[derive(Debug, Default)]
pub(crate) struct Org {
    objects: BTreeMap<&'static str, BTreeMap<String, Record>>,
    /// Records made since the start.
    made: u64,
}

/// As every time is written by REST.
pub(crate) fn datetime(at: Seconds) -> String {
    format!("{}.000+0000", clock::datetime(at).trim_end_matches('Z'))
}

impl Org {
    pub(crate) fn of(&self, object: &str) -> impl Iterator<Item = &Record> {
        self.objects.get(object).into_iter().flat_map(BTreeMap::values)
    }

    pub(crate) fn get(&self, object: &str, id: &str) -> Option<&Record> {
        self.objects.get(object)?.get(id)
    }

    /// Adds a record with these values. Nulls are left out.
    pub(crate) fn put(&mut self, object: &'static Object, id: &str, values: Json, created: Seconds, stamp: Seconds) {
        let mut all = Map::new();
        all.insert("Id".into(), json!(id));
        all.insert("IsDeleted".into(), json!(false));
        all.insert("OwnerId".into(), json!(record_id("005", 1)));
        all.insert("CreatedDate".into(), json!(datetime(created)));
        if let Json::Object(values) = values {
            all.extend(values.into_iter().filter(|(_, value)| !value.is_null()));
        }
        all.insert("LastModifiedDate".into(), json!(datetime(stamp)));
        all.insert("SystemModstamp".into(), json!(datetime(stamp)));
        self.objects.entry(object.name).or_default().insert(id.to_owned(), Record { values: all, stamp });
    }

    /// Adds a record as somebody would by hand; answers its id.
    pub(crate) fn create(&mut self, object: &'static Object, values: Json, now: Seconds) -> String {
        self.made += 1;
        let id = record_id(object.prefix, 1_000_000_000 + self.made);
        self.put(object, &id, values, now, now);
        id
    }

    /// Changes a record: null clears a field. `stamp` moves its time, unless a formula is what changed.
    pub(crate) fn change(&mut self, object: &str, id: &str, values: &Json, stamp: Option<Seconds>) -> bool {
        let Some(record) = self.objects.get_mut(object).and_then(|records| records.get_mut(id)) else { return false };
        for (name, value) in values.as_object().into_iter().flatten() {
            if value.is_null() {
                record.values.remove(name);
            } else {
                record.values.insert(name.clone(), value.clone());
            }
        }
        if let Some(stamp) = stamp {
            record.stamp = stamp;
            record.values.insert("SystemModstamp".into(), json!(datetime(stamp)));
            record.values.insert("LastModifiedDate".into(), json!(datetime(stamp)));
        }
        true
    }

    /// Puts a record into the recycle bin, or takes it out.
    pub(crate) fn delete(&mut self, object: &str, id: &str, deleted: bool, now: Seconds) -> bool {
        self.change(object, id, &json!({"IsDeleted": deleted, "MasterRecordId": null}), Some(now))
    }

    /// Empties the recycle bin of a record: nothing tells of it any more.
    pub(crate) fn erase(&mut self, object: &str, id: &str) -> bool {
        self.objects.get_mut(object).and_then(|records| records.remove(id)).is_some()
    }

    /// Merges one record into another of the same object.
    pub(crate) fn merge(&mut self, object: &str, loser: &str, winner: &str, now: Seconds) -> bool {
        if self.get(object, winner).is_none() || loser == winner {
            return false;
        }
        let gone = json!({"IsDeleted": true, "MasterRecordId": winner});
        self.change(object, loser, &gone, Some(now)) && self.change(object, winner, &json!({}), Some(now))
    }

    /// How many records of each object there are, those in the bin left out.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, usize> {
        let live = |record: &&Record| record.values.get("IsDeleted") != Some(&json!(true));
        OBJECTS.iter().map(|object| (object.name, self.of(object.name).filter(live).count())).collect()
    }
}
