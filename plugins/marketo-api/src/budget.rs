//! What a subscription allows, and how much of it is ours.

use crate::day::US_CENTRAL;
use attiva_connector::Spec;
use attiva_connector::spec::Rate;

/// Hundredths of a day that reading takes: Marketo advises an integration to take half of a subscription.
pub const READING_PERCENT: u32 = 50;

/// Adds what a connector may use of a subscription. In a window and at once, half of what Marketo allows, as it advises
/// for one integration; of a day all that an ordinary subscription has: an operator sets what was bought.
#[must_use]
pub fn within_budget(spec: Spec) -> Spec {
    spec.rate_refused_by(Rate::Window { calls: 50, seconds: 20 }, &["marketo.606"])
        .rate_refused_by(Rate::Concurrent { calls: 5 }, &["marketo.615"])
        .rate_refused_by(Rate::Day { calls: Some(50_000), resets: US_CENTRAL.into(), told_by: None }, &["marketo.607"])
}
