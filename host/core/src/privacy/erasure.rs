//! An erasure as it goes on: what is next, and what is kept of what was done. Each step is repeated until it is noted, so
//! a kill anywhere repeats one.

use super::Counts;
use crate::id::{ActivationId, ConnectionId, PrivacyId};
use crate::model::EntityName;
use crate::{Fault, Millis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ErasurePhase")]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// What hangs together is found, barred from coming again, and removed.
    Removing,
    /// What others' records, runs and outcomes say of them is taken out.
    Sweeping,
    /// Destinations are asked.
    Asking,
    /// What the host keeps beside the sandbox's store is removed.
    Clearing,
    /// The files are searched for what is left.
    Proving,
    Done,
}

/// What became of somebody at a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ErasureReceiptStatus")]
#[serde(rename_all = "kebab-case")]
pub enum ReceiptStatus {
    Removed,
    /// It did not have them.
    NotFound,
    /// It cannot, because.
    Cannot,
}

/// A destination's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub status: ReceiptStatus,
    pub because: String,
    pub at: Millis,
}

/// A target that somebody was sent to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Destination {
    /// `None`: no connection leads to it any more.
    pub connection: Option<ConnectionId>,
    pub activation: Option<ActivationId>,
    /// The vendor instance and the target's name, for people.
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// The last fault, while it is asked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    #[serde(default)]
    pub attempts: u32,
}

/// Something that names them still, and why it stays.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ErasureLeft")]
pub struct Left {
    /// `segment seg_…`, `file store.db`.
    pub what: String,
    pub because: String,
}

/// An erasure. It holds nothing that names who was erased, but for what is sealed while it goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Erasure {
    pub id: PrivacyId,
    pub entity: EntityName,
    /// What they were named by; the value is not kept.
    pub namespace: String,
    /// Who asked for it: a key's id.
    pub by: String,
    pub started_at: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Millis>,
    pub phase: Phase,
    /// Who, and what destinations know of them. Gone with the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    /// Profiles that were theirs.
    #[serde(default)]
    pub profiles: u64,
    /// Keyed hashes that keep them from coming again.
    #[serde(default)]
    pub tombstones: u64,
    #[serde(default)]
    pub places: Counts,
    #[serde(default)]
    pub destinations: Vec<Destination>,
    #[serde(default)]
    pub left: Vec<Left>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_until: Option<Millis>,
    /// What it waits for, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub waiting_for: String,
    /// Bytes of files that were searched in the end.
    #[serde(default)]
    pub bytes_searched: u64,
}

/// What is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Remove,
    Sweep,
    /// Ask the destination at this position.
    Ask(usize),
    WaitUntil(Millis),
    Clear,
    Prove,
    End,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Removed {
        profiles: u64,
        tombstones: u64,
        places: Counts,
        destinations: Vec<Destination>,
    },
    Swept {
        places: Counts,
        left: Vec<Left>,
    },
    /// What it needs is not to be had now.
    Held {
        what: String,
        wait_ms: i64,
    },
    Answered {
        at: usize,
        status: ReceiptStatus,
        because: String,
    },
    Failed {
        at: usize,
        fault: Fault,
    },
    /// Somebody decided not to wait for destinations any longer.
    GivenUp,
    Cleared {
        places: Counts,
    },
    Proved {
        bytes_searched: u64,
        left: Vec<Left>,
    },
}

