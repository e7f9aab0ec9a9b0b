//! The durable side, shaped by what the product does. Every method that changes something is one transaction and
//! returns when that is durable; after kill -9 everything acknowledged is there, and nothing is half there.
//!
//! Reads are synchronous and short (one snapshot each); a caller that reads much moves off the runtime's threads.

use super::consent::ConsentStore;
use super::privacy::PrivacyStore;
use super::readback::ReadbackStore;
use super::retention::RetentionStore;
use super::tables::TableStore;
use crate::Millis;
use crate::event::EventChange;
use crate::id::{ActivationId, ConnectionId, DeliveryId, ProfileId, RunId, SegmentId};
use crate::identity::{Ask, Identity, Level};
use crate::membership::MembershipCounts;
use crate::model::EntityName;
use crate::page::{Cursor, OutcomeStatus, Reject};
use crate::record::{Body, Presence, RecordChange};
use crate::removal::{Place, Removed};
use crate::stages::StageHistory;
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod account;
mod delivery;
mod document;
mod error;
mod event;
mod mapping;
mod profile;
mod seen;
mod snapshot;

pub use super::control::{AuditEvent, ControlKind, ControlStore, KeptAnswer, KeptRequest};
pub use account::{AccountStore, AccountTask, AccountsCommit, CompanyRow, Derived, DerivedWrite, Due, Side};
pub use delivery::{
    Begin, Begun, Books, Item, ItemOutcome, ItemStatus, LedgerEntry, OpenBatch, OpenRow, QueuedMember, Reason,
    Reconcile, RefusalFilter, Refused, TargetKey, Wanted,
};
pub use document::{Document, DocumentWrite, Expect, Kind};
pub use error::{Result, StoreError};
pub use event::{EventPlace, Order, StoredEvent};
pub use mapping::{FieldError, Sighting, StreamMove};
pub use profile::{Found, FoundPlace, Profile, ProfileWrite, Reference, Referred, Relation};
pub use seen::SeenStore;
pub use snapshot::{
    Carrier, ChangeSink, Changed, Cut, EntityWanted, EventSeen, EventsWanted, KeysWanted, PersonsEvent, RelationWanted,
    SnapshotSink, SnapshotStore, SnapshotWanted,
};

/// A position in a sandbox's sequence of accepted changes. 0 is before the first.
pub type Seq = u64;

// Records.

/// Where a stream of a connection stands.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamState {
    pub cursor: Cursor,
    /// False: caught up when this was committed.
    pub more: bool,
}

/// One page, committed as a whole: records, rejects, cursor and the run's progress.
#[derive(Debug, Clone)]
pub struct PageCommit {
    pub connection: ConnectionId,
    pub stream: String,
    /// What the stream's records are of, by its mapping; `None`: it has none, and they are apart from all others.
    pub entity: Option<EntityName>,
    pub run: RunId,
    pub records: Vec<RecordChange>,
    /// Of a stream of events, which has no records.
    pub events: Vec<EventChange>,
    /// Stages that opportunities were seen in.
    pub stages: Vec<Sighting>,
    /// What the mapping could not make of the events.
    pub errors: Vec<FieldError>,
    pub rejects: Vec<Reject>,
    /// Where the stream stands after it; `None`: where it stood, for what is read beside.
    pub state: Option<StreamState>,
    /// What it finds is noted, until `forget_seen`.
    pub notes_seen: bool,
    /// The run's document, as it is after this page.
    pub document: PageDocument,
    pub now: Millis,
}

/// Makes the run's document of what the page's rows did, inside the page's transaction.
#[derive(Clone)]
pub struct PageDocument(pub std::sync::Arc<dyn Fn(PageCommitted) -> Option<DocumentWrite> + Send + Sync>);

impl std::fmt::Debug for PageDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PageDocument")
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageCommitted {
    pub changed: u64,
    pub unchanged: u64,
    /// Something newer was known.
    pub stale: u64,
    pub rejected: u64,
    /// The newest sequence number.
    pub seq: Seq,
}

#[derive(Debug, Clone, PartialEq)]
pub struct StoredRecord {
    /// The store's own number of the record.
    pub number: i64,
    /// What it is a record of; `None`: its stream has no mapping. The key names one record of each entity.
    pub entity: Option<EntityName>,
    pub source_key: String,
    pub connection: ConnectionId,
    pub stream: String,
    pub body: Body,
    /// The profile it belongs to, once projected.
    pub profile: Option<ProfileId>,
    /// How many records that profile has.
    pub profile_records: u32,
    /// Which identities join it, once projected: fewer, where too many records hang together.
    pub level: Level,
}

