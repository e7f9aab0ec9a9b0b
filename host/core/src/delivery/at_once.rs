//! How many batches of a delivery go at once.

use super::Delivery;
use crate::spec::DeliverySpec;

impl Delivery {
    /// How many batches may be taken at once: one where the connector keeps something of each, and one while the row is
    /// looked for that made a batch be refused.
    #[must_use]
    pub fn batches_at_once(&self, spec: &DeliverySpec) -> u32 {
        match &spec.at_once {
            Some(at_once) if self.steady && !self.is_looking(spec) => at_once.batches.max(1),
            _ => 1,
        }
    }

    fn is_looking(&self, spec: &DeliverySpec) -> bool {
        self.batch_rows_max.is_some_and(|max| max < u64::from(spec.batch_rows))
    }
}
