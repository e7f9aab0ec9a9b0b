//! From one table to another: what holds of the elements of each row's set.

use super::adjacency::{Adjacency, NOBODY};
use super::bits::Bits;
use super::dataset::Dataset;
use crate::evaluate::share_is_met;
use attiva_expr::{Quantifier, Step};

/// For each row at the beginning of a path, whether it leads to one of `there`. Goes back step by step, so that it
/// costs rows, not pairs.
pub(crate) fn reaches(data: &Dataset, path: &[Step], there: &Bits) -> Bits {
    let mut bits = there.clone();
    for step in path.iter().rev() {
        bits = back(data, *step, &bits);
    }
    bits
}

fn back(data: &Dataset, step: Step, there: &Bits) -> Bits {
    let rows = data.rows(data.starts_at(step));
    match step {
        Step::One(relation) => {
            let one = data.one(relation);
            Bits::of(rows, |row| one.get(row).is_some_and(|to| there.get(*to as usize)))
        }
        Step::Many(relation) => {
            let one = data.one(relation);
            let mut here = Bits::none(rows);
            let named = there.rows().filter_map(|row| one.get(row)).filter(|to| **to != NOBODY);
            named.for_each(|to| here.set(*to as usize));
            here
        }
        Step::Ancestors(_) | Step::Descendants(_) => {
            let path = data.path(&[step]);
            Bits::of(rows, |row| path.list(row).any(|there_row| there.get(there_row)))
        }
    }
}

/// How many of a row's set are marked.
pub(crate) fn counts(path: &Adjacency, marked: &Bits) -> Vec<u32> {
    if !path.is_in_order() {
        let count = |row| path.list(row).filter(|there| marked.get(*there)).count();
        return (0..path.rows()).map(|row| u32::try_from(count(row)).unwrap_or(u32::MAX)).collect();
    }
    let bounds = |row| path.bounds(row);
    (0..path.rows())
        .map(|row| {
            let (from, until) = bounds(row);
            marked.count_in(from, until)
        })
        .collect()
}

/// How many a row's set has.
pub(crate) fn sizes(path: &Adjacency) -> Vec<u32> {
    let size = |row| {
        let (from, until) = path.bounds(row);
        u32::try_from(until - from).unwrap_or(u32::MAX)
    };
    (0..path.rows()).map(size).collect()
}

/// `met`: the elements that pass the filter and meet the condition. `filtered`: those that pass the filter; none where
/// there is none.
pub(crate) fn quantified(
    data: &Dataset,
    how: &Quantifier,
    path: &[Step],
    filtered: Option<&Bits>,
    met: &Bits,
    elements: usize,
) -> Bits {
    match how {
        Quantifier::Exists => reaches(data, path, met),
        Quantifier::None => {
            let mut bits = reaches(data, path, met);
            bits.not();
            bits
        }
        Quantifier::All => {
            // Nobody passes the filter without meeting the condition.
            let mut unmet = filtered.map_or_else(|| Bits::all(elements), Bits::clone);
            unmet.and_not(met);
            let mut bits = reaches(data, path, &unmet);
            bits.not();
            bits
        }
        Quantifier::ExistsOne | Quantifier::AtLeast(_) | Quantifier::ShareOf(_) => {
            let path = data.path(path);
            let counts = counts(&path, met);
            match how {
                Quantifier::ExistsOne => Bits::of(counts.len(), |row| counts[row] == 1),
                Quantifier::AtLeast(n) => Bits::of(counts.len(), |row| counts[row] >= *n),
                Quantifier::ShareOf(share) => {
                    let all = filtered.map_or_else(|| sizes(&path), |bits| self::counts(&path, bits));
                    Bits::of(counts.len(), |row| share_is_met(share, counts[row] as usize, all[row] as usize))
                }
                _ => Bits::none(counts.len()),
            }
        }
    }
}
