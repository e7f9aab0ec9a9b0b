//! Which profile id each group gets, and what becomes of ids that are no more.

use super::divide::Group;
use super::{Neighbourhood, Node};
use crate::id::ThingId;
use std::collections::{BTreeMap, HashMap, HashSet};

/// A profile id that is no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retired<I> {
    pub profile: I,
    /// The profile that most of its records went to: the id redirects there. `None`: its records are all gone.
    pub heir: Option<I>,
}

/// A group keeps the profile id that most of its records had; of equals, the smallest. An id that two groups claim
/// stays with the one that holds more of its records, then with the first in canonical order; the other is named
/// after its first record.
pub(super) fn name<I: ThingId, E>(
    nodes: &[Node<I>],
    groups: &[Group],
    founded: impl Fn(&str) -> I,
    mut taken: impl FnMut(&I) -> Result<bool, E>,
) -> Result<Vec<I>, E> {
    let (mut names, mut given) = kept(nodes, groups);
    for (group, name) in groups.iter().zip(&mut names).filter(|(_, name)| name.is_none()) {
        for candidate in candidates(nodes, group, &founded) {
            if !given.contains(&candidate) && !taken(&candidate)? {
                given.insert(candidate.clone());
                *name = Some(candidate);
                break;
            }
        }
    }
    Ok(names.into_iter().flatten().collect())
}

/// The groups' names, as far as they keep one; and all ids that records of the neighbourhood have or had: a name that
/// is given up redirects and founds nothing else.
fn kept<I: ThingId>(nodes: &[Node<I>], groups: &[Group]) -> (Vec<Option<I>>, HashSet<I>) {
    let mut claims: Vec<(usize, usize, &I)> = Vec::new();
    for (g, group) in groups.iter().enumerate() {
        let mut votes: BTreeMap<&I, usize> = BTreeMap::new();
        for profile in group.nodes.iter().filter_map(|i| nodes[*i].profile.as_ref()) {
            *votes.entry(profile).or_default() += 1;
        }
        claims.extend(votes.into_iter().map(|(profile, count)| (count, g, profile)));
    }
    // Strongest first: most records, then canonical order of the group, then the smallest id.
    claims.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(b.2)));
    let mut names: Vec<Option<I>> = vec![None; groups.len()];
    let mut given: HashSet<I> = HashSet::new();
    for (_, g, profile) in claims {
        if names[g].is_none() && given.insert(profile.clone()) {
            names[g] = Some(profile.clone());
        }
    }
    given.extend(nodes.iter().filter_map(|node| node.profile.clone()));
    (names, given)
}

/// New names, without end: after each of the records, then after the first record again and again. No source key holds
/// a NUL, so these are nobody's first choice.
fn candidates<'a, I: ThingId>(
    nodes: &'a [Node<I>],
    group: &'a Group,
    founded: &'a impl Fn(&str) -> I,
) -> impl Iterator<Item = I> + 'a {
    let keys = group.nodes.iter().map(|i| nodes[*i].source_key.as_str());
    let first = keys.clone().next().unwrap_or_default();
    keys.map(founded).chain((1u64..).map(move |n| founded(&format!("{first}\0{n}"))))
}

/// In the order of ids.
pub(super) fn retired<I: ThingId>(
    neighbourhood: &Neighbourhood<I>,
    groups: &[Group],
    profiles: &[I],
) -> Vec<Retired<I>> {
    let kept: HashSet<&I> = profiles.iter().collect();
    let mut heirs: BTreeMap<&I, HashMap<usize, usize>> = BTreeMap::new();
    for (g, group) in groups.iter().enumerate() {
        for profile in group.nodes.iter().filter_map(|i| neighbourhood.nodes[*i].profile.as_ref()) {
            *heirs.entry(profile).or_default().entry(g).or_default() += 1;
        }
    }
    for profile in &neighbourhood.gone {
        heirs.entry(profile).or_default();
    }
    let retired = heirs.into_iter().filter(|(profile, _)| !kept.contains(profile)).map(|(profile, votes)| {
        let most = votes.into_iter().max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(&a.0)));
        Retired { profile: profile.clone(), heir: most.and_then(|(g, _)| profiles.get(g).cloned()) }
    });
    retired.collect()
}
