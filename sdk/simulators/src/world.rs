//! The companies and people that all vendors know: a pure function of a seed. A person is the same in every system, with
//! the ids the others know it by.

use serde_json::Value as Json;

use crate::marketo::MarketoConfig;
use crate::marketo::clock::Seconds;
use crate::marketo::dice::{Dice, mix};
use crate::marketo::schema::Field;
use crate::marketo::seeded::Seeded;
use crate::marketo::seeded::company::crm_id;

/// The world as a CRM sees it.
#[derive(Debug)]
pub(crate) struct World {
    seeded: Seeded,
    seed: u64,
}

/// What a person is in the CRM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Lead,
    Contact,
    /// A lead that became a contact: there are both.
    Converted,
}

impl World {
    /// The world of a marketing system with so many people, which knows some of them only.
    pub(crate) fn new(people: u64, seed: u64, history_days: u32, awkward: bool, now: Seconds) -> Self {
        let config = MarketoConfig { leads: people, seed, history_days, awkward, ..MarketoConfig::default() };
        Self { seeded: Seeded::new(&config, now), seed }
    }

    pub(crate) fn people(&self) -> std::ops::RangeInclusive<u64> {
        1..=self.seeded.leads()
    }

    /// What a person is in the CRM; `None`: the marketing system alone knows it.
    pub(crate) fn kind(&self, person: u64) -> Option<Kind> {
        let has = |field| !self.seeded.crm_value(person, field).to_json().is_null();
        match (has(Field::SfdcLeadId), has(Field::SfdcContactId)) {
            (true, true) => Some(Kind::Converted),
            (true, false) => Some(Kind::Lead),
            (false, true) => Some(Kind::Contact),
            (false, false) => None,
        }
    }

    pub(crate) fn company_of(&self, person: u64) -> u64 {
        self.seeded.company_of(person)
    }

    /// What any system says of a person, or of the person's company.
    pub(crate) fn fact(&self, person: u64, field: Field) -> Json {
        self.seeded.value(person, field).to_json()
    }

    pub(crate) fn company_fact(&self, company: u64, field: Field) -> Json {
        self.seeded.company_value(company, field).to_json()
    }

    pub(crate) fn created_at(&self, person: u64) -> Seconds {
        self.seeded.created_at(person)
    }

    pub(crate) fn changed_at(&self, person: u64) -> Seconds {
        self.seeded.updated_at(person)
    }

    /// Throws for what only the CRM knows.
    pub(crate) fn dice(&self, subject: u64, purpose: u64) -> Dice {
        Dice::new(mix(self.seed ^ mix(subject.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (purpose << 40))))
    }
}

/// A record's id of 18 characters; people and companies have those that every system knows.
pub(crate) fn record_id(prefix: &str, number: u64) -> String {
    crm_id(prefix, number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crm_knows_people_by_the_ids_that_the_marketing_system_has() {
        let world = World::new(500, 1, 60, true, 1_795_000_000);
        let mut kinds = [0; 3];
        for person in world.people() {
            let (lead, contact) = (world.fact(person, Field::SfdcLeadId), world.fact(person, Field::SfdcContactId));
            match world.kind(person) {
                Some(Kind::Lead) => kinds[0] += 1,
                Some(Kind::Contact) => kinds[1] += 1,
                Some(Kind::Converted) => kinds[2] += 1,
                None => {
                    assert!(lead.is_null() && contact.is_null());
                    continue;
                }
            }
            let ids = [record_id("00Q", person), record_id("003", person)];
            for (fact, id) in [lead, contact].iter().zip(&ids) {
                assert!(fact.is_null() || fact.as_str() == Some(id), "{person}");
            }
            if !world.fact(person, Field::SfdcContactId).is_null() {
                let account = record_id("001", world.company_of(person));
                assert_eq!(world.fact(person, Field::SfdcAccountId).as_str(), Some(account.as_str()));
            }
        }
        assert!(kinds.iter().all(|n| *n > 0), "{kinds:?}");
    }
}
