//! Conditions on columns as look-ups: each row becomes a word of bits, one for each counter that counts it, and the words
//! of a set are counted bit by bit, many at a time.

use super::bits::Truths;
use super::table::{Codes, Column, Data};
use attiva_expr::CompareOp;
use std::sync::Arc;

/// As many as there are bits in a word.
pub(super) const COUNTERS: usize = 64;

/// A condition on one column, as it can be looked up.
pub(super) enum Asked {
    /// By code.
    Codes(Vec<bool>),
    Whole(CompareOp, i64),
}

/// What a column says of counters: for each row, those that it does not keep from counting it.
pub(super) enum Factor {
    Codes {
        column: Arc<Column>,
        words: Vec<u64>,
    },
    Whole {
        column: Arc<Column>,
        cuts: Vec<i64>,
        words: Vec<u64>,
        of_null: u64,
    },
    /// A step's answers, and the counters that count only where it is true.
    Step {
        step: usize,
        counters: u64,
    },
}

/// By a byte, its bits as bytes.
const SPREAD: [u64; 0x100] = {
    let mut spread = [0; 0x100];
    let mut byte = 0;
    while byte < 0x100 {
        let mut bit = 0;
        while bit < 8 {
            spread[byte] |= ((byte as u64 >> bit) & 1) << (8 * bit);
            bit += 1;
        }
        byte += 1;
    }
    spread
};

/// A word of bits, as narrow as there are counters.
pub(super) trait Word: Copy + Default + Send {
    fn of(bits: u64) -> Self;
    fn bits(self) -> u64;
}

impl Word for u64 {
    fn of(bits: u64) -> Self {
        bits
    }

    fn bits(self) -> u64 {
        self
    }
}

impl Word for u8 {
    #[expect(clippy::cast_possible_truncation, reason = "more counters have a wider word")]
    fn of(bits: u64) -> Self {
        bits as u8
    }

    fn bits(self) -> u64 {
        u64::from(self)
    }
}

fn narrow<W: Word>(word: &mut W, to: u64) {
    *word = W::of(word.bits() & to);
}

/// Which bits are set in the words at all, and of those how often. Eight are counted with each addition, a byte for each, as
/// often as a byte can count. `lanes`: in so many bytes of a word bits are set.
pub(super) fn count<W: Word>(words: &[W], lanes: usize, counts: &mut [u32; COUNTERS]) -> u64 {
    let mut counted = 0;
    for some in words.chunks(0xff) {
        let mut bytes = [0_u64; COUNTERS / 8];
        let bytes = &mut bytes[..lanes];
        let mut of_some = 0;
        for word in some {
            let word = word.bits();
            of_some |= word;
            for (sum, byte) in bytes.iter_mut().zip(word.to_le_bytes()) {
                *sum += SPREAD[usize::from(byte)];
            }
        }
        each(of_some, |bit| {
            let more = u32::from(bytes[bit / 8].to_le_bytes()[bit % 8]);
            let so_far = if counted >> bit & 1 == 1 { counts[bit] } else { 0 };
            counts[bit] = so_far + more;
        });
        counted |= of_some;
    }
    counted
}

/// The bits that are set.
pub(super) fn each(mut word: u64, mut visit: impl FnMut(usize)) {
    while word != 0 {
        visit(word.trailing_zeros() as usize);
        word &= word - 1;
    }
}

impl Factor {
    pub(super) fn new(column: Arc<Column>, asked: &[(Asked, u64)]) -> Self {
        // A counter that does not ask is not kept from anything.
        let all_but = |met: &dyn Fn(&Asked) -> bool| {
            asked.iter().filter(|(asked, _)| !met(asked)).fold(u64::MAX, |word, (_, counters)| word & !counters)
        };
        match &column.data {
            Data::Whole { .. } => {
                let mut cuts: Vec<i64> = asked.iter().flat_map(|(asked, _)| asked.cuts()).flatten().collect();
                cuts.sort_unstable();
                cuts.dedup();
                let least = cuts.first().and_then(|first| first.checked_sub(1)).unwrap_or(i64::MIN);
                // Between two cuts no answer changes: that of one number is that of all.
                let words = std::iter::once(&least).chain(&cuts).map(|number| {
                    all_but(&|asked| match asked {
                        Asked::Whole(op, with) => op.holds(number.cmp(with)),
                        Asked::Codes(_) => false,
                    })
                });
                let (words, of_null) = (words.collect(), all_but(&|_| false));
                Self::Whole { column, cuts, words, of_null }
            }
            _ => {
                let kinds = asked.iter().map(|(asked, _)| match asked {
                    Asked::Codes(met) => met.len(),
                    Asked::Whole(..) => 0,
                });
                let words = (0..kinds.max().unwrap_or(0)).map(|code| {
                    all_but(&|asked| match asked {
                        Asked::Codes(met) => met.get(code) == Some(&true),
                        Asked::Whole(..) => false,
                    })
                });
                let mut words: Vec<u64> = words.collect();
                // So that no narrow code is past the end.
                words.resize(words.len().max(0x100), 0);
                Self::Codes { column, words }
            }
        }
    }

