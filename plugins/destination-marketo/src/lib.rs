//! Audiences as static lists of Marketo: who is there is put on the list, who is missing is made if you say so.
//!
//! Lists hold lead ids. So each batch goes in three steps, each of which a repeat may do again:
//!
//! 1. who the rows are: by address, by the id that our own graph has for this Marketo, or, in mode *create*, by a call
//!    that makes or changes them and answers their ids (`deliver.rs`);
//! 2. those who belong there are put on the list, at most 300 in a call, each with an answer of its own;
//! 3. those who left come off it by the id under which they were put there.
//!
//! A large first fill goes by files instead (`imports.rs`): one import makes or changes people and lists them.
//!
//! `prepare` refuses a mapping that Marketo cannot take, naming the field, before the first person is touched.

mod check;
mod config;
mod deliver;
mod fields;
mod imports;
mod list;
mod lookup;
mod members;
mod person;
mod prepare;
mod request;
mod spec;
mod state;

use attiva_connector::{
    Artifact, Batch, CheckResult, Delivered, Destination, EraseResult, Finished, Host, MemberPage, OutcomeStatus,
    Plugin, Prepared, Result, Run, Spec, Target, TargetObject, encode_state,
};
use config::{Config, Options};
use marketo_api::Api;
use state::State;

/// The connector.
pub struct Marketo;

impl Plugin for Marketo {
    type Config = Config;

    fn spec() -> Spec {
        spec::spec()
    }
}

impl Destination for Marketo {
    fn check(host: &dyn Host, _: &Config) -> Vec<CheckResult> {
        check::check(&Api::new(host))
    }

    fn discover(host: &dyn Host, _: &Config) -> Result<Vec<TargetObject>> {
        Ok(vec![TargetObject {
            name: spec::OBJECT.into(),
            title: "Static list".into(),
            fields: fields::shown(&fields::describe(&Api::new(host))?),
            open_fields: false,
            options_schema: spec::options_schema().to_string(),
        }])
    }

    fn prepare(host: &dyn Host, _: &Config, target: &Target, run: &Run, dry_run: bool) -> Result<Prepared> {
        prepare::prepare(&Api::new(host), target, run, dry_run)
    }

    fn deliver(
        host: &dyn Host,
        config: &Config,
        target: &Target,
        run: &Run,
        state: Vec<u8>,
        batch: &Batch,
    ) -> Result<Delivered> {
        let (api, options) = (Api::new(host), Options::of(target)?);
        let mut state = State::read(&state)?;
        if state.files.is_none() {
            let outcomes = deliver::deliver(&api, config, &options, run, &mut state, batch, |_| false)?;
            return Ok(Delivered { state: encode_state(&state)?, outcomes });
        }
        let by_file = imports::deliver(&api, config, &options, run, &mut state, batch)?;
        let is_settled = |row: usize| by_file.get(row).is_some_and(Option::is_some);
        let rest = deliver::deliver(&api, config, &options, run, &mut state, batch, is_settled)?;
        // As many outcomes are left as there are rows without one.
        let mut rest = rest.into_iter();
        let outcomes = by_file.into_iter().filter_map(|outcome| outcome.or_else(|| rest.next())).collect();
        Ok(Delivered { state: encode_state(&state)?, outcomes })
    }

    fn finish(host: &dyn Host, _: &Config, target: &Target, _: &Run, state: Vec<u8>) -> Result<Finished> {
        let mut read = State::read(&state)?;
        let by_files = imports::finish(&Api::new(host), &Options::of(target)?, &mut read)?;
        let finished = by_files.unwrap_or_else(|| Finished::unchanged(state));
        if finished.pending_become == OutcomeStatus::Pending {
            return Ok(finished);
        }
        let name = format!("static list {} (id {})", target.name, read.list);
        // Of calls, which may go at once, the host's books say how many.
        let rows = read.files.is_some().then_some(read.added);
        let artifact = Artifact { name, rows, bytes: None, sha256: None };
        Ok(Finished { artifacts: vec![artifact], ..finished })
    }

    /// The next look at files that Marketo is importing.
    fn poll(host: &dyn Host, config: &Config, target: &Target, run: &Run, state: Vec<u8>) -> Result<Finished> {
        Self::finish(host, config, target, run, state)
    }

    fn members(host: &dyn Host, _: &Config, target: &Target, after: Option<Vec<u8>>) -> Result<MemberPage> {
        members::page(&Api::new(host), target, after)
    }

    fn erase(
        host: &dyn Host,
        config: &Config,
        target: &Target,
        identifiers: &[(String, String)],
    ) -> Result<EraseResult> {
        members::erase(&Api::new(host), config, target, identifiers)
    }

    /// Deletes the list if it was made for this target; whoever made another keeps it.
    fn retire(host: &dyn Host, _: &Config, target: &Target) -> Result<()> {
        let api = Api::new(host);
        match list::find(&api, &target.name)?.filter(|list| list.is_of(target)) {
            Some(list) => api.send(&request::delete_list(list.id)).map(|_| ()),
            None => Ok(()),
        }
    }
}

attiva_connector::export_destination!(Marketo);
