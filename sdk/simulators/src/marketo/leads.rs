//! The leads as they are now: the seeded ones, overlaid by those that were changed, added or removed since.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::OnceLock;

use serde_json::{Map, Value as Json};

use super::clock::Seconds;
use super::dice::mix;
use super::schema::{FIELDS, Field};
use super::seeded::Seeded;
use super::value::Value;

/// What one write changed, for the activity log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    pub(crate) field: Field,
    pub(crate) old: Value<'static>,
    pub(crate) new: Value<'static>,
}

#[derive(Debug)]
pub(crate) struct Leads {
    seeded: Seeded,
    /// Changed and added leads; `None` for one that is gone.
    stored: BTreeMap<u64, Option<Box<Stored>>>,
    next_id: u64,
    /// By field: hash of a seeded value and the lead that has it, in order. Built when a field is first asked for.
    indexes: Vec<OnceLock<Vec<(u64, u64)>>>,
}

#[derive(Debug)]
pub(crate) struct Stored {
    values: Vec<Value<'static>>,
    changed_at: Seconds,
}

/// One lead, wherever it is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lead<'a> {
    Seeded(&'a Seeded, u64),
    Stored(&'a Stored),
}

impl Lead<'_> {
    pub(crate) fn value(&self, field: Field) -> Value<'_> {
        match self {
            Self::Seeded(seeded, id) => seeded.value(*id, field),
            Self::Stored(stored) => stored.values.get(field.index()).cloned().unwrap_or(Value::Null),
        }
    }

    /// When any field was last changed, custom ones too.
    pub(crate) fn changed_at(&self) -> Seconds {
        match self {
            Self::Seeded(seeded, id) => seeded.changed_at(*id),
            Self::Stored(stored) => stored.changed_at,
        }
    }

    pub(crate) fn created_at(&self) -> Seconds {
        match self {
            Self::Seeded(seeded, id) => seeded.created_at(*id),
            Self::Stored(_) => match self.value(Field::CreatedAt) {
                Value::Datetime(at) => at,
                _ => 0,
            },
        }
    }

    pub(crate) fn to_json(self, fields: &[Field]) -> Map<String, Json> {
        fields.iter().map(|field| (field.name().to_owned(), self.value(*field).to_json())).collect()
    }

    /// First and last name, as activities show a lead.
    pub(crate) fn display_name(&self) -> String {
        let names = [Field::FirstName, Field::LastName].map(|field| self.value(field).to_text().unwrap_or_default());
        names.join(" ").trim().to_owned()
    }
}

impl Leads {
    pub(crate) fn new(seeded: Seeded) -> Self {
        Self {
            next_id: seeded.leads() + 1,
            seeded,
            stored: BTreeMap::new(),
            indexes: FIELDS.iter().map(|_| OnceLock::new()).collect(),
        }
    }

    pub(crate) fn seeded(&self) -> &Seeded {
        &self.seeded
    }

    /// Ids that ever existed.
    pub(crate) fn ids(&self) -> Range<u64> {
        1..self.next_id
    }

