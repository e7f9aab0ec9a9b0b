//! Reads Adobe Marketo Engage: persons, companies, named accounts, opportunities and their contact roles, programs and
//! static lists and who is in them, activities (`dataset`).
//!
//! Marketo has no call that lists all persons, and none that lists the changed ones with their values. So reading them is:
//!
//! 1. **Begin**: note where the stream of activities and the stream of deletions stand now ([`begin`]).
//! 2. **History**: all persons by bulk extract, month by month of their creation (`history`). What changes meanwhile
//!    is in the streams noted before, which are read beside.
//! 3. **Changes**: activities say who is new, changed or merged; those persons are read in full (`changes`).
//! 4. **Deletions**: who is gone. Then the run is over, and the next one goes on with 3.
//!
//! The others are read in the same spirit: a chain of activities (`chain`) says what happened from a moment on, and what
//! was there before comes by bulk extract (`activities`, `program_members`), list by list (`list_members`), by the keys
//! that other streams name (`objects`), or as a whole now and then (`refreshed`).
//!
//! History may take days. Changes do not wait for it: every few minutes they are read beside it (`beside`). How long it will
//! take, and what that hangs on, is said with every page (`outlook`); while the bytes of exports of a day are spent, activities
//! of the past come by REST pages (`slices`).
//!
//! Where reading stands is in the cursor alone (`cursor`), and what fields there are for an hour (`description`); a kill at any point repeats one page.

mod activities;
mod activity;
#[cfg(test)]
mod against_simulator;
mod beside;
mod cell;
mod chain;
mod changes;
mod check;
mod config;
mod csv;
mod cursor;
mod dataset;
mod description;
mod event;
mod export_file;
mod export_job;
mod export_row;
mod extract;
mod fields;
mod history;
mod instant;
mod keyed;
mod lead;
mod list_members;
mod mapping;
mod objects;
mod outlook;
mod program_members;
mod programs;
mod reader;
mod record;
mod refreshed;
mod request;
mod slices;
mod spec;
#[cfg(test)]
mod testing;

use attiva_connector::{CheckResult, Cursor, Host, Page, Plugin, ReadRequest, Result, Source, Spec, Stream};
pub use config::Config;
use cursor::{ActivitiesState, Beside, Chain, Chains, History, MembersState, Phase, State, VERSION, Work};
use dataset::Dataset;
use description::Description;
use reader::Reader;

/// The connector.
pub struct SourceMarketo;

impl Plugin for SourceMarketo {
    type Config = Config;

    fn spec() -> Spec {
        spec::spec()
    }
}

impl Source for SourceMarketo {
    fn check(host: &dyn Host, config: &Config) -> Vec<CheckResult> {
        check::check(host, config)
    }

    fn discover(host: &dyn Host, config: &Config) -> Result<Vec<Stream>> {
        let api = marketo_api::Api::new(host);
        dataset::ALL.into_iter().map(|dataset| dataset.stream(&api, config)).collect()
    }

    fn read(host: &dyn Host, config: &Config, request: &ReadRequest) -> Result<Page> {
        let dataset = Dataset::named(&request.stream).ok_or_else(|| request.no_such_stream())?;
        let (state, description) = Description::take(request.cursor.as_ref());
        let mut reader = Reader::new(host, config, request, dataset.extract(), description);
        let mut page = page(&reader, dataset, state.as_ref());
        if page.as_ref().is_err_and(|fault| reader.description.is_doubted_by(fault)) {
            reader.description = Description::doubted();
            page = self::page(&reader, dataset, state.as_ref());
        }
        let mut page = page?;
        page.next = reader.description.put(page.next, reader.api.now());
        Ok(page)
    }

    /// Only an export takes something at Marketo: a place in the queue, and of the day's bytes.
    fn release(host: &dyn Host, _config: &Config, stream: &str, cursor: &Cursor) -> Result<()> {
        let Some(dataset) = Dataset::named(stream) else { return Ok(()) };
        let (state, _) = Description::take(Some(cursor));
        let cursor = state.as_ref().unwrap_or(cursor);
        let history = match dataset {
            Dataset::Persons => match cursor.decode::<State>(VERSION)?.phase {
                Phase::History(history) => Some(history),
                Phase::Changes(_) | Phase::Deletions => None,
            },
            Dataset::Activities => cursor.decode::<ActivitiesState>(VERSION)?.history,
            Dataset::ProgramMembers => cursor.decode::<MembersState>(VERSION)?.history,
            Dataset::Object(_) | Dataset::Refreshed(_) | Dataset::ListMembers => None,
        };
        match history.and_then(|history| history.job) {
            Some(job) => export_job::cancel(&marketo_api::Api::new(host), dataset.extract(), &job),
            None => Ok(()),
        }
    }
}

/// A page of a stream.
fn page(reader: &Reader, dataset: Dataset, cursor: Option<&Cursor>) -> Result<Page> {
    match dataset {
        Dataset::Persons => persons(reader, cursor),
        Dataset::Object(object) => objects::page(reader, object, cursor),
        Dataset::Refreshed(of) => refreshed::page(reader, of, cursor),
        Dataset::ProgramMembers => program_members::page(reader, cursor),
        Dataset::ListMembers => list_members::page(reader, cursor),
        Dataset::Activities => activities::page(reader, cursor),
    }
}

/// A page of persons.
fn persons(reader: &Reader, cursor: Option<&Cursor>) -> Result<Page> {
    let Some(cursor) = cursor else { return begin(reader) };
    let state: State = cursor.decode(VERSION)?;
    if reader.config.end_date.is_some() && !matches!(state.phase, Phase::History(_)) {
        // A span of days was read to its end.
        return Ok(Page::moved(cursor.clone()).caught_up());
    }
    match state.phase.clone() {
        Phase::History(past) if state.beside.is_due(reader, reader.api.now()) => {
            changes::page_beside(reader, state, past)
        }
        Phase::History(past) => history::page(reader, state.chains, past, state.beside),
        phase => changes::page(reader, state.chains, phase),
    }
}

/// The first page has no rows: it fixes where history ends and where the streams of what happens later begin.
fn begin(reader: &Reader) -> Result<Page> {
    let now = reader.api.now();
    let (start, end) = reader.config.history(now);
    let chains = Chains { changes: Chain::begin(reader, now)?, deletions: Chain::begin(reader, now)? };
    let phase = if start < end { Phase::History(History::new(start, end)) } else { Phase::Changes(Work::default()) };
    let state = State { chains, phase, beside: Beside::after(reader, now), meanwhile: None };
    Ok(Page::moved(reader::encode(&state)?).estimate("beginning", None, None))
}

attiva_connector::export_source!(SourceMarketo);
