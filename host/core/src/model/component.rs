//! The records of a person, each with what it says itself: how one person belongs to several accounts. A person that
//! names none may have one more component, which no record is behind: that of the account it was matched to.

use super::{EntityKind, PERSON_COMPONENT, person_slot, slot};
use crate::merge::MappedRecord;
use crate::value::Value;
use std::borrow::Borrow;
use std::collections::BTreeMap;

/// The fields of a person that a component takes over, in the order of [`PERSON_COMPONENT`]; the first is the record's
/// own key.
const TAKEN: [&str; 9] = [
    "account_key",
    "external_key",
    "converted_contact_key",
    "email",
    "person_type",
    "person_status",
    "person_source",
    "person_score",
    "person_group_id",
];

/// One row for each record, in the order given.
#[must_use]
pub fn components<R: Borrow<MappedRecord>>(records: &[R]) -> Vec<Vec<Value>> {
    let row = |record: &MappedRecord| {
        let value = |field: &&str| person_slot(field).and_then(|slot| record.row.get(slot)).cloned();
        let taken = TAKEN.iter().map(|field| value(field).unwrap_or(Value::Null));
        let key = std::iter::once(Value::Text(record.source_key.clone()));
        let row: Vec<Value> = key.chain(taken).chain([Value::Boolean(false)]).collect();
        debug_assert_eq!(row.len(), PERSON_COMPONENT.len());
        row
    };
    records.iter().map(|record| row(record.borrow())).collect()
}

/// The component of the account that a person was matched to: so it is among the person's accounts, and told from those
/// that a source names by `is_matched`. `person_key`: of any of the person's records.
#[must_use]
pub fn matched_component(person_key: &str, account_key: &str) -> Vec<Value> {
    let mut row = vec![Value::Null; PERSON_COMPONENT.len()];
    let of = |field: &str, value: Value| (slot(EntityKind::PersonComponent, field), value);
    let said = [
        of("source_person_key", Value::Text(person_key.to_owned())),
        of("source_account_key", Value::Text(account_key.to_owned())),
        of("is_matched", Value::Boolean(true)),
    ];
    for (place, value) in said {
        if let Some(place) = place.and_then(|slot| row.get_mut(slot)) {
            *place = value;
        }
    }
    row
}

/// The accounts that a person's records name, each with the records that do, in the order of keys. A converted lead
/// names the account of its lead and that of its contact; both stay.
#[must_use]
pub fn account_keys<R: Borrow<MappedRecord>>(records: &[R]) -> BTreeMap<String, Vec<String>> {
    let mut accounts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in records.iter().map(Borrow::borrow) {
        let key = person_slot("account_key").and_then(|slot| record.row.get(slot)).and_then(Value::as_text);
        if let Some(key) = key {
            accounts.entry(key.to_owned()).or_default().push(record.source_key.clone());
        }
    }
    accounts
}

#[cfg(test)]
mod tests {
    use super::super::PERSON;
    use super::*;

    #[test]
    fn a_person_of_two_records_is_in_both_accounts() {
        let record = |key: &str, account: &str, score: i64| {
            let mut row = vec![Value::Null; PERSON.len()];
            row[person_slot("account_key").unwrap()] = Value::Text(account.into());
            row[person_slot("person_score").unwrap()] = Value::Integer(score);
            MappedRecord { source_key: key.into(), at: 0, row }
        };
        let records =
            [record("7@1.M", "8.mkto_org@1.M", 5), record("003@2.S", "001@2.S", 9), record("8@1.M", "001@2.S", 1)];
        let rows = components(&records);
        let at = |name: &str| slot(EntityKind::PersonComponent, name).unwrap();
        let text = |text: &str| Value::Text(text.into());
        assert_eq!(rows[1][at("source_person_key")], text("003@2.S"));
        assert_eq!(rows[1][at("source_account_key")], text("001@2.S"));
        assert_eq!((&rows[0][at("person_score")], &rows[0][at("email")]), (&Value::Integer(5), &Value::Null));
        assert!(rows.iter().all(|row| row[at("is_matched")] == Value::Boolean(false)));
        let matched = matched_component("7@1.M", "8.mkto_org@1.M");
        assert_eq!(matched[at("source_account_key")], text("8.mkto_org@1.M"));
        assert_eq!(
            (&matched[at("source_person_key")], &matched[at("is_matched")]),
            (&text("7@1.M"), &Value::Boolean(true))
        );
        for row in rows.into_iter().chain([matched]) {
            for (field, value) in PERSON_COMPONENT.iter().zip(row) {
                assert_eq!(field.accepts(&value), Ok(()), "{}", field.name);
            }
        }
        let accounts = account_keys(&records);
        assert_eq!(accounts.keys().collect::<Vec<_>>(), ["001@2.S", "8.mkto_org@1.M"]);
        assert_eq!(accounts["001@2.S"], ["003@2.S", "8@1.M"]);
    }

    /// A field that is taken over is of the type it has there.
    #[test]
    fn components_take_over_fields_of_persons() {
        for (field, taken) in PERSON_COMPONENT.iter().skip(1).zip(TAKEN) {
            let of_person = PERSON[person_slot(taken).unwrap()];
            assert_eq!((field.data_type, field.values), (of_person.data_type, of_person.values), "{taken}");
            assert!(field.name.ends_with(taken), "{taken} as {}", field.name);
        }
    }
}
