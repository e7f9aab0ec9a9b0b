//! A sandbox's store: one file per part of the port, each a set of functions over a connection. Writes run in the
//! writer's transaction, reads in a snapshot.

mod accounts;
mod audience;
mod changed;
mod consents;
mod copy;
mod counter;
mod deliveries;
mod derived;
mod difference;
mod due;
mod entities;
mod events;
mod field_errors;
mod json;
mod kinds;
mod ledger;
mod links;
mod memberships;
mod privacy;
mod profiles;
mod projection;
mod readback;
mod records;
mod references;
mod removal;
mod retention;
mod search;
mod seen;
mod snapshot;
mod spaces;
mod stages;
mod stirred;
mod streams;
mod tables;
mod timeline;

use crate::database::{Database, Options};
use crate::documents;
use crate::failure::Outcome;
use crate::migration::Schema;
use async_trait::async_trait;
use attiva_core::Millis;
use attiva_core::id::{ActivationId, ConnectionId, DeliveryId, ProfileId, RunId, SegmentId};
use attiva_core::identity::{Ask, Identity};
use attiva_core::membership::MembershipCounts;
use attiva_core::model::EntityName;
use attiva_core::page::{OutcomeStatus, Reject};
use attiva_core::ports::store::{
    Begin, Begun, Books, Change, Document, DocumentWrite, EventPlace, Expect, Feed, FieldError, Found, FoundPlace,
    HistoryOf, Item, ItemOutcome, ItemStatus, Kind, LedgerEntry, Member, MembershipCommit, MembershipEvent, OpenBatch,
    Order, PageCommit, PageCommitted, Profile, ProfileCommit, QueuedMember, Reason, Reconsider, Referred,
    RefusalFilter, Refused, Relation, Result, SandboxStore, Seq, StoreError, StoredEvent, StoredRecord, StreamState,
    TargetKey,
};
use attiva_core::record::Presence;
use attiva_core::removal::{Place, Removed};
use attiva_core::stages::StageHistory;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;

use kinds::name;

const SCHEMA: Schema = Schema {
    application: 0x4174_0001,
    steps: &[
        include_str!("schema/sandbox-1.sql"),
        include_str!("schema/sandbox-2.sql"),
        include_str!("schema/sandbox-3.sql"),
        include_str!("schema/sandbox-4.sql"),
        include_str!("schema/sandbox-5.sql"),
        include_str!("schema/sandbox-6.sql"),
        include_str!("schema/sandbox-7.sql"),
        include_str!("schema/sandbox-8.sql"),
        include_str!("schema/sandbox-9.sql"),
        include_str!("schema/sandbox-10.sql"),
        include_str!("schema/sandbox-11.sql"),
        include_str!("schema/sandbox-12.sql"),
        include_str!("schema/sandbox-13.sql"),
        include_str!("schema/sandbox-14.sql"),
        include_str!("schema/sandbox-15.sql"),
        include_str!("schema/sandbox-16.sql"),
        include_str!("schema/sandbox-17.sql"),
        include_str!("schema/sandbox-18.sql"),
    ],
};

/// A sandbox's store in SQLite.
pub struct Sandbox {
    database: Database,
}

impl Sandbox {
    /// Opens `<directory>/store.db`, making it as needed.
    ///
    /// # Errors
    /// `InUse` while another process (or another `Sandbox`) has it open, `Unusable` for a directory that can't be
    /// written, `TooNew` and `Corrupt` for a file that this version can't read.
    pub fn open(directory: &Path, options: &Options) -> Result<Arc<Self>> {
        Ok(Arc::new(Self { database: Database::open(directory, "store", &SCHEMA, options)? }))
    }
}

#[async_trait]
impl SandboxStore for Sandbox {
    fn document(&self, kind: Kind, id: &str) -> Result<Option<Document>> {
        self.database.read(|connection| documents::get(connection, name(kind), id))
    }

