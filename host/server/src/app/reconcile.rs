//! What a kill has left over, removed when a sandbox is opened, before anything is at work in it: secrets and grants of
//! no connection, uses of instances by no connection, targets that nobody fills, spools that nobody will read again. And
//! what a connection or an activation from before there was a registry lacks.

use super::connectors::SandboxConnectors;
use super::documents;
use super::files::Spools;
use super::holdings;
use super::refusal::Result;
use attiva_core::config::Connection;
use attiva_core::delivery::Delivery;
use attiva_core::ports::store::{ControlKind, Kind, SandboxStore};
use attiva_core::run::Run;
use std::collections::HashMap;

/// Removes it. Later would be too late: a connection that is being made has its secrets before it has its document.
pub(super) async fn reconcile(store: &dyn SandboxStore, connectors: &SandboxConnectors) -> Result<()> {
    connections(store, connectors).await?;
    instances(store, connectors).await?;
    holdings::reconcile(store, connectors).await?;
    spools(store, &connectors.spools)
}

/// A connection's secrets are written before its document, and removed after it.
async fn connections(store: &dyn SandboxStore, connectors: &SandboxConnectors) -> Result<()> {
    let prefix = connectors.control_id("");
    let control = &*connectors.control;
    let mut ids = documents::ids(control, ControlKind::Secret, &prefix)?;
    ids.extend(documents::ids(control, ControlKind::Grant, &prefix)?);
    for id in ids {
        let connection = id.strip_prefix(&prefix).unwrap_or_default();
        if store.document(Kind::Connection, connection)?.is_none() {
            tracing::info!(connection, "removing what belongs to no connection");
            connectors.forget(connection).await?;
        }
    }
    Ok(())
}

/// A connection joins its instance before its document is written, and leaves after that is removed.
async fn instances(store: &dyn SandboxStore, connectors: &SandboxConnectors) -> Result<()> {
    let connections = documents::all::<Connection>(store, Kind::Connection)?;
    let is_there = |id: &str| connections.iter().any(|connection| connection.id.as_str() == id);
    connectors.instances.leave(&connectors.entry, |id| !is_there(id)).await?;
    for Connection { id, plugin, instance, .. } in &connections {
        // What a plugin that is not ready would declare is not known; it was, when the connection was made.
        let Some(ready) = connectors.plugins.get(plugin) else { continue };
        connectors.instances.note(&connectors.entry, id.as_str(), instance, &ready.plugin).await?;
    }
    Ok(())
}

/// A spool is removed after the end of its run or delivery is kept, so a kill in between leaves it.
fn spools(store: &dyn SandboxStore, spools: &Spools) -> Result<()> {
    let needed = needed(store)?;
    for name in spools.all()? {
        if !needed.get(&name).copied().unwrap_or_default() {
            tracing::info!(spool = name, "removing a spool that nothing needs");
            spools.remove(&name)?;
        }
    }
    Ok(())
}

