//! Checks 25 to 27: records that change, and values that are hard to carry.

use super::paging::is_ours;
use super::reading::missing;
use super::{or_end, plains};
use crate::report::{Findings, Verdict, not_applicable};
use crate::run::source::{How, Reading, Record, apply, scene};
use crate::subject::Subject;
use crate::suite::{ChangeKind, ChangeSuite};
use crate::wire::fault::{Change, Fault as Made, Injection, LARGE};
use attiva_core::ports::connector::Stream;
use attiva_core::{Fault, FaultKind, Value};

fn of_kind(s: &Subject, stream: &Stream, is: fn(ChangeKind) -> bool) -> Vec<ChangeSuite> {
    let suite = s.suite.streams.iter().find(|suite| suite.name == stream.name);
    let all = suite.map(|suite| suite.changes.clone()).unwrap_or_default();
    all.into_iter().filter(|change| is(change.kind)).collect()
}

pub(super) async fn changes(s: &Subject) -> Verdict {
    looked_for(s, |kind| kind == ChangeKind::Changed, "the suite names no record that changes").await
}

pub(super) async fn deletions(s: &Subject) -> Verdict {
    let is = |kind| matches!(kind, ChangeKind::Deleted | ChangeKind::Merged | ChangeKind::Undeleted);
    looked_for(s, is, "the suite names no record that is deleted, merged or brought back").await
}

async fn looked_for(s: &Subject, is: fn(ChangeKind) -> bool, nothing: &str) -> Verdict {
    let mut found = Findings::default();
    for (stream, plain) in or_end!(plains(s).await) {
        let changes = of_kind(s, &stream, is);
        if changes.is_empty() {
            continue;
        }
        if !s.can_change() {
            return not_applicable("nobody changes records at this vendor while the kit waits");
        }
        let after = match changed(s, &stream, &plain).await {
            Ok(after) => after,
            Err(fault) => {
                found.problem(format!("{} after changes: {fault}", stream.name));
                continue;
            }
        };
        let mut records = plain.records();
        after.pages.iter().for_each(|page| apply(&mut records, page));
        for change in changes {
            found.looked();
            let (name, key, record) = (&stream.name, &change.key, records.get(&change.key));
            match (change.kind, record) {
                (ChangeKind::Changed | ChangeKind::Undeleted, record) => {
                    missing(name, key, record, &change.expected).into_iter().for_each(|what| found.problem(what));
                }
                (ChangeKind::Deleted, Some(Record::Gone)) => {}
                (ChangeKind::Merged, Some(Record::MergedInto(into))) => {
                    let wanted = change.into.as_ref().is_none_or(|wanted| wanted == into);
                    found.hold(wanted, || format!("{name} {key} is said to be merged into {into}"));
                }
                // What was merged is at least gone.
                (ChangeKind::Merged, Some(Record::Gone)) if change.into.is_none() => {}
                (kind, _) => found.problem(format!("{name} {key} was {kind:?}, and that did not arrive")),
            }
        }
    }
    found.verdict(nothing)
}

/// Reads on from the end of the plain reading, after the suite's changes. They are made once.
async fn changed(s: &Subject, stream: &Stream, plain: &Reading) -> Result<Reading, Fault> {
    if let Some(kept) = s.readings.changed(&stream.name).await {
        return kept;
    }
    s.enter(&scene("changed", stream));
    s.change(&stream.name);
    let how = How { from: plain.end().cloned(), patient: true, ..How::default() };
    let reading = match s.connection() {
        Ok(connection) => s.read(&connection, stream, &[], &how).await,
        Err(fault) => Err(fault),
    };
    s.readings.keep_changed(&stream.name, reading.clone()).await;
    reading
}

pub(super) async fn values(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    for (stream, plain) in or_end!(plains(s).await) {
        let wanted = plain.records();
        for (change, what, may_refuse) in [
            (Change::Nul, "NUL and other scripts", false),
            (Change::Surrogate, "half a character", true),
            (Change::Large, "numbers over 2^53", false),
            (Change::Leap, "a leap second", true),
        ] {
            let Ok(keys) = s.keys(&stream).await else { continue };
            s.enter(&scene("read", &stream));
            s.stand.inject(Injection::always(Made::Changed(change)));
            let Ok(connection) = s.connection() else { continue };
            let how = How { patient: false, ..How::default() };
            found.looked();
            match s.read(&connection, &stream, &keys, &how).await {
                Ok(read) => carried(&stream, &wanted, &read, what, change, &mut found),
                Err(fault) if is_ours(&fault) => found.problem(format!("{} with {what}: {fault}", stream.name)),
                Err(fault) if may_refuse || fault.kind == FaultKind::Data => {}
                Err(fault) => found.problem(format!("{} with {what}: {fault}", stream.name)),
            }
        }
    }
    found.verdict("nothing was read")
}

fn carried(
    stream: &Stream,
    wanted: &crate::run::source::Records,
    read: &Reading,
    what: &str,
    change: Change,
    found: &mut Findings,
) {
    let records = read.records();
    let rejects: usize = read.pages.iter().map(|page| page.rejects.len()).sum();
    let lost: Vec<&String> = wanted.keys().filter(|key| !records.contains_key(*key)).collect();
    if lost.len() > rejects {
        found.problem(format!("{} with {what}: {} records are lost without a word", stream.name, lost.len() - rejects));
    }
    if change != Change::Large {
        return;
    }
    let rounded = (LARGE - 1).to_string();
    for (key, record) in &records {
        let Record::Live(values) = record else { continue };
        for (name, value) in values {
            let is_rounded = match value {
                Value::Integer(number) => *number == LARGE - 1,
                Value::Decimal(text) | Value::Text(text) => text.starts_with(&rounded),
                _ => false,
            };
            if is_rounded {
                found.problem(format!("{} {key}: {name} was {LARGE} and is rounded to {rounded}", stream.name));
            }
        }
    }
}