    fn documents(&self, kind: Kind, after: Option<&str>, limit: usize) -> Result<Vec<Document>> {
        self.database.read(|connection| documents::list(connection, name(kind), after, limit))
    }

    async fn put_document(&self, write: DocumentWrite, expect: Expect) -> Result<u64> {
        self.database.write(move |connection| put(connection, &write, expect)).await
    }

    async fn delete_document(&self, kind: Kind, id: &str, expect: Expect) -> Result<()> {
        let id = id.to_owned();
        self.database.write(move |connection| delete(connection, kind, &id, expect)).await
    }

    fn stream_state(&self, connection: &ConnectionId, stream: &str) -> Result<Option<StreamState>> {
        self.database.read(|sqlite| streams::state(sqlite, connection, stream))
    }

    fn stream_states(&self, connection: &ConnectionId) -> Result<Vec<(String, StreamState)>> {
        self.database.read(|sqlite| streams::states(sqlite, connection))
    }

    fn states_before(&self, connection: &ConnectionId, stream: &str) -> Result<Vec<StreamState>> {
        self.database.read(|sqlite| streams::states_before(sqlite, connection, stream))
    }

    fn stream_is_of(&self, connection: &ConnectionId, stream: &str, entity: Option<&EntityName>) -> Result<bool> {
        self.database.read(|sqlite| entities::stream_is_of(sqlite, connection, stream, entity))
    }

    async fn commit_page(&self, page: PageCommit) -> Result<PageCommitted> {
        let page = records::prepare(page).map_err(StoreError::from)?;
        self.database.write(move |connection| records::commit(connection, page)).await
    }

    fn record(&self, entity: &EntityName, source_key: &str) -> Result<Option<StoredRecord>> {
        self.database.read(|connection| records::by_source_key(connection, entity, source_key))
    }

    fn records_by_number(&self, numbers: &[i64]) -> Result<Vec<StoredRecord>> {
        self.database.read(|connection| records::by_number(connection, numbers))
    }

    fn records_of_stream(
        &self,
        connection: &ConnectionId,
        stream: &str,
        after: i64,
        limit: usize,
    ) -> Result<Vec<StoredRecord>> {
        self.database.read(|sqlite| records::of_stream(sqlite, connection, stream, after, limit))
    }

    fn mapping_errors(&self, connection: &ConnectionId) -> Result<Vec<FieldError>> {
        self.database.read(|sqlite| field_errors::list(sqlite, connection))
    }

    fn stage_history(&self, profile: i64) -> Result<StageHistory> {
        self.database.read(|connection| stages::of_profile(connection, profile))
    }

    fn stream_size(&self, connection: &ConnectionId, stream: &str) -> Result<(u64, u64)> {
        self.database.read(|sqlite| removal::size(sqlite, connection, stream))
    }

    async fn remove_of_stream(
        &self,
        connection: &ConnectionId,
        stream: &str,
        place: Place,
        limit: usize,
        now: Millis,
    ) -> Result<Removed> {
        let (connection, stream) = (connection.clone(), stream.to_owned());
        self.database.write(move |sqlite| removal::remove(sqlite, &connection, &stream, place, limit, now)).await
    }

    async fn forget_stream(&self, connection: &ConnectionId, stream: &str) -> Result<()> {
        let (connection, stream) = (connection.clone(), stream.to_owned());
        self.database.write(move |sqlite| removal::forget(sqlite, &connection, &stream)).await
    }

    async fn forget_rejects(&self, connection: &ConnectionId) -> Result<()> {
        let connection = connection.clone();
        self.database.write(move |sqlite| removal::forget_rejects(sqlite, &connection)).await
    }

    fn rejects(&self, run: &RunId, after: u64, limit: usize) -> Result<Vec<(u64, Reject)>> {
        self.database.read(|connection| records::rejects(connection, run, after, limit))
    }

    fn changes(&self, feed: Feed, after: Seq, limit: usize) -> Result<Vec<Change>> {
        self.database.read(|connection| projection::changes(connection, feed, after, limit))
    }

