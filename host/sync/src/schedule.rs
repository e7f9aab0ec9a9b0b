//! Starts runs and deliveries when their schedules say so. What is still going is not overtaken.

use crate::engine::Engine;
use crate::segments;
use attiva_core::config::{Activation, Connection, Schedule};
use attiva_core::delivery::Delivery;
use attiva_core::id::{DeliveryId, RunId};
use attiva_core::ports::store::Kind;
use attiva_core::run::Run;
use attiva_core::{Fault, Millis};
use std::collections::HashMap;
use std::time::Duration;

const TICK: Duration = Duration::from_secs(1);

/// Follows schedules until the engine stops.
pub(crate) async fn follow(engine: Engine) {
    let mut last = match last_starts(&engine) {
        Ok(last) => last,
        Err(fault) => {
            tracing::error!(%fault, "schedules begin anew: the last starts could not be read");
            HashMap::new()
        }
    };
    loop {
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = engine.inner.stop.cancelled() => return,
        }
        if let Err(fault) = tick(&engine, &mut last).await {
            tracing::error!(%fault, "schedules could not be followed");
        }
        if let Err(fault) = segments::start_due(&engine).await {
            tracing::error!(%fault, "the schedule of evaluations could not be followed");
        }
    }
}

fn last_starts(engine: &Engine) -> Result<HashMap<String, Millis>, Fault> {
    let mut last: HashMap<String, Millis> = HashMap::new();
    let mut note = |id: &str, at: Millis| {
        let newest = last.entry(id.to_owned()).or_insert(at);
        *newest = (*newest).max(at);
    };
    for run in engine.inner.all::<Run>(Kind::Run)? {
        note(run.connection.as_str(), run.started_at);
    }
    for delivery in engine.inner.all::<Delivery>(Kind::Delivery)? {
        note(delivery.activation.as_str(), delivery.started_at);
    }
    Ok(last)
}

async fn tick(engine: &Engine, last: &mut HashMap<String, Millis>) -> Result<(), Fault> {
    let now = engine.inner.clock.now();
    for connection in engine.inner.all::<Connection>(Kind::Connection)? {
        if is_due(connection.schedule, last.get(connection.id.as_str()).copied(), now) {
            last.insert(connection.id.as_str().to_owned(), now);
            if let Err(fault) = engine.start_run(&connection.id, engine.fresh(RunId::new)).await {
                tracing::warn!(connection = %connection.id, %fault, "a scheduled run did not start");
            }
        }
    }
    for activation in engine.inner.all::<Activation>(Kind::Activation)? {
        if is_due(activation.schedule, last.get(activation.id.as_str()).copied(), now) {
            last.insert(activation.id.as_str().to_owned(), now);
            if let Err(fault) = engine.start_delivery(&activation.id, engine.fresh(DeliveryId::new), false).await {
                tracing::warn!(activation = %activation.id, %fault, "a scheduled delivery did not start");
            }
        }
    }
    Ok(())
}

fn is_due(schedule: Option<Schedule>, last: Option<Millis>, now: Millis) -> bool {
    let Some(schedule) = schedule else { return false };
    last.is_none_or(|last| now.saturating_sub(last) >= i64::from(schedule.every_seconds) * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_due_when_its_time_has_passed() {
        let schedule = Some(Schedule { every_seconds: 60 });
        assert!(!is_due(None, None, 0));
        assert!(is_due(schedule, None, 0));
        assert!(!is_due(schedule, Some(0), 59_999));
        assert!(is_due(schedule, Some(0), 60_000));
    }
}
