//! Keeps out what names somebody who was erased, wherever it comes from: rows that are theirs are not taken, and counted;
//! what others' rows say of them is taken out.

use crate::engine::Inner;
use crate::mapping::StreamMapping;
use attiva_core::event::EventReader;
use attiva_core::id::ConnectionId;
use attiva_core::identity::Identity;
use attiva_core::key::SourceKey;
use attiva_core::model::{EntityName, Layout, Role};
use attiva_core::page::{Reject, RowKind};
use attiva_core::privacy::{ERASED_CODE, Erasures, Mentions, is_about_persons};
use attiva_core::record::{Fields, RecordChange};
use attiva_core::{Fault, Millis, Value};
use std::sync::Arc;

/// Takes the rows that may be taken; of each that may not, a reject that says no more than that.
pub(crate) fn sift(
    inner: &Inner,
    connection: &ConnectionId,
    stream: &str,
    changes: Vec<RecordChange>,
    now: Millis,
) -> Result<(Vec<RecordChange>, Vec<Reject>), Fault> {
    let erasures = inner.connectors.erasures();
    if erasures.is_empty() {
        return Ok((changes, Vec::new()));
    }
    let mapping = inner.catalogs.mapping(inner, connection, stream)?;
    let reader = match &mapping {
        Some(mapping) if !EventReader::reads(mapping.entity()) => Some(inner.policies.get(inner, mapping.entity())?),
        _ => None,
    };
    let sieve = Sieve { erasures: &*erasures, mapping: mapping.as_deref(), now };
    let (mut taken, mut rejects) = (Vec::with_capacity(changes.len()), Vec::new());
    for mut change in changes {
        let claims = |row: &[Value]| match &reader {
            Some(policies) => policies.reader.read(&change.source_key, row).0.into_iter().map(|c| c.identity).collect(),
            None => Vec::new(),
        };
        if sieve.is_of_erased(&change, claims) {
            let message = "it names somebody who was erased".to_owned();
            let code = ERASED_CODE.to_owned();
            rejects.push(Reject { key: None, code, field: None, message, sample: String::new() });
            continue;
        }
        sieve.take_out(&mut change);
        taken.push(change);
    }
    Ok((taken, rejects))
}

struct Sieve<'a> {
    erasures: &'a dyn Erasures,
    mapping: Option<&'a StreamMapping>,
    now: Millis,
}

impl Sieve<'_> {
    /// `claims`: what a mapped row says of itself, by the rules of identity.
    fn is_of_erased(&self, change: &RecordChange, claims: impl FnOnce(&[Value]) -> Vec<Identity>) -> bool {
        let own = Identity::source_key(&change.source_key);
        let Some(mapping) = self.mapping else {
            // Of what it is a record will be said later.
            return [EntityName::PERSON, EntityName::ACCOUNT].iter().any(|e| self.erasures.covers(e, &own));
        };
        let entity = mapping.entity();
        if self.erasures.covers(entity, &own) {
            return true;
        }
        if matches!(change.kind, RowKind::Tombstone | RowKind::Merge) {
            return false;
        }
        let row = mapping.row(&change.fields, self.now).row;
        claims(&row).iter().any(|identity| self.erasures.covers(entity, identity))
            || self.names_erased(mapping.layout(), &row)
    }

    /// Whether the row is about a person whom it names.
    fn names_erased(&self, layout: &Layout, row: &[Value]) -> bool {
        let is_event = EventReader::reads(layout.entity());
        if !is_event && (!is_about_persons(layout.entity()) || *layout.entity() == EntityName::PERSON) {
            return false;
        }
        let refers = layout.references().filter(|(_, _, to)| **to == EntityName::PERSON).map(|(slot, ..)| slot);
        let keys = refers.filter_map(|slot| row.get(slot).and_then(Value::as_text)).filter_map(key);
        let fields = layout.fields().iter().zip(row).filter(|_| is_event);
        let named = fields.flat_map(|(field, value)| {
            let read: fn(&str) -> Option<Identity> = match field.role {
                Role::Email => Identity::email,
                Role::Ecid => Identity::ecid,
                Role::SameAs => key,
                Role::Plain | Role::Reference | Role::Key => |_| None,
            };
            texts(value).into_iter().filter_map(read).collect::<Vec<_>>()
        });
        keys.chain(named).any(|identity| self.erasures.covers(&EntityName::PERSON, &identity))
    }

    /// What is left of a row that may be taken.
    fn take_out(&self, change: &mut RecordChange) {
        let person = |key: &str| self.erasures.covers(&EntityName::PERSON, &Identity::source_key(key));
        if change.merged_into.as_deref().is_some_and(person) {
            // Who it lives on as is not told any more.
            change.kind = RowKind::Tombstone;
            change.merged_into = None;
        }
        if !change.fields.iter().any(|(_, value)| !self.said(value).is_empty()) {
            return;
        }
        let fields = std::mem::take(&mut change.fields);
        change.fields = fields.iter().map(|(name, value)| (Arc::clone(name), self.without(value))).collect::<Fields>();
    }

    fn without(&self, value: &Value) -> Value {
        let said = self.said(value);
        let out = |text: &String| said.taken_out(text).unwrap_or_else(|| text.clone());
        match value {
            Value::Text(text) => Value::Text(out(text)),
            Value::Json(text) => Value::Json(out(text)),
            Value::TextList(list) => Value::TextList(list.iter().map(out).collect()),
            other => other.clone(),
        }
    }

    /// What a value says that names somebody who was erased: an address, a device or a key, wherever it stands.
    fn said(&self, value: &Value) -> Mentions {
        let covered = |word: &&str| {
            let identities = [Identity::email(word), Identity::ecid(word), key(word)];
            identities.into_iter().flatten().any(|identity| self.erasures.covers(&EntityName::PERSON, &identity))
        };
        let found = texts(value).into_iter().flat_map(words).filter(covered);
        Mentions::new(found.map(str::to_owned))
    }
}

fn key(text: &str) -> Option<Identity> {
    SourceKey::parse(text).map(|key| Identity::source_key(&key.to_string()))
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::TextList(list) => list.iter().map(String::as_str).collect(),
        Value::Json(text) => vec![text],
        other => other.as_text().into_iter().collect(),
    }
}

/// Words that may be an address, a device or a key.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let ends = |c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && !matches!(c, '@' | '.' | '_' | '%' | '+' | '-');
    let words = text.split(ends).map(|word| word.trim_matches('.'));
    words.filter(|word| word.contains('@') || word.len() == 38)
}

/// A reject without what names somebody who was erased.
pub(crate) fn take_out_of(erasures: &dyn Erasures, mut reject: Reject) -> Reject {
    if erasures.is_empty() {
        return reject;
    }
    let sieve = Sieve { erasures, mapping: None, now: 0 };
    let without = |text: String| match sieve.without(&Value::Text(text)) {
        Value::Text(text) => text,
        _ => String::new(),
    };
    reject.key = reject.key.map(without);
    reject.message = without(reject.message);
    reject.sample = without(reject.sample);
    reject
}
