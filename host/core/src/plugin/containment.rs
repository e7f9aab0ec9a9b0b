//! A plugin that harms itself again and again, kept apart. Counted for each connection: what crashes with one
//! configuration may be well with all others. Decides; its driver makes the calls, or does not.
//!
//! A call that traps or runs into a limit is a *strike*. After one, the connection's next call waits, longer with each.
//! Where strikes are many, and many among the calls of one function, the connection goes into quarantine with its
//! evidence, until an operator lets it out.

use crate::{Fault, FaultKind, Millis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Strikes are counted in spans of an hour.
const SPAN_MS: Millis = 60 * 60 * 1000;
/// So many strikes of one function in a span are a loop,
const STRIKES_MAX: u32 = 5;
/// if they are one in ten of its calls or more: a rare crash among many calls is a defect, and no danger.
const CALLS_PER_STRIKE: u32 = 10;
const PAUSE_MS: Millis = 1_000;
const PAUSE_MAX_MS: Millis = 10 * 60 * 1000;

/// How a connection gets along with its plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Containment {
    #[serde(default)]
    functions: BTreeMap<String, Tally>,
    /// No call before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Millis>,
    /// No call at all.
    #[serde(default)]
    pub quarantined: bool,
}

/// Calls of one function since a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Tally {
    since: Millis,
    calls: u32,
    strikes: u32,
}

/// What a call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// The call harmed nobody, whatever it answered.
    Fine { function: &'a str },
    /// A trap or a limit ended it.
    Strike { function: &'a str },
    /// An operator lets the connection out, and all is forgotten.
    Released,
}

/// What follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    GoOn,
    /// No call before this.
    Pause {
        until: Millis,
    },
    /// Keep the evidence, and make no call any more.
    Quarantine,
}

/// Whether a call ended in a way that is the plugin's own doing: a trap, or a limit that it ran into.
#[must_use]
pub fn is_strike(kind: FaultKind, code: &str) -> bool {
    kind == FaultKind::Internal && is_stop(code)
}

/// Whether a call was stopped: by a limit, whoever's doing that was, or since the plugin broke.
#[must_use]
pub fn is_stop(code: &str) -> bool {
    matches!(code, "plugin.trap" | "plugin.stack-overflow" | "plugin.broken") || code.starts_with("limit.")
}

impl Containment {
    pub fn step(&mut self, event: Event<'_>, now: Millis) -> Action {
        match event {
            Event::Released => {
                *self = Self::default();
                Action::GoOn
            }
            Event::Fine { function } => {
                self.count(function, now);
                Action::GoOn
            }
            Event::Strike { function } => {
                let tally = self.count(function, now);
                tally.strikes = tally.strikes.saturating_add(1);
                let Tally { calls, strikes, .. } = *tally;
                if strikes >= STRIKES_MAX && strikes.saturating_mul(CALLS_PER_STRIKE) >= calls {
                    self.quarantined = true;
                    self.until = None;
                    return Action::Quarantine;
                }
                let pause = PAUSE_MS.saturating_mul(1 << (2 * strikes.saturating_sub(1)).min(20)).min(PAUSE_MAX_MS);
                let until = now.saturating_add(pause);
                self.until = Some(until);
                Action::Pause { until }
            }
        }
    }

    fn count(&mut self, function: &str, now: Millis) -> &mut Tally {
        let tally = self.functions.entry(function.to_owned()).or_default();
        // A clock that was set back begins anew as well.
        if tally.calls == 0 || !(0..SPAN_MS).contains(&(now - tally.since)) {
            *tally = Tally { since: now, calls: 0, strikes: 0 };
        }
        tally.calls = tally.calls.saturating_add(1);
        tally
    }

    /// Strikes that count at present.
    #[must_use]
    pub fn strikes(&self) -> u32 {
        self.functions.values().map(|tally| tally.strikes).sum()
    }

