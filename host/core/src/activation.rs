//! When deliveries of an activation start by themselves. Decides; never reads a clock.

use crate::Millis;
use crate::config::EvaluationMethod;
use crate::cron::{Cron, EVERY_SECONDS_MIN};
use crate::delivery::Delivery;
use crate::id::EvaluationId;
use crate::spec::DeliveryMode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What starts deliveries: an interval, times, or what happens to the audience. Several may be given: any of them does. A
/// delivery that is still going is not overtaken, and what came due meanwhile is made up for once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivationSchedule {
    /// Seconds from the start of one to the start of the next; at least 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_seconds: Option<u32>,
    /// `0 6,18 * * mon-fri`, in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<After>,
}

/// What happens to an audience.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "DeliveryAfter")]
#[serde(rename_all = "kebab-case")]
pub enum After {
    /// Somebody enters or leaves a segment that is evaluated in streaming, or a member changes.
    Change,
    /// A segment that is evaluated in batch has another result.
    Evaluation,
}

/// How the deliveries to a target that makes a whole of each (a file) take state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ExportKind")]
#[serde(rename_all = "kebab-case")]
pub enum Export {
    /// Every member, every time.
    #[default]
    Full,
    /// Every member the first time; after that, the difference to what was delivered, leavers among it. Without any, there
    /// is no file.
    Incremental,
}

impl Export {
    /// How a delivery takes state where the destination takes it by `mode`.
    #[must_use]
    pub fn mode(self, mode: DeliveryMode) -> DeliveryMode {
        match self {
            Self::Full => mode,
            Self::Incremental => DeliveryMode::Records,
        }
    }
}

/// Why there is a delivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryCause {
    #[default]
    Requested,
    /// Its interval, or one of its times.
    Scheduled,
    Change,
    Evaluation,
}

/// The newest delivery of an activation, dry runs apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastDelivery {
    pub started_at: Millis,
    /// The result that the audience had.
    pub evaluation: Option<EvaluationId>,
    pub ended_at: Option<Millis>,
    /// How many in a row have failed, this one included.
    pub failures: u32,
    /// When the newest one began that succeeded: the destination has acknowledged the audience as it was then.
    pub acknowledged_as_of: Option<Millis>,
    /// When deliveries that followed changes have taken members out, and how many: those of the last hour, since somebody
    /// last let one.
    pub removed: Vec<(Millis, u64)>,
}

/// So long, deliveries that follow changes are as one where it counts how many members go.
const LATELY_MS: i64 = 60 * 60_000;

impl LastDelivery {
    /// Takes what a delivery that has ended has taken out.
    pub fn note_removed(&mut self, delivery: &Delivery) {
        let Delivery { ended_at: Some(ended), books: Some(books), .. } = delivery else { return };
        if delivery.approved {
            self.removed.clear();
        }
        let follows = delivery.cause == DeliveryCause::Change && !delivery.approved && books.removed > 0;
        self.removed.extend(follows.then_some((*ended, books.removed)));
        self.removed.retain(|(at, _)| ended.saturating_sub(*at) < LATELY_MS);
    }

    /// How many members deliveries that follow changes have taken out lately.
    #[must_use]
    pub fn removed_lately(&self, now: Millis) -> u64 {
        self.removed.iter().filter(|(at, _)| now.saturating_sub(*at) < LATELY_MS).map(|(_, members)| members).sum()
    }
}

/// What is known of an activation when its schedule is asked.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// Since when there is the schedule.
    pub since: Millis,
    pub last: Option<&'a LastDelivery>,
    /// The batch evaluation whose result the audience is.
    pub result_of: Option<&'a EvaluationId>,
    /// Whether somebody has entered, left or changed since the last delivery.
    pub is_stirred: bool,
}

impl ActivationSchedule {
    /// What is wrong with it for a segment that is evaluated so and a target that takes state so, and where the people of
    /// accounts are sent: a field, and the problem.
    ///
    /// # Errors
    /// The first problem.
    pub fn check(
        &self,
        method: EvaluationMethod,
        mode: DeliveryMode,
        is_expanded: bool,
    ) -> Result<(), (&'static str, String)> {
        if self.every_seconds.is_none() && self.cron.is_none() && self.after.is_none() {
            return Err(("", "must say `every_seconds`, `cron` or `after`".to_owned()));
        }
        if self.every_seconds.is_some_and(|every| every < EVERY_SECONDS_MIN) {
            return Err(("/every_seconds", format!("must be at least {EVERY_SECONDS_MIN}")));
        }
        if let Some(Err(problem)) = self.cron.as_deref().map(Cron::parse) {
            return Err(("/cron", problem));
        }
        let problem = match (self.after, method) {
            (None, _) => return Ok(()),
            (Some(After::Change), EvaluationMethod::Batch) => {
                "the segment is evaluated in batch, and its audience changes with evaluations: say `evaluation`"
            }
            (Some(After::Evaluation), EvaluationMethod::Streaming) => {
                "the segment is evaluated in streaming, and no evaluation ends: say `change`"
            }
            (Some(After::Change), EvaluationMethod::Streaming) if is_expanded => {
                "people come to accounts and leave them without a change of the audience: say `every_seconds`"
            }
            (Some(After::Change), EvaluationMethod::Streaming) if mode == DeliveryMode::Snapshot => {
                "each delivery to this target is a file of its own: say `every_seconds` or `cron`"
            }
            (Some(_), _) => return Ok(()),
        };
        Err(("/after", problem.to_owned()))
    }

