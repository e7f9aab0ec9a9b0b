//! What is done about somebody on this machine: found, barred, removed; also again, in a store that was restored from
//! before.

use super::super::connectors::SandboxConnectors;
use super::super::documents;
use super::super::refusal::{Refusal, Result};
use attiva_core::config::{Activation, Connection};
use attiva_core::id::PrivacyId;
use attiva_core::identity::Identity;
use attiva_core::ports::connector::Target;
use attiva_core::ports::privacy::{Footprint, Sent};
use attiva_core::ports::store::{ControlKind, Kind, SandboxStore};
use attiva_core::privacy::{Counts, Destination, Erasure, Mentions, Subject};
use attiva_core::{Millis, Value};
use attiva_store::Sealer;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What an erasure has to know of whom it is about, until its end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Sealed {
    /// Whom was asked for.
    subjects: Vec<Subject>,
    /// What names them and nobody else, as far as it was found.
    names: BTreeSet<Subject>,
    /// How many profiles were theirs.
    profiles: u64,
    /// What each destination is asked with, by its position.
    pub(super) asks: Vec<Ask>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Ask {
    pub(super) target: AskedTarget,
    pub(super) identifiers: Vec<(String, String)>,
}

/// A target as the destination is told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct AskedTarget {
    id: String,
    object: String,
    name: String,
    options: serde_json::Value,
}

impl From<AskedTarget> for Target {
    fn from(AskedTarget { id, object, name, options }: AskedTarget) -> Self {
        Self { id, object, name, options }
    }
}

impl Sealed {
    pub(super) fn of(subjects: Vec<Subject>) -> Self {
        Self { subjects, ..Self::default() }
    }

    /// Values that are looked for in what others say: no short name of the operator's own.
    pub(super) fn mentions(&self) -> Mentions {
        let told = [Identity::EMAIL, Identity::ECID, Identity::SOURCE_KEY];
        Mentions::new(values(&self.names, &told))
    }

    /// Values that must be nowhere in the end. Keys are not among them: others' records may go on to name a record that
    /// is no more.
    pub(super) fn proof(&self) -> Mentions {
        Mentions::new(values(&self.names, &[Identity::EMAIL, Identity::ECID]))
    }
}

fn values(names: &BTreeSet<Subject>, namespaces: &[&str]) -> Vec<String> {
    let told = names.iter().filter(|name| namespaces.contains(&name.identity.namespace.as_str()));
    told.map(|name| name.identity.value.clone()).collect()
}

/// What was removed, and who else is to be asked.
pub(super) struct Removed {
    pub(super) profiles: u64,
    pub(super) tombstones: u64,
    pub(super) places: Counts,
    pub(super) destinations: Vec<Destination>,
}

/// Finds, bars and removes. Nobody may commit a page meanwhile, and no projector be in a step. `keep` is called with what
/// was found before anything is removed: a kill in between finds less.
pub(super) async fn remove<F: Future<Output = Result<()>>>(
    store: &dyn SandboxStore,
    connectors: &SandboxConnectors,
    request: &PrivacyId,
    sealed: &mut Sealed,
    before: &[Destination],
    keep: impl FnOnce(Sealed, Vec<Destination>) -> F,
    now: Millis,
) -> Result<Removed> {
    let footprint = store.footprint(&sealed.subjects)?;
    sealed.profiles = sealed.profiles.max(footprint.profiles.len() as u64);
    let own = footprint.names.iter().filter(|name| !name.shared).map(|name| name.subject.clone());
    sealed.names.extend(own);
    let mut destinations = before.to_vec();
    for sent in &footprint.sent {
        let (destination, ask) = asked(store, sent, &footprint)?;
        // What was found before a kill is asked once.
        if !sealed.asks.contains(&ask) {
            destinations.push(destination);
            sealed.asks.push(ask);
        }
    }
    keep(sealed.clone(), destinations.clone()).await?;
    let tombstones = &connectors.tombstones;
    let hashes: Vec<[u8; 32]> = sealed.names.iter().map(|name| tombstones.hash(name)).collect();
    connectors.control.put_tombstones(tombstones.sandbox(), request, hashes.clone()).await?;
    tombstones.add(&hashes);
    let places = store.erase(request, footprint, now).await?;
    Ok(Removed { profiles: sealed.profiles, tombstones: hashes.len() as u64, places, destinations })
}

/// Under this, a destination is told what its vendor calls whom it has: see `erase` of the contract.
const MEMBER_ID: &str = "member-id";

/// What may name somebody: texts, whole numbers, and those in lists.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Integer(number) => vec![number.to_string()],
        Value::TextList(list) => list.clone(),
        other => other.as_text().map(str::to_owned).into_iter().collect(),
    }
}

