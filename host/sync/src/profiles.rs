//! The profile projector's decision: changed records in, profile writes out. Reads the store, changes nothing.

use crate::mapping::StreamMapping;
use attiva_core::id::{ConnectionId, ProfileId};
use attiva_core::identity::{
    self, Claim, ClaimReader, Component, Identity, Level, Neighbourhood, NeverLinks, Node, Rules,
};
use attiva_core::merge::{MappedRecord, Survivorship, merge};
use attiva_core::model::{self, EntityKind, PERSON};
use attiva_core::ports::store::{Change, ProfileCommit, ProfileWrite, RecordLink, SandboxStore, StoredRecord};
use attiva_core::record::Presence;
use attiva_core::{Fault, Millis, Value};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

type Result<T> = std::result::Result<T, Fault>;

/// Finds the compiled mapping of a stream; `None`: the stream has none, and its records make no profiles. A fault stops
/// the projection: records without their mapping would look as if they were gone.
pub(crate) type Mappings<'a> = &'a dyn Fn(&ConnectionId, &str) -> Result<Option<Arc<StreamMapping>>>;

/// A record in the working set.
struct Entry {
    stored: StoredRecord,
    mapped: MappedRecord,
    /// What names it now; empty if it is gone.
    claims: Vec<Claim>,
    changed: bool,
}

/// Decides what the records that changed do to profiles.
pub(crate) fn project(
    store: &dyn SandboxStore,
    changes: &[Change],
    mappings: Mappings<'_>,
    now: Millis,
) -> Result<ProfileCommit> {
    let upto = changes.last().map_or(0, |c| c.seq);
    let entries = working_set(store, changes, mappings, now)?;
    let live: Vec<usize> = (0..entries.len()).filter(|i| !entries[*i].claims.is_empty()).collect();
    let nodes: Vec<Node<ProfileId>> = live
        .iter()
        .map(|i| Node {
            source_key: entries[*i].stored.source_key.clone(),
            at: created(&entries[*i].mapped),
            claims: entries[*i].claims.clone(),
            profile: entries[*i].stored.profile.clone(),
            level: Level::Full,
        })
        .collect();
    let mut commit = ProfileCommit { upto, now, ..ProfileCommit::default() };
    let mut home: HashMap<usize, ProfileId> = HashMap::new();
    let (rules, survivorship) = (Rules::person(), Survivorship::newest(EntityKind::Person));
    let neighbourhood = Neighbourhood::whole(nodes, &rules);
    let known = first_choices(store, &neighbourhood.nodes)?;
    let taken = |id: &ProfileId| match known.get(id) {
        Some(taken) => Ok(*taken),
        None => Ok::<_, Fault>(store.profiles_exist(std::slice::from_ref(id))?.contains(&true)),
    };
    for component in identity::resolve(&neighbourhood, &rules, &NeverLinks::default(), taken)?.components {
        let members: Vec<usize> = component.nodes.iter().map(|n| live[*n]).collect();
        home.extend(members.iter().map(|i| (*i, component.profile.clone())));
        write_component(&entries, &component, &members, &survivorship, &mut commit);
    }
    let gone = entries.iter().filter(|e| e.changed && e.claims.is_empty() && e.stored.profile.is_some());
    commit.links.extend(gone.map(|e| RecordLink { record: e.stored.number, identities: Vec::new(), profile: None }));
    commit.removed = removed(store, &entries, &home)?;
    Ok(commit)
}

/// The ids that new profiles will mostly get, and which of them are taken: asked for at once.
fn first_choices(store: &dyn SandboxStore, nodes: &[Node<ProfileId>]) -> Result<HashMap<ProfileId, bool>> {
    let new = nodes.iter().filter(|node| node.profile.is_none());
    let choices: Vec<ProfileId> = new.map(|node| ProfileId::founded_by(&node.source_key)).collect();
    let taken = store.profiles_exist(&choices)?;
    Ok(choices.into_iter().zip(taken).collect())
}

/// The changed records, and every record that is or was connected to one of them.
fn working_set(
    store: &dyn SandboxStore,
    changes: &[Change],
    mappings: Mappings<'_>,
    now: Millis,
) -> Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut known: HashSet<i64> = HashSet::new();
    let mut asked: HashSet<Identity> = HashSet::new();
    let mut wanted: Vec<i64> = changes.iter().map(|c| c.subject).filter(|n| known.insert(*n)).collect();
    let mut changed = true;
    while !wanted.is_empty() {
        let mut frontier: Vec<Identity> = Vec::new();
        for stored in store.records_by_number(&wanted)? {
            if stored.profile.is_some() && changed {
                frontier.extend(store.identities_of(stored.number)?);
            }
            let entry = entry(stored, mappings, now, changed)?;
            frontier.extend(entry.claims.iter().map(|claim| claim.identity.clone()));
            entries.push(entry);
        }
        // Source keys, too: another system's record may name this one's.
        frontier.retain(|identity| asked.insert(identity.clone()));
        wanted = store.records_with(&frontier)?.into_iter().filter(|n| known.insert(*n)).collect();
        changed = false;
    }
    Ok(entries)
}

