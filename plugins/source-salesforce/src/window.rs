//! Opening a window, and closing it: which records are to be read next, and how.
//!
//! A window ends now and begins a little before the last one ended. Records become visible some time after the time
//! they carry, so a window that began where the last one ended would miss some.

use crate::cursor::{Phase, Place, State, Way, Window};
use crate::fields::{self, Described, Field};
use crate::reader::Reader;
use crate::refusal::Refusal;
use crate::{request, response, soql};
use attiva_connector::{Page, Result, Warning};

/// Opens the next window. The page has no rows: what is asked for next is committed before it is.
pub(crate) fn open(reader: &Reader, state: State) -> Result<Page> {
    let Some(object) = reader.described()? else { return hidden_object(reader, state) };
    let fields = object.selected(reader.config, reader.wanted);
    let to = reader.config.end().map_or_else(|| reader.api.now(), |end| end.min(reader.api.now()));
    if reader.config.end().is_some() && state.read_to.is_some_and(|read_to| read_to >= to) {
        // A span of days was read to its end.
        return Ok(Page::moved(reader.cursor(state, Phase::Idle)?).caught_up());
    }
    let is_first = state.read_to.is_none();
    let behind = |read_to: i64| (read_to - i64::from(reader.config.overlap_seconds)).min(to);
    let from = state.read_to.map(behind).or(reader.config.after().map(|after| after.min(to)));
    // What changed since the last run is asked for at once: the first page says how much it is.
    let total = if is_first { count(reader, &object, from, to)? } else { Some(0) };
    let large = total.is_none_or(|total| total >= reader.config.bulk_from) || !fits_a_uri(&object, &fields, from, to);
    let way = if large { Way::Bulk(None) } else { Way::Rest(Place::default()) };
    let total = total.filter(|_| is_first);
    let window = Window { from, to, way, records: 0, total, failures: 0, failure: None };
    let digest = fields::digest(&fields);
    let warnings = warnings(reader, &state, &object, digest);
    let state = State { columns: Some(digest), ..state };
    let mut page = Page::moved(reader.cursor(state, Phase::Window(window))?);
    page.warnings = warnings;
    Ok(page.estimate("looking for changes", Some(0), total))
}

/// Closes a window that was read to its end.
pub(crate) fn closed(state: &State, window: &Window) -> State {
    State { read_to: Some(window.to), ..state.clone() }
}

/// How many records a window has; nothing if that itself is too much to ask.
fn count(reader: &Reader, object: &Described, from: Option<i64>, to: i64) -> Result<Option<u64>> {
    let query = soql::count(object, from, to);
    match reader.api.attempt(&request::query_all(&reader.config.api_version, &query, request::BATCH_MAX))? {
        Ok(response) => Ok(Some(response::read::<response::Queried>(&response)?.total_size)),
        Err(refusal) if refusal.is_too_large() => Ok(None),
        Err(refusal) => Err(refusal.fault()),
    }
}

/// Whether the longest query of the window fits a URI; a job's stands in a body.
fn fits_a_uri(object: &Described, fields: &[&Field], from: Option<i64>, to: i64) -> bool {
    let after = (to.saturating_mul(1000), "0".repeat(18));
    let query = soql::page(object, fields, from, to, Some(&after));
    request::query_all("68.0", &query, request::BATCH_MAX).path.len() <= request::PATH_BYTES_MAX
}

/// Named once, when the columns are new or others than before.
fn warnings(reader: &Reader, state: &State, object: &Described, digest: u64) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if state.columns == Some(digest) {
        return warnings;
    }
    let hidden = object.hidden(reader.config);
    if !hidden.is_empty() {
        let message = format!(
            "{} is read without {}: the org has no such fields, or the user may not see them",
            object.name,
            hidden.join(", ")
        );
        warnings.push(Warning::new("salesforce.fields-hidden", message));
    }
    if state.columns.is_some() {
        let message = format!(
            "{} has other columns than before; records that do not change keep what they had. Read the stream anew to bring them all up to date (attiva run backfill)",
            object.name
        );
        warnings.push(Warning::new("salesforce.columns-changed", message));
    }
    warnings
}

/// The object is not in the org, or not for this user: nothing is read, and nothing stops.
fn hidden_object(reader: &Reader, state: State) -> Result<Page> {
    let message = format!("{} is not in the org, or the user may not see it", reader.object);
    let page = Page::moved(reader.cursor(state, Phase::Idle)?).caught_up();
    Ok(page.warn("salesforce.object-hidden", message))
}

/// A query named a field that is no longer there: the object is described anew, once, and asked again.
pub(crate) fn field_gone(reader: &Reader, refusal: &Refusal) -> Result<Warning> {
    fields::forget(&reader.api)?;
    let words: String = refusal.message.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect();
    let message = format!("a field of {} is gone, or the user may no longer see it: {words}", reader.object);
    Ok(Warning::new("salesforce.field-gone", message))
}
