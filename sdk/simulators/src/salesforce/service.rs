//! The state of a simulated org, and the operations that calls and the handle share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value as Json};

use super::auth::Sessions;
use super::config::SalesforceConfig;
use super::fault::Injection;
use super::jobs::Job;
use super::org::Org;
use super::refusal::Refusal;
use super::schema::Field;
use super::seeded;
use super::soql::Query;
use crate::marketo::clock::Clock;
use crate::world::World;

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) config: SalesforceConfig,
    pub(crate) clock: Clock,
    pub(crate) base_url: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) org: Org,
    pub(crate) sessions: Sessions,
    pub(crate) faults: Vec<Injection>,
    pub(crate) jobs: BTreeMap<String, Job>,
    pub(crate) jobs_made: u64,
    pub(crate) cursors: BTreeMap<String, Cursor>,
    pub(crate) calls_today: u64,
    /// `METHOD /path`, with the status.
    pub(crate) received: Vec<(String, u16)>,
    /// What the user may not see: objects, and fields as `Object.Field`.
    pub(crate) hidden: Vec<String>,
}

/// A query that is read page by page: which records, in which order. Their values are those of the time they are sent.
#[derive(Debug)]
pub(crate) struct Cursor {
    pub(crate) object: &'static str,
    pub(crate) fields: Vec<Field>,
    pub(crate) ids: Vec<String>,
    pub(crate) batch: usize,
}

impl Service {
    pub(crate) fn new(config: SalesforceConfig, base_url: String) -> Arc<Self> {
        let clock = Clock::starting_at(config.now);
        let world = World::new(config.people, config.seed, config.history_days, config.awkward, clock.start());
        let mut state = State {
            hidden: [config.hidden_objects.clone(), config.hidden_fields.clone()].concat(),
            ..State::default()
        };
        seeded::fill(&mut state.org, &world, clock.start());
        Arc::new(Self { config, clock, base_url, state: Mutex::new(state) })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(crate) fn sees(&self, object: &str, field: Option<&str>) -> bool {
        let hidden = |name: &str| self.hidden.iter().any(|hidden| hidden.eq_ignore_ascii_case(name));
        !hidden(object) && field.is_none_or(|field| !hidden(&format!("{object}.{field}")))
    }

    pub(crate) fn query(&self, text: &str) -> Result<Query, Refusal> {
        Query::read(text, &|object, field| self.sees(object, field))
    }

    /// The records of a query, in its order; those in the recycle bin only where they are asked for.
    pub(crate) fn records(&self, query: &Query, with_deleted: bool) -> Vec<&Map<String, Json>> {
        let shown = |values: &&Map<String, Json>| with_deleted || values.get("IsDeleted") != Some(&Json::Bool(true));
        let all = self.org.of(query.object.name).map(|record| &record.values);
        let mut found: Vec<_> = all.filter(shown).filter(|values| query.matches(values)).collect();
        if query.is_sorted() {
            query.sort(&mut found);
        }
        found
    }
}
