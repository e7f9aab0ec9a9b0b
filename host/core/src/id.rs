//! One id type per kind of thing, so that two kinds cannot be mixed up. All are text with a prefix that names the kind.

use crate::model::{EntityKind, EntityName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// What every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id: the prefix, the time (so that ids sort by it) and random bytes from the caller.
            #[must_use]
            pub fn new(now: crate::Millis, random: [u8; 6]) -> Self {
                Self(format!("{}{:011x}{}", $prefix, now.max(0), hex::encode(random)))
            }

            /// Takes text from outside: it must carry the prefix and be short and plain.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let rest = text.strip_prefix($prefix)?;
                is_plain(rest).then(|| Self(text.to_owned()))
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// An organisation: what API keys are bound to.
    OrganisationId = "org_";
    /// A configured connector.
    ConnectionId = "con_";
    /// A rule that says who belongs.
    SegmentId = "seg_";
    /// Audiences in an order.
    WaterfallId = "wfl_";
    /// An audience joined to a destination.
    ActivationId = "act_";
    /// One execution of a source connection.
    RunId = "run_";
    /// One execution of an activation.
    DeliveryId = "del_";
    /// One reading of what a target holds.
    ReadbackId = "rbk_";
    /// One batch evaluation of segments.
    EvaluationId = "evl_";
    /// Long work that a client follows.
    OperationId = "op_";
    /// A backup of the host.
    BackupId = "bak_";
    /// Two records that are never one.
    NeverLinkId = "nev_";
    /// What a connection brought, taken back.
    RemovalId = "rem_";
    /// A choice that somebody made for a field.
    PinId = "pin_";
    /// A request about personal data.
    PrivacyId = "prv_";
    /// An API key's public half.
    KeyId = "key_";
}

impl ConnectionId {
    /// What stands in a connection's place where records are sent to the host, not read by a connector.
    #[must_use]
    pub fn of_ingestion() -> Self {
        Self("con_ingestion".to_owned())
    }
}

impl RunId {
    /// What stands in a run's place where records are sent to the host.
    #[must_use]
    pub fn of_ingestion() -> Self {
        Self("run_ingestion".to_owned())
    }
}

/// Ids of things that are made of records.
pub trait ThingId: Clone + Ord + std::hash::Hash {}

impl<I: Clone + Ord + std::hash::Hash> ThingId for I {}

/// A profile: a person, an account, an opportunity, or anything else that is made of records. The prefix says which.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ProfileId(String);

impl ProfileId {
    const PERSON: &'static str = "prf_";
    const ACCOUNT: &'static str = "acc_";
    const OPPORTUNITY: &'static str = "opp_";
    /// A campaign, a list, a custom entity.
    const OTHER: &'static str = "ent_";

    /// The id of the person that a record founds.
    #[must_use]
    pub fn founded_by(source_key: &str) -> Self {
        Self::founded(&EntityName::PERSON, source_key)
    }

    /// The id of the profile that a record founds: a function of the entity and the record's key, so that the same
    /// records in the same order give the same ids after any restart, and equal keys of two entities two ids.
    #[must_use]
    pub fn founded(entity: &EntityName, source_key: &str) -> Self {
        let (prefix, of) = match entity {
            EntityName::Model(EntityKind::Person) => (Self::PERSON, digest(source_key)),
            EntityName::Model(EntityKind::Account) => (Self::ACCOUNT, digest(source_key)),
            EntityName::Model(EntityKind::Opportunity) => (Self::OPPORTUNITY, digest(source_key)),
            // No name and no key holds a NUL.
            other => (Self::OTHER, digest(&format!("{other}\0{source_key}"))),
        };
        Self(format!("{prefix}{of}"))
    }

    /// What a profile is called that was erased, where history counts it still: by its number, which says nothing of it.
    #[must_use]
    pub fn erased(&self, number: i64) -> Self {
        let prefix = self.0.split_inclusive('_').next().unwrap_or(Self::PERSON);
        Self(format!("{prefix}erased-{number}"))
    }

    /// Takes text from outside: it must carry one of the prefixes and be short and plain.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let prefixes = [Self::PERSON, Self::ACCOUNT, Self::OPPORTUNITY, Self::OTHER];
        let rest = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix))?;
        is_plain(rest).then(|| Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl NeverLinkId {
    /// The same for the same founder, always.
    #[must_use]
    pub fn founded_by(text: &str) -> Self {
        Self(format!("{}{}", Self::PREFIX, digest(text)))
    }
}

impl PinId {
    /// The same for the same founder, always.
    #[must_use]
    pub fn founded_by(text: &str) -> Self {
        Self(format!("{}{}", Self::PREFIX, digest(text)))
    }
}

fn digest(text: &str) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(text.as_bytes()).iter().take(12).map(|b| format!("{b:02x}")).collect()
}

fn is_plain(rest: &str) -> bool {
    let plain = rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    !rest.is_empty() && rest.len() <= 64 && plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_refuse_what_is_not_theirs() {
        let early = RunId::new(1_000, [255; 6]);
        let late = RunId::new(2_000, [0; 6]);
        assert!(early < late);
        assert_eq!(RunId::parse(early.as_str()), Some(early));
        for bad in ["", "run_", "con_1", "run_a/b", "run_a b"] {
            assert_eq!(RunId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_profile_is_named_after_its_founder() {
        let a = ProfileId::founded_by("1@123-ABC-456.Marketo");
        assert_eq!(a, ProfileId::founded_by("1@123-ABC-456.Marketo"));
        assert_ne!(a, ProfileId::founded_by("2@123-ABC-456.Marketo"));
        assert!(ProfileId::parse(a.as_str()).is_some());
    }

    #[test]
    fn equal_keys_of_two_entities_found_two_profiles() {
        let kinds = EntityKind::ALL.into_iter().map(EntityName::from);
        let names: Vec<EntityName> = kinds.chain(EntityName::parse("subscription")).collect();
        let ids: std::collections::BTreeSet<ProfileId> =
            names.iter().map(|name| ProfileId::founded(name, "1001@m.Marketo")).collect();
        assert_eq!(ids.len(), names.len());
        assert!(ids.iter().all(|id| ProfileId::parse(id.as_str()).as_ref() == Some(id)));
        assert_eq!(ProfileId::founded(&EntityName::PERSON, "1@x.M"), ProfileId::founded_by("1@x.M"));
        assert_eq!(ProfileId::parse("con_1"), None);
    }
}
