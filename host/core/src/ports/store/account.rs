//! What the projector of accounts keeps beside profiles: what companies are found by, who is whose parent, and attributes
//! that are worked out from other profiles and not from records. It has no cursor: the commit of profiles notes what is
//! to be looked at.

use super::Result;
use crate::Value;
use crate::model::EntityName;
use async_trait::async_trait;
use std::collections::BTreeSet;

/// What a row of companies is of. The number form is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// A person that no source puts into an account. Found by domains and names.
    Lead,
    /// Found by domains and names.
    Account,
    /// A source's relation of a person to an account: found by the person's key.
    Relation,
}

/// What a profile is found by, and what was known of it when that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompanyRow {
    pub side: Side,
    pub keys: BTreeSet<String>,
    /// JSON of the projector's own.
    pub facts: String,
}

/// Something to be looked at again. The number form is stored, and is the order they are done in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountTask {
    /// What changed of a profile.
    Look,
    /// Which profile an account's parent is.
    Parent,
    /// What an account's family comes to.
    Family,
    /// Which account a person belongs to.
    Match,
}

/// A task, and when it was last asked for: one that is asked for while it is done is done again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Due {
    pub task: AccountTask,
    pub profile: i64,
    pub asked: i64,
}

/// Attributes of a profile that no record gives. They are part of it wherever it is read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Derived {
    pub attributes: Vec<(String, Value)>,
    /// A limit was met, or what the sources say cannot be: the profile is listed with those that are degraded.
    pub degraded: bool,
}

/// Derived attributes to write; nothing: there are none any more.
#[derive(Debug, Clone, PartialEq)]
pub struct DerivedWrite {
    pub profile: i64,
    pub derived: Derived,
    /// What these attributes refer to, by field and key. References that records give stay.
    pub reference: Option<(&'static str, EntityName, String)>,
}

impl DerivedWrite {
    #[must_use]
    pub fn nothing(profile: i64) -> Self {
        Self { profile, derived: Derived::default(), reference: None }
    }
}

/// One step of the projector of accounts.
#[derive(Debug, Clone, Default)]
pub struct AccountsCommit {
    /// A new basis: all companies are forgotten, and every profile that may matter is looked at as if it were new.
    pub basis: Option<String>,
    /// `None`: there is none any more.
    pub companies: Vec<(i64, Option<CompanyRow>)>,
    /// Accounts and their parents.
    pub parents: Vec<(i64, Option<i64>)>,
    pub derived: Vec<DerivedWrite>,
    /// What was done; before what is to be done is noted.
    pub done: Vec<Due>,
    pub due: Vec<(AccountTask, i64)>,
    /// All leads that have one of these keys are to be matched again: also those of this commit.
    pub due_leads_with: BTreeSet<String>,
}

/// The part of a sandbox's store that the projector of accounts works on. Profiles are named by their numbers.
#[async_trait]
pub trait AccountStore: Send + Sync + 'static {
    /// By profile as asked for.
    fn companies(&self, profiles: &[i64]) -> Result<Vec<Option<CompanyRow>>>;
    /// Profiles of one side that have a key, by key as asked for; of each, at most `most`, in rising order.
    fn companies_with(&self, side: Side, keys: &[&str], most: usize) -> Result<Vec<Vec<i64>>>;
    /// By account as asked for.
    fn parents(&self, accounts: &[i64]) -> Result<Vec<Option<i64>>>;
    /// In rising order.
    fn children(&self, account: i64, most: usize) -> Result<Vec<i64>>;
    /// By profile as asked for.
    fn derived(&self, profiles: &[i64]) -> Result<Vec<Option<Derived>>>;
    /// Of the kind that comes first, at most `most`.
    fn accounts_due(&self, most: usize) -> Result<Vec<Due>>;
    /// Of these profiles, those of which a task is due.
    fn due_of(&self, task: AccountTask, profiles: &[i64]) -> Result<Vec<Due>>;
    /// What everything was worked out by.
    fn accounts_basis(&self) -> Result<Option<String>>;
    /// The source keys of a profile's records.
    fn record_keys(&self, profile: i64) -> Result<Vec<String>>;
    /// All source keys that lead to a profile.
    fn names(&self, profile: i64) -> Result<BTreeSet<String>>;
    /// The profile that a source key leads to.
    fn named(&self, entity: &EntityName, key: &str) -> Result<Option<i64>>;
    async fn commit_accounts(&self, commit: AccountsCommit) -> Result<()>;
}
