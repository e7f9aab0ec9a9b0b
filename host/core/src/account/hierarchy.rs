//! Who belongs to whom, up to the ultimate parent. Vendors' data has cycles, and chains of any length: nothing here
//! goes on without end, and two members of one family always agree on who is at its top.

use std::collections::{BTreeSet, VecDeque};

/// The top of a chain of parents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ultimate<K> {
    /// The account that has no parent; in a cycle the smallest of those that are in it.
    pub account: K,
    /// The way up: parent first, the ultimate parent last. Empty for who is at the top. In a cycle: once around.
    pub path: Vec<K>,
    pub end: End,
}

/// How a chain of parents ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// At an account without a parent.
    Top,
    /// The chain runs in a circle: the data is wrong, and should be shown to somebody.
    Cycle,
    /// After [`DEPTH_MAX`] steps. What stands there is not the true top.
    TooDeep,
}

/// Most steps up.
pub const DEPTH_MAX: usize = 100;

/// Goes up from an account. `parent`: of an account, if it has one that is known.
///
/// # Errors
/// Those of `parent`.
pub fn ultimate<K: Ord + Clone, E>(
    account: &K,
    mut parent: impl FnMut(&K) -> Result<Option<K>, E>,
) -> Result<Ultimate<K>, E> {
    let mut path: Vec<K> = Vec::new();
    loop {
        let last = path.last().unwrap_or(account);
        let Some(next) = parent(last)? else {
            return Ok(Ultimate { account: last.clone(), path, end: End::Top });
        };
        let from = if next == *account { Some(0) } else { path.iter().position(|k| *k == next).map(|i| i + 1) };
        if let Some(from) = from {
            // The circle: from where it is entered to the last step.
            let circle = std::iter::once(account).chain(&path).skip(from);
            let smallest = circle.min().unwrap_or(account).clone();
            return Ok(Ultimate { account: smallest, path, end: End::Cycle });
        }
        if path.len() == DEPTH_MAX {
            return Ok(Ultimate { account: next, path, end: End::TooDeep });
        }
        path.push(next);
    }
}

/// All accounts under one, itself included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family<K> {
    pub members: BTreeSet<K>,
    /// Whether there were more than were asked for.
    pub cut_off: bool,
}

/// Goes down from an account, at most to `members_max`, and [`DEPTH_MAX`] steps: who is farther down does not find it
/// going up, either. `children`: of an account.
///
/// # Errors
/// Those of `children`.
pub fn family<K: Ord + Clone, E>(
    top: &K,
    members_max: usize,
    mut children: impl FnMut(&K) -> Result<Vec<K>, E>,
) -> Result<Family<K>, E> {
    let mut members = BTreeSet::from([top.clone()]);
    let mut next = VecDeque::from([(top.clone(), 0)]);
    while let Some((account, depth)) = next.pop_front() {
        if depth == DEPTH_MAX {
            continue;
        }
        for child in children(&account)? {
            if members.contains(&child) {
                continue;
            }
            if members.len() >= members_max {
                return Ok(Family { members, cut_off: true });
            }
            members.insert(child.clone());
            next.push_back((child, depth + 1));
        }
    }
    Ok(Family { members, cut_off: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    fn top(parents: &[Option<usize>], account: usize) -> Ultimate<usize> {
        let Ok(top) = ultimate(&account, |k| Ok::<_, Infallible>(parents.get(*k).copied().flatten()));
        top
    }

    fn under(parents: &[Option<usize>], account: usize, members_max: usize) -> Family<usize> {
        let children = |k: &usize| (0..parents.len()).filter(|c| parents[*c] == Some(*k)).collect();
        let Ok(family) = family(&account, members_max, |k| Ok::<_, Infallible>(children(k)));
        family
    }

    #[test]
    fn a_chain_ends_at_its_top() {
        let parents = [None, Some(0), Some(1)];
        assert_eq!(top(&parents, 2), Ultimate { account: 0, path: vec![1, 0], end: End::Top });
        assert_eq!(top(&parents, 0), Ultimate { account: 0, path: vec![], end: End::Top });
        assert_eq!(under(&parents, 0, 9).members, BTreeSet::from([0, 1, 2]));
        let cut = under(&parents, 0, 2);
        assert!(cut.cut_off && cut.members.len() == 2);
    }

    #[test]
    fn a_circle_has_one_top_for_all() {
        // 3 -> 2 -> 1 -> 2, and 4 is its own parent.
        let parents = [None, Some(2), Some(1), Some(2), Some(4)];
        for account in [1, 2, 3] {
            let top = top(&parents, account);
            assert_eq!((top.account, top.end), (1, End::Cycle), "{account}");
        }
        assert_eq!(top(&parents, 4), Ultimate { account: 4, path: vec![], end: End::Cycle });
        assert_eq!(under(&parents, 1, 9).members, BTreeSet::from([1, 2, 3]));
    }

    #[test]
    fn a_chain_without_end_is_left() {
        let Ok(top) = ultimate(&0usize, |k| Ok::<_, Infallible>(Some(k + 1)));
        assert_eq!((top.end, top.path.len()), (End::TooDeep, DEPTH_MAX));
        let Ok(family) = family(&0usize, usize::MAX, |k| Ok::<_, Infallible>(vec![k + 1]));
        assert_eq!(family.members.len(), DEPTH_MAX + 1);
    }

    proptest! {
        /// On any graph of parents: whoever shares a parent link shares the top, and the top's family is just those
        /// that have it.
        #[test]
        fn families_are_those_with_one_top(parents in proptest::collection::vec(proptest::option::of(0..9usize), 9)) {
            let tops: Vec<usize> = (0..9).map(|k| top(&parents, k).account).collect();
            for (k, parent) in parents.iter().enumerate() {
                if let Some(parent) = parent {
                    prop_assert_eq!(tops[k], tops[*parent]);
                }
            }
            for t in tops.iter().collect::<BTreeSet<_>>() {
                let expected: BTreeSet<usize> = (0..9).filter(|k| tops[*k] == *t).collect();
                prop_assert_eq!(under(&parents, *t, 99).members, expected);
            }
        }
    }
}
