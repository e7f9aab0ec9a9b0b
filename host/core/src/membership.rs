//! What members are to the latest result of their audience, and how many there were from day to day.

use crate::Millis;
use crate::config::Segment;
use crate::time::{DAY_MS, format_date};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What somebody who belongs is to the latest result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MemberStatus {
    /// Entered with it.
    Realized,
    /// Was a member before it, and still is.
    Existing,
}

impl MemberStatus {
    /// Of a member since an instant.
    #[must_use]
    pub fn of(segment: &Segment, since: Millis, now: Millis) -> Self {
        if since >= new_since(segment, now) { Self::Realized } else { Self::Existing }
    }
}

impl MemberStatus {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Realized => "realized",
            Self::Existing => "existing",
        }
    }
}

/// From when on those who entered are new. Of an audience that is evaluated in batch: since the evaluation began whose result
/// it is. Streaming has no runs: since the beginning of the day, in UTC.
#[must_use]
pub fn new_since(segment: &Segment, now: Millis) -> Millis {
    match (&segment.result_of, segment.result_began_at) {
        (Some(_), Some(began)) => began,
        // Of an evaluation before this was kept: everybody was there.
        (Some(_), None) => Millis::MAX,
        (None, _) => now.saturating_sub(now.rem_euclid(DAY_MS)),
    }
}

/// What happened to an audience on a day, counted in days since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DayMoves {
    pub day: i64,
    /// How often somebody entered.
    pub realized: u64,
    /// How often somebody left.
    pub exited: u64,
}

/// What the store counts of an audience.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MembershipCounts {
    pub members: u64,
    /// Members who entered since the latest result began.
    pub realized: u64,
    /// How often somebody left since.
    pub exited: u64,
    /// Days on which anybody moved, in their order.
    pub days: Vec<DayMoves>,
}

/// An audience on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "AudienceDay")]
pub struct AudienceDay {
    /// In UTC: `2026-11-28`.
    pub day: String,
    /// How often somebody entered.
    pub realized: u64,
    /// How often somebody left.
    pub exited: u64,
    /// Members at its end; of today, now.
    pub members: u64,
}

/// Each day from the first to the last, in days since 1970: counted back from how many there are now.
#[must_use]
pub fn by_day(counts: &MembershipCounts, first: i64, last: i64) -> Vec<AudienceDay> {
    let mut members = counts.members;
    let mut days = Vec::new();
    for day in (first..=last).rev() {
        let moved = counts.days.iter().find(|moved| moved.day == day).copied().unwrap_or_default();
        let DayMoves { realized, exited, .. } = moved;
        days.push(AudienceDay { day: format_date(i32::try_from(day).unwrap_or(i32::MAX)), realized, exited, members });
        members = members.saturating_add(exited).saturating_sub(realized);
    }
    days.reverse();
    days
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{EvaluationId, SegmentId};

    #[test]
    fn who_entered_with_the_latest_result_is_new() {
        let segment = Segment::new(SegmentId::parse("seg_1").unwrap(), "s", "true", 0);
        let noon = 10 * DAY_MS + DAY_MS / 2;
        let status = |segment: &Segment, since| MemberStatus::of(segment, since, noon);
        // Streaming: since midnight.
        assert_eq!(status(&segment, 10 * DAY_MS), MemberStatus::Realized);
        assert_eq!(status(&segment, 10 * DAY_MS - 1), MemberStatus::Existing);
        let result_of = EvaluationId::parse("evl_1");
        assert!(result_of.is_some());
        let batch = Segment { result_of, result_began_at: Some(500), ..segment };
        assert_eq!((status(&batch, 500), status(&batch, 499)), (MemberStatus::Realized, MemberStatus::Existing));
        let before = Segment { result_began_at: None, ..batch };
        assert_eq!(status(&before, noon), MemberStatus::Existing);
    }

    #[test]
    fn days_are_counted_back_from_now_and_none_is_left_out() {
        let day = |day, realized, exited| DayMoves { day, realized, exited };
        let counts = MembershipCounts { members: 7, realized: 0, exited: 0, days: vec![day(1, 5, 0), day(3, 4, 2)] };
        let told: Vec<(String, u64, u64, u64)> =
            by_day(&counts, 0, 4).into_iter().map(|it| (it.day, it.realized, it.exited, it.members)).collect();
        let expected = [
            ("1970-01-01", 0, 0, 0),
            ("1970-01-02", 5, 0, 5),
            ("1970-01-03", 0, 0, 5),
            ("1970-01-04", 4, 2, 7),
            ("1970-01-05", 0, 0, 7),
        ];
        assert_eq!(told, expected.map(|(day, realized, exited, members)| (day.to_owned(), realized, exited, members)));
        assert!(by_day(&counts, 5, 4).is_empty());
    }
}
