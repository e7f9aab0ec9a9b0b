//! The faults that wait for their calls, and where in the service each of them acts.

use std::time::Duration;

use super::envelope::Refusal;
use super::fault::{Fault, Injection};

/// Where in the service a fault is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// When a call arrives, before it is routed.
    Call,
    /// When its answer is written.
    Answer,
    Delay,
    Identity,
    ActivityPage,
    CreateExport,
    EnqueueExport,
    RunExport,
    /// When the file of a job is made.
    MakeFile,
    ReadFile,
    /// When something is looked for by what it is called.
    LookUp,
    SyncLeads,
    /// When an import ends.
    RunImport,
}

impl Fault {
    fn acts_at(&self, point: Point) -> bool {
        let own = match self {
            Self::Error { .. }
            | Self::TokenInvalid
            | Self::TokenExpired
            | Self::AccessDenied
            | Self::RateLimited
            | Self::DailyQuotaReached
            | Self::TooManyAtOnce
            | Self::HtmlPage { .. }
            | Self::Raw { .. } => Point::Call,
            Self::Cut { .. } => Point::Answer,
            Self::Delay { .. } => Point::Delay,
            Self::TokenLife { .. } => Point::Identity,
            Self::EmptyActivityPage | Self::ActivitiesWithoutId | Self::RepeatedActivity => Point::ActivityPage,
            Self::ExportQueueFull | Self::ExportAlreadyQueued => Point::EnqueueExport,
            Self::ExportQuotaExceeded => return matches!(point, Point::CreateExport | Point::EnqueueExport),
            Self::ExportFails { .. } | Self::ExportCancelled => Point::RunExport,
            Self::WrongChecksum | Self::Csv { .. } => Point::MakeFile,
            Self::ExportFileMissing => Point::ReadFile,
            Self::LookUpLags => Point::LookUp,
            Self::SyncRace => Point::SyncLeads,
            Self::ImportFails { .. } => Point::RunImport,
        };
        own == point
    }

    /// The refusal of faults that are nothing but one.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        Some(match self {
            Self::Error { code, message } => Refusal::new(code.clone(), message.clone()),
            Self::TokenInvalid => Refusal::new("601", "Access token invalid"),
            Self::TokenExpired => Refusal::new("602", "Access token expired"),
            Self::AccessDenied => Refusal::new("603", "Access denied"),
            Self::RateLimited => Refusal::new("606", "Max rate limit '100' exceeded with in '20' secs"),
            Self::DailyQuotaReached => Refusal::new("607", "Daily API Request Limit Reached"),
            Self::TooManyAtOnce => Refusal::new("615", "Concurrent access limit reached"),
            Self::ExportQueueFull => Refusal::new("1029", "Too many jobs in queue"),
            Self::ExportQuotaExceeded => Refusal::new("1029", "Export daily quota 500MB exceeded."),
            Self::ExportAlreadyQueued => Refusal::new("1029", "Job already queued"),
            _ => return None,
        })
    }
}

/// The faults that wait for their calls.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    waiting: Vec<Injection>,
}

impl Faults {
    pub(crate) fn inject(&mut self, injection: Injection) {
        self.waiting.push(injection);
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    pub(crate) fn waiting(&self) -> &[Injection] {
        &self.waiting
    }

    /// Takes the first fault for this point and path, if one is due.
    pub(crate) fn take(&mut self, point: Point, path: &str) -> Option<Fault> {
        let mut taken = None;
        self.waiting.retain_mut(|injection| {
            if taken.is_some() || !injection.matches(point, path) {
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

    /// Takes one of every waiting fault for this point and path.
    pub(crate) fn take_all(&mut self, point: Point, path: &str) -> Vec<Fault> {
        let waiting = std::mem::take(&mut self.waiting);
        let mut taken = Vec::new();
        for injection in waiting {
            let mut one = Self { waiting: vec![injection] };
            taken.extend(one.take(point, path));
            self.waiting.append(&mut one.waiting);
        }
        taken
    }

    pub(crate) fn take_delay(&mut self, path: &str) -> Option<Duration> {
        match self.take(Point::Delay, path)? {
            Fault::Delay { ms } => Some(Duration::from_millis(ms)),
            _ => None,
        }
    }
}

impl Injection {
    fn matches(&self, point: Point, path: &str) -> bool {
        let path_matches = match &self.path {
            Some(start) => path.starts_with(start.as_str()),
            None => point == Point::Identity || !path.starts_with("/identity/"),
        };
        path_matches && self.fault.acts_at(point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_waits_for_its_path_lets_some_pass_and_is_gone_after_its_times() {
        let mut faults = Faults::default();
        faults.inject(Injection::from(Fault::RateLimited).at("/rest/").after(1).times(2));
        assert_eq!(faults.take(Point::Call, "/bulk/v1/x"), None);
        assert_eq!(faults.take(Point::Identity, "/rest/v1/x"), None);
        assert_eq!(faults.take(Point::Call, "/rest/v1/x"), None);
        assert_eq!(faults.take(Point::Call, "/rest/v1/x"), Some(Fault::RateLimited));
        assert_eq!(faults.take(Point::Call, "/rest/v1/x"), Some(Fault::RateLimited));
        assert_eq!(faults.take(Point::Call, "/rest/v1/x"), None);
        assert!(faults.waiting().is_empty());
    }

    #[test]
    fn a_fault_for_ever_stays_until_cleared_and_spares_the_identity_service() {
        let mut faults = Faults::default();
        faults.inject(Injection::from(Fault::TokenExpired).for_ever());
        assert_eq!(faults.take(Point::Call, "/identity/oauth/token"), None);
        for _ in 0..3 {
            assert_eq!(faults.take(Point::Call, "/rest/v1/x"), Some(Fault::TokenExpired));
        }
        faults.clear();
        assert_eq!(faults.take(Point::Call, "/rest/v1/x"), None);
    }
}
