//! The rows of a table as they are to be: runs of those that are there, and rows that are told anew.

use super::adjacency::NOBODY;

/// Which rows of before a table keeps, where, and which come to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    runs: Vec<Run>,
    len: usize,
    told: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    /// As they are, from this row of before on.
    Kept { from: usize, len: usize },
    /// The next of those that are told.
    Told { len: usize },
    /// The same, one, about a record that was there: who names it, still does.
    Changed { was: usize },
}

impl Rows {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Of records by number, ascending. `told`: numbers, ascending, of which something is told, and whether it is still
    /// there. Answers the numbers as they then are, too.
    #[must_use]
    pub fn keyed(before: &[i64], told: impl IntoIterator<Item = (i64, bool)>) -> (Self, Vec<i64>) {
        let mut rows = Self::new();
        let mut numbers = Vec::with_capacity(before.len());
        let mut at = 0;
        for (number, is_there) in told {
            let until = at + before[at..].partition_point(|own| *own < number);
            rows.keep(at, until);
            numbers.extend_from_slice(&before[at..until]);
            at = until;
            let was_there = before.get(at) == Some(&number);
            match (was_there, is_there) {
                (true, true) => rows.change(at),
                (false, true) => rows.add(1),
                (_, false) => {}
            }
            if is_there {
                numbers.push(number);
            }
            at += usize::from(was_there);
        }
        rows.keep(at, before.len());
        numbers.extend_from_slice(&before[at..]);
        (rows, numbers)
    }

    /// The rows of before from `from` up to `until`.
    pub fn keep(&mut self, from: usize, until: usize) {
        if from >= until {
            return;
        }
        self.len += until - from;
        match self.runs.last_mut() {
            Some(Run::Kept { from: first, len }) if *first + *len == from => *len += until - from,
            _ => self.runs.push(Run::Kept { from, len: until - from }),
        }
    }

    /// The next `count` of those that are told.
    pub fn add(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        self.len += count;
        self.told += count;
        match self.runs.last_mut() {
            Some(Run::Told { len }) => *len += count,
            _ => self.runs.push(Run::Told { len: count }),
        }
    }

    /// The next of those that are told, in the place of a row of before.
    pub fn change(&mut self, was: usize) {
        self.len += 1;
        self.told += 1;
        self.runs.push(Run::Changed { was });
    }

    /// How many there are to be.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many of them are told.
    #[must_use]
    pub fn told(&self) -> usize {
        self.told
    }

    pub(super) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// For each row that is to be, the row of before that it was.
    pub(super) fn before(&self) -> impl Iterator<Item = Option<usize>> {
        self.runs.iter().flat_map(|run| {
            let (first, len) = match *run {
                Run::Kept { from, len } => (Some(from), len),
                Run::Told { len } => (None, len),
                Run::Changed { was } => (Some(was), 1),
            };
            (0..len).map(move |place| first.map(|first| first + place))
        })
    }

    /// Where the rows are to be that are told, in the order in which they are.
    #[must_use]
    pub fn places_told(&self) -> Vec<u32> {
        let mut places = Vec::with_capacity(self.told);
        let mut now = 0;
        for run in &self.runs {
            let (is_told, len) = match *run {
                Run::Kept { len, .. } => (false, len),
                Run::Told { len } => (true, len),
                Run::Changed { .. } => (true, 1),
            };
            if is_told {
                places.extend((now..now + len).map(number));
            }
            now += len;
        }
        places
    }

    /// For each of `rows` of before where it is to be, or past all of them. None: each stays where it is.
    #[must_use]
    pub fn moved(&self, rows: usize) -> Option<Vec<u32>> {
        let (mut now, mut known, mut stay) = (0, 0, true);
        for run in &self.runs {
            let (first, len) = match *run {
                Run::Kept { from, len } => (Some(from), len),
                Run::Told { len } => (None, len),
                Run::Changed { was } => (Some(was), 1),
            };
            stay &= first.is_none_or(|first| first == now);
            known += first.map_or(0, |_| len);
            now += len;
        }
        if stay && known == rows {
            return None;
        }
        let mut moved = vec![NOBODY; rows];
        for (now, was) in self.before().enumerate() {
            if let Some(place) = was.and_then(|was| moved.get_mut(was)) {
                *place = number(now);
            }
        }
        Some(moved)
    }

    /// Whether all `rows` of before are kept as they are, and nothing comes to them.
    pub(super) fn are_those_of_before(&self, rows: usize) -> bool {
        match self.runs[..] {
            [] => rows == 0,
            [Run::Kept { from: 0, len }] => len == rows,
            _ => false,
        }
    }

    /// A value for each of these rows, of a value for each of before and one for each that is told.
    #[must_use]
    pub fn spliced<T: Copy>(&self, before: &[T], told: &[T]) -> Vec<T> {
        let mut values = Vec::with_capacity(self.len);
        let mut next = 0;
        let mut take = |values: &mut Vec<T>, len: usize| {
            values.extend_from_slice(&told[next..next + len]);
            next += len;
        };
        for run in &self.runs {
            match *run {
                Run::Kept { from, len } => values.extend_from_slice(&before[from..from + len]),
                Run::Told { len } => take(&mut values, len),
                Run::Changed { .. } => take(&mut values, 1),
            }
        }
        values
    }
}

fn number(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(NOBODY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_keep_the_order_of_their_numbers() {
        let (rows, numbers) =
            Rows::keyed(&[2, 4, 6, 8], [(1, true), (4, true), (5, true), (6, false), (7, false), (9, true)]);
        assert_eq!(numbers, [1, 2, 4, 5, 8, 9]);
        assert_eq!(rows.spliced(&[20, 40, 60, 80], &[-1, -4, -5, -9]), [-1, 20, -4, -5, 80, -9]);
        assert_eq!(rows.moved(4), Some(vec![1, 2, NOBODY, 4]));
        assert_eq!((rows.len(), rows.told(), rows.places_told()), (6, 4, vec![0, 2, 3, 5]));
    }

    #[test]
    fn what_only_changes_or_comes_last_moves_nothing() {
        let (rows, numbers) = Rows::keyed(&[2, 4], [(4, true), (5, true)]);
        assert_eq!((rows.moved(2), numbers), (None, vec![2, 4, 5]));
        let (rows, _) = Rows::keyed(&[2, 4], [(4, false)]);
        assert_eq!(rows.moved(2), Some(vec![0, NOBODY]));
        let (rows, numbers) = Rows::keyed(&[], []);
        assert!(rows.is_empty() && numbers.is_empty() && rows.moved(0).is_none());
    }

    #[test]
    fn what_is_kept_side_by_side_is_one_run() {
        let mut rows = Rows::new();
        rows.keep(3, 5);
        rows.keep(5, 5);
        rows.keep(5, 9);
        rows.add(0);
        rows.keep(0, 1);
        assert_eq!(rows.runs(), [Run::Kept { from: 3, len: 6 }, Run::Kept { from: 0, len: 1 }]);
    }
}
