//! Loads what changed records hang together with: everything that the rules let decide about them, and no more. The
//! store is asked in rounds, each for many identities at once.
//!
//! A value that too many records carry leads nowhere, so no round is larger than the rules allow. Where more records
//! hang together than `connected_records_max`, those that were joined by firm namespaces only need not be looked at
//! again, unless a firm identity leads to them.

use super::connect::Disjoint;
use super::{Identity, Level, Neighbourhood, Node, Rules, is_shared};
use std::collections::{BTreeSet, HashMap, HashSet};

/// A question to the store: which records carry this identity?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub identity: Identity,
    /// How many records to answer with at most; of more, any will do.
    pub records_max: usize,
}

/// The identity graph as it is stored.
pub trait Graph<I> {
    type Error;

    /// The records that carry each identity, by position.
    fn carriers(&mut self, asks: &[Ask]) -> Result<Vec<Vec<Node<I>>>, Self::Error>;
}

/// A record whose identities, or never-links, may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed<I> {
    pub source_key: String,
    /// What is stored of it: the identities it carried until now.
    pub before: Vec<Identity>,
    /// The profile it belonged to.
    pub profile: Option<I>,
    /// What it is now; `None`: gone.
    pub now: Option<Node<I>>,
}

/// The changed records and all that they have to be divided with. Of several changes of one record the last counts.
///
/// # Errors
/// The store's.
pub fn reach<I: Clone + Eq + std::hash::Hash, G: Graph<I>>(
    graph: &mut G,
    changed: Vec<Changed<I>>,
    rules: &Rules,
) -> Result<Neighbourhood<I>, G::Error> {
    let mut loader = Loader::new(changed, rules);
    loader.begin(graph)?;
    loader.expand(graph, Level::Full)?;
    loader.expand(graph, Level::Firm)?;
    Ok(loader.finish())
}

struct Loader<'r, I> {
    rules: &'r Rules,
    nodes: Vec<Loaded<I>>,
    position: HashMap<String, usize>,
    /// Records that changed: what the store says of them is old.
    changed: HashSet<String>,
    gone: Vec<I>,
    before: HashMap<Identity, usize>,
    now: HashMap<Identity, Vec<usize>>,
    /// Asked already, and whether too many carry it.
    answers: HashMap<Identity, bool>,
    full: Disjoint,
    firm: Disjoint,
}

struct Loaded<I> {
    node: Node<I>,
    /// Its own surroundings may have changed, so whatever it is connected to has to be seen.
    start: bool,
    /// The widest level at which all its identities were asked for.
    expanded: Option<Level>,
}

impl<'r, I: Clone + Eq + std::hash::Hash> Loader<'r, I> {
    fn new(changed: Vec<Changed<I>>, rules: &'r Rules) -> Self {
        let mut loader = Self {
            rules,
            nodes: Vec::new(),
            position: HashMap::new(),
            changed: changed.iter().map(|c| c.source_key.clone()).collect(),
            gone: Vec::new(),
            before: HashMap::new(),
            now: HashMap::new(),
            answers: HashMap::new(),
            full: Disjoint::default(),
            firm: Disjoint::default(),
        };
        let mut seen: HashSet<String> = HashSet::new();
        for change in changed.into_iter().rev() {
            if !seen.insert(change.source_key) {
                continue;
            }
            for identity in change.before.into_iter().collect::<BTreeSet<_>>() {
                *loader.before.entry(identity).or_default() += 1;
            }
            match change.now {
                Some(node) => {
                    let carried: BTreeSet<Identity> = node.claims.iter().map(|c| c.identity.clone()).collect();
                    let i = loader.add(node, true);
                    for identity in carried {
                        loader.now.entry(identity).or_default().push(i);
                    }
                }
                None => loader.gone.extend(change.profile),
            }
        }
        loader
    }

    fn add(&mut self, node: Node<I>, start: bool) -> usize {
        if let Some(i) = self.position.get(&node.source_key) {
            if let Some(loaded) = self.nodes.get_mut(*i) {
                loaded.start |= start;
            }
            return *i;
        }
        let i = self.full.add();
        self.firm.add();
        self.position.insert(node.source_key.clone(), i);
        self.nodes.push(Loaded { node, start, expanded: None });
        i
    }

    /// What the changed records carry and carried: whoever shares that is affected.
    fn begin<G: Graph<I>>(&mut self, graph: &mut G) -> Result<(), G::Error> {
        let touched: BTreeSet<Identity> = self.before.keys().chain(self.now.keys()).cloned().collect();
        self.ask(graph, touched, Level::Full)
    }

