//! Starts runs and deliveries when their schedules say so. What is still going is not overtaken, and what came due
//! meanwhile is made up for once.

use crate::engine::{Engine, Tried};
use crate::schemas::Describe;
use crate::segments;
use attiva_core::activation::{ActivationSchedule, DeliveryCause, Standing};
use attiva_core::config::{Activation, Connection, Segment};
use attiva_core::id::{ActivationId, ConnectionId, DeliveryId, ReadbackId, RunId};
use attiva_core::ports::store::{Kind, Seq};
use attiva_core::readback::Readback;
use attiva_core::run::Run;
use attiva_core::schedule::{AGAIN_MS, Held};
use attiva_core::{Fault, Millis};
use std::collections::HashMap;
use std::time::Duration;

const TICK: Duration = Duration::from_secs(1);

/// What is known beside the store.
#[derive(Default)]
struct Known {
    /// When runs of connections were started last.
    runs: HashMap<ConnectionId, Millis>,
    /// When the start of a run failed for what passes.
    passing: HashMap<ConnectionId, Millis>,
    /// When a run that was going was told that the next would begin.
    told: HashMap<ConnectionId, Millis>,
    /// When the start of a delivery was refused.
    refused: HashMap<ActivationId, Millis>,
    /// Changes of profiles up to here concern no member of the activation's audience.
    looked: HashMap<ActivationId, Seq>,
    /// When targets of activations were last read back, or that was refused.
    readbacks: HashMap<ActivationId, Millis>,
}

/// Follows schedules until the engine stops.
pub(crate) async fn follow(engine: Engine) {
    let mut known = Known::default();
    match last_runs(&engine) {
        Ok(runs) => known.runs = runs,
        Err(fault) => tracing::error!(%fault, "schedules of runs begin anew: the last starts could not be read"),
    }
    match last_readbacks(&engine) {
        Ok(readbacks) => known.readbacks = readbacks,
        Err(fault) => tracing::error!(%fault, "schedules of readings begin anew: the last starts could not be read"),
    }
    loop {
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = engine.inner.stop.cancelled() => return,
        }
        if let Err(fault) = start_runs(&engine, &mut known).await {
            tracing::error!(%fault, "schedules of runs could not be followed");
        }
        if let Err(fault) = start_deliveries(&engine, &mut known).await {
            tracing::error!(%fault, "schedules of activations could not be followed");
        }
        if let Err(fault) = start_readbacks(&engine, &mut known).await {
            tracing::error!(%fault, "schedules of readings could not be followed");
        }
        if let Err(fault) = segments::start_due(&engine).await {
            tracing::error!(%fault, "the schedule of evaluations could not be followed");
        }
    }
}

fn last_runs(engine: &Engine) -> Result<HashMap<ConnectionId, Millis>, Fault> {
    let mut last: HashMap<ConnectionId, Run> = HashMap::new();
    // What is read anew is no run of a schedule.
    for run in engine.inner.all::<Run>(Kind::Run)?.into_iter().filter(|run| run.backfill.is_none()) {
        if last.get(&run.connection).is_none_or(|newest| newest.started_at <= run.started_at) {
            last.insert(run.connection.clone(), run);
        }
    }
    let tried_at = |run: &Run| run.ended_at.filter(|_| run.next_try_at.is_some()).unwrap_or(run.started_at);
    last.values().for_each(|run| engine.inner.refusals.note(run));
    Ok(last.into_iter().map(|(connection, run)| (connection, tried_at(&run))).collect())
}

async fn start_runs(engine: &Engine, known: &mut Known) -> Result<(), Fault> {
    let now = engine.inner.clock.now();
    for connection in engine.inner.all::<Connection>(Kind::Connection)? {
        let Some(schedule) = &connection.schedule else { continue };
        let (id, last) = (&connection.id, known.runs.get(&connection.id).copied());
        let refusals = &engine.inner.refusals;
        let passes = known.passing.get(id).is_some_and(|at| now.saturating_sub(*at) < AGAIN_MS);
        let counted = last.max(known.told.get(id).copied());
        if passes {
            continue;
        }
        let has_acted = refusals.take_acted(id);
        let is_due = !refusals.rests(id, now) && schedule.is_due(connection.created_at, counted, now);
        if !has_acted && !is_due {
            continue;
        }
        known.passing.remove(id);
        let counted_from = match start_run(engine, &connection).await {
            None => Some(now),
            Some(held) => {
                if has_acted && held != Held::Lasting {
                    engine.connection_mended(id);
                }
                match held {
                    Held::Passing => {
                        known.passing.insert(id.clone(), now);
                    }
                    // It reads on what it has read already; else the next begins when it has ended.
                    Held::Going if engine.inner.run_is_due(id) => {
                        known.told.insert(id.clone(), now);
                    }
                    Held::Going | Held::Lasting => {}
                }
                held.counted_from(last, now)
            }
        };
        known.runs.extend(counted_from.map(|at| (id.clone(), at)));
    }
    Ok(())
}