/// Who is asked, and with what: the fields that the target was sent, what its vendor calls them, and the addresses.
fn asked(store: &dyn SandboxStore, sent: &Sent, footprint: &Footprint) -> Result<(Destination, Ask)> {
    let mut activation = None;
    for id in &sent.activations {
        if let Some(document) = store.document(Kind::Activation, id.as_str())? {
            activation = Some(documents::read::<Activation>(document.body)?);
            break;
        }
    }
    let connection = match (&activation, &sent.target) {
        (Some(activation), _) => store
            .document(Kind::Connection, activation.connection.as_str())?
            .map(|document| documents::read::<Connection>(document.body))
            .transpose()?,
        (None, Some((_, key))) => {
            let next = |after: Option<&str>, limit| Ok(store.documents(Kind::Connection, after, limit)?);
            let of = |c: &Connection| (&c.instance.system, &c.instance.id) == (&key.system, &key.instance);
            documents::filtered(next, None, 1, of)?.pop()
        }
        (None, None) => None,
    };
    let target = match (&activation, &sent.target) {
        (Some(activation), held) => {
            let Target { id, object, name, options } = activation.target();
            AskedTarget { id: held.as_ref().map_or(id, |(id, _)| id.clone()), object, name, options }
        }
        (None, Some((id, key))) => AskedTarget {
            id: id.clone(),
            object: key.object.clone(),
            name: key.name.clone(),
            options: serde_json::json!({}),
        },
        (None, None) => AskedTarget {
            id: sent.activations.first().map(ToString::to_string).unwrap_or_default(),
            object: String::new(),
            name: "files of an activation that was deleted".into(),
            options: serde_json::json!({}),
        },
    };
    let instance = connection.as_ref().map(|c| format!("{} {}", c.instance.system, c.instance.id));
    let destination = Destination {
        name: format!("{} {}", instance.unwrap_or_default(), target.name).trim().to_owned(),
        connection: connection.map(|connection| connection.id),
        activation: activation.map(|activation| activation.id),
        receipt: None,
        fault: None,
        attempts: 0,
    };
    let mut identifiers: BTreeSet<(String, String)> = BTreeSet::new();
    for (field, value) in sent.rows.iter().flatten() {
        identifiers.extend(texts(value).into_iter().map(|text| (field.clone(), text)));
    }
    identifiers.extend(sent.member_ids.iter().map(|id| (MEMBER_ID.to_owned(), id.clone())));
    let emails = footprint.names.iter().map(|name| &name.subject.identity);
    let emails = emails.filter(|identity| identity.namespace == Identity::EMAIL);
    identifiers.extend(emails.map(|identity| (Identity::EMAIL.to_owned(), identity.value.clone())));
    Ok((destination, Ask { target, identifiers: identifiers.into_iter().collect() }))
}

pub(super) fn associated(connectors: &SandboxConnectors, request: &PrivacyId) -> String {
    format!("erasure {}", connectors.control_id(request.as_str()))
}

pub(super) fn seal(sealer: &Sealer, associated: &str, what: &Sealed) -> Result<String> {
    let plain = serde_json::to_vec(what).map_err(|e| Refusal::internal(e.to_string()))?;
    Ok(sealer.seal(&plain, associated)?)
}

pub(super) fn open(sealer: &Sealer, associated: &str, sealed: &str) -> Result<Sealed> {
    let plain = sealer.open(sealed, associated)?;
    serde_json::from_slice(&plain).map_err(|_| Refusal::internal("what an erasure is about cannot be read"))
}

/// Erasures that a restored store did not know of, done again.
pub(in crate::app) struct Replayed {
    pub(super) erasures: Vec<PrivacyId>,
    /// What must be in no file once the projectors have followed.
    pub(super) of: Mentions,
}

/// A store that is older than some erasures, since it was restored from a backup, has them done again, before anything is
/// at work in it: what it has of somebody whose names are known by their hashes is removed. Destinations were asked then.
pub(in crate::app) async fn replay(
    store: &dyn SandboxStore,
    connectors: &SandboxConnectors,
    now: Millis,
) -> Result<Option<Replayed>> {
    let prefix = connectors.control_id("");
    let done: BTreeSet<PrivacyId> = store.erased_by()?.into_iter().collect();
    let mut erasures = Vec::new();
    for id in documents::ids(&*connectors.control, ControlKind::Erasure, &prefix)? {
        let Some(document) = connectors.control.document(ControlKind::Erasure, &id)? else { continue };
        let erasure: Erasure = documents::read(document.body)?;
        // One that goes on does all of it by itself.
        if erasure.has_ended() && !done.contains(&erasure.id) {
            erasures.push(erasure.id);
        }
    }
    if erasures.is_empty() {
        return Ok(None);
    }
    tracing::warn!(erasures = erasures.len(), "the store is older than some erasures: they are done again");
    let tombstones = &connectors.tombstones;
    let mut subjects = Vec::new();
    store.everybody(&mut |subject: Subject| {
        if attiva_core::privacy::Erasures::covers(&**tombstones, &subject.entity, &subject.identity) {
            subjects.push(subject);
        }
    })?;
    let found = subjects.len();
    let mut sealed = Sealed::of(subjects);
    // Under a name of its own: those that are missing are noted at the end.
    let again = PrivacyId::parse("prv_replay").ok_or_else(|| Refusal::internal("an id of ours is none"))?;
    let removed = remove(store, connectors, &again, &mut sealed, &[], async |_, _| Ok(()), now).await?;
    let (swept, _) = store.sweep(sealed.mentions()).await?;
    tracing::warn!(names = found, removed = ?removed.places, swept = ?swept, "erasures were done again");
    Ok(Some(Replayed { erasures, of: sealed.proof() }))
}
