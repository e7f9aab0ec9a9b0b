//! The graph against a naive reading of its rules, on random histories: whatever the order, the batches and the
//! repeats, what is stored in the end is what the reading says of the records there are.

use super::*;
use crate::id::ProfileId;
use crate::model::EntityName;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

/// Small numbers, so that few records meet every limit.
fn rules(instance_records_max: Option<u32>, connected_records_max: u32) -> Rules {
    let namespace = |priority, firm, values_max, records_max| NamespaceRules {
        priority,
        joins: true,
        firm,
        values_max,
        records_max,
        fields: Vec::new(),
        blocked: vec!["e0*".into()],
    };
    let name = NamespaceRules { joins: false, ..namespace(9, false, Some(1), 1) };
    Rules {
        version: 1,
        namespaces: [
            (Identity::SOURCE_KEY.to_owned(), namespace(1, true, None, 4)),
            (Identity::ECID.to_owned(), namespace(2, false, None, 2)),
            (Identity::EMAIL.to_owned(), namespace(3, false, Some(2), 3)),
            ("name".to_owned(), name),
        ]
        .into(),
        identities_max: 9,
        instance_records_max,
        connected_records_max,
    }
}

fn key(n: u8) -> String {
    format!("{n:02}@{}.M", n % 2)
}

/// What one record says.
#[derive(Debug, Clone)]
struct Said {
    at: Millis,
    same_as: Option<u8>,
    devices: BTreeSet<u8>,
    emails: BTreeSet<u8>,
    name: Option<u8>,
}

fn said() -> impl Strategy<Value = Said> {
    let devices = btree_set(0..4u8, 0..2);
    let (same_as, name) = (proptest::option::weighted(0.5, 0..14u8), proptest::option::weighted(0.2, 0..2u8));
    (0..3i64, same_as, devices, btree_set(0..7u8, 0..4), name).prop_map(|(at, same_as, devices, emails, name)| Said {
        at,
        same_as,
        devices,
        emails,
        name,
    })
}

fn node(n: u8, said: &Said) -> Node<ProfileId> {
    let identity = |namespace: &str, value: String| Identity { namespace: namespace.into(), value };
    let mut all = vec![Identity::source_key(&key(n))];
    all.extend(said.same_as.map(|n| Identity::source_key(&key(n))));
    all.extend(said.devices.iter().map(|d| identity("ecid", format!("d{d}"))));
    all.extend(said.emails.iter().map(|e| identity("email", format!("e{e}"))));
    all.extend(said.name.map(|n| identity("name", format!("n{n}"))));
    let claim = |identity: Identity| Claim { field: identity.namespace.clone().into(), identity };
    let claims = all.into_iter().map(claim).collect();
    Node { source_key: key(n), at: said.at, claims, profile: None, level: Level::Full }
}

#[derive(Debug, Clone)]
enum Step {
    Put(u8, Said),
    Delete(u8),
    Never(u8, u8),
    Forgive(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let record = 0..12u8;
    prop_oneof![
        8 => (record.clone(), said()).prop_map(|(n, said)| Step::Put(n, said)),
        2 => record.clone().prop_map(Step::Delete),
        1 => (record.clone(), record.clone()).prop_map(|(a, b)| Step::Never(a, b)),
        1 => (record.clone(), record).prop_map(|(a, b)| Step::Forgive(a, b)),
    ]
}

/// The store, as far as identity goes.
#[derive(Default)]
struct Stored {
    nodes: BTreeMap<String, Node<ProfileId>>,
    never: BTreeSet<(String, String)>,
}

impl Graph<ProfileId> for Stored {
    type Error = Infallible;

    fn carriers(&mut self, asks: &[Ask]) -> Result<Vec<Vec<Node<ProfileId>>>, Self::Error> {
        let carries = |n: &&Node<ProfileId>, ask: &Ask| n.claims.iter().any(|c| c.identity == ask.identity);
        let answer =
            |ask: &Ask| self.nodes.values().filter(|n| carries(n, ask)).take(ask.records_max).cloned().collect();
        Ok(asks.iter().map(answer).collect())
    }
}

impl Stored {
    fn never(&self) -> Vec<NeverLink> {
        self.never.iter().filter_map(|(a, b)| NeverLink::new(&EntityName::PERSON, a, b, "", "", 0)).collect()
    }

