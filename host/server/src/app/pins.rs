//! Values that somebody chose for a person's fields. A choice hangs on a record: where that goes, in a merge or a split,
//! the choice goes with it.

use super::documents;
use super::keys::Caller;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::Sandbox;
use attiva_core::ingest;
use attiva_core::merge::Pin;
use attiva_core::model::EntityName;
use attiva_core::ports::store::{DocumentWrite, Expect, Kind, Reconsider};
use attiva_sync::policies;

/// What somebody chose.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// This, null to keep the field empty.
    Value(serde_json::Value),
    /// What this record says, as long as it says something.
    Record(String),
}

const PERSON: EntityName = EntityName::PERSON;

impl Sandbox {
    /// Chooses a field's value of a person; the profile, and audiences, follow.
    ///
    /// # Errors
    /// `profile.missing`; `request.invalid` where the field is none, may not hold the value, or the record is none of the
    /// profile's.
    pub async fn pin(&self, caller: &Caller, profile: &str, field: &str, choice: Choice) -> Result<Pin> {
        let records = self.records_of_person(profile)?;
        let layout = policies::layout(self.store.as_ref(), &PERSON)?;
        if layout.slot(field).is_none() {
            return Err(invalid("/field", &format!("is no field of a {PERSON}")));
        }
        let (source_key, value) = match choice {
            Choice::Value(json) => {
                let value = ingest::value_of(&layout, field, &json).map_err(|problem| invalid("/value", &problem))?;
                // Any record will do: the first by key, so that the same is chosen again.
                (records.iter().min().cloned().unwrap_or_default(), Some(value))
            }
            Choice::Record(key) if records.contains(&key) => (key, None),
            Choice::Record(_) => return Err(invalid("/record", "is not a record of this profile")),
        };
        // One for the whole profile: what was chosen before of another record of it holds no more.
        let before = self.pins_of(&records, Some(field))?;
        let (by, at) = (caller.key.to_string(), self.now());
        let pin = Pin { source_key, field: field.to_owned(), value, by, at };
        let id = pin.id();
        let write = DocumentWrite { kind: Kind::Pin, id: id.to_string(), body: documents::write(&pin)? };
        let gone = before.iter().map(Pin::id).filter(|other| *other != id).map(|other| (Kind::Pin, other.to_string()));
        let what = Reconsider::Records(PERSON, records);
        self.engine.reconsider(vec![(write, Expect::Anything)], gone.collect(), what).await?;
        // The value is somebody's data, and the log is kept for ever.
        let detail = serde_json::json!({ "profile": profile, "field": field });
        self.tell(caller, "profile.pinned", id.as_str(), detail).await?;
        Ok(pin)
    }

    /// Takes a choice back: the merge policy decides again.
    ///
    /// # Errors
    /// `pin.missing`.
    pub async fn unpin(&self, caller: &Caller, profile: &str, field: &str) -> Result<()> {
        let records = self.records_of_person(profile)?;
        let pins = self.pins_of(&records, Some(field))?;
        if pins.is_empty() {
            return Err(Refusal::missing("pin", field));
        }
        let gone = pins.iter().map(|pin| (Kind::Pin, pin.id().to_string())).collect();
        self.engine.reconsider(Vec::new(), gone, Reconsider::Records(PERSON, records)).await?;
        let detail = serde_json::json!({ "profile": profile, "field": field });
        self.tell(caller, "profile.unpinned", pins[0].id().as_str(), detail).await
    }

    /// What was chosen for a person, by field.
    pub fn pins(&self, profile: &str) -> Result<Vec<Pin>> {
        let mut pins = self.pins_of(&self.records_of_person(profile)?, None)?;
        pins.sort_by(|a, b| (&a.field, &a.source_key).cmp(&(&b.field, &b.source_key)));
        Ok(pins)
    }

    fn records_of_person(&self, profile: &str) -> Result<Vec<String>> {
        Ok(self.person(profile)?.records.into_iter().map(|record| record.source_key).collect())
    }

    fn pins_of(&self, records: &[String], field: Option<&str>) -> Result<Vec<Pin>> {
        let of = |pin: &Pin| records.contains(&pin.source_key) && field.is_none_or(|field| pin.field == field);
        self.list(Kind::Pin, None, usize::MAX, of)
    }
}

fn invalid(field: &str, problem: &str) -> Refusal {
    let message = format!("`{}` {problem}", field.trim_start_matches('/'));
    Refusal::invalid("request.invalid", message, vec![FieldProblem::new(field, problem)])
}