    /// Asks on from every record that has to be seen whole, until none is left.
    fn expand<G: Graph<I>>(&mut self, graph: &mut G, level: Level) -> Result<(), G::Error> {
        loop {
            let next: Vec<usize> = (0..self.nodes.len()).filter(|i| self.is_due(*i, level)).collect();
            if next.is_empty() {
                return Ok(());
            }
            let mut identities = BTreeSet::new();
            for i in next {
                let Some(loaded) = self.nodes.get_mut(i) else { continue };
                loaded.expanded = Some(level);
                identities.extend(loaded.node.claims.iter().map(|c| c.identity.clone()));
            }
            self.ask(graph, identities, level)?;
        }
    }

    fn is_due(&mut self, i: usize, level: Level) -> bool {
        let most = self.rules.connected_records_max as usize;
        let Some(Loaded { node, start, expanded }) = self.nodes.get(i) else { return false };
        if expanded.is_some_and(|done| done <= level) {
            return false;
        }
        match level {
            Level::Full => *start || node.level == Level::Full || self.full.size(i) <= most,
            Level::Firm => {
                let (start, was_alone) = (*start, node.level == Level::Alone);
                self.full.size(i) > most && (start || !was_alone || self.firm.size(i) <= most)
            }
            Level::Alone => false,
        }
    }

    fn ask<G: Graph<I>>(
        &mut self,
        graph: &mut G,
        identities: BTreeSet<Identity>,
        level: Level,
    ) -> Result<(), G::Error> {
        let new = |i: &Identity| self.rules.joins_at(i, level) && !self.answers.contains_key(i);
        let asks: Vec<Ask> = identities
            .into_iter()
            .filter(new)
            .map(|identity| {
                let most = self.rules.of(&identity.namespace).map_or(0, |rules| rules.records_max as usize);
                let records_max = most + 1 + self.before.get(&identity).copied().unwrap_or(0);
                Ask { identity, records_max }
            })
            .collect();
        if asks.is_empty() {
            return Ok(());
        }
        let answers = graph.carriers(&asks)?;
        for (ask, stored) in asks.into_iter().zip(answers) {
            self.take(ask.identity, stored);
        }
        Ok(())
    }

    fn take(&mut self, identity: Identity, stored: Vec<Node<I>>) {
        let was_shared = is_shared(&identity, stored.len(), self.rules);
        let others: Vec<Node<I>> = stored.into_iter().filter(|n| !self.changed.contains(&n.source_key)).collect();
        let now = self.now.get(&identity).cloned().unwrap_or_default();
        let shared = is_shared(&identity, others.len() + now.len(), self.rules);
        // Whoever carries what a changed record carries or carried is affected, unless it joined nobody and does not now.
        let touched = self.before.contains_key(&identity) || !now.is_empty();
        if !(shared && was_shared) {
            let mut carriers = now;
            for node in others {
                carriers.push(self.add(node, touched));
            }
            if !shared {
                let firm = self.rules.joins_at(&identity, Level::Firm);
                for pair in carriers.windows(2) {
                    self.full.join(pair[0], pair[1]);
                    if firm {
                        self.firm.join(pair[0], pair[1]);
                    }
                }
            }
        }
        self.answers.insert(identity, shared);
    }

    fn finish(mut self) -> Neighbourhood<I> {
        let most = self.rules.connected_records_max as usize;
        let mut levels = Vec::with_capacity(self.nodes.len());
        let mut keep = Vec::with_capacity(self.nodes.len());
        // Of more records than may hang together, those that nothing changed for were looked at in passing.
        let mut needed: HashSet<usize> = HashSet::new();
        for (i, loaded) in self.nodes.iter().enumerate() {
            if loaded.start || loaded.node.level == Level::Full {
                needed.insert(self.firm.root(i));
            }
        }
        for (i, loaded) in self.nodes.iter().enumerate() {
            let (level, kept) = if self.full.size(i) <= most {
                (Level::Full, true)
            } else if self.firm.size(i) <= most {
                (Level::Firm, needed.contains(&self.firm.root(i)))
            } else {
                (Level::Alone, loaded.start || loaded.node.level != Level::Alone)
            };
            keep.push(kept);
            if kept {
                levels.push(level);
            }
        }
        let kept = self.nodes.into_iter().zip(keep).filter(|(_, kept)| *kept);
        let nodes: Vec<Node<I>> = kept.map(|(loaded, _)| loaded.node).collect();
        let shared = self.answers.into_iter().filter(|(_, shared)| *shared).map(|(identity, _)| identity).collect();
        Neighbourhood { nodes, levels, shared, gone: self.gone }
    }
}
