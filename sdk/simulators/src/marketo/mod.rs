//! A Marketo Engage instance: identity, leads, activities, companies, named accounts, opportunities and their roles,
//! programs and their members, static lists and theirs, bulk extract, bulk import and usage, as the REST API behaves.
//!
//! Leads are a function of a seed, so that a million of them start in no time and are the same in every run. Changes made through the
//! API, the handle or the [control endpoints](control) are kept beside them and appear in the activity log.
//!
//! What is not here: writing companies, opportunities and programs.

mod activities;
mod activity;
mod activity_calls;
pub(crate) mod body;
mod call;
pub(crate) mod clock;
pub(crate) mod config;
pub mod control;
pub(crate) mod dice;
mod envelope;
mod export_calls;
mod export_file;
mod export_order;
mod exports;
mod fault;
mod faults;
mod gate;
mod identity;
mod import_calls;
mod imports;
mod lead_calls;
mod leads;
mod limits;
mod list_calls;
mod list_writes;
mod lists;
mod object_calls;
mod objects;
mod program_calls;
mod programs;
mod received;
pub(crate) mod schema;
pub(crate) mod seeded;
mod service;
mod token;
pub(crate) mod value;
pub(crate) mod words;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::serve::ListenerExt;
use jiff::Timestamp;
use serde_json::{Map, Value as Json};
use tokio::net::TcpListener;

pub use config::{CancelSpelling, Limits, MarketoConfig};
pub use control::View;
pub use fault::{CsvQuirk, Fault, Injection};
pub use received::{Received, ReceivedCall};

use crate::running::Running;
use envelope::Refusal;
use service::{Service, read_values};

/// A running instance. Dropped or [shut down](Marketo::shutdown), it is gone with all its data.
#[derive(Debug)]
pub struct Marketo {
    address: SocketAddr,
    service: Arc<Service>,
    running: Running,
}

/// An operation the instance refuses, in the vendor's code and words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refused {
    /// `1004` for a lead that does not exist, for example.
    pub code: String,
    /// What is wrong.
    pub message: String,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { code: refusal.code.into_owned(), message: refusal.message.into_owned() }
    }
}

