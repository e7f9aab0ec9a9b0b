//! Where consents and suppressions of a sandbox are kept.

use super::store::Result;
use crate::consent::{Consent, Suppression};
use crate::identity::Identity;
use async_trait::async_trait;

/// What was put, and how much of it was not there already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Put {
    pub received: u64,
    pub changed: u64,
}

/// What was said of one person, by any of their identities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    pub consents: Vec<Consent>,
    pub suppressions: Vec<Suppression>,
}

/// Consents and suppressions. Whoever is a member of a target is looked at again by its next delivery when something is
/// said of them, or is taken back. As with the sandbox's store, a write is one transaction and durable when it returns.
#[async_trait]
pub trait ConsentStore: Send + Sync + 'static {
    /// Keeps what was said beside what was said before; the same again changes nothing.
    async fn put_consents(&self, consents: Vec<Consent>) -> Result<Put>;
    /// Of each of these identities.
    fn consents_of(&self, identities: &[Identity]) -> Result<Vec<Consent>>;
    /// In the order in which they came, each with the number to go on after.
    fn consents(&self, after: i64, limit: usize) -> Result<Vec<(i64, Consent)>>;

    /// One for each identity and channel: a later one takes its place.
    async fn put_suppressions(&self, suppressions: Vec<Suppression>) -> Result<Put>;
    /// By identity and channel; those that are not there are passed over.
    async fn remove_suppressions(&self, which: Vec<(Identity, String)>) -> Result<Put>;
    /// Of each of these profiles, by number, in the order asked for; of those that are gone, nothing.
    fn said_of(&self, profiles: &[i64]) -> Result<Vec<Said>>;
    fn suppressions_of(&self, identities: &[Identity]) -> Result<Vec<Suppression>>;
    /// As [`consents`](Self::consents).
    fn suppressions(&self, after: i64, limit: usize) -> Result<Vec<(i64, Suppression)>>;
}
