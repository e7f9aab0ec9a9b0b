//! Who is there and who should be. Some 50 bytes for each member that the vendor tells by two
//! identifiers, while it is compared.

use super::{Counts, DriftKind, ReadMember};
use crate::Millis;
use crate::ledger::Row;
use std::collections::HashSet;

/// A member of a target as our side has it.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// Acknowledged, with this row, since then.
    Held { row: Row, since: Millis },
    /// Taken out then, as was acknowledged.
    TakenOut { at: Millis },
    /// What was sent of it, this row, is not settled.
    Unsettled { row: Row },
    /// Never acknowledged, as far as anybody remembers.
    Absent,
}

/// What the vendor told, by key. Members are numbered in the order they were added.
#[derive(Debug, Default)]
pub struct Index {
    keys: Vec<(u64, u32)>,
    firsts: HashSet<u64>,
    /// By number: whether it is somebody of ours, or was told before.
    known: Vec<bool>,
    unnamed: u64,
}

impl Index {
    /// Takes a member. Lists shift while they are read, so that some are told twice.
    pub fn add(&mut self, member: &ReadMember) {
        let number = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
        let Some(first) = member.keys.first() else {
            self.unnamed += 1;
            self.known.push(true);
            return;
        };
        let is_new = self.firsts.insert(*first);
        self.known.push(!is_new);
        if is_new {
            self.keys.extend(member.keys.iter().map(|key| (*key, number)));
        }
    }

    /// To be called when all are there.
    pub fn close(&mut self) {
        self.keys.sort_unstable();
    }

    fn numbers<'a>(&'a self, keys: &'a [u64]) -> impl Iterator<Item = u32> + 'a {
        keys.iter().flat_map(|key| {
            let first = self.keys.partition_point(|(known, _)| known < key);
            self.keys.iter().skip(first).take_while(move |(known, _)| known == key).map(|(_, number)| *number)
        })
    }

    /// Whether somebody with one of these keys is there; who is, is ours from now on.
    fn claim(&mut self, keys: &[u64]) -> bool {
        let found: Vec<u32> = self.numbers(keys).collect();
        for number in &found {
            if let Some(known) = self.known.get_mut(*number as usize) {
                *known = true;
            }
        }
        !found.is_empty()
    }

    /// As `claim`, of those whom nobody has claimed.
    fn claim_unclaimed(&mut self, keys: &[u64]) -> bool {
        let is_free = |number: u32| self.known.get(number as usize) == Some(&false);
        self.numbers(keys).any(is_free) && self.claim(keys)
    }

    /// The numbers of those whom nobody has claimed.
    pub fn strangers(&self) -> impl Iterator<Item = u32> + '_ {
        (0..).zip(&self.known).filter(|(_, known)| !**known).map(|(number, _)| number)
    }

    /// What is there, to begin counting with.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts { there: self.firsts.len() as u64 + self.unnamed, unnamed: self.unnamed, ..Counts::default() }
    }
}

/// What a member of ours is found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    AsKnown,
    Drift(DriftKind),
    /// It changed since the reading began, or is not settled.
    Unsettled,
    /// Not to be there, and not there by our doing.
    Nothing,
}

/// Judges a member that the target should have; `began`: when the reading did. To be asked of all of these before any
/// that was taken out: two of ours may be one to the vendor.
pub fn judge(index: &mut Index, member: &Found, keys: &[u64], began: Millis) -> Judged {
    let since = match member {
        Found::Held { since, .. } => Some(*since),
        Found::Unsettled { .. } => None,
        Found::TakenOut { .. } | Found::Absent => return Judged::Nothing,
    };
    match (index.claim(keys), since.is_some_and(|since| since < began)) {
        (_, false) => Judged::Unsettled,
        (true, true) => Judged::AsKnown,
        (false, true) => Judged::Drift(DriftKind::Missing),
    }
}

/// Judges a member that was taken out.
pub fn judge_taken_out(index: &mut Index, at: Millis, keys: &[u64], began: Millis) -> Judged {
    match (index.claim_unclaimed(keys), at < began) {
        (false, _) => Judged::Nothing,
        (true, true) => Judged::Drift(DriftKind::Returned),
        (true, false) => Judged::Unsettled,
    }
}

/// Whether drift may be put right. Where nobody at all was recognised, the connector may tell members by something else
/// than it takes them by, and everybody would be sent once more.
///
/// # Errors
/// Why not.
pub fn may_repair(counts: &Counts) -> Result<(), String> {
    let told = counts.there.saturating_sub(counts.unnamed);
    if counts.as_known == 0 && counts.missing > 0 && told > 0 {
        return Err(format!(
            "{} members are there and none of them was recognised, so nothing is repaired: does the mapping send what \
             the destination tells members by?",
            counts.there
        ));
    }
    if counts.unnamed > 0 && counts.missing > 0 {
        return Err(format!("{} members have nothing to know them by, and may be the missing ones", counts.unnamed));
    }
    Ok(())
}
