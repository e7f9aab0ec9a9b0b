//! Configuration as people keep it in files: things by kind and name. Compares what is wanted with what was found, and says
//! in which order the one becomes the other. Decides; knows no file and no host.

mod compare;
mod order;
mod patch;
#[cfg(test)]
mod tests;

pub use compare::{Change, Comparison, Difference, Step, compare};
pub use order::mentions;
pub use patch::merge_patch;

use serde_json::{Map, Value};

/// What can stand in files, in the order in which it is made: each kind refers to earlier ones alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Model,
    ExchangeRates,
    Guardrails,
    ConsentRules,
    IdentityRules,
    MergePolicy,
    AccountMatching,
    Connection,
    Mapping,
    UsagePolicy,
    Segment,
    EvaluationSchedule,
    Activation,
    FreshnessTargets,
}

impl Kind {
    pub const ALL: [Self; 14] = [
        Self::Model,
        Self::ExchangeRates,
        Self::Guardrails,
        Self::ConsentRules,
        Self::IdentityRules,
        Self::MergePolicy,
        Self::AccountMatching,
        Self::Connection,
        Self::Mapping,
        Self::UsagePolicy,
        Self::Segment,
        Self::EvaluationSchedule,
        Self::Activation,
        Self::FreshnessTargets,
    ];

    /// As it stands in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::ExchangeRates => "exchange-rates",
            Self::Guardrails => "guardrails",
            Self::ConsentRules => "consent-rules",
            Self::IdentityRules => "identity-rules",
            Self::MergePolicy => "merge-policy",
            Self::AccountMatching => "account-matching",
            Self::Connection => "connection",
            Self::Mapping => "mapping",
            Self::UsagePolicy => "usage-policy",
            Self::Segment => "segment",
            Self::EvaluationSchedule => "evaluation-schedule",
            Self::Activation => "activation",
            Self::FreshnessTargets => "freshness-targets",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether a sandbox has one of it and no more: it is called as its kind is.
    #[must_use]
    pub fn is_single(self) -> bool {
        !matches!(self, Self::ExchangeRates | Self::Connection | Self::Mapping | Self::Segment | Self::Activation)
    }

    /// Whether one can be taken away again. Policies and tables of rates can only be replaced.
    #[must_use]
    pub fn is_removable(self) -> bool {
        matches!(self, Self::Connection | Self::Mapping | Self::Segment | Self::Activation)
    }

    /// Keys that are left as they are found where a file does not have them. They are turned in operation, by people who
    /// look at what runs: a pipeline must not resume what was paused, nor revoke what an operator granted. Every other key
    /// that is not there has its default.
    #[must_use]
    pub fn left_alone(self) -> &'static [&'static str] {
        match self {
            Self::Connection => &["grants"],
            Self::Activation => &["paused"],
            _ => &[],
        }
    }

    /// Keys that can be changed in what there is; with another one changed, it is replaced. `None`: all can.
    fn changeable(self) -> Option<&'static [&'static str]> {
        (self == Self::Activation).then_some(&["schedule", "readback", "paused"])
    }
}

/// Something configured, by names: no ids, no defaults, no secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct Thing {
    pub kind: Kind,
    pub name: String,
    pub body: Map<String, Value>,
}