fn entry(stored: StoredRecord, mappings: Mappings<'_>, now: Millis, changed: bool) -> Result<Entry> {
    let is_live = stored.body.presence == Presence::Live;
    let mapping = if is_live { mappings(&stored.connection, &stored.stream)? } else { None };
    Ok(match mapping {
        Some(mapping) => {
            let (mapped, failed) = mapping.map(&stored, now);
            if changed && !failed.is_empty() {
                tracing::warn!(record = %stored.source_key, fields = ?failed, "mapping left fields empty");
            }
            let (claims, problems) =
                ClaimReader::of_model(EntityKind::Person).read(&stored.source_key, &mapped.row, &[]);
            if changed && !problems.is_empty() {
                tracing::warn!(record = %stored.source_key, ?problems, "values that name nobody");
            }
            Entry { claims, stored, mapped, changed }
        }
        None => {
            let mapped = MappedRecord { source_key: stored.source_key.clone(), at: 0, row: Vec::new() };
            Entry { stored, mapped, claims: Vec::new(), changed }
        }
    })
}

/// When the record came into being at its source, as far as that is known.
fn created(mapped: &MappedRecord) -> Millis {
    match model::person_slot("created_date").and_then(|slot| mapped.row.get(slot)) {
        Some(Value::Timestamp(at)) => *at,
        _ => 0,
    }
}

fn identities(entry: &Entry) -> Vec<Identity> {
    entry.claims.iter().map(|claim| claim.identity.clone()).collect()
}

fn write_component(
    entries: &[Entry],
    component: &Component<ProfileId>,
    members: &[usize],
    survivorship: &Survivorship,
    commit: &mut ProfileCommit,
) {
    let had = |e: &Entry| e.stored.profile.as_ref() == Some(&component.profile);
    let moved = |i: &usize| !had(&entries[*i]);
    let joined_or_changed = members.iter().any(|i| entries[*i].changed || moved(i));
    let left = entries.iter().filter(|e| had(e)).count() != members.iter().filter(|i| !moved(i)).count();
    if !joined_or_changed && !left {
        return;
    }
    for i in members.iter().filter(|i| entries[**i].changed || moved(i)) {
        commit.links.push(RecordLink {
            record: entries[*i].stored.number,
            identities: identities(&entries[*i]),
            profile: Some(component.profile.clone()),
        });
    }
    let records: Vec<&MappedRecord> = members.iter().map(|i| &entries[*i].mapped).collect();
    let chosen = merge(&records, survivorship, &[]);
    let named = PERSON.iter().zip(chosen).filter(|(_, c)| !c.value.is_null());
    let attributes: Vec<(String, Value)> = named.map(|(f, c)| (f.name.to_owned(), c.value)).collect();
    commit.profiles.push(ProfileWrite {
        id: component.profile.clone(),
        attributes,
        records: u32::try_from(records.len()).unwrap_or(u32::MAX),
        changed_at: records.iter().map(|r| r.at).max().unwrap_or(0),
    });
}

/// Profiles that have no record left, and who took their place: the profile their records went to, or the profile of
/// the record they were merged into.
fn removed(
    store: &dyn SandboxStore,
    entries: &[Entry],
    home: &HashMap<usize, ProfileId>,
) -> Result<Vec<(ProfileId, Option<ProfileId>)>> {
    let kept: HashSet<&ProfileId> = home.values().collect();
    let mut removed: BTreeMap<ProfileId, Option<ProfileId>> = BTreeMap::new();
    for (i, entry) in entries.iter().enumerate() {
        let Some(old) = entry.stored.profile.as_ref().filter(|p| !kept.contains(p)) else { continue };
        let heir = match (home.get(&i), &entry.stored.body.presence) {
            (Some(new), _) => Some(new.clone()),
            (None, Presence::MergedInto(key)) => heir(store, entries, home, key)?,
            (None, Presence::Live | Presence::Deleted) => None,
        };
        let place = removed.entry(old.clone()).or_default();
        *place = place.take().or(heir);
    }
    Ok(removed.into_iter().collect())
}

fn heir(
    store: &dyn SandboxStore,
    entries: &[Entry],
    home: &HashMap<usize, ProfileId>,
    key: &str,
) -> Result<Option<ProfileId>> {
    match entries.iter().position(|e| e.stored.source_key == key) {
        Some(i) => Ok(home.get(&i).cloned()),
        None => Ok(store.record(key)?.and_then(|r| r.profile)),
    }
}
