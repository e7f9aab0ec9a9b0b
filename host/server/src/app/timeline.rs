//! What happened to persons, and the stages that opportunities went through.

use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::Sandbox;
use attiva_core::model::EntityName;
use attiva_core::ports::store::{EventPlace, Order, StoredEvent};
use attiva_core::stages::Stay;

impl Sandbox {
    /// A person's events, after `after`.
    ///
    /// # Errors
    /// `profile.missing`, also for a profile that is no person.
    pub fn events(
        &self,
        profile: &str,
        after: Option<EventPlace>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<StoredEvent>> {
        Ok(self.store.events_of(self.person(profile)?.profile.number, after, order, limit)?)
    }

    /// How many events a person has.
    pub fn count_events(&self, profile: &str) -> Result<u64> {
        Ok(self.store.count_events(self.person(profile)?.profile.number)?)
    }

    /// The stages of an opportunity since it was first read, oldest first.
    ///
    /// # Errors
    /// `request.invalid` for a profile that is no opportunity.
    pub fn stages(&self, profile: &str) -> Result<Vec<Stay>> {
        let profile = self.profile(profile)?.profile;
        if profile.entity != EntityName::OPPORTUNITY {
            let problem = format!("is of {}; only opportunities have stages", profile.entity);
            return Err(Refusal::invalid(
                "request.invalid",
                problem.clone(),
                vec![FieldProblem::new("profile", problem)],
            ));
        }
        Ok(self.store.stage_history(profile.number)?.stays())
    }
}
