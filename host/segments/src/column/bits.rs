//! One bit for each row of a table.

/// A bitmap of fixed length.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    #[must_use]
    pub fn none(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)], len }
    }

    #[must_use]
    pub fn all(len: usize) -> Self {
        let mut bits = Self { words: vec![u64::MAX; len.div_ceil(64)], len };
        bits.trim();
        bits
    }

    /// Of no row yet.
    pub(crate) fn with_capacity(rows: usize) -> Self {
        Self { words: Vec::with_capacity(rows.div_ceil(64)), len: 0 }
    }

    /// Of whole words, of which the last may have fewer rows.
    pub(crate) fn of_words(words: Vec<u64>, len: usize) -> Self {
        let mut bits = Self { words, len };
        bits.words.resize(len.div_ceil(64), 0);
        bits.trim();
        bits
    }

    /// `len` rows more, which are those of another from `from` on.
    pub(crate) fn append(&mut self, of: &Self, from: usize, len: usize) {
        let mut done = 0;
        while done < len {
            let count = (64 - self.len % 64).min(len - done);
            let word = of.word_at(from + done) & (u64::MAX >> (64 - count));
            match self.len % 64 {
                0 => self.words.push(word),
                used => {
                    if let Some(last) = self.words.last_mut() {
                        *last |= word << used;
                    }
                }
            }
            self.len += count;
            done += count;
        }
    }

    /// The next 64 rows from any; past the end none is set.
    fn word_at(&self, row: usize) -> u64 {
        let word = |at: usize| self.words.get(at).copied().unwrap_or(0);
        match row % 64 {
            0 => word(row / 64),
            shift => word(row / 64) >> shift | word(row / 64 + 1) << (64 - shift),
        }
    }

    /// The bits for which a row's answer is true, asked in order.
    pub(crate) fn of(len: usize, mut is_set: impl FnMut(usize) -> bool) -> Self {
        let mut words = Vec::with_capacity(len.div_ceil(64));
        let mut row = 0;
        while row < len {
            let end = (row + 64).min(len);
            let mut word = 0;
            for bit in 0..end - row {
                word |= u64::from(is_set(row + bit)) << bit;
            }
            words.push(word);
            row = end;
        }
        Self { words, len }
    }

    /// What is past the end stays zero, so that words can be counted and compared.
    fn trim(&mut self) {
        let used = self.len % 64;
        if used > 0
            && let Some(last) = self.words.last_mut()
        {
            *last &= (1 << used) - 1;
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// False past the end.
    #[must_use]
    pub fn get(&self, row: usize) -> bool {
        self.words.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// Nothing happens past the end.
    pub fn set(&mut self, row: usize) {
        if row < self.len {
            self.words[row / 64] |= 1 << (row % 64);
        }
    }

    /// Nothing happens past the end.
    pub fn clear(&mut self, row: usize) {
        if let Some(word) = self.words.get_mut(row / 64) {
            *word &= !(1 << (row % 64));
        }
    }

    /// For a table that now has `len` rows. `moved`: where each row of before is now, past the end if it is no more; none:
    /// each is where it was.
    #[must_use]
    pub fn moved(mut self, moved: Option<&[u32]>, len: usize) -> Self {
        let Some(moved) = moved else {
            self.words.resize(len.div_ceil(64), 0);
            self.len = len;
            self.trim();
            return self;
        };
        let mut now = Self::none(len);
        self.rows().filter_map(|row| moved.get(row)).for_each(|row| now.set(*row as usize));
        now
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(crate) fn is_none(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// How many are set in a range of rows.
    pub(crate) fn count_in(&self, from: usize, until: usize) -> u32 {
        if from >= until {
            return 0;
        }
        let (first, last) = (from / 64, (until - 1) / 64);
        let low = u64::MAX << (from % 64);
        let high = u64::MAX >> (63 - (until - 1) % 64);
        if first == last {
            return (self.words[first] & low & high).count_ones();
        }
        let middle: u32 = self.words[first + 1..last].iter().map(|word| word.count_ones()).sum();
        (self.words[first] & low).count_ones() + middle + (self.words[last] & high).count_ones()
    }

    /// The rows that are set, ascending.
    pub fn rows(&self) -> impl Iterator<Item = usize> {
        self.words.iter().enumerate().flat_map(|(i, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                if rest == 0 {
                    return None;
                }
                let bit = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                Some(i * 64 + bit)
            })
        })
    }

    pub(crate) fn and(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(a, b)| *a &= b);
    }

    pub(crate) fn or(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(a, b)| *a |= b);
    }

    pub(crate) fn and_not(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(a, b)| *a &= !b);
    }

    pub(crate) fn not(&mut self) {
        self.words.iter_mut().for_each(|word| *word = !*word);
        self.trim();
    }

    /// Rows that are in only one of the two.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let words = self.words.iter().zip(&other.words).map(|(a, b)| a & !b).collect();
        Self { words, len: self.len }
    }
}

/// The answers of a condition for all rows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Truths {
    pub(crate) yes: Bits,
    /// None: nothing is unknown.
    pub(crate) unknown: Option<Bits>,
}

impl Truths {
    pub(crate) fn known(yes: Bits) -> Self {
        Self { yes, unknown: None }
    }

    pub(crate) fn new(yes: Bits, unknown: Bits) -> Self {
        Self { yes, unknown: Some(unknown).filter(|bits| !bits.is_none()) }
    }

