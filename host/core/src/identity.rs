//! Which records are one person. A deterministic graph: records that share an identity are connected, and each
//! connected component is a profile. Order of arrival never matters, save for which profile id survives.

use crate::id::ProfileId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// A value that names a person within a namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// `source_key`, `email`.
    pub namespace: String,
    pub value: String,
}

impl Identity {
    /// The namespace of source keys.
    pub const SOURCE_KEY: &'static str = "source_key";
    /// The namespace of e-mail addresses.
    pub const EMAIL: &'static str = "email";

    /// The namespaces a profile can be looked up by.
    pub const NAMESPACES: [&'static str; 2] = [Self::SOURCE_KEY, Self::EMAIL];

    #[must_use]
    pub fn source_key(key: &str) -> Self {
        Self { namespace: Self::SOURCE_KEY.into(), value: key.into() }
    }

    /// The identity of an e-mail address: trimmed and in lower case. `None` for what is no address, and for the
    /// words that systems write where there is none.
    #[must_use]
    pub fn email(address: &str) -> Option<Self> {
        let value = address.trim().to_lowercase();
        let (local, domain) = value.rsplit_once('@')?;
        let whole = !local.is_empty() && domain.contains('.') && !domain.starts_with('.') && !domain.ends_with('.');
        let plain = !value.contains(|c: char| c.is_whitespace() || c.is_control());
        (whole && plain && value.len() <= 1024).then(|| Self { namespace: Self::EMAIL.into(), value })
    }
}

/// A record, and what names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The record's source key: also the canonical order.
    pub source_key: String,
    pub identities: Vec<Identity>,
    /// The profile it belonged to until now.
    pub profile: Option<ProfileId>,
}

/// One person's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    pub profile: ProfileId,
    /// Positions in the nodes given, in canonical order.
    pub nodes: Vec<usize>,
}

/// Divides nodes into components and names each.
///
/// A component keeps the profile id that most of its records had; of equals, the smallest. An id that two components
/// claim stays with the one that holds more of its records, then with the first in canonical order; the other is
/// named after its first record.
#[must_use]
pub fn resolve(nodes: &[Node]) -> Vec<Component> {
    let mut components = connect(nodes);
    for nodes_of in &mut components {
        nodes_of.sort_by(|a, b| nodes[*a].source_key.cmp(&nodes[*b].source_key));
    }
    components.sort_by(|a, b| nodes[a[0]].source_key.cmp(&nodes[b[0]].source_key));
    name(nodes, components)
}

fn connect(nodes: &[Node]) -> Vec<Vec<usize>> {
    let mut parent: Vec<usize> = (0..nodes.len()).collect();
    let mut first_with: HashMap<&Identity, usize> = HashMap::new();
    for (i, node) in nodes.iter().enumerate() {
        for identity in &node.identities {
            let j = *first_with.entry(identity).or_insert(i);
            let (a, b) = (find(&mut parent, i), find(&mut parent, j));
            parent[a.max(b)] = a.min(b);
        }
    }
    let mut components: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for i in 0..nodes.len() {
        components.entry(find(&mut parent, i)).or_default().push(i);
    }
    components.into_values().collect()
}

fn find(parent: &mut [usize], mut i: usize) -> usize {
    while parent[i] != i {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    i
}

fn name(nodes: &[Node], components: Vec<Vec<usize>>) -> Vec<Component> {
    // All claims, strongest first: most records, then canonical order of the component, then the smallest id.
    let mut claims: Vec<(usize, usize, &ProfileId)> = Vec::new();
    for (c, members) in components.iter().enumerate() {
        let mut votes: BTreeMap<&ProfileId, usize> = BTreeMap::new();
        for profile in members.iter().filter_map(|i| nodes[*i].profile.as_ref()) {
            *votes.entry(profile).or_default() += 1;
        }
        claims.extend(votes.into_iter().map(|(profile, count)| (count, c, profile)));
    }
    claims.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(b.2)));
    let mut names: Vec<Option<ProfileId>> = vec![None; components.len()];
    let mut taken: std::collections::HashSet<ProfileId> = std::collections::HashSet::new();
    for (_, c, profile) in claims {
        if names[c].is_none() && !taken.contains(profile) {
            names[c] = Some(profile.clone());
            taken.insert(profile.clone());
        }
    }
    let mut named = Vec::with_capacity(components.len());
    for (members, name) in components.into_iter().zip(names) {
        let profile = name.unwrap_or_else(|| founded(nodes, &members, &taken));
        taken.insert(profile.clone());
        named.push(Component { profile, nodes: members });
    }
    named
}

