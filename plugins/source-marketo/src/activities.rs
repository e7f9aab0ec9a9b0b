//! The stream of activities: history by bulk extract, month by month; then a chain of pages for each ten types.

use crate::chain::{batch, next_page};
use crate::cursor::{ActivitiesState, Beside, Chain, History, TypeChain, VERSION};
use crate::reader::Reader;
use crate::{event, history, request, slices};
use attiva_connector::{ColumnSpec, Cursor, Fault, Page, PageBuilder, Result};
use marketo_api::Listed;
use serde::Deserialize;

/// Marketo takes no more types in one call.
const TYPES_IN_CHAIN: usize = 10;
/// A cursor holds chains for so many types.
const TYPES_MAX: usize = 1_000;
/// Delete Lead, which bulk extract and this feed do not have.
const DELETE: i64 = 37;

pub(crate) fn page(reader: &Reader, cursor: Option<&Cursor>) -> Result<Page> {
    let Some(cursor) = cursor else { return begin(reader) };
    let mut state: ActivitiesState = cursor.decode(VERSION)?;
    let now = reader.api.now();
    if state.history.is_some() && state.beside.is_due(reader, now) {
        return changes(reader, state);
    }
    if let Some(mut past) = state.history.take() {
        let fields = event::fields();
        let names: Vec<&str> = fields.iter().filter(|f| !f.is_made()).map(|f| f.name.as_str()).collect();
        let types: Vec<i64> = state.chains.iter().flat_map(|c| c.types.iter().copied()).collect();
        let order = |start, end| Ok(Some(request::activities_order(&names, &types, start, end)));
        let by_pages = match past.slice.is_some() || past.rests(now) {
            true => slices::page(reader, &mut past, &state.chains)?,
            false => None,
        };
        let done = match by_pages {
            Some(done) => done,
            None => history::advance(reader, &mut past, &|| Ok(event::fields()), &order)?,
        };
        let over = past.is_over();
        state.history = (!over).then_some(past);
        let mut page = done.page(Cursor::encode(VERSION, &state)?)?;
        state.beside.bound(reader, &mut page, now);
        return Ok(if over && reader.config.end_date.is_some() { page.caught_up() } else { page });
    }
    if reader.config.end_date.is_some() {
        // A span of days was read to its end.
        return Ok(Page::moved(cursor.clone()).caught_up());
    }
    changes(reader, state)
}

/// No rows: fixes where history ends and the chains begin. One token serves all chains.
fn begin(reader: &Reader) -> Result<Page> {
    let now = reader.api.now();
    let types = types(reader)?;
    let chain = Chain::begin(reader, now)?;
    let chains = types.chunks(TYPES_IN_CHAIN).map(|types| TypeChain { types: types.to_vec(), chain: chain.clone() });
    let (start, end) = reader.config.history(now);
    let history = (start < end).then(|| History::new(start, end));
    let state = ActivitiesState { chains: chains.collect(), at: 0, beside: Beside::after(reader, now), history };
    Ok(Page::moved(Cursor::encode(VERSION, &state)?).estimate("beginning", None, None))
}

/// The types to read: those chosen, or the published ones, as far as the instance has them.
fn types(reader: &Reader) -> Result<Vec<i64>> {
    #[derive(Deserialize)]
    struct Type {
        id: i64,
    }

    let response = reader.api.send(&request::activity_types())?;
    let known: Listed<Type> = marketo_api::read(&response)?;
    let has = |id: &i64| *id != DELETE && known.result.iter().any(|t| t.id == *id);
    let chosen = &reader.config.activity_types;
    if let Some(missing) = chosen.iter().find(|id| !has(id)) {
        return Err(Fault::config(
            "marketo.activity-type-unknown",
            format!("the instance has no activity type {missing}"),
        )
        .action("Take the number out: Marketo lists the types under activities/types.json, and 37 cannot be read.")
        .field("activity_types"));
    }
    if chosen.len() > TYPES_MAX {
        return Err(Fault::config("marketo.activity-types", format!("at most {TYPES_MAX} activity types can be read"))
            .field("activity_types"));
    }
    if !chosen.is_empty() {
        return Ok(chosen.clone());
    }
    Ok(event::TYPES.iter().map(|(id, _)| *id).filter(|id| has(id)).collect())
}

/// The next page of the chain that is on; after the last chain's last page there is no more for now.
fn changes(reader: &Reader, mut state: ActivitiesState) -> Result<Page> {
    let columns: Vec<ColumnSpec> = event::fields().iter().map(|f| f.column()).collect();
    let mut rows = PageBuilder::new(&columns);
    let Some(current) = state.chains.get_mut(state.at) else {
        (state.at, state.beside) = (0, Beside::after(reader, reader.api.now()));
        let is_over = state.history.is_none();
        let page = Page::moved(Cursor::encode(VERSION, &state)?);
        return Ok(if is_over { page.caught_up() } else { page });
    };
    let types: Vec<String> = current.types.iter().map(i64::to_string).collect();
    let (types, batch) = (types.join(","), batch(reader));
    let (listed, warning) = next_page(reader, &mut current.chain, |token| request::activities(&types, token, batch))?;
    for activity in &listed.result {
        event::add_to(&mut rows, activity);
    }
    let wait_ms = current.chain.wait_ms();
    if !listed.has_more() {
        state.at += 1;
    }
    let over = state.at >= state.chains.len();
    if over {
        state.at = 0;
    }
    if state.history.is_some() {
        state.beside = state.beside.read(reader, over, reader.api.now());
    }
    let mut page = rows.finish(Cursor::encode(VERSION, &state)?)?;
    page.wait_ms = wait_ms;
    page.warnings.extend(warning);
    let doing = match &state.history {
        Some(past) => format!("reading what is new while history is read; {}", past.said(reader)),
        None => "reading activities".to_owned(),
    };
    let page = page.estimate(doing, None, None);
    Ok(if over && state.history.is_none() { page.caught_up() } else { page })
}

#[cfg(test)]
mod tests;