    /// One step of a projector: the page's records, what they hang together with, the new profiles.
    fn apply(&mut self, steps: &[Step], rules: &Rules) {
        let mut now: BTreeMap<String, Option<Node<ProfileId>>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Put(n, said) => drop(now.insert(key(*n), Some(node(*n, said)))),
                Step::Delete(n) => drop(now.insert(key(*n), None)),
                Step::Never(a, b) | Step::Forgive(a, b) => {
                    let (a, b) = (key(*a.min(b)), key(*a.max(b)));
                    let pair = (a.clone(), b.clone());
                    match step {
                        Step::Never(..) if a != b => drop(self.never.insert(pair)),
                        _ => drop(self.never.remove(&pair)),
                    }
                    for key in [a, b] {
                        let stored = self.nodes.get(&key).cloned();
                        now.entry(key).or_insert(stored);
                    }
                }
            }
        }
        let change = |(source_key, now): (String, Option<Node<ProfileId>>)| {
            let old = self.nodes.get(&source_key);
            let before = old.map(|n| n.claims.iter().map(|c| c.identity.clone()).collect()).unwrap_or_default();
            let profile = old.and_then(|n| n.profile.clone());
            let level = old.map_or(Level::Full, |n| n.level);
            let now = now.map(|n| Node { profile: profile.clone(), level, ..n });
            Changed { source_key, before, profile, now }
        };
        let changed: Vec<Changed<ProfileId>> = now.into_iter().map(change).collect();
        let gone: Vec<String> = changed.iter().filter(|c| c.now.is_none()).map(|c| c.source_key.clone()).collect();
        let Ok(found) = reach(self, changed, rules);
        let inside: BTreeSet<&str> = found.nodes.iter().map(|n| n.source_key.as_str()).collect();
        let outside = self.nodes.values().filter(|n| !inside.contains(n.source_key.as_str()));
        let outside = outside.filter(|n| !gone.contains(&n.source_key)).filter_map(|n| n.profile.as_ref());
        let taken: BTreeSet<&ProfileId> = outside.collect();
        let never = self.never();
        let Ok(resolution) = resolve(&found, rules, &never.iter().collect(), ProfileId::founded_by, |id| {
            Ok::<_, Infallible>(taken.contains(id))
        });
        for key in gone {
            self.nodes.remove(&key);
        }
        for component in &resolution.components {
            for i in &component.nodes {
                let (profile, level) = (Some(component.profile.clone()), found.levels[*i]);
                let node = Node { profile, level, ..found.nodes[*i].clone() };
                self.nodes.insert(node.source_key.clone(), node);
            }
        }
        let alive: BTreeSet<&ProfileId> = self.nodes.values().filter_map(|n| n.profile.as_ref()).collect();
        for Retired { profile, heir } in &resolution.retired {
            assert!(!alive.contains(profile), "{profile} is no more and has records");
            assert!(heir.as_ref().is_none_or(|h| alive.contains(h)), "{profile} leads to nobody");
        }
    }

    /// The records of each profile, with their level.
    fn profiles(&self) -> BTreeSet<BTreeSet<(String, Level)>> {
        let mut of: BTreeMap<&ProfileId, BTreeSet<(String, Level)>> = BTreeMap::new();
        for node in self.nodes.values() {
            let id = node.profile.as_ref().expect("every record has a profile");
            of.entry(id).or_default().insert((node.source_key.clone(), node.level));
        }
        of.into_values().collect()
    }
}

/// The rules as they are written, with no thought of speed.
struct Reading<'a> {
    nodes: Vec<&'a Node<ProfileId>>,
    rules: &'a Rules,
    never: &'a BTreeSet<(String, String)>,
}

