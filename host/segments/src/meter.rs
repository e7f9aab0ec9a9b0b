//! What an evaluation may cost.

use crate::graph::{Graph, Id};
use attiva_core::Value;
use attiva_expr::Step;
use std::borrow::Cow;
use std::cell::Cell;

/// A graph that counts the records it is asked for, each as often as it is, and says nothing any more once there were too
/// many: so nothing can run away, and whoever asks knows that what was answered counts for nothing.
pub struct Metered<'a> {
    graph: &'a dyn Graph,
    left: Cell<u64>,
}

impl std::fmt::Debug for Metered<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metered").field("left", &self.left).finish_non_exhaustive()
    }
}

impl<'a> Metered<'a> {
    #[must_use]
    pub fn new(graph: &'a dyn Graph, looks_max: u64) -> Self {
        Self { graph, left: Cell::new(looks_max) }
    }

    /// Whether there were too many.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.left.get() == 0
    }

    fn spend(&self, looks: usize) -> bool {
        self.left.set(self.left.get().saturating_sub(u64::try_from(looks).unwrap_or(u64::MAX)));
        !self.is_spent()
    }
}

impl Graph for Metered<'_> {
    fn row(&self, entity: usize, id: Id) -> Cow<'_, [Value]> {
        if self.spend(1) { self.graph.row(entity, id) } else { Cow::Borrowed(&[]) }
    }

    fn step(&self, step: Step, id: Id) -> Cow<'_, [Id]> {
        if self.is_spent() {
            return Cow::Borrowed(&[]);
        }
        let found = self.graph.step(step, id);
        if self.spend(found.len() + 1) { found } else { Cow::Borrowed(&[]) }
    }

    fn is_member(&self, audience: &str, id: Id) -> Option<bool> {
        self.graph.is_member(audience, id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Endless;

    impl Graph for Endless {
        fn row(&self, _: usize, _: Id) -> Cow<'_, [Value]> {
            Cow::Owned(vec![Value::Null])
        }

        fn step(&self, _: Step, _: Id) -> Cow<'_, [Id]> {
            Cow::Owned((0..100).collect())
        }

        fn is_member(&self, _: &str, _: Id) -> Option<bool> {
            None
        }
    }

    #[test]
    fn what_looks_at_too_much_is_told_nothing() {
        let metered = Metered::new(&Endless, 300);
        assert_eq!(metered.step(Step::Many(0), 1).len(), 100);
        assert_eq!(metered.row(0, 1).len(), 1);
        assert_eq!(metered.step(Step::Many(0), 1).len(), 100);
        assert!(!metered.is_spent());
        assert_eq!(metered.step(Step::Many(0), 1).len(), 0);
        assert_eq!((metered.row(0, 1).len(), metered.step(Step::Many(0), 1).len()), (0, 0));
        assert!(metered.is_spent());
    }
}
