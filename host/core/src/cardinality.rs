//! How many organisations may share one instance of a vendor's system, and which do. A connector's specification
//! declares the bound; a connection joins its instance when it is made, and leaves when it is removed.

use crate::id::OrganisationId;
use crate::key::Instance;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// What a connection does with its instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ConnectorRole")]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    Source,
    Destination,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Destination => "destination",
        })
    }
}

/// Bounds that a specification declares; absent: none. One organisation may always have any number of instances,
/// connections and sandboxes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "InstanceCardinality")]
#[serde(deny_unknown_fields)]
pub struct Cardinality {
    /// Organisations that may read from one instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_organisations_per_instance: Option<u32>,
    /// Organisations that may write to one instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_organisations_per_instance: Option<u32>,
}

impl Cardinality {
    #[must_use]
    pub fn organisations_max(&self, role: Role) -> Option<u32> {
        match role {
            Role::Source => self.source_organisations_per_instance,
            Role::Destination => self.destination_organisations_per_instance,
        }
    }

    #[must_use]
    pub fn is_unbounded(&self) -> bool {
        *self == Self::default()
    }
}

/// A connection that uses an instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InstanceUse {
    pub organisation: OrganisationId,
    /// The sandbox's id across organisations.
    pub sandbox: String,
    pub connection: String,
    /// The bound of the connector's specification when it joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisations_max: Option<u32>,
}

impl InstanceUse {
    fn is_same_connection(&self, other: &Self) -> bool {
        (&self.sandbox, &self.connection) == (&other.sandbox, &other.connection)
    }
}

/// Who uses one instance in one role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceUses {
    pub role: Role,
    pub instance: Instance,
    pub uses: BTreeSet<InstanceUse>,
}

/// The instance has as many organisations as it may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the {system} instance `{id}` is a {role} of {} on this host already, and {system} allows {max}",
    if *max == 1 { "another organisation".to_owned() } else { format!("{max} other organisations") }
)]
pub struct Taken {
    pub role: Role,
    pub system: String,
    pub id: String,
    pub max: u32,
}

impl InstanceUses {
    #[must_use]
    pub fn none(role: Role, instance: Instance) -> Self {
        Self { role, instance, uses: BTreeSet::new() }
    }

    /// Lets a connection in, or tells why not. The narrowest bound counts of all that were declared, so that a connector
    /// that declares none cannot open what another one has closed. Joining again, under another bound, replaces the
    /// first time.
    pub fn join(&mut self, new: InstanceUse) -> Result<(), Taken> {
        let others = || self.uses.iter().filter(|other| !other.is_same_connection(&new));
        let max = others().chain([&new]).filter_map(|each| each.organisations_max).min();
        let organisations: BTreeSet<_> = others().map(|other| &other.organisation).collect();
        let count = u32::try_from(organisations.len()).unwrap_or(u32::MAX);
        let is_here = organisations.contains(&new.organisation);
        let fits = max.is_none_or(|max| if is_here { count <= max } else { count < max });
        if let (false, Some(max)) = (fits, max) {
            let Instance { system, id } = self.instance.clone();
            return Err(Taken { role: self.role, system, id, max });
        }
        self.join_anyway(new);
        Ok(())
    }

    /// For connections that were there before the bound was.
    pub fn join_anyway(&mut self, new: InstanceUse) {
        self.uses.retain(|other| !other.is_same_connection(&new));
        self.uses.insert(new);
    }

    /// Takes out the connections for which `gone` holds; returns whether there were any.
    pub fn leave(&mut self, gone: impl Fn(&InstanceUse) -> bool) -> bool {
        let before = self.uses.len();
        self.uses.retain(|each| !gone(each));
        self.uses.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(role: Role) -> InstanceUses {
        InstanceUses::none(role, Instance { system: "Crm".into(), id: "one".into() })
    }

    fn by(organisation: &str, sandbox: &str, connection: &str, max: Option<u32>) -> InstanceUse {
        let organisation = OrganisationId::parse(&format!("org_{organisation}")).unwrap();
        let sandbox = format!("{organisation}-{sandbox}");
        InstanceUse { organisation, sandbox, connection: format!("con_{connection}"), organisations_max: max }
    }

    #[test]
    fn one_organisation_may_use_it_in_many_sandboxes() {
        let mut uses = uses(Role::Source);
        for (sandbox, connection) in [("a", "1"), ("b", "1"), ("b", "2")] {
            assert_eq!(uses.join(by("x", sandbox, connection, Some(1))), Ok(()));
        }
        assert_eq!(uses.uses.len(), 3);
    }

    #[test]
    fn the_organisation_beyond_the_bound_is_told_why() {
        let mut one = uses(Role::Source);
        one.join(by("x", "a", "1", Some(1))).unwrap();
        let refused = one.join(by("y", "a", "1", Some(1))).unwrap_err();
        let said = refused.to_string();
        assert_eq!(
            said,
            "the Crm instance `one` is a source of another organisation on this host already, and Crm allows 1"
        );
        assert!(!said.contains("org_x"));
        assert_eq!(one.uses.len(), 1);
        // It is free again when the last of the first organisation has left.
        assert!(one.leave(|each| each.connection == "con_1"));
        assert!(!one.leave(|each| each.connection == "con_1"));
        one.join(by("y", "a", "1", Some(1))).unwrap();

        let mut two = uses(Role::Destination);
        two.join(by("x", "a", "1", Some(2))).unwrap();
        two.join(by("y", "a", "1", Some(2))).unwrap();
        assert!(two.join(by("z", "a", "1", Some(2))).unwrap_err().to_string().contains("2 other organisations"));
    }

    #[test]
    fn what_declares_no_bound_neither_is_bound_nor_opens_a_bound_of_others() {
        let mut open = uses(Role::Destination);
        for organisation in ["x", "y", "z"] {
            open.join(by(organisation, "a", "1", None)).unwrap();
        }
        // A narrower bound comes too late for those.
        assert!(open.join(by("x", "a", "2", Some(1))).is_err());
        let mut closed = uses(Role::Source);
        closed.join(by("x", "a", "1", Some(1))).unwrap();
        assert!(closed.join(by("y", "a", "1", None)).is_err());
    }

    #[test]
    fn joining_again_replaces_the_bound() {
        let mut uses = uses(Role::Source);
        uses.join(by("x", "a", "1", None)).unwrap();
        uses.join(by("x", "a", "1", Some(1))).unwrap();
        assert_eq!(uses.uses.len(), 1);
        uses.join(by("x", "a", "1", None)).unwrap();
        uses.join(by("y", "a", "1", None)).unwrap();
        assert!(uses.join(by("x", "a", "1", Some(1))).is_err());
    }
}
