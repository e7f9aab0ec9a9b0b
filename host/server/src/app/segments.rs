//! Segments: rules that say who belongs.

use super::expressions;
use super::keys::Caller;
use super::name;
use super::refusal::Result;
use super::sandbox::{Sandbox, Versioned};
use super::stamp::Stamp;
use attiva_core::config::Segment;
use attiva_core::id::SegmentId;
use attiva_core::ports::store::{Expect, Kind, Member};

impl Sandbox {
    /// Makes a segment; every profile is looked at soon after.
    ///
    /// # Errors
    /// `segment.expression` with each problem and its place.
    pub async fn create_segment(
        &self,
        caller: &Caller,
        stamp: Stamp,
        name: &str,
        expression: &str,
    ) -> Result<Versioned<Segment>> {
        let id = stamp.id(SegmentId::new);
        let made = match self.find(Kind::Segment, id.as_str())? {
            Some(made) => made,
            None => self.make_segment(id, name, expression).await?,
        };
        let Segment { id, expression, .. } = &made.value;
        let detail = serde_json::json!({ "expression": expression });
        self.tell_once(caller, "segment.created", id.as_str(), detail).await?;
        Ok(made)
    }

    async fn make_segment(&self, id: SegmentId, name: &str, expression: &str) -> Result<Versioned<Segment>> {
        let name = name::checked("/name", name)?.to_owned();
        expressions::check_segment("/expression", expression)?;
        let segment = Segment {
            id: id.clone(),
            name,
            expression: expression.to_owned(),
            evaluated: false,
            created_at: self.now(),
        };
        let version = self.put(Kind::Segment, id.as_str(), &segment, Expect::Absent).await?;
        self.engine.segments_changed();
        Ok(Versioned { value: segment, version })
    }

    pub fn segment(&self, id: &str) -> Result<Versioned<Segment>> {
        self.get(Kind::Segment, "segment", id)
    }

    /// In the order they were made, after `after`.
    pub fn segments(&self, after: Option<&str>, limit: usize) -> Result<Vec<Segment>> {
        self.list(Kind::Segment, after, limit, |_| true)
    }

    /// Members now, after the profile numbered `after`; each with its profile's number.
    pub fn members(&self, segment: &str, after: i64, limit: usize) -> Result<Vec<(i64, Member)>> {
        let segment = self.segment(segment)?.value;
        Ok(self.store.members(&segment.id, after, limit)?)
    }

    pub fn count_members(&self, segment: &SegmentId) -> Result<u64> {
        Ok(self.store.count_members(segment)?)
    }
}
