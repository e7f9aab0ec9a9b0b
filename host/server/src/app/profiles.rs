//! Profiles of every entity: persons, accounts, opportunities and the rest, unified; found by what names them, and
//! followed to what they hang together with.

use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::Sandbox;
use attiva_core::id::{ProfileId, SegmentId};
use attiva_core::identity::Identity;
use attiva_core::model::{Direction, EntityName, Way};
use attiva_core::ports::store::{Found, FoundPlace, Profile, Reference, Relation, StoredRecord};
use attiva_sync::policies;

/// A profile with what it is made of and where it belongs.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileDetail {
    pub profile: Profile,
    pub records: Vec<StoredRecord>,
    pub segments: Vec<SegmentId>,
    /// What it names, and the profile that is, if there is one.
    pub references: Vec<(Reference, Option<ProfileId>)>,
}

/// What to find profiles by.
#[derive(Debug, Clone, Copy)]
pub enum Search<'a> {
    /// The beginning of a name.
    Name(&'a str),
    /// The beginning of an identity's value.
    Identity { namespace: &'a str, prefix: &'a str },
}

impl Sandbox {
    /// A profile by its id. An id that was merged away answers with the profile that took its place.
    pub fn profile(&self, id: &str) -> Result<ProfileDetail> {
        let known = ProfileId::parse(id).ok_or_else(|| Refusal::missing("profile", id))?;
        let profile = self.store.profile(&known)?.ok_or_else(|| Refusal::missing("profile", id))?;
        let records = self.store.records_by_number(&self.store.records_of(&profile.id)?)?;
        let segments = self.store.memberships(&[profile.number])?.pop().unwrap_or_default();
        let references = self.references(&profile)?;
        Ok(ProfileDetail { profile, records, segments, references })
    }

    /// A person by id: whose records can be explained and divided.
    pub(super) fn person(&self, id: &str) -> Result<ProfileDetail> {
        let detail = self.profile(id)?;
        let person = Some(detail).filter(|detail| detail.profile.entity == EntityName::PERSON);
        person.ok_or_else(|| Refusal::missing("profile", id))
    }

    fn references(&self, profile: &Profile) -> Result<Vec<(Reference, Option<ProfileId>)>> {
        let referred = self.store.references(&[profile.number])?.pop().unwrap_or_default();
        let named = |number: Option<i64>| match number {
            Some(number) => Ok::<_, Refusal>(self.store.profiles_by_number(&[number])?.pop().map(|p| p.id)),
            None => Ok(None),
        };
        referred.into_iter().map(|r| Ok((r.reference, named(r.profile)?))).collect()
    }

    /// An entity of the model or of the operator's own.
    ///
    /// # Errors
    /// `request.invalid` for a name that is neither, or is of no profiles.
    pub fn entity(&self, name: &str) -> Result<EntityName> {
        let known = self.engine.schema()?.entity(name).and_then(|_| EntityName::parse(name));
        known.filter(|entity| entity.kind().is_none_or(|kind| kind.is_profile())).ok_or_else(|| {
            let problem = format!("there are no profiles of `{name}`");
            Refusal::invalid("request.invalid", problem.clone(), vec![FieldProblem::new("entity", problem)])
        })
    }

    /// The ways from a profile to others.
    pub fn ways(&self, id: &str) -> Result<Vec<Way>> {
        Ok(self.engine.schema()?.ways(self.profile(id)?.profile.entity.as_str()))
    }

