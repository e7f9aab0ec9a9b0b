//! What several connections bring of the same things: asked of the stored records and their mappings.

use crate::engine::{Engine, Inner};
use crate::projector::blocking;
use attiva_core::Fault;
use attiva_core::config::Connection;
use attiva_core::event::EventReader;
use attiva_core::identity::Identity;
use attiva_core::identity::overlap::{Feed, Overlap, overlaps};
use attiva_core::key::SourceKey;
use attiva_core::ports::store::Kind;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Records read at once.
const STRIDE: usize = 500;

impl Engine {
    /// For each connection and entity, through which others its records arrive as well, and what it alone brings. Looks
    /// at the first `records_max` records of each stream; false where that was not all.
    pub async fn overlaps(&self, records_max: usize) -> Result<(Vec<Overlap>, bool), Fault> {
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let (feeds, whole) = feeds(&inner, records_max)?;
            Ok((overlaps(&feeds), whole))
        })
        .await
    }
}

fn feeds(inner: &Inner, records_max: usize) -> Result<(Vec<Feed>, bool), Fault> {
    let store = inner.store.as_ref();
    let (mut feeds, mut whole): (BTreeMap<(String, String), Feed>, bool) = (BTreeMap::new(), true);
    for connection in inner.all::<Connection>(Kind::Connection)? {
        for (stream, _) in store.stream_states(&connection.id)? {
            let Some(mapping) = inner.catalogs.mapping(inner, &connection.id, &stream)? else { continue };
            if EventReader::reads(mapping.entity()) {
                continue;
            }
            let key = (connection.id.to_string(), mapping.entity().to_string());
            let feed = feeds.entry(key).or_insert_with(|| Feed {
                connection: connection.id.to_string(),
                instance: format!("{}.{}", connection.instance.id, connection.instance.system),
                entity: mapping.entity().to_string(),
                ..Feed::default()
            });
            feed.fields.extend(mapping.mapped().map(str::to_owned));
            whole &= count(inner, &connection, &stream, records_max, feed)?;
        }
    }
    Ok((feeds.into_values().collect(), whole))
}

/// Counts records, and how many name one of another instance as the same. False where there are more.
fn count(
    inner: &Inner,
    connection: &Connection,
    stream: &str,
    records_max: usize,
    feed: &mut Feed,
) -> Result<bool, Fault> {
    let store = inner.store.as_ref();
    let (mut after, mut seen) = (0, 0);
    while seen < records_max {
        let page = store.records_of_stream(&connection.id, stream, after, STRIDE.min(records_max - seen))?;
        let Some(last) = page.last() else { return Ok(true) };
        (after, seen) = (last.number, seen + page.len());
        let numbers: Vec<i64> = page.iter().map(|record| record.number).collect();
        for identities in store.identities_of(&numbers)? {
            if identities.is_empty() {
                // It is gone at the source.
                continue;
            }
            feed.records += 1;
            let mut named: Vec<&str> = identities
                .iter()
                .filter(|identity| identity.namespace == Identity::SOURCE_KEY)
                .filter_map(|identity| SourceKey::instance_of(&identity.value))
                .filter(|instance| *instance != feed.instance)
                .collect();
            named.sort_unstable();
            named.dedup();
            for instance in named {
                *feed.named.entry(instance.to_owned()).or_default() += 1;
            }
        }
    }
    Ok(store.records_of_stream(&connection.id, stream, after, 1)?.is_empty())
}
