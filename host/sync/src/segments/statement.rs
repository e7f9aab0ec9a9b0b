//! Segments as SQL over the open tables, for engines outside.

use super::looks::compiled;
use crate::engine::Engine;
use attiva_core::id::SegmentId;
use attiva_core::{Fault, FaultKind, Millis};
use attiva_segments::{SqlOptions, sql, sql_of_first};

/// A segment as one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentStatement {
    pub segment: SegmentId,
    /// Of the rule.
    pub version: u32,
    pub sql: String,
    /// The instant that stands in it for `now`, and whose day's rates do.
    pub as_of: Millis,
}

impl Engine {
    /// The statement that names the members of a segment by their numbers, over the views of the open tables.
    ///
    /// # Errors
    /// `segment.no-sql`: what no portable SQL answers exactly, with its place.
    pub fn segment_statement(&self, segment: &SegmentId) -> Result<SegmentStatement, Fault> {
        let (inner, as_of) = (&self.inner, self.inner.clock.now());
        let audiences = inner.segments.get(inner)?;
        let compiled = compiled(&audiences, segment)?;
        let rates = audiences.rates(as_of);
        let has_result = |id: &str| SegmentId::parse(id).is_some_and(|id| audiences.is_known(&id));
        let model = &audiences.language.model;
        let options = SqlOptions { model, rates: rates.as_rates(), now: as_of, has_result: &has_result };
        let plan = &compiled.definition.plan;
        let made = match &compiled.definition.rank {
            None => sql(plan, &options),
            Some(rank) => sql_of_first(plan, rank, &options),
        };
        let sql = made.map_err(|problem| {
            Fault::new(FaultKind::Config, "segment.no-sql", problem.to_string())
                .field("expression")
                .action("Write it in another way, or take the members from the table `audience_member`.")
        })?;
        Ok(SegmentStatement { segment: segment.clone(), version: compiled.segment.version, sql, as_of })
    }
}
