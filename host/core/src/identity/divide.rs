//! Divides a neighbourhood into profiles: links are made in a canonical order, strongest first, and one that would
//! break a rule is refused. Greedy, so the same records always give the same profiles.

use super::rules::Rules;
use super::{Identity, Neighbourhood, NeverLinks, Node, carriers};
use crate::key::SourceKey;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

/// Why two records are one: both carry the identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RecordLink")]
pub struct Link {
    pub identity: Identity,
    /// Source key of the record that had it first, and the field that says it there.
    pub from: String,
    pub from_field: String,
    pub to: String,
    pub to_field: String,
}

/// What did not join records, though they share it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    /// More records carry the value than may share one.
    Shared(Identity),
    Refused(Refusal),
}

/// A link that would have broken a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub link: Link,
    pub why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "LinkWhy")]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Somebody said that the two are different, or that records already joined to them are.
    NeverLink,
    /// The profile would have too many different values of a namespace.
    Values { namespace: String, values_max: u32 },
    /// The profile would have too many identities.
    Identities { identities_max: u32 },
    /// The profile would have too many records of one vendor instance.
    InstanceRecords { instance: String, records_max: u32 },
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared(identity) => write!(f, "{identity} is shared by too many records"),
            Self::Refused(Refusal { link, why }) => write!(f, "{}: {why}", link.identity),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverLink => f.write_str("somebody said that they are different"),
            Self::Values { namespace, values_max } => write!(f, "more than {values_max} different {namespace}"),
            Self::Identities { identities_max } => write!(f, "more than {identities_max} identities"),
            Self::InstanceRecords { instance, records_max } => {
                write!(f, "more than {records_max} records of {instance}")
            }
        }
    }
}

/// One profile to be.
pub(super) struct Group {
    /// In the order of source keys.
    pub(super) nodes: Vec<usize>,
    pub(super) links: Vec<Link>,
    pub(super) held: Vec<Held>,
}

/// In the order of their first records.
pub(super) fn divide<I>(neighbourhood: &Neighbourhood<I>, rules: &Rules, never: &NeverLinks) -> Vec<Group> {
    let nodes = &neighbourhood.nodes;
    let mut division = Division::new(nodes, rules, never);
    for (identity, carriers) in joining(neighbourhood, rules) {
        division.join(identity, &carriers);
    }
    let mut groups = division.groups();
    for group in &mut groups {
        group.held.extend(shared(neighbourhood, &group.nodes));
    }
    groups
}

/// The values that join, each with the records that carry it, in canonical order: priority of the namespace, when the
/// first record came into being, namespace, value. Records: when they came into being, source key.
fn joining<'a, I>(neighbourhood: &'a Neighbourhood<I>, rules: &Rules) -> Vec<(&'a Identity, Vec<usize>)> {
    let Neighbourhood { nodes, levels, shared, .. } = neighbourhood;
    let mut values = Vec::new();
    for (identity, mut carriers) in carriers(nodes) {
        let joins_at = |i: &usize| levels.get(*i).is_some_and(|level| rules.joins_at(identity, *level));
        if carriers.len() < 2 || shared.contains(identity) {
            continue;
        }
        carriers.retain(joins_at);
        if carriers.len() < 2 {
            continue;
        }
        carriers.sort_by(|a, b| (nodes[*a].at, &nodes[*a].source_key).cmp(&(nodes[*b].at, &nodes[*b].source_key)));
        let priority = rules.of(&identity.namespace).map_or(u32::MAX, |namespace| namespace.priority);
        values.push(((priority, nodes[carriers[0]].at, identity), carriers));
    }
    values.sort_by(|a, b| a.0.cmp(&b.0));
    values.into_iter().map(|((_, _, identity), carriers)| (identity, carriers)).collect()
}

fn shared<'a, I>(neighbourhood: &'a Neighbourhood<I>, group: &'a [usize]) -> BTreeSet<Held> {
    let claims = group.iter().flat_map(|i| &neighbourhood.nodes[*i].claims);
    claims.filter(|c| neighbourhood.shared.contains(&c.identity)).map(|c| Held::Shared(c.identity.clone())).collect()
}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |held: &Self| match held {
            Self::Shared(identity) => (0, identity.clone(), String::new(), String::new()),
            Self::Refused(r) => (1, r.link.identity.clone(), r.link.from.clone(), r.link.to.clone()),
        };
        key(self).cmp(&key(other))
    }
}

struct Division<'a, I> {
    nodes: &'a [Node<I>],
    rules: &'a Rules,
    never: &'a NeverLinks,
    position: HashMap<&'a str, usize>,
    /// Which cluster each node is in.
    of: Vec<usize>,
    clusters: Vec<Cluster<'a>>,
    links: Vec<(usize, Link)>,
    refusals: Vec<(usize, usize, Refusal)>,
}

/// Records joined so far, and what counts against the limits.
#[derive(Default)]
struct Cluster<'a> {
    nodes: Vec<usize>,
    values: BTreeSet<(&'a str, &'a str)>,
}

impl<'a, I> Division<'a, I> {
    fn new(nodes: &'a [Node<I>], rules: &'a Rules, never: &'a NeverLinks) -> Self {
        let cluster = |i: usize| Cluster { nodes: vec![i], values: BTreeSet::new() };
        Self {
            nodes,
            rules,
            never,
            position: nodes.iter().enumerate().map(|(i, node)| (node.source_key.as_str(), i)).collect(),
            of: (0..nodes.len()).collect(),
            clusters: (0..nodes.len()).map(cluster).collect(),
            links: Vec::new(),
            refusals: Vec::new(),
        }
    }