    pub(crate) fn negated(&self) -> Self {
        let mut yes = self.yes.clone();
        if let Some(unknown) = &self.unknown {
            yes.or(unknown);
        }
        yes.not();
        Self { yes, unknown: self.unknown.clone() }
    }

    /// Kleene's conjunction.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        // What may be true: true or unknown, in both; what is unknown is that, less what is true in both.
        let unknown = match (&self.unknown, &other.unknown) {
            (None, None) => None,
            (mine, others) => {
                let mut possible = self.yes.clone();
                mine.iter().for_each(|unknown| possible.or(unknown));
                let mut other_possible = other.yes.clone();
                others.iter().for_each(|unknown| other_possible.or(unknown));
                possible.and(&other_possible);
                Some(possible)
            }
        };
        self.yes.and(&other.yes);
        self.unknown = unknown.map(|mut bits| {
            bits.and_not(&self.yes);
            bits
        });
        self
    }

    /// Kleene's disjunction.
    pub(crate) fn or(mut self, other: &Self) -> Self {
        self.yes.or(&other.yes);
        let mut unknown = match (self.unknown.take(), &other.unknown) {
            (None, None) => return self,
            (Some(mut mine), Some(others)) => {
                mine.or(others);
                mine
            }
            (Some(only), None) => only,
            (None, Some(only)) => only.clone(),
        };
        unknown.and_not(&self.yes);
        self.unknown = Some(unknown);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::{Formula, Truth};
    use proptest::prelude::*;

    const TRUTHS: [Truth; 3] = [Truth::True, Truth::False, Truth::Unknown];

    fn column(truths: &[Truth]) -> Truths {
        let of = |wanted| Bits::of(truths.len(), |row| truths[row] == wanted);
        Truths::new(of(Truth::True), of(Truth::Unknown))
    }

    fn read(truths: &Truths, row: usize) -> Truth {
        match (truths.yes.get(row), truths.unknown.as_ref().is_some_and(|bits| bits.get(row))) {
            (true, false) => Truth::True,
            (false, unknown) => {
                if unknown {
                    Truth::Unknown
                } else {
                    Truth::False
                }
            }
            (true, true) => panic!("true and unknown"),
        }
    }

    #[test]
    fn whole_columns_follow_the_same_tables() {
        let pairs: Vec<(Truth, Truth)> = TRUTHS.into_iter().flat_map(|a| TRUTHS.map(|b| (a, b))).collect();
        let left = column(&pairs.iter().map(|p| p.0).collect::<Vec<_>>());
        let right = column(&pairs.iter().map(|p| p.1).collect::<Vec<_>>());
        let none = |_| unreachable!("there is no leaf");
        for (row, (a, b)) in pairs.into_iter().enumerate() {
            let both = vec![Formula::Const(a), Formula::Const(b)];
            assert_eq!(Ok(read(&left.clone().and(&right), row)), Formula::And(both.clone()).answer(&none));
            assert_eq!(Ok(read(&left.clone().or(&right), row)), Formula::Or(both).answer(&none));
            assert_eq!(Ok(read(&left.negated(), row)), Formula::Not(Box::new(Formula::Const(a))).answer(&none));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_bitmap_is_a_list_of_booleans(list in proptest::collection::vec(any::<bool>(), 0..300), from in 0usize..300, len in 0usize..300) {
            let bits = Bits::of(list.len(), |row| list[row]);
            let set: Vec<usize> = (0..list.len()).filter(|row| list[*row]).collect();
            prop_assert_eq!(bits.rows().collect::<Vec<_>>(), set.clone());
            prop_assert_eq!(bits.count(), set.len());
            let gone = from;
            let one_less: Vec<u32> = (0..300).map(|row: u32| if row as usize == gone { u32::MAX } else { row - u32::from(row as usize > gone) }).collect();
            let mut expected = list.clone();
            if gone < expected.len() {
                expected.remove(gone);
            }
            prop_assert_eq!(bits.clone().moved(Some(&one_less), expected.len()).rows().collect::<Vec<_>>(), (0..expected.len()).filter(|row| expected[*row]).collect::<Vec<_>>());
            let mut longer = bits.clone().moved(None, list.len() + len);
            prop_assert_eq!((longer.len(), longer.rows().collect::<Vec<_>>()), (list.len() + len, set.clone()));
            longer.clear(from);
            longer.clear(list.len() + len + 64);
            prop_assert_eq!(longer.rows().collect::<Vec<_>>(), set.iter().copied().filter(|row| *row != from).collect::<Vec<_>>());
            let (from, until) = (from.min(list.len()), (from + len).min(list.len()));
            let inside = set.iter().filter(|row| (from..until).contains(row)).count();
            prop_assert_eq!(bits.count_in(from, until) as usize, inside);
            let mut twice = Bits::with_capacity(list.len());
            twice.append(&bits, from, until - from);
            twice.append(&bits, 0, list.len());
            let expected = [&list[from..until], &list[..]].concat();
            prop_assert_eq!(twice, Bits::of(expected.len(), |row| expected[row]));
            let mut turned = bits.clone();
            turned.not();
            prop_assert_eq!(turned.count(), list.len() - set.len());
            prop_assert_eq!(bits.difference(&bits).count(), 0);
        }
    }
}
