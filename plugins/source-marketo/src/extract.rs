//! The kinds of bulk extract. They have the same calls under different paths, and share one queue and one quota.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extract {
    Leads,
    Activities,
    /// Members of programs.
    Members,
}

impl Extract {
    /// Its place under `/bulk/v1/`.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Leads => "leads",
            Self::Activities => "activities",
            Self::Members => "program/members",
        }
    }

    /// The columns whose values, joined, are a record's key.
    pub(crate) fn key(self) -> &'static [&'static str] {
        match self {
            Self::Leads => &["id"],
            Self::Activities => &["marketoGUID"],
            Self::Members => &["programId", "leadId"],
        }
    }

    /// The column that says when a record changed.
    pub(crate) fn time(self) -> &'static str {
        match self {
            Self::Leads | Self::Members => "updatedAt",
            Self::Activities => "activityDate",
        }
    }

    /// How much one export covers: seconds (ranges have at most 31 days), or programs (at most ten).
    pub(crate) fn window(self) -> i64 {
        match self {
            Self::Leads | Self::Activities => 30 * 86_400,
            Self::Members => 10,
        }
    }
}
