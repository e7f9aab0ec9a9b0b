//! Reads accounts, persons, opportunities, campaigns and whatever other objects are named from a Salesforce org.
//!
//! Every object is a stream, read in windows of the time its records last changed ([`window`]):
//!
//! 1. **Open** a window: from a little before where the last one ended to now. Describe says which fields the user sees.
//! 2. **Read** it. Few records by REST, a page of a query at a time (`rest`); many by a Bulk API 2.0 job, whose results
//!    are fetched file by file (`bulk`). Deleted records are in the same query, as are those merged into others.
//! 3. **Tidy up**: a job that was read is deleted. Then the stream has caught up, and the next run opens the next window.
//!
//! Windows overlap, since records become visible late; what comes twice is the same record twice. Where reading stands
//! is in the cursor alone (`cursor`); a kill at any point repeats one page.

mod api;
mod bulk;
mod cell;
mod check;
mod config;
mod cursor;
mod fields;
mod instant;
mod job;
mod mapping;
mod objects;
mod reader;
mod refusal;
mod request;
mod response;
mod rest;
mod results;
mod rows;
mod soql;
mod spec;
#[cfg(test)]
mod testing;
mod usage;
mod window;

use attiva_connector::{CheckResult, Cursor, Host, Page, Plugin, ReadRequest, Result, Source, Spec, Stream};
pub use config::Config;
use cursor::{Phase, State, VERSION, Way, Window};
use reader::Reader;

/// The connector.
pub struct SourceSalesforce;

impl Plugin for SourceSalesforce {
    type Config = Config;

    fn spec() -> Spec {
        spec::spec()
    }
}

impl Source for SourceSalesforce {
    fn check(host: &dyn Host, config: &Config) -> Vec<CheckResult> {
        check::check(host, config)
    }

    fn discover(host: &dyn Host, config: &Config) -> Result<Vec<Stream>> {
        objects::discover(host, config)
    }

    fn read(host: &dyn Host, config: &Config, request: &ReadRequest) -> Result<Page> {
        if !objects::wanted(config).any(|object| object == request.stream) {
            return Err(request.no_such_stream());
        }
        let state = match &request.cursor {
            Some(cursor) => cursor.decode(VERSION)?,
            None => State::default(),
        };
        let reader = Reader::new(host, config, request);
        reader.budget(&state)?;
        match state.phase.clone() {
            Phase::Idle => window::open(&reader, state),
            Phase::Window(window) => match window.way {
                Way::Rest(_) => rest::page(&reader, state, window),
                Way::Bulk(_) => bulk::page(&reader, state, window),
            },
            Phase::Tidy { job } => bulk::tidy(&reader, state, &job),
        }
    }

    /// A job that nobody will fetch is ended, so that its results take no storage.
    fn release(host: &dyn Host, config: &Config, _stream: &str, cursor: &Cursor) -> Result<()> {
        let api = api::Api::new(host);
        match cursor.decode::<State>(VERSION)?.phase {
            Phase::Window(Window { way: Way::Bulk(Some(job)), .. }) => job::give_up(&api, &config.api_version, &job.id),
            Phase::Tidy { job } => job::delete(&api, &config.api_version, &job),
            _ => Ok(()),
        }
    }
}

attiva_connector::export_source!(SourceSalesforce);
