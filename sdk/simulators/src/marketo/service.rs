//! The state of a simulated instance, and the operations that API calls and control calls share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::{Map, Value as Json};

use super::activities::Activities;
use super::activity::Deed;
use super::call;
use super::clock::{Clock, Seconds};
use super::config::MarketoConfig;
use super::envelope::Refusal;
use super::exports::Exports;
use super::fault::Fault;
use super::faults::{Faults, Point};
use super::identity::Identity;
use super::imports::Imports;
use super::leads::Leads;
use super::limits::Limits;
use super::list_calls;
use super::lists::Lists;
use super::objects::Objects;
use super::programs::Programs;
use super::received::Received;
use super::schema::Field;
use super::seeded::Seeded;
use super::value::Value;

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) config: MarketoConfig,
    pub(crate) clock: Clock,
    identity: Mutex<Identity>,
    limits: Mutex<Limits>,
    faults: Mutex<Faults>,
    received: Mutex<Received>,
    // Lock order where several are needed: leads, then lists, programs or objects, then activities.
    leads: RwLock<Leads>,
    lists: Mutex<Lists>,
    programs: Mutex<Programs>,
    objects: Mutex<Objects>,
    activities: Mutex<Activities>,
    exports: Mutex<Exports>,
    imports: Mutex<Imports>,
    requests: AtomicU64,
}

impl Service {
    pub(crate) fn new(config: MarketoConfig) -> Arc<Self> {
        let clock = Clock::starting_at(config.now);
        let seeded = Seeded::new(&config, clock.start());
        Arc::new(Self {
            identity: Mutex::new(Identity::new(&config)),
            limits: Mutex::new(Limits::new(config.limits)),
            faults: Mutex::default(),
            received: Mutex::default(),
            leads: RwLock::new(Leads::new(seeded.clone())),
            lists: Mutex::new(Lists::new(seeded.clone(), clock.start())),
            programs: Mutex::new(Programs::new(seeded.clone(), clock.start())),
            objects: Mutex::new(Objects::new(seeded, clock.start())),
            activities: Mutex::default(),
            exports: Mutex::new(Exports::new(config.seed)),
            imports: Mutex::new(Imports::new(config.status_interval)),
            requests: AtomicU64::new(0),
            clock,
            config,
        })
    }

