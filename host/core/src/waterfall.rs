//! Waterfalls: audiences in an order, of which everybody is in the first that fits and in no other.
//!
//! Each step has a segment of its own, whose rule the order makes: so what asks for a step, is sent it or looks at its
//! history does so as of any other audience.

use crate::Millis;
use crate::id::{SegmentId, WaterfallId};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waterfall {
    pub id: WaterfallId,
    pub name: String,
    /// In their order: the first takes whom it wants.
    pub steps: Vec<WaterfallStep>,
    pub created_at: Millis,
}

/// An audience, and those of it whom no step before has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaterfallStep {
    pub audience: SegmentId,
    /// Whose rule is made by the order.
    pub segment: SegmentId,
}

impl Waterfall {
    /// Without any step.
    #[must_use]
    pub fn new(id: WaterfallId, now: Millis) -> Self {
        Self { id, name: String::new(), steps: Vec::new(), created_at: now }
    }
}

/// The rule of each audience in its place.
#[must_use]
pub fn rules(audiences: &[SegmentId]) -> Vec<String> {
    let member = |id: &SegmentId| format!("inAudience(\"{id}\")");
    let rule = |(place, audience): (usize, &SegmentId)| {
        let before = audiences[..place].iter().map(|other| format!(" && !{}", member(other)));
        std::iter::once(member(audience)).chain(before).collect()
    };
    audiences.iter().enumerate().map(rule).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_leaves_out_who_is_in_one_before() {
        let ids = ["seg_a", "seg_b", "seg_c"].map(|id| SegmentId::parse(id).unwrap());
        assert_eq!(
            rules(&ids),
            [
                "inAudience(\"seg_a\")",
                "inAudience(\"seg_b\") && !inAudience(\"seg_a\")",
                "inAudience(\"seg_c\") && !inAudience(\"seg_a\") && !inAudience(\"seg_b\")",
            ]
        );
        assert!(rules(&[]).is_empty());
    }
}
