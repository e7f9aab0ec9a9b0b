//! The life of one version of a plugin. Decides; what is told of a step, and whether it was allowed, is its caller's.
//!
//! ```text
//! uploaded ─► verified ─► compiled ─► inspected ─┬─► awaiting-approval ─► ready ◄─► disabled
//!     └──────────┴───────────┴───────────┴───────┴──► refused             │ ▲  └─► draining ─► disabled
//!                                                                         ▼ │
//!                                                                     quarantined          (any of the last ─► removed)
//! ```
//!
//! What is not yet at `awaiting-approval` or `ready` is kept nowhere: a kill on the way leaves audit events and no plugin.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PluginStage")]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The bytes are here.
    Uploaded,
    /// Somebody vouches for them.
    Verified,
    Compiled,
    /// It has said, without authority, what it is and what it wants.
    Inspected,
    /// It wants more than was approved before.
    AwaitingApproval,
    /// New runs may begin with it.
    Ready,
    /// Runs that began with it go on, no new one begins.
    Draining,
    /// No call is made.
    Disabled,
    /// It harmed itself or lost its trust; no call is made until somebody lets it out.
    Quarantined,
    /// Not taken; nothing of it is kept.
    Refused,
    /// Taken out; nothing of it is kept.
    Removed,
}

/// What happened to a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    SignatureAccepted,
    CodeMade,
    SpecificationRead,
    /// It asks for more than the operator has approved.
    IncreaseFound,
    NothingToApprove,
    Approved,
    /// A check failed, or the operator does not want it.
    Refused,
    /// An operator wants no more runs of it; `in_use`: some are going.
    DisableAsked {
        in_use: bool,
    },
    LastRunEnded,
    EnableAsked,
    QuarantineNeeded,
    Released,
    Uninstalled,
}

/// That does not happen in this stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the plugin is {}", stage.as_str())]
pub struct OutOfOrder {
    pub stage: Stage,
}

impl Stage {
    /// The next stage.
    ///
    /// # Errors
    /// [`OutOfOrder`]: nothing has changed.
    pub fn step(self, event: Event) -> Result<Self, OutOfOrder> {
        use Event as E;
        use Stage as S;
        Ok(match (self, event) {
            (S::Uploaded, E::SignatureAccepted) => S::Verified,
            (S::Verified, E::CodeMade) => S::Compiled,
            (S::Compiled, E::SpecificationRead) => S::Inspected,
            (S::Inspected, E::IncreaseFound) => S::AwaitingApproval,
            (S::Inspected, E::NothingToApprove) | (S::AwaitingApproval, E::Approved) => S::Ready,
            (S::Uploaded | S::Verified | S::Compiled | S::Inspected | S::AwaitingApproval, E::Refused) => S::Refused,
            (S::Ready, E::DisableAsked { in_use: true }) => S::Draining,
            (S::Ready, E::DisableAsked { in_use: false }) | (S::Draining, E::LastRunEnded) => S::Disabled,
            (S::Draining | S::Disabled, E::EnableAsked) => S::Ready,
            (S::Ready | S::Draining | S::Disabled, E::QuarantineNeeded) => S::Quarantined,
            (S::Quarantined, E::Released) => S::Ready,
            (S::Ready | S::Disabled | S::Quarantined, E::Uninstalled) => S::Removed,
            (stage, _) => return Err(OutOfOrder { stage }),
        })
    }

    /// What an operator, or its own harm, made of a version holds for other bytes of the same version too: those of a new
    /// host, in the place of those that came with the old one.
    #[must_use]
    pub fn outlives_its_bytes(self) -> bool {
        matches!(self, Self::Draining | Self::Disabled | Self::Quarantined)
    }

    /// Whether a run may begin with it.
    #[must_use]
    pub fn takes_new_runs(self) -> bool {
        self == Self::Ready
    }

    /// Whether calls are made for runs that began with it.
    #[must_use]
    pub fn serves(self) -> bool {
        matches!(self, Self::Ready | Self::Draining)
    }

    /// As it stands in JSON, and after `plugin.` in the audit log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Uploaded => "uploaded",
            Self::Verified => "verified",
            Self::Compiled => "compiled",
            Self::Inspected => "inspected",
            Self::AwaitingApproval => "awaiting-approval",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Disabled => "disabled",
            Self::Quarantined => "quarantined",
            Self::Refused => "refused",
            Self::Removed => "removed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Event as E;
    use Stage as S;

    const STAGES: [Stage; 11] = [
        S::Uploaded,
        S::Verified,
        S::Compiled,
        S::Inspected,
        S::AwaitingApproval,
        S::Ready,
        S::Draining,
        S::Disabled,
        S::Quarantined,
        S::Refused,
        S::Removed,
    ];
    const EVENTS: [Event; 14] = [
        E::SignatureAccepted,
        E::CodeMade,
        E::SpecificationRead,
        E::IncreaseFound,
        E::NothingToApprove,
        E::Approved,
        E::Refused,
        E::DisableAsked { in_use: true },
        E::DisableAsked { in_use: false },
        E::LastRunEnded,
        E::EnableAsked,
        E::QuarantineNeeded,
        E::Released,
        E::Uninstalled,
    ];

    fn walk(events: &[Event]) -> Result<Stage, OutOfOrder> {
        events.iter().try_fold(S::Uploaded, |stage, event| stage.step(*event))
    }

    #[test]
    fn a_version_goes_its_way() {
        let come = [E::SignatureAccepted, E::CodeMade, E::SpecificationRead];
        let with = |more: &[Event]| walk(&[&come[..], more].concat());
        assert_eq!(with(&[E::NothingToApprove]), Ok(S::Ready));
        assert_eq!(with(&[E::IncreaseFound]), Ok(S::AwaitingApproval));
        assert_eq!(with(&[E::IncreaseFound, E::Approved]), Ok(S::Ready));
        assert_eq!(with(&[E::IncreaseFound, E::Refused]), Ok(S::Refused));
        let ready = |more: &[Event]| with(&[&[E::NothingToApprove], more].concat());
        assert_eq!(ready(&[E::DisableAsked { in_use: true }]), Ok(S::Draining));
        assert_eq!(ready(&[E::DisableAsked { in_use: true }, E::LastRunEnded, E::EnableAsked]), Ok(S::Ready));
        assert_eq!(ready(&[E::QuarantineNeeded, E::Released]), Ok(S::Ready));
        assert_eq!(ready(&[E::DisableAsked { in_use: false }, E::Uninstalled]), Ok(S::Removed));
    }

    /// No step is left out on the way in, and nothing that is gone comes back.
    #[test]
    fn there_is_no_other_way_to_ready() {
        for event in EVENTS {
            for stage in STAGES {
                let next = stage.step(event);
                if next == Ok(S::Ready) {
                    let from = [S::Inspected, S::AwaitingApproval, S::Draining, S::Disabled, S::Quarantined];
                    assert!(from.contains(&stage), "{stage:?} {event:?}");
                }
                if matches!(stage, S::Refused | S::Removed) {
                    assert_eq!(next, Err(OutOfOrder { stage }), "{event:?}");
                }
                if stage == S::Draining {
                    assert_ne!(next, Ok(S::Removed), "a run is still going");
                }
            }
        }
        for stage in STAGES {
            assert!(!stage.takes_new_runs() || stage.serves());
            assert_eq!(serde_json::to_value(stage).unwrap(), stage.as_str());
        }
    }
}