impl Reading<'_> {
    fn carries(&self, i: usize, value: &Identity) -> bool {
        self.nodes[i].claims.iter().any(|c| c.identity == *value)
    }

    fn carriers(&self, value: &Identity) -> Vec<usize> {
        (0..self.nodes.len()).filter(|i| self.carries(*i, value)).collect()
    }

    /// Whether a value joins, where all its carriers are looked at.
    fn joins(&self, value: &Identity, level: Level) -> bool {
        let namespace = &self.rules.namespaces[&value.namespace];
        let few = self.carriers(value).len() <= namespace.records_max as usize;
        let blocked = value.value.starts_with("e0");
        let reaches = level == Level::Full || (level == Level::Firm && namespace.firm);
        namespace.joins && !blocked && few && reaches
    }

    fn values(&self) -> BTreeSet<Identity> {
        self.nodes.iter().flat_map(|n| n.claims.iter().map(|c| c.identity.clone())).collect()
    }

    fn connected(&self, i: usize, level: Level) -> BTreeSet<usize> {
        let mut reached = BTreeSet::from([i]);
        loop {
            let before = reached.len();
            for value in self.values().iter().filter(|v| self.joins(v, level)) {
                if reached.iter().any(|i| self.carries(*i, value)) {
                    reached.extend(self.carriers(value));
                }
            }
            if reached.len() == before {
                return reached;
            }
        }
    }

    fn level(&self, i: usize) -> Level {
        let most = self.rules.connected_records_max as usize;
        let fits = |level: &Level| self.connected(i, *level).len() <= most;
        [Level::Full, Level::Firm].into_iter().find(fits).unwrap_or(Level::Alone)
    }

    fn may_be_one(&self, a: &BTreeSet<usize>, b: &BTreeSet<usize>) -> bool {
        let all: BTreeSet<usize> = a | b;
        let keys: BTreeSet<&String> = all.iter().map(|i| &self.nodes[*i].source_key).collect();
        if self.never.iter().any(|(a, b)| keys.contains(a) && keys.contains(b)) {
            return false;
        }
        let count = |nodes: &BTreeSet<usize>, namespace: Option<&String>| {
            let claims = nodes.iter().flat_map(|i| &self.nodes[*i].claims);
            let of = claims.filter(|c| namespace.is_none_or(|n| c.identity.namespace == *n));
            of.map(|c| &c.identity).collect::<BTreeSet<_>>().len()
        };
        let fits = |namespace: Option<&String>, most: u32| {
            let both = count(&all, namespace);
            both <= most as usize || both == count(a, namespace) || both == count(b, namespace)
        };
        let of_instance = |instance: char| keys.iter().filter(|k| k.contains(&format!("@{instance}."))).count();
        let records = ['0', '1'].map(of_instance).into_iter().max().unwrap_or(0);
        fits(None, self.rules.identities_max)
            && self.rules.namespaces.iter().all(|(name, r)| r.values_max.is_none_or(|most| fits(Some(name), most)))
            && self.rules.instance_records_max.is_none_or(|most| records <= most as usize)
    }

    fn profiles(&self) -> BTreeSet<BTreeSet<(String, Level)>> {
        let mut sets: Vec<BTreeSet<usize>> = (0..self.nodes.len()).map(|i| BTreeSet::from([i])).collect();
        let born = |i: &usize| (self.nodes[*i].at, self.nodes[*i].source_key.clone());
        let mut links: Vec<_> = Vec::new();
        for value in self.values() {
            let mut carriers = self.carriers(&value);
            carriers.retain(|i| self.joins(&value, self.level(*i)));
            carriers.sort_by_key(born);
            let priority = self.rules.namespaces[&value.namespace].priority;
            links.push((priority, carriers.first().map(|i| self.nodes[*i].at), value, carriers));
        }
        links.sort();
        for (_, _, _, carriers) in links {
            for (n, to) in carriers.iter().enumerate() {
                for from in &carriers[..n] {
                    let place = |i: &usize| sets.iter().position(|s| s.contains(i)).unwrap();
                    let (a, b) = (place(from), place(to));
                    if a == b {
                        break;
                    }
                    if self.may_be_one(&sets[a], &sets[b]) {
                        let taken = std::mem::take(&mut sets[b]);
                        sets[a].extend(taken);
                        sets.remove(b);
                        break;
                    }
                }
            }
        }
        let named = |i: usize| (self.nodes[i].source_key.clone(), self.level(i));
        sets.into_iter().map(|set| set.into_iter().map(named).collect()).collect()
    }
}

fn read(stored: &Stored, rules: &Rules) -> BTreeSet<BTreeSet<(String, Level)>> {
    Reading { nodes: stored.nodes.values().collect(), rules, never: &stored.never }.profiles()
}

/// The sets alone: who is with whom.
fn together(profiles: &BTreeSet<BTreeSet<(String, Level)>>) -> BTreeSet<BTreeSet<&str>> {
    profiles.iter().map(|p| p.iter().map(|(key, _)| key.as_str()).collect()).collect()
}

/// Two chains of firm links that hang together by an address grow into one by a firm link between their ends: their far
/// ends, which nothing touched, have to let go as well. And back.
#[test]
fn firm_links_let_go_to_the_far_end() {
    let rules = rules(None, 4);
    let said = |same_as: Option<u8>, email: Option<u8>| Said {
        at: 0,
        same_as,
        devices: BTreeSet::new(),
        emails: email.into_iter().collect(),
        name: None,
    };
    let chain = |first: u8| {
        let link = move |n: u8| Step::Put(n, said((n > first).then(|| n - 1), (n == first + 3).then_some(1)));
        (first..first + 4).map(link)
    };
    let mut stored = Stored::default();
    stored.apply(&chain(0).chain(chain(4)).collect::<Vec<_>>(), &rules);
    let levels = |stored: &Stored| stored.nodes.values().map(|n| n.level).collect::<BTreeSet<_>>();
    assert_eq!((levels(&stored), stored.profiles().len()), (BTreeSet::from([Level::Firm]), 2));
    for (same_as, level, profiles) in [(Some(4), Level::Alone, 8), (None, Level::Firm, 2)] {
        stored.apply(&[Step::Put(0, said(same_as, None))], &rules);
        assert_eq!((levels(&stored), stored.profiles().len()), (BTreeSet::from([level]), profiles));
        assert_eq!(stored.profiles(), read(&stored, &rules));
    }
}

