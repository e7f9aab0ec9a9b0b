//! Checks 20 to 23: pages, and places to go on from.

use super::{or_end, plains};
use crate::report::{Findings, Verdict};
use crate::run::source::{How, Reading, Records, apply, difference, scene};
use crate::subject::Subject;
use crate::wire::fault::{Fault as Made, Injection};
use attiva_core::page::Cursor;
use attiva_core::ports::connector::Stream;
use attiva_core::{Fault, FaultKind};
use attiva_wasm::ReadRequest;

/// Faults are made at so many places of a reading at most.
const PLACES_MAX: usize = 3;

/// A reading in a scene of its own.
async fn read_in(
    s: &Subject,
    stream: &Stream,
    scene: &str,
    how: &How,
    more: impl Fn(&Subject),
) -> Result<Reading, Fault> {
    let keys = s.keys(stream).await?;
    s.enter(scene);
    more(s);
    s.read(&s.connection()?, stream, &keys, how).await
}

fn compare(found: &mut Findings, what: &str, plain: &Records, read: Result<Reading, Fault>) {
    found.looked();
    match read {
        Ok(read) => difference(plain, &read.records()).into_iter().for_each(|d| found.problem(format!("{what}: {d}"))),
        Err(fault) => found.problem(format!("{what}: {fault}")),
    }
}

pub(super) async fn paging(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    for (stream, plain) in or_end!(plains(s).await) {
        let records = plain.records();
        let most = u32::try_from(records.len()).unwrap_or(u32::MAX).min(1_000);
        // Very many pages of one row say no more than some do.
        let few = if most > 60 { most / 40 } else { 1 };
        for rows in [few, most.saturating_sub(1).max(1), most.max(1), most + 1] {
            let how = How { rows: Some(rows), ..How::default() };
            let read = read_in(s, &stream, &format!("pages-of-{rows} {}", stream.name), &how, |_| {}).await;
            if let Ok(read) = &read {
                for page in read.pages.iter().filter(|page| page.rows.len > rows as usize) {
                    found.problem(format!("{}: {} rows in a page of at most {rows}", stream.name, page.rows.len));
                }
            }
            compare(&mut found, &format!("{} in pages of {rows}", stream.name), &records, read);
        }
        for (fault, what) in [(Made::Again, "a page that came twice"), (Made::Moved, "a page that had moved")] {
            for place in again_places(s, &stream).await {
                let how = How { patient: true, ..How::default() };
                let inject = |s: &Subject| s.stand.inject(Injection::once(fault.clone(), place));
                let read = read_in(s, &stream, &scene("read", &stream), &how, inject).await;
                compare(&mut found, &format!("{} with {what} (request {place})", stream.name), &records, read);
            }
        }
    }
    found.verdict("nothing was read")
}

/// Requests whose path was asked for before, so that an answer of the same kind is there.
async fn again_places(s: &Subject, stream: &Stream) -> Vec<usize> {
    if read_in(s, stream, &scene("read", stream), &How::default(), |_| {}).await.is_err() {
        return Vec::new();
    }
    let requests = s.stand.requests();
    let is_again = |at: &usize| requests.iter().take(*at).any(|earlier| earlier.path() == requests[*at].path());
    (1..requests.len()).filter(is_again).take(PLACES_MAX).collect()
}

pub(super) async fn repeatable(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    for (stream, plain) in or_end!(plains(s).await) {
        let stamp = |s: &Subject| s.stand.stamp("another-request");
        let read = read_in(s, &stream, &scene("read", &stream), &How::default(), stamp).await;
        compare(&mut found, &format!("{} read again", stream.name), &plain.records(), read);
    }
    found.verdict("nothing was read")
}

pub(super) async fn resume(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    for (stream, plain) in or_end!(plains(s).await) {
        if stream.keyed_by.is_some() {
            // Which keys are left is the host's knowledge; the connector's part of it is check 24.
            continue;
        }
        let (wanted, mut held) = (plain.records(), Records::new());
        for (i, page) in plain.pages.iter().enumerate() {
            apply(&mut held, page);
            let how = How { from: Some(page.next.clone()), ..How::default() };
            let read = read_in(s, &stream, &scene("read", &stream), &how, |_| {}).await;
            found.looked();
            match read {
                Ok(read) => {
                    let mut all = held.clone();
                    read.pages.iter().for_each(|page| apply(&mut all, page));
                    for what in difference(&wanted, &all) {
                        found.problem(format!("{} from the cursor of page {i}: {what}", stream.name));
                    }
                }
                Err(fault) => found.problem(format!("{} from the cursor of page {i}: {fault}", stream.name)),
            }
        }
        found.note(format!("{}: {} cursors", stream.name, plain.pages.len()));
    }
    found.verdict("its streams are read by keys alone")
}

pub(super) async fn caught_up(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    for (stream, plain) in or_end!(plains(s).await) {
        let name = &stream.name;
        let Some(end) = plain.end().cloned() else { continue };
        s.enter(&scene("caught-up", &stream));
        let connection = match s.connection() {
            Ok(connection) => connection,
            Err(fault) => return crate::report::not_applicable(fault.to_string()),
        };
        let how = How { from: Some(end), ..How::default() };
        found.looked();
        match s.read(&connection, &stream, &[], &how).await {
            Ok(after) => {
                let mut all = plain.records();
                after.pages.iter().for_each(|page| apply(&mut all, page));
                for what in difference(&plain.records(), &all) {
                    found.problem(format!("{name} after its end: {what}"));
                }
                let starts_over = stream.cursor_column.is_some() && plain.rows() > 2 && after.rows() >= plain.rows();
                found.hold(!starts_over, || {
                    format!("{name} has a cursor column, and reads all {} rows again after its end", after.rows())
                });
            }
            Err(fault) => found.problem(format!("{name} after its end: {fault}")),
        }
        let garbage = Cursor { state_version: s.spec().state_version, bytes: b"\xff\x00 no cursor".to_vec() };
        let request = ReadRequest {
            stream: name.clone(),
            cursor: Some(garbage),
            max_rows: 10,
            max_bytes: 1 << 20,
            ..ReadRequest::default()
        };
        found.looked();
        match s.plugin.read(&connection.context, &request).await {
            Err(fault) if is_ours(&fault) => found.problem(format!("{name} after a cursor that is none: {fault}")),
            Err(fault) if fault.kind == FaultKind::Transient => {
                found.problem(format!("{name} would try a cursor that is none again and again: {fault}"));
            }
            Err(_) => {}
            Ok(_) => found.problem(format!("{name} takes a cursor that is none")),
        }
    }
    found.verdict("nothing was read")
}

/// Whether the host had to stop the call.
pub(super) fn is_ours(fault: &Fault) -> bool {
    ["plugin.", "limit.", "page.", "deliver.", "kit."].iter().any(|ours| fault.code.starts_with(ours))
}