    /// Each record joins the first of the earlier ones whose cluster takes it; so two that may not be one can still
    /// each have friends.
    fn join(&mut self, identity: &'a Identity, carriers: &[usize]) {
        for (n, to) in carriers.iter().enumerate() {
            let mut refused_by = BTreeSet::new();
            for from in &carriers[..n] {
                let (a, b) = (self.of[*from], self.of[*to]);
                if refused_by.contains(&a) {
                    continue;
                }
                let link = self.link(identity, *from, *to);
                if a == b {
                    self.links.push((*to, link));
                    break;
                }
                match self.objection(a, b) {
                    None => {
                        self.unite(a, b);
                        self.links.push((*to, link));
                        break;
                    }
                    Some(why) => {
                        self.refusals.push((*from, *to, Refusal { link, why }));
                        refused_by.insert(a);
                    }
                }
            }
        }
    }

    fn link(&self, identity: &Identity, from: usize, to: usize) -> Link {
        let field = |i: usize| {
            let claim = self.nodes[i].claims.iter().find(|c| c.identity == *identity);
            claim.map_or_else(String::new, |c| c.field.to_string())
        };
        Link {
            identity: identity.clone(),
            from: self.nodes[from].source_key.clone(),
            from_field: field(from),
            to: self.nodes[to].source_key.clone(),
            to_field: field(to),
        }
    }

    /// Why two clusters may not be one. What one of them exceeds already, by what a single record says, is no reason to
    /// keep out what adds nothing.
    fn objection(&mut self, a: usize, b: usize) -> Option<Why> {
        if self.never_meet(a, b) {
            return Some(Why::NeverLink);
        }
        self.fill(a);
        self.fill(b);
        let (a, b) = (&self.clusters[a], &self.clusters[b]);
        let grows_over = |most: u32, a: usize, b: usize, both: usize| both > most as usize && both > a.max(b);
        let both = a.values.union(&b.values).count();
        if grows_over(self.rules.identities_max, a.values.len(), b.values.len(), both) {
            return Some(Why::Identities { identities_max: self.rules.identities_max });
        }
        for (namespace, rules) in &self.rules.namespaces {
            let Some(values_max) = rules.values_max else { continue };
            let count = |cluster: &Cluster<'_>| cluster.values.iter().filter(|(n, _)| n == namespace).count();
            let both = a.values.union(&b.values).filter(|(n, _)| n == namespace).count();
            if grows_over(values_max, count(a), count(b), both) {
                return Some(Why::Values { namespace: namespace.clone(), values_max });
            }
        }
        let records_max = self.rules.instance_records_max?;
        let mut records: BTreeMap<&str, u32> = BTreeMap::new();
        for i in a.nodes.iter().chain(&b.nodes) {
            *records.entry(SourceKey::instance_of(&self.nodes[*i].source_key).unwrap_or_default()).or_default() += 1;
        }
        let (instance, _) = records.into_iter().find(|(_, count)| *count > records_max)?;
        Some(Why::InstanceRecords { instance: instance.to_owned(), records_max })
    }

    fn never_meet(&self, a: usize, b: usize) -> bool {
        let (few, other) = match self.clusters[a].nodes.len() <= self.clusters[b].nodes.len() {
            true => (a, b),
            false => (b, a),
        };
        let enemies = self.clusters[few].nodes.iter().filter_map(|i| self.never.of(&self.nodes[*i].source_key));
        enemies.flatten().any(|key| self.position.get(key.as_str()).is_some_and(|i| self.of[*i] == other))
    }

    /// Most records are alone and are never asked.
    fn fill(&mut self, cluster: usize) {
        let cluster = &mut self.clusters[cluster];
        if cluster.values.is_empty() {
            let claims = cluster.nodes.iter().flat_map(|i| &self.nodes[*i].claims);
            cluster.values = claims.map(|c| (c.identity.namespace.as_str(), c.identity.value.as_str())).collect();
        }
    }

    fn unite(&mut self, a: usize, b: usize) {
        let (large, small) = if self.clusters[a].nodes.len() >= self.clusters[b].nodes.len() { (a, b) } else { (b, a) };
        let Cluster { nodes, values } = std::mem::take(&mut self.clusters[small]);
        for i in &nodes {
            self.of[*i] = large;
        }
        self.clusters[large].nodes.extend(nodes);
        self.clusters[large].values.extend(values);
    }

    fn groups(self) -> Vec<Group> {
        let Self { nodes, of, clusters, links, refusals, .. } = self;
        let mut place: Vec<usize> = vec![usize::MAX; clusters.len()];
        let mut order: Vec<usize> = (0..clusters.len()).filter(|c| !clusters[*c].nodes.is_empty()).collect();
        let first = |c: &usize| clusters[*c].nodes.iter().map(|i| nodes[*i].source_key.as_str()).min();
        order.sort_by(|a, b| first(a).cmp(&first(b)));
        let mut groups: Vec<Group> = Vec::with_capacity(order.len());
        for c in order {
            place[c] = groups.len();
            let mut members = clusters[c].nodes.clone();
            members.sort_by(|a, b| nodes[*a].source_key.cmp(&nodes[*b].source_key));
            groups.push(Group { nodes: members, links: Vec::new(), held: Vec::new() });
        }
        for (to, link) in links {
            groups[place[of[to]]].links.push(link);
        }
        // What was refused and came together in another way is no longer news. The rest concerns both sides.
        let apart = refusals.into_iter().filter(|(from, to, _)| of[*from] != of[*to]);
        for (from, to, refusal) in apart {
            groups[place[of[from]]].held.push(Held::Refused(refusal.clone()));
            groups[place[of[to]]].held.push(Held::Refused(refusal));
        }
        groups
    }
}
