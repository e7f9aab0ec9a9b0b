//! Profiles: persons, unified.

use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::Sandbox;
use attiva_core::id::{ProfileId, SegmentId};
use attiva_core::identity::Identity;
use attiva_core::model::EntityName;
use attiva_core::ports::store::{Profile, StoredRecord};

/// A profile with what it is made of and where it belongs.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileDetail {
    pub profile: Profile,
    pub records: Vec<StoredRecord>,
    pub segments: Vec<SegmentId>,
}

impl Sandbox {
    /// A profile by its id. An id that was merged away answers with the profile that took its place.
    pub fn profile(&self, id: &str) -> Result<ProfileDetail> {
        let known = ProfileId::parse(id).ok_or_else(|| Refusal::missing("profile", id))?;
        let person = self.store.profile(&known)?.filter(|profile| profile.entity == EntityName::PERSON);
        let profile = person.ok_or_else(|| Refusal::missing("profile", id))?;
        let records = self.store.records_by_number(&self.store.records_of(&profile.id)?)?;
        let segments = self.store.memberships(&[profile.number])?.pop().unwrap_or_default();
        Ok(ProfileDetail { profile, records, segments })
    }

    /// The profile that carries an identity.
    ///
    /// # Errors
    /// `request.invalid` for a namespace that nobody can be looked up by.
    pub fn profile_by_identity(&self, namespace: &str, value: &str) -> Result<Option<Profile>> {
        let named = self.identity_rules()?.value.namespaces;
        if !Identity::NAMESPACES.contains(&namespace) && !named.contains_key(namespace) {
            let others = named.keys().map(String::as_str).filter(|name| !Identity::NAMESPACES.contains(name));
            let all: Vec<&str> = Identity::NAMESPACES.into_iter().chain(others).collect();
            let problem = format!("must be one of {}", all.join(", "));
            let message = format!("`namespace` {problem}");
            return Err(Refusal::invalid("request.invalid", message, vec![FieldProblem::new("namespace", problem)]));
        }
        // Looked up in the form it is kept in; what is no address belongs to nobody.
        match Identity::read(namespace, value) {
            Ok(identity) => Ok(self.store.profile_by_identity(&EntityName::PERSON, &identity)?),
            Err(_) => Ok(None),
        }
    }

    /// In the order of their numbers, after `after`.
    pub fn profiles(&self, after: i64, limit: usize) -> Result<Vec<Profile>> {
        Ok(self.store.profiles(&EntityName::PERSON, after, limit)?)
    }

    /// Those that a limit keeps records out of, in the order of their numbers, after `after`.
    pub fn degraded_profiles(&self, after: i64, limit: usize) -> Result<Vec<Profile>> {
        Ok(self.store.degraded_profiles(&EntityName::PERSON, after, limit)?)
    }

    pub fn count_profiles(&self) -> Result<u64> {
        Ok(self.store.count_profiles(&EntityName::PERSON)?)
    }
}
