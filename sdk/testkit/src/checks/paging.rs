//! Checks 20 to 23: pages, and places to go on from.

use super::{or_end, plains};
use crate::report::{Findings, Verdict};
use crate::run::source::{How, Reading, Records, apply, difference, scene};
use crate::subject::Subject;
use crate::wire::fault::{Fault as Made, Injection, is_page_like, moved};
use crate::wire::stand::Seen;
use attiva_core::page::Cursor;
use attiva_core::ports::connector::Stream;
use attiva_core::{Fault, FaultKind};
use attiva_wasm::ReadRequest;
use std::collections::BTreeSet;

/// Faults are made at so many places of a reading at most.
const PLACES_MAX: usize = 3;
/// How far a clock was ahead that made a place in the future.
const AHEAD_MS: u64 = 3_600_000;

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
            let mut met = 0;
            // One record a page, and a last page with room: what was recorded above.
            for rows in BTreeSet::from([few, most.saturating_sub(1).max(1)]) {
                let how = How { patient: true, rows: Some(rows), ..How::default() };
                let scene = format!("pages-of-{rows} {}", stream.name);
                for place in page_places(s, &stream, &scene, &how, &fault).await {
                    let inject = |s: &Subject| s.stand.inject(Injection::once(fault.clone(), place));
                    let read = read_in(s, &stream, &scene, &how, inject).await;
                    met += usize::from(s.stand.seen().iter().any(|seen| seen.is_faulty));
                    compare(&mut found, &format!("{} with {what} (request {place})", stream.name), &records, read);
                }
            }
            // What has no pages cannot meet it.
            found.note(format!("{}: met {what} {met} times", stream.name));
        }
    }
    found.verdict("nothing was read")
}

/// Requests for a page that could be another one: a page of the same kind came before.
async fn page_places(s: &Subject, stream: &Stream, scene: &str, how: &How, fault: &Made) -> Vec<usize> {
    // Answers about other keys are no pages of one list.
    if stream.keyed_by.is_some() {
        return Vec::new();
    }
    if read_in(s, stream, scene, how, |_| {}).await.is_err() {
        return Vec::new();
    }
    let seen: Vec<Seen> = s.stand.seen().into_iter().filter(|seen| !seen.is_token).collect();
    let could_be = |at: &usize| {
        let page = seen.get(*at)?;
        let is_of_path = |earlier: &&Seen| {
            earlier.request.method == page.request.method && earlier.request.path() == page.request.path()
        };
        let before = seen.iter().take(*at).rev().find(is_of_path)?;
        let (answer, earlier) = (page.answer.as_ref()?, before.answer.as_ref()?);
        let is_another = before.request.target != page.request.target && is_page_like(answer, earlier);
        (is_another && (*fault != Made::Moved || moved(answer, earlier).is_some())).then_some(())
    };
    (1..seen.len()).filter(|at| could_be(at).is_some()).take(PLACES_MAX).collect()
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
        nothing_old(s, &stream, &plain, end, "its end", &mut found).await;
        match place_ahead(s, &stream).await {
            Ok(Some(ahead)) => nothing_old(s, &stream, &plain, ahead, "a place in the future", &mut found).await,
            Ok(None) => {}
            Err(fault) => found.problem(format!("{name} with a clock that is ahead: {fault}")),
        }
        s.enter(&scene("caught-up", &stream));
        let connection = match s.connection() {
            Ok(connection) => connection,
            Err(fault) => return crate::report::not_applicable(fault.to_string()),
        };
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

/// Where a reading ended whose clock was ahead, as a machine's is that is set right afterwards.
async fn place_ahead(s: &Subject, stream: &Stream) -> Result<Option<Cursor>, Fault> {
    let how = How { patient: true, ..How::default() };
    let read = read_in(s, stream, &scene("read", stream), &how, |s| s.staged.be_ahead(AHEAD_MS)).await?;
    Ok(read.end().cloned())
}

/// Reads on from a place behind everything there is.
async fn nothing_old(s: &Subject, stream: &Stream, plain: &Reading, from: Cursor, place: &str, found: &mut Findings) {
    let name = &stream.name;
    s.enter(&scene("caught-up", stream));
    let how = How { from: Some(from), ..How::default() };
    let read = match s.connection() {
        Ok(connection) => s.read(&connection, stream, &[], &how).await,
        Err(fault) => Err(fault),
    };
    found.looked();
    match read {
        Ok(after) => {
            let mut all = plain.records();
            after.pages.iter().for_each(|page| apply(&mut all, page));
            for what in difference(&plain.records(), &all) {
                found.problem(format!("{name} after {place}: {what}"));
            }
            let starts_over = stream.cursor_column.is_some() && plain.rows() > 2 && after.rows() >= plain.rows();
            found.hold(!starts_over, || {
                format!("{name} has a cursor column, and reads all {} rows again after {place}", after.rows())
            });
        }
        Err(fault) => found.problem(format!("{name} after {place}: {fault}")),
    }
}

/// Whether the host had to stop the call.
pub(super) fn is_ours(fault: &Fault) -> bool {
    ["plugin.", "limit.", "page.", "deliver.", "kit."].iter().any(|ours| fault.code.starts_with(ours))
}