    pub(crate) fn get(&self, id: u64) -> Option<Lead<'_>> {
        match self.stored.get(&id) {
            Some(stored) => stored.as_deref().map(Lead::Stored),
            None if (1..=self.seeded.leads()).contains(&id) => Some(Lead::Seeded(&self.seeded, id)),
            None => None,
        }
    }

    /// Ids of leads created in the window, both ends included.
    pub(crate) fn created_between(&self, from: Seconds, to: Seconds) -> Vec<u64> {
        let seeded = self.seeded.created_between(from, to);
        let added = self.seeded.leads() + 1..self.next_id;
        seeded
            .filter(|id| self.get(*id).is_some())
            .chain(added.filter(|id| self.get(*id).is_some_and(|lead| (from..=to).contains(&lead.created_at()))))
            .collect()
    }

    /// Ids of leads of which any field changed in the window, both ends included.
    pub(crate) fn changed_between(&self, from: Seconds, to: Seconds) -> Vec<u64> {
        self.ids().filter(|id| self.get(*id).is_some_and(|lead| (from..=to).contains(&lead.changed_at()))).collect()
    }

    /// Ids of leads that have one of the texts in a field, whatever the case of the letters.
    pub(crate) fn find(&self, field: Field, wanted: &[&str]) -> Vec<u64> {
        let wanted: HashSet<String> = wanted.iter().map(|text| text.to_ascii_lowercase()).collect();
        let matches = |id: u64| {
            let value = self.get(id).and_then(|lead| lead.value(field).to_text());
            value.is_some_and(|value| wanted.contains(&value.to_ascii_lowercase()))
        };
        let mut found: Vec<u64> = match field {
            Field::Id => {
                wanted.iter().filter_map(|text| text.parse().ok()).filter(|id| self.get(*id).is_some()).collect()
            }
            _ => {
                let index = self.index(field);
                let seeded = wanted.iter().flat_map(|text| {
                    let hash = hash(text.as_bytes());
                    let start = index.partition_point(|(other, _)| *other < hash);
                    index[start..].iter().take_while(move |(other, _)| *other == hash).map(|(_, id)| *id)
                });
                seeded.chain(self.stored.keys().copied()).filter(|id| matches(*id)).collect()
            }
        };
        found.sort_unstable();
        found.dedup();
        found
    }

    fn index(&self, field: Field) -> &[(u64, u64)] {
        self.indexes[field.index()].get_or_init(|| {
            let mut index: Vec<(u64, u64)> = (1..=self.seeded.leads())
                .filter_map(|id| {
                    Some((hash(self.seeded.value(id, field).to_text()?.to_ascii_lowercase().as_bytes()), id))
                })
                .collect();
            index.sort_unstable();
            index
        })
    }

    /// Adds a lead and returns its id.
    pub(crate) fn create(&mut self, values: &[(Field, Value<'static>)], now: Seconds) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let mut stored = Stored { values: vec![Value::Null; FIELDS.len()], changed_at: now };
        for field in [Field::Unsubscribed, Field::EmailInvalid, Field::DoNotCall] {
            stored.values[field.index()] = Value::Boolean(false);
        }
        for (field, value) in values {
            stored.values[field.index()] = value.clone();
        }
        stored.values[Field::Id.index()] = Value::Integer(i64::try_from(id).unwrap_or(i64::MAX));
        stored.values[Field::LeadPartitionId.index()] = Value::text("1");
        stored.values[Field::CreatedAt.index()] = Value::Datetime(now);
        stored.values[Field::UpdatedAt.index()] = Value::Datetime(now);
        self.stored.insert(id, Some(Box::new(stored)));
        id
    }

    /// Adds a lead with seeded values under the next id, as if one more had been asked for at the start, and returns its id.
    pub(crate) fn create_alike(&mut self, now: Seconds) -> u64 {
        let id = self.next_id;
        let values: Vec<_> = Field::all().map(|field| (field, self.seeded.value(id, field))).collect();
        self.create(&values, now)
    }

    /// Writes values and returns what really changed; `None` if there is no such lead.
    pub(crate) fn change(
        &mut self,
        id: u64,
        values: Vec<(Field, Value<'static>)>,
        now: Seconds,
    ) -> Option<Vec<Change>> {
        let before = self.get(id)?;
        let changes: Vec<Change> = values
            .into_iter()
            .map(|(field, new)| Change { field, old: before.value(field).into_owned(), new })
            .filter(|change| change.old != change.new)
            .collect();
        if changes.is_empty() {
            return Some(changes);
        }
        let stored = self.stored_mut(id)?;
        stored.changed_at = now;
        for change in &changes {
            stored.values[change.field.index()] = change.new.clone();
            if !change.field.spec().custom {
                stored.values[Field::UpdatedAt.index()] = Value::Datetime(now);
            }
        }
        Some(changes)
    }

    /// Copies a seeded lead into the overlay, if it is not there yet.
    fn stored_mut(&mut self, id: u64) -> Option<&mut Stored> {
        let lead = self.get(id)?;
        if let Lead::Seeded(seeded, _) = lead {
            let values = Field::all().map(|field| seeded.value(id, field)).collect();
            let copy = Stored { values, changed_at: lead.changed_at() };
            self.stored.insert(id, Some(Box::new(copy)));
        }
        self.stored.get_mut(&id)?.as_deref_mut()
    }

    /// Removes a lead and returns the name it had; `None` if there is no such lead.
    pub(crate) fn remove(&mut self, id: u64) -> Option<String> {
        let name = self.get(id)?.display_name();
        self.stored.insert(id, None);
        Some(name)
    }

    /// Folds the losers into the winner, which takes over what it lacks. `None`, and nothing done, if one of them does not exist.
    pub(crate) fn merge(&mut self, winner: u64, losers: &[u64], now: Seconds) -> Option<String> {
        let into = self.get(winner)?;
        let name = into.display_name();
        let mut gaps: BTreeMap<Field, Value<'static>> = BTreeMap::new();
        for loser in losers {
            let from = self.get(*loser)?;
            for field in Field::all().filter(|field| !field.spec().read_only && into.value(*field) == Value::Null) {
                let value = from.value(field).into_owned();
                if value != Value::Null {
                    gaps.entry(field).or_insert(value);
                }
            }
        }
        let stored = self.stored_mut(winner)?;
        stored.changed_at = now;
        stored.values[Field::UpdatedAt.index()] = Value::Datetime(now);
        for (field, value) in gaps {
            stored.values[field.index()] = value;
        }
        for loser in losers {
            self.stored.insert(*loser, None);
        }
        Some(name)
    }
}

fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| mix(hash ^ u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::super::config::MarketoConfig;
    use super::*;

    fn leads() -> Leads {
        let config = MarketoConfig { leads: 200, ..MarketoConfig::default() };
        Leads::new(Seeded::new(&config, 1_795_000_000))
    }

    #[test]
    fn a_seeded_lead_is_found_by_its_values_until_they_change() {
        let mut leads = leads();
        let email = (1..=200).find_map(|id| leads.seeded().value(id, Field::Email).to_text()).unwrap_or_default();
        let found = leads.find(Field::Email, &[&email.to_uppercase()]);
        assert_eq!(found.len(), 1);
        let changes = leads.change(found[0], vec![(Field::Email, Value::text("new@x.example"))], 1_795_000_100);
        assert_eq!(changes.map(|changes| changes.len()), Some(1));
        assert!(leads.find(Field::Email, &[&email]).is_empty());
        assert_eq!(leads.find(Field::Email, &["NEW@x.example", "nobody@x.example"]), found);
    }

    #[test]
    fn a_custom_field_moves_the_change_time_but_not_the_visible_one() {
        let mut leads = leads();
        let before = leads.get(7).map(|lead| lead.value(Field::UpdatedAt).into_owned());
        leads.change(7, vec![(Field::ProductInterest, Value::text("Never seen"))], 1_795_000_100);
        let lead = leads.get(7).map(|lead| (lead.value(Field::UpdatedAt).into_owned(), lead.changed_at()));
        assert_eq!(lead, before.map(|before| (before, 1_795_000_100)));
        assert_eq!(leads.changed_between(1_795_000_100, 1_795_000_100), [7]);
    }

    #[test]
    fn a_write_of_the_same_value_is_no_change() {
        let mut leads = leads();
        let title = leads.seeded().value(9, Field::Title);
        assert_eq!(leads.change(9, vec![(Field::Title, title)], 1_795_000_100), Some(vec![]));
        assert!(leads.changed_between(1_795_000_100, 1_795_000_100).is_empty());
    }

    #[test]
    fn the_winner_of_a_merge_takes_what_it_lacks_and_the_losers_are_gone() {
        let mut leads = leads();
        let a = leads.create(&[(Field::Email, Value::text("a@x.example"))], 10);
        let b = leads.create(&[(Field::Email, Value::text("b@x.example")), (Field::City, Value::text("Oslo"))], 10);
        assert_eq!(leads.merge(a, &[b, 9_999], 20), None);
        assert!(leads.get(b).is_some());
        assert!(leads.merge(a, &[b], 20).is_some());
        assert!(leads.get(b).is_none());
        let winner = leads.get(a).map(|lead| lead.to_json(&[Field::Email, Field::City])).unwrap_or_default();
        assert_eq!(Json::from(winner), serde_json::json!({"email": "a@x.example", "city": "Oslo"}));
    }
}