/// Starts a run, or says why it could not begin. Where somebody has to act, there is a run that says so.
async fn start_run(engine: &Engine, connection: &Connection) -> Option<Held> {
    let id = engine.fresh(RunId::new);
    let (run, fault) = match engine.try_run(&connection.id, id.clone(), Describe::IfOld).await {
        Ok(Tried::Begun(_)) => return None,
        Ok(Tried::Stopped(run, fault)) => (run, fault),
        Err(fault) if fault.code == "run.in-progress" => return Some(Held::Going),
        Err(fault) if fault.kind.is_retried() => {
            tracing::warn!(connection = %connection.id, %fault, "a scheduled run did not start");
            return Some(Held::Passing);
        }
        Err(fault) => {
            let now = engine.inner.clock.now();
            (Run::new(id, connection.id.clone(), connection.plugin.clone(), &[], now), fault)
        }
    };
    if let Err(fault) = engine.refuse_scheduled(run, fault).await {
        tracing::error!(connection = %connection.id, %fault, "a scheduled run did not start, and that could not be kept");
    }
    Some(Held::Lasting)
}

async fn start_deliveries(engine: &Engine, known: &mut Known) -> Result<(), Fault> {
    let now = engine.inner.clock.now();
    for activation in engine.inner.all::<Activation>(Kind::Activation)? {
        let Some(schedule) = activation.schedule.as_ref().filter(|_| !activation.paused) else { continue };
        if known.refused.get(&activation.id).is_some_and(|at| now.saturating_sub(*at) < AGAIN_MS) {
            continue;
        }
        let Some(cause) = due(engine, &activation, schedule, known, now)? else { continue };
        match engine.begin_delivery(&activation.id, engine.fresh(DeliveryId::new), false, cause).await {
            Ok(_) => {
                known.refused.remove(&activation.id);
            }
            // Of another activation with the same target: this one comes next.
            Err(fault) if fault.code == "delivery.in-progress" => {}
            Err(fault) => {
                tracing::warn!(activation = %activation.id, %fault, "a scheduled delivery did not start");
                known.refused.insert(activation.id, now);
            }
        }
    }
    Ok(())
}

fn last_readbacks(engine: &Engine) -> Result<HashMap<ActivationId, Millis>, Fault> {
    let mut last = HashMap::new();
    for readback in engine.inner.all::<Readback>(Kind::Readback)? {
        let newest = last.entry(readback.activation).or_insert(readback.started_at);
        *newest = (*newest).max(readback.started_at);
    }
    Ok(last)
}

/// One that is refused is tried again when the next is due.
async fn start_readbacks(engine: &Engine, known: &mut Known) -> Result<(), Fault> {
    let now = engine.inner.clock.now();
    for activation in engine.inner.all::<Activation>(Kind::Activation)? {
        let Some(setting) = activation.readback else { continue };
        let last = known.readbacks.get(&activation.id).copied();
        if !setting.is_due(last, now) {
            continue;
        }
        known.readbacks.insert(activation.id.clone(), now);
        match engine.start_readback(&activation.id, engine.fresh(ReadbackId::new)).await {
            Ok(_) => {}
            // There is nothing to read yet: it is looked at again with the next tick.
            Err(fault) if fault.code == "readback.empty" => {
                known.readbacks.remove(&activation.id);
            }
            Err(fault) => tracing::warn!(activation = %activation.id, %fault, "a scheduled reading did not start"),
        }
    }
    Ok(())
}

fn due(
    engine: &Engine,
    activation: &Activation,
    schedule: &ActivationSchedule,
    known: &mut Known,
    now: Millis,
) -> Result<Option<DeliveryCause>, Fault> {
    let inner = &engine.inner;
    let last = inner.last_deliveries.get(inner, &activation.id)?;
    let segment: Option<Segment> = inner.find(Kind::Segment, activation.segment.as_str())?;
    let result_of = segment.and_then(|segment| segment.result_of);
    let standing = |is_stirred| Standing {
        since: activation.created_at,
        last: last.as_ref(),
        result_of: result_of.as_ref(),
        is_stirred,
    };
    // Whether anybody has changed is asked where the answer counts.
    if !schedule.follows_changes() || schedule.due(&standing(true), now).is_none() {
        return Ok(schedule.due(&standing(false), now));
    }
    let looked = known.looked.entry(activation.id.clone()).or_default();
    let (is_stirred, upto) = inner.store.is_stirred(&activation.id, &activation.segment, *looked, now)?;
    if !is_stirred {
        *looked = upto;
    }
    Ok(schedule.due(&standing(is_stirred), now))
}
