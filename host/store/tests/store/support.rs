//! What the store's tests share: a sandbox in a directory of its own, and short ways to say what goes in.

use attiva_core::id::{ConnectionId, DeliveryId, ProfileId, RunId, SegmentId};
use attiva_core::identity::{Ask, Identity, Level};
use attiva_core::model::EntityName;
use attiva_core::page::{Cursor, RowKind};
use attiva_core::ports::store::{
    DocumentWrite, Kind, MembershipChange, MembershipCommit, MembershipStatus, PageCommit, PageDocument, ProfileCommit,
    ProfileWrite, RecordLink, SandboxStore, StoreError, StreamState,
};
use attiva_core::record::RecordChange;
use attiva_core::{Millis, Value};
use attiva_store::{Options, Sandbox};
use std::collections::BTreeSet;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

pub(crate) const PERSON: EntityName = EntityName::PERSON;

/// A sandbox and the directory that goes with it.
pub(crate) struct Fixture {
    pub(crate) store: Arc<Sandbox>,
    pub(crate) directory: TempDir,
}

pub(crate) fn sandbox() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let store = Sandbox::open(directory.path(), &Options::default()).unwrap();
    Fixture { store, directory }
}

impl Fixture {
    /// Closes the store and opens it again.
    pub(crate) fn reopened(self) -> Self {
        let Self { store, directory } = self;
        drop(store);
        let store = open_again(directory.path());
        Self { store, directory }
    }

    /// A connection of the test's own, for what no method tells.
    pub(crate) fn sql(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.directory.path().join("store.db")).unwrap()
    }
}

/// Opens what was closed just now. A test beside this one starts processes, and between its beginning and its program a
/// process has everything that was open here, the lock among it.
pub(crate) fn open_again(directory: &Path) -> Arc<Sandbox> {
    for _ in 0..200 {
        match Sandbox::open(directory, &Options::default()) {
            Err(StoreError::InUse) => std::thread::sleep(Duration::from_millis(10)),
            opened => return opened.unwrap(),
        }
    }
    panic!("the store stays in use");
}

pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub(crate) fn connection() -> ConnectionId {
    ConnectionId::new(1, [1; 6])
}

pub(crate) fn run() -> RunId {
    RunId::new(1, [2; 6])
}

pub(crate) fn segment(n: u8) -> SegmentId {
    SegmentId::new(1, [n; 6])
}

pub(crate) fn delivery(n: u8) -> DeliveryId {
    DeliveryId::new(1, [n; 6])
}

pub(crate) fn profile_id(name: &str) -> ProfileId {
    ProfileId::founded_by(name)
}

pub(crate) fn text(value: &str) -> Value {
    Value::Text(value.into())
}

pub(crate) fn key(n: usize) -> String {
    format!("{n}@123-ABC-456.Marketo")
}

pub(crate) fn full(key: &str, at: Millis, fields: &[(&str, Value)]) -> RecordChange {
    RecordChange {
        source_key: key.into(),
        kind: RowKind::Full,
        at,
        dated: true,
        fields: fields.iter().map(|(name, value)| (Arc::from(*name), value.clone())).collect(),
        merged_into: None,
    }
}

pub(crate) fn page(stream: &str, cursor: &str, records: Vec<RecordChange>) -> PageCommit {
    PageCommit {
        connection: connection(),
        stream: stream.into(),
        entity: Some(PERSON),
        run: run(),
        records,
        events: Vec::new(),
        stages: Vec::new(),
        errors: Vec::new(),
        rejects: Vec::new(),
        state: Some(StreamState { cursor: Cursor { state_version: 1, bytes: cursor.into() }, more: true }),
        notes_seen: false,
        document: PageDocument(Arc::new(|_| None)),
        now: 1,
    }
}

/// A page's document that does not depend on its rows.
pub(crate) fn always(write: DocumentWrite) -> PageDocument {
    PageDocument(Arc::new(move |_| Some(write.clone())))
}

pub(crate) fn write(id: &str, attributes: &[(&str, Value)]) -> ProfileWrite {
    ProfileWrite {
        concerns_accounts: false,
        entity: PERSON,
        id: profile_id(id),
        attributes: attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        references: Vec::new(),
        records: 1,
        changed_at: 5,
        degraded: false,
    }
}

pub(crate) fn link(record: i64, profile: Option<&str>, identities: &[Identity]) -> RecordLink {
    RecordLink { record, identities: identities.to_vec(), profile: profile.map(profile_id), level: Level::Full }
}

/// The records that carry any of these identities, in rising order.
pub(crate) fn carriers(store: &Sandbox, identities: &[Identity]) -> Vec<i64> {
    let ask = |identity: &Identity| Ask { identity: identity.clone(), records_max: 100 };
    let asks: Vec<Ask> = identities.iter().map(ask).collect();
    let found: BTreeSet<i64> = store.records_with(&PERSON, &asks).unwrap().into_iter().flatten().collect();
    found.into_iter().collect()
}

pub(crate) fn profiles(upto: u64, profiles: Vec<ProfileWrite>, links: Vec<RecordLink>) -> ProfileCommit {
    ProfileCommit { upto, links, profiles, removed: Vec::new(), errors: Vec::new(), now: 10 }
}

pub(crate) fn removal(upto: u64, id: &str, successor: Option<&str>) -> ProfileCommit {
    ProfileCommit { upto, removed: vec![(profile_id(id), successor.map(profile_id))], now: 20, ..Default::default() }
}

pub(crate) fn memberships(upto: u64, changes: &[(u8, i64, MembershipStatus)]) -> MembershipCommit {
    let changes = changes.iter().map(|(s, profile, status)| MembershipChange {
        segment: segment(*s),
        profile: *profile,
        status: *status,
    });
    MembershipCommit {
        cursors: vec![("segments".into(), upto)],
        cause: "change".into(),
        changes: changes.collect(),
        now: 30,
        ..MembershipCommit::default()
    }
}

pub(crate) fn document(kind: Kind, id: &str, state: &str) -> DocumentWrite {
    DocumentWrite { kind, id: id.into(), body: serde_json::json!({ "state": state }) }
}

/// Commits profiles `names`, each with one attribute; returns their numbers in the order of names.
pub(crate) fn with_profiles(store: &Sandbox, names: &[&str]) -> Vec<i64> {
    let writes = names.iter().map(|name| write(name, &[("name", text(name))])).collect();
    wait(store.commit_profiles(profiles(1, writes, Vec::new()))).unwrap();
    names.iter().map(|name| store.profile(&profile_id(name)).unwrap().unwrap().number).collect()
}