impl Erasure {
    #[must_use]
    pub fn new(id: PrivacyId, entity: EntityName, namespace: String, by: String, now: Millis) -> Self {
        Self {
            id,
            entity,
            namespace,
            by,
            started_at: now,
            ended_at: None,
            phase: Phase::Removing,
            sealed: None,
            profiles: 0,
            tombstones: 0,
            places: Counts::new(),
            destinations: Vec::new(),
            left: Vec::new(),
            waiting_until: None,
            waiting_for: String::new(),
            bytes_searched: 0,
        }
    }

    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.phase == Phase::Done
    }

    /// What to do now.
    #[must_use]
    pub fn next(&self, now: Millis) -> Action {
        if let Some(until) = self.waiting_until.filter(|until| *until > now && !self.has_ended()) {
            return Action::WaitUntil(until);
        }
        match self.phase {
            Phase::Removing => Action::Remove,
            Phase::Sweeping => Action::Sweep,
            Phase::Asking => match self.due() {
                Some(at) => Action::Ask(at),
                None => Action::Clear,
            },
            Phase::Clearing => Action::Clear,
            Phase::Proving => Action::Prove,
            Phase::Done => Action::End,
        }
    }

    /// The unanswered destination that was asked least often.
    fn due(&self) -> Option<usize> {
        let open = self.destinations.iter().enumerate().filter(|(_, d)| d.receipt.is_none());
        open.min_by_key(|(at, d)| (d.attempts, *at)).map(|(at, _)| at)
    }

    /// Notes what happened.
    pub fn step(&mut self, event: Event, now: Millis) -> Action {
        self.waiting_until = None;
        self.waiting_for.clear();
        match event {
            Event::Removed { profiles, tombstones, places, destinations } => {
                self.profiles = self.profiles.max(profiles);
                self.tombstones = self.tombstones.max(tombstones);
                self.add(places);
                self.destinations = destinations;
                self.phase = Phase::Sweeping;
            }
            Event::Swept { places, left } => {
                self.add(places);
                self.left = left;
                self.phase = Phase::Asking;
            }
            Event::Held { what, wait_ms } => {
                self.waiting_until = Some(now.saturating_add(wait_ms));
                self.waiting_for = what;
            }
            Event::Answered { at, status, because } => {
                if let Some(destination) = self.destinations.get_mut(at) {
                    destination.attempts = destination.attempts.saturating_add(1);
                    destination.fault = None;
                    destination.receipt = Some(Receipt { status, because, at: now });
                }
            }
            Event::Failed { at, fault } => self.failed(at, fault, now),
            Event::GivenUp => self.give_up(now),
            Event::Cleared { places } => {
                self.add(places);
                self.phase = Phase::Proving;
            }
            Event::Proved { bytes_searched, left } => {
                self.bytes_searched = bytes_searched;
                self.left.extend(left);
                self.sealed = None;
                self.ended_at = Some(now);
                self.phase = Phase::Done;
            }
        }
        self.next(now)
    }

    /// Any fault may pass: a vendor answers again, somebody renews a credential. So it is asked until it answers, or
    /// until somebody gives up.
    fn failed(&mut self, at: usize, fault: Fault, now: Millis) {
        let Some(destination) = self.destinations.get_mut(at) else { return };
        destination.attempts = destination.attempts.saturating_add(1);
        let rounds = destination.attempts;
        let asked = fault.retry_after_ms.and_then(|ms| i64::try_from(ms).ok());
        self.waiting_for = format!("{}: {}", destination.name, fault.message);
        destination.fault = Some(fault);
        // The others first.
        let others = self.destinations.iter().any(|d| d.receipt.is_none() && d.attempts < rounds);
        self.waiting_until = (!others).then(|| now.saturating_add(asked.unwrap_or_else(|| pause_ms(rounds))));
    }

    fn give_up(&mut self, now: Millis) {
        for destination in self.destinations.iter_mut().filter(|d| d.receipt.is_none()) {
            let because = match destination.fault.take() {
                Some(fault) => format!("it did not answer, and was given up: {}", fault.message),
                None => "it was given up before it was asked".to_owned(),
            };
            destination.receipt = Some(Receipt { status: ReceiptStatus::Cannot, because, at: now });
        }
    }

    fn add(&mut self, places: Counts) {
        for (place, more) in places {
            *self.places.entry(place).or_default() += more;
        }
    }
}

/// Pause before destinations are asked again: from a second to an hour.
fn pause_ms(rounds: u32) -> i64 {
    (1_000_i64 << rounds.saturating_sub(1).min(12)).min(60 * 60 * 1000)
}

#[cfg(test)]
mod tests {
    use super::super::Place;
    use super::*;
    use crate::FaultKind;

