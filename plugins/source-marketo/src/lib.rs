//! Reads persons from Adobe Marketo Engage.
//!
//! Marketo has no call that lists all persons, and none that lists the changed ones with their values. So reading is:
//!
//! 1. **Begin**: note where the stream of activities and the stream of deletions stand now ([`begin`]).
//! 2. **History**: all persons by bulk extract, month by month of their creation (`history`). What changes meanwhile
//!    is in the streams noted before.
//! 3. **Changes**: activities say who is new, changed or merged; those persons are read in full (`changes`).
//! 4. **Deletions**: who is gone. Then the run is over, and the next one goes on with 3.
//!
//! Where reading stands is in the cursor alone (`cursor`); a kill at any point repeats one page.

mod activity;
mod api;
mod cell;
mod changes;
mod check;
mod config;
mod csv;
mod cursor;
mod export_file;
mod export_job;
mod export_row;
mod fields;
mod history;
mod instant;
mod lead;
mod reader;
mod refusal;
mod request;
mod response;
mod spec;
#[cfg(test)]
mod testing;

use attiva_connector::{CheckResult, Cursor, Host, Page, Plugin, ReadRequest, Result, Source, Spec, Stream};
pub use config::Config;
use cursor::{Chain, Chains, History, Phase, State, VERSION, Work};
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
        let fields = fields::select(fields::describe(&api::Api::new(host))?, config, &[])?;
        Ok(vec![Stream {
            name: spec::PERSONS.into(),
            title: "Persons".into(),
            columns: fields.iter().map(fields::Field::column).collect(),
            key: fields::ID.into(),
            cursor_column: Some(fields::UPDATED_AT.into()),
            deletes: true,
            keyed_by: None,
            suggested: true,
        }])
    }

    fn read(host: &dyn Host, config: &Config, request: &ReadRequest) -> Result<Page> {
        if request.stream != spec::PERSONS {
            return Err(request.no_such_stream());
        }
        let reader = Reader::new(host, config, request);
        let Some(cursor) = &request.cursor else { return begin(&reader) };
        let State { chains, phase } = cursor.decode(VERSION)?;
        match phase {
            Phase::History(history) => history::page(&reader, chains, history),
            Phase::Changes(work) => changes::page(&reader, chains, work),
            Phase::Deletions => changes::deletions_page(&reader, chains),
        }
    }

    /// Only an export takes something at Marketo: a place in the queue, and of the day's bytes.
    fn release(host: &dyn Host, _config: &Config, _stream: &str, cursor: &Cursor) -> Result<()> {
        match cursor.decode::<State>(VERSION)?.phase {
            Phase::History(History { job: Some(job), .. }) => export_job::cancel(&api::Api::new(host), &job),
            _ => Ok(()),
        }
    }
}

/// The first page has no rows: it fixes where history ends and where the streams of what happens later begin.
fn begin(reader: &Reader) -> Result<Page> {
    let now = reader.api.now();
    let start = i64::from(reader.config.start_date) * 86_400;
    let chains = Chains { changes: Chain::begin(reader, now)?, deletions: Chain::begin(reader, now)? };
    let phase = if start < now { Phase::History(History::new(start, now)) } else { Phase::Changes(Work::default()) };
    Ok(Page::moved(reader::cursor(chains, phase)?).estimate("beginning", None, None))
}

attiva_connector::export_source!(SourceMarketo);