// Projection.

/// What a change is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Feed {
    /// A record was added, changed, deleted; `subject` is its number.
    Records,
    /// A profile was added, changed, removed; `subject` is its number.
    Profiles,
    /// An event was added, changed, taken back; `subject` is its number.
    Events,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    pub seq: Seq,
    pub subject: i64,
}

/// A record's place in the identity graph.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordLink {
    pub record: i64,
    /// Empty for a record that is gone.
    pub identities: Vec<Identity>,
    /// `None` for a record that is gone.
    pub profile: Option<ProfileId>,
    pub level: Level,
}

/// One step of the profile projector. A profile whose attributes, references and number of records are what they were is
/// not a change.
#[derive(Debug, Clone, Default)]
pub struct ProfileCommit {
    /// The projector has dealt with all record changes up to here.
    pub upto: Seq,
    pub links: Vec<RecordLink>,
    pub profiles: Vec<ProfileWrite>,
    /// Profiles that are no more, and who took their place.
    pub removed: Vec<(ProfileId, Option<ProfileId>)>,
    /// What mappings could not make of the records.
    pub errors: Vec<FieldError>,
    pub now: Millis,
}

/// What the profile projector is to look at again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reconsider {
    All,
    /// Of an entity, by source key; those that are not there are passed over.
    Records(EntityName, Vec<String>),
    /// All records of these streams; what they are of is set. Errors of their mapping are counted from 0 again.
    Streams(Vec<StreamMove>),
}

// Membership.

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MembershipStatus {
    Realized,
    Exited,
}

#[derive(Debug, Clone, PartialEq)]
pub struct MembershipChange {
    pub segment: SegmentId,
    /// The profile's number.
    pub profile: i64,
    pub status: MembershipStatus,
}

/// When a membership is to be looked at again although nothing has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipDue {
    /// `None`: every segment that is evaluated in streaming.
    pub segment: Option<SegmentId>,
    /// The profile's number.
    pub profile: i64,
    pub at: Millis,
}

impl MembershipDue {
    /// By every segment that is evaluated in streaming.
    #[must_use]
    pub fn of_all(profile: i64, at: Millis) -> Self {
        Self { segment: None, profile, at }
    }
}

/// One step of the segment projector, one chunk of the evaluation of a new segment, or one of a batch evaluation.
#[derive(Debug, Clone, Default)]
pub struct MembershipCommit {
    /// The cursors that move, and how far: `segments`, `segments-events`, or those of first evaluations.
    pub cursors: Vec<(String, u64)>,
    /// Why: `change`, `event`, `time`, `definition`, or the id of a batch evaluation.
    pub cause: String,
    pub changes: Vec<MembershipChange>,
    /// Profiles of whom nothing is due any more but what `due` says.
    pub looked_at: Vec<i64>,
    /// The same, for one segment alone.
    pub looked_at_by: Vec<(SegmentId, i64)>,
    /// In place of what was due for the same segment and profile.
    pub due: Vec<MembershipDue>,
    /// Where one is not as expected, nothing is committed.
    pub documents: Vec<(DocumentWrite, Expect)>,
    pub now: Millis,
}

/// Who became a member or ceased to be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipEvent {
    /// Rises with every change of any membership.
    pub number: i64,
    pub segment: SegmentId,
    pub profile: ProfileId,
    pub status: MembershipStatus,
    pub at: Millis,
    pub cause: String,
}

/// Which history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HistoryOf {
    Segment(SegmentId),
    /// The profile's number.
    Profile(i64),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    pub profile: ProfileId,
    /// When it entered.
    pub since: Millis,
}