    /// Profiles at the end of a way, in the order of their numbers, after `after`.
    ///
    /// # Errors
    /// `request.missing` for a way that does not begin at the profile's entity.
    pub fn related(&self, id: &str, way: &str, after: i64, limit: usize) -> Result<Vec<Profile>> {
        let profile = self.profile(id)?.profile;
        let ways = self.engine.schema()?.ways(profile.entity.as_str());
        let way = ways.into_iter().find(|w| w.name == way).ok_or_else(|| Refusal::missing("relation", way))?;
        let numbers = match way.direction {
            Direction::Names => {
                let referred = self.store.references(&[profile.number])?.pop().unwrap_or_default();
                let by_field = referred.iter().filter(|r| r.reference.field == way.field);
                let mut numbers: Vec<i64> = by_field.filter_map(|r| r.profile).filter(|n| *n > after).collect();
                numbers.sort_unstable();
                numbers.dedup();
                numbers.truncate(limit);
                numbers
            }
            Direction::NamedBy => {
                let Some(entity) = EntityName::parse(&way.to) else { return Ok(Vec::new()) };
                self.store.referrers(profile.number, &Relation { entity, field: way.field }, after, limit)?
            }
        };
        Ok(self.store.profiles_by_number(&numbers)?)
    }

    /// The profile that carries an identity.
    ///
    /// # Errors
    /// `request.invalid` for a namespace that nobody can be looked up by.
    pub fn profile_by_identity(&self, entity: &EntityName, namespace: &str, value: &str) -> Result<Option<Profile>> {
        self.known_namespace(entity, namespace)?;
        // Looked up in the form it is kept in; what is no address belongs to nobody.
        match Identity::read(namespace, value) {
            Ok(identity) => Ok(self.store.profile_by_identity(entity, &identity)?),
            Err(_) => Ok(None),
        }
    }

    pub(super) fn known_namespace(&self, entity: &EntityName, namespace: &str) -> Result<()> {
        if Identity::NAMESPACES.contains(&namespace) {
            return Ok(());
        }
        let named = policies::rules(self.store.as_ref(), entity)?.namespaces;
        if !named.contains_key(namespace) {
            let others = named.keys().map(String::as_str).filter(|name| !Identity::NAMESPACES.contains(name));
            let all: Vec<&str> = Identity::NAMESPACES.into_iter().chain(others).collect();
            let problem = format!("must be one of {}", all.join(", "));
            let message = format!("`namespace` {problem}");
            return Err(Refusal::invalid("request.invalid", message, vec![FieldProblem::new("namespace", problem)]));
        }
        Ok(())
    }

    /// Profiles that are named, or identified, by what begins so.
    ///
    /// # Errors
    /// `request.invalid` for a namespace that nobody can be looked up by, and for the beginning of nothing.
    pub fn search(
        &self,
        entity: &EntityName,
        search: Search<'_>,
        after: Option<&FoundPlace>,
        limit: usize,
    ) -> Result<Vec<Found>> {
        let (field, typed) = match search {
            Search::Name(prefix) => ("name", prefix),
            Search::Identity { prefix, .. } => ("prefix", prefix),
        };
        if typed.trim().is_empty() {
            let problem = "must have a character other than space";
            return Err(Refusal::invalid(
                "request.invalid",
                format!("`{field}` {problem}"),
                vec![FieldProblem::new(field, problem)],
            ));
        }
        match search {
            Search::Name(prefix) => Ok(self.store.profiles_named(entity, prefix, after, limit)?),
            Search::Identity { namespace, prefix } => {
                self.known_namespace(entity, namespace)?;
                // Addresses and most identities are kept in lower case; source keys as they came.
                let prefix = match namespace {
                    Identity::SOURCE_KEY => prefix.trim().to_owned(),
                    _ => prefix.trim().to_lowercase(),
                };
                Ok(self.store.profiles_identified(entity, namespace, &prefix, after, limit)?)
            }
        }
    }

    /// In the order of their numbers, after `after`.
    pub fn profiles(&self, entity: &EntityName, after: i64, limit: usize) -> Result<Vec<Profile>> {
        Ok(self.store.profiles(entity, after, limit)?)
    }

    /// Those that a limit keeps records out of, in the order of their numbers, after `after`.
    pub fn degraded_profiles(&self, entity: &EntityName, after: i64, limit: usize) -> Result<Vec<Profile>> {
        Ok(self.store.degraded_profiles(entity, after, limit)?)
    }

    pub fn count_profiles(&self) -> Result<u64> {
        Ok(self.store.count_profiles(&EntityName::PERSON)?)
    }
}