/// A new name: after the first record whose name is still free. The last resort cannot collide, since no source key
/// holds a NUL.
fn founded(nodes: &[Node], members: &[usize], taken: &std::collections::HashSet<ProfileId>) -> ProfileId {
    let free = members.iter().map(|i| ProfileId::founded_by(&nodes[*i].source_key)).find(|id| !taken.contains(id));
    free.unwrap_or_else(|| {
        let all: Vec<&str> = members.iter().map(|i| nodes[*i].source_key.as_str()).collect();
        ProfileId::founded_by(&format!("split\0{}", all.join("\0")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(key: &str, emails: &[&str], profile: Option<&ProfileId>) -> Node {
        let mut identities = vec![Identity::source_key(key)];
        identities.extend(emails.iter().filter_map(|e| Identity::email(e)));
        Node { source_key: key.into(), identities, profile: profile.cloned() }
    }

    #[test]
    fn addresses_are_normalised_and_words_are_no_addresses() {
        assert_eq!(Identity::email(" Ann@Example.COM ").unwrap().value, "ann@example.com");
        for bad in ["", "null", "anonymous", "a@", "@b.c", "a@b", "a b@c.d", "a@.d"] {
            assert_eq!(Identity::email(bad), None, "{bad}");
        }
    }

    #[test]
    fn sharing_an_address_makes_one_person_and_losing_it_makes_two() {
        let together = resolve(&[node("1@x.M", &["a@x.com"], None), node("2@x.M", &["A@x.com"], None)]);
        assert_eq!(together.len(), 1);
        let id = together[0].profile.clone();
        let apart = resolve(&[node("1@x.M", &["a@x.com"], Some(&id)), node("2@x.M", &["b@x.com"], Some(&id))]);
        assert_eq!(apart.len(), 2);
        assert_eq!(apart[0].profile, id);
        assert_ne!(apart[1].profile, id);
    }

    #[test]
    fn the_larger_side_keeps_the_id() {
        let (a, b) = (ProfileId::founded_by("a"), ProfileId::founded_by("b"));
        let nodes = [
            node("1@x.M", &["s@x.com"], Some(&b)),
            node("2@x.M", &["s@x.com"], Some(&b)),
            node("3@x.M", &["s@x.com"], Some(&a)),
        ];
        assert_eq!(resolve(&nodes), [Component { profile: b, nodes: vec![0, 1, 2] }]);
    }

    proptest! {
        #[test]
        fn the_order_of_nodes_does_not_matter(links in proptest::collection::vec((0..8u8, 0..6u8), 0..12), seed in any::<u64>()) {
            let mut nodes: Vec<Node> = (0..8u8).map(|k| {
                let emails: Vec<String> = links.iter().filter(|(n, _)| *n == k).map(|(_, e)| format!("{e}@x.com")).collect();
                let emails: Vec<&str> = emails.iter().map(String::as_str).collect();
                node(&format!("{k}@x.M"), &emails, None)
            }).collect();
            let sets = |nodes: &[Node]| -> BTreeMap<ProfileId, Vec<String>> {
                resolve(nodes).into_iter().map(|c| (c.profile, c.nodes.iter().map(|i| nodes[*i].source_key.clone()).collect())).collect()
            };
            let before = sets(&nodes);
            let len = nodes.len();
            for i in 0..len {
                nodes.swap(i, (seed as usize).wrapping_mul(i + 1) % len);
            }
            prop_assert_eq!(before, sets(&nodes));
        }
    }
}
