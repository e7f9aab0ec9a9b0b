//! Profiles of every entity, and what they say of each other.

use crate::id::ProfileId;
use crate::model::EntityName;
use crate::{Millis, Value};

#[derive(Debug, Clone, PartialEq)]
pub struct ProfileWrite {
    pub entity: EntityName,
    pub id: ProfileId,
    /// Non-null attributes of the model.
    pub attributes: Vec<(String, Value)>,
    /// What its records refer to, each once.
    pub references: Vec<Reference>,
    /// Records that make it up.
    pub records: u32,
    /// The newest change of any of them.
    pub changed_at: Millis,
    /// A limit keeps records out of it.
    pub degraded: bool,
    /// What is worked out of accounts may hang on it: on an account, on a relation to one, on a person that names none.
    pub concerns_accounts: bool,
}

/// A profile names another, by a source key. Whether there is such a record is not asked: it may come later.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// The field that says so: `account_key`. Of a person, what any of its records says there.
    pub field: String,
    /// What it names.
    pub to: EntityName,
    pub key: String,
}

/// A reference, and what it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referred {
    pub reference: Reference,
    /// The number of the profile that the key names now; `None`: of none yet, or no more.
    pub profile: Option<i64>,
}

/// Who refers, and by which field: `opportunity`, `account_key`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Relation {
    pub entity: EntityName,
    pub field: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    pub number: i64,
    pub entity: EntityName,
    pub id: ProfileId,
    pub attributes: Vec<(String, Value)>,
    /// Records that make it up.
    pub records: u32,
    /// The newest change of any of them.
    pub changed_at: Millis,
    /// A limit keeps records out of it.
    pub degraded: bool,
}

/// Where a search stands: after this.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundPlace {
    /// The term or the identity's value that begins as asked.
    pub by: String,
    /// The profile's number.
    pub profile: i64,
}

/// A profile that a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub place: FoundPlace,
    pub profile: Profile,
}