/// Whether spools are needed, by name: those of what goes on now, and those of a stream that its last run left in the
/// middle of a file.
fn needed(store: &dyn SandboxStore) -> Result<HashMap<String, bool>> {
    let mut needed = HashMap::new();
    // In the order of ids, which is the order in which they began: the last word is the last run's.
    for run in documents::all::<Run>(store, Kind::Run)? {
        let has_connection = store.document(Kind::Connection, run.connection.as_str())?.is_some();
        for stream in &run.streams {
            let goes_on = !(run.status.has_ended() && stream.caught_up);
            let is_beside = run.backfill.as_ref().is_some_and(|anew| !anew.wish.reset);
            let (name, is_needed) = if is_beside {
                // What was read beside is begun anew.
                (Spools::of_stream_beside(&run.connection, &stream.stream), !run.status.has_ended())
            } else {
                (Spools::of_stream(&run.connection, &stream.stream), goes_on)
            };
            needed.insert(name, has_connection && is_needed);
        }
    }
    for delivery in documents::all::<Delivery>(store, Kind::Delivery)? {
        needed.insert(Spools::of_delivery(&delivery.id), !delivery.status.has_ended());
    }
    Ok(needed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use attiva_core::backfill::Backfill;
    use attiva_core::delivery::DeliveryStatus;
    use attiva_core::id::{ActivationId, ConnectionId, DeliveryId, RunId, SegmentId};
    use attiva_core::key::Instance;
    use attiva_core::ports::store::{DocumentWrite, Expect};
    use attiva_core::run::RunStatus;
    use cap_std::ambient_authority;
    use cap_std::fs::Dir;
    use serde::Serialize;

    async fn put<T: Serialize>(store: &dyn SandboxStore, kind: Kind, id: &str, value: &T) {
        let write = DocumentWrite { kind, id: id.into(), body: documents::write(value).unwrap() };
        store.put_document(write, Expect::Anything).await.unwrap();
    }

    fn run(number: i64, connection: &ConnectionId, streams: &[(&str, bool)], status: RunStatus) -> Run {
        let names: Vec<String> = streams.iter().map(|(name, _)| (*name).into()).collect();
        let id = RunId::new(number, [0; 6]);
        let mut run = Run::new(id, connection.clone(), "p@1".into(), &names, number);
        run.status = status;
        for (stream, (_, caught_up)) in run.streams.iter_mut().zip(streams) {
            stream.caught_up = *caught_up;
        }
        run
    }

    #[tokio::test]
    async fn only_spools_that_somebody_will_read_again_stay() {
        let place = tempfile::tempdir().unwrap();
        let store = attiva_store::Sandbox::open(place.path(), &attiva_store::Options::default()).unwrap();
        let all = Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap();
        let open = Spools::new(&all, "spools").unwrap();
        let [here, gone] = ["con_here", "con_gone"].map(|id| ConnectionId::parse(id).unwrap());
        let connection = Connection {
            id: here.clone(),
            name: "c".into(),
            plugin: "p@1".into(),
            configuration: serde_json::json!({}),
            instance: Instance { system: "Fake".into(), id: "i".into() },
            streams: Vec::new(),
            schedule: None,
            schema: attiva_core::drift::SchemaPolicy::default(),
            created_at: 0,
        };
        put(&*store, Kind::Connection, here.as_str(), &connection).await;
        let beside = |run: Run| run.anew(Backfill::default());
        for run in [
            run(1, &here, &[("read", false), ("half", false)], RunStatus::Stopped),
            run(2, &here, &[("read", true), ("half", false)], RunStatus::Failed),
            run(3, &here, &[("going", true)], RunStatus::Waiting),
            run(4, &gone, &[("half", false)], RunStatus::Failed),
            beside(run(5, &here, &[("half", false), ("read", true)], RunStatus::Waiting)),
            beside(run(6, &here, &[("half", false)], RunStatus::Failed)),
        ] {
            put(&*store, Kind::Run, run.id.as_str(), &run).await;
        }
        let deliveries = [1, 2].map(|n| DeliveryId::new(n, [0; 6]));
        for (id, status) in deliveries.iter().zip([DeliveryStatus::Succeeded, DeliveryStatus::Waiting]) {
            let (activation, segment) = (ActivationId::new(0, [0; 6]), SegmentId::new(0, [0; 6]));
            let delivery = Delivery::new(id.clone(), activation, segment, "p@1".into(), 0);
            put(&*store, Kind::Delivery, id.as_str(), &Delivery { status, ..delivery }).await;
        }
        let stay = [
            Spools::of_stream(&here, "half"),
            Spools::of_stream(&here, "going"),
            Spools::of_stream_beside(&here, "read"),
            Spools::of_delivery(&deliveries[1]),
        ];
        let go = [
            Spools::of_stream(&here, "read"),
            Spools::of_stream(&here, "never-read"),
            Spools::of_stream(&gone, "half"),
            Spools::of_stream_beside(&here, "half"),
            Spools::of_visit(&here),
            Spools::of_delivery(&deliveries[0]),
            Spools::of_delivery(&DeliveryId::new(3, [0; 6])),
        ];
        for name in stay.iter().chain(&go) {
            open.open(name).unwrap().write("file", "bytes").unwrap();
        }
        spools(&*store, &open).unwrap();
        let (mut left, mut stay) = (open.all().unwrap(), stay.to_vec());
        left.sort();
        stay.sort();
        assert_eq!(left, stay);
    }
}