proptest! {
    // `PROPTEST_CASES` can ask for more.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(400)))]

    /// After every batch, what is stored is what the rules say of the records there are; a batch that comes again
    /// changes nothing, ids included.
    #[test]
    fn histories_end_where_the_reading_says(
        batches in vec(vec(step(), 1..6), 1..10),
        instance_records_max in proptest::option::of(2..4u32),
        connected_records_max in 2..9u32,
    ) {
        let rules = rules(instance_records_max, connected_records_max);
        let mut stored = Stored::default();
        for batch in &batches {
            stored.apply(batch, &rules);
            prop_assert_eq!(stored.profiles(), read(&stored, &rules));
            let before = stored.nodes.clone();
            stored.apply(batch, &rules);
            prop_assert_eq!(&before, &stored.nodes);
        }
    }

    /// The same records in another order and other batches: the same profiles, but for which id survives.
    #[test]
    fn order_and_batches_do_not_matter(
        records in vec((0..12u8, said()), 1..16),
        shuffle in vec(any::<usize>(), 16),
        size in 1..8usize,
    ) {
        let rules = rules(Some(3), 6);
        // The newest version of each record is what is stored, whatever came first: `record::apply` sees to that.
        let newest: BTreeMap<u8, Said> = records.into_iter().collect();
        let mut steps: Vec<Step> = newest.into_iter().map(|(n, said)| Step::Put(n, said)).collect();
        let mut at_once = Stored::default();
        at_once.apply(&steps, &rules);
        for (i, other) in (0..steps.len()).zip(shuffle) {
            let len = steps.len();
            steps.swap(i, other % len);
        }
        let mut in_pieces = Stored::default();
        for batch in steps.chunks(size) {
            in_pieces.apply(batch, &rules);
        }
        prop_assert_eq!(at_once.profiles(), in_pieces.profiles());
        let whole = Neighbourhood::whole(at_once.nodes.values().cloned().collect(), &rules);
        let Ok(resolution) = resolve(&whole, &rules, &NeverLinks::default(), ProfileId::founded_by, |_| Ok::<_, Infallible>(false));
        let sets: BTreeSet<BTreeSet<&str>> = resolution.components.iter()
            .map(|c| c.nodes.iter().map(|i| whole.nodes[*i].source_key.as_str()).collect()).collect();
        let stored = at_once.profiles();
        prop_assert_eq!(together(&stored), sets);
    }

    /// Dividing a profile keeps the groups apart, and taking that back makes what was there before.
    #[test]
    fn unmerge_undoes_merge_and_can_be_undone(records in vec(said(), 2..10), side in vec(any::<bool>(), 12)) {
        let rules = rules(None, 20);
        let mut stored = Stored::default();
        let steps: Vec<Step> = records.into_iter().zip(0..).map(|(said, n)| Step::Put(n, said)).collect();
        stored.apply(&steps, &rules);
        let before = stored.profiles();
        let Some(large) = before.iter().max_by_key(|p| p.len()) else { return Ok(()) };
        let keys: Vec<String> = large.iter().map(|(key, _)| key.clone()).collect();
        let group: Vec<String> = keys.iter().zip(&side).filter(|(_, s)| **s).map(|(k, _)| k.clone()).collect();
        let Ok(never) = unmerge(&EntityName::PERSON, &keys, std::slice::from_ref(&group), "", "", 0) else { return Ok(()) };
        let number = |key: &str| key[..2].parse::<u8>().unwrap();
        let steps = |make: fn(u8, u8) -> Step| -> Vec<Step> {
            never.iter().map(|l| make(number(&l.a), number(&l.b))).collect()
        };
        stored.apply(&steps(Step::Never), &rules);
        let after = stored.profiles();
        for profile in &after {
            let inside = profile.iter().filter(|(key, _)| group.contains(key)).count();
            let outside = profile.iter().filter(|(key, _)| keys.contains(key) && !group.contains(key)).count();
            prop_assert!(inside == 0 || outside == 0);
        }
        stored.apply(&steps(Step::Forgive), &rules);
        prop_assert_eq!(&before, &stored.profiles());
    }
}