    fn projector_cursor(&self, projector: &str) -> Result<u64> {
        self.database.read(|connection| projection::cursor(connection, projector))
    }

    fn newest(&self, feed: Feed) -> Result<Seq> {
        self.database.read(|connection| projection::newest(connection, feed))
    }

    fn records_with(&self, entity: &EntityName, asks: &[Ask]) -> Result<Vec<Vec<i64>>> {
        self.database.read(|connection| links::records_with(connection, entity, asks))
    }

    fn identities_of(&self, records: &[i64]) -> Result<Vec<Vec<Identity>>> {
        self.database.read(|connection| links::identities_of(connection, records))
    }

    fn records_of(&self, profile: &ProfileId) -> Result<Vec<i64>> {
        self.database.read(|connection| links::records_of(connection, profile))
    }

    async fn commit_profiles(&self, commit: ProfileCommit) -> Result<()> {
        let commit = projection::prepare(commit).map_err(StoreError::from)?;
        self.database.write(move |connection| projection::commit(connection, &commit)).await
    }

    async fn reconsider(
        &self,
        writes: Vec<(DocumentWrite, Expect)>,
        deletes: Vec<(Kind, String)>,
        what: Reconsider,
        now: Millis,
    ) -> Result<()> {
        let work = move |connection: &Connection| {
            for (write, expect) in &writes {
                put(connection, write, *expect)?;
            }
            for (kind, id) in &deletes {
                delete(connection, *kind, id, Expect::Anything)?;
            }
            projection::reconsider(connection, &what, now)
        };
        self.database.write(work).await
    }

    fn record_numbers(&self, entity: &EntityName, after: i64, limit: usize) -> Result<Vec<i64>> {
        self.database.read(|connection| records::numbers(connection, entity, after, limit))
    }

    fn profile(&self, id: &ProfileId) -> Result<Option<Profile>> {
        self.database.read(|connection| profiles::by_id(connection, id))
    }

    fn profiles_exist(&self, ids: &[ProfileId]) -> Result<Vec<bool>> {
        self.database.read(|connection| profiles::exist(connection, ids))
    }

    fn profile_by_identity(&self, entity: &EntityName, identity: &Identity) -> Result<Option<Profile>> {
        self.database.read(|connection| profiles::by_identity(connection, entity, identity))
    }

    fn profiles_by_number(&self, numbers: &[i64]) -> Result<Vec<Profile>> {
        self.database.read(|connection| profiles::by_number(connection, numbers))
    }

    fn profiles(&self, entity: &EntityName, after: i64, limit: usize) -> Result<Vec<Profile>> {
        self.database.read(|connection| profiles::list(connection, entity, after, limit))
    }

    fn degraded_profiles(&self, entity: &EntityName, after: i64, limit: usize) -> Result<Vec<Profile>> {
        self.database.read(|connection| profiles::list_degraded(connection, entity, after, limit))
    }

    fn count_profiles(&self, entity: &EntityName) -> Result<u64> {
        self.database.read(|connection| entities::profiles(connection, entity))
    }

    fn presence(&self, entity: &EntityName, source_key: &str) -> Result<Option<Presence>> {
        self.database.read(|connection| records::presence(connection, entity, source_key))
    }

    fn references(&self, profiles: &[i64]) -> Result<Vec<Vec<Referred>>> {
        self.database.read(|connection| references::of_profiles(connection, profiles))
    }

    fn referrers(&self, profile: i64, relation: &Relation, after: i64, limit: usize) -> Result<Vec<i64>> {
        self.database.read(|connection| references::referrers(connection, profile, relation, after, limit))
    }

    fn profiles_named(
        &self,
        entity: &EntityName,
        prefix: &str,
        after: Option<&FoundPlace>,
        limit: usize,
    ) -> Result<Vec<Found>> {
        self.database.read(|connection| search::by_name(connection, entity, prefix, after, limit))
    }

