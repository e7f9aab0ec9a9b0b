//! Which sandbox fills a target. A target that keeps its members is filled by one of all sandboxes of a host: each sandbox
//! knows from a ledger of its own who is there, so of two each would take out whom only the other wants, and believe of members
//! that they are there when the other has taken them out.

use crate::id::OrganisationId;
use crate::ports::store::TargetKey;
use serde::{Deserialize, Serialize};

/// A target, and who fills it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    pub target: TargetKey,
    pub organisation: OrganisationId,
    /// The sandbox's id across organisations.
    pub sandbox: String,
}

/// Another sandbox fills the target. Does not say which, nor whose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` ({}) of the {} instance `{}` is filled by {} on this host already",
    target.name, target.object, target.system, target.instance,
    if *is_same_organisation { "another sandbox of this organisation" } else { "another organisation" },
)]
pub struct TargetTaken {
    pub target: TargetKey,
    pub is_same_organisation: bool,
}

impl Holding {
    /// Whether it lets a sandbox fill the target as well: only the one that does already.
    ///
    /// # Errors
    /// [`TargetTaken`].
    pub fn admits(&self, other: &Self) -> Result<(), TargetTaken> {
        if self.sandbox == other.sandbox {
            return Ok(());
        }
        let is_same_organisation = self.organisation == other.organisation;
        Err(TargetTaken { target: other.target.clone(), is_same_organisation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(organisation: &str, sandbox: &str) -> Holding {
        let organisation = OrganisationId::parse(&format!("org_{organisation}")).unwrap();
        let [system, instance, object, name] = ["Crm", "one", "list", "HR"].map(str::to_owned);
        let sandbox = format!("{organisation}-{sandbox}");
        Holding { target: TargetKey { system, instance, object, name }, organisation, sandbox }
    }

    #[test]
    fn a_target_is_one_sandboxs_and_others_are_told_neither_which_nor_whose() {
        let held = holding("x", "a");
        assert_eq!(held.admits(&held), Ok(()));
        let said = held.admits(&holding("x", "b")).unwrap_err().to_string();
        assert_eq!(
            said,
            "`HR` (list) of the Crm instance `one` is filled by another sandbox of this organisation on this host already"
        );
        // Of one name in another organisation.
        let said = held.admits(&holding("y", "a")).unwrap_err().to_string();
        assert_eq!(
            said,
            "`HR` (list) of the Crm instance `one` is filled by another organisation on this host already"
        );
    }
}
