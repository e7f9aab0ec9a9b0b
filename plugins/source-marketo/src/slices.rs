//! Activities of the past by REST pages, beside the exports: once the bytes of exports of a day are spent, days that no export
//! has yet are read page by page until there are bytes again, from the newest to the older, while exports go on from the
//! oldest. Persons cannot be read so: Marketo lists none of them by time, and purges the activities that name them.

use crate::chain::{batch, next_page};
use crate::cursor::{Chain, History, Slice, TypeChain};
use crate::history::{Done, Step};
use crate::reader::Reader;
use crate::{event, instant, request};
use attiva_connector::{ColumnSpec, PageBuilder, Result};

/// What is read at once: when there are bytes again, exports soon are all there is.
const SLICE_SECONDS: i64 = 86_400;

/// A page of the newest day that no export has; nothing if there is no such day.
pub(crate) fn page(reader: &Reader, past: &mut History, chains: &[TypeChain]) -> Result<Option<Done>> {
    let slice = match past.slice.take() {
        Some(slice) => Some(slice),
        None => begin(reader, past)?,
    };
    let Some(mut slice) = slice else { return Ok(None) };
    let columns: Vec<ColumnSpec> = event::fields().iter().map(|field| field.column()).collect();
    let mut rows = PageBuilder::new(&columns);
    let mut warning = None;
    let day = instant::format_seconds(slice.from);
    if let Some(TypeChain { types, .. }) = chains.get(slice.at) {
        let types: Vec<String> = types.iter().map(i64::to_string).collect();
        let (types, batch) = (types.join(","), batch(reader));
        let (listed, renewed) = next_page(reader, &mut slice.chain, |token| request::activities(&types, token, batch))?;
        warning = renewed;
        let is_within = |time: i64| time <= slice.to.saturating_mul(1000);
        let within = listed.result.iter().filter(|activity| is_within(activity.time()));
        let mut count = 0;
        for activity in within {
            event::add_to(&mut rows, activity);
            count += 1;
        }
        slice.records += count;
        // Pages go on in time, though not to the second: one that is later as a whole is behind the day.
        let is_behind = count == 0 && !listed.result.is_empty();
        if is_behind || !listed.has_more() {
            slice.at += 1;
            if slice.at < chains.len() {
                slice.chain = Chain::from(reader, slice.from)?;
            }
        }
    }
    let records = past.records + slice.records;
    if slice.at < chains.len() {
        past.slice = Some(slice);
    } else {
        (past.end, past.records) = (slice.from, records);
    }
    let phase = format!("the exports of today are spent: reading {day} page by page");
    Ok(Some(Done::new(Step::of(rows, warning), phase, records)))
}

/// The newest day, or what there is of it, that is in no export, not in one that is under way either.
fn begin(reader: &Reader, past: &History) -> Result<Option<Slice>> {
    let exported = if past.job.is_some() { past.window_end(reader.extract.window()) } else { past.window };
    let (from, to) = (exported.max(past.end.saturating_sub(SLICE_SECONDS)), past.end);
    if from >= to {
        return Ok(None);
    }
    Ok(Some(Slice { from, to, at: 0, chain: Chain::from(reader, from)?, records: 0 }))
}

#[cfg(test)]
mod tests;
