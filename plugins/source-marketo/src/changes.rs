//! What changed since: activities say who, the persons themselves are then read in full; deletions have a chain of
//! their own.
//!
//! Every page of this family carries a token for the next one, the last page too: `moreResult` alone says whether to
//! go on, and a page may be empty although there is more.

use crate::activity::{self, Activity};
use crate::cursor::{Chain, Chains, Phase, Work};
use crate::lead;
use crate::reader::{self, Reader};
use crate::request;
use crate::response::{self, Listed};
use attiva_connector::{ColumnSpec, Fault, Page, PageBuilder, Request, Result, Warning};

/// How many pages in a row may say that there is more, but not where.
const STILL_MAX: u32 = 10;
/// How far before a moment a chain begins that has to hold everything after it: activities appear minutes late.
const OVERLAP_SECONDS: i64 = 600;

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
    let phase = if listed.more { Phase::Deletions } else { Phase::Changes(Work::default()) };
    let wait_ms = chains.deletions.wait_ms();
    let mut page = rows.finish(reader::cursor(chains, phase)?)?;
    page.wait_ms = wait_ms;
    page.warnings.extend(warning);
    let page = page.estimate("reading deletions", None, None);
    Ok(if listed.more { page } else { page.caught_up() })
}

impl Chain {
    /// A chain that holds everything from `now` on, in seconds.
    pub(crate) fn begin(reader: &Reader, now: i64) -> Result<Self> {
        let since = now - OVERLAP_SECONDS;
        Ok(Self { token: token(reader, since)?, since, still: 0 })
    }

    /// A page that said nothing is not asked for again at once.
    fn wait_ms(&self) -> Option<u64> {
        (self.still > 0).then(|| u64::from(self.still) * 1000)
    }
}

fn token(reader: &Reader, since: i64) -> Result<String> {
    let response = reader.api.send(&request::paging_token(since))?;
    let listed: Listed<serde::de::IgnoredAny> = response::read(&response)?;
    listed.next.ok_or_else(|| Fault::data("marketo.unexpected", "Marketo gave no paging token"))
}

/// The next page of activities, as work. A page whose work would not fit the cursor is asked for again, smaller.
fn next_work(reader: &Reader, chain: &mut Chain) -> Result<(Work, Option<Warning>)> {
    let mut batch = batch(reader);
    loop {
        let mut next = chain.clone();
        let (listed, warning) = next_page(reader, &mut next, |token| request::activities(token, batch))?;
        let work = activity::work(&listed.result, listed.more);
        if work.fits() {
            *chain = next;
            return Ok((work, warning));
        }
        if batch == 1 {
            let message = format!("{} persons were merged into one at once", work.merged.len());
            return Err(Fault::data("marketo.merge-too-large", message)
                .action("Reset the connection's state and read from the start."));
        }
        batch /= 2;
    }
}

/// The chain's next page; the chain then stands behind it.
fn next_page(
    reader: &Reader,
    chain: &mut Chain,
    request: impl Fn(&str) -> Request,
) -> Result<(Listed<Activity>, Option<Warning>)> {
    let now = reader.api.now();
    let mut warning = None;
    let response = match reader.api.attempt(&request(&chain.token))? {
        Ok(response) => response,
        Err(refusal) if refusal.is_unknown_page() => {
            // Tokens have no documented end. What is read twice because of this does no harm.
            let message = format!(
                "Marketo no longer knew where reading stood ({}); began anew a little earlier",
                refusal.message
            );
            warning = Some(Warning::new("marketo.token-renewed", message));
            chain.token = token(reader, chain.since)?;
            reader.api.send(&request(&chain.token))?
        }
        Err(refusal) => return Err(refusal.fault(reader.api.host.now_ms())),
    };
    let listed: Listed<Activity> = response::read(&response)?;
    let next = listed.next.clone().filter(|next| !next.is_empty()).unwrap_or_else(|| chain.token.clone());
    let stands_still = listed.more && next == chain.token;
    if stands_still && chain.still >= STILL_MAX {
        return Err(Fault::transient("marketo.stuck", "Marketo keeps saying that there is more, but not where"));
    }
    chain.still = if stands_still { chain.still + 1 } else { 0 };
    chain.token = next;
    if !listed.more {
        chain.since = now - OVERLAP_SECONDS;
    }
    Ok((listed, warning))
}

fn add_merges(reader: &Reader, work: &mut Work, rows: &mut PageBuilder) {
    let room = usize::try_from(reader.limits.max_rows).unwrap_or(usize::MAX).saturating_sub(rows.rows());
    let count = room.min(work.merged.len());
    for (loser, winner, time) in work.merged.drain(..count) {
        rows.row(&loser.to_string()).source_time(time).merge_into(&winner.to_string());
    }
}

/// Activities in a page: at most one row comes of each, merges aside.
fn batch(reader: &Reader) -> usize {
    usize::try_from(reader.limits.max_rows).unwrap_or(request::BATCH_MAX).clamp(1, request::BATCH_MAX)
}

#[cfg(test)]
mod tests;
