//! Traps on demand.

use serde::{Deserialize, Serialize};

/// One way to misbehave. In JSON its name in kebab case, with what it needs: `"unreachable"`, `{"status": {"status": 503}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Fault {
    /// The call is refused with this status and the vendor's error body.
    Status {
        /// HTTP status.
        status: u16,
        /// The vendor's words.
        #[serde(default)]
        message: String,
        /// `Retry-After` in seconds; the vendor mostly gives none.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// A proxy's page in HTML; 200 is the nasty one.
    HtmlPage {
        /// HTTP status.
        status: u16,
    },
    /// The call has its effect, and its answer is a 504 in HTML.
    AnswerLost,
    /// The answer ends in the middle of its JSON.
    Cut,
    /// 401 as for a token that has lapsed, though it has not.
    TokenExpired,
    /// 404 as for a segment that is not there yet, though it is.
    SegmentNotFound,
    /// The elements from the n-th on, counted from 0, and no more than `count`, are refused inside a 200.
    ElementsRefused {
        /// The first.
        from: usize,
        /// How many.
        count: usize,
        /// Status of the element.
        status: u16,
    },
    /// The answer holds one result less than there were elements.
    ResultsShort,
    /// The login answers `invalid_grant`: the member has withdrawn, or the year is over.
    InvalidGrant,
}

/// A fault, and the calls it acts on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Injection {
    /// What happens.
    pub fault: Fault,
    /// Acts on calls whose path begins so. Without it, on every call that the fault makes sense for, the login's left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Lets so many matching calls pass first.
    #[serde(default)]
    pub skip: u64,
    /// Acts on so many calls, then is gone. `None`, or `null` in JSON, for ever.
    #[serde(default = "once")]
    pub times: Option<u64>,
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn once() -> Option<u64> {
    Some(1)
}

impl Injection {
    /// Only calls whose path begins so.
    #[must_use]
    pub fn at(self, path: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..self }
    }

    /// Lets so many matching calls pass first.
    #[must_use]
    pub fn after(self, calls: u64) -> Self {
        Self { skip: calls, ..self }
    }

    /// Acts on every matching call until the faults are cleared.
    #[must_use]
    pub fn for_ever(self) -> Self {
        Self { times: None, ..self }
    }
}

impl From<Fault> for Injection {
    /// Acts once, on the next call it makes sense for.
    fn from(fault: Fault) -> Self {
        Self { fault, path: None, skip: 0, times: once() }
    }
}

/// The faults that wait for their calls.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) waiting: Vec<Injection>,
}

impl Faults {
    /// Takes the first fault for this call, if one is due. `carries` says whether the call carries members.
    pub(crate) fn take(&mut self, path: &str, carries: bool) -> Option<Fault> {
        let mut taken = None;
        self.waiting.retain_mut(|injection| {
            let logs_in = matches!(injection.fault, Fault::InvalidGrant);
            let fits = match &injection.path {
                Some(start) => path.starts_with(start.as_str()),
                None => path.starts_with("/oauth/") == logs_in,
            };
            let needs_members = matches!(injection.fault, Fault::ElementsRefused { .. } | Fault::ResultsShort);
            if taken.is_some() || !fits || (needs_members && !carries) {
                return true;
            }
            if injection.skip > 0 {
                injection.skip -= 1;
                return true;
            }
            taken = Some(injection.fault.clone());
            if let Some(times) = &mut injection.times {
                *times = times.saturating_sub(1);
            }
            injection.times != Some(0)
        });
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_waits_for_calls_it_makes_sense_for() {
        let mut faults = Faults::default();
        faults.waiting.push(Fault::ResultsShort.into());
        faults.waiting.push(Fault::InvalidGrant.into());
        faults.waiting.push(Injection::from(Fault::Cut).at("/rest/").after(1));
        assert_eq!(faults.take("/rest/dmpSegments", false), None);
        assert_eq!(faults.take("/rest/dmpSegments/1/users", true), Some(Fault::ResultsShort));
        assert_eq!(faults.take("/rest/dmpSegments", false), Some(Fault::Cut));
        assert_eq!(faults.take("/oauth/v2/accessToken", false), Some(Fault::InvalidGrant));
        assert!(faults.waiting.is_empty());
    }
}
