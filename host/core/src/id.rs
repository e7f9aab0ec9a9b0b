//! One id type per kind of thing, so that two kinds cannot be mixed up. All are text with a prefix that names the kind.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
                let plain = rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
                (!rest.is_empty() && rest.len() <= 64 && plain).then(|| Self(text.to_owned()))
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
    /// An audience joined to a destination.
    ActivationId = "act_";
    /// One execution of a source connection.
    RunId = "run_";
    /// One execution of an activation.
    DeliveryId = "del_";
    /// Long work that a client follows.
    OperationId = "op_";
    /// A person, unified.
    ProfileId = "prf_";
    /// An account, unified.
    AccountId = "acc_";
    /// An opportunity, unified.
    OpportunityId = "opp_";
    /// Anything else that is made of records: a campaign, a list, a custom entity.
    EntityId = "ent_";
    /// Two records that are never one.
    NeverLinkId = "nev_";
    /// An API key's public half.
    KeyId = "key_";
}

/// Ids of things that are made of records.
pub trait Founded: Clone + Ord + std::hash::Hash {
    /// The id of the thing that a record founds: a function of the record's key, so that the same records in the same
    /// order give the same ids after any restart.
    #[must_use]
    fn founded_by(source_key: &str) -> Self;
}

macro_rules! founded {
    ($($name:ident)*) => {$(
        impl Founded for $name {
            fn founded_by(source_key: &str) -> Self {
                use sha2::Digest;
                let digest = sha2::Sha256::digest(source_key.as_bytes());
                let short: String = digest.iter().take(12).map(|b| format!("{b:02x}")).collect();
                Self(format!("{}{short}", Self::PREFIX))
            }
        }

        impl $name {
            /// See [`Founded::founded_by`].
            #[must_use]
            pub fn founded_by(source_key: &str) -> Self {
                Founded::founded_by(source_key)
            }
        }
    )*};
}

founded! { ProfileId AccountId OpportunityId EntityId NeverLinkId }

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
}
