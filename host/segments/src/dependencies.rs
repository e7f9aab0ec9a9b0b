//! Which segments ask for the audiences of which: an order in which each comes after what it asks for.

use std::collections::{BTreeMap, BTreeSet};

/// Who asks for whom, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dependencies {
    asks_for: BTreeMap<String, BTreeSet<String>>,
}

impl Dependencies {
    /// What one asks for; in place of what was said of it before.
    pub fn put(&mut self, id: &str, asks_for: BTreeSet<String>) {
        self.asks_for.insert(id.to_owned(), asks_for);
    }

    /// Those that ask for one, in the order of ids.
    pub fn used_by(&self, id: &str) -> impl Iterator<Item = &str> {
        self.asks_for.iter().filter(move |(_, asks_for)| asks_for.contains(id)).map(|(who, _)| who.as_str())
    }

    /// A circle that one is in: from it, along what asks for what, back to it.
    #[must_use]
    pub fn circle(&self, id: &str) -> Option<Vec<String>> {
        // Breadth first, so that the circle is a shortest one.
        let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut open = std::collections::VecDeque::from([self.asks_for.get_key_value(id)?.0.as_str()]);
        while let Some(at) = open.pop_front() {
            for next in self.asks_for.get(at).into_iter().flatten() {
                if next == id {
                    let mut path = vec![id.to_owned(), at.to_owned()];
                    let mut back = at;
                    while back != id {
                        back = came_from.get(back)?;
                        path.push(back.to_owned());
                    }
                    if at == id {
                        path.truncate(2);
                    }
                    path.reverse();
                    return Some(path);
                }
                if !came_from.contains_key(next.as_str()) {
                    came_from.insert(next, at);
                    open.push_back(next);
                }
            }
        }
        None
    }

    /// All, in layers: each asks for none of its own layer or a later one. What is asked for and not here counts for
    /// nothing; who is in a circle, or asks for one that is, is in no layer.
    #[must_use]
    pub fn layers(&self) -> Vec<Vec<&str>> {
        let mut done: BTreeSet<&str> = BTreeSet::new();
        let mut layers = Vec::new();
        loop {
            let is_ready = |asks_for: &BTreeSet<String>| {
                asks_for.iter().all(|id| done.contains(id.as_str()) || !self.asks_for.contains_key(id))
            };
            let waiting = self.asks_for.iter().filter(|(id, _)| !done.contains(id.as_str()));
            let layer: Vec<&str> =
                waiting.filter(|(_, asks_for)| is_ready(asks_for)).map(|(id, _)| id.as_str()).collect();
            if layer.is_empty() {
                return layers;
            }
            done.extend(&layer);
            layers.push(layer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(edges: &[(&str, &[&str])]) -> Dependencies {
        let mut all = Dependencies::default();
        for (id, asks_for) in edges {
            all.put(id, asks_for.iter().map(|id| (*id).to_owned()).collect());
        }
        all
    }

    #[test]
    fn a_circle_is_named_from_where_it_is_asked() {
        let all = of(&[("a", &["b", "d"]), ("b", &["c"]), ("c", &["a"]), ("d", &[]), ("e", &["e"]), ("f", &["a"])]);
        assert_eq!(all.circle("a").unwrap(), ["a", "b", "c", "a"]);
        assert_eq!(all.circle("c").unwrap(), ["c", "a", "b", "c"]);
        assert_eq!(all.circle("e").unwrap(), ["e", "e"]);
        assert_eq!((all.circle("d"), all.circle("f"), all.circle("x")), (None, None, None));
        assert_eq!(all.used_by("a").collect::<Vec<_>>(), ["c", "f"]);
    }

    #[test]
    fn each_comes_after_what_it_asks_for() {
        let all = of(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &["gone"]), ("d", &[]), ("e", &["e"]), ("f", &["e"])]);
        assert_eq!(all.layers(), [vec!["c", "d"], vec!["b"], vec!["a"]]);
        assert!(Dependencies::default().layers().is_empty());
    }
}