    /// Whether `is_stirred` is asked at all.
    #[must_use]
    pub fn follows_changes(&self) -> bool {
        self.after == Some(After::Change)
    }

    /// Why a delivery is due, if one is.
    #[must_use]
    pub fn due(&self, standing: &Standing<'_>, now: Millis) -> Option<DeliveryCause> {
        let Standing { since, last, result_of, is_stirred } = *standing;
        if last.is_some_and(|last| last.ended_at.is_none()) {
            return None;
        }
        let started = last.map(|last| last.started_at);
        let by_interval = self
            .every_seconds
            .is_some_and(|every| started.is_none_or(|started| now.saturating_sub(started) >= i64::from(every) * 1000));
        let cron = self.cron.as_deref().and_then(|text| Cron::parse(text).ok());
        if by_interval || cron.and_then(|cron| cron.next(started.unwrap_or(since))).is_some_and(|next| next <= now) {
            return Some(DeliveryCause::Scheduled);
        }
        match self.after? {
            After::Evaluation => {
                let delivered = last.and_then(|last| last.evaluation.as_ref());
                (result_of.is_some() && result_of != delivered).then_some(DeliveryCause::Evaluation)
            }
            After::Change => {
                let rested = last.is_none_or(|last| {
                    last.ended_at.is_none_or(|ended| now.saturating_sub(ended) >= rest_ms(last.failures))
                });
                (is_stirred && rested).then_some(DeliveryCause::Change)
            }
        }
    }
}

