//! Checks 24 and 33: cut off, and gone on.

use super::paging::is_ours;
use super::{or_end, plains};
use crate::report::{Findings, Verdict};
use crate::run::delivery::Delivery;
use crate::run::source::{Reading, Records, apply, difference, scene};
use crate::subject::{Connection, Subject};
use crate::suite::TargetSuite;
use crate::wire::fault::{Fault as Made, Injection};
use attiva_core::page::OutcomeStatus;
use attiva_core::ports::connector::Stream;
use attiva_core::{Fault, FaultKind};
use attiva_wasm::{Limits, Plugin};
use std::time::Duration;

/// Kills and repeats of one delivery; more are an endless one.
const KILLS_MAX: usize = 2_000;
const TURNS_MAX: usize = 2_000;

/// The plugin, ended at its host call number `at`: those before it have had their effect.
fn ended_at(s: &Subject, at: u64) -> Plugin {
    s.plugin.within(Limits { host_calls: at, ..s.plugin.limits().clone() })
}

pub(super) async fn killed(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    if s.plugin.is_source {
        for (stream, plain) in or_end!(plains(s).await) {
            match killed_reading(s, &stream, &plain).await {
                Ok((records, kills)) => {
                    found.looked();
                    for what in difference(&plain.records(), &records) {
                        found.problem(format!("{} after {kills} kills: {what}", stream.name));
                    }
                    found.note(format!("{}: killed {kills} times", stream.name));
                }
                Err(fault) => found.problem(format!("{} after a kill: {fault}", stream.name)),
            }
        }
    }
    if s.plugin.is_destination {
        for target in &s.suite.targets {
            found.looked();
            match killed_delivery(s, target).await {
                Ok(note) => found.note(note),
                Err(problem) => found.problem(format!("{} {problem}", target.name())),
            }
        }
    }
    found.verdict("nothing was read or delivered")
}

/// Reads a stream; each page is begun as often as it has calls to the host, and ended at another one each time.
async fn killed_reading(s: &Subject, stream: &Stream, plain: &Reading) -> Result<(Records, usize), Fault> {
    s.enter(&scene("read", stream));
    let connection = s.connection()?;
    let (mut records, mut kills, mut cursor) = (Records::new(), 0, None);
    for step in &plain.steps {
        let mut request = step.request.clone();
        request.cursor = cursor;
        for at in 0..step.host_calls {
            kills += usize::from(kill(s, at, &connection, &request).await?);
        }
        let (page, _) = s.plugin.read(&connection.context, &request).await?;
        if let Some(wait) = page.wait_ms {
            s.wait(wait).await;
        }
        apply(&mut records, &page);
        cursor = Some(page.next.clone());
    }
    // A page may be another one than in the plain reading: what is left is read to its end.
    let last = plain.steps.last().map(|step| step.request.clone());
    let Some(mut request) = last.filter(|_| cursor.is_some()) else { return Ok((records, kills)) };
    for _ in 0..plain.steps.len() + 100 {
        request.cursor = cursor.clone();
        let (page, _) = s.plugin.read(&connection.context, &request).await?;
        if let Some(wait) = page.wait_ms {
            s.wait(wait).await;
        }
        apply(&mut records, &page);
        cursor = Some(page.next);
        if !page.more {
            break;
        }
    }
    Ok((records, kills))
}

/// Whether the call was ended; one that needed fewer calls this time has come to its end.
async fn kill(
    s: &Subject,
    at: u64,
    connection: &Connection,
    request: &attiva_wasm::ReadRequest,
) -> Result<bool, Fault> {
    match ended_at(s, at).read(&connection.context, request).await {
        Ok(_) => Ok(false),
        Err(fault) if fault.code == "limit.host-calls" => Ok(true),
        Err(fault) => Err(fault),
    }
}

async fn killed_delivery(s: &Subject, target: &TargetSuite) -> Result<String, String> {
    let said = |what: &'static str| move |fault: Fault| format!("{what}: {fault}");
    let scene = format!("killed {}", target.name());
    s.enter(&scene);
    let mut delivery = s.delivery(target, &s.id(&scene), "1").map_err(said("no delivery"))?;
    delivery.patient = true;
    let rows = target.members(0..target.rows);
    let mut kills = 0;
    // Each call is ended at one place after the other, and goes through when there is none left.
    for at in 0.. {
        let prepared = ended_at(s, at).prepare(&delivery.connection.context, &delivery.target, &delivery.run).await;
        match went_through(s, prepared, &mut kills).await.map_err(said("prepare after a kill"))? {
            Some(prepared) => {
                delivery.state = prepared.state;
                if let Some(wait) = prepared.wait_ms {
                    s.wait(wait).await;
                }
                break;
            }
            None => continue,
        }
    }
    for at in 0.. {
        let batch = delivery.batch(&rows);
        let Delivery { connection, target, run, state, .. } = &delivery;
        let delivered = ended_at(s, at).deliver(&connection.context, target, run, state, &batch).await;
        let Some(delivered) = went_through(s, delivered, &mut kills).await.map_err(said("deliver after a kill"))?
        else {
            continue;
        };
        delivery.state = delivered.state;
        if let Some(refused) = delivered.outcomes.iter().find(|o| o.status == OutcomeStatus::Rejected) {
            return Err(format!("rejects a row after a kill: {} {}", refused.code, refused.message));
        }
        break;
    }
    let mut has_finished = false;
    let mut at = 0;
    for _ in 0..TURNS_MAX {
        let Delivery { connection, target, run, state, .. } = &delivery;
        let plugin = ended_at(s, at);
        let answer = if has_finished {
            plugin.poll(&connection.context, target, run, state).await
        } else {
            plugin.finish(&connection.context, target, run, state).await
        };
        at += 1;
        let Some(finished) = went_through(s, answer, &mut kills).await.map_err(said("finish after a kill"))? else {
            continue;
        };
        (has_finished, at) = (true, 0);
        if let Some((key, refused)) = finished.exceptions.first() {
            return Err(format!("refuses {key} after a kill: {} {}", refused.code, refused.message));
        }
        delivery.state = finished.state;
        if finished.pending_become != OutcomeStatus::Pending {
            break;
        }
        s.wait(finished.wait_ms.unwrap_or(1_000)).await;
    }
    if let Some(members) = delivery.members().await.map_err(said("members after a kill"))?
        && members.len() != rows.len()
    {
        return Err(format!("has {} members after kills, and {} were delivered", members.len(), rows.len()));
    }
    Ok(format!("{}: killed {kills} times", target.name()))
}

