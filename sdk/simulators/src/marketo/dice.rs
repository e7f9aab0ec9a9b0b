//! Throws of dice: numbers that look random and are the same in every build, which no generator of a library promises.

use super::value::Value;

/// A small generator (splitmix64).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number in `0..bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.throw()) * u128::from(bound.max(1));
        u64::try_from(product >> 64).unwrap_or(0)
    }

    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::try_from(self.below((high - low).unsigned_abs())).unwrap_or(0)
    }

    /// A number in `0..bound`, small ones far likelier.
    pub(crate) fn skewed(&mut self, bound: u64) -> u64 {
        let unit = self.below(1 << 20);
        u64::try_from((u128::from(unit * unit) * u128::from(bound)) >> 40).unwrap_or(0)
    }

    /// True once in `every` throws or so; never for 0.
    pub(crate) fn one_in(&mut self, every: u64) -> bool {
        every != 0 && self.below(every) == 0
    }

    /// The value, or null once in `every`.
    pub(crate) fn unless(&mut self, every: u64, value: impl FnOnce(&mut Self) -> Value<'static>) -> Value<'static> {
        if self.one_in(every) { Value::Null } else { value(self) }
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap_or(0)]
    }

    pub(crate) fn weighted<T: Copy>(&mut self, from: &'static [(T, u64)]) -> T {
        *self.weighted_ref(from)
    }

    pub(crate) fn weighted_ref<T>(&mut self, from: &'static [(T, u64)]) -> &'static T {
        let mut left = self.below(from.iter().map(|(_, weight)| weight).sum());
        for (word, weight) in from {
            if left < *weight {
                return word;
            }
            left -= weight;
        }
        &from[0].0
    }
}

/// Scatters the bits of a number; near numbers come out far apart.
pub(crate) fn mix(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