    fn profiles_identified(
        &self,
        entity: &EntityName,
        namespace: &str,
        prefix: &str,
        after: Option<&FoundPlace>,
        limit: usize,
    ) -> Result<Vec<Found>> {
        self.database.read(|connection| search::by_identity(connection, entity, namespace, prefix, after, limit))
    }

    fn events_of(
        &self,
        profile: i64,
        after: Option<EventPlace>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<StoredEvent>> {
        self.database.read(|connection| timeline::of_profile(connection, profile, after, order, limit))
    }

    fn count_events(&self, profile: i64) -> Result<u64> {
        self.database.read(|connection| timeline::count(connection, profile))
    }

    fn events_by_number(&self, numbers: &[i64]) -> Result<Vec<StoredEvent>> {
        self.database.read(|connection| timeline::by_number(connection, numbers))
    }

    fn memberships(&self, profiles: &[i64]) -> Result<Vec<Vec<SegmentId>>> {
        self.database.read(|connection| memberships::of_profiles(connection, profiles))
    }

    async fn commit_memberships(&self, commit: MembershipCommit) -> Result<()> {
        self.database.write(move |connection| memberships::commit(connection, &commit)).await
    }

    fn due_memberships(&self, now: Millis, limit: usize) -> Result<Vec<i64>> {
        self.database.read(|connection| due::at(connection, now, limit))
    }

    fn next_due_membership(&self) -> Result<Option<Millis>> {
        self.database.read(due::next)
    }

    fn membership_history(&self, of: &HistoryOf, before: Option<i64>, limit: usize) -> Result<Vec<MembershipEvent>> {
        self.database.read(|connection| memberships::history(connection, of, before, limit))
    }

    fn count_common_members(&self, one: &SegmentId, other: &SegmentId) -> Result<u64> {
        self.database.read(|connection| memberships::count_common(connection, one, other))
    }

    fn members(&self, segment: &SegmentId, after: i64, limit: usize) -> Result<Vec<(i64, Member)>> {
        self.database.read(|connection| memberships::members(connection, segment, after, limit))
    }

    fn count_members(&self, segment: &SegmentId) -> Result<u64> {
        self.database.read(|connection| memberships::count(connection, segment))
    }

    fn members_since(&self, segment: &SegmentId, profiles: &[i64]) -> Result<Vec<Option<Millis>>> {
        self.database.read(|connection| memberships::since(connection, segment, profiles))
    }

    fn membership_counts(&self, segment: &SegmentId, new_since: Millis, from: Millis) -> Result<MembershipCounts> {
        self.database.read(|connection| memberships::counts(connection, segment, new_since, from))
    }

    async fn make_target(&self, key: TargetKey, id: String) -> Result<String> {
        self.database.write(move |connection| ledger::make_target(connection, &key, &id)).await
    }

    fn target(&self, key: &TargetKey) -> Result<Option<String>> {
        self.database.read(|connection| ledger::find_target(connection, key))
    }

    fn has_members(&self, target: &str) -> Result<bool> {
        self.database.read(|connection| ledger::has_members(connection, target))
    }

    fn ledger(&self, target: &str, after: i64, limit: usize) -> Result<Vec<(i64, LedgerEntry)>> {
        self.database.read(|connection| ledger::list(connection, target, after, limit))
    }

    fn refused(&self, target: &str, filter: &RefusalFilter, after: i64, limit: usize) -> Result<Vec<(i64, Refused)>> {
        self.database.read(|connection| ledger::refused(connection, target, filter, after, limit))
    }

    async fn replay(&self, target: &str, filter: RefusalFilter) -> Result<u64> {
        let target = target.to_owned();
        self.database.write(move |connection| ledger::replay(connection, &target, &filter)).await
    }

    async fn begin_delivery(&self, begin: Begin) -> Result<Begun> {
        self.database.write(move |sqlite| deliveries::begin(sqlite, &begin)).await
    }

    fn is_stirred(&self, of: &ActivationId, segment: &SegmentId, looked: Seq, now: Millis) -> Result<(bool, Seq)> {
        self.database.read(|connection| stirred::is_stirred(connection, of, segment, looked, now))
    }

    fn queued(&self, delivery: &DeliveryId, first: u64, limit: usize) -> Result<Vec<QueuedMember>> {
        self.database.read(|connection| deliveries::queued(connection, delivery, first, limit))
    }

    fn holders(&self, delivery: &DeliveryId, names: &[String]) -> Result<Vec<(String, ProfileId)>> {
        self.database.read(|connection| ledger::holders(connection, delivery, names))
    }

    async fn open_batch(&self, delivery: &DeliveryId, batch: OpenBatch, settled: Vec<ItemOutcome>) -> Result<()> {
        let delivery = delivery.clone();
        self.database.write(move |connection| deliveries::open_batch(connection, &delivery, &batch, &settled)).await
    }

    fn opened_batch(&self, delivery: &DeliveryId) -> Result<Option<OpenBatch>> {
        self.database.read(|connection| deliveries::opened_batch(connection, delivery))
    }

    async fn close_part(
        &self,
        delivery: &DeliveryId,
        settled: Vec<ItemOutcome>,
        rest: OpenBatch,
        now: Millis,
    ) -> Result<()> {
        let delivery = delivery.clone();
        self.database.write(move |connection| deliveries::close_part(connection, &delivery, &settled, &rest, now)).await
    }

    async fn close_batch(
        &self,
        delivery: &DeliveryId,
        settled: Vec<ItemOutcome>,
        document: DocumentWrite,
        now: Millis,
    ) -> Result<()> {
        let delivery = delivery.clone();
        let work =
            move |connection: &Connection| deliveries::close_batch(connection, &delivery, &settled, &document, now);
        self.database.write(work).await
    }

    async fn settle_pending(
        &self,
        delivery: &DeliveryId,
        become_status: OutcomeStatus,
        exceptions: Vec<(ProfileId, ItemOutcome)>,
        document: DocumentWrite,
        now: Millis,
    ) -> Result<()> {
        let delivery = delivery.clone();
        let work = move |connection: &Connection| {
            deliveries::settle_pending(connection, &delivery, become_status, &exceptions, &document, now)
        };
        self.database.write(work).await
    }

    async fn settle_rest(&self, delivery: &DeliveryId, outcome: ItemOutcome, document: DocumentWrite) -> Result<()> {
        let delivery = delivery.clone();
        let work = move |connection: &Connection| deliveries::settle_rest(connection, &delivery, &outcome, &document);
        self.database.write(work).await
    }

    async fn end_whole(&self, delivery: &DeliveryId) -> Result<()> {
        let delivery = delivery.clone();
        self.database.write(move |connection| deliveries::end_whole(connection, &delivery)).await
    }

    fn books(&self, delivery: &DeliveryId) -> Result<Books> {
        self.database.read(|connection| deliveries::books(connection, delivery))
    }

    fn reasons(&self, delivery: &DeliveryId) -> Result<Vec<Reason>> {
        self.database.read(|connection| deliveries::reasons(connection, delivery))
    }

    fn items(&self, delivery: &DeliveryId, status: Option<ItemStatus>, first: u64, limit: usize) -> Result<Vec<Item>> {
        self.database.read(|connection| deliveries::items(connection, delivery, status, first, limit))
    }
}

fn put(connection: &Connection, write: &DocumentWrite, expect: Expect) -> Outcome<u64> {
    documents::put(connection, name(write.kind), &write.id, &write.body, expect)
}

/// A document takes with it what hangs on it alone.
fn delete(connection: &Connection, kind: Kind, id: &str, expect: Expect) -> Outcome<()> {
    documents::delete(connection, name(kind), id, expect)?;
    kinds::forget_with(connection, kind, id)
}
