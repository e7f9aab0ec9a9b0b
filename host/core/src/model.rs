//! The B2B model: which entities there are, how they hang together, and their fields, as data that the API serves and
//! that mappings, expressions and exports are checked against.
//!
//! The entities follow the published B2B classes, made flat: a field has a short name for expressions and keeps the
//! path it is published under. An operator adds attributes to them and entities of their own ([`custom`]).

mod accept;
mod account;
mod activity;
mod campaign;
mod component;
pub mod custom;
mod layout;
mod name;
mod opportunity;
mod person;
pub mod rolled;
mod schema;
pub mod search;

pub use accept::FieldProblem;
pub use account::{ACCOUNT, ACCOUNT_PERSON, ACCOUNT_RELATION};
pub use activity::{ACTIVITY, EVENT_TYPES};
pub use campaign::{CAMPAIGN, CAMPAIGN_MEMBER, MARKETING_LIST, MARKETING_LIST_MEMBER};
pub use component::{account_keys, components, matched_component};
pub use layout::{Layout, LayoutField};
pub use name::EntityName;
pub use opportunity::{OPPORTUNITY, OPPORTUNITY_PERSON};
pub use person::{PERSON, PERSON_COMPONENT};
pub use schema::{Direction, Schema, SchemaEntity, SchemaField, Way};

use crate::value::DataType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Version of what this file's tables say. It moves when a name, type or relation does; a new field moves it, too,
/// since a mapping written for the newer one does not fit the older.
pub const VERSION: u32 = 5;

/// The kinds of things Attiva knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    Person,
    /// One of the records a person is made of, with what it says itself.
    PersonComponent,
    Account,
    /// A person's place in an account.
    AccountPerson,
    /// What ties an account to another.
    AccountRelation,
    Opportunity,
    /// A person's part in an opportunity.
    OpportunityPerson,
    Campaign,
    CampaignMember,
    MarketingList,
    MarketingListMember,
    /// Something that happened, at a time.
    Activity,
}

impl EntityKind {
    pub const ALL: [Self; 12] = [
        Self::Person,
        Self::PersonComponent,
        Self::Account,
        Self::AccountPerson,
        Self::AccountRelation,
        Self::Opportunity,
        Self::OpportunityPerson,
        Self::Campaign,
        Self::CampaignMember,
        Self::MarketingList,
        Self::MarketingListMember,
        Self::Activity,
    ];

    /// As it stands in mappings and in the schema.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.entity().name
    }

    /// Whether its records become profiles: not what is made of others' records, and not what happened.
    #[must_use]
    pub fn is_profile(self) -> bool {
        self != Self::Activity && self.entity().resolution != Resolution::Derived
    }

    /// What the model says of it.
    #[must_use]
    pub fn entity(self) -> &'static Entity {
        match self {
            Self::Person => &person::ENTITY,
            Self::PersonComponent => &person::COMPONENT_ENTITY,
            Self::Account => &account::ENTITY,
            Self::AccountPerson => &account::PERSON_ENTITY,
            Self::AccountRelation => &account::RELATION_ENTITY,
            Self::Opportunity => &opportunity::ENTITY,
            Self::OpportunityPerson => &opportunity::PERSON_ENTITY,
            Self::Campaign => &campaign::ENTITY,
            Self::CampaignMember => &campaign::MEMBER_ENTITY,
            Self::MarketingList => &campaign::LIST_ENTITY,
            Self::MarketingListMember => &campaign::LIST_MEMBER_ENTITY,
            Self::Activity => &activity::ENTITY,
        }
    }

    /// Lists of keys that name others of an entity: a look-up goes along them. What rules go along is told by records of
    /// its own, one for each tie.
    #[must_use]
    pub fn lists(self) -> &'static [Relation] {
        if self == Self::Account { account::LISTS } else { &[] }
    }

    /// `None` for a name the model does not have.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entity {
    pub kind: EntityKind,
    pub name: &'static str,
    pub title: &'static str,
    /// The published class it follows.
    pub class: &'static str,
    pub fields: &'static [Field],
    pub relations: &'static [Relation],
    pub resolution: Resolution,
}

/// How records become one of the entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resolution {
    /// Records that share an identity are one.
    Graph,
    /// Each record is one; its source key names it.
    Key,
    /// Not ingested: made of the records of another entity.
    Derived,
}