/// A sandbox's store.
#[async_trait]
pub trait SandboxStore:
    AccountStore + ConsentStore + PrivacyStore + ReadbackStore + RetentionStore + SeenStore + SnapshotStore + TableStore
{
    // Documents.
    fn document(&self, kind: Kind, id: &str) -> Result<Option<Document>>;
    /// In the order of ids, after `after`.
    fn documents(&self, kind: Kind, after: Option<&str>, limit: usize) -> Result<Vec<Document>>;
    /// Returns the new version.
    async fn put_document(&self, write: DocumentWrite, expect: Expect) -> Result<u64>;
    async fn delete_document(&self, kind: Kind, id: &str, expect: Expect) -> Result<()>;

    // Records.
    fn stream_state(&self, connection: &ConnectionId, stream: &str) -> Result<Option<StreamState>>;
    /// All streams a connection has read, by name.
    fn stream_states(&self, connection: &ConnectionId) -> Result<Vec<(String, StreamState)>>;
    /// What older versions of the plugin had of a stream, oldest state version first: kept by `commit_page` when a page's
    /// state has a newer version than the stored one, until so many pages came after it
    /// (`plugin::state::PAGES_UNTIL_SETTLED`).
    fn states_before(&self, connection: &ConnectionId, stream: &str) -> Result<Vec<StreamState>>;
    /// Whether a stream's records are of this entity, or there are none yet.
    fn stream_is_of(&self, connection: &ConnectionId, stream: &str, entity: Option<&EntityName>) -> Result<bool>;
    /// Where the stream's records were of another entity until now, they become this one's: then no step of the profile
    /// projector may be under way.
    async fn commit_page(&self, page: PageCommit) -> Result<PageCommitted>;
    fn record(&self, entity: &EntityName, source_key: &str) -> Result<Option<StoredRecord>>;
    fn records_by_number(&self, numbers: &[i64]) -> Result<Vec<StoredRecord>>;
    /// In the order of numbers, after `after`.
    fn records_of_stream(
        &self,
        connection: &ConnectionId,
        stream: &str,
        after: i64,
        limit: usize,
    ) -> Result<Vec<StoredRecord>>;
    /// What the mappings of a connection's streams could not make, by stream and field.
    fn mapping_errors(&self, connection: &ConnectionId) -> Result<Vec<FieldError>>;
    /// The stages that the records of an opportunity were seen in.
    fn stage_history(&self, profile: i64) -> Result<StageHistory>;
    /// How many records and events a stream has.
    fn stream_size(&self, connection: &ConnectionId, stream: &str) -> Result<(u64, u64)>;
    /// Takes back the next of what a stream brought; profiles that lose records are told as changed, or are gone. No page
    /// may be committed and no step of the profile projector be under way.
    async fn remove_of_stream(
        &self,
        connection: &ConnectionId,
        stream: &str,
        place: Place,
        limit: usize,
        now: Millis,
    ) -> Result<Removed>;
    /// Forgets where a stream stands. It has nothing any more.
    async fn forget_stream(&self, connection: &ConnectionId, stream: &str) -> Result<()>;
    /// Forgets what a connection's runs could not take.
    async fn forget_rejects(&self, connection: &ConnectionId) -> Result<()>;
    /// A run's rejects in the order they came; `after` is the number returned with the last one.
    fn rejects(&self, run: &RunId, after: u64, limit: usize) -> Result<Vec<(u64, Reject)>>;

    // Projection.
    /// Changes after `after` in order; of several changes of one subject the newest is listed, and perhaps others.
    fn changes(&self, feed: Feed, after: Seq, limit: usize) -> Result<Vec<Change>>;
    fn projector_cursor(&self, projector: &str) -> Result<u64>;
    /// The newest sequence number of a feed.
    fn newest(&self, feed: Feed) -> Result<Seq>;
    /// Numbers of the entity's records that carry each identity, in the order asked for; of more than the most, any of
    /// them.
    fn records_with(&self, entity: &EntityName, asks: &[Ask]) -> Result<Vec<Vec<i64>>>;
    /// The identities stored for each of these records, in the order asked for.
    fn identities_of(&self, records: &[i64]) -> Result<Vec<Vec<Identity>>>;
    /// Numbers of the records that make up a profile.
    fn records_of(&self, profile: &ProfileId) -> Result<Vec<i64>>;
    /// Moves the cursor `profiles`.
    async fn commit_profiles(&self, commit: ProfileCommit) -> Result<()>;
    /// Writes and deletes documents on which profiles hang, and has the profile projector look at records again: all in
    /// one transaction. No step of the projector may be under way.
    async fn reconsider(
        &self,
        writes: Vec<(DocumentWrite, Expect)>,
        deletes: Vec<(Kind, String)>,
        what: Reconsider,
        now: Millis,
    ) -> Result<()>;
    /// Numbers of an entity's records, in rising order, after `after`.
    fn record_numbers(&self, entity: &EntityName, after: i64, limit: usize) -> Result<Vec<i64>>;

    // Profiles. An id that was merged away answers with the profile that took its place.
    fn profile(&self, id: &ProfileId) -> Result<Option<Profile>>;
    /// Whether each is the id of a profile there is, in the order asked for. One that redirects or is gone is not.
    fn profiles_exist(&self, ids: &[ProfileId]) -> Result<Vec<bool>>;
    fn profile_by_identity(&self, entity: &EntityName, identity: &Identity) -> Result<Option<Profile>>;
    fn profiles_by_number(&self, numbers: &[i64]) -> Result<Vec<Profile>>;
    /// Of an entity, in the order of numbers, after `after`.
    fn profiles(&self, entity: &EntityName, after: i64, limit: usize) -> Result<Vec<Profile>>;
    /// Those that a limit keeps records out of, in the order of numbers, after `after`.
    fn degraded_profiles(&self, entity: &EntityName, after: i64, limit: usize) -> Result<Vec<Profile>>;
    fn count_profiles(&self, entity: &EntityName) -> Result<u64>;
    fn presence(&self, entity: &EntityName, source_key: &str) -> Result<Option<Presence>>;
    /// What each of these profiles refers to, in the order asked for; of each, with the profile that each key names now.
    fn references(&self, profiles: &[i64]) -> Result<Vec<Vec<Referred>>>;
    /// Numbers of the profiles that refer to this one by a relation, in rising order, after `after`. Both ways agree:
    /// whoever is answered here refers to it there.
    fn referrers(&self, profile: i64, relation: &Relation, after: i64, limit: usize) -> Result<Vec<i64>>;

    /// Of an entity, those whose name begins so, in the order of their terms (`model::search`), after `after`.
    fn profiles_named(
        &self,
        entity: &EntityName,
        prefix: &str,
        after: Option<&FoundPlace>,
        limit: usize,
    ) -> Result<Vec<Found>>;
    /// Of an entity, those with an identity whose value begins so, in the order of values, after `after`. A record's own
    /// source key is not looked at.
    fn profiles_identified(
        &self,
        entity: &EntityName,
        namespace: &str,
        prefix: &str,
        after: Option<&FoundPlace>,
        limit: usize,
    ) -> Result<Vec<Found>>;

    // Events. Whose an event is is looked up when it is asked: a merge or a split of persons rewrites none.
    /// A person's events by time, after `after`; each once, by whichever of the person's records it is found.
    fn events_of(
        &self,
        profile: i64,
        after: Option<EventPlace>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<StoredEvent>>;
    /// How many events a person has.
    fn count_events(&self, profile: i64) -> Result<u64>;
    /// In the order asked for; events that were taken back are left out.
    fn events_by_number(&self, numbers: &[i64]) -> Result<Vec<StoredEvent>>;

    // Membership.
    /// Segments that each of these profiles is a member of now, in the order asked for.
    fn memberships(&self, profiles: &[i64]) -> Result<Vec<Vec<SegmentId>>>;
    async fn commit_memberships(&self, commit: MembershipCommit) -> Result<()>;
    /// Memberships that are due at `now`, the oldest first; each profile once.
    fn due_memberships(&self, now: Millis, limit: usize) -> Result<Vec<i64>>;
    /// When the next is due.
    fn next_due_membership(&self) -> Result<Option<Millis>>;
    /// Newest first, before `before`.
    fn membership_history(&self, of: &HistoryOf, before: Option<i64>, limit: usize) -> Result<Vec<MembershipEvent>>;
    /// How many are members of both.
    fn count_common_members(&self, one: &SegmentId, other: &SegmentId) -> Result<u64>;
    /// Members now, in the order of profile numbers, after `after`; with each profile's number.
    fn members(&self, segment: &SegmentId, after: i64, limit: usize) -> Result<Vec<(i64, Member)>>;
    fn count_members(&self, segment: &SegmentId) -> Result<u64>;
    /// Since when each of these profiles is a member, in the order asked for; `None`: it is none.
    fn members_since(&self, segment: &SegmentId, profiles: &[i64]) -> Result<Vec<Option<Millis>>>;
    /// How many are members, how many of them entered since `new_since` and how often somebody left since, and what moved
    /// day by day from `from` on, as far back as history is kept.
    fn membership_counts(&self, segment: &SegmentId, new_since: Millis, from: Millis) -> Result<MembershipCounts>;

    // Targets that keep their members.
    /// The id by which the destination knows the target; `id` becomes it for a new one.
    async fn make_target(&self, key: TargetKey, id: String) -> Result<String>;
    /// As `make_target`, of a target there is.
    fn target(&self, key: &TargetKey) -> Result<Option<String>>;
    /// Whether anybody is in a target, or may be, for all that the destination has answered.
    fn has_members(&self, target: &str) -> Result<bool>;
    /// Members of a target, in the order of profile numbers, after `after`; with each profile's number.
    fn ledger(&self, target: &str, after: i64, limit: usize) -> Result<Vec<(i64, LedgerEntry)>>;
    /// Members of a target that are not as they should be; as `ledger`.
    fn refused(&self, target: &str, filter: &RefusalFilter, after: i64, limit: usize) -> Result<Vec<(i64, Refused)>>;
    /// Has members that were refused sent again by the next delivery, as they then are. Returns how many.
    async fn replay(&self, target: &str, filter: RefusalFilter) -> Result<u64>;

    // Deliveries.
    /// Queues whom the delivery is about; writes its document. Without `reconcile` they are in the order of profile ids; with
    /// it leavers come first, and each part is in the order of profile numbers.
    /// Without `reconcile` these are the members of the segment, as they are now. With it, those of whom what is wanted
    /// and what was acknowledged may differ; and what is wanted is written down.
    /// Repeated for the same delivery it changes nothing.
    /// What the vendor called the members of the target in earlier deliveries comes with them.
    async fn begin_delivery(&self, begin: Begin) -> Result<Begun>;
    /// Whether anybody of an activation's audience or target has entered, left, changed or come due since its last
    /// delivery. Profile changes up to `looked` are known to concern nobody; with the answer, up to where that is so now.
    fn is_stirred(&self, of: &ActivationId, segment: &SegmentId, looked: Seq, now: Millis) -> Result<(bool, Seq)>;
    /// Queued members from `first` on, with their profiles as they are now.
    fn queued(&self, delivery: &DeliveryId, first: u64, limit: usize) -> Result<Vec<QueuedMember>>;
    /// Whom a delivery's target holds under one of these names of the vendor's; with the name.
    fn holders(&self, delivery: &DeliveryId, names: &[String]) -> Result<Vec<(String, ProfileId)>>;
    /// Keeps a batch until it is closed, and settles the members that are not sent at all. What is in it is unsure from
    /// now on.
    async fn open_batch(&self, delivery: &DeliveryId, batch: OpenBatch, settled: Vec<ItemOutcome>) -> Result<()>;
    fn opened_batch(&self, delivery: &DeliveryId) -> Result<Option<OpenBatch>>;
    /// Settles the members of a part of the open batch; `rest` stays open.
    async fn close_part(
        &self,
        delivery: &DeliveryId,
        settled: Vec<ItemOutcome>,
        rest: OpenBatch,
        now: Millis,
    ) -> Result<()>;
    /// Forgets the open batch, if any, and settles its members, in the ledger as well; writes the delivery's document.
    async fn close_batch(
        &self,
        delivery: &DeliveryId,
        settled: Vec<ItemOutcome>,
        document: DocumentWrite,
        now: Millis,
    ) -> Result<()>;
    /// Every pending member becomes `become_status`, but for the exceptions; writes the delivery's document.
    async fn settle_pending(
        &self,
        delivery: &DeliveryId,
        become_status: OutcomeStatus,
        exceptions: Vec<(ProfileId, ItemOutcome)>,
        document: DocumentWrite,
        now: Millis,
    ) -> Result<()>;
    /// The delivery has ended before its time: every member that is queued or pending gets this outcome (its position
    /// is not read); forgets the open batch, if any; writes the delivery's document.
    async fn settle_rest(&self, delivery: &DeliveryId, outcome: ItemOutcome, document: DocumentWrite) -> Result<()>;
    /// A delivery without a ledger reads profiles as they were when it began; from now on it does not.
    async fn end_whole(&self, delivery: &DeliveryId) -> Result<()>;
    fn books(&self, delivery: &DeliveryId) -> Result<Books>;
    /// The books by reason.
    fn reasons(&self, delivery: &DeliveryId) -> Result<Vec<Reason>>;
    /// Members of a delivery from position `first` on, all or those with one status.
    fn items(&self, delivery: &DeliveryId, status: Option<ItemStatus>, first: u64, limit: usize) -> Result<Vec<Item>>;
}