    /// `words`: of the rows from `begin` on.
    pub(super) fn narrow<W: Word>(&self, begin: usize, words: &mut [W], asked: &[usize], before: &[Arc<Truths>]) {
        match self {
            Self::Codes { column, words: of_code } => {
                let Data::Coded { codes, .. } = &column.data else { return };
                match codes {
                    Codes::Narrow(codes) => {
                        let Some(of_code) = of_code.first_chunk::<0x100>() else { return };
                        words
                            .iter_mut()
                            .zip(&codes[begin..])
                            .for_each(|(word, code)| narrow(word, of_code[usize::from(*code)]));
                    }
                    Codes::Middle(codes) => {
                        words
                            .iter_mut()
                            .zip(&codes[begin..])
                            .for_each(|(word, code)| narrow(word, of_code[usize::from(*code)]));
                    }
                    Codes::Wide(codes) => {
                        words
                            .iter_mut()
                            .zip(&codes[begin..])
                            .for_each(|(word, code)| narrow(word, of_code[*code as usize]));
                    }
                }
            }
            Self::Whole { column, cuts, words: of_range, of_null } => {
                let Data::Whole { values, valid, .. } = &column.data else { return };
                let values = &values[begin..];
                match cuts.len() {
                    1 => in_range::<1, W>(words, values, cuts, of_range),
                    2 => in_range::<2, W>(words, values, cuts, of_range),
                    3 => in_range::<3, W>(words, values, cuts, of_range),
                    4 => in_range::<4, W>(words, values, cuts, of_range),
                    5 => in_range::<5, W>(words, values, cuts, of_range),
                    6 => in_range::<6, W>(words, values, cuts, of_range),
                    _ => words.iter_mut().zip(values).for_each(|(word, value)| {
                        narrow(word, of_range[cuts.partition_point(|cut| cut <= value)]);
                    }),
                }
                if let Some(valid) = valid {
                    let nulls = (begin..).zip(words).filter(|(row, _)| !valid.get(*row));
                    nulls.for_each(|(_, word)| narrow(word, *of_null));
                }
            }
            Self::Step { step, counters } => {
                let Some(truths) = asked.iter().position(|own| own == step).and_then(|place| before.get(place)) else {
                    return;
                };
                let not = (begin..).zip(words).filter(|(row, _)| !truths.yes.get(*row));
                not.for_each(|(_, word)| narrow(word, !counters));
            }
        }
    }
}

/// Of few cuts all are looked at: that goes without a branch.
fn in_range<const CUTS: usize, W: Word>(words: &mut [W], values: &[i64], cuts: &[i64], of_range: &[u64]) {
    let Some(cuts) = cuts.first_chunk::<CUTS>() else { return };
    words.iter_mut().zip(values).for_each(|(word, value)| {
        let range: usize = cuts.iter().map(|cut| usize::from(value >= cut)).sum();
        narrow(word, of_range[range]);
    });
}

impl Asked {
    /// The numbers from which on an answer is another.
    fn cuts(&self) -> [Option<i64>; 2] {
        match *self {
            Self::Codes(_) => [None, None],
            Self::Whole(CompareOp::Lt | CompareOp::Ge, with) => [Some(with), None],
            Self::Whole(CompareOp::Le | CompareOp::Gt, with) => [with.checked_add(1), None],
            Self::Whole(CompareOp::Eq | CompareOp::Ne, with) => [Some(with), with.checked_add(1)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn bits_are_counted(kinds in proptest::collection::vec(any::<u64>(), 1..5), len in 0_usize..900, lanes in 1_usize..=8) {
            let words: Vec<u64> =
                (0..len).map(|n| kinds[n * n % kinds.len()] & u64::MAX >> (64 - 8 * lanes)).collect();
            let mut counts = [7; COUNTERS];
            let counted = count(&words, lanes, &mut counts);
            for (bit, count) in counts.into_iter().enumerate() {
                let expected = words.iter().filter(|word| **word >> bit & 1 == 1).count();
                prop_assert_eq!(counted >> bit & 1 == 1, expected > 0);
                prop_assert!(expected == 0 || count as usize == expected);
            }
        }

        #[test]
        fn numbers_are_looked_up_as_they_compare(
            values in proptest::collection::vec(prop_oneof![-4_i64..4, Just(i64::MIN), Just(i64::MAX)], 1..80),
            asked in proptest::collection::vec((0_usize..6, prop_oneof![-4_i64..4, Just(i64::MIN), Just(i64::MAX)]), 1..14),
        ) {
            const OPS: [CompareOp; 6] =
                [CompareOp::Eq, CompareOp::Ne, CompareOp::Lt, CompareOp::Le, CompareOp::Gt, CompareOp::Ge];
            let of = asked.iter().enumerate().map(|(bit, (op, with))| (Asked::Whole(OPS[*op], *with), 1 << bit));
            let factor = Factor::new(Arc::new(Column::integers(values.clone())), &of.collect::<Vec<_>>());
            let begin = values.len() / 2;
            let mut words = vec![u64::MAX; values.len() - begin];
            factor.narrow(begin, &mut words, &[], &[]);
            for (word, value) in words.iter().zip(&values[begin..]) {
                for (bit, (op, with)) in asked.iter().enumerate() {
                    prop_assert_eq!(word >> bit & 1 == 1, OPS[*op].holds(value.cmp(with)), "{} {:?} {}", value, OPS[*op], with);
                }
                prop_assert_eq!(word >> asked.len(), u64::MAX >> asked.len(), "who does not ask is kept from nothing");
            }
        }
    }
}