/// What a call answered that was not ended; `None`: it was, or said that it has to be made again.
async fn went_through<T>(
    s: &Subject,
    answer: Result<(T, attiva_wasm::Usage), Fault>,
    kills: &mut usize,
) -> Result<Option<T>, Fault> {
    match answer {
        Ok((answer, _)) => Ok(Some(answer)),
        Err(fault) if fault.code == "limit.host-calls" && *kills < KILLS_MAX => {
            *kills += 1;
            Ok(None)
        }
        Err(fault) if fault.kind.is_retried() && *kills < KILLS_MAX => {
            *kills += 1;
            s.wait(fault.retry_after_ms.unwrap_or(60_000)).await;
            Ok(None)
        }
        Err(fault) => Err(fault),
    }
}

pub(super) async fn cancel(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    if s.plugin.is_source {
        for (stream, plain) in or_end!(plains(s).await) {
            s.enter(&scene("read", &stream));
            s.stand.inject(Injection::always(Made::Silent));
            let (Ok(connection), Some(step)) = (s.connection(), plain.steps.first()) else { continue };
            found.looked();
            let call = s.plugin.read(&connection.context, &step.request);
            cut_off(s, call).await;
            let asked = s.stand.seen().len();
            tokio::time::sleep(Duration::from_millis(5)).await;
            found
                .hold(s.stand.seen().len() == asked, || format!("{} goes on asking after it was cut off", stream.name));
            s.stand.heal();
            for cursor in plain.pages.iter().map(|page| &page.next) {
                let released = s.plugin.release(&connection.context, &stream.name, cursor).await;
                if let Err(fault) = released
                    && fault.kind != FaultKind::Unsupported
                    && (is_ours(&fault) || !fault.kind.is_retried())
                {
                    found.problem(format!("{} cannot release a cursor: {fault}", stream.name));
                    break;
                }
            }
        }
    }
    if s.plugin.is_destination {
        for target in &s.suite.targets {
            if let Err(problem) = cancelled_delivery(s, target, &mut found).await {
                found.problem(format!("{}: {problem}", target.name()));
            }
        }
    }
    found.verdict("nothing was read or delivered")
}

/// Lets a call wait for a vendor that says nothing, and ends it.
async fn cut_off<T>(s: &Subject, call: impl Future<Output = T>) {
    tokio::pin!(call);
    for _ in 0..400 {
        tokio::select! {
            _ = &mut call => return,
            () = tokio::time::sleep(Duration::from_millis(2)) => {}
        }
        if s.stand.seen().iter().any(|seen| seen.is_faulty) {
            return;
        }
    }
}

async fn cancelled_delivery(s: &Subject, target: &TargetSuite, found: &mut Findings) -> Result<(), Fault> {
    let scene = format!("cancelled {}", target.name());
    s.enter(&scene);
    let unprepared = s.delivery(target, &s.id(&format!("{scene} early")), "1")?;
    let Delivery { connection, target: place, run, state, .. } = &unprepared;
    for turn in ["before it was prepared", "a second time"] {
        found.looked();
        if let Err(fault) = s.plugin.abort(&connection.context, place, run, state).await {
            found.problem(format!("{} cannot be aborted {turn}: {fault}", target.name()));
        }
    }
    let mut delivery = s.delivery(target, &s.id(&scene), "1")?;
    delivery.patient = true;
    delivery.prepare().await?;
    let batch = delivery.batch(&target.members(0..target.rows));
    s.stand.inject(Injection::always(Made::Silent));
    let Delivery { connection, target: place, run, state, .. } = &delivery;
    cut_off(s, s.plugin.deliver(&connection.context, place, run, state, &batch)).await;
    s.stand.heal();
    for turn in ["after a batch was cut off", "a second time"] {
        found.looked();
        if let Err(fault) = s.plugin.abort(&connection.context, place, run, state).await {
            found.problem(format!("{} cannot be aborted {turn}: {fault}", target.name()));
        }
    }
    Ok(())
}
