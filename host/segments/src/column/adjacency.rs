//! Who hangs together with whom, by row numbers.

use std::collections::HashSet;

/// Stands for nobody.
pub(crate) const NOBODY: u32 = u32::MAX;

/// For each row of one table the rows of another, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Adjacency {
    /// One more than there are rows.
    offsets: Vec<u32>,
    /// None: the rows there are in order, the first here have the first there.
    items: Option<Vec<u32>>,
}

impl Adjacency {
    /// The rows that name each of `rows` others. Names past these are nobody.
    pub(crate) fn inverse(names: &[u32], rows: usize) -> Self {
        let mut counts = vec![0_u32; rows + 1];
        for name in names {
            if let Some(count) = counts.get_mut(*name as usize).filter(|_| (*name as usize) < rows) {
                *count += 1;
            }
        }
        let mut next = 0;
        for count in &mut counts {
            let own = *count;
            *count = next;
            next += own;
        }
        let in_order = next as usize == names.len() && names.is_sorted();
        if in_order {
            return Self { offsets: counts, items: None };
        }
        let mut places = counts.clone();
        let mut items = vec![0; next as usize];
        for (row, name) in (0..).zip(names) {
            if (*name as usize) < rows {
                let place = &mut places[*name as usize];
                items[*place as usize] = row;
                *place += 1;
            }
        }
        Self { offsets: counts, items: Some(items) }
    }

    /// Of lists made one after the other.
    pub(crate) fn of(rows: usize, mut list: impl FnMut(usize, &mut Vec<u32>)) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        let mut items = Vec::new();
        let mut one = Vec::new();
        offsets.push(0);
        for row in 0..rows {
            one.clear();
            list(row, &mut one);
            items.extend_from_slice(&one);
            offsets.push(u32::try_from(items.len()).unwrap_or(u32::MAX));
        }
        Self { offsets, items: Some(items) }
    }

    pub(crate) fn rows(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Where a row's list begins and ends.
    pub(crate) fn bounds(&self, row: usize) -> (usize, usize) {
        match (self.offsets.get(row), self.offsets.get(row + 1)) {
            (Some(from), Some(until)) => (*from as usize, *until as usize),
            _ => (0, 0),
        }
    }

    /// Whether places in the list are the rows there.
    pub(crate) fn is_in_order(&self) -> bool {
        self.items.is_none()
    }

    pub(crate) fn at(&self, place: usize) -> usize {
        self.items.as_ref().map_or(place, |items| items[place] as usize)
    }

    pub(crate) fn list(&self, row: usize) -> impl ExactSizeIterator<Item = usize> {
        let (from, until) = self.bounds(row);
        (from..until).map(|place| self.at(place))
    }

    pub(crate) fn bytes(&self) -> usize {
        (self.offsets.len() + self.items.as_ref().map_or(0, Vec::len)) * 4
    }
}

/// All that is reached from a row by going on, each once and never the row itself.
pub(crate) fn closure(start: usize, found: &mut Vec<u32>, mut step: impl FnMut(usize, &mut dyn FnMut(usize))) {
    // Most chains are short, and a short list is looked through faster than a set is made.
    const SHORT: usize = 16;
    let mut seen: HashSet<u32> = HashSet::new();
    let mut open = vec![start];
    while let Some(at) = open.pop() {
        step(at, &mut |next| {
            let number = u32::try_from(next).unwrap_or(NOBODY);
            if seen.is_empty() && found.len() > SHORT {
                seen.extend(found.iter().copied());
            }
            let known = if seen.is_empty() { found.contains(&number) } else { !seen.insert(number) };
            if next != start && !known {
                found.push(number);
                open.push(next);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(adjacency: &Adjacency) -> Vec<Vec<usize>> {
        (0..adjacency.rows()).map(|row| adjacency.list(row).collect()).collect()
    }

    #[test]
    fn the_inverse_lists_who_names_whom() {
        let names = [2, NOBODY, 0, 2, 9];
        assert_eq!(lists(&Adjacency::inverse(&names, 3)), [vec![2], vec![], vec![0, 3]]);
        let in_order = Adjacency::inverse(&[0, 0, 2, 2], 3);
        assert!(in_order.is_in_order());
        assert_eq!(lists(&in_order), [vec![0, 1], vec![], vec![2, 3]]);
        assert_eq!(lists(&Adjacency::inverse(&[], 2)), [vec![], vec![] as Vec<usize>]);
        assert!(!Adjacency::inverse(&[0, NOBODY], 1).is_in_order(), "the last names nobody");
    }

    #[test]
    fn a_circle_ends() {
        let parents = [1_usize, 2, 0, 3];
        let up = |row: usize, visit: &mut dyn FnMut(usize)| visit(parents[row]);
        let mut found = Vec::new();
        closure(0, &mut found, up);
        assert_eq!(found, [1, 2]);
        found.clear();
        closure(3, &mut found, up);
        assert!(found.is_empty(), "its own parent");
    }
}
