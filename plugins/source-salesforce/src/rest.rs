//! A window by REST: a page of a query at a time, in the order of times and ids.
//!
//! The vendor names each next page; should it no longer know it, the query is made anew from the last record read. Many
//! records may carry one time, so the place is a time and an id.

use crate::cursor::{Phase, Place, State, Way, Window};
use crate::fields::{self, Field};
use crate::reader::Reader;
use crate::refusal::Refusal;
use crate::response::Queried;
use crate::rows::{Rows, values_of};
use crate::window;
use crate::{request, response, soql};
use attiva_connector::{Page, Result, Warning};

/// The next page of a window. After the last one the stream has caught up.
pub(crate) fn page(reader: &Reader, state: State, mut window: Window) -> Result<Page> {
    let Way::Rest(mut place) = window.way.clone() else { return window::open(reader, state) };
    let mut warnings = Vec::new();
    let Some((object, queried)) = ask(reader, &window, &mut place, &mut warnings)? else {
        // Gone in the middle of reading: the next run looks for it again.
        return window::open(reader, State { phase: Phase::Idle, ..state });
    };
    let begins = place.next.is_none() && place.after.is_none();
    if begins && queried.total_size >= reader.config.bulk_from && !place.only_rest {
        window.total = Some(queried.total_size);
        window.way = Way::Bulk(None);
        return Ok(Page::moved(reader.cursor(state, Phase::Window(window))?).estimate(
            "many changes: making a job",
            None,
            None,
        ));
    }
    if begins {
        window.total = Some(queried.total_size);
    }
    let fields = object.selected(reader.config, reader.wanted);
    // A field may have gone since the window was opened: should it come back, these records do not have it.
    let state = State { columns: Some(fields::digest(&fields)), ..state };
    let mut rows = Rows::new(&object, &fields);
    let all = take(reader, &queried, &fields, &mut rows, &mut place);
    let (builder, records) = rows.into_page();
    window.records += records;
    let (done, total, so_far) = (all && queried.done, window.total, window.records);
    place.next = if all { queried.next_records_url.filter(|_| !queried.done) } else { None };
    let cursor = if done {
        reader.cursor(window::closed(&state, &window), Phase::Idle)?
    } else {
        window.way = Way::Rest(place);
        reader.cursor(state, Phase::Window(window))?
    };
    let mut page = builder.finish(cursor)?;
    page.warnings.extend(warnings);
    let page = page.estimate("reading changes", Some(so_far), total);
    Ok(if done { page.caught_up() } else { page })
}

/// Takes records as long as the page has room. False: some were left, and are asked for again.
fn take(reader: &Reader, queried: &Queried, fields: &[&Field], rows: &mut Rows<'_>, place: &mut Place) -> bool {
    for record in &queried.records {
        let values = values_of(record, fields);
        let bytes = values.iter().flatten().map(|value| value.len()).sum();
        if rows.is_full(bytes, &reader.limits) {
            return false;
        }
        // A record without an id or a time cannot be a place; the one before it can.
        if let Some(read) = rows.take(&values, bytes, &reader.limits) {
            place.after = Some(read);
        }
    }
    true
}

/// Asks for the page at a place; nothing if the object is gone. A place that the vendor no longer knows, and a field that
/// is gone, are asked for in another way, once each.
fn ask(
    reader: &Reader,
    window: &Window,
    place: &mut Place,
    warnings: &mut Vec<Warning>,
) -> Result<Option<(crate::fields::Described, Queried)>> {
    loop {
        let Some(object) = reader.described()? else { return Ok(None) };
        let request = match &place.next {
            Some(next) => request::next_page(next),
            None => {
                let fields = object.selected(reader.config, reader.wanted);
                let query = soql::page(&object, &fields, window.from, window.to, place.after.as_ref());
                request::query_all(&reader.config.api_version, &query, reader.limits.max_rows)
            }
        };
        match reader.api.attempt(&request)? {
            Ok(response) => return Ok(Some((object, response::read(&response)?))),
            Err(refusal) if place.next.is_some() && refusal.is_gone() => {
                let message = "Salesforce no longer knew the next page; asked again from the last record read";
                warnings.push(Warning::new("salesforce.page-gone", message));
                place.next = None;
            }
            Err(refusal) if refusal.is_unknown_field() && !is_warned(warnings) => {
                warnings.push(window::field_gone(reader, &refusal)?);
                place.next = None;
            }
            Err(refusal) => return fails(&refusal),
        }
    }
}

fn is_warned(warnings: &[Warning]) -> bool {
    warnings.iter().any(|warning| warning.code == "salesforce.field-gone")
}

fn fails<T>(refusal: &Refusal) -> Result<Option<T>> {
    if refusal.is_unknown_object() { Ok(None) } else { Err(refusal.fault()) }
}

#[cfg(test)]
mod tests;
