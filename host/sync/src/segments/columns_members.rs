//! Members of an audience, as columns that are there are brought up to what has changed since.

use super::catalog::Audiences;
use super::columns::{Loaded, member_entities};
use attiva_core::id::SegmentId;
use attiva_segments::column::Bits;
use std::collections::BTreeMap;

/// What is told of the members of an audience.
pub(super) struct MemberChanges {
    id: SegmentId,
    pub(super) entity: usize,
    told: Told,
}

enum Told {
    All(Vec<i64>),
    /// Who came (true) and went.
    Moved(BTreeMap<i64, bool>),
}

impl MemberChanges {
    pub(super) fn of(audiences: &Audiences, members: &[SegmentId]) -> Vec<Self> {
        let all = || Told::All(Vec::new());
        let of_one = |(id, entity): (&SegmentId, usize)| Self { id: id.clone(), entity, told: all() };
        members.iter().zip(member_entities(audiences, members)).map(of_one).collect()
    }

    pub(super) fn id(&self) -> &SegmentId {
        &self.id
    }

    pub(super) fn are_known(&self, before: &Loaded) -> bool {
        before.members.contains_key(&self.id)
    }

    /// False, and nothing is taken: they do not come to as many.
    pub(super) fn moved(&mut self, before: &Loaded, moves: Vec<(i64, bool)>, members: u64) -> bool {
        let Some(known) = before.members.get(&self.id) else { return false };
        // Of one who came and went, the last is what counts.
        let moves: BTreeMap<i64, bool> = moves.into_iter().collect();
        let numbers = &before.numbers[self.entity];
        let was_member = |profile: &i64| numbers.binary_search(profile).is_ok_and(|row| known.get(row));
        let more = |(profile, is): (&i64, &bool)| i64::from(*is) - i64::from(was_member(profile));
        let adds_up = (known.count() as u64).checked_add_signed(moves.iter().map(more).sum()) == Some(members);
        if adds_up {
            self.told = Told::Moved(moves);
        }
        adds_up
    }

    pub(super) fn member(&mut self, profile: i64) {
        if let Told::All(profiles) = &mut self.told {
            profiles.push(profile);
        }
    }

    /// `before`: those of before, of rows that are where `moved` says now; `numbers`: of all rows, as they are now.
    pub(super) fn apply(self, before: Option<Bits>, moved: Option<&[u32]>, numbers: &[i64]) -> (SegmentId, Bits) {
        let place = |profile| numbers.binary_search(&profile).ok();
        let bits = match self.told {
            Told::All(profiles) => {
                let mut bits = Bits::none(numbers.len());
                profiles.into_iter().filter_map(place).for_each(|row| bits.set(row));
                bits
            }
            Told::Moved(moves) => {
                let mut bits = before.unwrap_or_default().moved(moved, numbers.len());
                for (profile, is_member) in moves {
                    match place(profile) {
                        Some(row) if is_member => bits.set(row),
                        Some(row) => bits.clear(row),
                        None => {}
                    }
                }
                bits
            }
        };
        (self.id, bits)
    }
}
