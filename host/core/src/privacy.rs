//! What persons may ask of whoever keeps data about them: to be told all of it, and to be forgotten.
//!
//! Whoever asks is found through the identity graph. An erasure leaves keyed hashes of what named them, so that nothing
//! that arrives later revives them, and a receipt for each place and destination.

mod erasure;
mod mention;

pub use erasure::{Action, Destination, Erasure, Event, Left, Phase, Receipt, ReceiptStatus};
pub use mention::{ERASED, Mentions};

use crate::identity::Identity;
use crate::model::{EntityKind, EntityName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who is meant: something of an entity, by one of its identities.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Subject {
    pub entity: EntityName,
    pub identity: Identity,
}

/// Where personal data is kept: the whole list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "DataPlace")]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Source records, as received, with their links and identities.
    Records,
    /// Profiles, with attributes, references, search terms and the ids that led to them.
    Profiles,
    Events,
    /// Memberships in segments, and their history.
    Memberships,
    /// What targets hold, want and refused.
    Ledger,
    /// What became of members in deliveries.
    Outcomes,
    /// Rows that were not taken.
    Rejects,
    /// Samples of what mappings could not make.
    MappingErrors,
    /// Consents and suppressions.
    Consents,
    /// What people and the host wrote down: never-links, pins, runs, deliveries.
    Documents,
    /// Vendors' files while they are read.
    Spools,
    /// Files of open tables.
    Tables,
    /// Answers kept for requests that are repeated.
    KeptAnswers,
    Audit,
}

/// How many items of each place were removed, or had something taken out.
pub type Counts = BTreeMap<Place, u64>;

/// What was erased, as far as a keyed hash tells. Asked of all that comes in.
pub trait Erasures: Send + Sync {
    /// Whether nothing was erased: then nothing need be asked.
    fn is_empty(&self) -> bool;
    fn covers(&self, entity: &EntityName, identity: &Identity) -> bool;
}

/// Nothing was erased.
pub struct NoErasures;

impl Erasures for NoErasures {
    fn is_empty(&self) -> bool {
        true
    }

    fn covers(&self, _: &EntityName, _: &Identity) -> bool {
        false
    }
}

/// The code of what is not taken because somebody was erased.
pub const ERASED_CODE: &str = "privacy.erased";

/// Whether things of an entity that name a person are about that person: their part in something, and not the thing.
#[must_use]
pub fn is_about_persons(entity: &EntityName) -> bool {
    match entity.kind() {
        Some(kind) => matches!(
            kind,
            EntityKind::AccountPerson
                | EntityKind::OpportunityPerson
                | EntityKind::CampaignMember
                | EntityKind::MarketingListMember
        ),
        // The operator's own: a subscription, a ticket.
        None => true,
    }
}
