//! The people of an audience of accounts, when a delivery begins: those that a segment with the expansion's rule would
//! have just then.

use crate::engine::Inner;
use crate::projector::blocking;
use crate::segments::{self, SegmentWish};
use attiva_core::Fault;
use attiva_core::config::Activation;
use attiva_core::expansion::Expansion;
use attiva_core::ports::store::Wanted;
use std::sync::Arc;

/// Whom an activation wants, as it is now.
pub(crate) async fn wanted(inner: &Arc<Inner>, activation: &Activation) -> Result<Wanted, Fault> {
    match &activation.expansion {
        _ if activation.retired => Ok(Wanted::Nobody),
        None => Ok(Wanted::Members(activation.segment.clone())),
        Some(expansion) => {
            let rule = expansion.rule(&activation.segment);
            let inner = Arc::clone(inner);
            blocking(move || Ok(Wanted::Profiles(segments::who(&inner, &SegmentWish::of_persons(&rule))?))).await
        }
    }
}

/// Whether an expansion asks for what the projector of accounts works out.
pub(crate) fn is_matched(expansion: &Expansion) -> bool {
    use attiva_core::expansion::PeopleBy as By;
    expansion.by.iter().any(|way| match way {
        By::MatchedPeople => true,
        By::People | By::PeopleByRelation | By::PeopleByRole => false,
    })
}
