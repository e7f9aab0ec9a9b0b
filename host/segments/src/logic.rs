//! Three-valued logic over numbered leaves: what joins them, apart from what they are.

use attiva_expr::EvalFault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The answer of a condition for one row. Only true makes a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Truth {
    True,
    False,
    /// It hangs on a value that is missing.
    Unknown,
}

impl Truth {
    #[must_use]
    pub fn is_true(self) -> bool {
        self == Self::True
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::False => "false",
            Self::Unknown => "unknown",
        }
    }

    fn negated(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }
}

impl From<Option<bool>> for Truth {
    fn from(answer: Option<bool>) -> Self {
        match answer {
            Some(true) => Self::True,
            Some(false) => Self::False,
            None => Self::Unknown,
        }
    }
}

impl From<bool> for Truth {
    fn from(answer: bool) -> Self {
        Some(answer).into()
    }
}

/// The connectives of a plan.
#[derive(Debug, Clone)]
pub(crate) enum Formula {
    Const(Truth),
    Leaf(usize),
    Not(Box<Formula>),
    And(Vec<Formula>),
    Or(Vec<Formula>),
}

impl Formula {
    /// Kleene's logic. An operand that decides does so whatever the others are, a fault included, so that the order
    /// of operands makes no difference; with none that decides, the first fault is the answer, then unknown.
    pub(crate) fn answer(&self, leaf: &impl Fn(usize) -> Result<Truth, EvalFault>) -> Result<Truth, EvalFault> {
        match self {
            Self::Const(truth) => Ok(*truth),
            Self::Leaf(index) => leaf(*index),
            Self::Not(inner) => inner.answer(leaf).map(Truth::negated),
            Self::And(all) => joined(all, Truth::False, leaf),
            Self::Or(all) => joined(all, Truth::True, leaf),
        }
    }

    /// Marks the leaves that are the reason of the answer: those that suffice for it if it is true or false, those
    /// that are unknown or at fault themselves if it is not.
    pub(crate) fn deciding(&self, leaf: &impl Fn(usize) -> Result<Truth, EvalFault>, mark: &mut impl FnMut(usize)) {
        match self {
            Self::Const(_) => {}
            Self::Leaf(index) => mark(*index),
            Self::Not(inner) => inner.deciding(leaf, mark),
            Self::And(all) | Self::Or(all) => {
                // The operands that answer as the whole does: one false one makes `and` false, all true ones make it
                // true, and what is unknown makes it unknown.
                let answer = self.answer(leaf);
                let alike = |one: &&Self| match (&answer, one.answer(leaf)) {
                    (Ok(whole), Ok(part)) => *whole == part,
                    (Err(_), part) => part.is_err(),
                    (Ok(_), Err(_)) => false,
                };
                for one in all.iter().filter(alike) {
                    one.deciding(leaf, mark);
                }
            }
        }
    }
}

fn joined(
    all: &[Formula],
    deciding: Truth,
    leaf: &impl Fn(usize) -> Result<Truth, EvalFault>,
) -> Result<Truth, EvalFault> {
    let mut unknown = false;
    let mut fault = None;
    for one in all {
        match one.answer(leaf) {
            Ok(truth) if truth == deciding => return Ok(deciding),
            Ok(Truth::Unknown) => unknown = true,
            Ok(_) => {}
            Err(first) => fault = fault.or(Some(first)),
        }
    }
    match fault {
        Some(fault) => Err(fault),
        None => Ok(if unknown { Truth::Unknown } else { deciding.negated() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TRUTHS: [Truth; 3] = [Truth::True, Truth::False, Truth::Unknown];

    #[test]
    fn the_tables_are_kleenes() {
        let rank = |t: Truth| match t {
            Truth::False => 0,
            Truth::Unknown => 1,
            Truth::True => 2,
        };
        for a in TRUTHS {
            for b in TRUTHS {
                let both = || vec![Formula::Const(a), Formula::Const(b)];
                let none = |_| unreachable!("there is no leaf");
                let and = Formula::And(both()).answer(&none).unwrap();
                let or = Formula::Or(both()).answer(&none).unwrap();
                assert_eq!(rank(and), rank(a).min(rank(b)), "{a:?} and {b:?}");
                assert_eq!(rank(or), rank(a).max(rank(b)), "{a:?} or {b:?}");
            }
        }
    }

    const LEAVES: usize = 6;

    fn formula() -> impl Strategy<Value = Formula> {
        let leaf = (0..LEAVES).prop_map(Formula::Leaf);
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                inner.clone().prop_map(|f| Formula::Not(Box::new(f))),
                proptest::collection::vec(inner.clone(), 1..4).prop_map(Formula::And),
                proptest::collection::vec(inner, 1..4).prop_map(Formula::Or),
            ]
        })
    }

    fn truths() -> impl Strategy<Value = Vec<Truth>> {
        proptest::collection::vec(prop::sample::select(TRUTHS.to_vec()), LEAVES)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_decides_suffices(formula in formula(), answers in truths(), others in truths()) {
            let given = |leaf: usize| Ok(answers[leaf]);
            let answer = formula.answer(&given).unwrap();
            let mut decides = [false; LEAVES];
            formula.deciding(&given, &mut |leaf| decides[leaf] = true);
            prop_assert!(decides.contains(&true), "something decides");
            if answer != Truth::Unknown {
                let changed = |leaf: usize| Ok(if decides[leaf] { answers[leaf] } else { others[leaf] });
                prop_assert_eq!(formula.answer(&changed).unwrap(), answer);
            } else {
                // Were what is said to be unknown known, the answer could be known too.
                prop_assert!((0..LEAVES).all(|leaf| !decides[leaf] || answers[leaf] == Truth::Unknown));
            }
        }
    }
}