    fn begun(destinations: &[&str]) -> Erasure {
        let id = PrivacyId::new(0, [0; 6]);
        let mut erasure = Erasure::new(id, EntityName::PERSON, "email".into(), "key_1".into(), 0);
        erasure.sealed = Some("secret".into());
        let destination = |name: &&str| Destination {
            connection: None,
            activation: None,
            name: (*name).to_owned(),
            receipt: None,
            fault: None,
            attempts: 0,
        };
        let destinations = destinations.iter().map(destination).collect();
        let places = Counts::from([(Place::Records, 2)]);
        let removed = Event::Removed { profiles: 1, tombstones: 3, places, destinations };
        assert_eq!(erasure.step(removed, 1), Action::Sweep);
        erasure
    }

    fn fault() -> Fault {
        Fault::new(FaultKind::Transient, "vendor.away", "away")
    }

    #[test]
    fn it_goes_from_place_to_place_and_forgets_whom_it_was_about() {
        let mut erasure = begun(&[]);
        let more = Counts::from([(Place::Records, 1), (Place::Audit, 4)]);
        assert_eq!(erasure.step(Event::Swept { places: more, left: vec![] }, 2), Action::Clear);
        assert_eq!(erasure.step(Event::Cleared { places: Counts::new() }, 3), Action::Prove);
        assert!(erasure.sealed.is_some(), "a kill before the proof needs it");
        assert_eq!(erasure.step(Event::Proved { bytes_searched: 9, left: vec![] }, 4), Action::End);
        assert_eq!((erasure.sealed.as_ref(), erasure.ended_at, erasure.has_ended()), (None, Some(4), true));
        assert_eq!(erasure.places, Counts::from([(Place::Records, 3), (Place::Audit, 4)]));
    }

    #[test]
    fn a_destination_that_fails_is_asked_again_after_the_others_until_somebody_gives_up() {
        let mut erasure = begun(&["a", "b"]);
        assert_eq!(erasure.step(Event::Swept { places: Counts::new(), left: vec![] }, 2), Action::Ask(0));
        assert_eq!(erasure.step(Event::Failed { at: 0, fault: fault() }, 3), Action::Ask(1), "the other one first");
        let removed = Event::Answered { at: 1, status: ReceiptStatus::Removed, because: "taken off".into() };
        assert_eq!(erasure.step(removed, 4), Action::Ask(0));
        assert_eq!(erasure.step(Event::Failed { at: 0, fault: fault() }, 5), Action::WaitUntil(2005));
        assert_eq!(erasure.next(2004), Action::WaitUntil(2005));
        assert_eq!(erasure.next(2005), Action::Ask(0));
        let asked = fault().retry_after_ms(60_000);
        assert_eq!(erasure.step(Event::Failed { at: 0, fault: asked }, 2005), Action::WaitUntil(62_005));
        assert_eq!(erasure.step(Event::GivenUp, 3000), Action::Clear);
        let receipts: Vec<_> = erasure.destinations.iter().map(|d| d.receipt.clone().unwrap().status).collect();
        assert_eq!(receipts, [ReceiptStatus::Cannot, ReceiptStatus::Removed]);
        assert!(erasure.destinations[0].receipt.as_ref().unwrap().because.ends_with("away"));
    }

    #[test]
    fn a_step_that_is_held_is_taken_again_later() {
        let mut erasure = begun(&["a"]);
        erasure.step(Event::Swept { places: Counts::new(), left: vec![] }, 2);
        let held = Event::Held { what: "del_1 is sending".into(), wait_ms: 500 };
        assert_eq!(erasure.step(held, 10), Action::WaitUntil(510));
        assert_eq!((erasure.next(510), erasure.waiting_for.as_str()), (Action::Ask(0), "del_1 is sending"));
        // Told again after a kill, the first step does not count twice what it can tell only once.
        let destinations = erasure.destinations.clone();
        erasure.step(Event::Removed { profiles: 1, tombstones: 2, places: Counts::new(), destinations }, 600);
        assert_eq!((erasure.profiles, erasure.tombstones), (1, 3));
    }
}
