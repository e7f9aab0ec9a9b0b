//! Members of programs: all of them by bulk extract, ten programs an export; then those whose activities say that they
//! came in, went out or moved on, read again by program and person.

use crate::chain::{batch, next_page};
use crate::cursor::{Beside, Chain, History, MembersState, ProgramsPlace, VERSION};
use crate::fields::{Field, UPDATED_AT};
use crate::history::Fields;
use crate::keyed::{self, Key, Question};
use crate::reader::Reader;
use crate::{history, programs, request};
use attiva_connector::{ColumnSpec, Cursor, Page, PageBuilder, Result, Warning};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// What the lead database calls the object.
pub(crate) const OBJECT: &str = "programs/members";
const KEY: [&str; 2] = ["programId", "leadId"];

/// Change Status in Progression, Add to Nurture, Change Nurture Track, Change Nurture Cadence, Change Program Member
/// Data.
const TYPES: &str = "104,113,114,115,123";

pub(crate) fn page(reader: &Reader, cursor: Option<&Cursor>) -> Result<Page> {
    let now = reader.api.now();
    let Some(cursor) = cursor else {
        let chain = Chain::begin(reader, now)?;
        // How many programs there are shows at the end of their list.
        let history = Some(History::new(0, i64::MAX));
        let (beside, programs) = (Beside::after(reader, now), ProgramsPlace::default());
        let state = MembersState { chain, beside, history, work: Vec::new(), more: false, programs };
        return Ok(Page::moved(Cursor::encode(VERSION, &state)?).estimate("beginning", None, None));
    };
    let mut state: MembersState = cursor.decode(VERSION)?;
    let fields = || {
        let described = reader.fields_of(OBJECT)?;
        Ok(reader.chosen(described, &[KEY[0], KEY[1], UPDATED_AT]))
    };
    if state.history.is_some() && state.beside.is_due(reader, now) {
        return changes(reader, state, &fields);
    }
    let Some(mut past) = state.history.take() else { return changes(reader, state, &fields) };
    let place = RefCell::new(std::mem::take(&mut state.programs));
    let order = |window, _end| {
        let programs = programs::of_window(reader, &mut place.borrow_mut(), window)?;
        if programs.is_empty() {
            return Ok(None);
        }
        let fields = fields()?;
        // The file has the program's id by itself, as its first column.
        let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).filter(|name| *name != KEY[0]).collect();
        Ok(Some(request::members_order(&names, &programs)))
    };
    let done = history::advance(reader, &mut past, &fields, &order)?;
    state.history = (!past.is_over()).then_some(past);
    if state.history.is_some() {
        state.programs = place.take();
    }
    let mut page = done.page(Cursor::encode(VERSION, &state)?)?;
    state.beside.bound(reader, &mut page, now);
    Ok(page)
}

/// Reads again what activities named, one program a page.
fn changes(reader: &Reader, mut state: MembersState, fields: Fields<'_>) -> Result<Page> {
    let mut warning = None;
    if state.work.is_empty() {
        warning = next_work(reader, &mut state)?;
    }
    let fields = if state.work.is_empty() { Vec::new() } else { fields()? };
    let columns: Vec<ColumnSpec> = fields.iter().map(Field::column).collect();
    let mut rows = PageBuilder::new(&columns);
    if let Some((program, ..)) = state.work.first().copied() {
        let room = usize::try_from(reader.limits.max_rows).unwrap_or(usize::MAX).clamp(1, request::BATCH_MAX);
        let count = state.work.iter().take(room).take_while(|(p, ..)| *p == program).count();
        let asked: Vec<(i64, i64, i64)> = state.work.drain(..count).collect();
        read(reader, &fields, program, &asked, &mut rows)?;
    }
    let over = state.work.is_empty() && !state.more;
    if state.history.is_some() {
        state.beside = state.beside.read(reader, over, reader.api.now());
    }
    let wait_ms = state.chain.wait_ms();
    let mut page = rows.finish(Cursor::encode(VERSION, &state)?)?;
    page.wait_ms = wait_ms;
    page.warnings.extend(warning);
    let doing = match &state.history {
        Some(past) => format!("reading changes while history is read; {}", past.said(reader)),
        None => "reading changes".to_owned(),
    };
    let page = page.estimate(doing, None, None);
    Ok(if over && state.history.is_none() { page.caught_up() } else { page })
}

/// The next page of activities, as work: each membership once.
fn next_work(reader: &Reader, state: &mut MembersState) -> Result<Option<Warning>> {
    let batch = batch(reader);
    let (listed, warning) = next_page(reader, &mut state.chain, |token| request::activities(TYPES, token, batch))?;
    let mut work: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    for activity in &listed.result {
        let (Some(program), Some(lead)) = (activity.asset(), activity.lead_id) else { continue };
        let newest = work.entry((program, lead)).or_insert(activity.time());
        *newest = activity.time().max(*newest);
    }
    state.work = work.into_iter().map(|((program, lead), time)| (program, lead, time)).collect();
    state.more = listed.has_more();
    Ok(warning)
}

/// Reads members of a program by person. Who is asked for and not answered is in it no more.
fn read(
    reader: &Reader,
    fields: &[Field],
    program: i64,
    asked: &[(i64, i64, i64)],
    rows: &mut PageBuilder,
) -> Result<()> {
    let leads: Vec<String> = asked.iter().map(|(_, lead, _)| lead.to_string()).collect();
    let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
    let path = format!("/rest/v1/programs/{program}/members.json");
    let question = Question { path: &path, by: KEY[1], values: &leads, fields: &names };
    let found = match keyed::try_ask(reader, &question)? {
        Ok(bodies) => keyed::add_rows(reader, &bodies, fields, Key::of(&KEY), rows)?,
        // The program is gone, and its memberships with it.
        Err(refusal) if refusal.is_unknown_resource() => Vec::new(),
        Err(refusal) => return Err(refusal.fault(reader.api.host.now_ms())),
    };
    for (program, lead, time) in asked {
        let key = format!("{program}-{lead}");
        if !found.contains(&key) {
            rows.row(&key).source_time(*time).tombstone();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
