//! Audiences as matched audiences of LinkedIn: people by the hash of their e-mail address, companies by name, domain
//! or page.
//!
//! A target is one segment at LinkedIn, known by the target's id:
//!
//! 1. `prepare` looks the segment up and makes it where it is not there, once: a note on the host's disk tells a
//!    repeat that it may have happened. LinkedIn loses members that come in the first five seconds, so the host waits.
//! 2. `deliver` turns each row into an element that adds or removes, sends them in batches, and reads what became of
//!    each by its position. LinkedIn answers the same to who was there and who was not, so that a repeat does no harm
//!    and nobody is ever *created*.
//! 3. `finish` looks at the segment and warns of one that is too small or dead.
//!
//! What identified a member is its id with the host. So who has another address is taken out by the old one.

mod api;
mod check;
mod config;
mod element;
mod members;
mod request;
mod response;
mod segment;
mod spec;
mod state;

use api::Api;
use attiva_connector::{
    Batch, CheckResult, Delivered, Destination, EraseResult, EraseStatus, Fault, Finished, Host, MEMBER_ID, Plugin,
    Prepared, Result, Run, Spec, Target, TargetObject, encode_state,
};
use config::Config;
use element::{Identity, Kind};
use state::State;
use std::collections::BTreeSet;

/// The connector.
pub struct LinkedIn;

impl Plugin for LinkedIn {
    type Config = Config;

    fn spec() -> Spec {
        spec::spec()
    }
}

impl Destination for LinkedIn {
    /// Whether members may be written shows only in the first delivery: a test would leave a segment behind.
    fn check(host: &dyn Host, config: &Config) -> Vec<CheckResult> {
        match config.validate() {
            Ok(()) => check::check(&Api::new(host, config)),
            Err(fault) => vec![CheckResult::failed("configuration", "Read the configuration", fault)],
        }
    }

    fn discover(_: &dyn Host, _: &Config) -> Result<Vec<TargetObject>> {
        Ok(spec::objects())
    }

    fn prepare(host: &dyn Host, config: &Config, target: &Target, run: &Run, dry_run: bool) -> Result<Prepared> {
        config.validate()?;
        segment::prepare(&Api::new(host, config), kind(target)?, target, run, dry_run)
    }

    fn deliver(
        host: &dyn Host,
        config: &Config,
        target: &Target,
        _run: &Run,
        state: Vec<u8>,
        batch: &Batch,
    ) -> Result<Delivered> {
        let mut state = State::read(&state)?;
        let outcomes = members::deliver(&Api::new(host, config), kind(target)?, &mut state, batch)?;
        Ok(Delivered { state: encode_state(&state)?, outcomes })
    }

    fn finish(host: &dyn Host, config: &Config, target: &Target, _run: &Run, state: Vec<u8>) -> Result<Finished> {
        segment::finish(&Api::new(host, config), target, state)
    }

    fn erase(
        host: &dyn Host,
        config: &Config,
        target: &Target,
        identifiers: &[(String, String)],
    ) -> Result<EraseResult> {
        let answer = |status, message: &str| Ok(EraseResult { status, message: message.into() });
        let values = |field: &'static str| {
            let named = identifiers.iter().filter(move |(name, _)| name == field);
            named.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
        };
        if kind(target)? == Kind::Companies {
            return answer(EraseStatus::NotFound, "the segment holds companies, no persons");
        }
        let mut identities: BTreeSet<Identity> = values(MEMBER_ID).filter_map(Identity::from_member_id).collect();
        if identities.is_empty() {
            // Whoever is known by an identity of their own is not asked for by a name that others may have.
            let names = values("first_name").flat_map(|first| values("last_name").map(move |last| (first, last)));
            identities
                .extend(names.filter_map(|(first, last)| Identity::of_person(None, Some(first), Some(last)).ok()));
        }
        identities.extend(values("email").filter_map(|email| Identity::of_person(Some(email), None, None).ok()));
        let identities: Vec<Identity> = identities.into_iter().collect();
        if identities.is_empty() {
            return answer(EraseStatus::Cannot, "LinkedIn knows people by e-mail address or by first and last name");
        }
        let api = Api::new(host, config);
        let Some(segment) = segment::find(&api, Kind::People, &target.id)? else {
            return answer(EraseStatus::NotFound, "LinkedIn has no segment for this target");
        };
        let state = State { segment: segment.id, created_ms: segment.created, is_new: false, added: 0, removed: 0 };
        match members::take_out(&api, &state, &identities)? {
            0 => answer(EraseStatus::Removed, "LinkedIn does not say whether the person was in the segment"),
            _ => answer(EraseStatus::Cannot, "LinkedIn refused the removal"),
        }
    }

    fn retire(host: &dyn Host, config: &Config, target: &Target) -> Result<()> {
        let api = Api::new(host, config);
        for segment in segment::find_all(&api, kind(target)?, &target.id)? {
            // 404: somebody was faster.
            api.send(&request::delete(config, segment.id), &[404], "delete the segment")?;
        }
        Ok(())
    }
}

attiva_connector::export_destination!(LinkedIn);

fn kind(target: &Target) -> Result<Kind> {
    let unknown = || Fault::config("target.unknown", format!("there is nothing to fill of the kind {}", target.object));
    Kind::of(&target.object).ok_or_else(|| unknown().action("Choose people or companies."))
}