    /// Whether a call may be made.
    ///
    /// # Errors
    /// `plugin.backing-off`, transient, with how long; `plugin.quarantined`, for an operator.
    pub fn admit(&self, connection: &str, now: Millis) -> Result<(), Fault> {
        if self.quarantined {
            let what = format!("{connection} is in quarantine: its plugin stopped again and again");
            return Err(Fault::new(FaultKind::Config, "plugin.quarantined", what).action(format!(
                "`attiva connection evidence {connection}` shows why; `attiva connection release {connection}` lets it out."
            )));
        }
        match self.until.and_then(|until| u64::try_from(until - now).ok()).filter(|wait| *wait > 0) {
            None => Ok(()),
            Some(wait) => {
                let what = format!("{connection} waits: its plugin has just been stopped");
                Err(Fault::new(FaultKind::Transient, "plugin.backing-off", what).retry_after_ms(wait))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Event<'static> = Event::Strike { function: "read" };
    const FINE: Event<'static> = Event::Fine { function: "read" };

    #[test]
    fn pauses_grow_and_a_loop_ends_in_quarantine() {
        let mut containment = Containment::default();
        let mut now = 1_000_000;
        let mut pauses = Vec::new();
        let ended = loop {
            // What goes before each read, and is well, does not hide that reading is not.
            containment.step(Event::Fine { function: "discover" }, now);
            match containment.step(READ, now) {
                Action::Pause { until } => {
                    assert!(containment.admit("con_1", now).is_err());
                    assert_eq!(
                        containment.admit("con_1", now).unwrap_err().retry_after_ms,
                        u64::try_from(until - now).ok()
                    );
                    pauses.push(until - now);
                    now = until;
                    assert_eq!(containment.admit("con_1", now), Ok(()));
                }
                other => break other,
            }
        };
        assert_eq!((ended, pauses), (Action::Quarantine, vec![1_000, 4_000, 16_000, 64_000]));
        let later = now + 100 * SPAN_MS;
        assert_eq!(containment.admit("con_1", later).unwrap_err().code, "plugin.quarantined");
        assert_eq!(containment.step(Event::Released, later), Action::GoOn);
        assert_eq!((containment.admit("con_1", later), containment.strikes()), (Ok(()), 0));
    }

    #[test]
    fn a_rare_crash_among_many_calls_is_no_loop() {
        let mut containment = Containment::default();
        for call in 0..2_000 {
            let event = if call % 50 == 49 { READ } else { FINE };
            assert_ne!(containment.step(event, call), Action::Quarantine, "call {call}");
        }
        assert!(containment.strikes() > STRIKES_MAX);
    }

    #[test]
    fn strikes_of_long_ago_do_not_count() {
        let mut containment = Containment::default();
        for hour in 0..20 {
            let action = containment.step(READ, hour * SPAN_MS);
            assert!(matches!(action, Action::Pause { .. }), "{hour}: {action:?}");
        }
        assert_eq!(containment.strikes(), 1);
    }

    #[test]
    fn only_what_the_plugin_does_to_itself_is_a_strike() {
        use FaultKind as K;
        for (kind, code, strike) in [
            (K::Internal, "plugin.trap", true),
            (K::Internal, "plugin.stack-overflow", true),
            (K::Internal, "limit.cpu", true),
            (K::Internal, "limit.memory", true),
            (K::Transient, "limit.host-memory", false),
            (K::Internal, "egress.rule", false),
            (K::Transient, "network.timeout", false),
            (K::Unsupported, "plugin.no-source", false),
            (K::Config, "plugin.not-ready", false),
        ] {
            assert_eq!(is_strike(kind, code), strike, "{code}");
        }
    }

    #[test]
    fn what_was_counted_is_there_after_a_restart() {
        let mut containment = Containment::default();
        containment.step(READ, 5);
        let kept: Containment = serde_json::from_str(&serde_json::to_string(&containment).unwrap()).unwrap();
        assert_eq!(kept, containment);
    }
}
