//! What changed since: activities say who, the persons themselves are then read in full; deletions have a chain of
//! their own.

use crate::activity;
use crate::chain::{batch, next_page};
use crate::cursor::{Chain, Chains, Phase, Work};
use crate::lead;
use crate::reader::{self, Reader};
use crate::request::{self, CHANGE_TYPES};
use attiva_connector::{ColumnSpec, Fault, Page, PageBuilder, Result, Warning};

/// A page of new, changed and merged persons. After the last one it goes on with deletions.
pub(crate) fn page(reader: &Reader, mut chains: Chains, mut work: Work) -> Result<Page> {
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
    let phase = if work.is_done() && !work.more { Phase::Deletions } else { Phase::Changes(work) };
    let wait_ms = chains.changes.wait_ms();
    let mut page = rows.finish(reader::cursor(chains, phase)?)?;
    page.wait_ms = wait_ms;
    page.warnings.extend(warning);
    Ok(page.estimate("reading changes", None, None))
}

/// A page of deleted persons. After the last one there is no more for now.
pub(crate) fn deletions_page(reader: &Reader, mut chains: Chains) -> Result<Page> {
    let batch = batch(reader);
    let (listed, warning) = next_page(reader, &mut chains.deletions, |token| request::deletions(token, batch))?;
    let mut rows = PageBuilder::new(&[]);
    for activity in &listed.result {
        if let Some(id) = activity.lead_id {
            rows.row(&id.to_string()).source_time(activity.time()).tombstone();
        }
    }
    let phase = if listed.has_more() { Phase::Deletions } else { Phase::Changes(Work::default()) };
    let wait_ms = chains.deletions.wait_ms();
    let mut page = rows.finish(reader::cursor(chains, phase)?)?;
    page.wait_ms = wait_ms;
    page.warnings.extend(warning);
    let page = page.estimate("reading deletions", None, None);
    Ok(if listed.has_more() { page } else { page.caught_up() })
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
