//! All of a sandbox at one moment, told row by row to whoever makes columns of it.

use super::{Result, Seq, StoredRecord};
use crate::id::SegmentId;
use crate::model::EntityName;
use crate::{Millis, Value};
use std::collections::BTreeSet;

/// What of a sandbox is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotWanted {
    /// Whose profiles.
    pub entities: Vec<EntityWanted>,
    /// Which fields name other profiles, and are to be followed.
    pub relations: Vec<RelationWanted>,
    /// The records that persons are made of.
    pub components: bool,
    pub events: EventsWanted,
    /// Whose members.
    pub audiences: Vec<SegmentId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityWanted {
    pub entity: EntityName,
    /// By name; without any, a profile is told by its number alone.
    pub attributes: BTreeSet<String>,
}

/// A field of an entity, and what it names: `opportunity`, `account_key`, `account`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationWanted {
    pub entity: EntityName,
    pub field: String,
    pub to: EntityName,
    /// A person names the accounts of all its records. False: only the one that survived.
    pub of_all_records: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum EventsWanted {
    #[default]
    None,
    /// Whose they are, when, and of which type.
    Times,
    /// These, too, by name: several times as much to read.
    Attributes(BTreeSet<String>),
}

/// How far a sandbox had come at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cut {
    /// What a record says itself may change without its profile.
    pub records: Seq,
    pub profiles: Seq,
    pub events: Seq,
    /// The newest change of a membership.
    pub moves: Seq,
}

impl Cut {
    /// Whether nothing has changed between the two but members.
    #[must_use]
    pub fn has_data_of(&self, other: &Self) -> bool {
        *self == Self { moves: self.moves, ..*other }
    }
}

/// A record that carries what somebody names, and the profile that it belongs to. Both by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carrier {
    pub record: i64,
    pub profile: i64,
}

/// An event of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventSeen<'a> {
    /// The store's own number of the event.
    pub number: i64,
    pub person: Carrier,
    pub time: Millis,
    pub event_type: &'a str,
}

/// Keys that are looked up at the same moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysWanted {
    pub entity: EntityName,
    pub keys: Vec<String>,
}

/// The part of a sandbox's store that tells all of it, or all that has changed.
pub trait SnapshotStore: Send + Sync {
    /// Tells what is wanted as it is at one moment.
    fn snapshot(&self, wanted: &SnapshotWanted, sink: &mut dyn SnapshotSink) -> Result<()>;

    /// Tells what of it has changed since a cut, as it is at one moment. What was taken away for good, as by an erasure, is
    /// not told.
    fn changed_since(&self, since: Cut, wanted: &SnapshotWanted, sink: &mut dyn ChangeSink) -> Result<()>;
}

/// Takes what is told, in the order of the methods. Numbers of entities, relations and audiences are places in what was
/// wanted.
pub trait SnapshotSink {
    /// False: no more is wanted.
    fn begun(&mut self, cut: Cut) -> bool;

    /// In the order of numbers, by entity.
    fn profile(&mut self, entity: usize, number: i64, attributes: Vec<(String, Value)>);

    /// A profile, by number, names another by a key.
    fn reference(&mut self, relation: usize, from: i64, key: &str, to: Carrier);

    /// A record of a person, who has this number.
    fn component(&mut self, profile: i64, record: StoredRecord);

    /// In any order.
    fn event(&mut self, event: EventSeen<'_>);

    /// In any order, after all events; also of events that were not told.
    fn event_attributes(&mut self, number: i64, attributes: Vec<(String, Value)>);

    /// Keys that events name things by.
    fn keys(&mut self) -> Vec<KeysWanted>;

    /// What a key names: `list` and `key` are places in what `keys` answered.
    fn key(&mut self, list: usize, key: usize, named: Carrier);

    /// In the order of numbers, by audience.
    fn member(&mut self, audience: usize, profile: i64);
}

/// How much has changed since a cut, of what is wanted: each once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changed {
    pub profiles: u64,
    pub events: u64,
}

/// Takes what has changed since a cut, in the order of the methods, as it is now. Numbers of entities, relations and
/// audiences are places in what was wanted.
pub trait ChangeSink {
    /// False: no more is wanted, as where so much has changed that all is better read anew.
    fn begun(&mut self, cut: Cut, changed: Changed) -> bool;

    /// A profile that has changed; `None`: it is no more. In the order of numbers, by entity.
    fn profile(&mut self, entity: usize, number: i64, attributes: Option<Vec<(String, Value)>>);

    /// Who named a profile by a relation at the cut, by number, ascending and each once. Asked for profiles that have
    /// changed, one relation after the other.
    fn referrers(&mut self, relation: usize, to: i64) -> Vec<i64>;

    /// What a profile names by a relation is told anew: it follows.
    fn refers(&mut self, relation: usize, from: i64);

    fn reference(&mut self, relation: usize, from: i64, key: &str, to: Carrier);

    /// Persons of whom a record named an account at the cut, or a match did. Asked for accounts that have changed.
    fn people_of(&mut self, account: i64) -> Vec<i64>;

    /// Persons whose records are to be told, beside those who have changed, or whose records have.
    fn incomplete(&mut self) -> Vec<i64>;

    /// All records of a person, in the order of numbers.
    fn components(&mut self, profile: i64, records: Vec<StoredRecord>);

    /// All events of a person who has changed.
    fn person(&mut self, profile: i64, events: Vec<PersonsEvent>);

    /// Events that persons had at the cut, who do not have them now: whose they are is told next.
    fn strayed(&mut self) -> Vec<i64>;

    /// An event that has changed or strayed, and then its attributes; `None`: it was taken back, or is nobody's.
    fn event(&mut self, number: i64, event: Option<EventSeen<'_>>);

    /// Other events whose attributes are to be told.
    fn unread(&mut self) -> Vec<i64>;

    fn event_attributes(&mut self, number: i64, attributes: Vec<(String, Value)>);

    /// Keys that what was told names things by.
    fn keys(&mut self) -> Option<KeysWanted>;

    /// What a key names: `key` is a place in what `keys` answered.
    fn key(&mut self, key: usize, named: Option<Carrier>);

    /// Keys of records that what was told belongs to.
    fn records(&mut self) -> Option<KeysWanted>;

    /// The record whose own key it is, if that belongs to somebody: `key` is a place in what `records` answered.
    fn record(&mut self, key: usize, own: Option<i64>);

    /// Whether an audience's members at the cut are known: then who came and went since is told first.
    fn knows_members(&mut self, audience: usize) -> bool;

    /// Profiles that came (true) and went since the cut, in the order in which they did; `members`: how many there are now.
    /// False: they do not come to as many, and all are told.
    fn moved(&mut self, audience: usize, moves: Vec<(i64, bool)>, members: u64) -> bool;

    /// All members, in the order of numbers, by audience.
    fn member(&mut self, audience: usize, profile: i64);
}

/// An event of a person who is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonsEvent {
    /// The store's own number of the event.
    pub number: i64,
    pub time: Millis,
    pub event_type: String,
}
