//! From an event's acceptance, which is when it is durable, to the commit of the membership that follows from it: at a rate
//! that does not wait, with many segments that are all looked at for each event. Every event makes its person a member of
//! one of them, so that none is left out of the figure.

use crate::figures::{Figures, percentile};
use crate::sandbox::{Filled, Wall, key, text};
use crate::segments::Options;
use anyhow::{Context, Result, ensure};
use attiva_core::Value;
use attiva_core::id::SegmentId;
use attiva_core::identity::Identity;
use attiva_core::model::EntityName;
use attiva_core::ports::clock::Clock;
use attiva_core::ports::store::{HistoryOf, SandboxStore};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Wanted of a host on two cores.
const EVENTS_PER_SECOND: f64 = 1000.0;
/// Events that are on their way at the same time at most.
const SENDERS: u64 = 16;
/// How often it is looked whether something was committed: what a figure may be too much.
const LOOK: Duration = Duration::from_millis(1);
/// Members that are read at once.
const HISTORY: usize = 10_000;

pub fn measure(figures: &mut Figures, options: &Options) -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(run(figures, options))
}

async fn run(figures: &mut Figures, options: &Options) -> Result<()> {
    let segments = options.segments.max(1) as u64;
    let filled = Arc::new(Filled::new(options).await?);
    let rules: Vec<String> = (0..segments).map(rule).collect();
    let ids = filled.segments(&rules, None).await?;
    let events = (EVENTS_PER_SECOND * f64::from(options.seconds)) as u64;
    ensure!(events <= filled.persons * segments, "more persons are needed for so many events");
    let before = newest(filled.store.as_ref())?;

    let is_over = Arc::new(AtomicBool::new(false));
    let observer = tokio::task::spawn_blocking({
        let (store, is_over) = (Arc::clone(&filled.store), Arc::clone(&is_over));
        move || observe(store.as_ref(), &is_over)
    });
    let began = Instant::now();
    let senders = (0..SENDERS).map(|first| {
        let filled = Arc::clone(&filled);
        tokio::spawn(async move { send(&filled, first, events, segments, began).await })
    });
    let senders: Vec<_> = senders.collect();
    let mut accepted = HashMap::new();
    for sender in senders {
        accepted.extend(sender.await??);
    }
    let seconds = began.elapsed().as_secs_f64();
    filled.settled().await?;
    // The last commit has to be seen, too.
    tokio::time::sleep(LOOK * 20).await;
    is_over.store(true, Ordering::SeqCst);
    let seen = observer.await??;

    let mut millis = latencies(&filled, &ids, &accepted, &seen, before)?;
    ensure!(millis.len() as u64 == events, "{} of {events} events made a member", millis.len());
    figures.one("segments", segments as f64);
    figures.one("events_per_second", events as f64 / seconds);
    for percent in [50.0, 99.0, 99.9] {
        let digits = percent.to_string().replace('.', "");
        figures.one(&format!("streaming_p{digits}_ms"), percentile(&mut millis, percent));
    }
    let filled = Arc::into_inner(filled).context("somebody still sends")?;
    filled.stop().await;
    Ok(())
}

/// A third on what happens, a third on that and the person's own fields, a third on how often it happens.
fn rule(n: u64) -> String {
    let here = format!("e.page == \"/page/{n}\" && e.time.within(last(days(1)))");
    match n % 3 {
        0 => format!("events.exists(e, {here})"),
        1 => format!("person.person_score >= 0 && events.exists(e, {here})"),
        _ => format!("events.filter(e, {here}).size() >= 1"),
    }
}

/// Whom an event is of, and which segment it leads into: no two lead the same person into the same one.
fn about(n: u64, persons: u64, segments: u64) -> (u64, u64) {
    let (person, round) = (n % persons, n / persons);
    (person, (person + round) % segments)
}

/// Every `SENDERS`-th event from `first` on: when each was durable.
async fn send(
    filled: &Filled,
    first: u64,
    events: u64,
    segments: u64,
    began: Instant,
) -> Result<Vec<((u64, u64), Instant)>> {
    let mut accepted = Vec::new();
    for n in (first..events).step_by(usize::try_from(SENDERS)?) {
        let due = began + Duration::from_secs_f64(n as f64 / EVENTS_PER_SECOND);
        tokio::time::sleep_until(due.into()).await;
        let (person, segment) = about(n, filled.persons, segments);
        let fields = vec![
            ("type", text("web.visit".into())),
            ("page", text(format!("/page/{segment}"))),
            ("time", Value::Timestamp(Wall.now())),
            ("person_key", text(key(person))),
        ];
        filled.send("activity", std::iter::once((format!("live{n}@b.Bench"), fields))).await?;
        accepted.push(((person, segment), Instant::now()));
    }
    Ok(accepted)
}

/// The number of the newest change of a membership.
fn newest(store: &dyn SandboxStore) -> Result<i64> {
    let mut moves = 0;
    store.at_one_moment(&mut |moment| {
        moves = moment.cut()?.moves;
        Ok(())
    })?;
    Ok(moves)
}

/// What was committed at each look.
fn observe(store: &dyn SandboxStore, is_over: &AtomicBool) -> Result<Vec<(i64, Instant)>> {
    let mut seen: Vec<(i64, Instant)> = Vec::new();
    while !is_over.load(Ordering::SeqCst) {
        let now = newest(store)?;
        if seen.last().is_none_or(|(last, _)| *last < now) {
            seen.push((now, Instant::now()));
        }
        std::thread::sleep(LOOK);
    }
    Ok(seen)
}

/// In milliseconds, of every change of a membership after `before`.
fn latencies(
    filled: &Filled,
    ids: &[SegmentId],
    accepted: &HashMap<(u64, u64), Instant>,
    seen: &[(i64, Instant)],
    before: i64,
) -> Result<Vec<f64>> {
    let mut numbers = HashMap::new();
    for person in accepted.keys().map(|(person, _)| *person) {
        let identity = Identity { namespace: Identity::SOURCE_KEY.into(), value: key(person) };
        let profile = filled.store.profile_by_identity(&EntityName::PERSON, &identity)?.context("a profile")?;
        numbers.insert(profile.id, person);
    }
    let mut millis = Vec::new();
    for (segment, id) in (0..).zip(ids) {
        let (of, mut before_it) = (HistoryOf::Segment(id.clone()), None);
        loop {
            let page = filled.store.membership_history(&of, before_it, HISTORY)?;
            let Some(last) = page.last() else { break };
            before_it = Some(last.number);
            for change in page.iter().filter(|change| change.number > before) {
                let person = numbers.get(&change.profile).context("somebody else moved")?;
                let accepted = accepted.get(&(*person, segment)).context("a move that no event made")?;
                let place = seen.partition_point(|(number, _)| *number < change.number);
                let (_, at) = seen.get(place).context("a commit that was not seen")?;
                // A commit may be seen before whoever sent the event hears that it is durable.
                millis.push(at.saturating_duration_since(*accepted).as_secs_f64() * 1e3);
            }
        }
    }
    Ok(millis)
}
