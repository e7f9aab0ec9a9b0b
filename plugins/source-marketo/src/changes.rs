//! What changed since: activities say who, the persons themselves are then read in full; deletions have a chain of
//! their own. So it goes on behind history, and beside it while that is read.

use crate::activity;
use crate::chain::{batch, next_page};
use crate::cursor::{Chain, Chains, History, Phase, State, Work};
use crate::lead;
use crate::reader::{self, Reader};
use crate::request::{self, CHANGE_TYPES};
use attiva_connector::{ColumnSpec, Cursor, Fault, Page, PageBuilder, Result, Warning};

/// A page, and where to go on.
struct Read {
    rows: PageBuilder,
    next: Phase,
    /// There is no more for now.
    over: bool,
    wait_ms: Option<u64>,
    warning: Option<Warning>,
    doing: &'static str,
}

impl Read {
    fn page(self, cursor: Cursor, doing: String) -> Result<Page> {
        let mut page = self.rows.finish(cursor)?;
        page.wait_ms = self.wait_ms;
        page.warnings.extend(self.warning);
        Ok(page.estimate(doing, None, None))
    }
}

/// The next page behind history. After the last one there is no more for now.
pub(crate) fn page(reader: &Reader, mut chains: Chains, phase: Phase) -> Result<Page> {
    let read = read(reader, &mut chains, phase)?;
    let (over, doing) = (read.over, read.doing.to_owned());
    let cursor = reader::cursor(chains, read.next.clone())?;
    let page = read.page(cursor, doing)?;
    Ok(if over { page.caught_up() } else { page })
}

/// The next page beside history, which is where it was.
pub(crate) fn page_beside(reader: &Reader, state: State, past: History) -> Result<Page> {
    let State { mut chains, beside, meanwhile, .. } = state;
    let read = read(reader, &mut chains, meanwhile.unwrap_or_else(|| Phase::Changes(Work::default())))?;
    let doing = format!("{} while history is read; {}", read.doing, past.said(reader));
    let beside = beside.read(reader, read.over, reader.api.now());
    let meanwhile = (!read.over).then(|| read.next.clone());
    let state = State { chains, phase: Phase::History(past), beside, meanwhile };
    read.page(reader::encode(&state)?, doing)
}

fn read(reader: &Reader, chains: &mut Chains, phase: Phase) -> Result<Read> {
    match phase {
        Phase::Changes(work) => changes(reader, chains, work),
        Phase::Deletions => deletions(reader, chains),
        Phase::History(_) => changes(reader, chains, Work::default()),
    }
}

/// New, changed and merged persons. After the last one it goes on with deletions.
fn changes(reader: &Reader, chains: &mut Chains, mut work: Work) -> Result<Read> {
    let mut warning = None;
    if work.is_done() {
        (work, warning) = next_work(reader, &mut chains.changes)?;
    }
    let fields = if work.read.is_empty() { Vec::new() } else { reader.fields()? };
    let columns: Vec<ColumnSpec> = fields.iter().map(|f| f.column()).collect();
    let mut rows = PageBuilder::new(&columns);
    if !work.read.is_empty() {
        lead::read(reader, &fields, &mut work, &mut rows)?;
    }
    if work.read.is_empty() {
        add_merges(reader, &mut work, &mut rows);
    }
    let next = if work.is_done() && !work.more { Phase::Deletions } else { Phase::Changes(work) };
    Ok(Read { rows, next, over: false, wait_ms: chains.changes.wait_ms(), warning, doing: "reading changes" })
}

/// Deleted persons. After the last one there is no more for now.
fn deletions(reader: &Reader, chains: &mut Chains) -> Result<Read> {
    let batch = batch(reader);
    let (listed, warning) = next_page(reader, &mut chains.deletions, |token| request::deletions(token, batch))?;
    let mut rows = PageBuilder::new(&[]);
    for activity in &listed.result {
        if let Some(id) = activity.lead_id {
            rows.row(&id.to_string()).source_time(activity.time()).tombstone();
        }
    }
    let over = !listed.has_more();
    let next = if over { Phase::Changes(Work::default()) } else { Phase::Deletions };
    Ok(Read { rows, next, over, wait_ms: chains.deletions.wait_ms(), warning, doing: "reading deletions" })
}

/// The next page of activities, as work. A page whose work would not fit the cursor is asked for again, smaller.
fn next_work(reader: &Reader, chain: &mut Chain) -> Result<(Work, Option<Warning>)> {
    let mut batch = batch(reader);
    loop {
        let mut next = chain.clone();
        let (listed, warning) = next_page(reader, &mut next, |token| request::activities(CHANGE_TYPES, token, batch))?;
        let work = activity::work(&listed.result, listed.has_more());
        if work.fits() {
            *chain = next;
            return Ok((work, warning));
        }
        if batch == 1 {
            let message = format!("{} persons were merged into one at once", work.merged.len());
            return Err(Fault::data("marketo.merge-too-large", message)
                .action("Read persons from the start: attiva run backfill --reset."));
        }
        batch /= 2;
    }
}

fn add_merges(reader: &Reader, work: &mut Work, rows: &mut PageBuilder) {
    let room = usize::try_from(reader.limits.max_rows).unwrap_or(usize::MAX).saturating_sub(rows.rows());
    let count = room.min(work.merged.len());
    for (loser, winner, time) in work.merged.drain(..count) {
        rows.row(&loser.to_string()).source_time(time).merge_into(&winner.to_string());
    }
}

#[cfg(test)]
mod tests;