impl Marketo {
    /// Starts an instance on 127.0.0.1. Needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    ///
    /// When the port cannot be bound.
    pub async fn start(config: MarketoConfig) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, config.port)).await?;
        let address = listener.local_addr()?;
        // Small answers must not wait for the client's delayed acknowledgements.
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        let service = Service::new(config);
        let app =
            Router::new().nest("/_control", control::router()).fallback(gate::answer).with_state(Arc::clone(&service));
        let running = Running::spawn(|stopped| async move {
            let stopped = async {
                let _ = stopped.await;
            };
            // Serving ends without an error once it is told to stop.
            let _ = axum::serve(listener, app).with_graceful_shutdown(stopped).await;
        });
        Ok(Self { address, service, running })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:{port}`, in the place of `https://{munchkin id}.mktorest.com`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was started with.
    #[must_use]
    pub fn config(&self) -> &MarketoConfig {
        &self.service.config
    }

    /// The instance's time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_second(self.service.clock.now()).unwrap_or(Timestamp::MAX)
    }

    /// Misbehaves from now on; a bare [`Fault`] acts once, on the next call it makes sense for.
    pub fn inject(&self, injection: impl Into<Injection>) {
        self.service.faults().inject(injection.into());
    }

    /// Takes back every fault that still waits, and returns them.
    pub fn clear_faults(&self) -> Vec<Injection> {
        let mut faults = self.service.faults();
        let waiting = faults.waiting().to_vec();
        faults.clear();
        waiting
    }

    /// What was received so far.
    #[must_use]
    pub fn received(&self) -> Received {
        self.service.received().clone()
    }

    /// Every lead with every field, in order of id: what a client ought to have read.
    pub fn leads(&self) -> impl Iterator<Item = Map<String, Json>> + '_ {
        self.leads_as(View::Actual)
    }

    /// Every lead as far as an export file can tell, where a text `null` is a missing value.
    pub fn exported_leads(&self) -> impl Iterator<Item = Map<String, Json>> + '_ {
        self.leads_as(View::Exported)
    }

    fn leads_as(&self, view: View) -> impl Iterator<Item = Map<String, Json>> + '_ {
        let ids = self.service.leads().ids();
        ids.filter_map(move |id| self.service.leads().get(id).map(|lead| control::lead_json(lead, view)))
    }

    /// One lead with every field.
    #[must_use]
    pub fn lead(&self, id: u64) -> Option<Map<String, Json>> {
        self.service.leads().get(id).map(|lead| control::lead_json(lead, View::Actual))
    }

    /// Adds leads with seeded values, created now, and returns their ids.
    pub fn add_leads(&self, count: u64) -> Vec<u64> {
        (0..count).map(|_| self.service.create_lead_alike()).collect()
    }

    /// Adds a lead with these values, created now, and returns its id.
    ///
    /// # Errors
    ///
    /// 1006 for an unknown field, 1003 for a value that does not fit.
    pub fn create_lead(&self, values: Json) -> Result<u64, Refused> {
        Ok(self.service.create_lead(&read_values(&object(values)?, true)?))
    }

    /// Changes a lead and returns how many fields really changed.
    ///
    /// # Errors
    ///
    /// 1004 for an unknown lead, 1006 for an unknown field, 1003 for a value that does not fit.
    pub fn change_lead(&self, id: u64, values: Json) -> Result<usize, Refused> {
        Ok(self.service.change_lead(id, read_values(&object(values)?, true)?, "Web form fillout", None)?)
    }

    /// Changes a lead, and dates the activities that tell of it back: they arrive late.
    ///
    /// # Errors
    ///
    /// As for [`Marketo::change_lead`].
    pub fn change_lead_late(&self, id: u64, values: Json, dated: Timestamp) -> Result<usize, Refused> {
        Ok(self.service.change_lead(
            id,
            read_values(&object(values)?, true)?,
            "Web form fillout",
            Some(dated.as_second()),
        )?)
    }

    /// Deletes a lead; only `deletedleads.json` tells of it.
    ///
    /// # Errors
    ///
    /// 1004 for an unknown lead.
    pub fn delete_lead(&self, id: u64) -> Result<(), Refused> {
        Ok(self.service.delete_lead(id)?)
    }

    /// Merges leads into one. The losers vanish; only a Merge Leads activity of the winner tells of it.
    ///
    /// # Errors
    ///
    /// 1004 for an unknown lead, 1003 for no loser or more than 25.
    pub fn merge_leads(&self, winner: u64, losers: &[u64]) -> Result<(), Refused> {
        Ok(self.service.merge_leads(winner, losers.to_vec())?)
    }

    /// Logs a visit of a lead to a page, now or dated back.
    ///
    /// # Errors
    ///
    /// 1004 for an unknown lead.
    pub fn visit(&self, lead: u64, page: &str, dated: Option<Timestamp>) -> Result<(), Refused> {
        Ok(self.service.visit(lead, page.to_owned(), dated.map(Timestamp::as_second))?)
    }

    /// Logs that a lead followed a link in an e-mail, just now.
    ///
    /// # Errors
    ///
    /// 1004 for an unknown lead.
    pub fn click(&self, lead: u64, link: &str) -> Result<(), Refused> {
        Ok(self.service.click(lead, link.to_owned())?)
    }

    /// Logs that a lead came into a track of a nurture program, from another or for the first time.
    ///
    /// # Errors
    ///
    /// 1013 for an unknown program, 1004 for an unknown lead.
    pub fn change_track(&self, program: u64, lead: u64, track: u64, before: Option<u64>) -> Result<(), Refused> {
        Ok(self.service.change_track(program, lead, track, before)?)
    }

    /// Logs that a lead came to a stage of the revenue model.
    ///
    /// # Errors
    ///
    /// 1004 for an unknown lead.
    pub fn change_stage(&self, lead: u64, stage: u64) -> Result<(), Refused> {
        Ok(self.service.change_stage(lead, stage)?)
    }

    /// Puts a lead on a static list, or takes it off, as a user would in the vendor's own screens.
    ///
    /// # Errors
    ///
    /// 1013 for an unknown list, 1004 for an unknown lead, 1015 to take off a lead that is not on the list.
    pub fn set_listed(&self, list: u64, lead: u64, on: bool) -> Result<(), Refused> {
        if on {
            self.service.add_to_list(list, lead)?
        } else {
            self.service.remove_from_list(list, lead)?
        }
        Ok(())
    }

    /// Makes a static list and returns its id.
    ///
    /// # Errors
    ///
    /// 709 if there is one of this name.
    pub fn create_list(&self, name: &str) -> Result<u64, Refused> {
        let now = self.service.clock.now();
        Ok(self.service.lists().create(name, "", lists::GROUP_LISTS, now)?.id)
    }

    /// Removes a static list; false if there is none. Nothing in the activity log tells of it.
    pub fn delete_list(&self, id: u64) -> bool {
        self.service.lists().remove_list(id)
    }

    /// Makes a program and returns its id.
    pub fn create_program(&self, name: &str) -> u64 {
        let now = self.service.clock.now();
        self.service.programs().create(name, now)
    }

    /// Removes a program; false if there is none. The programs behind it move up in their list, and nothing tells of it.
    pub fn delete_program(&self, id: u64) -> bool {
        self.service.programs().remove(id)
    }

    /// Ids of the leads on a static list that exist, in order.
    #[must_use]
    pub fn listed(&self, list: u64) -> Vec<u64> {
        let leads = self.service.leads();
        let members = self.service.lists().members(list, 0, usize::MAX);
        members.into_iter().filter(|id| leads.get(*id).is_some()).collect()
    }

    /// Gives a lead a status in a program, in which it need not have been; `None` takes it out of the program.
    ///
    /// # Errors
    ///
    /// 1013 for an unknown program, 1004 for an unknown lead.
    pub fn set_member(&self, program: u64, lead: u64, status: Option<&str>) -> Result<(), Refused> {
        Ok(self.service.set_member(program, lead, status)?)
    }

    /// Changes an opportunity; every lead that takes part in it gets an activity.
    ///
    /// # Errors
    ///
    /// 1013 for an unknown opportunity.
    pub fn change_opportunity(&self, opportunity: u64, values: Json) -> Result<(), Refused> {
        Ok(self.service.change_opportunity(opportunity, object(values)?)?)
    }

    /// Takes a lead's part in an opportunity away.
    ///
    /// # Errors
    ///
    /// 1013 for an unknown opportunity, 1004 for a lead that has no part in it.
    pub fn remove_role(&self, opportunity: u64, lead: u64) -> Result<(), Refused> {
        Ok(self.service.remove_role(opportunity, lead)?)
    }

    /// Every record of `companies`, `namedaccounts`, `opportunities`, `opportunities/roles`, `programs` or
    /// `programs/members`, with every field: what a client ought to have read. Empty for another name.
    #[must_use]
    pub fn records(&self, of: &str) -> Vec<Map<String, Json>> {
        let service = &self.service;
        match of {
            "programs" => service.programs().all().map(|program| program.to_map()).collect(),
            "programs/members" => {
                let leads = service.leads();
                let programs = service.programs();
                let ids: Vec<u64> = programs.all().map(|program| program.id).collect();
                let members = ids.into_iter().flat_map(|id| programs.members(id, 0, usize::MAX));
                members.filter(|m| leads.get(m.lead).is_some()).map(|m| m.to_map()).collect()
            }
            _ => objects::Kind::named(of).map(|kind| service.objects().all(kind)).unwrap_or_default(),
        }
    }

    /// Ends the life of the token now: the next call with it is answered 602, and the identity service gives another.
    pub fn expire_tokens(&self) {
        self.service.identity().expire();
    }

    /// Counts calls that somebody else made against the daily limit.
    pub fn spend_calls(&self, calls: u64) {
        let day = self.service.clock.central_day();
        self.service.limits().spend(day, calls);
    }

    /// Every bulk job, as its status call would tell of it, in order of creation.
    #[must_use]
    pub fn exports(&self) -> Vec<Json> {
        self.service.exports().jobs().map(|job| job.to_json(self.service.config.cancel_spelling)).collect()
    }

    /// Forgets bulk jobs that have ended and frees the memory their files take, which a million leads make half a gigabyte.
    pub fn forget_exports(&self) {
        self.service.exports().forget_ended();
    }

    /// Stops, giving open calls a second to finish.
    pub async fn shutdown(self) {
        self.running.shutdown().await;
    }
}

fn object(values: Json) -> Result<Map<String, Json>, Refusal> {
    match values {
        Json::Object(values) => Ok(values),
        other => Err(Refusal::invalid(format!("Expected an object of fields, found {other}"))),
    }
}
