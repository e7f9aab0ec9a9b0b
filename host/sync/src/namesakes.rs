//! Members whom the vendor knows by one name: two profiles with one address are one lead of it, one element. What one of
//! them gives up, the other still has, so nobody is taken out before the last of them goes.

use attiva_core::Fault;
use attiva_core::delivery::Delivery;
use attiva_core::id::ProfileId;
use attiva_core::ports::store::{QueuedMember, SandboxStore};
use std::collections::{HashMap, HashSet};

#[derive(Default)]
pub(crate) struct Namesakes {
    /// Whom the target holds, by the vendor's name for them.
    holders: HashMap<String, HashSet<ProfileId>>,
    /// Who has left a name to others since it is being asked.
    gone: HashSet<ProfileId>,
}

impl Namesakes {
    /// Reads who else has the names of these.
    pub(crate) fn read<'m>(
        &mut self,
        store: &dyn SandboxStore,
        delivery: &Delivery,
        of: impl Iterator<Item = &'m QueuedMember>,
    ) -> Result<(), Fault> {
        self.holders.clear();
        let names: Vec<String> = of.filter_map(|member| member.member_id.clone()).collect();
        if names.is_empty() {
            return Ok(());
        }
        for (name, profile) in store.holders(&delivery.id, &names)? {
            if !self.gone.contains(&profile) {
                self.holders.entry(name).or_default().insert(profile);
            }
        }
        Ok(())
    }

    /// Whether one who is to be taken out stays, since the target holds somebody else under its name.
    pub(crate) fn keep(&mut self, leaving: &QueuedMember) -> bool {
        // As what it was sent last it has no name yet.
        !leaving.may_be_two() && self.leaves_to_another(leaving)
    }

    /// Whether the target holds somebody else under the name of this one, who then has it no more: of several who go, the
    /// last takes it along.
    pub(crate) fn leaves_to_another(&mut self, member: &QueuedMember) -> bool {
        let Some(holders) = member.member_id.as_ref().and_then(|name| self.holders.get_mut(name)) else { return false };
        let is_shared = holders.iter().any(|holder| *holder != member.profile_id);
        if is_shared {
            holders.remove(&member.profile_id);
            self.gone.insert(member.profile_id.clone());
        }
        is_shared
    }
}
