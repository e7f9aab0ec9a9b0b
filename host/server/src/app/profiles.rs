//! Profiles: persons, unified.

use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::Sandbox;
use attiva_core::id::{ProfileId, SegmentId};
use attiva_core::identity::Identity;
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
        let profile = self.store.profile(&known)?.ok_or_else(|| Refusal::missing("profile", id))?;
        let records = self.store.records_by_number(&self.store.records_of(&profile.id)?)?;
        let segments = self.store.memberships(&[profile.number])?.pop().unwrap_or_default();
        Ok(ProfileDetail { profile, records, segments })
    }

    /// The profile that carries an identity.
    ///
    /// # Errors
    /// `request.invalid` for a namespace that nobody can be looked up by.
    pub fn profile_by_identity(&self, namespace: &str, value: &str) -> Result<Option<Profile>> {
        if !Identity::NAMESPACES.contains(&namespace) {
            let problem = format!("must be one of {}", Identity::NAMESPACES.join(", "));
            let message = format!("`namespace` {problem}");
            return Err(Refusal::invalid("request.invalid", message, vec![FieldProblem::new("namespace", problem)]));
        }
        let identity = match namespace {
            // Looked up in the form it is kept in; what is no address belongs to nobody.
            Identity::EMAIL => Identity::email(value),
            _ => Some(Identity { namespace: namespace.to_owned(), value: value.to_owned() }),
        };
        let Some(identity) = identity else { return Ok(None) };
        Ok(self.store.profile_by_identity(&identity)?)
    }

    /// In the order of their numbers, after `after`.
    pub fn profiles(&self, after: i64, limit: usize) -> Result<Vec<Profile>> {
        Ok(self.store.profiles(after, limit)?)
    }

    pub fn count_profiles(&self) -> Result<u64> {
        Ok(self.store.count_profiles()?)
    }
}