/// Pause after so many failures in a row, in milliseconds: what failed would fail again at once. From a minute to an hour.
fn rest_ms(failures: u32) -> i64 {
    const FIRST_MS: i64 = 60_000;
    const LAST_MS: i64 = 60 * 60_000;
    match failures {
        0 => 0,
        n => (FIRST_MS << (n - 1).min(10)).min(LAST_MS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Millis = 20_000 * 86_400_000;
    const HOUR: Millis = 3_600_000;
    const MINUTE: Millis = 60_000;

    fn schedule(every_seconds: Option<u32>, cron: Option<&str>, after: Option<After>) -> ActivationSchedule {
        ActivationSchedule { every_seconds, cron: cron.map(str::to_owned), after }
    }

    fn evaluation(n: u8) -> EvaluationId {
        EvaluationId::new(i64::from(n), [n; 6])
    }

    fn ended(started_at: Millis, ended_at: Millis) -> LastDelivery {
        LastDelivery { started_at, ended_at: Some(ended_at), ..LastDelivery::default() }
    }

    fn due(schedule: &ActivationSchedule, last: Option<&LastDelivery>, now: Millis) -> bool {
        let standing = Standing { since: DAY, last, result_of: None, is_stirred: false };
        schedule.due(&standing, now) == Some(DeliveryCause::Scheduled)
    }

    #[test]
    fn times_are_due_once_each_and_what_was_missed_once_in_all() {
        let daily = schedule(None, Some("0 6 * * *"), None);
        assert!(!due(&daily, None, DAY + 5 * HOUR), "made at midnight, it waits for its first time");
        assert!(due(&daily, None, DAY + 6 * HOUR));
        let today = ended(DAY + 6 * HOUR, DAY + 7 * HOUR);
        assert!(!due(&daily, Some(&today), DAY + 29 * HOUR));
        assert!(due(&daily, Some(&today), DAY + 100 * HOUR), "four were missed while the host was down");
        assert!(!due(&daily, Some(&ended(DAY + 100 * HOUR, DAY + 100 * HOUR)), DAY + 101 * HOUR));
    }

    #[test]
    fn what_is_still_going_is_not_overtaken_and_its_missed_time_is_made_up_for() {
        let daily = schedule(None, Some("0 6 * * *"), None);
        let going = LastDelivery { started_at: DAY + 5 * HOUR, ..LastDelivery::default() };
        assert!(!due(&daily, Some(&going), DAY + 6 * HOUR));
        assert!(due(&daily, Some(&ended(DAY + 5 * HOUR, DAY + 8 * HOUR)), DAY + 8 * HOUR));
        let often = schedule(Some(60), None, None);
        assert!(due(&often, None, DAY) && !due(&often, Some(&ended(DAY, DAY)), DAY + MINUTE - 1));
        assert!(due(&often, Some(&ended(DAY, DAY)), DAY + MINUTE));
    }

    #[test]
    fn each_result_is_delivered_once() {
        let after = schedule(None, None, Some(After::Evaluation));
        let asked = |last: Option<&LastDelivery>, result_of: Option<&EvaluationId>| {
            after.due(&Standing { since: DAY, last, result_of, is_stirred: true }, DAY + HOUR)
        };
        assert_eq!(asked(None, None), None, "there is no result yet");
        let (one, two) = (evaluation(1), evaluation(2));
        assert_eq!(asked(None, Some(&one)), Some(DeliveryCause::Evaluation));
        let last = LastDelivery { evaluation: Some(one.clone()), ..ended(DAY, DAY) };
        assert_eq!(
            (asked(Some(&last), Some(&one)), asked(Some(&last), Some(&two))),
            (None, Some(DeliveryCause::Evaluation))
        );
        let going = LastDelivery { ended_at: None, ..last };
        assert_eq!(asked(Some(&going), Some(&two)), None);
    }

    #[test]
    fn changes_are_followed_at_once_and_failures_rest() {
        let after = schedule(None, None, Some(After::Change));
        let asked = |last: &LastDelivery, is_stirred, now| {
            after.due(&Standing { since: DAY, last: Some(last), result_of: None, is_stirred }, now).is_some()
        };
        let last = ended(DAY, DAY + MINUTE);
        assert!(asked(&last, true, DAY + MINUTE) && !asked(&last, false, DAY + HOUR));
        let failed = LastDelivery { failures: 3, ..last };
        assert!(!asked(&failed, true, DAY + 5 * MINUTE - 1) && asked(&failed, true, DAY + 5 * MINUTE));
        assert_eq!(rest_ms(200), HOUR);
    }

    #[test]
    fn what_small_deliveries_take_out_within_an_hour_counts_together_until_somebody_lets_one() {
        use crate::delivery::Plan;
        use crate::id::{ActivationId, DeliveryId, SegmentId};
        use crate::ports::store::Books;
        let (a, s) = (ActivationId::new(0, [0; 6]), SegmentId::new(0, [0; 6]));
        let delivery = |cause, at, removed| Delivery {
            cause,
            ended_at: Some(at),
            books: Some(Books { removed, ..Books::default() }),
            ..Delivery::new(DeliveryId::new(0, [0; 6]), a.clone(), s.clone(), "p@1".into(), at)
        };
        let mut last = LastDelivery::default();
        for minute in 0..3 {
            last.note_removed(&delivery(DeliveryCause::Change, DAY + minute * MINUTE, 8));
        }
        last.note_removed(&delivery(DeliveryCause::Requested, DAY + 3 * MINUTE, 50));
        assert_eq!((last.removed_lately(DAY + 4 * MINUTE), last.removed_lately(DAY + HOUR)), (24, 16));
        let plan = |removed_lately| Plan { held: 76, removals: 8, removed_lately, ..Plan::default() };
        assert_eq!([plan(0), plan(24)].map(|plan| plan.needs_approval(20)), [false, true]);
        assert!(!Plan { removals: 0, ..plan(24) }.needs_approval(20), "nobody goes");
        let allowed = Delivery { approved: true, ..delivery(DeliveryCause::Change, DAY + 5 * MINUTE, 8) };
        last.note_removed(&allowed);
        assert_eq!(last.removed_lately(DAY + 5 * MINUTE), 0);
    }

    #[test]
    fn what_cannot_be_followed_is_refused_by_its_place() {
        use {DeliveryMode as Mode, EvaluationMethod as Method};
        let check = |s: ActivationSchedule, method, mode| s.check(method, mode, false).err().map(|(field, _)| field);
        assert_eq!(check(schedule(None, None, None), Method::Batch, Mode::Records), Some(""));
        assert_eq!(check(schedule(Some(9), None, None), Method::Batch, Mode::Records), Some("/every_seconds"));
        assert_eq!(check(schedule(None, Some("0 25 * * *"), None), Method::Batch, Mode::Records), Some("/cron"));
        let (change, evaluation) =
            (schedule(None, None, Some(After::Change)), schedule(None, None, Some(After::Evaluation)));
        for (wish, method, mode, problem) in [
            (&change, Method::Streaming, Mode::Records, None),
            (&change, Method::Streaming, Mode::Snapshot, Some("/after")),
            (&change, Method::Batch, Mode::Records, Some("/after")),
            (&evaluation, Method::Batch, Mode::Snapshot, None),
            (&evaluation, Method::Streaming, Mode::Snapshot, Some("/after")),
        ] {
            assert_eq!(check(wish.clone(), method, mode), problem, "{wish:?} {method:?} {mode:?}");
        }
        assert_eq!(change.check(Method::Streaming, Mode::Records, true).unwrap_err().0, "/after");
    }
}