/// Many of the one entity belong to one of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Relation {
    /// The field that holds the other's source key.
    pub field: &'static str,
    pub to: EntityKind,
    /// What the other is called from here: `account`.
    pub name: &'static str,
    /// What these are called from there: `opportunities`.
    pub name_there: &'static str,
}

/// A field of an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// As it stands in expressions: `person.job_title`.
    pub name: &'static str,
    pub data_type: DataType,
    /// For people.
    pub title: &'static str,
    /// Where the published class has it: `extendedWorkDetails.jobTitle`. Empty: it is ours.
    pub path: &'static str,
    /// The values it may have; empty: any of its type.
    pub values: &'static [&'static str],
    /// What a value of it names.
    pub role: Role,
    /// Worked out by Attiva: no mapping gives it.
    pub derived: bool,
}

/// What a value of a field names, beside being a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "FieldRole")]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    #[default]
    Plain,
    /// The same thing in another system, by source key: joins the two.
    SameAs,
    /// An e-mail address that names the person.
    Email,
    /// Device identities (ECID) that name the person.
    Ecid,
    /// Another thing, by source key.
    Reference,
    /// What no entity is kept of, by source key.
    Key,
}

impl Field {
    /// Whether it holds one value or a list.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.data_type == DataType::TextList
    }

    /// The field's value must be one of these.
    const fn one_of(self, values: &'static [&'static str]) -> Self {
        Self { values, ..self }
    }

    const fn role(self, role: Role) -> Self {
        Self { role, ..self }
    }

    const fn derived(self) -> Self {
        Self { derived: true, ..self }
    }
}

const fn field(name: &'static str, data_type: DataType, title: &'static str, path: &'static str) -> Field {
    Field { name, data_type, title, path, values: &[], role: Role::Plain, derived: false }
}

const fn text(name: &'static str, title: &'static str, path: &'static str) -> Field {
    field(name, DataType::Text, title, path)
}

/// The source key of another thing.
const fn reference(name: &'static str, title: &'static str, path: &'static str) -> Field {
    text(name, title, path).role(Role::Reference)
}

/// The source key of what no entity is kept of.
const fn key(name: &'static str, title: &'static str, path: &'static str) -> Field {
    text(name, title, path).role(Role::Key)
}

/// The key under which another system has the same thing: of Marketo's records the CRM's.
const EXTERNAL_KEY: Field =
    text("external_key", "The same record in another system", "extSourceSystemAudit.externalKey.sourceKey")
        .role(Role::SameAs);

/// The same, of classes that name no second identity: it is told and joins nothing.
const EXTERNAL_KEY_TOLD: Field =
    key("external_key", "The same record in another system", "extSourceSystemAudit.externalKey.sourceKey");

const CREATED_BY: Field = text("created_by", "Who created it", "extSourceSystemAudit.createdBy");
const LAST_UPDATED_BY: Field = text("last_updated_by", "Who updated it last", "extSourceSystemAudit.lastUpdatedBy");
const CREATED_DATE: Field = field("created_date", DataType::Timestamp, "Created", "extSourceSystemAudit.createdDate");
const LAST_UPDATED_DATE: Field =
    field("last_updated_date", DataType::Timestamp, "Last updated", "extSourceSystemAudit.lastUpdatedDate");
const LAST_ACTIVITY_DATE: Field =
    field("last_activity_date", DataType::Timestamp, "Last activity", "extSourceSystemAudit.lastActivityDate");

/// The fields of an entity by its name; `None` for a name the model does not have.
#[must_use]
pub fn entity(name: &str) -> Option<&'static [Field]> {
    EntityKind::parse(name).map(|kind| kind.entity().fields)
}

/// The position of a field in a row of its entity.
#[must_use]
pub fn slot(kind: EntityKind, name: &str) -> Option<usize> {
    static SLOTS: LazyLock<HashMap<(EntityKind, &'static str), usize>> = LazyLock::new(|| {
        let named = |kind: EntityKind| {
            kind.entity().fields.iter().enumerate().map(move |(slot, field)| ((kind, field.name), slot))
        };
        EntityKind::ALL.into_iter().flat_map(named).collect()
    });
    SLOTS.get(&(kind, name)).copied()
}

/// The position of a person field in a profile's row.
#[must_use]
pub fn person_slot(name: &str) -> Option<usize> {
    slot(EntityKind::Person, name)
}

#[cfg(test)]
mod tests;
