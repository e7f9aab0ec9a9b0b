//! Traps on demand: what the vendor does now and then, done when a test asks for it.

use serde::{Deserialize, Serialize};

/// One way to misbehave. In JSON its name in kebab case, with what it needs: `"session-expired"`, `{"delay": {"ms": 500}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Fault {
    /// The call is refused so.
    Error {
        /// HTTP status.
        status: u16,
        /// `UNKNOWN_EXCEPTION`, say.
        code: String,
        /// The vendor's words.
        message: String,
    },
    /// All sessions end with this call.
    SessionExpired,
    /// The day's calls are spent.
    RequestLimitExceeded,
    /// Too many long requests at once.
    ConcurrentLimitExceeded,
    /// A proxy's page in HTML, with any status; 200 is the nasty one.
    HtmlPage {
        /// HTTP status.
        status: u16,
    },
    /// A status and nothing else.
    Bodiless {
        /// HTTP status: 420, 429, 503.
        status: u16,
    },
    /// The answer is cut off after so many bytes of its body, and the connection closed.
    Cut {
        /// Bytes of the body that still arrive.
        after_bytes: u64,
    },
    /// The call is answered this much later.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// The next page of a query is no longer known.
    LocatorGone,
    /// A page of a query has no records, and is not the last.
    EmptyPage,
    /// The job ends as `Failed` with this `errorMessage`.
    JobFails {
        /// The vendor's words.
        message: String,
    },
    /// An administrator aborts the job.
    JobAborted,
    /// The job is not there any more: seven days have passed.
    JobGone,
    /// The results have one record less than announced.
    ResultsShort,
}

impl Fault {
    /// Whether it acts on a call of this kind.
    pub(crate) fn acts_on(&self, method: &str, path: &str) -> bool {
        let is_job = path.contains("/jobs/query/");
        match self {
            Self::LocatorGone => path.contains("/query/") && !is_job,
            Self::EmptyPage => path.contains("/query") && !path.contains("/jobs/"),
            Self::JobFails { .. } | Self::JobAborted => is_job && method == "GET" && !path.ends_with("/results"),
            Self::JobGone => is_job && method == "GET",
            Self::ResultsShort => path.ends_with("/results"),
            _ => true,
        }
    }
}

/// A fault, and the calls it acts on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Injection {
    /// What happens.
    pub fault: Fault,
    /// Acts on calls whose path has this in it. Without it, on every call the fault makes sense for, the token endpoint's
    /// left out.
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
    /// Only calls whose path has this in it.
    #[must_use]
    pub fn at(self, path: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..self }
    }

    /// Lets so many matching calls pass first.
    #[must_use]
    pub fn after(self, calls: u64) -> Self {
        Self { skip: calls, ..self }
    }

    /// Acts on so many calls.
    #[must_use]
    pub fn times(self, calls: u64) -> Self {
        Self { times: Some(calls), ..self }
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        let here = match &self.path {
            Some(part) => path.contains(part.as_str()),
            None => !path.contains("/oauth2/"),
        };
        here && self.fault.acts_on(method, path)
    }
}

impl From<Fault> for Injection {
    /// Acts once, on the next call it makes sense for.
    fn from(fault: Fault) -> Self {
        Self { fault, path: None, skip: 0, times: once() }
    }
}

/// Takes the first fault that is due for a call.
pub(crate) fn take(waiting: &mut Vec<Injection>, method: &str, path: &str) -> Option<Fault> {
    let mut taken = None;
    waiting.retain_mut(|injection| {
        if taken.is_some() || !injection.matches(method, path) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_waits_for_its_call_and_is_gone_after_its_times() {
        let mut waiting = vec![Injection::from(Fault::SessionExpired).at("/query").after(1).times(2)];
        assert_eq!(take(&mut waiting, "GET", "/services/data/v68.0/limits"), None);
        assert_eq!(take(&mut waiting, "GET", "/services/data/v68.0/queryAll"), None);
        for _ in 0..2 {
            assert_eq!(take(&mut waiting, "GET", "/services/data/v68.0/queryAll"), Some(Fault::SessionExpired));
        }
        assert!(waiting.is_empty());
        waiting.push(Fault::JobAborted.into());
        assert_eq!(take(&mut waiting, "POST", "/services/data/v68.0/jobs/query"), None);
        assert_eq!(take(&mut waiting, "GET", "/services/data/v68.0/jobs/query/750/results"), None);
        assert_eq!(take(&mut waiting, "GET", "/services/data/v68.0/jobs/query/750"), Some(Fault::JobAborted));
        assert!(serde_json::from_str::<Injection>(r#"{"fault": "session-expired", "where": "/"}"#).is_err());
    }
}