    pub(crate) fn identity(&self) -> MutexGuard<'_, Identity> {
        hold(&self.identity)
    }

    pub(crate) fn limits(&self) -> MutexGuard<'_, Limits> {
        hold(&self.limits)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        hold(&self.faults)
    }

    pub(crate) fn received(&self) -> MutexGuard<'_, Received> {
        hold(&self.received)
    }

    pub(crate) fn exports(&self) -> MutexGuard<'_, Exports> {
        hold(&self.exports)
    }

    pub(crate) fn imports(&self) -> MutexGuard<'_, Imports> {
        hold(&self.imports)
    }

    pub(crate) fn activities(&self) -> MutexGuard<'_, Activities> {
        hold(&self.activities)
    }

    pub(crate) fn lists(&self) -> MutexGuard<'_, Lists> {
        hold(&self.lists)
    }

    pub(crate) fn programs(&self) -> MutexGuard<'_, Programs> {
        hold(&self.programs)
    }

    pub(crate) fn objects(&self) -> MutexGuard<'_, Objects> {
        hold(&self.objects)
    }

    pub(crate) fn leads(&self) -> RwLockReadGuard<'_, Leads> {
        self.leads.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn leads_mut(&self) -> RwLockWriteGuard<'_, Leads> {
        self.leads.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fault(&self, point: Point, path: &str) -> Option<Fault> {
        self.faults().take(point, path)
    }

    pub(crate) fn request_id(&self) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        format!("{:04x}#{:011x}", number & 0xffff, self.clock.now())
    }

    /// Adds a lead with these values and returns its id.
    pub(crate) fn create_lead(&self, values: &[(Field, Value<'static>)]) -> u64 {
        let now = self.clock.now();
        let mut leads = self.leads_mut();
        let id = leads.create(values, now);
        self.log_created(&leads, id, now);
        id
    }

    /// Adds a lead with seeded values and returns its id.
    pub(crate) fn create_lead_alike(&self) -> u64 {
        let now = self.clock.now();
        let mut leads = self.leads_mut();
        let id = leads.create_alike(now);
        self.log_created(&leads, id, now);
        id
    }

    fn log_created(&self, leads: &Leads, id: u64, now: Seconds) {
        if let Some(lead) = leads.get(id) {
            self.activities().append(now, id, Deed::created(lead));
        }
    }

    /// Changes a lead and returns how many fields really changed. `dated` puts another date on the activities, as when they arrive late.
    pub(crate) fn change_lead(
        &self,
        id: u64,
        values: Vec<(Field, Value<'static>)>,
        source: &'static str,
        dated: Option<Seconds>,
    ) -> Result<usize, Refusal> {
        let now = self.clock.now();
        let mut leads = self.leads_mut();
        let changes = leads.change(id, values, now).ok_or_else(|| no_lead(id))?;
        self.activities().append_changes(dated.unwrap_or(now), id, &changes, source);
        Ok(changes.len())
    }

    pub(crate) fn delete_lead(&self, id: u64) -> Result<(), Refusal> {
        let mut leads = self.leads_mut();
        let name = leads.remove(id).ok_or_else(|| no_lead(id))?;
        self.activities().append(self.clock.now(), id, Deed::DeleteLead { name });
        Ok(())
    }

    /// Merges leads. The losers vanish without a deletion in the log.
    pub(crate) fn merge_leads(&self, winner: u64, losers: Vec<u64>) -> Result<(), Refusal> {
        if losers.is_empty() || losers.len() > 25 || losers.contains(&winner) {
            return Err(Refusal::invalid("Between 1 and 25 other leads can be merged into one"));
        }
        let now = self.clock.now();
        let mut leads = self.leads_mut();
        let name = leads.merge(winner, &losers, now).ok_or_else(|| Refusal::new("1004", "Lead not found"))?;
        self.activities().append(now, winner, Deed::MergeLeads { name, losers });
        Ok(())
    }

    /// Puts a lead on a list. One that is on it already is well, and nothing is logged.
    pub(crate) fn add_to_list(&self, list: u64, lead: u64) -> Result<(), Refusal> {
        let now = self.clock.now();
        let leads = self.leads();
        let mut lists = self.lists();
        let name = lists.get(list).ok_or_else(|| list_calls::unknown(list))?.name.clone();
        leads.get(lead).ok_or_else(|| no_lead(lead))?;
        if lists.add(list, lead, now) {
            self.activities().append(now, lead, Deed::AddToList { list, name });
        }
        Ok(())
    }

    /// Takes a lead off a list.
    pub(crate) fn remove_from_list(&self, list: u64, lead: u64) -> Result<(), Refusal> {
        let now = self.clock.now();
        let leads = self.leads();
        let mut lists = self.lists();
        let name = lists.get(list).ok_or_else(|| list_calls::unknown(list))?.name.clone();
        leads.get(lead).ok_or_else(|| no_lead(lead))?;
        if !lists.remove(list, lead, now) {
            return Err(Refusal::new("1015", "Lead not in list"));
        }
        self.activities().append(now, lead, Deed::RemoveFromList { list, name });
        Ok(())
    }

    /// Gives a lead a status in a program, or takes it out of it.
    pub(crate) fn set_member(&self, program: u64, lead: u64, status: Option<&str>) -> Result<(), Refusal> {
        let now = self.clock.now();
        let leads = self.leads();
        let mut programs = self.programs();
        let known =
            programs.get(program).ok_or_else(|| Refusal::new("1013", format!("Program {program} not found")))?;
        let name = known.name.clone();
        leads.get(lead).ok_or_else(|| no_lead(lead))?;
        let old = programs.set(program, lead, status, now);
        let text = |status: Option<&str>| status.unwrap_or("Not in Program").to_owned();
        let deed = Deed::ChangeStatus { program, name, old: text(old.as_deref()), new: text(status) };
        self.activities().append(now, lead, deed);
        Ok(())
    }

    pub(crate) fn change_opportunity(&self, opportunity: u64, values: Map<String, Json>) -> Result<(), Refusal> {
        let now = self.clock.now();
        let mut objects = self.objects();
        let attribute = values.keys().next().cloned().unwrap_or_default();
        let changes = Json::Object(values.clone());
        if !objects.change_opportunity(opportunity, values, now) {
            return Err(Refusal::new("1013", format!("Opportunity {opportunity} not found")));
        }
        let name = objects.opportunity_name(opportunity);
        for contact in objects.contacts(opportunity) {
            let (name, attribute) = (name.clone(), attribute.clone());
            let deed = Deed::UpdateOpportunity { opportunity, name, attribute, changes: changes.clone() };
            self.activities().append(now, contact.lead, deed);
        }
        Ok(())
    }

    pub(crate) fn remove_role(&self, opportunity: u64, lead: u64) -> Result<(), Refusal> {
        let now = self.clock.now();
        let mut objects = self.objects();
        let contact = objects.remove_role(opportunity, lead).ok_or_else(|| no_lead(lead))?;
        let name = objects.opportunity_name(opportunity);
        let deed = Deed::RemoveFromOpportunity { opportunity, name, role: contact.role };
        self.activities().append(now, lead, deed);
        Ok(())
    }

    /// Logs a visit to a page; `at` may lie in the past, as for an activity that arrives late.
    pub(crate) fn visit(&self, lead: u64, page: String, at: Option<Seconds>) -> Result<(), Refusal> {
        let leads = self.leads();
        leads.get(lead).ok_or_else(|| no_lead(lead))?;
        self.activities().append(at.unwrap_or_else(|| self.clock.now()), lead, Deed::VisitWebpage { page });
        Ok(())
    }

    pub(crate) fn click(&self, lead: u64, link: String) -> Result<(), Refusal> {
        let leads = self.leads();
        leads.get(lead).ok_or_else(|| no_lead(lead))?;
        self.activities().append(self.clock.now(), lead, Deed::ClickEmail { link });
        Ok(())
    }

    pub(crate) fn change_track(&self, program: u64, lead: u64, track: u64, before: Option<u64>) -> Result<(), Refusal> {
        let leads = self.leads();
        leads.get(lead).ok_or_else(|| no_lead(lead))?;
        let name = self.programs().get(program).map(|program| program.name.clone());
        let name = name.ok_or_else(|| Refusal::new("1013", format!("Program {program} not found")))?;
        self.activities().append(self.clock.now(), lead, Deed::ChangeTrack { program, name, track, before });
        Ok(())
    }

    pub(crate) fn change_stage(&self, lead: u64, stage: u64) -> Result<(), Refusal> {
        let leads = self.leads();
        leads.get(lead).ok_or_else(|| no_lead(lead))?;
        self.activities().append(self.clock.now(), lead, Deed::ChangeStage { stage });
        Ok(())
    }
}

/// Reads a record's members as fields and values. Members the service sets itself are refused unless `read_only` lets them through.
pub(crate) fn read_values(
    record: &Map<String, Json>,
    read_only: bool,
) -> Result<Vec<(Field, Value<'static>)>, Refusal> {
    let mut values = Vec::with_capacity(record.len());
    for (name, json) in record {
        let field = call::field(name)?;
        let kept_by_service = matches!(field, Field::Id | Field::CreatedAt | Field::UpdatedAt);
        if kept_by_service || (field.spec().read_only && !read_only) {
            return Err(Refusal::invalid(format!("Field '{name}' is read only")));
        }
        let value = Value::from_json(json, field.spec().data_type).ok_or_else(|| {
            let text = json.as_str().map_or_else(|| json.to_string(), str::to_owned);
            Refusal::invalid(format!("Invalid value for field '{name}' and value '{text}'"))
        })?;
        values.push((field, value));
    }
    Ok(values)
}

fn no_lead(id: u64) -> Refusal {
    Refusal::new("1004", format!("Lead [{id}] not found"))
}

/// A panic in another call leaves data that tests may still want to look at.
fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
